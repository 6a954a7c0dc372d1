//! One quota, many hosts: engines that share a quota by a server, which fails in every way.
//!
//! | module | owns |
//! | --- | --- |
//! | `server` | the quota server with its faults |
//! | `hosts` | several hosts with an engine each |

mod hosts;
mod server;

use hosts::{HostPlan, run};
use server::SimServer;

#[test]
fn explore() {
    let calm = || SimServer::new(Vec::new(), Vec::new());
    for (name, plans) in [
        ("1 × 1000", vec![HostPlan::new(1_000)]),
        ("4 × 500", vec![HostPlan::new(500); 4]),
        ("16 × 200", vec![HostPlan::new(200); 16]),
        (
            "auto 8 × 500",
            vec![
                HostPlan {
                    rate: kvs_fleet::engine::pace::controller::RateRange::unknown(),
                    ..HostPlan::new(500)
                };
                8
            ],
        ),
        (
            "auto 8 × 200",
            vec![
                HostPlan {
                    rate: kvs_fleet::engine::pace::controller::RateRange::unknown(),
                    ..HostPlan::new(200)
                };
                8
            ],
        ),
        (
            "auto 1 × 3000",
            vec![
                HostPlan {
                    rate: kvs_fleet::engine::pace::controller::RateRange::unknown(),
                    ..HostPlan::new(3000)
                };
                1
            ],
        ),
    ] {
        for seed in 1..=3 {
            let outcome = run(seed, &plans, calm, |_| {});
            println!(
                "{name} seed {seed}: end {:.2} created {} throttled {:.4} jain {:.4} calls {:.3} rate10-20 {:.2}",
                outcome.end(),
                outcome.created(),
                outcome.throttled_share(),
                outcome.fairness(0.5),
                outcome.calls as f64 / outcome.sent() as f64,
                outcome.rate(10.0, 20.0)
            );
        }
    }
}

