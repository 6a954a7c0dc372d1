//! What the scripts are given and what they return, as text. Pure.

use redis::Value;

use crate::engine::pace::quota::{AnswerGroup, Evidence, QuotaHistory, Taken};

/// The most requests in a group that are believed.
const MOST_ANSWERS: u32 = 10_000;

/// A history as the server keeps it: it does not pad the microseconds.
pub(super) fn history_text(history: QuotaHistory) -> String {
    format!("{}.{}", history.seconds, history.micros)
}

fn history(text: &str) -> Option<QuotaHistory> {
    let (seconds, micros) = text.split_once('.')?;
    Some(QuotaHistory {
        seconds: seconds.parse().ok()?,
        micros: micros.parse().ok()?,
    })
}

/// Answers as they are reported.
pub(super) fn answers_text(groups: &[AnswerGroup]) -> String {
    let group = |group: &AnswerGroup| {
        let AnswerGroup {
            taken,
            rate,
            waited,
            granted,
            throttled,
        } = group;
        format!("{taken},{rate},{waited},{granted},{throttled};")
    };
    groups.iter().map(group).collect()
}

/// Answers as the server has recorded them, each group with the time of its report. What cannot be read is left out.
fn answers(text: &str) -> Vec<(f64, AnswerGroup)> {
    let group = |text: &str| {
        let mut parts = text.split(',');
        let taken = number(parts.next()?)?;
        let rate = number(parts.next()?).filter(|rate| *rate > 0.0)?;
        let mut count = || {
            parts
                .next()?
                .parse()
                .ok()
                .filter(|count| *count <= MOST_ANSWERS)
        };
        let group = AnswerGroup {
            taken,
            rate,
            waited: count()?,
            granted: count()?,
            throttled: count()?,
        };
        Some((number(parts.next()?)?, group))
    };
    text.split(';').filter_map(group).collect()
}

/// A number that is neither negative nor infinite.
fn number(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number)
}

/// What the script `take` returns.
pub(super) fn taken(reply: &Value) -> Option<Taken> {
    let Value::Array(parts) = reply else {
        return None;
    };
    let part = |index: usize| parts.get(index).and_then(text);
    let evidence = match parts.get(7) {
        Some(version) => Some(Evidence {
            version: text(version)?.parse().ok()?,
            // What is no text is as good as nothing.
            learner: part(8).unwrap_or_default().to_owned(),
            answers: answers(part(9).unwrap_or_default()),
            length: parts.get(9).and_then(bytes)?.len(),
            ceiling: Some(highest_ceiling(parts.get(10)?)?).filter(|rate| rate.is_finite()),
        }),
        None => None,
    };
    Some(Taken {
        history: history(part(0)?)?,
        now: number(part(1)?)?,
        wait: number(part(2)?)?,
        count: part(3)?.parse().ok()?,
        rate: number(part(4)?)?,
        hosts: part(5)?.parse().ok()?,
        cut: match part(6)? {
            "" => None,
            cut => Some(number(cut)?),
        },
        evidence,
    })
}

/// The highest ceiling of the hosts; infinite if one has none.
fn highest_ceiling(hosts: &Value) -> Option<f64> {
    let Value::Array(hosts) = hosts else {
        return None;
    };
    let ceilings = hosts.iter().filter_map(text).filter_map(|host| {
        let (_, ceiling) = host.split_once(' ')?;
        Some(number(ceiling).unwrap_or(f64::INFINITY))
    });
    let highest = ceilings.fold(0.0, f64::max);
    Some(if highest > 0.0 {
        highest
    } else {
        f64::INFINITY
    })
}

fn text(value: &Value) -> Option<&str> {
    std::str::from_utf8(bytes(value)?).ok()
}

fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.as_bytes()),
        _ => None,
    }
}
