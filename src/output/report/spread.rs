//! The time and the number of attempts that devices took.

use super::facts::Facts;

/// The upper bounds of the chart's bars, in milliseconds, and their names. Longer times have a bar of their own.
const BOUNDS: [(i64, &str); 11] = [
    (50, "50 ms"),
    (100, "100 ms"),
    (200, "200 ms"),
    (500, "500 ms"),
    (1_000, "1 s"),
    (2_000, "2 s"),
    (5_000, "5 s"),
    (10_000, "10 s"),
    (30_000, "30 s"),
    (60_000, "1 min"),
    (300_000, "5 min"),
];

/// Numbers of attempts with a bar of their own.
const SINGLE_ATTEMPTS: u32 = 6;

/// The times of devices from their first attempt to their outcome.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times {
    /// In milliseconds, sorted.
    sorted: Vec<i64>,
}

impl Times {
    /// The times of the devices that a provisioning run attempted.
    pub(crate) fn new(facts: &Facts) -> Self {
        let attempted = facts.rows.iter().filter(|row| row.attempts > 0);
        let mut sorted: Vec<i64> = attempted
            .filter_map(|row| Some(row.done_at()? - row.started?))
            .filter(|took| *took >= 0)
            .collect();
        sorted.sort_unstable();
        Self { sorted }
    }

    pub(crate) fn len(&self) -> usize {
        self.sorted.len()
    }
    pub(crate) fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// The time in milliseconds within which this percentage of devices finished (nearest rank).
    pub(crate) fn percentile(&self, percent: usize) -> Option<i64> {
        let rank = (self.sorted.len() * percent).div_ceil(100);
        self.sorted.get(rank.saturating_sub(1)).copied()
    }

    /// The bars of a chart: the upper bound, and the number of devices.
    pub(crate) fn bars(&self) -> Vec<(String, u64)> {
        let mut bars = Vec::new();
        let mut below = 0;
        for (bound, name) in BOUNDS {
            let upto = self.sorted.partition_point(|took| *took <= bound);
            bars.push((format!("≤ {name}"), (upto - below) as u64));
            below = upto;
        }
        let longer = (self.sorted.len() - below) as u64;
        bars.push(("longer".to_owned(), longer));
        let first = bars.iter().position(|(_, count)| *count > 0).unwrap_or(0);
        let last = bars.iter().rposition(|(_, count)| *count > 0).unwrap_or(0);
        bars.into_iter().take(last + 1).skip(first).collect()
    }
}

/// The bars of a chart: the number of create requests, and the number of devices.
pub(crate) fn attempts(facts: &Facts) -> Vec<(String, u64)> {
    let mut bars: Vec<(String, u64)> = (1..=SINGLE_ATTEMPTS)
        .map(|attempts| (attempts.to_string(), 0))
        .collect();
    bars.push((format!("{}+", SINGLE_ATTEMPTS + 1), 0));
    for row in facts.rows.iter().filter(|row| row.attempts > 0) {
        let bar = (row.attempts - 1).min(SINGLE_ATTEMPTS) as usize;
        if let Some((_, count)) = bars.get_mut(bar) {
            *count += 1;
        }
    }
    let last = bars.iter().rposition(|(_, count)| *count > 0).unwrap_or(0);
    bars.truncate(last + 1);
    bars
}
