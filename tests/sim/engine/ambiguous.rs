//! Attempts with an unknown outcome, and existing channels.

use super::rig::{Premade, Rig, seconds};
use crate::world::Act;
use kvs_fleet::domain::service::Operation;
use kvs_fleet::emulator::faults::FaultKind;
use kvs_fleet::engine::OnExists;

const APPLIED: [&str; 5] = [
    "reset-after",
    "hang-after",
    "truncated",
    "malformed",
    "empty",
];

#[test]
fn an_applied_create_with_a_lost_answer_ends_created() {
    for fault in APPLIED {
        for max_attempts in [1, 2, 8] {
            let mut rig = Rig::new(40).faults(&[&format!("{fault}=30%@create")]);
            rig.settings.max_attempts = max_attempts;
            let run = rig.run();
            assert_eq!(
                (run.stop.clone(), run.count("created")),
                (None, 40),
                "{fault}"
            );
            assert!(run.rows.iter().all(|row| row.attempts >= 1));
        }
    }
}

#[test]
fn the_clock_of_the_service_decides_which_run_created_a_channel() {
    for ahead in [0.0, 0.7, 3_600.0] {
        // The first attempt never arrives. The channel that the second one finds is two seconds old, or created by this
        // run.
        for (premade, status) in [(true, "exists"), (false, "created")] {
            let mut rig =
                Rig::new(1).faults(&["reset-before=first:1@create", "reset-after=first:1@create"]);
            rig.world_settings.ahead = seconds(ahead);
            if premade {
                rig.premade = vec![Premade::new("CAM-00000", 2.0)];
            }
            let run = rig.run();
            assert_eq!(run.count(status), 1, "{ahead} s ahead: {:?}", run.rows);
        }
    }
}

#[test]
fn a_channel_of_this_run_is_created_even_with_on_exists_fail() {
    let mut rig = Rig::new(2).faults(&["hang-after=first:1@create"]);
    rig.premade = vec![Premade::new("CAM-00001", 60.0)];
    rig.settings.on_exists = OnExists::Fail;
    let run = rig.run();
    assert_eq!(
        run.stats(),
        [("ChannelExists".into(), 1), ("created".into(), 1)].into()
    );
    assert_eq!(&*run.row(1).error_code, "ChannelExists");
}

#[test]
fn an_existing_channel_is_adopted() {
    let mut rig = Rig::new(3);
    rig.premade = vec![Premade {
        ttl: Some(99),
        ..Premade::new("CAM-00001", 60.0)
    }];
    rig.devices[1].message_ttl = kvs_fleet::domain::device::MessageTtl::from_secs(30).ok();
    let run = rig.run();
    assert_eq!(
        run.stats(),
        [("created".into(), 2), ("exists".into(), 1)].into()
    );
    assert_eq!(run.row(1).attempts, 1);
    assert_eq!(run.events_with("Differs"), 1);
    assert_eq!(run.events_with("message TTL 99 s instead of 30 s"), 1);
}

#[test]
fn an_unknown_outcome_is_reported() {
    for code in ["AccessDeniedException", "InternalFailure"] {
        let mut rig = Rig::new(2).script(move |ask| match ask.operation {
            Operation::Create if ask.name == "CAM-00000" => Some(Act::Fault(FaultKind::Malformed)),
            Operation::Create => None,
            _ => Some(Act::Refuse(
                if code == "InternalFailure" { 500 } else { 403 },
                code,
            )),
        });
        rig.settings.max_attempts = 2;
        let run = rig.run();
        assert_eq!(
            run.stats(),
            [("OutcomeUnknown".into(), 1), ("created".into(), 1)].into()
        );
        let row = run.row(0);
        assert!(row.error_message.contains("could not be learnt"), "{row:?}");
    }
}

