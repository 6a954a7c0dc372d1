//! The scenarios in groups, and the goals of those that have any.

use std::time::Duration;

use crate::builder::{QUOTA, far, known, unknown};
use crate::goals::Goals;
use crate::scenario::{ENDLESS, End, HostPlan, Network, Reclaim, Scenario, Steps};

/// Effectively no quota.
const NO_QUOTA: f64 = 100_000.0;
const FOREVER: f64 = f64::INFINITY;
const TEN_MINUTES: f64 = 600.0;

pub(crate) fn all() -> Vec<Scenario> {
    let groups = [
        alone(),
        together(),
        loopback(),
        staggered(),
        unequal(),
        neighbours(),
        random(),
        quota_changes(),
        services(),
        ten_minutes(),
    ];
    groups.into_iter().flatten().collect()
}

fn alone() -> Vec<Scenario> {
    let fast = HostPlan {
        workers: 256,
        ..unknown(12_000)
    };
    vec![
        Scenario::new(
            "alone-known",
            "50/s known, 1500 devices",
            [known(1_500, QUOTA)],
        )
        .goals(Goals::makespan(1.01).throttled(0.0)),
        Scenario::new("alone-auto-500", "50/s unknown, 500", [unknown(500)]),
        Scenario::new("alone-auto-1500", "50/s unknown, 1500", [unknown(1_500)])
            .goals(Goals::makespan(1.06).throttled(1.3)),
        Scenario::new("alone-auto-fast", "500/s unknown, 12000", [fast])
            .quota(500.0, 500)
            .goals(Goals::makespan(1.12).throttled(1.3)),
        Scenario::new(
            "alone-ceiling-250",
            "`--rate 250`, 50/s granted, 1000",
            [known(1_000, 250.0)],
        ),
        Scenario::new(
            "alone-ceiling-1000",
            "`--rate 1000`, 50/s granted, 1000",
            [known(1_000, 1_000.0)],
        )
        .goals(Goals::makespan(1.03).throttled(25.0)),
    ]
}

/// Hosts that start at the same time with the same number of devices.
fn equal(group: &str, hosts: usize, devices: u32) -> Scenario {
    let key = format!("{group}-{hosts}x{devices}");
    let title = format!("{hosts} × {devices}");
    Scenario::new(&key, &title, vec![known(devices, QUOTA); hosts])
}

/// The goals of hosts with 500 devices each.
fn shared(hosts: usize) -> Goals {
    let (makespan, throttled) = match hosts {
        ..=2 => (1.09, 3.0),
        3..=4 => (1.06, 6.0),
        5..=8 => (1.05, 10.0),
        _ => (1.03, 15.0),
    };
    Goals::makespan(makespan)
        .worst(1.2)
        .throttled(throttled)
        .jain(0.93)
}

fn together() -> Vec<Scenario> {
    let sizes = [1, 2, 4, 8, 16].into_iter();
    let all = sizes.flat_map(|hosts| [100, 500, 2_000].map(|devices| (hosts, devices)));
    all.map(|(hosts, devices)| {
        let scenario = equal("together", hosts, devices);
        match (hosts, devices) {
            (4, 100) => scenario.goals(Goals::makespan(1.25).worst(1.5)),
            (2.., 500) => scenario.goals(shared(hosts)),
            _ => scenario,
        }
    })
    .collect()
}

fn loopback() -> Vec<Scenario> {
    let all = [4, 8].into_iter().map(|hosts| {
        let scenario = equal("loopback", hosts, 500).network(Network::Loopback);
        scenario.goals(shared(hosts))
    });
    all.collect()
}

fn staggered() -> Vec<Scenario> {
    let all = [2u8, 4, 8, 16].into_iter().map(|hosts| {
        let mut scenario = equal("staggered", hosts.into(), 500);
        for (number, host) in (0u8..).zip(&mut scenario.hosts) {
            host.start = 3.0 * f64::from(number);
        }
        scenario.goals(Goals::makespan(1.06).worst(1.22).throttled(10.0))
    });
    all.collect()
}

fn unequal() -> Vec<Scenario> {
    let hosts = |devices: [u32; 4]| devices.map(|devices| known(devices, QUOTA));
    let mut all = vec![
        Scenario::new(
            "unequal-2000",
            "2000 and 3 × 200",
            hosts([2_000, 200, 200, 200]),
        )
        .goals(Goals::makespan(1.06).worst(1.12).reclaim(6.0)),
        Scenario::new(
            "unequal-1000",
            "1000, 500, 200 and 50",
            hosts([1_000, 500, 200, 50]),
        ),
    ];
    for scenario in &mut all {
        scenario.reclaim = Some(Reclaim::LastHost);
    }
    all.push(Scenario::new(
        "auto-4x500",
        "4 × 500, 50/s unknown",
        [unknown(500); 4],
    ));
    all
}

