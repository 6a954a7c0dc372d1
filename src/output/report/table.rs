//! All rows as data of the page's table: column by column, with repeated text stored once.

use serde::Serialize;
use serde_json::{Value, json};

use super::facts::{Fact, Facts, STATUSES};
use crate::domain::device::visible;
use crate::results::record::Status;

/// The data of the table, as JSON that is safe inside a `script` element.
///
/// A row is `[device_id, channel_name or 0, account, region, status, attempts, started or null, milliseconds taken or null,
/// code, message, arn, request_id or 0]`: numbers are indexes into the lists, `arn` is the last part of an ARN if the
/// other parts follow from the row, else the whole ARN. The request ID of a successful request is left out: it would take a
/// third of the page.
pub(super) fn json(facts: &Facts) -> String {
    let name = facts.results.file_stem().unwrap_or_default();
    let data = Data {
        name: visible(&name.to_string_lossy()),
        accounts: facts.accounts.iter().map(|text| &**text).collect(),
        regions: facts.regions.iter().map(|text| &**text).collect(),
        statuses: STATUSES.map(Status::as_str),
        codes: facts.codes.iter().map(|text| &**text).collect(),
        messages: facts.messages.iter().map(|text| visible(text)).collect(),
        rows: facts.rows.iter().map(|fact| line(facts, fact)).collect(),
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
    /// The results file, without its extension.
    name: String,
    accounts: Vec<&'a str>,
    regions: Vec<&'a str>,
    statuses: [&'static str; STATUSES.len()],
    codes: Vec<&'a str>,
    messages: Vec<String>,
    rows: Vec<Value>,
}

fn line(facts: &Facts, fact: &Fact) -> Value {
    let status = STATUSES.iter().position(|status| *status == fact.status);
    let took = fact
        .finished
        .zip(fact.started)
        .map(|(until, from)| until - from);
    let name = fact.channel_name.as_deref();
    let usual = format!(
        "arn:aws:kinesisvideo:{}:{}:channel/{}/",
        facts.region(fact),
        facts.account(fact),
        name.unwrap_or(&fact.device_id)
    );
    let creation = fact.arn.strip_prefix(&usual);
    // As a number it would lose leading zeros.
    let creation = creation.filter(|creation| !creation.starts_with('0'));
    let arn = match creation.map(str::parse::<u64>) {
        Some(Ok(creation)) => Value::from(creation),
        _ => Value::from(&*fact.arn),
    };
    let is_error = fact.code > 0 && !fact.request_id.is_empty();
    let request_id = is_error.then_some(&*fact.request_id);
    json!([
        visible(&fact.device_id),
        name.map_or(Value::from(0), |name| visible(name).into()),
        fact.account,
        fact.region,
        status.unwrap_or_default(),
        fact.attempts,
        fact.started,
        took,
        fact.code,
        fact.message,
        arn,
        request_id.map_or(Value::from(0), Value::from),
    ])
}
