//! The progress as text: for the two rows of the bar, and for a plain line.

use std::time::Duration;

use super::Subject;
use crate::domain::format;
use crate::engine::pace::sharing::Sharing;
use crate::output::stats::{Pace, Requests, RunCounts, Stats, time_left};

/// A grant below this share of the ceiling is shown.
const CLEARLY_LESS: f64 = 0.97;

/// A part of the second row, and a shorter form for narrow terminals.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    long: String,
    short: String,
}

impl Part {
    fn new(long: impl Into<String>, short: impl Into<String>) -> Self {
        let (long, short) = (long.into(), short.into());
        Self { long, short }
    }

    fn same(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::new(text.clone(), text)
    }
}

/// The progress as text.
#[derive(Debug)]
pub(super) struct View {
    /// What is finished.
    pub(super) done: u64,
    /// What gets done a second.
    pub(super) per_second: f64,
    /// How long the rest takes; none where that is unknown, or nothing is left.
    pub(super) ahead: Option<Duration>,
    /// Time left and failures.
    pub(super) outcomes: String,
    /// The second row, the most important part first.
    pace: Vec<Part>,
}

impl View {
    pub(super) fn new(subject: Subject, total: Option<u64>, stats: &Stats) -> Self {
        match subject {
            Subject::Devices => Shown::new(total, stats).view(),
            Subject::Deletions => {
                let counts = stats.counts();
                let (done, rate) = (counts.finished(), stats.recorded_lately());
                let kept = format!("{} not deleted", counts.failures());
                let pace = Part::same(format!("{} deleted/s", format::rate(rate)));
                let pace = [Some(pace), throttled(counts.others)];
                Self::of(done, rate, time_left(total, done, rate), kept, pace)
            }
            Subject::Answers => {
                let counts = stats.counts();
                let done = counts.answers;
                #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
                let rate = done as f64 / stats.elapsed().as_secs_f64().max(0.1);
                let pace = Part::same(format!("{} answers/s", format::rate(rate)));
                let pace = [Some(pace), throttled(counts.others)];
                Self::of(
                    done,
                    rate,
                    time_left(total, done, rate),
                    String::new(),
                    pace,
                )
            }
        }
    }

    /// `rest` follows the time left.
    fn of(
        done: u64,
        per_second: f64,
        ahead: Option<Duration>,
        rest: String,
        pace: impl IntoIterator<Item = Option<Part>>,
    ) -> Self {
        let eta = ahead.map(|ahead| format!("ETA {}", format::ahead(ahead)));
        let mut parts: Vec<String> = eta.into_iter().chain([rest]).collect();
        parts.retain(|part| !part.is_empty());
        Self {
            done,
            per_second,
            ahead,
            outcomes: parts.join(", "),
            pace: pace.into_iter().flatten().collect(),
        }
    }

    /// The second row for so many columns: first parts become short, then those at the end are left out.
    pub(super) fn pace(&self, columns: usize) -> String {
        let join = |count: usize, text: fn(&Part) -> &str| {
            let parts: Vec<&str> = self.pace.iter().take(count).map(text).collect();
            parts.join("; ")
        };
        let counts = (1..=self.pace.len()).rev();
        let mut rows = counts.flat_map(|count| {
            [
                join(count, |part| &part.long),
                join(count, |part| &part.short),
            ]
        });
        let fitting = rows.find(|row| row.chars().count() <= columns);
        // The bar cuts what is still too long.
        fitting.unwrap_or_else(|| join(1, |part| &part.short))
    }

    /// The whole progress for a plain line.
    pub(super) fn line(&self, total: Option<u64>) -> String {
        let (done, outcomes) = (self.done, &self.outcomes);
        let done = match total {
            Some(total) => format!("{done}/{total}"),
            None => format!("{done} devices"),
        };
        let first: Vec<&str> = [done.as_str(), outcomes.as_str()]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect();
        format!("{}; {}", first.join(", "), self.pace(usize::MAX))
    }
}

