//! A service that does not answer.

use super::rig::{Rig, seconds};
use crate::world::Act;
use kvs_fleet::domain::service::Operation;
use kvs_fleet::emulator::faults::FaultKind;
use kvs_fleet::engine::Stop;

/// No answers from 2 s to `until`; requests fail in this way.
fn outage(rig: Rig, until: f64, act: Act) -> Rig {
    rig.script(move |ask| (2.0..until).contains(&ask.at.as_secs_f64()).then_some(act))
}

#[test]
fn an_outage_pauses_the_run_and_counts_no_attempts() {
    for act in [
        Act::NoWay,
        Act::Fault(FaultKind::HangBefore),
        Act::Fault(FaultKind::ResetBefore),
    ] {
        let mut rig = outage(Rig::new(300), 602.0, act);
        // A device may fail twice before the outage is detected, while the last answers to others arrive.
        rig.settings.max_attempts = 3;
        let run = rig.run();
        assert_eq!(
            (run.stop.clone(), run.count("created")),
            (None, 300),
            "{act:?}"
        );
        assert_eq!(
            (run.events_with("Offline"), run.events_with("Online")),
            (1, 1),
            "{act:?}"
        );
        // Some of those that fail at once have seen the last answers to others.
        let straddling = if act == Act::Fault(FaultKind::HangBefore) {
            0
        } else {
            4
        };
        let retried = run.events_with("Retried");
        assert!(retried <= straddling, "{act:?}: {retried}");
        // One probe at a time; the others were in flight when the outage began.
        let asked = run.world.asked();
        let during = asked
            .iter()
            .filter(|ask| (20.0..602.0).contains(&ask.at.as_secs_f64()));
        let (probes, others): (Vec<_>, Vec<_>) =
            during.partition(|ask| ask.operation == Operation::Describe);
        assert!(probes.len() < 900, "{act:?}: {} probes", probes.len());
        assert_eq!(others.len(), 0, "{act:?}");
        assert!(run.took < seconds(602.0 + 30.0), "{act:?}: {:?}", run.took);
    }
}

#[test]
fn requests_applied_during_an_outage_end_created() {
    let mut rig = outage(Rig::new(300), 302.0, Act::Fault(FaultKind::HangAfter));
    rig.settings.max_attempts = 2;
    let run = rig.run();
    assert_eq!((run.stop.clone(), run.count("created")), (None, 300));
}

#[test]
fn an_outage_that_lasts_too_long_ends_the_run() {
    let mut rig = outage(
        Rig::new(300),
        f64::INFINITY,
        Act::Fault(FaultKind::HangBefore),
    );
    rig.settings.max_offline = seconds(120.0);
    let run = rig.run();
    assert!(
        matches!(run.stop, Some(Stop::Offline { .. })),
        "{:?}",
        run.stop
    );
    assert!(
        run.took > seconds(120.0) && run.took < seconds(180.0),
        "{:?}",
        run.took
    );
    // Devices whose request was in flight are ambiguous.
    assert_eq!(
        run.count("created") + run.count("OutcomeUnknown"),
        run.rows.len()
    );
    assert!(run.count("created") >= 90);
}

#[test]
fn an_unreachable_service_is_detected_within_seconds() {
    for listing in [false, true] {
        let mut rig = Rig::new(300).script(|_| Some(Act::NoWay));
        rig.listing = listing;
        let run = rig.run();
        let Some(Stop::Unreachable { failure, .. }) = &run.stop else {
            panic!("{:?}", run.stop);
        };
        assert_eq!(&*failure.code, "DnsFailed");
        assert!(run.rows.is_empty(), "{:?}", run.rows);
        assert!(
            run.took >= seconds(5.0) && run.took < seconds(12.0),
            "{:?}",
            run.took
        );
    }
}

#[test]
fn a_service_that_never_answers_is_detected_after_a_few_timeouts() {
    for listing in [false, true] {
        let mut rig = Rig::new(300).script(|_| Some(Act::Fault(FaultKind::HangBefore)));
        rig.listing = listing;
        let run = rig.run();
        assert!(
            matches!(run.stop, Some(Stop::Unreachable { .. })),
            "{:?}",
            run.stop
        );
        assert_eq!(run.events_with("Offline"), 1);
        assert!(run.took < seconds(60.0), "{:?}", run.took);
    }
}

#[test]
fn a_run_interrupted_during_an_outage_ends_within_the_timeout() {
    let mut rig = outage(
        Rig::new(300),
        f64::INFINITY,
        Act::Fault(FaultKind::HangAfter),
    );
    rig.interrupt_at = Some(seconds(100.0));
    let run = rig.run();
    assert_eq!(run.stop, Some(Stop::Interrupted));
    assert!(run.took <= seconds(110.1), "{:?}", run.took);
    assert!(run.count("OutcomeUnknown") > 0);
}

#[test]
fn repeated_short_outages_lose_nothing() {
    let mut rig = Rig::new(400).script(|ask| {
        let down = ask.at.as_secs_f64() % 15.0 > 5.0;
        down.then_some(Act::Fault(FaultKind::ResetAfter))
    });
    rig.settings.max_attempts = 2;
    let run = rig.run();
    assert_eq!((run.stop.clone(), run.count("created")), (None, 400));
}
