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
fn a_host_keeps_its_own_lower_rate() {
    let slow = HostPlan {
        rate: RateRange::upto(5.0),
        ..HostPlan::new(100)
    };
    let all = share(&[slow, HostPlan::new(900)]);
    let of_slow = all.rate_of(0, 2.0, 18.0);
    assert!((3.5..=5.3).contains(&of_slow), "{of_slow}");
    let rate = all.rate(2.0, 18.0);
    assert!(rate >= 48.0, "{rate}");
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
