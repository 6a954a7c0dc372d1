//! The page: one HTML file that loads nothing and works offline, in print, and in light and dark mode.

mod drawings;

use maud::{Markup, PreEscaped, html};

use super::facts::{Fact, Facts, RunFact, STATUSES};
use super::outcomes::{self, OF_DEVICES};
use super::spread::Times;
use super::table;
use super::timeline::Timeline;
use crate::domain::device::visible;
use crate::domain::error_codes;
use crate::domain::format;
use crate::output::html::document::Document;
use crate::output::html::parts::{grouped, note, scrolling, tile, took};
use crate::results::record::{Status, timestamp};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The most devices of an error code that are listed outside of the table.
const LISTED: usize = 200;

/// Error codes with at most this many devices list them without a click.
const FEW: usize = 20;

/// So many accounts are named at the page's head.
const FEW_ACCOUNTS: usize = 5;

pub(crate) fn page(facts: &Facts) -> String {
    let name = facts
        .results
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let body = html! {
        (head(facts, &name))
        main {
            (totals(facts))
            (failures(facts))
            (accounts(facts))
            (drawings::drawings(facts))
            (runs(facts))
            (devices(facts))
        }
        footer {
            "Written by kvs-fleet " (env!("CARGO_PKG_VERSION")) " on " (timestamp(facts.read_at))
            " from " (visible(&facts.results.display().to_string())) ". Times are UTC."
        }
        script type="application/json" id="data" { (PreEscaped(table::json(facts))) }
    };
    Document {
        title: &format!("{} – kvs-fleet report", visible(&name)),
        style: STYLE,
        script: SCRIPT,
        connect: "'none'",
        body,
    }
    .into_text()
}

fn head(facts: &Facts, name: &str) -> Markup {
    let regions = facts.region_names();
    html! {
        header {
            h1 { "Signaling channels: " (visible(name)) }
            p.faint {
                @match facts.account_names().as_slice() {
                    [] => {},
                    [one] => { "Account " (one) ". " },
                    few if few.len() <= FEW_ACCOUNTS => { "Accounts " (few.join(", ")) ". " },
                    many => { (format::count(many.len() as u64, "account")) ". " },
                }
                @match regions.as_slice() {
                    [] => {},
                    [one] => { "Region " (one) "." },
                    several => { "Regions " (several.join(", ")) "." },
                }
            }
            @if facts.is_emulated() {
                (note(&html! { strong { "Rehearsal: " } "the emulator created these channels, not AWS." }))
            }
            @if let Some(torn) = facts.torn {
                (note(&html! { "The results file ends in an incomplete record at line " (torn.line)
                    ", as a power loss or a kill leaves it; the next run repairs it." }))
            }
            @if facts.runs.is_none() {
                (note(&html! { "There is no runs log beside the results: quotas, throttles and runs are unknown." }))
            }
        }
    }
}

fn totals(facts: &Facts) -> Markup {
    let timeline = Timeline::new(facts);
    let times = Times::new(facts);
    let listed = facts.rows.len() as u64;
    html! {
        section aria-labelledby="totals" {
            h2 id="totals" { "Totals" }
            dl.tiles {
                (tile("rows", &grouped(listed), false))
                @for status in STATUSES {
                    @let count = facts.count(status);
                    @let is_bad = count > 0 && matches!(status, Status::Failed | Status::Invalid);
                    (tile(status.as_str(), &grouped(count), is_bad))
                }
                @if !timeline.done.is_empty() {
                    (tile("working time", &took(timeline.length()), false))
                }
                @if let Some(median) = times.percentile(50) {
                    (tile("a device, median", &took(median), false))
                }
                @if let Some((sent, throttled)) = requests(facts) {
                    (tile("requests", &grouped(sent), false))
                    (tile("throttled", &format::percent(share(throttled, sent)), false))
                }
            }
        }
    }
}