fn neighbours() -> Vec<Scenario> {
    let one = |key, title| Scenario::new(key, title, [known(500, QUOTA)]);
    let four = |key, title, devices| Scenario::new(key, title, [known(devices, QUOTA); 4]);
    let not_starved = Goals::makespan(2.0);
    let polite = Scenario::new(
        "neighbour-20",
        "20/s from 10 to 30 s, 1800",
        [known(1_800, QUOTA)],
    );
    vec![
        polite
            .burst(25)
            .beside(20.0, 10.0, 30.0)
            .goals(Goals::makespan(1.05).worst(1.1)),
        one("hostile-100", "beside 100/s, 500")
            .beside(100.0, 0.0, FOREVER)
            .goals(Goals::makespan(1.1).worst(1.7)),
        Scenario::new(
            "hostile-100-auto",
            "beside 100/s, 50/s unknown, 500",
            [unknown(500)],
        )
        .beside(100.0, 0.0, FOREVER),
        one("hostile-300", "beside 300/s, 500")
            .beside(300.0, 0.0, FOREVER)
            .goals(Goals::makespan(1.25).worst(1.7)),
        one("hostile-even", "beside 100/s evenly spaced, 500")
            .beside(100.0, 0.0, FOREVER)
            .evenly_spaced()
            .goals(not_starved),
        one("hostile-even-loopback", "the same on loopback")
            .beside(100.0, 0.0, FOREVER)
            .evenly_spaced()
            .network(Network::Loopback)
            .goals(not_starved),
        four("hostile-4x250", "beside 100/s, 4 × 250", 250).beside(100.0, 0.0, FOREVER),
        four("hostile-20s", "100/s from 10 to 30 s, 4 × 500", 500).beside(100.0, 10.0, 30.0),
    ]
}

/// Throttled at random, independent of the rate.
fn random() -> Vec<Scenario> {
    let one = |key: &str, rate: u32, share: f64, devices: u32| {
        let title = format!(
            "{} % throttled at random, `--rate {rate}`, {devices}",
            100.0 * share
        );
        let host = known(devices, f64::from(rate));
        let scenario = Scenario::new(&format!("random-{share}-{key}"), &title, [host]);
        Scenario {
            throttled: Steps(vec![(0.0, share)]),
            ..scenario.quota(NO_QUOTA, 100_000)
        }
    };
    let mut all = [0.1, 0.3, 0.5]
        .map(|share| one("300", 200, share, 300))
        .to_vec();
    for scenario in &mut all {
        // Twice the ideal and a second.
        scenario.goals = Goals::makespan(2.0 + 1.0 / scenario.ideal());
    }
    all.push(one("3000", 200, 0.1, 3_000));
    all.extend([0.1, 0.2, 0.5].map(|share| one("default", 50, share, 500)));
    all
}

fn quota_changes() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "quota-cut",
            "quota 100/s, 40/s from 8 s, 1800",
            [known(1_800, 100.0)],
        )
        .quota(100.0, 100)
        .quota_becomes(8.0, 40.0)
        .goals(Goals::makespan(1.03).reclaim(6.0)),
        Scenario::new(
            "quota-raised",
            "quota unknown, 50/s, 200/s from 10 s, 4000",
            [unknown(4_000)],
        )
        .quota_becomes(10.0, 200.0)
        .goals(Goals::makespan(1.2).reclaim(6.0)),
    ]
}

/// Services that differ from the default one.
fn services() -> Vec<Scenario> {
    let slow = far(Duration::from_secs(2));
    let one = |key, title| Scenario::new(key, title, [known(1_500, QUOTA)]);
    let four = |key, title| Scenario::new(key, title, [known(500, QUOTA); 4]);
    vec![
        one("windows-known", "windows of 1 s, 50/s known, 1500").windows(),
        Scenario::new(
            "windows-auto",
            "windows of 1 s, 50/s unknown, 1500",
            [unknown(1_500)],
        )
        .windows(),
        four("windows-4x500", "windows of 1 s, 4 × 500").windows(),
        Scenario::new(
            "slow-alone",
            "answers take 2 s, 1000",
            [known(1_000, QUOTA)],
        )
        .network(slow),
        four("slow-4x500", "answers take 2 s, 4 × 500").network(slow),
        one("errors", "5xx from 10 to 20 s, 1500").failing(10.0, 20.0),
        one("burst-1-alone", "burst 1, 50/s known, 1500").burst(1),
        one("burst-5-alone", "burst 5, 50/s known, 1500").burst(5),
        four("burst-5-4x500", "burst 5, 4 × 500").burst(5),
    ]
}

fn ten_minutes() -> Vec<Scenario> {
    let known = |hosts: usize, throttled: f64| {
        let scenario = equal("ten-minutes", hosts, ENDLESS);
        let goals = Goals::utilisation(99.9).throttled(throttled);
        Scenario {
            key: format!("ten-minutes-{hosts}"),
            title: format!("ten minutes, hosts: {hosts}"),
            goals: if hosts > 1 { goals.jain(0.98) } else { goals },
            ..scenario
        }
    };
    let unknown = Scenario::new(
        "ten-minutes-auto",
        "ten minutes, 50/s unknown",
        [unknown(ENDLESS)],
    );
    let all = [known(1, 1.0), known(4, 3.0), known(8, 6.0), unknown];
    let all = all.map(|scenario| Scenario {
        end: End::After(TEN_MINUTES),
        ..scenario
    });
    all.into()
}
