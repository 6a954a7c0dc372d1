//! The progress as JSON, for programs that wrap this one. The schema is in docs/scripting.md.

use serde::Serialize;

use super::{Source, Subject};

/// A program checks this number.
const SCHEMA: u32 = 1;

#[derive(Debug, Serialize)]
struct Line {
    schema: u32,
    event: &'static str,
    subject: &'static str,
    is_last: bool,
    elapsed_seconds: f64,
    done: u64,
    total: Option<u64>,
    created: u64,
    exists: u64,
    deleted: u64,
    failed: u64,
    invalid: u64,
    requests: u64,
    throttled: u64,
    rate: Rate,
    eta_seconds: Option<f64>,
    offline_seconds: Option<f64>,
    accounts: Option<Accounts>,
    hosts: Option<u32>,
}

#[derive(Debug, Serialize)]
struct Rate {
    now: f64,
    ceiling: Option<f64>,
    granted: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Accounts {
    ended: usize,
    all: usize,
}

/// The object at this instant, without a line end.
pub(super) fn line(source: &Source, is_last: bool) -> String {
    let Source {
        subject,
        total,
        stats,
    } = source;
    let (view, counts, pace) = (source.view(), stats.counts(), stats.pace());
    let (subject, requests) = match subject {
        Subject::Devices => ("devices", counts.creates),
        Subject::Deletions => ("deletions", counts.others),
        Subject::Answers => ("answers", counts.others),
    };
    let sharing = pace.sharing.filter(|sharing| sharing.is_joined);
    let line = Line {
        schema: SCHEMA,
        event: "progress",
        subject,
        is_last,
        elapsed_seconds: tenths(stats.elapsed().as_secs_f64()),
        done: view.done,
        total: *total,
        created: counts.created,
        exists: counts.exists,
        deleted: counts.deleted,
        failed: counts.failures(),
        invalid: counts.invalid,
        requests: requests.sent,
        throttled: requests.throttled,
        rate: Rate {
            now: tenths(view.per_second),
            ceiling: pace.ceiling,
            granted: pace.grant.map(tenths),
        },
        eta_seconds: view.ahead.map(|ahead| tenths(ahead.as_secs_f64())),
        offline_seconds: stats.offline_for().map(|since| tenths(since.as_secs_f64())),
        accounts: stats.accounts().map(|(ended, all)| Accounts { ended, all }),
        hosts: sharing
            .and_then(|sharing| sharing.last)
            .map(|last| last.hosts),
    };
    // Numbers and text can always be serialized.
    serde_json::to_string(&line).unwrap_or_default()
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