/// Requests of the logged runs, and the throttled ones among them.
fn requests(facts: &Facts) -> Option<(u64, u64)> {
    let ends: Vec<_> = facts
        .provisioning()
        .filter_map(|run| run.end.as_ref())
        .collect();
    let sent = ends.iter().map(|end| end.requests).sum();
    let throttled = ends.iter().map(|end| end.throttles).sum();
    (!ends.is_empty()).then_some((sent, throttled))
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

fn failures(facts: &Facts) -> Markup {
    let failures = facts.failures();
    html! {
        section aria-labelledby="failures" {
            h2 id="failures" { "Failures" }
            @if failures.is_empty() {
                p { "None: every valid row has its channel, or a rollback deleted it." }
            }
            @for (code, rows) in &failures {
                h3 { code { (visible(code)) } " – " (format::count(rows.len() as u64, "row")) }
                p { "What to do: " (error_codes::hint(code)) "." }
                details open[rows.len() <= FEW] {
                    summary { "The devices" }
                    ul.messages {
                        @for row in rows.iter().take(LISTED) {
                            li { (device(row)) ": " bdi { (visible(facts.message(row))) } }
                        }
                    }
                    @if rows.len() > LISTED {
                        p.faint { "and " (grouped((rows.len() - LISTED) as u64)) " more: search the table below for " code { (visible(code)) } }
                    }
                }
            }
        }
    }
}

fn device(row: &Fact) -> Markup {
    let id = if row.device_id.is_empty() {
        "(no device ID)".to_owned()
    } else {
        visible(&row.device_id)
    };
    html! { bdi.mono { (id) } }
}

/// The outcomes by account and Region, where there are several accounts.
fn accounts(facts: &Facts) -> Markup {
    if !facts.has_several_accounts() {
        return html! {};
    }
    html! {
        section aria-labelledby="accounts" {
            h2 id="accounts" { "Accounts and Regions" }
            (scrolling("accounts", true, &html! { table {
                thead { tr {
                    th scope="col" { "account" } th scope="col" { "Region" }
                    @for status in OF_DEVICES { th.number scope="col" { (status.as_str()) } }
                } }
                tbody { @for ((account, region), counts) in outcomes::by_account_region(facts) { tr {
                    td.mono { @if account.is_empty() { "unknown" } @else { (account) } }
                    td { (region) }
                    @for (status, count) in OF_DEVICES.into_iter().zip(counts) {
                        td.number.bad[status == Status::Failed && count > 0] { (grouped(count)) }
                    }
                } } }
            } }))
        }
    }
}

fn runs(facts: &Facts) -> Markup {
    let Some(runs) = &facts.runs else {
        return html! {};
    };
    html! {
        section aria-labelledby="runs" {
            h2 id="runs" { "Runs" }
            (scrolling("runs", false, &html! { table.runs {
                thead { tr {
                    th { "began" } th { "command" } th { "caller" } th { "endpoint" }
                    th.number { "took" } th { "result" } th.number { "rate" } th.number { "throttled" } th { "ended" }
                } }
                tbody { @for entry in runs { (run(entry)) } }
            } }))
        }
    }
}

fn run(run: &RunFact) -> Markup {
    let (start, end) = (&run.start, run.end.as_ref());
    let counts = end.map(|end| {
        let counts = end.counts.iter().filter(|(_, count)| **count > 0);
        let counts: Vec<String> = counts
            .map(|(status, count)| format!("{count} {status}"))
            .collect();
        if counts.is_empty() {
            "nothing".to_owned()
        } else {
            counts.join(", ")
        }
    });
    let rate = end.and_then(|end| end.achieved_per_second);
    html! {
        tr {
            td.when { (visible(start.at.get(..19).unwrap_or(&start.at)).replace('T', " ")) }
            td.mono { (visible(&start.arguments.join(" "))) }
            td.mono { (start.caller.as_deref().map(visible).unwrap_or_default()) }
            td { (start.endpoint.as_deref().map_or_else(|| "AWS".to_owned(), visible)) }
            td.number { @if let Some(end) = end { (took(i64::try_from(end.duration_ms).unwrap_or(i64::MAX))) } }
            td { (counts.unwrap_or_default()) }
            td.number { @if let Some(rate) = rate { (format::rate(rate)) "/s" } }
            td.number { @if let Some(end) = end { (format::percent(share(end.throttles, end.requests))) } }
            td { @match end {
                Some(end) => { (visible(&end.reason)) ", exit code " (end.exit_code) },
                None => "killed, or still running",
            } }
        }
    }
}

fn devices(facts: &Facts) -> Markup {
    const COLUMNS: [(&str, bool, &str); 11] = [
        ("device", false, "11%"),
        ("channel", false, "9%"),
        ("account", false, "10%"),
        ("Region", false, "9%"),
        ("status", false, "6.5%"),
        ("attempts", true, "7%"),
        ("started", false, "14.5%"),
        ("took", true, "6%"),
        ("error", false, "10%"),
        ("message", false, "10%"),
        ("ARN", false, "7%"),
    ];
    html! {
        section aria-labelledby="devices" {
            h2 id="devices" { "Devices" }
            noscript { (note(&html! { "The table needs JavaScript; totals and failures above are complete without it." })) }
            div.tools {
                input id="search" type="search" placeholder="Search: ID, channel, account, Region, error, ARN…" aria-label="Search the rows" autocomplete="off" spellcheck="false";
                select id="status" aria-label="Status" {
                    option value="" { "all statuses" }
                    @for (place, status) in STATUSES.iter().enumerate() {
                        option value=(place) { (status.as_str()) }
                    }
                }
                span.faint id="count" role="status" { (grouped(facts.rows.len() as u64)) }
            }
            div id="rows" tabindex="0" role="region" aria-label="Rows" {
                table {
                    colgroup { @for (.., width) in COLUMNS { col style={ "width:" (width) }; } }
                    thead { tr { @for (name, is_number, _) in COLUMNS {
                        th.number[is_number] scope="col" { button type="button" title="Sort" { (name) } }
                    } } }
                    tbody {}
                }
            }
            p.faint.screen { "Printed, the table holds its first 5,000 rows: search to choose them." }
        }
    }
}
