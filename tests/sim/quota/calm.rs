//! A quota server that works.

use kvs_fleet::engine::pace::controller::RateRange;

use super::hosts::{HostPlan, Outcome, run};
use super::server::SimServer;

fn share(plans: &[HostPlan]) -> Outcome {
    run(1, plans, SimServer::calm, |_| {})
}

fn unknown(devices: usize) -> HostPlan {
    HostPlan {
        rate: RateRange::unknown(),
        ..HostPlan::new(devices)
    }
}

#[test]
fn sixteen_hosts_use_the_whole_quota_in_equal_parts_from_the_first_second() {
    let all = share(&vec![HostPlan::new(200); 16]);
    assert_eq!(all.created(), 3_200);
    assert!(all.end() <= 64.0 * 1.02, "{}", all.end());
    assert!(all.throttled_share() <= 0.001, "{}", all.throttled_share());
    let rate = all.rate(1.0, 61.0);
    assert!((49.75..=50.25).contains(&rate), "{rate}");
    let fairness = all.fairness(0.5);
    assert!(fairness >= 0.995, "{fairness}");
}

#[test]
fn unequal_jobs_leave_nothing_unused() {
    let mut plans = vec![HostPlan::new(100); 15];
    plans.push(HostPlan::new(2_000));
    let all = share(&plans);
    assert_eq!(all.created(), 3_500);
    assert!(all.end() <= 70.0 * 1.02 + 1.0, "{}", all.end());
    assert!(all.throttled_share() <= 0.001, "{}", all.throttled_share());
}

#[test]
fn calls_are_few() {
    for (hosts, most) in [(1, 0.25), (2, 0.25), (4, 0.25), (16, 1.1)] {
        let all = share(&vec![HostPlan::new(3_000 / hosts); hosts]);
        let calls = all.calls as f64 / all.sent() as f64;
        assert!(calls <= most, "{hosts} hosts: {calls}");
    }
}

#[test]
fn an_unknown_quota_is_measured_once_for_all() {
    let all = share(&vec![unknown(500); 8]);
    assert_eq!(all.created(), 4_000);
    assert!(all.throttled_share() <= 0.005, "{}", all.throttled_share());
    assert!(all.end() <= 80.0 * 1.02 + 1.0, "{}", all.end());
    let fairness = all.fairness(0.5);
    assert!(fairness >= 0.995, "{fairness}");
}

#[test]
fn an_unknown_quota_far_above_the_documented_one_is_found() {
    let raised = |rig: &mut crate::engine::rig::Rig| {
        rig.world_settings.emulator.rate = 500.0;
        rig.world_settings.emulator.burst = 500;
    };
    let all = run(1, &vec![unknown(1_500); 8], SimServer::calm, raised);
    let rate = all.rate(12.0, 22.0);
    assert!((475.0..=525.0).contains(&rate), "{rate}");
    assert!(all.end() <= 30.0, "{}", all.end());
}

#[test]
fn a_quota_below_the_ceiling_is_measured() {
    let lower = |rig: &mut crate::engine::rig::Rig| rig.world_settings.emulator.rate = 30.0;
    let all = run(1, &vec![HostPlan::new(150); 16], SimServer::calm, lower);
    assert_eq!(all.created(), 2_400);
    assert!(all.throttled_share() <= 0.03, "{}", all.throttled_share());
    assert!(all.end() <= 80.0 * 1.05, "{}", all.end());
}

#[test]
fn throttles_that_no_rate_avoids_do_not_slow_the_hosts_down() {
    let random = |rig: &mut crate::engine::rig::Rig| {
        rig.world_settings.emulator.faults = vec!["throttle=10%@create".parse().unwrap()];
    };
    let all = run(1, &vec![HostPlan::new(300); 8], SimServer::calm, random);
    assert_eq!(all.created(), 2_400);
    assert!(all.end() <= 2_400.0 / 45.0 * 1.15, "{}", all.end());
}

#[test]
fn a_host_keeps_its_own_lower_rate_and_leaves_the_rest() {
    for (own, round_trip) in [(5.0, 1), (10.0, 1), (20.0, 1), (5.0, 100), (20.0, 100)] {
        let slow = HostPlan {
            rate: RateRange::upto(own),
            round_trip: Some(round_trip),
            ..HostPlan::new((own * 20.0) as usize)
        };
        let all = share(&[slow, HostPlan::new(((50.0 - own) * 20.0) as usize)]);
        let of_slow = all.rate_of(0, 2.0, 17.0);
        let name = format!("{own}/s, {round_trip} ms");
        assert!(
            (0.8 * own..=1.05 * own).contains(&of_slow),
            "{name}: {of_slow}"
        );
        let rate = all.rate(2.0, 17.0);
        assert!(rate >= 48.0, "{name}: {rate}");
    }
}

#[test]
fn a_host_far_away_gets_its_part() {
    let far = HostPlan {
        rate: RateRange::upto(40.0),
        round_trip: Some(100),
        ..HostPlan::new(500)
    };
    let all = share(&[far, HostPlan::new(500)]);
    let part = all.rate_of(0, 2.0, 17.0);
    assert!(part >= 21.0, "{part}");
}