#[test]
fn the_listing_is_used_if_describe_is_denied() {
    let rig = Rig::new(30).faults(&["empty=30%@create"]).script(|ask| {
        (ask.operation == Operation::Describe).then_some(Act::Refuse(403, "AccessDeniedException"))
    });
    let run = rig.run();
    assert_eq!((run.stop.clone(), run.count("created")), (None, 30));
    assert!(!run.asked(Operation::List).is_empty());
}

#[test]
fn a_channel_being_deleted_is_created_after_the_deletion() {
    let mut rig = Rig::new(2);
    rig.world_settings.emulator.deleting_for = seconds(1.5);
    rig.premade = vec![Premade {
        deleting: true,
        ..Premade::new("CAM-00000", 60.0)
    }];
    for listing in [false, true] {
        rig.listing = listing;
        let run = rig.run();
        assert_eq!(run.count("created"), 2, "{:?}", run.rows);
        assert!(run.row(0).attempts > 1);
    }
    rig.world_settings.emulator.deleting_for = seconds(3_600.0);
    let run = rig.run();
    assert_eq!(
        run.stats(),
        [("ChannelDeleting".into(), 1), ("created".into(), 1)].into()
    );
    assert_eq!(run.row(0).attempts, rig.settings.max_attempts);
    // An interruption while it waits leaves the same code.
    rig.interrupt_at = Some(seconds(1.0));
    let run = rig.run();
    assert_eq!(run.row(0).error_code.as_ref(), "ChannelDeleting");
}

#[test]
fn an_answered_describe_resets_the_count_of_failed_ones() {
    // Every second Describe fails: no device may end as unknown because of that.
    let mut rig = Rig::new(1).script(|ask| {
        let odd = ask.operation == Operation::Describe && ask.nth % 2 == 1;
        odd.then_some(Act::Refuse(500, "InternalFailure"))
    });
    rig.world_settings.emulator.deleting_for = seconds(3_600.0);
    rig.premade = vec![Premade {
        deleting: true,
        ..Premade::new("CAM-00000", 60.0)
    }];
    rig.settings.max_attempts = 3;
    let run = rig.run();
    assert_eq!(run.stats(), [("ChannelDeleting".into(), 1)].into());
}

#[test]
fn an_error_after_an_ambiguous_attempt_is_final_once_the_channel_is_known_to_be_missing() {
    let run = Rig::new(1)
        .script(|ask| match (ask.operation, ask.nth) {
            (Operation::Create, 1) => Some(Act::Fault(FaultKind::ResetBefore)),
            (Operation::Create, _) => Some(Act::Refuse(400, "InvalidArgumentException")),
            _ => None,
        })
        .run();
    let row = run.row(0);
    assert_eq!(
        (&*row.error_code, row.attempts),
        ("InvalidArgumentException", 2)
    );
}

#[test]
fn a_device_whose_requests_hang_fails_alone() {
    let mut rig = Rig::new(300)
        .script(|ask| (ask.name == "CAM-00007").then_some(Act::Fault(FaultKind::HangBefore)));
    rig.settings.max_attempts = 3;
    rig.settings.workers = 4;
    rig.devices
        .extend((300..3_000).map(|number| super::rig::device(number, &super::rig::here())));
    let run = rig.run();
    assert_eq!((run.stop.clone(), run.count("created")), (None, 2_999));
    // Describe hangs too, so the outcome is unknown.
    assert_eq!((run.count("OutcomeUnknown"), run.row(7).attempts), (1, 3));
    assert!(run.row(7).error_message.starts_with("Timeout"));
    assert_eq!(run.events_with("Offline"), 0);
}

#[test]
fn a_last_device_whose_creates_hang_fails_with_timeout() {
    let mut rig = Rig::new(5).script(|ask| {
        let hangs = ask.operation == Operation::Create && ask.name == "CAM-00004";
        hangs.then_some(Act::Fault(FaultKind::HangBefore))
    });
    rig.settings.max_attempts = 3;
    let run = rig.run();
    assert_eq!(
        run.stats(),
        [("Timeout".into(), 1), ("created".into(), 4)].into()
    );
    assert_eq!(run.row(4).attempts, 3);
}
