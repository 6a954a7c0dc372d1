//! What happened to a batch, in a few sentences.

use std::collections::BTreeMap;
use std::time::Duration;

use super::facts::{Facts, RunFact};
use super::limits::throttled_creates;
use super::rates::{self, Rate};
use super::timeline::Timeline;
use crate::domain::format;
use crate::output::html::parts::{grouped, took, upper};
use crate::results::record::Status;

/// The service's own quota of creates a second for an account and Region.
const USUAL_QUOTA: f64 = 50.0;

/// A grant below this share of the ceiling is what limited the run.
const CLEARLY_LESS: f64 = 0.97;

/// The sentences, the outcome first.
pub(crate) fn story(facts: &Facts) -> Vec<String> {
    let mut sentences = vec![outcome(facts)];
    sentences.extend(others(facts));
    sentences.extend(runs(facts));
    sentences.extend(throttles(facts));
    sentences
}

/// How many devices have their channel, how long that took, and how fast it was.
fn outcome(facts: &Facts) -> String {
    let [created, exists, deleted] =
        [Status::Created, Status::Exists, Status::Deleted].map(|status| facts.count(status));
    let have = created + exists;
    let all = facts.rows.len() as u64 + waiting(facts);
    match (have, all) {
        (_, 0) => return "No device was attempted.".to_owned(),
        (0, all) if all == deleted => {
            return match all {
                1 => "The only channel of this batch was deleted by a rollback.".to_owned(),
                _ => format!(
                    "All {} channels of this batch were deleted by a rollback.",
                    grouped(all)
                ),
            };
        }
        (0, 1) => return "The only device has no channel.".to_owned(),
        (0, all) => return format!("None of {} devices has a channel.", grouped(all)),
        _ => {}
    }
    let verb = if have == 1 { "has its" } else { "have their" };
    let noun = if all == 1 { "device" } else { "devices" };
    let mut text = format!(
        "{} of {} {noun} {verb} channel",
        grouped(have),
        grouped(all)
    );
    let timeline = Timeline::new(facts);
    if created > 0 && !timeline.sent.is_empty() {
        text.push_str(", in ");
        text.push_str(&took(timeline.length()));
        text.push_str(" of working time");
        if let Some(pace) = pace(facts, &timeline) {
            text.push_str(", ");
            text.push_str(&pace);
        }
    }
    text + "."
}

/// The rate, compared with what was allowed.
fn pace(facts: &Facts, timeline: &Timeline) -> Option<String> {
    let rates = rates::by_account_region(facts);
    let rates: Vec<Rate> = rates.into_values().collect();
    match rates.as_slice() {
        [] => {
            let length =
                Duration::from_millis(u64::try_from(timeline.length()).unwrap_or_default());
            // A burst has no rate.
            let is_burst = length < Duration::from_secs(2) || timeline.sent.len() < 20;
            #[expect(clippy::cast_precision_loss, reason = "a count of devices")]
            let rate = timeline.sent.len() as f64 / length.as_secs_f64();
            (!is_burst).then(|| format!("{} devices a second", format::rate(rate)))
        }
        [one] => Some(pace_of(one)),
        several => Some(pace_of_several(several, facts.has_several_accounts())),
    }
}

fn pace_of(rate: &Rate) -> String {
    let achieved = format::rate(rate.per_second());
    let granted = rate
        .granted
        .filter(|granted| is_less(*granted, rate.ceiling));
    match (rate.of_quota().zip(rate.ceiling), granted) {
        (Some((_, ceiling)), Some(granted)) => format!(
            "at {achieved} channels a second, where the service granted about {} of at most {} at the end",
            format::about(granted),
            plain(ceiling)
        ),
        (Some((share, ceiling)), None) => format!("at {} of {}", percent(share), allowed(ceiling)),
        (None, Some(granted)) => format!(
            "at {achieved} channels a second, where the service granted about {} at the end",
            format::about(granted)
        ),
        (None, None) => format!("at {achieved} channels a second"),
    }
}

