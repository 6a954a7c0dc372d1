//! Hosts and failures by seed: whatever happens, every device gets its channel, and nothing hangs.

use std::time::Duration;

use kvs_fleet::engine::pace::controller::RateRange;

use super::hosts::{HostPlan, run};
use super::server::{Fault, FaultKind, Incident, SimServer};
use crate::seeds;

const USUAL: u64 = 60;

fn plans(random: &mut fastrand::Rng) -> Vec<HostPlan> {
    let hosts = random.usize(1..=8);
    (0..hosts)
        .map(|_| HostPlan {
            devices: random.usize(1..=120),
            begins: random.f64() * 10.0,
            dies: None,
            rate: match random.u8(..4) {
                0 => RateRange::unknown(),
                1 => RateRange::upto(5.0 + 20.0 * random.f64()),
                _ => RateRange::upto(50.0),
            },
            round_trip: (random.u8(..8) > 0).then(|| 1 << random.u64(..9)),
        })
        .collect()
}

fn server(random: &mut fastrand::Rng, hosts: usize) -> SimServer {
    let faults = (0..random.usize(..=3)).map(|_| {
        let begin = random.f64() * 20.0;
        let first = random.usize(..hosts);
        Fault {
            when: begin..begin + random.f64() * 10.0,
            hosts: first..random.usize(first..=hosts),
            kind: match random.u8(..5) {
                0 => FaultKind::Down,
                1 => FaultKind::Hang,
                2 => FaultKind::Deaf,
                3 => FaultKind::Absurd,
                _ => FaultKind::Slow(Duration::from_millis(random.u64(..2_000))),
            },
        }
    });
    let faults = faults.collect();
    let incidents = (0..random.usize(..=2)).map(|_| {
        let incident = match random.u8(..3) {
            0 => Incident::Flush,
            1 => Incident::ClockJump((random.f64() - 0.5) * 1e5),
            _ => Incident::Failover(random.f64() * 3.0),
        };
        (random.f64() * 20.0, incident)
    });
    let incidents = incidents.collect();
    let server = SimServer::new(faults, incidents);
    if random.bool() {
        let begin = random.f64() * 20.0;
        server.split(begin..begin + 5.0, 0..hosts / 2)
    } else {
        server
    }
}

fn test(seed: u64) {
    let random = &mut fastrand::Rng::with_seed(seed);
    let plans = plans(random);
    let wanted: usize = plans.iter().map(|plan| plan.devices).sum();
    let quota = 10.0 + 60.0 * random.f64();
    let mut drawn = random.fork();
    let hosts = plans.len();
    let all = run(
        seed,
        &plans,
        || server(&mut drawn, hosts),
        |rig| rig.world_settings.emulator.rate = quota,
    );
    assert_eq!(all.created(), wanted, "quota {quota}: {plans:?}");
    // A host that keeps 5 a second to itself is done after 24 seconds and its start; all together by the quota.
    let ideal = wanted as f64 / quota + 24.0 + 10.0;
    assert!(
        all.end() <= 2.0 * ideal + 20.0,
        "quota {quota}, after {} s: {plans:?}",
        all.end()
    );
}

#[test]
fn seeds_of_hosts_that_share_a_quota() {
    seeds::each("seeds_of_hosts", USUAL, (0, 1), test);
}
