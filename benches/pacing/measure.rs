//! The figures of a run's answers: makespan, throttled share, fairness, time to reclaim.

use crate::scenario::{End, Reclaim, Scenario};
use crate::world::{Answered, Log, Outcome};

/// The quota counts as used if at least this share of it is granted.
const USED: f64 = 0.95;
/// The length of a window in which that is measured, in seconds.
const USED_FOR: f64 = 2.0;
/// The quota must be used for this long from the window's start, in seconds, so that a full bucket's burst does not
/// count.
const STAYS_USED_FOR: f64 = 6.0;
/// A run that ends sooner than this after the change, in seconds, is too short to show that the quota is not used
/// again.
const TOO_SOON: f64 = 10.0;
/// The length of the windows in which fairness is measured, in seconds.
const FAIR_WINDOW: f64 = 10.0;
/// Windows begin at multiples of this, in seconds.
pub(crate) const SLICE: f64 = 0.5;

/// The figures of one run; `None` if the scenario does not have the figure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// Divided by the ideal; infinite if a host did not finish.
    pub(crate) makespan: Option<f64>,
    /// Throttled share of our hosts' creates, in percent.
    pub(crate) throttled: f64,
    /// Jain's index of what each host was granted when the first one finished.
    pub(crate) jain: Option<f64>,
    /// The lowest in any ten seconds between the last start and the first finish.
    pub(crate) lowest_jain: Option<f64>,
    /// Seconds until the available quota is used again; infinite if it is not, `None` if the run ended too soon to
    /// tell.
    pub(crate) reclaim: Option<f64>,
    /// Granted share of the quota, in percent. (A bucket that is full at first can give more than 100.)
    pub(crate) utilisation: Option<f64>,
    /// Devices without a channel at the end.
    pub(crate) lost: Option<f64>,
}

/// A figure for all seeds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) worst: f64,
    pub(crate) worst_seed: u64,
}

/// Which values of a figure are bad.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bad {
    High,
    Low,
}

impl Spread {
    pub(crate) fn of(
        runs: &[(u64, Figures)],
        figure: impl Fn(&Figures) -> Option<f64>,
        bad: Bad,
    ) -> Option<Self> {
        let with_seed = runs
            .iter()
            .filter_map(|(seed, figures)| Some((figure(figures)?, *seed)));
        let mut values: Vec<(f64, u64)> = with_seed.collect();
        values.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let (first, last) = (*values.first()?, *values.last()?);
        let (worst, worst_seed) = match bad {
            Bad::High => last,
            Bad::Low => first,
        };
        Some(Self {
            median: f64::midpoint(values[(values.len() - 1) / 2].0, values[values.len() / 2].0),
            worst,
            worst_seed,
        })
    }
}

/// Measures one run.
pub(crate) fn measure(scenario: &Scenario, ideal: f64, log: &Log) -> Figures {
    let run = Run { scenario, log };
    let all_done = scenario.end == End::AllDone;
    let shared = scenario.hosts.len() > 1;
    Figures {
        makespan: all_done.then(|| run.makespan() / ideal),
        throttled: run.throttled(),
        jain: shared.then(|| jain(&run.granted(0.0, run.first_finish()))),
        lowest_jain: run.lowest_jain().filter(|_| shared),
        reclaim: scenario.reclaim.and_then(|from| run.reclaim(from)),
        utilisation: (!all_done).then(|| run.utilisation()),
        lost: all_done.then(|| run.lost()),
    }
}

struct Run<'a> {
    scenario: &'a Scenario,
    log: &'a Log,
}

impl Run<'_> {
    fn end(&self) -> f64 {
        self.scenario.ends_by()
    }

    /// When each host finished.
    fn finishes(&self) -> impl Iterator<Item = f64> {
        self.log
            .finishes
            .iter()
            .map(|finish| finish.unwrap_or(self.end()))
    }

    fn makespan(&self) -> f64 {
        let finishes = self.log.finishes.iter();
        finishes.fold(0.0, |last, finish| {
            finish.map_or(f64::INFINITY, |f| f.max(last))
        })
    }

    fn first_finish(&self) -> f64 {
        self.finishes().fold(self.end(), f64::min)
    }

    fn throttled(&self) -> f64 {
        let answers = self.log.answers.iter();
        let throttled = answers.filter(|answer| answer.outcome == Outcome::Throttled);
        100.0 * as_f64(throttled.count()) / as_f64(self.log.answers.len().max(1))
    }

    /// The grants in a period; answers are in order of time.
    fn grants(&self, from: f64, until: f64) -> impl Iterator<Item = &Answered> {
        let answers = &self.log.answers;
        let first = answers.partition_point(|answer| answer.at < from);
        let last = answers.partition_point(|answer| answer.at <= until);
        answers[first..last.max(first)]
            .iter()
            .filter(|answer| answer.outcome == Outcome::Granted)
    }

    /// The grants of each host.
    fn granted(&self, from: f64, until: f64) -> Vec<f64> {
        let mut granted = vec![0.0; self.scenario.hosts.len()];
        for grant in self.grants(from, until) {
            granted[grant.host] += 1.0;
        }
        granted
    }

    fn lowest_jain(&self) -> Option<f64> {
        let starts = self.scenario.hosts.iter().map(|host| host.start);
        let mut from = starts.fold(0.0, f64::max);
        let mut lowest: Option<f64> = None;
        while from + FAIR_WINDOW <= self.first_finish() {
            let jain = jain(&self.granted(from, from + FAIR_WINDOW));
            lowest = Some(lowest.map_or(jain, |lowest| lowest.min(jain)));
            from += SLICE;
        }
        lowest
    }

    fn reclaim(&self, reclaim: Reclaim) -> Option<f64> {
        let change = match reclaim {
            Reclaim::From(time) => time,
            Reclaim::LastHost => {
                let mut finishes: Vec<f64> = self.finishes().collect();
                finishes.sort_by(f64::total_cmp);
                finishes[finishes.len().saturating_sub(2)]
            }
        };
        let active: Vec<usize> = (0..)
            .zip(self.finishes())
            .filter(|(_, finish)| *finish > change)
            .map(|(number, _)| number)
            .collect();
        let mut from = change;
        let end = self.makespan().min(self.end());
        while from + USED_FOR <= end {
            let possible = self.scenario.possible(from, active.iter().copied());
            let is_used = |seconds: f64| {
                let granted = as_f64(self.grants(from, from + seconds).count());
                granted >= USED * possible * seconds
            };
            if is_used(USED_FOR) && is_used(STAYS_USED_FOR.min(end - from)) {
                return Some(from - change);
            }
            from += SLICE;
        }
        (end - change >= TOO_SOON).then_some(f64::INFINITY)
    }

    fn utilisation(&self) -> f64 {
        let granted = as_f64(self.grants(0.0, self.end()).count());
        100.0 * granted / (self.scenario.quota.at(0.0) * self.end())
    }

    fn lost(&self) -> f64 {
        let devices = self
            .scenario
            .hosts
            .iter()
            .map(|host| f64::from(host.devices));
        devices.sum::<f64>() - self.granted(0.0, self.end()).iter().sum::<f64>()
    }
}

/// Jain's index of fairness: 1 if all have the same, 1/n if one of n has everything.
fn jain(shares: &[f64]) -> f64 {
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    if squares == 0.0 {
        return 1.0;
    }
    shares.iter().sum::<f64>().powi(2) / (as_f64(shares.len()) * squares)
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests")]
fn as_f64(count: usize) -> f64 {
    count as f64
}
