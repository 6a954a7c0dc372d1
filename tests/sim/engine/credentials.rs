//! Credentials that expire, and which ones are used afterwards.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::rig::{Rig, seconds};
use crate::world::{Act, failure, identity};
use kvs_fleet::domain::device::AccountId;
use kvs_fleet::domain::service::{FailureKind, Operation};
use kvs_fleet::emulator::faults::FaultKind;
use kvs_fleet::engine::Stop;

#[test]
fn each_expiry_causes_one_reload_and_no_failure() {
    let mut rig = Rig::new(500);
    rig.world_settings.emulator.expire_after = Some(120);
    let run = rig.run();
    assert_eq!((run.stop.clone(), run.count("created")), (None, 500));
    assert_eq!(run.world.reloads(), 4);
    assert_eq!(run.events_with("Retried"), 0);
}

#[test]
fn credentials_that_never_worked_stop_the_run_without_a_failed_row() {
    let run = Rig::new(300)
        .script(|ask| (ask.at > seconds(2.0)).then_some(Act::Refuse(403, "ExpiredTokenException")))
        .run();
    assert!(
        matches!(run.stop, Some(Stop::Credentials { .. })),
        "{:?}",
        run.stop
    );
    assert_eq!(run.world.reloads(), 1);
    assert_eq!(run.rows.len(), run.count("created"));
}

#[test]
fn one_request_tries_new_credentials_without_an_identity() {
    let mut rig = Rig::new(300)
        .script(|ask| (ask.at > seconds(2.0)).then_some(Act::Refuse(403, "ExpiredTokenException")));
    rig.world_settings.reload = Arc::new(|_| Ok(None));
    let run = rig.run();
    assert!(
        matches!(run.stop, Some(Stop::Credentials { .. })),
        "{:?}",
        run.stop
    );
    assert_eq!(run.world.reloads(), 1);
    let asked = run.world.asked();
    let after_reload: Vec<_> = asked.iter().filter(|ask| ask.generation > 0).collect();
    assert_eq!(after_reload.len(), 1, "{after_reload:?}");
    assert_eq!(after_reload[0].operation, Operation::Describe);
}

#[test]
fn an_answered_describe_does_not_prove_that_creates_are_authorized() {
    let mut rig = Rig::new(300).script(|ask| {
        let is_refused = ask.at > seconds(2.0) && ask.operation == Operation::Create;
        is_refused.then_some(Act::Refuse(403, "ExpiredTokenException"))
    });
    rig.world_settings.reload = Arc::new(|_| Ok(None));
    let run = rig.run();
    assert!(
        matches!(run.stop, Some(Stop::Credentials { .. })),
        "{:?}",
        run.stop
    );
    assert_eq!(run.world.reloads(), 1);
}

#[test]
fn network_errors_do_not_prove_credentials() {
    // The new credentials are no better; an occasional answer of a proxy does not confirm them.
    let run = Rig::new(300)
        .script(|ask| match (ask.generation, ask.nth % 2) {
            (0, _) if ask.at < seconds(1.0) => None,
            (1.., 1) => Some(Act::Fault(FaultKind::Html503)),
            _ => Some(Act::Refuse(403, "ExpiredTokenException")),
        })
        .run();
    assert!(
        matches!(run.stop, Some(Stop::Credentials { .. })),
        "{:?}",
        run.stop
    );
    assert_eq!(run.world.reloads(), 1);
}

#[test]
fn a_source_without_credentials_stops_the_run() {
    let mut rig = Rig::new(100);
    rig.world_settings.emulator.expire_after = Some(30);
    rig.world_settings.reload =
        Arc::new(|_| Err(failure(FailureKind::Credentials, "CredentialsUnavailable")));
    let run = rig.run();
    let Some(Stop::Credentials(failure)) = &run.stop else {
        panic!("{:?}", run.stop);
    };
    assert_eq!(&*failure.code, "CredentialsUnavailable");
    assert_eq!(run.stats(), [("created".into(), 30)].into());
}

#[test]
fn a_failing_source_is_retried() {
    for kind in [
        FailureKind::Lost,
        FailureKind::Unreachable,
        FailureKind::ServerError,
        FailureKind::Throttled,
    ] {
        let mut rig = Rig::new(100);
        rig.world_settings.emulator.expire_after = Some(60);
        let left = Arc::new(std::sync::atomic::AtomicU32::new(5));
        rig.world_settings.reload = Arc::new(move |_| {
            let is_well = left
                .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1))
                .is_err();
            if is_well {
                Ok(Some(identity(AccountId::EMULATOR)))
            } else {
                Err(failure(kind, "InTrouble"))
            }
        });
        let run = rig.run();
        assert_eq!((run.stop.clone(), run.count("created")), (None, 100));
        assert_eq!(
            (run.events_with("Offline"), run.events_with("Online")),
            (1, 1),
            "{kind:?}"
        );
        assert_eq!(run.world.reloads(), 6);
    }
}

#[test]
fn a_source_that_keeps_failing_stops_the_run() {
    let mut rig = Rig::new(100);
    rig.world_settings.emulator.expire_after = Some(30);
    rig.world_settings.reload = Arc::new(|_| Err(failure(FailureKind::Lost, "Timeout")));
    rig.settings.max_offline = seconds(60.0);
    let run = rig.run();
    assert!(
        matches!(run.stop, Some(Stop::Offline { .. })),
        "{:?}",
        run.stop
    );
    assert_eq!(run.stats(), [("created".into(), 30)].into());
    assert!(run.took > seconds(60.0) && run.took < seconds(80.0));
}

#[test]
fn no_channel_is_created_in_another_account_after_a_reload() {
    let mut rig = Rig::new(300);
    rig.world_settings.emulator.expire_after = Some(60);
    rig.world_settings.reload = Arc::new(|_| Ok(Some(identity("111122223333"))));
    rig.world_settings.reload_takes = seconds(2.0);
    rig.settings.account = AccountId::parse(AccountId::EMULATOR).ok();
    let run = rig.run();
    assert!(
        matches!(run.stop, Some(Stop::WrongAccount { .. })),
        "{:?}",
        run.stop
    );
    // The new credentials are in use before their account is compared.
    let with_new = run
        .asked(Operation::Create)
        .iter()
        .filter(|ask| ask.generation > 0)
        .count();
    assert_eq!((with_new, run.count("created")), (0, 60));
}

#[test]
fn a_stop_does_not_wait_for_a_reload() {
    let mut rig = Rig::new(100);
    rig.world_settings.emulator.expire_after = Some(20);
    rig.world_settings.reload_takes = seconds(3_600.0);
    rig.interrupt_at = Some(seconds(5.0));
    let run = rig.run();
    assert_eq!(run.stop, Some(Stop::Interrupted));
    assert!(run.took <= seconds(15.1), "{:?}", run.took);
}

#[test]
fn an_answer_from_another_account_stops_the_run_and_is_recorded() {
    let mut rig = Rig::new(100);
    rig.settings.account = AccountId::parse("111122223333").ok();
    let run = rig.run();
    assert!(
        matches!(run.stop, Some(Stop::WrongAccount { .. })),
        "{:?}",
        run.stop
    );
    assert!(run.rows.len() < 20);
}
