//! How far the run is: the stage, the bar, the counts, and at the end the result.

use maud::{Markup, html};

use crate::domain::device::visible;
use crate::domain::format;
use crate::live::run::{Snapshot, Stage};
use crate::live::status;
use crate::output::html::parts::{grouped, note, tile};
use crate::output::progress::Subject;

/// A number, its name, and whether it is a bad one.
type Tile = (&'static str, String, bool);

pub(super) fn part(now: &Snapshot) -> Markup {
    let is_offline = now.offline_for.is_some();
    let is_bad = now.has_ended() && now.summary.exit_code != 0;
    html! {
        p.stage.bad[is_bad].note[is_offline] data-stage=(status::name(now.stage)) { (stage(now)) }
        p.big { (headline(now)) }
        @if let (Some(total), Some(share)) = (now.total, now.share()) {
            div.bar {
                progress max=(total) value=(now.done) aria-label="Done" {}
                span { (whole_percent(share)) }
                @if let Some(ahead) = now.ahead.filter(|ahead| !ahead.is_zero()) {
                    span.left { (format::ahead(ahead)) " left" }
                }
            }
        }
        @if now.has_ended() { (result(now)) }
        @for (name, tiles) in [("Devices", devices(now)), ("Pace", pace(now))] {
            @if !tiles.is_empty() {
                dl.tiles aria-label=(name) { @for (name, value, is_bad) in tiles { (tile(name, &value, is_bad)) } }
            }
        }
    }
}

/// The stage in words.
pub(super) fn stage(now: &Snapshot) -> String {
    let summary = &now.summary;
    match now.stage {
        Stage::Preparing => "Preparing: files, account, existing channels".to_owned(),
        Stage::Working => match (now.offline_for, now.subject) {
            (Some(silence), _) => format!(
                "No answer from the service for {}: waiting until one comes",
                format::ahead(silence)
            ),
            (None, Subject::Devices) => "Creating".to_owned(),
            (None, Subject::Deletions) => "Deleting".to_owned(),
            (None, Subject::Answers) => "Verifying".to_owned(),
        },
        Stage::Stopping => "Stopping: requests in flight are being finished".to_owned(),
        Stage::Ended => match (summary.exit_code, summary.reason) {
            (0, _) => "Done".to_owned(),
            (3, "complete") => "Complete, with exceptions".to_owned(),
            (code, reason) => format!("Ended early: {reason} (exit code {code})"),
        },
    }
}

fn headline(now: &Snapshot) -> Markup {
    let unit = match now.subject {
        Subject::Devices => "devices have their channel",
        Subject::Deletions => "channels deleted",
        Subject::Answers if now.share().is_none() => return verified(now),
        Subject::Answers => "answers",
    };
    html! {
        strong { (grouped(now.done)) }
        @if let Some(total) = now.total { " of " (grouped(total)) }
        " " span.unit { (unit) }
    }
}

/// A verification that needs the listings only has no progress to count.
fn verified(now: &Snapshot) -> Markup {
    html! {
        @match &now.summary.message {
            Some(message) if now.has_ended() => span.unit { (visible(message)) },
            _ => { strong { (grouped(now.summary.plan.listed)) } " " span.unit { "channels are compared with the listings" } },
        }
    }
}

fn devices(now: &Snapshot) -> Vec<Tile> {
    let (plan, counts) = (&now.summary.plan, &now.summary.counts);
    let failed = counts.failures();
    match now.subject {
        Subject::Devices => vec![
            ("created", grouped(counts.created), false),
            ("existed", grouped(counts.exists), false),
            ("done before", grouped(plan.done), false),
            ("failed", grouped(failed), failed > 0),
            ("invalid", grouped(counts.invalid), counts.invalid > 0),
        ],
        Subject::Deletions => vec![("left undeleted", grouped(failed), failed > 0)],
        Subject::Answers => Vec::new(),
    }
}

fn pace(now: &Snapshot) -> Vec<Tile> {
    let creates = &now.summary.counts.creates;
    let running = ("running for", format::ahead(now.summary.duration), false);
    let rate = |rate: Option<f64>| {
        rate.map_or_else(
            || "–".to_owned(),
            |rate| format!("{}/s", format::rate(rate)),
        )
    };
    let done = if now.has_ended() {
        ("rate", rate(now.summary.totals.achieved), false)
    } else {
        ("now", rate(Some(now.per_second)), false)
    };
    if !matches!(now.subject, Subject::Devices) {
        return vec![done, running];
    }
    let share = format::percent(creates.throttled_share());
    vec![
        done,
        ("granted", rate(now.pace.grant), false),
        ("ceiling", ceiling(now), false),
        ("throttled", share, false),
        running,
    ]
}

/// That of all Regions at work; else that of each.
fn ceiling(now: &Snapshot) -> String {
    let each = if now.regions.len() > 1 { " each" } else { "" };
    match (now.pace.ceiling, now.summary.ceiling) {
        (Some(all), _) => format!("{}/s", format::rate(all)),
        (None, Some(one)) => format!("{}/s{each}", format::rate(one)),
        (None, None) => "–".to_owned(),
    }
}

/// How the run ended: what stopped it, and the lines of its summary.
fn result(now: &Snapshot) -> Markup {
    let summary = &now.summary;
    let is_headline = matches!(now.subject, Subject::Answers) && now.share().is_none();
    let message = summary.message.as_ref().filter(|_| !is_headline);
    html! {
        @match message {
            Some(message) if summary.exit_code == 0 => p { (visible(message)) },
            Some(message) => (note(&html! { (visible(message)) })),
            None => {},
        }
        @if matches!(now.subject, Subject::Devices) && summary.exit_code != 2 {
            ul.result { @for line in summary.lines() { li { (line_of_result(line.trim_start())) } } }
        }
    }
}

/// A line, with a command as code.
fn line_of_result(line: &str) -> Markup {
    const RESUME: &str = "to continue: ";
    html! {
        @match line.strip_prefix(RESUME) {
            Some(command) => { (RESUME) code { (visible(command)) } },
            None => (visible(line)),
        }
    }
}

/// Rounded down, so that 100 % means all.
pub(super) fn whole_percent(share: f64) -> String {
    format!("{:.0} %", (share * 100.0).floor())
}
