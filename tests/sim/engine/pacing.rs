//! Throttling, transient errors and workers.

use super::rig::{Rig, seconds};
use crate::world::Act;
use kvs_fleet::domain::service::Operation;
use kvs_fleet::emulator::faults::FaultKind;
use kvs_fleet::engine::Stop;
use kvs_fleet::engine::pace::controller::RateRange;

#[test]
fn creates_are_sent_at_the_quota() {
    let run = Rig::new(500).run();
    assert_eq!((run.stop.clone(), run.count("created")), (None, 500));
    assert_eq!(run.events_with("Throttled"), 0);
    assert!(run.took >= seconds(498.0 / 50.0), "{:?}", run.took);
    assert!(run.took <= seconds(500.0 / 50.0 * 1.03), "{:?}", run.took);
    assert!(run.rows.iter().all(|row| row.attempts == 1));
}

#[test]
fn a_rate_far_above_the_quota_fails_no_device() {
    let mut rig = Rig::new(1_500);
    rig.settings.rate = RateRange::upto(250.0);
    rig.settings.max_attempts = 1;
    let run = rig.run();
    assert_eq!((run.stop.clone(), run.count("created")), (None, 1_500));
    assert!(run.events_with("Throttled") > 20);
    assert_eq!(run.events_with("Retried"), 0);
    let most = seconds(1_500.0 / 50.0 * 1.1);
    assert!(run.took <= most, "{:?}", run.took);
}

#[test]
fn throttled_devices_are_retried_before_new_ones() {
    // The first ten are throttled once, long before the new ones run out.
    let run = Rig::new(200)
        .script(|ask| {
            let first_ten = ask.name.as_str() < "CAM-00010" && ask.nth == 1;
            first_ten.then_some(Act::Fault(FaultKind::Throttle))
        })
        .run();
    let asked = run.asked(Operation::Create);
    let last_retry = asked.iter().rposition(|ask| ask.nth == 2).unwrap();
    assert!(last_retry < 40, "{last_retry}");
    assert_eq!(run.row(3).attempts, 2);
}

#[test]
fn max_throttled_ends_the_run() {
    let mut rig = Rig::new(10).faults(&["throttle=1@create"]);
    rig.settings.max_throttled = seconds(30.0);
    let run = rig.run();
    assert!(
        matches!(run.stop, Some(Stop::Throttled { .. })),
        "{:?}",
        run.stop
    );
    assert!(
        run.took >= seconds(30.0) && run.took < seconds(35.0),
        "{:?}",
        run.took
    );
    // No device has failed.
    assert!(run.rows.is_empty());
}

#[test]
fn occasional_successes_keep_a_throttled_run_going() {
    let mut rig = Rig::new(20);
    rig.world_settings.emulator.rate = 0.1;
    rig.world_settings.emulator.burst = 1;
    rig.settings.max_throttled = seconds(30.0);
    let run = rig.run();
    assert_eq!((run.stop.clone(), run.count("created")), (None, 20));
}

#[test]
fn adopting_devices_counts_as_progress() {
    // Every channel exists, the listing is off, and the rate is far above the quota: no `created` row ends the
    // throttled time, but the Region does not throttle everything.
    let mut rig = Rig::new(600);
    rig.premade = rig
        .devices
        .iter()
        .map(|device| super::rig::Premade::new(device.channel_name.as_str(), 3_600.0))
        .collect();
    rig.world_settings.emulator.burst = 1;
    rig.settings.rate = RateRange::upto(100.0);
    rig.settings.max_throttled = seconds(3.0);
    let run = rig.run();
    assert!(run.events_with("Throttled") > 5);
    assert_eq!((run.stop.clone(), run.count("exists")), (None, 600));
}

#[test]
fn an_outage_does_not_count_as_throttled_time() {
    // Throttled before and after an outage, but not during it.
    let mut rig = Rig::new(200).script(|ask| {
        let at = ask.at.as_secs_f64();
        match (ask.operation, at) {
            (_, 2.0..62.0) => Some(Act::NoWay),
            (Operation::Create, 1.9..2.0 | 62.0..64.0) => Some(Act::Fault(FaultKind::Throttle)),
            _ => None,
        }
    });
    rig.settings.max_throttled = seconds(20.0);
    let run = rig.run();
    assert!(run.events_with("Offline") > 0);
    assert_eq!((run.stop.clone(), run.count("created")), (None, 200));
}

