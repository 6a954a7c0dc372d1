//! The live page: a document that a server renders whole, and parts of it that are replaced when they change.
//!
//! Everything is rendered here, so that the page's script only puts text in its place, and text of the manifest is escaped
//! in one place.

mod chart;
mod progress;
mod regions;

use std::collections::BTreeSet;

use maud::{Markup, PreEscaped, html};

use super::events::{Entry, Severity};
use super::failures::FailuresOf;
use super::run::{Snapshot, Stage};
use crate::domain::device::visible;
use crate::domain::error_codes;
use crate::domain::format;
use crate::output::html::document::{Document, policy};
use crate::output::html::parts::{figure, grouped, note, scrolling};
use crate::output::progress::Subject;
use crate::results::record::timestamp;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Error codes with at most this many devices list them without a click.
const FEW: u64 = 5;

/// A part of the page that is replaced as a whole: the ID of its element, and its content.
pub(super) type Part = (&'static str, String);

/// The whole page at one instant, with these parts.
pub(super) fn document(now: &Snapshot, parts: &[Part]) -> String {
    let part = |id: &str| {
        let content = parts.iter().find(|(known, _)| *known == id);
        PreEscaped(content.map_or("", |(_, content)| content))
    };
    let body = html! {
        header {
            h1 id="heading" { (part("heading")) }
            div id="who" { (part("who")) }
            p.note id="lost" role="alert" hidden {}
            p.spoken id="spoken" role="status" { (part("spoken")) }
        }
        main {
            section aria-label="Progress" { div id="progress" { (part("progress")) } }
            section aria-labelledby="failures-head" {
                h2 id="failures-head" { "Failures" }
                div id="failures" { (part("failures")) }
            }
            section aria-label="Rate" { div id="rate" { (part("rate")) } }
            section aria-labelledby="regions-head" {
                h2 id="regions-head" { "Accounts and Regions" }
                (scrolling("accounts and Regions", true, &html! { div id="regions" { (part("regions")) } }))
            }
            section aria-labelledby="events-head" {
                h2 id="events-head" { "Last events" }
                (scrolling("last events", true, &html! { div id="events" { (part("events")) } }))
            }
            section aria-labelledby="run-head" {
                h2 id="run-head" { "This run" }
                div id="run" { (part("run")) }
            }
        }
        footer {
            "kvs-fleet " (env!("CARGO_PKG_VERSION")) ". Times are UTC. The same numbers: "
            a href="status.json" { "status.json" } ", " a href="metrics" { "metrics" } "."
        }
    };
    let document = Document {
        title: &title(now),
        style: STYLE,
        script: SCRIPT,
        connect: "'self'",
        body,
    };
    document.into_text()
}

/// The content security policy of the page's answer.
pub(super) fn security_policy() -> String {
    format!("{}; frame-ancestors 'none'", policy(SCRIPT, "'self'"))
}

/// Everything that changes while the run goes on.
pub(super) fn parts(now: &Snapshot) -> Vec<Part> {
    let parts = [
        ("heading", html! { (heading(now)) }),
        ("who", who(now)),
        ("spoken", spoken(now)),
        ("progress", progress::part(now)),
        ("rate", rate(now)),
        ("failures", failures(now)),
        ("regions", regions::table(now)),
        ("events", events(now)),
        ("run", run(now)),
    ];
    parts.map(|(id, part)| (id, part.into_string())).into()
}

/// The title of the browser's tab.
pub(super) fn title(now: &Snapshot) -> String {
    let percent = now.share().map(progress::whole_percent);
    let lead = match (now.stage, now.summary.exit_code) {
        (Stage::Ended, 0) => Some("done".to_owned()),
        (Stage::Ended, 3) => Some("done, with exceptions".to_owned()),
        (Stage::Ended, _) => Some(format!("ended: {}", now.summary.reason)),
        _ if now.offline_for.is_some() => Some("no answer".to_owned()),
        _ => percent,
    };
    let lead = lead.map_or_else(String::new, |lead| format!("{lead} – "));
    format!("{lead}{}", heading(now))
}

fn heading(now: &Snapshot) -> String {
    let summary = &now.summary;
    let what = match now.subject {
        Subject::Devices => "Creating signaling channels",
        Subject::Deletions => "Deleting signaling channels",
        Subject::Answers => "Verifying signaling channels",
    };
    let file = summary.manifest.as_ref().or(summary.results.as_ref());
    let name = file.and_then(|file| file.file_name());
    match name {
        Some(name) => format!("{what}: {}", visible(&name.to_string_lossy())),
        None => what.to_owned(),
    }
}

fn who(now: &Snapshot) -> Markup {
    let summary = &now.summary;
    let regions = summary.regions.join(", ");
    html! {
        p.faint {
            @match (&summary.account, accounts(now)) {
                (_, 2..) => { (accounts(now)) " accounts. " },
                (Some(account), _) => { "Account " (account) ". " },
                (None, _) => "Account not known yet. ",
            }
            @if let Some(caller) = &summary.caller { "Caller " span.mono { (visible(caller)) } ". " }
            @match summary.regions.len() {
                0 => {},
                1 => { "Region " (regions) ". " },
                _ => { "Regions " (regions) ". " },
            }
            @if let Some(endpoint) = &summary.endpoint { "Endpoint " span.mono { (visible(endpoint)) } "." }
        }
        @if summary.emulator {
            (note(&html! { strong { "Rehearsal: " } "an emulator answers, not AWS." }))
        }
    }
}

/// How many accounts the rows name.
fn accounts(now: &Snapshot) -> usize {
    let named = now
        .regions
        .iter()
        .map(|region| &region.account_region.account);
    named.collect::<BTreeSet<_>>().len()
}

/// What a screen reader announces: it changes at each quarter, and when the stage or the connection changes.
fn spoken(now: &Snapshot) -> Markup {
    let quarters = now.share().map(|share| (share * 4.0).floor() * 25.0);
    let is_failing = !now.recorded.failures.is_empty();
    html! {
        (progress::stage(now))
        @if let (Stage::Working, Some(percent)) = (now.stage, quarters) { ", at least " (format!("{percent:.0}")) " % done" }
        @if is_failing { ", some rows have failed or are invalid" }
    }
}

fn rate(now: &Snapshot) -> Markup {
    let samples = now.history.samples();
    if samples.len() < 2 || (now.has_ended() && now.total == Some(0)) {
        return html! {};
    }
    let done = match now.subject {
        Subject::Devices => "channels",
        Subject::Deletions => "deletions",
        Subject::Answers => "answers",
    };
    let chart = chart::rate(&now.history);
    figure(
        "The pace of the last minutes",
        &chart,
        true,
        &chart::caption(now, done),
    )
}

fn failures(now: &Snapshot) -> Markup {
    if now.recorded.failures.is_empty() {
        return html! { p.faint { "None." } };
    }
    html! {
        @for (code, failures) in now.recorded.failures.by_count() {
            (failures_of(code, failures, !matches!(now.subject, Subject::Answers)))
        }
    }
}

/// The rows with an error code, with what to do about it where that is known.
fn failures_of(code: &str, failures: &FailuresOf, has_hint: bool) -> Markup {
    let more = failures.count.saturating_sub(failures.devices.len() as u64);
    let common = failures.common_message();
    html! {
        h3 { code { (visible(code)) } " – " (format::count(failures.count, "row")) }
        @if let Some(message) = common { p { bdi { (visible(message)) } } }
        @if has_hint { p { "What to do: " (error_codes::hint(code)) "." } }
        details open[failures.count <= FEW] data-key=(code) {
            summary { "The devices" }
            ul.messages.short[common.is_some()] {
                @for device in &failures.devices {
                    li {
                        bdi.mono { @if device.device_id.is_empty() { "(no device ID)" } @else { (visible(&device.device_id)) } }
                        @if common.is_none() { ": " bdi { (visible(&device.message)) } }
                    }
                }
            }
            @if more > 0 { p.faint { "and " (grouped(more)) " more: the results file names them" } }
        }
    }
}

fn events(now: &Snapshot) -> Markup {
    let mut entries = now.recorded.events.iter().peekable();
    if entries.peek().is_none() {
        return html! { p.faint { "Nothing out of the ordinary." } };
    }
    html! {
        table.events {
            thead { tr { th scope="col" { "time" } th scope="col" { "severity" } th scope="col" { "event" } } }
            tbody { @for entry in entries { (event(entry)) } }
        }
    }
}

fn event(entry: &Entry) -> Markup {
    let at = timestamp(entry.at);
    html! {
        tr {
            td.when { (at.get(11..19).unwrap_or(&at)) }
            td.bad[entry.severity == Severity::Failure] { (entry.severity.name()) }
            td.text {
                (visible(&entry.text))
                @if entry.times > 1 { span.faint { " (the last of " (grouped(entry.times)) ")" } }
            }
        }
    }
}

fn run(now: &Snapshot) -> Markup {
    let summary = &now.summary;
    let path =
        |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let mut facts: Vec<(&str, Option<String>)> = vec![
        ("command", Some(summary.command.to_owned())),
        ("manifest", path(&summary.manifest)),
        ("results", path(&summary.results)),
        ("shard", summary.shard.map(|shard| shard.to_string())),
        ("quota server", summary.quota_server.clone()),
        ("hosts", hosts(now)),
        ("began", summary.started_at.map(timestamp)),
    ];
    facts.extend(
        now.settings
            .iter()
            .map(|(name, value)| (*name, Some(value.clone()))),
    );
    html! {
        dl.facts {
            @for (name, value) in facts {
                @if let Some(value) = value { dt { (name) } dd { (visible(&value)) } }
            }
        }
    }
}

/// What the quota server says of the hosts.
fn hosts(now: &Snapshot) -> Option<String> {
    now.summary.quota_server.as_ref()?;
    Some(match now.pace.sharing {
        None => "not joined yet".to_owned(),
        Some(sharing) if !sharing.is_joined => {
            "the quota server gives no answer: this host goes on alone".to_owned()
        }
        Some(sharing) => match sharing.last {
            None => "joined".to_owned(),
            Some(last) => format!(
                "{} share {}/s",
                format::count(last.hosts.into(), "host"),
                format::rate(last.rate)
            ),
        },
    })
}
