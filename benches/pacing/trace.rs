//! One run, printed in slices of time.

use crate::measure::{SLICE, measure};
use crate::run;
use crate::scenario::Scenario;
use crate::world::Outcome;

/// Prints the rate in force at each host, with the granted and throttled requests of each slice.
pub(crate) fn print(scenario: &Scenario, seed: u64) {
    let (log, rates) = run::run_with_rates(scenario, seed, SLICE);
    let figures = measure(scenario, scenario.ideal(), &log);
    println!("{}, seed {seed}: {figures:?}", scenario.key);
    println!("finished: {:?}, stopped: {:?}", log.finishes, log.stops);
    println!("seconds, then for each host: rate in force, granted+throttled");
    let mut answers = log.answers.iter().peekable();
    let mut from = 0.0;
    for rates in rates {
        let mut counts = vec![(0, 0); scenario.hosts.len()];
        while let Some(answer) = answers.next_if(|answer| answer.at < from + SLICE) {
            let (granted, throttled) = &mut counts[answer.host];
            match answer.outcome {
                Outcome::Granted => *granted += 1,
                Outcome::Throttled => *throttled += 1,
                Outcome::Failed => {}
            }
        }
        let hosts = rates
            .iter()
            .zip(counts)
            .map(|(rate, (granted, throttled))| {
                let rate = rate.map_or("-".to_owned(), |rate| format!("{rate:.1}"));
                format!("{rate:>7} {granted:>3}+{throttled:<3}")
            });
        println!("{from:6.1} {}", hosts.collect::<Vec<_>>().join(" |"));
        from += SLICE;
    }
}