#[test]
fn transient_errors_are_retried_on_the_backoff_schedule() {
    for fault in ["500", "503", "html-503", "malformed-error", "reset-before"] {
        let mut rig = Rig::new(1).faults(&[&format!("{fault}=first:4@create")]);
        rig.settings.max_attempts = 5;
        let run = rig.run();
        assert_eq!(run.row(0).attempts, 5, "{fault}");
        assert_eq!(run.count("created"), 1, "{fault}");
        assert_eq!(run.events_with("Retried"), 4, "{fault}");
        let asked = run.asked(Operation::Create);
        for (pair, longest) in asked.windows(2).zip([0.2, 0.4, 0.8, 1.6]) {
            // An attempt, perhaps a probe after a reset, and the wait.
            let gap = pair[1].at.saturating_sub(pair[0].at).as_secs_f64();
            assert!(
                gap < longest + 0.3,
                "{fault}: {gap} s where at most {longest} s of wait are due"
            );
        }
    }
}

#[test]
fn the_last_failed_attempt_is_the_outcome() {
    let mut rig = Rig::new(1).faults(&["500=1@create"]);
    rig.settings.max_attempts = 3;
    let run = rig.run();
    let row = run.row(0);
    assert_eq!((&*row.error_code, row.attempts), ("InternalFailure", 3));
    // It might have been applied, so a Describe was sent.
    assert_eq!(run.asked(Operation::Describe).len(), 1);
}

#[test]
fn a_waiting_device_holds_no_worker() {
    let mut rig = Rig::new(60)
        .script(|ask| (ask.name == "CAM-00000").then_some(Act::Refuse(500, "InternalFailure")));
    rig.settings.workers = 1;
    let run = rig.run();
    assert_eq!(run.count("created"), 59);
    let rank = |number: usize| {
        let id = format!("CAM-{number:05}");
        run.rows
            .iter()
            .position(|row| *row.device_id == *id)
            .unwrap()
    };
    assert_eq!(rank(0), 59, "the failing device is the last");
}

#[test]
fn workers_limit_the_requests_in_flight() {
    let mut rig = Rig::new(300).faults(&["500=10%", "reset-after=10%", "hang-before=2%"]);
    rig.settings.workers = 3;
    rig.settings.rate = RateRange::unknown();
    let run = rig.run();
    assert_eq!(run.world.peak(), 3);
    assert_eq!(run.count("created"), 300);
}

#[test]
fn a_throttled_describe_does_not_hold_back_creates() {
    // One device is ambiguous, and another client uses up the account's Describe quota.
    let mut rig = Rig::new(400).script(|ask| match ask.operation {
        Operation::Create if ask.name.as_str() < "CAM-00008" => {
            Some(Act::Fault(FaultKind::Malformed))
        }
        Operation::Describe if ask.at < seconds(60.0) => Some(Act::Fault(FaultKind::Throttle)),
        _ => None,
    });
    rig.settings.workers = 8;
    rig.settings.max_attempts = 1;
    let run = rig.run();
    assert_eq!((run.stop.clone(), run.count("created")), (None, 400));
    let last = run.asked(Operation::Create).last().unwrap().at;
    assert!(last < seconds(12.0), "the last create left after {last:?}");
}

#[test]
fn a_describe_throttled_for_ever_ends_the_run() {
    let mut rig = Rig::new(3).script(|ask| match ask.operation {
        Operation::Create if ask.name == "CAM-00001" => Some(Act::Fault(FaultKind::Malformed)),
        Operation::Describe => Some(Act::Fault(FaultKind::Throttle)),
        _ => None,
    });
    rig.settings.max_attempts = 1;
    rig.settings.max_throttled = seconds(30.0);
    let run = rig.run();
    assert!(
        matches!(run.stop, Some(Stop::Throttled { .. })),
        "{:?}",
        run.stop
    );
    assert_eq!((run.count("created"), run.count("OutcomeUnknown")), (2, 1));
}
