//! Reasons to stop a run early, and the state afterwards.

use super::rig::{Rig, region, seconds};
use crate::world::Act;
use kvs_fleet::domain::service::Operation;
use kvs_fleet::emulator::faults::FaultKind;
use kvs_fleet::engine::{FailureLimit, Stop};

#[test]
fn twenty_refused_in_a_row_stop_the_run() {
    let mut rig = Rig::new(300);
    rig.world_settings.emulator.deny_outside = Some("CAM-00".to_owned());
    rig.devices = (99_900..100_000)
        .map(|number| super::rig::device(number, &super::rig::here()))
        .collect();
    let run = rig.run();
    let Some(Stop::Denied { devices, failure }) = &run.stop else {
        panic!("{:?}", run.stop);
    };
    assert_eq!((*devices, &*failure.code), (20, "AccessDeniedException"));
    assert!((20..30).contains(&run.rows.len()), "{}", run.rows.len());
}

#[test]
fn a_panic_on_one_devices_task_ends_the_run_and_keeps_the_rows() {
    let run = Rig::new(300)
        .script(|ask| {
            assert_ne!(ask.name, "CAM-00100", "the roof fell in");
            None
        })
        .run();
    assert!(
        matches!(run.stop, Some(Stop::Internal(_))),
        "{:?}",
        run.stop
    );
    assert!(
        (50..300).contains(&run.count("created")),
        "{}",
        run.count("created")
    );
    assert_eq!(run.count("created"), run.rows.len());
}

#[test]
fn authorization_errors_between_successes_fail_only_their_devices() {
    let run = Rig::new(400)
        .script(|ask| {
            let refused = !ask.name.ends_with('0');
            refused.then_some(Act::Refuse(401, "AccessDeniedException"))
        })
        .run();
    assert_eq!(run.stop, None);
    assert_eq!(
        run.stats(),
        [
            ("AccessDeniedException".into(), 360),
            ("created".into(), 40)
        ]
        .into()
    );
}

#[test]
fn a_full_account_stops_its_region_only() {
    let mut rig = Rig::new(0);
    rig.world_settings.emulator.channel_limit = 50;
    let regions = [
        (region("eu-central-1"), 0..40),
        (region("us-east-1"), 100..300),
    ];
    for (region, numbers) in regions {
        rig.devices
            .extend(numbers.map(|number| super::rig::device(number, &region)));
    }
    let run = rig.run();
    let Some(Stop::AccountFull { regions, .. }) = &run.stop else {
        panic!("{:?}", run.stop);
    };
    assert_eq!(*regions, [region("us-east-1")]);
    assert_eq!(run.count("created"), 90);
    let full = run.count("AccountChannelLimitExceededException");
    assert!((1..20).contains(&full), "{full}");
    assert_eq!(run.rows.len(), 90 + full);
}

#[test]
fn every_full_region_is_reported() {
    let mut rig = Rig::new(0);
    rig.world_settings.emulator.channel_limit = 20;
    let regions = ["us-west-2", "eu-central-1", "us-east-1"];
    for (name, hundred) in regions.into_iter().zip(1..) {
        let region = region(name);
        let numbers = hundred * 100..hundred * 100 + 30;
        rig.devices
            .extend(numbers.map(|number| super::rig::device(number, &region)));
    }
    let stop = rig.run().stop.unwrap();
    assert_eq!(stop.reason(), "account-full");
    let text = stop.to_string();
    assert!(
        text.contains("limit in eu-central-1, us-east-1, us-west-2 ("),
        "{text}"
    );
}

#[test]
fn ambiguous_attempts_of_a_full_region_are_resolved_in_spite_of_errors() {
    let mut rig = Rig::new(100).script(|ask| match ask.operation {
        Operation::Create if ask.nth == 1 && ask.name.ends_with('7') => {
            Some(Act::Fault(FaultKind::Malformed))
        }
        Operation::Describe if ask.nth == 1 => Some(Act::Refuse(500, "InternalFailure")),
        Operation::Describe if ask.nth == 2 => Some(Act::Fault(FaultKind::Throttle)),
        _ => None,
    });
    rig.world_settings.emulator.channel_limit = 48;
    let run = rig.run();
    assert_eq!((run.count("created"), run.count("OutcomeUnknown")), (48, 0));
}

