//! A quota server that fails. Losing it costs throttles, never devices; and 95 % of the quota is used again within five
//! seconds of each failure and its end, a little less in the worst of many runs.

use std::time::Duration;

use kvs_fleet::engine::pace::controller::RateRange;

use super::hosts::{HostPlan, Outcome, run};
use super::server::{Fault, FaultKind, Incident, SimServer};

const BEGIN: f64 = 10.0;
const END: f64 = 22.0;
/// Devices of each of sixteen hosts: they last for 48 seconds at 50 a second.
const DEVICES: usize = 150;
/// The least use of the quota, in requests a second, and that in the worst of many runs.
const LEAST: f64 = 0.95 * 50.0;
const LEAST_EVER: f64 = 0.92 * 50.0;

fn sixteen() -> Vec<HostPlan> {
    vec![HostPlan::new(DEVICES); 16]
}

fn fault(kind: FaultKind, when: std::ops::Range<f64>) -> SimServer {
    SimServer::new(
        vec![Fault {
            when,
            hosts: 0..usize::MAX,
            kind,
        }],
        Vec::new(),
    )
}

fn incident(incident: Incident) -> SimServer {
    SimServer::new(Vec::new(), vec![(BEGIN, incident)])
}

/// All devices are done, and in the five seconds that begin five seconds after each of these moments the quota is used.
/// Returns the least use.
fn check(name: &str, all: &Outcome, moments: &[f64]) -> f64 {
    assert_eq!(all.created(), 16 * DEVICES, "{name}");
    let rates = moments.iter().map(|at| all.rate(at + 5.0, at + 10.0));
    let least = rates.fold(f64::INFINITY, f64::min);
    assert!(least >= LEAST_EVER, "{name}: {least} a second");
    least
}

fn mean(rates: &[f64]) -> f64 {
    rates.iter().sum::<f64>() / rates.len() as f64
}

#[test]
fn a_server_that_is_lost_leaves_each_host_its_part() {
    for kind in [
        FaultKind::Down,
        FaultKind::Hang,
        FaultKind::Deaf,
        FaultKind::Slow(Duration::from_millis(1_500)),
        FaultKind::Absurd,
    ] {
        let mut rates = Vec::new();
        for seed in 1..=20 {
            let name = format!("{kind:?}, seed {seed}");
            let all = run(seed, &sixteen(), || fault(kind, BEGIN..END), |_| {});
            rates.push(check(&name, &all, &[BEGIN, END]));
            assert!(
                all.throttled_share() < 0.05,
                "{name}: {}",
                all.throttled_share()
            );
            // A second may be lost until the server counts as lost.
            assert!(all.end() <= 48.0 + 2.5, "{name}: {}", all.end());
        }
        assert!(mean(&rates) >= LEAST, "{kind:?}: {rates:?}");
    }
}

#[test]
fn a_server_that_is_slow_is_used_all_the_same() {
    let slow = FaultKind::Slow(Duration::from_millis(400));
    let all = run(1, &sixteen(), || fault(slow, BEGIN..END), |_| {});
    check("slow", &all, &[BEGIN, END]);
    assert!(all.throttled_share() <= 0.001, "{}", all.throttled_share());
}

#[test]
fn a_server_that_comes_late_is_joined() {
    for seed in 1..=20 {
        let all = run(
            seed,
            &sixteen(),
            || fault(FaultKind::Down, 0.0..BEGIN),
            |_| {},
        );
        check(&format!("seed {seed}"), &all, &[BEGIN]);
        let throttled: usize = all
            .hosts
            .iter()
            .map(|host| {
                host.throttled
                    .iter()
                    .filter(|at| **at > BEGIN + 8.0)
                    .count()
            })
            .sum();
        assert!(
            throttled <= 16,
            "seed {seed}: {throttled} throttled after it"
        );
    }
}

#[test]
fn a_server_that_never_answers_changes_nothing_but_politeness() {
    let all = run(
        1,
        &sixteen(),
        || fault(FaultKind::Down, 0.0..f64::MAX),
        |_| {},
    );
    check("never", &all, &[5.0]);
    assert!(all.end() <= 48.0 * 1.05, "{}", all.end());
}

#[test]
fn a_server_that_loses_its_keys_goes_on_at_the_last_rate() {
    let all = run(1, &sixteen(), || incident(Incident::Flush), |_| {});
    check("flush", &all, &[BEGIN]);
    // The slots that were out are given once more, and the service's bucket takes them.
    assert!(all.throttled_share() <= 0.001, "{}", all.throttled_share());
}

#[test]
fn a_measured_rate_outlives_the_loss_of_the_keys() {
    let unknown = HostPlan {
        rate: RateRange::unknown(),
        ..HostPlan::new(2 * DEVICES)
    };
    let all = run(1, &vec![unknown; 8], || incident(Incident::Flush), |_| {});
    check("flush", &all, &[BEGIN]);
    assert!(all.throttled_share() <= 0.03, "{}", all.throttled_share());
}

#[test]
fn the_servers_clock_does_not_matter() {
    for jump in [-3_600.0, -1.0, 1.0, 3_600.0, 1e9] {
        let all = run(
            1,
            &sixteen(),
            || incident(Incident::ClockJump(jump)),
            |_| {},
        );
        check(&format!("{jump} s"), &all, &[BEGIN]);
        assert!(all.end() <= 49.1, "{jump} s: {}", all.end());
        assert!(all.throttled_share() <= 0.001, "{}", all.throttled_share());
    }
}

#[test]
fn a_replica_that_lags_takes_over() {
    let all = run(1, &sixteen(), || incident(Incident::Failover(0.3)), |_| {});
    check("failover", &all, &[BEGIN]);
    assert!(all.throttled_share() <= 0.001, "{}", all.throttled_share());
}

#[test]
fn two_servers_that_do_not_know_of_each_other_share_by_what_is_granted() {
    for seed in 1..=20 {
        let split = || SimServer::calm().split(BEGIN..END, 0..8);
        let all = run(seed, &sixteen(), split, |_| {});
        assert_eq!(all.created(), 16 * DEVICES, "seed {seed}");
        let during = all.rate(BEGIN + 5.0, END);
        assert!(during >= 40.0, "seed {seed}: {during}");
        let after = all.rate(END + 11.0, END + 16.0);
        assert!(after >= LEAST_EVER, "seed {seed}: {after}");
        assert!(all.throttled_share() <= 0.04, "{}", all.throttled_share());
    }
}

#[test]
fn hosts_that_die_take_at_most_two_batches_with_them() {
    let mut plans = sixteen();
    for plan in plans.iter_mut().step_by(2) {
        plan.dies = Some(BEGIN);
    }
    let all = run(1, &plans, SimServer::calm, |_| {});
    let alive = all.hosts.iter().skip(1).step_by(2);
    assert!(alive.clone().all(|host| host.created.len() == DEVICES));
    // Each of the eight dead hosts held a slot, or was about to take one.
    let after = all.rate(BEGIN, BEGIN + 4.0);
    assert!(after >= 50.0 - 16.0 / 4.0, "{after}");
    let later = all.rate(BEGIN + 4.0, BEGIN + 9.0);
    assert!(later >= 49.5, "{later}");
}