#[test]
fn explore2() {
    use server::{Fault, FaultKind, Incident};
    use std::time::Duration;
    let all = 0..100;
    let fault = |kind, from: f64, to: f64| {
        vec![Fault {
            when: from..to,
            hosts: all.clone(),
            kind,
        }]
    };
    let show = |name: &str,
                plans: &[HostPlan],
                server: &dyn Fn() -> SimServer,
                rig: &dyn Fn(&mut crate::engine::rig::Rig)| {
        for seed in 1..=2 {
            let o = run(seed, plans, server, |r| rig(r));
            let windows: Vec<String> = (0..12)
                .map(|w| {
                    format!(
                        "{:.0}",
                        o.rate(f64::from(w) * 2.5 + 5.0, f64::from(w) * 2.5 + 7.5)
                    )
                })
                .collect();
            println!(
                "{name:30} seed {seed}: end {:.2} created {} throttled {:.4} jain {:.4} calls {:.3} from 5 by 2.5: {}",
                o.end(),
                o.created(),
                o.throttled_share(),
                o.fairness(0.5),
                o.calls as f64 / o.sent() as f64,
                windows.join(" ")
            );
        }
    };
    let nothing: &dyn Fn(&mut crate::engine::rig::Rig) = &|_| {};
    let h16 = vec![HostPlan::new(150); 16];
    let auto = vec![
        HostPlan {
            rate: kvs_fleet::engine::pace::controller::RateRange::unknown(),
            ..HostPlan::new(300)
        };
        8
    ];
    for (kind_name, kind) in [
        ("down", FaultKind::Down),
        ("hang", FaultKind::Hang),
        ("deaf", FaultKind::Deaf),
        ("slow 1.5", FaultKind::Slow(Duration::from_millis(1500))),
        ("slow 0.4", FaultKind::Slow(Duration::from_millis(400))),
        ("absurd", FaultKind::Absurd),
    ] {
        show(
            &format!("16 {kind_name} 10-20"),
            &h16,
            &|| SimServer::new(fault(kind, 10.0, 20.0), vec![]),
            nothing,
        );
        show(
            &format!("8 auto {kind_name} 10-20"),
            &auto,
            &|| SimServer::new(fault(kind, 10.0, 20.0), vec![]),
            nothing,
        );
    }
    show(
        "16 down from start",
        &h16,
        &|| SimServer::new(fault(FaultKind::Down, 0.0, 10.0), vec![]),
        nothing,
    );
    show(
        "16 flush",
        &h16,
        &|| SimServer::new(vec![], vec![(10.0, Incident::Flush)]),
        nothing,
    );
    show(
        "8 auto flush",
        &auto,
        &|| SimServer::new(vec![], vec![(10.0, Incident::Flush)]),
        nothing,
    );
    show(
        "16 clock +3600",
        &h16,
        &|| SimServer::new(vec![], vec![(10.0, Incident::ClockJump(3600.0))]),
        nothing,
    );
    show(
        "16 clock -3600",
        &h16,
        &|| SimServer::new(vec![], vec![(10.0, Incident::ClockJump(-3600.0))]),
        nothing,
    );
    show(
        "8 auto clock -3600",
        &auto,
        &|| SimServer::new(vec![], vec![(10.0, Incident::ClockJump(-3600.0))]),
        nothing,
    );
    show(
        "16 failover",
        &h16,
        &|| SimServer::new(vec![], vec![(10.0, Incident::Failover(0.3))]),
        nothing,
    );
    show(
        "16 split 10-20",
        &h16,
        &|| SimServer::new(vec![], vec![]).split(10.0..20.0, 0..8),
        nothing,
    );
    show(
        "8 auto split 10-20",
        &auto,
        &|| SimServer::new(vec![], vec![]).split(10.0..20.0, 0..4),
        nothing,
    );
    let mut dying = h16.clone();
    for (n, plan) in dying.iter_mut().enumerate() {
        if n % 2 == 0 {
            plan.dies = Some(10.0 + n as f64 * 0.1);
        }
    }
    show(
        "16, 8 die at 10",
        &dying,
        &|| SimServer::new(vec![], vec![]),
        nothing,
    );
    let mut late = h16.clone();
    for (n, plan) in late.iter_mut().enumerate() {
        plan.begins = n as f64;
    }
    show(
        "16, one a second",
        &late,
        &|| SimServer::new(vec![], vec![]),
        nothing,
    );
    show(
        "16 real 30/s",
        &h16,
        &|| SimServer::new(vec![], vec![]),
        &|r| r.world_settings.emulator.rate = 30.0,
    );
    let mut mixed = vec![HostPlan::new(200); 8];
    mixed[0].round_trip = None;
    mixed[1].round_trip = None;
    show(
        "6 joined, 2 alone",
        &mixed,
        &|| SimServer::new(vec![], vec![]),
        nothing,
    );
    let mut far = vec![HostPlan::new(200); 8];
    far[0].round_trip = Some(150);
    far[1].round_trip = Some(300);
    show(
        "8, two far",
        &far,
        &|| SimServer::new(vec![], vec![]),
        nothing,
    );
    show(
        "1 far",
        &[HostPlan {
            round_trip: Some(300),
            ..HostPlan::new(1000)
        }],
        &|| SimServer::new(vec![], vec![]),
        nothing,
    );
    show(
        "1 far 5000/s",
        &[HostPlan {
            round_trip: Some(50),
            rate: kvs_fleet::engine::pace::controller::RateRange::upto(1000.0),
            ..HostPlan::new(10000)
        }],
        &|| SimServer::new(vec![], vec![]),
        &|r| {
            r.world_settings.emulator.rate = 1000.0;
            r.world_settings.emulator.burst = 1000;
            r.settings.workers = 256;
        },
    );
    show(
        "8 auto quota 500",
        &vec![
            HostPlan {
                rate: kvs_fleet::engine::pace::controller::RateRange::unknown(),
                ..HostPlan::new(1500)
            };
            8
        ],
        &|| SimServer::new(vec![], vec![]),
        &|r| {
            r.world_settings.emulator.rate = 500.0;
            r.world_settings.emulator.burst = 500;
        },
    );
    show(
        "8 random throttles 10%",
        &auto,
        &|| SimServer::new(vec![], vec![]),
        &|r| r.world_settings.emulator.faults = vec!["throttle=10%@create".parse().unwrap()],
    );
    show(
        "8 known random 10%",
        &vec![HostPlan::new(300); 8],
        &|| SimServer::new(vec![], vec![]),
        &|r| r.world_settings.emulator.faults = vec!["throttle=10%@create".parse().unwrap()],
    );
    show(
        "8 alone known random 10%",
        &vec![
            HostPlan {
                round_trip: None,
                ..HostPlan::new(300)
            };
            8
        ],
        &|| SimServer::new(vec![], vec![]),
        &|r| r.world_settings.emulator.faults = vec!["throttle=10%@create".parse().unwrap()],
    );
}

#[test]
fn dbg_slow() {
    use server::{Fault, FaultKind};
    let auto = vec![
        HostPlan {
            rate: kvs_fleet::engine::pace::controller::RateRange::unknown(),
            ..HostPlan::new(300)
        };
        8
    ];
    let o = run(
        1,
        &auto,
        || {
            SimServer::new(
                vec![Fault {
                    when: 10.0..20.0,
                    hosts: 0..100,
                    kind: FaultKind::Slow(std::time::Duration::from_millis(400)),
                }],
                vec![],
            )
        },
        |_| {},
    );
    println!("throttled {}", o.throttled_share());
}

#[test]
fn dbg_mixed() {
    let mut mixed = vec![HostPlan::new(200); 8];
    mixed[0].round_trip = None;
    mixed[1].round_trip = None;
    let o = run(1, &mixed, || SimServer::new(vec![], vec![]), |_| {});
    for (n, h) in o.hosts.iter().enumerate() {
        let per: Vec<String> = (0..16)
            .map(|w| {
                let (a, b) = (f64::from(w) * 2.0, f64::from(w) * 2.0 + 2.0);
                format!(
                    "{}/{}",
                    h.created.iter().filter(|t| (a..b).contains(*t)).count(),
                    h.throttled.iter().filter(|t| (a..b).contains(*t)).count()
                )
            })
            .collect();
        println!("host {n}: {}", per.join(" "));
    }
}
