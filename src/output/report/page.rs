//! The page: one HTML file that loads nothing and works offline, in print, and in light and dark mode.

mod devices;
mod drawings;
mod failures;
mod places;

use maud::{Markup, PreEscaped, html};

use super::facts::{Facts, RunFact, STATUSES};
use super::limits::throttled_creates;
use super::spread::Times;
use super::story::story;
use super::table;
use super::timeline::Timeline;
use crate::domain::device::visible;
use crate::domain::format;
use crate::output::html::document::Document;
use crate::output::html::parts::{grouped, note, scrolling, tile, took};
use crate::results::record::{Status, timestamp};
use crate::results::runs_line::End;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

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
            (failures::failures(facts))
            (places::places(facts))
            (drawings::drawings(facts))
            (runs(facts))
            (devices::devices(facts))
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
            @let story = story(facts);
            @for (place, sentence) in story.iter().enumerate() { p.story.first[place == 0] { (sentence) } }
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
    let is_shown = |status: Status, count: u64| {
        count > 0 || matches!(status, Status::Created | Status::Failed)
    };
    html! {
        section aria-labelledby="totals" {
            h2 id="totals" { "Totals" }
            dl.tiles {
                (tile("rows", &grouped(facts.rows.len() as u64), false))
                @for status in STATUSES {
                    @let count = facts.count(status);
                    @let is_bad = count > 0 && matches!(status, Status::Failed | Status::Invalid);
                    @if is_shown(status, count) { (tile(status.as_str(), &grouped(count), is_bad)) }
                }
                @if !timeline.done.is_empty() {
                    (tile("working time", &took(timeline.length()), false))
                }
                @if let Some(median) = times.percentile(50) {
                    (tile("a device, median", &took(median), false))
                }
                @if let Some((sent, throttled)) = requests(facts) {
                    (tile("requests", &grouped(sent), false))
                    (tile("throttled", &format::percent(throttled), false))
                }
            }
        }
    }
}

/// Requests of the logged runs, and the share of throttled ones among their creates.
fn requests(facts: &Facts) -> Option<(u64, f64)> {
    let ends: Vec<&End> = facts
        .provisioning()
        .filter_map(|run| run.end.as_ref())
        .collect();
    let sent = ends.iter().map(|end| end.requests).sum();
    let throttled = ends.iter().map(|end| throttled_creates(end)).sum();
    let creates = ends
        .iter()
        .flat_map(|end| &end.regions)
        .map(|region| region.creates)
        .sum();
    (!ends.is_empty()).then_some((sent, share(throttled, creates)))
}

/// The share of throttled requests of a run: of its creates, of a rollback all.
fn throttled_share(end: &End) -> f64 {
    if end.regions.is_empty() {
        share(end.throttles, end.requests)
    } else {
        end.throttled_share
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
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
                    th scope="col" { "began" } th scope="col" { "command" } th scope="col" { "caller" } th scope="col" { "endpoint" }
                    th.number scope="col" { "took" } th scope="col" { "result" } th.number scope="col" { "rate" } th.number scope="col" { "throttled" } th scope="col" { "ended" }
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
            td.number { @if let Some(end) = end { (format::percent(throttled_share(end))) } }
            td { @match end {
                Some(end) => { (visible(&end.reason)) ", exit code " (end.exit_code) },
                None => "killed, or still running",
            } }
        }
    }
}