#[test]
fn max_failures_stops_the_run() {
    let rig = |limit| {
        let mut rig = Rig::new(1_000).script(|ask| {
            let wrong = ask.name.ends_with('3');
            wrong.then_some(Act::Refuse(400, "InvalidArgumentException"))
        });
        rig.settings.max_failures = Some(limit);
        rig.run()
    };
    let run = rig(FailureLimit::Count(5));
    assert!(
        matches!(run.stop, Some(Stop::TooManyFailures { failed: 6, .. })),
        "{:?}",
        run.stop
    );
    let run = rig(FailureLimit::Percent(5.0));
    assert!(
        matches!(run.stop, Some(Stop::TooManyFailures { .. })),
        "{:?}",
        run.stop
    );
    assert!((100..120).contains(&run.rows.len()), "{}", run.rows.len());
    let run = rig(FailureLimit::Percent(15.0));
    assert_eq!((run.stop.clone(), run.count("created")), (None, 900));
}

#[test]
fn an_internal_error_stops_the_run_and_is_reported() {
    let run = Rig::new(300)
        .script(|ask| {
            assert!(ask.name != "CAM-00100", "a defect");
            None
        })
        .run();
    assert_eq!(run.stop, Some(Stop::Internal("a defect".to_owned())));
    assert!((90..250).contains(&run.rows.len()), "{}", run.rows.len());
}

#[test]
fn a_failing_sink_stops_the_run() {
    let mut rig = Rig::new(300);
    rig.sink_fails_after = Some(70);
    let run = rig.run();
    assert_eq!(run.stop, Some(Stop::Results("the disk is full".to_owned())));
    assert_eq!(run.rows.len(), 70);
    assert!(run.asked(Operation::Create).len() < 90);
}

#[test]
fn an_interrupted_run_sends_no_more_creates_and_loses_nothing() {
    for at in [0.0, 0.01, 0.5, 1.03, 2.0, 3.71] {
        let mut rig = Rig::new(300).faults(&["malformed=20%@create", "throttle=5%", "500=10%"]);
        rig.interrupt_at = Some(seconds(at));
        let run = rig.run();
        assert_eq!(run.stop, Some(Stop::Interrupted));
        let last = run
            .asked(Operation::Create)
            .last()
            .map_or(seconds(0.0), |ask| ask.at);
        assert!(last <= seconds(at), "a create left at {last:?}");
        assert_eq!(run.count("OutcomeUnknown"), 0, "{:?}", run.stats());
        assert_eq!(run.count("ClientLimitExceededException"), 0);
        assert!(run.took <= seconds(at + 10.1), "{:?}", run.took);
    }
}

#[test]
fn a_throttle_is_never_an_outcome() {
    // Ambiguous after the first attempt (which was not applied), throttled ever after.
    let mut rig = Rig::new(5).script(|ask| match (ask.operation, ask.nth) {
        (Operation::Create, 1) => Some(Act::Refuse(500, "InternalFailure")),
        (Operation::Create, _) => Some(Act::Fault(FaultKind::Throttle)),
        _ => None,
    });
    rig.interrupt_at = Some(seconds(20.0));
    let run = rig.run();
    assert_eq!(run.stats(), [("InternalFailure".into(), 5)].into());
}

#[test]
fn requests_in_flight_are_dropped_after_the_timeout() {
    let mut rig = Rig::new(300).faults(&["hang-after=1@create"]);
    rig.world_settings.timeout = seconds(3_600.0);
    rig.interrupt_at = Some(seconds(1.0));
    let run = rig.run();
    assert_eq!(run.stop, Some(Stop::Interrupted));
    assert!(
        run.took >= seconds(11.0) && run.took < seconds(11.5),
        "{:?}",
        run.took
    );
    assert!(run.count("OutcomeUnknown") > 40, "{:?}", run.stats());
}