#[test]
fn slow_answers_do_not_lift_the_ceiling() {
    let slow = HostPlan {
        rate: RateRange::upto(5.0),
        ..HostPlan::new(60)
    };
    let all = run(1, &vec![slow; 3], SimServer::calm, |rig| {
        rig.world_settings.emulator.latency.median = std::time::Duration::from_secs(3);
        rig.settings.workers = 2;
    });
    for second in 2..30 {
        let rate = all.rate(f64::from(second), f64::from(second) + 3.0);
        assert!(rate <= 5.4, "{rate} a second at {second}");
    }
}

#[test]
fn hosts_that_work_one_by_one_still_follow_the_quota() {
    let all = run(1, &vec![HostPlan::new(40); 30], SimServer::calm, |rig| {
        rig.world_settings.emulator.rate = 10.0;
        rig.world_settings.emulator.burst = 10;
        rig.world_settings.emulator.latency.median = std::time::Duration::from_millis(1_500);
        rig.settings.workers = 1;
    });
    assert_eq!(all.created(), 1_200);
    assert!(all.throttled_share() < 0.15, "{}", all.throttled_share());
}

#[test]
fn a_hundred_hosts_that_begin_at_once_call_little() {
    let all = run(1, &vec![HostPlan::new(20); 100], SimServer::calm, |rig| {
        rig.world_settings.emulator.rate = 30.0;
    });
    assert_eq!(all.created(), 2_000);
    let calls = all.calls as f64 / all.sent() as f64;
    assert!(calls < 3.0, "{calls}");
}

#[test]
fn hosts_that_all_keep_a_lower_rate_keep_it_together() {
    let slow = HostPlan {
        rate: RateRange::upto(20.0),
        ..HostPlan::new(100)
    };
    let all = share(&vec![slow; 4]);
    let rate = all.rate(1.0, 19.0);
    assert!((19.5..=20.5).contains(&rate), "{rate}");
}

#[test]
fn hosts_that_come_and_go_leave_nothing_unused() {
    let mut plans = vec![HostPlan::new(150); 16];
    for (number, plan) in plans.iter_mut().enumerate() {
        plan.begins = number as f64;
    }
    let all = share(&plans);
    assert_eq!(all.created(), 2_400);
    assert!(all.throttled_share() <= 0.001, "{}", all.throttled_share());
    assert!(all.end() <= 48.0 * 1.02 + 1.0, "{}", all.end());
}

#[test]
fn a_server_that_is_far_away_costs_little() {
    let far = HostPlan {
        round_trip: Some(300),
        ..HostPlan::new(1_000)
    };
    let all = share(&[far]);
    assert!(all.end() <= 20.0 * 1.02 + 1.0, "{}", all.end());
    assert!(all.throttled_share() <= 0.001, "{}", all.throttled_share());
}

#[test]
fn a_fast_quota_is_not_held_back_by_the_server() {
    let fast = HostPlan {
        round_trip: Some(50),
        rate: RateRange::upto(1_000.0),
        ..HostPlan::new(10_000)
    };
    let all = run(1, &[fast], SimServer::calm, |rig| {
        rig.world_settings.emulator.rate = 1_000.0;
        rig.world_settings.emulator.burst = 1_000;
        rig.settings.workers = 256;
    });
    assert!(all.end() <= 10.0 * 1.02 + 1.0, "{}", all.end());
}

#[test]
fn hosts_that_cannot_send_as_fast_as_the_rate_find_the_quota() {
    // Hosts, devices of each, --rate, workers, the quota.
    for (hosts, devices, rate, workers, quota) in [
        (1, 500, Some(1_000.0), 64, 50.0),
        (2, 250, Some(5_000.0), 64, 50.0),
        (1, 150, Some(50.0), 4, 10.0),
        (2, 75, Some(50.0), 4, 10.0),
        (2, 40, None, 2, 5.0),
    ] {
        let with = |round_trip| {
            let plan = HostPlan {
                rate: rate.map_or_else(RateRange::unknown, RateRange::upto),
                round_trip,
                ..HostPlan::new(devices)
            };
            run(1, &vec![plan; hosts], SimServer::calm, |rig| {
                rig.world_settings.emulator.rate = quota;
                rig.world_settings.emulator.burst = quota as u32;
                rig.settings.workers = workers;
            })
        };
        let (all, alone) = (with(Some(1)), with(None));
        let name = format!("{hosts} hosts, {rate:?}, {workers} workers, {quota}/s");
        let (sent, sent_alone) = (all.sent(), alone.sent());
        assert!(
            2 * sent <= 3 * sent_alone,
            "{name}: {sent}, alone {sent_alone}"
        );
        let (end, end_alone) = (all.end(), alone.end());
        assert!(
            end <= 1.1 * end_alone,
            "{name}: {end} s, alone {end_alone} s"
        );
    }
}

#[test]
fn a_fast_host_does_not_wait_for_slow_ones() {
    let slow = HostPlan {
        rate: RateRange::upto(0.1),
        ..HostPlan::new(2)
    };
    let mut plans = vec![slow; 4];
    plans.push(HostPlan {
        begins: 3.0,
        ..HostPlan::new(200)
    });
    let all = share(&plans);
    let fast = all.hosts[4].created.last().unwrap();
    assert!(*fast < 3.0 + 4.0 + 4.0, "{fast}");
}