/// The range of the rates of accounts and Regions, which each have a quota of their own.
fn pace_of_several(rates: &[Rate], has_accounts: bool) -> String {
    let each = if has_accounts {
        "in each account and Region"
    } else {
        "in each Region"
    };
    let shares: Option<Vec<f64>> = rates.iter().map(Rate::of_quota).collect();
    let ceilings: Vec<f64> = rates.iter().filter_map(|rate| rate.ceiling).collect();
    let is_limited = |rate: &Rate| {
        rate.granted
            .is_some_and(|granted| is_less(granted, rate.ceiling))
    };
    if let Some(shares) = shares
        && !rates.iter().any(is_limited)
        && let [ceiling, ..] = ceilings.as_slice()
    {
        return format!(
            "at {} of {} {each}",
            range(&shares, percent),
            allowed(*ceiling)
        );
    }
    let achieved: Vec<f64> = rates.iter().map(Rate::per_second).collect();
    format!(
        "at {} channels a second {each}",
        range(&achieved, format::rate)
    )
}

fn is_less(granted: f64, ceiling: Option<f64>) -> bool {
    ceiling.is_none_or(|ceiling| granted < CLEARLY_LESS * ceiling)
}

/// What `--rate` allows. The default is the service's quota; another value may be more or less than that.
fn allowed(ceiling: f64) -> String {
    if (ceiling - USUAL_QUOTA).abs() < f64::EPSILON {
        "the quota".to_owned()
    } else {
        format!("the {} a second that --rate allowed", plain(ceiling))
    }
}

