//! The listing of existing channels: which creates it saves, and when it must be confirmed.

use super::memory_sink::Supply;
use super::rig::{Premade, Rig, seconds};
use crate::world::Act;
use kvs_fleet::domain::service::Operation;
use kvs_fleet::emulator::faults::FaultKind;
use kvs_fleet::engine::Stop;

fn with_existing(devices: usize, existing: usize) -> Rig {
    let mut rig = Rig::new(devices);
    rig.listing = true;
    rig.premade = (0..existing)
        .map(|number| Premade::new(format!("CAM-{number:05}"), 3_600.0))
        .collect();
    rig
}

#[test]
fn listed_channels_are_adopted_without_a_create() {
    let run = with_existing(2_100, 2_000).run();
    assert_eq!(
        run.stats(),
        [("created".into(), 100), ("exists".into(), 2_000)].into()
    );
    assert_eq!(run.asked(Operation::Create).len(), 100);
    assert_eq!(run.asked(Operation::Describe).len(), 0);
    assert!(run.took < seconds(3.0), "{:?}", run.took);
    assert_eq!(run.row(5).attempts, 0);
}

#[test]
fn an_old_listing_is_confirmed_by_describe() {
    let mut rig = with_existing(30, 20);
    rig.dawdle = seconds(61.0);
    let run = rig.run();
    assert_eq!(
        run.stats(),
        [("created".into(), 10), ("exists".into(), 20)].into()
    );
    assert_eq!(run.asked(Operation::Describe).len(), 20);
    assert_eq!(run.asked(Operation::Create).len(), 10);
}

#[test]
fn a_channel_deleted_after_the_listing_is_created() {
    let mut rig = with_existing(3, 1).script(|ask| {
        // Gone when Describe is sent.
        let gone = ask.operation == Operation::Describe && ask.nth == 1;
        gone.then_some(Act::Refuse(404, "ResourceNotFoundException"))
    });
    rig.premade.clear();
    rig.premade.push(Premade {
        deleting: false,
        ..Premade::new("CAM-00000", 3_600.0)
    });
    rig.dawdle = seconds(61.0);
    let run = rig.run();
    // It exists after all: the create is refused, and a second Describe adopts it.
    assert_eq!(
        run.stats(),
        [("created".into(), 2), ("exists".into(), 1)].into()
    );
    assert_eq!(run.row(0).attempts, 1);
}

#[test]
fn a_stream_confirms_listed_channels() {
    let mut rig = with_existing(30, 20);
    rig.supply = Supply::Streamed;
    let run = rig.run();
    assert_eq!(
        run.stats(),
        [("created".into(), 10), ("exists".into(), 20)].into()
    );
    assert_eq!(run.asked(Operation::Create).len(), 10);
}

#[test]
fn the_run_continues_without_permission_to_list() {
    let rig = with_existing(30, 20).script(|ask| {
        (ask.operation == Operation::List).then_some(Act::Refuse(403, "AccessDeniedException"))
    });
    let run = rig.run();
    assert_eq!(run.events_with("Warning"), 1);
    assert_eq!(
        run.stats(),
        [("created".into(), 10), ("exists".into(), 20)].into()
    );
}

#[test]
fn a_listing_is_retried_after_errors() {
    let faults = [
        "throttle=first:2@list",
        "500=first:2@list",
        "reset-before=first:1@list",
    ];
    let run = with_existing(20, 20).faults(&faults).run();
    assert_eq!(run.count("exists"), 20);
    assert_eq!(run.asked(Operation::Create).len(), 0);
}

#[test]
fn the_run_continues_without_a_failing_listing() {
    let run = with_existing(20, 10).faults(&["503=1@list"]).run();
    assert_eq!((run.events_with("Warning"), run.count("exists")), (1, 10));
    let run = with_existing(20, 10).faults(&["html-503=1@list"]).run();
    assert!(
        matches!(run.stop, Some(Stop::Unreachable { .. })),
        "{:?}",
        run.stop
    );
    assert!(run.rows.is_empty());
}

#[test]
fn channels_in_deleting_are_not_adopted() {
    let mut rig = with_existing(4, 4);
    rig.world_settings.emulator.deleting_for = seconds(1.0);
    rig.premade[2].deleting = true;
    let run = rig.run();
    assert_eq!(
        run.stats(),
        [("created".into(), 1), ("exists".into(), 3)].into()
    );
}

#[test]
fn a_listing_throttled_for_ever_ends_the_run() {
    let mut rig = with_existing(4, 4).faults(&["throttle=1@list"]);
    rig.settings.max_throttled = seconds(20.0);
    let run = rig.run();
    assert!(
        matches!(run.stop, Some(Stop::Throttled { .. })),
        "{:?}",
        run.stop
    );
}

#[test]
fn an_interrupted_listing_ends_at_once() {
    let mut rig = with_existing(4, 4).script(|ask| {
        (ask.operation == Operation::List).then_some(Act::Fault(FaultKind::HangBefore))
    });
    rig.interrupt_at = Some(seconds(1.0));
    let run = rig.run();
    assert_eq!(run.stop, Some(Stop::Interrupted));
    assert!(run.rows.is_empty());
    assert!(run.took <= seconds(11.1), "{:?}", run.took);
}
