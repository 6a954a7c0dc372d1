//! All rows as data of the page's table: column by column, with repeated text stored once.

use serde::Serialize;

use super::facts::{Fact, Facts, STATUSES};
use crate::domain::device::visible;
use crate::results::record::Status;

/// The data of the table, as JSON that is safe inside a `script` element.
///
/// A row is `[device_id, channel_name or 0, region, status, attempts, started or null, milliseconds taken or null,
/// code, message, arn, request_id or 0]`: numbers are indexes into the lists, `arn` is the last part of an ARN if all
/// others parts are common, else the whole ARN. The request ID of a successful request is left out: it would take a
/// third of the page.
pub(super) fn json(facts: &Facts) -> String {
    let account = facts
        .account
        .as_ref()
        .map_or("", |account| account.as_str());
    let data = Data {
        account,
        regions: facts.regions.iter().map(|text| &**text).collect(),
        statuses: STATUSES.map(Status::as_str),
        codes: facts.codes.iter().map(|text| &**text).collect(),
        messages: facts.messages.iter().map(|text| visible(text)).collect(),
        rows: facts
            .rows
            .iter()
            .map(|fact| line(facts, fact, account))
            .collect(),
    };
    // Numbers, text and lists can always be serialized.
    let json = serde_json::to_string(&data).unwrap_or_else(|_| "{}".to_owned());
    // Escaped, so that no text ends the element or begins a comment.
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

#[derive(Serialize)]
struct Data<'a> {
    account: &'a str,
    regions: Vec<&'a str>,
    statuses: [&'static str; STATUSES.len()],
    codes: Vec<&'a str>,
    messages: Vec<String>,
    rows: Vec<TableRow<'a>>,
}

type TableRow<'a> = (
    String,
    TextOrNumber<'a>,
    usize,
    usize,
    u32,
    Option<i64>,
    Option<i64>,
    usize,
    usize,
    TextOrNumber<'a>,
    TextOrNumber<'a>,
);

#[derive(Serialize)]
#[serde(untagged)]
enum TextOrNumber<'a> {
    Own(String),
    Text(&'a str),
    Number(u64),
}

fn line<'a>(facts: &Facts, fact: &'a Fact, account: &str) -> TableRow<'a> {
    let status = STATUSES.iter().position(|status| *status == fact.status);
    let took = fact
        .finished
        .zip(fact.started)
        .map(|(until, from)| until - from);
    let name = fact.channel_name.as_deref().unwrap_or(&fact.device_id);
    let usual = format!(
        "arn:aws:kinesisvideo:{}:{account}:channel/{name}/",
        facts.region(fact)
    );
    let arn = match fact.arn.strip_prefix(&usual).map(str::parse) {
        Some(Ok(creation)) => TextOrNumber::Number(creation),
        _ => TextOrNumber::Text(&fact.arn),
    };
    let channel = fact.channel_name.as_deref();
    let is_error = fact.code > 0 && !fact.request_id.is_empty();
    (
        visible(&fact.device_id),
        channel.map_or(TextOrNumber::Number(0), |name| {
            TextOrNumber::Own(visible(name))
        }),
        fact.region,
        status.unwrap_or_default(),
        fact.attempts,
        fact.started,
        took,
        fact.code,
        fact.message,
        arn,
        if is_error {
            TextOrNumber::Text(&fact.request_id)
        } else {
            TextOrNumber::Number(0)
        },
    )
}