fn range(values: &[f64], text: fn(f64) -> String) -> String {
    let least = text(values.iter().copied().fold(f64::INFINITY, f64::min));
    let most = text(values.iter().copied().fold(0.0, f64::max));
    if least == most {
        most
    } else {
        format!("{} to {most}", least.trim_end_matches(" %"))
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn plain(rate: f64) -> String {
    if rate.fract() == 0.0 {
        format!("{rate:.0}")
    } else {
        format::rate(rate)
    }
}

/// What became of the other devices, and what continues them.
fn others(facts: &Facts) -> Option<String> {
    let [created, exists, failed, invalid, deleted] = [
        Status::Created,
        Status::Exists,
        Status::Failed,
        Status::Invalid,
        Status::Deleted,
    ]
    .map(|status| facts.count(status));
    let (have, waiting) = (created + exists, waiting(facts));
    let mut parts = Vec::new();
    if exists > 0 {
        parts.push(match exists {
            all if all == have && all > 1 => "all of these channels existed before".to_owned(),
            1 => "1 channel existed before".to_owned(),
            many => format!("{} channels existed before", grouped(many)),
        });
    }
    let mut add = |many: u64, one: &str, several: &str| match many {
        0 => {}
        1 => parts.push(format!("1 {one}")),
        _ => parts.push(format!("{} {several}", grouped(many))),
    };
    add(failed, "device failed", "devices failed");
    add(invalid, "row is invalid", "rows are invalid");
    if have + failed + invalid > 0 {
        let (one, several) = (
            "channel was deleted by a rollback",
            "channels were deleted by a rollback",
        );
        add(deleted, one, several);
    }
    add(
        waiting,
        "device was not attempted yet",
        "devices were not attempted yet",
    );
    if parts.is_empty() {
        return None;
    }
    let mut text = format!("{}.", upper(&parts.join(", ")));
    match (waiting, failed) {
        (0, 0) => {}
        (0, _) => text.push_str(" The same command tries the failed ones again."),
        _ => text.push_str(" The same command goes on with the rest."),
    }
    Some(text)
}

/// The devices that the last run left without a row. 0 if that is unknown.
fn waiting(facts: &Facts) -> u64 {
    let mut last: BTreeMap<Option<&str>, &RunFact> = BTreeMap::new();
    for run in facts.provisioning() {
        last.insert(run.start.shard.as_deref(), run);
    }
    if last.len() < 2 && rates::overlap(facts) {
        return 0;
    }
    let ends: Option<Vec<u64>> = last
        .values()
        .map(|run| run.end.as_ref().map(|end| end.remaining))
        .collect();
    let remaining: u64 = ends.into_iter().flatten().sum();
    remaining.saturating_sub(facts.count(Status::Failed))
}

/// How many runs there were, with their pauses, and those that did not end by themselves.
fn runs(facts: &Facts) -> Option<String> {
    let runs: Vec<&RunFact> = facts.runs.iter().flatten().collect();
    let timeline = Timeline::new(facts);
    let pauses: Vec<i64> = timeline.pauses().map(|(_, length)| length).collect();
    let pause = took(pauses.iter().sum());
    let pauses = match pauses.len() {
        0 => String::new(),
        1 => format!(", with a pause of {pause}"),
        many => format!(", with {many} pauses of {pause} together"),
    };
    let ends: Vec<String> = runs.iter().filter_map(|run| unusual_end(run)).collect();
    match (facts.provisioning().count(), runs.len()) {
        (_, 0) => None,
        (1, _) => {
            let at_work = (!pauses.is_empty()).then(|| format!("It worked in one run{pauses}."));
            let text: Vec<String> = ends.into_iter().chain(at_work).collect();
            (!text.is_empty()).then(|| text.join(" "))
        }
        (many, _) => {
            let at_once = if rates::overlap(facts) {
                ", some at the same time"
            } else {
                ""
            };
            let ends = grouped_ends(&runs).map_or_else(String::new, |ends| format!("; {ends}"));
            Some(format!("It took {many} runs{pauses}{at_once}{ends}."))
        }
    }
}

/// How a single run ended, unless it was complete.
fn unusual_end(run: &RunFact) -> Option<String> {
    let name = if run.is_provisioning() {
        "run"
    } else {
        "rollback"
    };
    ending(run).map(|how| format!("The {name} {how}."))
}

/// How many of several runs ended early, by their ends.
fn grouped_ends(runs: &[&RunFact]) -> Option<String> {
    let mut ends: Vec<(String, u64)> = Vec::new();
    for how in runs.iter().filter_map(|run| ending(run)) {
        match ends.iter_mut().find(|(known, _)| *known == how) {
            Some((_, count)) => *count += 1,
            None => ends.push((how, 1)),
        }
    }
    let parts: Vec<String> = ends
        .into_iter()
        .map(|(how, count)| match count {
            1 => format!("1 {how}"),
            _ => format!("{count} {}", how.replacen("was ", "were ", 1)),
        })
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn ending(run: &RunFact) -> Option<String> {
    let Some(end) = &run.end else {
        return Some("was killed or is still at work".to_owned());
    };
    match end.reason.as_str() {
        "complete" | "not-offered" | "" => None,
        "interrupted" | "terminated" => Some("was interrupted".to_owned()),
        "limit" => Some("ended at its --limit".to_owned()),
        reason => Some(format!("stopped early ({})", reason.escape_debug())),
    }
}

fn throttles(facts: &Facts) -> Option<String> {
    let ends = || facts.provisioning().filter_map(|run| run.end.as_ref());
    let throttled: u64 = ends().map(throttled_creates).sum();
    let sent: u64 = ends()
        .flat_map(|end| &end.regions)
        .map(|region| region.creates)
        .sum();
    #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
    let share = throttled as f64 / sent.max(1) as f64;
    (throttled > 0).then(|| {
        format!(
            "The service throttled {} of {} create requests ({}), which costs only another request each.",
            grouped(throttled),
            grouped(sent),
            format::percent(share)
        )
    })
}

#[cfg(test)]
mod tests;