/// The share of throttled requests, if there were any.
fn throttled(requests: Requests) -> Option<Part> {
    let share = short_percent(requests.throttled_share());
    (requests.throttled > 0).then(|| {
        Part::new(
            format!("throttled {share} (retried)"),
            format!("{share} throttled"),
        )
    })
}

/// The state of a provisioning run that is shown.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) total: Option<u64>,
    pub(super) counts: RunCounts,
    pub(super) pace: Pace,
    /// The time without an answer.
    pub(super) silence: Option<Duration>,
    /// The accounts that have ended, and all.
    pub(super) accounts: Option<(usize, usize)>,
}

impl Shown {
    fn new(total: Option<u64>, stats: &Stats) -> Self {
        Self {
            total,
            counts: stats.counts(),
            pace: stats.pace(),
            silence: stats.offline_for(),
            accounts: stats.accounts(),
        }
    }

    pub(super) fn view(&self) -> View {
        let failed = format!("{} failed", self.counts.failures());
        let accounts = self
            .accounts
            .map(|(ended, all)| Part::same(format!("{ended} of {all} accounts ended")));
        let pace = [
            Some(self.rate()),
            throttled(self.counts.creates),
            accounts,
            self.hosts(),
        ];
        View::of(
            self.counts.finished(),
            self.pace.now,
            self.ahead(),
            failed,
            pace,
        )
    }

    fn ahead(&self) -> Option<Duration> {
        let ahead = self.pace.ahead.filter(|ahead| !ahead.is_zero());
        ahead.filter(|_| self.silence.is_none() && self.total.is_some())
    }

    /// The channels created a second, and what limits them.
    fn rate(&self) -> Part {
        if let Some(silence) = self.silence {
            let seconds = silence.as_secs();
            return Part::new(
                format!("no answer for {seconds} s, paused until there is one"),
                format!("no answer for {seconds} s, paused"),
            );
        }
        if self.counts.creates.sent == 0 {
            return Part::same("no create sent yet");
        }
        let Pace {
            now,
            ceiling,
            grant,
            ..
        } = self.pace;
        let created = format!("{} created/s", format::rate(now));
        let grant =
            grant.filter(|grant| ceiling.is_none_or(|ceiling| *grant < CLEARLY_LESS * ceiling));
        match (ceiling.map(plain), grant.map(format::rate)) {
            (Some(ceiling), None) => Part::same(format!("{created} of {ceiling} allowed")),
            (Some(ceiling), Some(grant)) => Part::new(
                format!("{created} (service grants {grant}, ceiling {ceiling})"),
                format!("{created} of {grant} granted"),
            ),
            (None, Some(grant)) => Part::new(
                format!("{created} (service grants {grant})"),
                format!("{created} of {grant} granted"),
            ),
            (None, None) => Part::same(created),
        }
    }

    /// The hosts that share the quota by a quota server.
    fn hosts(&self) -> Option<Part> {
        let sharing = self.pace.sharing?;
        if !sharing.is_joined {
            return Some(Part::new("quota server lost, alone", "alone"));
        }
        let Sharing { last, .. } = sharing;
        let hosts = u64::from(last?.hosts);
        Some(match hosts {
            1 => Part::new("no other host shares the quota", "1 host"),
            _ => Part::new(
                format!("{hosts} hosts share the quota"),
                format!("{hosts} hosts"),
            ),
        })
    }
}

/// A rate without the places that it does not need.
fn plain(rate: f64) -> String {
    if rate.fract() == 0.0 {
        format!("{rate:.0}")
    } else {
        format::rate(rate)
    }
}

/// A short percentage, rounded up below ten so that a single throttle is visible.
pub(super) fn short_percent(share: f64) -> String {
    let tenths = (share * 1_000.0).ceil();
    if tenths <= 0.0 {
        "0%".to_owned()
    } else if tenths < 100.0 {
        format!("{:.1}%", tenths / 10.0)
    } else {
        format!("{:.0}%", share * 100.0)
    }
}
