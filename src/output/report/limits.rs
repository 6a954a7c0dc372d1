//! What limited a batch over working time: the quotas of its accounts and Regions, what the service granted, and throttles.

use std::collections::BTreeMap;

use super::facts::{Facts, RunFact, millis};
use super::timeline::{Bar, Timeline};
use crate::results::runs_line::{End, ThrottledOverTime};

/// A grant that is at least this share of the quota is not told apart from it.
const ALL_OF_IT: f64 = 0.97;

/// A quota of more than so many times the highest rate is far above.
const FAR: f64 = 4.0;

/// The time over which a run measures what the service grants, in milliseconds.
const MEASURED: i64 = 5_000;

/// A rate for some time, in milliseconds of working time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Level {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) per_second: f64,
}

/// Throttled creates of some time, in milliseconds of working time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Throttled {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) creates: u64,
}

/// Quotas, grants and throttles of a batch, as far as the runs log has them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Limits {
    /// The ceilings of those accounts and Regions together that create at the time.
    pub(crate) quotas: Vec<Level>,
    /// What the service granted, where it was less.
    pub(crate) grants: Vec<Level>,
    /// The throttles whose time is known.
    pub(crate) throttled: Vec<Throttled>,
    /// The other throttles: of each stretch of working time as a whole.
    pub(crate) untimed: Vec<u64>,
}

impl Limits {
    pub(crate) fn new(facts: &Facts, timeline: &Timeline) -> Self {
        let mut limits = Self {
            quotas: quotas(facts, timeline),
            untimed: vec![0; timeline.stretches.len()],
            ..Self::default()
        };
        for run in facts.provisioning() {
            limits.add_throttles(run, timeline);
        }
        let highest =
            |levels: &[Level]| levels.iter().map(|level| level.per_second).reduce(f64::max);
        let lowest = limits
            .grants
            .iter()
            .map(|level| level.per_second)
            .reduce(f64::min);
        if let (Some(lowest), Some(quota)) = (lowest, highest(&limits.quotas))
            && lowest >= ALL_OF_IT * quota
        {
            limits.grants.clear();
        }
        limits
    }

    /// Removes quotas and grants that are so far above the rates that these would be too small to see, and returns the
    /// highest of the quotas.
    pub(crate) fn take_far_quotas(&mut self, timeline: &Timeline) -> Option<f64> {
        let bars = timeline.bars();
        let rates = bars
            .iter()
            .map(|bar| bar.per_second + self.throttled_in(bar));
        let seen = rates.fold(0.0, f64::max);
        self.grants.retain(|level| level.per_second <= FAR * seen);
        let quotas = self.quotas.iter().map(|level| level.per_second);
        let highest = quotas.reduce(f64::max)?;
        let is_far = highest > FAR * seen;
        is_far.then(|| {
            self.quotas.clear();
            highest
        })
    }

    /// The throttled creates a second in the time of a bar.
    pub(crate) fn throttled_in(&self, bar: &Bar) -> f64 {
        let here = self.throttled.iter().map(|throttled| {
            #[expect(
                clippy::cast_precision_loss,
                reason = "counts and milliseconds of a batch"
            )]
            let [from, to, creates] = [
                throttled.from,
                throttled.to,
                throttled.creates.cast_signed(),
            ]
            .map(|value| value as f64);
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of a batch")]
            let [first, last] = [bar.from, bar.to].map(|value| value as f64);
            // A slice that ends with the working time, or in a pause, is short.
            let width = (to - from).max(1.0);
            let shared = (to.min(last) - from.max(first)).max(0.0);
            let is_inside = to <= from && (first < from || first <= 0.0) && from <= last;
            creates * if is_inside { 1.0 } else { shared / width }
        });
        here.sum::<f64>() / bar.seconds()
    }

    fn add_throttles(&mut self, run: &RunFact, timeline: &Timeline) {
        let Some(end) = run.end.as_ref().filter(|end| throttled_creates(end) > 0) else {
            return;
        };
        let times = end.throttled_over_time.as_ref();
        if let Some((times, from)) = times.and_then(|times| Some((times, millis(&times.from)?))) {
            self.add_times(times, from, timeline);
            return;
        }
        let Some(began) = millis(&run.start.at) else {
            return;
        };
        let until = millis(&end.at).unwrap_or(i64::MAX);
        let stretches = timeline.stretches.iter();
        let place = stretches
            .zip(&mut self.untimed)
            .find(|(stretch, _)| stretch.to >= began && stretch.from <= until);
        if let Some((_, untimed)) = place {
            *untimed += throttled_creates(end);
        }
    }

    fn add_times(&mut self, times: &ThrottledOverTime, from: i64, timeline: &Timeline) {
        let width = i64::try_from(times.slice_ms).unwrap_or(i64::MAX);
        let mut at = from;
        for (place, creates) in times.throttled.iter().enumerate() {
            let next = at.saturating_add(width);
            let (from, to) = (timeline.working(at), timeline.working(next));
            if *creates > 0 {
                self.throttled.push(Throttled {
                    from,
                    to,
                    creates: *creates,
                });
            }
            if let Some(Some(per_second)) = times.granted_per_second.get(place) {
                let measured = timeline.working(at.saturating_sub(MEASURED));
                let before = self.grants.last().map_or(0, |last| last.to);
                self.grants.push(Level {
                    from: measured.max(before),
                    to,
                    per_second: *per_second,
                });
            }
            at = next;
        }
        self.grants.retain(|level| level.to > level.from);
    }
}

