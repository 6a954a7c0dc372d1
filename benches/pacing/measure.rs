//! What a run's counts say: utilisation, throttled share, time to converge, fairness. Pure.

use std::time::Duration;

use crate::scenario::Scenario;
use crate::world::Counts;

/// A rate is found when for so many seconds the service granted and throttled as `FOUND` and `CALM` say.
const WINDOW: usize = 5;
/// The least share of what was possible.
const FOUND: f64 = 0.95;
/// The largest share of requests that were throttled.
const CALM: f64 = 0.05;

/// One run's figures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// Granted, of what was possible, in percent. (A bucket that is full at first can bring more than 100.)
    pub(crate) utilisation: f64,
    /// The same from the time on when the rate had been found, between events.
    pub(crate) steady: f64,
    /// Throttled, of what the hosts sent, in percent.
    pub(crate) throttled: f64,
    /// Seconds until the rate was found: the longest after any event. Infinite when it never was.
    pub(crate) converged: f64,
    /// Jain's index over what each host was granted.
    pub(crate) jain: f64,
}

/// The neighbour's counts are the last.
pub(crate) fn measure(scenario: &Scenario, counts: &[Counts]) -> Measured {
    let (hosts, _) = counts.split_at(scenario.hosts);
    let granted = sum(counts.iter().map(|counts| &counts.granted));
    let ours = sum(hosts.iter().map(|counts| &counts.granted));
    let throttled = sum(hosts.iter().map(|counts| &counts.throttled));
    let possible: Vec<f64> = (0..granted.len() as u64)
        .map(|second| scenario.possible(Duration::from_secs(second)))
        .collect();
    let refusals: f64 = throttled.iter().sum();
    let sent = ours.iter().sum::<f64>() + refusals;

    let mut converged: f64 = 0.0;
    let (mut steady_granted, mut steady_possible) = (0.0, 0.0);
    let events = scenario.events();
    for (number, event) in events.iter().enumerate() {
        let from = seconds(*event);
        let until = events
            .get(number + 1)
            .map_or(granted.len(), |next| seconds(*next));
        let found = (from..until.saturating_sub(WINDOW)).find(|&second| {
            let window = second..second + WINDOW;
            let total = |counts: &[f64]| counts[window.clone()].iter().sum::<f64>();
            let refused = total(&throttled);
            total(&granted) >= FOUND * total(&possible)
                && refused <= CALM * (total(&ours) + refused)
        });
        let Some(found) = found else {
            converged = f64::INFINITY;
            continue;
        };
        #[expect(clippy::cast_precision_loss, reason = "seconds of a job")]
        let after = (found - from) as f64;
        converged = converged.max(after);
        steady_granted += granted[found..until].iter().sum::<f64>();
        steady_possible += possible[found..until].iter().sum::<f64>();
    }
    Measured {
        utilisation: 100.0 * granted.iter().sum::<f64>() / possible.iter().sum::<f64>(),
        steady: 100.0 * steady_granted / steady_possible,
        throttled: 100.0 * refusals / sent,
        converged,
        jain: jain(hosts),
    }
}

fn seconds(time: Duration) -> usize {
    usize::try_from(time.as_secs()).expect("a job of minutes")
}

fn sum<'a>(all: impl Iterator<Item = &'a Vec<u32>>) -> Vec<f64> {
    all.fold(Vec::new(), |mut total, counts| {
        total.resize(counts.len(), 0.0);
        for (total, count) in total.iter_mut().zip(counts) {
            *total += f64::from(*count);
        }
        total
    })
}

fn jain(hosts: &[Counts]) -> f64 {
    let shares = hosts
        .iter()
        .map(|counts| counts.granted.iter().copied().map(f64::from).sum::<f64>());
    let shares: Vec<f64> = shares.collect();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    #[expect(clippy::cast_precision_loss, reason = "a few hosts")]
    let hosts = shares.len() as f64;
    shares.iter().sum::<f64>().powi(2) / (hosts * squares)
}