/// The throttled creates of a run.
pub(crate) fn throttled_creates(end: &End) -> u64 {
    end.regions.iter().map(|region| region.throttles).sum()
}

/// The sum of the ceilings of the accounts and Regions that create, whenever it changes.
fn quotas(facts: &Facts, timeline: &Timeline) -> Vec<Level> {
    let mut spans: BTreeMap<(usize, usize, usize), (i64, i64)> = BTreeMap::new();
    for row in facts.rows.iter().filter(|row| row.attempts > 0) {
        let Some(done) = row.done_at() else { continue };
        let Some(stretch) = timeline.stretch(done) else {
            continue;
        };
        let began = row.started.filter(|began| *began <= done).unwrap_or(done);
        let span = spans
            .entry((stretch, row.account, row.region))
            .or_insert((began, done));
        *span = (span.0.min(began), span.1.max(done));
    }
    let mut levels: Vec<Level> = Vec::new();
    for (place, stretch) in timeline.stretches.iter().enumerate() {
        let earlier = levels.len();
        let here = spans.range((place, 0, 0)..(place + 1, 0, 0));
        let here = here.map(|(&(_, account, region), span)| {
            let ceiling = ceiling(facts, stretch.from, (account, region))?;
            Some((*span, ceiling))
        });
        let Some(here) = here.collect::<Option<Vec<((i64, i64), f64)>>>() else {
            continue;
        };
        let spans = here.iter().map(|(span, _)| span);
        let mut edges: Vec<i64> = spans.flat_map(|(from, to)| [*from, *to]).collect();
        edges.sort_unstable();
        edges.dedup();
        for edge in edges.windows(2) {
            let [from, to] = *edge else { continue };
            let open = here
                .iter()
                .filter(|(span, _)| span.0 <= from && span.1 >= to);
            let per_second = open.fold(0.0, |sum, (_, ceiling)| sum + ceiling);
            let (from, to) = (timeline.working(from), timeline.working(to));
            match levels.get_mut(earlier..).and_then(<[Level]>::last_mut) {
                Some(last) if last.to == from && same(last.per_second, per_second) => last.to = to,
                _ => levels.push(Level {
                    from,
                    to,
                    per_second,
                }),
            }
        }
    }
    levels.retain(|level| level.per_second > 0.0);
    levels
}

fn same(one: f64, other: f64) -> bool {
    (one - other).abs() < f64::EPSILON
}

/// The ceiling of the run at that time in an account and Region of the facts.
fn ceiling(facts: &Facts, at: i64, (account, region): (usize, usize)) -> Option<f64> {
    // The first request is sent shortly after the run begins.
    let began = |start: &str| millis(start).is_some_and(|began| began <= at);
    let run = facts
        .provisioning()
        .rfind(|run| began(&run.start.at))
        .or_else(|| facts.provisioning().next())?;
    let account = facts.accounts.get_index(account);
    let region = facts.regions.get_index(region);
    let line = run.region(
        account.map_or("", |name| name),
        region.map_or("", |name| name),
    );
    run.ceiling(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::report::timeline::Stretch;

    fn timeline() -> Timeline {
        let done: Vec<i64> = (0..=200).map(|place| place * 20).collect();
        Timeline {
            stretches: vec![Stretch {
                from: 1_000_000,
                to: 1_004_000,
                before: 0,
            }],
            sent: done.clone(),
            done,
        }
    }

    #[test]
    fn throttles_are_in_the_bars_of_their_time() {
        let mut limits = Limits::default();
        let times = ThrottledOverTime {
            slice_ms: 1_000,
            throttled: vec![4, 0, 6],
            granted_per_second: vec![Some(43.8), None, Some(30.2)],
            ..ThrottledOverTime::default()
        };
        // The last slice ends after the batch.
        limits.add_times(&times, 1_001_500, &timeline());
        let bars = timeline().bars();
        let throttled: Vec<f64> = bars.iter().map(|bar| limits.throttled_in(bar)).collect();
        assert_eq!(throttled, [0.0, 2.0, 2.0, 6.0]);
        let grants: Vec<(i64, i64)> = limits
            .grants
            .iter()
            .map(|level| (level.from, level.to))
            .collect();
        assert_eq!(grants, [(0, 2_500), (2_500, 4_000)]);
    }

    #[test]
    fn a_quota_that_hides_the_rates_is_not_drawn() {
        let level = |per_second| Level {
            from: 0,
            to: 4_000,
            per_second,
        };
        let mut limits = Limits {
            quotas: vec![level(60.0)],
            grants: vec![level(50.0), level(1e308)],
            ..Limits::default()
        };
        assert_eq!(limits.take_far_quotas(&timeline()), None);
        assert_eq!((limits.quotas.len(), limits.grants.len()), (1, 1));
        limits.quotas = vec![level(1e6)];
        assert_eq!(limits.take_far_quotas(&timeline()), Some(1e6));
        assert!(limits.quotas.is_empty());
    }
}
