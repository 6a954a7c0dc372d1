//! Tests of accounts: which one a request is of, what each has for itself, and which may be used.

use super::*;
use crate::emulator::RateChange;
use crate::emulator::assume_role::AssumedRole;

const ONE: &str = "111122223333";
const OTHER: &str = "444455556666";

fn account(number: &str) -> AccountId {
    AccountId::parse(number).unwrap()
}

fn assume(account: &str) -> ApiRequest {
    ApiRequest::AssumeRole(AssumeRole {
        role_arn: Some(format!("arn:aws:iam::{account}:role/kvs-fleet")),
        session_name: Some("run".to_owned()),
        ..AssumeRole::default()
    })
}

impl TestServer {
    fn assume(&mut self, account: &str) -> AssumedRole {
        match self.ask(assume(account)).unwrap() {
            ApiResponse::AssumeRole(assumed) => assumed,
            other => panic!("{other:?}"),
        }
    }

    fn identity(&mut self) -> (String, String) {
        match self.ask(ApiRequest::CallerIdentity).unwrap() {
            ApiResponse::CallerIdentity(identity) => (identity.account.to_string(), identity.arn),
            other => panic!("{other:?}"),
        }
    }

    /// The caller becomes the session's.
    fn sign_as(&mut self, assumed: &AssumedRole) {
        self.caller = caller("eu-central-1", &assumed.access_key)
            .with_session_token(Some(&assumed.session_token));
    }
}

#[test]
fn a_session_of_a_role_is_of_the_roles_account() {
    let mut server = TestServer::free();
    let assumed = server.assume(ONE);
    assert_eq!(
        assumed.arn,
        "arn:aws:sts::111122223333:assumed-role/kvs-fleet/run"
    );
    assert_eq!(assumed.expires_at, START + Duration::from_hours(1));
    server.sign_as(&assumed);
    assert_eq!(server.identity(), (ONE.to_owned(), assumed.arn.clone()));
    let arn = server.create("a");
    assert!(
        arn.starts_with("arn:aws:kinesisvideo:eu-central-1:111122223333:channel/a/"),
        "{arn}"
    );
    // Another emulator knows the session too.
    let mut restarted = TestServer::free();
    restarted.sign_as(&assumed);
    assert_eq!(restarted.identity(), (ONE.to_owned(), assumed.arn));
    // Each session has a key of its own.
    assert_ne!(server.assume(ONE).access_key, assumed.access_key);
}

#[test]
fn a_token_names_a_session_only_with_the_key_of_one() {
    let mut server = TestServer::free();
    let assumed = server.assume(ONE);
    server.caller = caller("eu-central-1", OTHER).with_session_token(Some(&assumed.session_token));
    let fixed = "arn:aws:sts::444455556666:assumed-role/emulator/kvs-fleet";
    assert_eq!(server.identity(), (OTHER.to_owned(), fixed.to_owned()));
}

#[test]
fn each_account_has_its_own_channels() {
    let mut server = TestServer::free();
    server.caller = caller("eu-central-1", ONE);
    let arn = server.create("a");
    server.create("b");
    server.caller = caller("eu-central-1", OTHER);
    server.create("a");
    assert_eq!(server.stored(ONE), ["a", "b"]);
    assert_eq!(server.stored(OTHER), ["a"]);
    assert_eq!(server.stored(AccountId::EMULATOR), [] as [&str; 0]);
    let (names, _) = server.page("", 10, None);
    assert_eq!(names, ["a"]);
    // A channel of another account is denied, whether it exists or not.
    for request in [describe_arn(&arn), delete(&arn, None), tag(&arn, 0..1, "v")] {
        let error = server.ask(request).unwrap_err();
        assert_eq!(
            (error.http_status, error.code),
            (401, "AccessDeniedException")
        );
        assert!(
            error.message.contains("444455556666:assumed-role") && error.message.contains(&*arn),
            "{error}"
        );
    }
    assert_eq!(server.stored(ONE), ["a", "b"]);
}

#[test]
fn each_account_has_its_own_quota_and_limit() {
    let mut server = TestServer::new(EmulatorSettings {
        rate: 1.0,
        burst: 2,
        channel_limit: 2,
        rate_changes: vec![RateChange {
            after: Duration::from_secs(2),
            rate: 1_000.0,
        }],
        ..EmulatorSettings::default()
    });
    let throttled = (400, "ClientLimitExceededException");
    for number in [ONE, OTHER] {
        server.caller = caller("eu-central-1", number);
        server.create("a");
        server.create("b");
        assert_eq!(server.refused(create("c")), throttled);
        server.wait(1_000);
        assert_eq!(
            server.refused(create("c")),
            (400, "AccountChannelLimitExceededException")
        );
    }
    // The first account's quota has changed two seconds after its first create, the other's has not.
    for (number, error) in [
        (ONE, "AccountChannelLimitExceededException"),
        (OTHER, "ClientLimitExceededException"),
    ] {
        server.caller = caller("eu-central-1", number);
        let _ = server.ask(create("c"));
        server.wait(1);
        assert_eq!(server.refused(create("c")), (400, error));
    }
}

#[test]
fn a_denied_account_refuses_its_roles_and_its_keys() {
    let mut server = TestServer::new(EmulatorSettings {
        deny_accounts: vec![account(OTHER)],
        ..EmulatorSettings::default()
    });
    let error = server.ask(assume(OTHER)).unwrap_err();
    assert_eq!(
        (error.http_status, error.code),
        (403, "AccessDeniedException")
    );
    assert_eq!(
        error.message,
        "User: arn:aws:sts::000000000000:assumed-role/emulator/kvs-fleet is not authorized to perform: sts:AssumeRole on \
         resource: arn:aws:iam::444455556666:role/kvs-fleet"
    );
    server.assume(ONE);
    server.caller = caller("eu-central-1", OTHER);
    assert_eq!(server.refused(create("a")), (403, "AccessDeniedException"));
    assert_eq!(server.refused(list()), (403, "AccessDeniedException"));
    assert_eq!(server.identity().0, OTHER);
}

#[test]
fn no_more_accounts_exist_than_configured() {
    let mut server = TestServer::new(EmulatorSettings {
        accounts: 2,
        ..EmulatorSettings::default()
    });
    server.caller = caller("eu-central-1", ONE);
    server.ask(list()).unwrap();
    server.assume(OTHER);
    let third = "777788889999";
    assert_eq!(
        server.refused(assume(third)),
        (403, "AccessDeniedException")
    );
    server.caller = caller("eu-central-1", third);
    assert_eq!(server.refused(list()), (403, "AccessDeniedException"));
    for known in [ONE, OTHER, AccountId::EMULATOR] {
        server.caller = caller("eu-central-1", known);
        server.ask(list()).unwrap();
        server.assume(known);
    }
}

#[test]
fn a_session_key_expires_like_others() {
    let mut server = TestServer::new(EmulatorSettings {
        expire_after: Some(2),
        ..EmulatorSettings::default()
    });
    let [first, second] = [ONE, ONE].map(|account| server.assume(account));
    assert_eq!(server.refused(assume(ONE)), (403, "ExpiredTokenException"));
    server.sign_as(&first);
    server.ask(list()).unwrap();
    server.ask(list()).unwrap();
    assert_eq!(server.refused(list()), (403, "ExpiredTokenException"));
    server.sign_as(&second);
    server.ask(list()).unwrap();
}

#[test]
fn an_invalid_role_is_refused_before_its_account_exists() {
    let mut server = TestServer::new(EmulatorSettings {
        accounts: 1,
        ..EmulatorSettings::default()
    });
    let invalid = ApiRequest::AssumeRole(AssumeRole {
        role_arn: Some("arn:aws:iam::444455556666:user/kvs-fleet".to_owned()),
        session_name: Some("run".to_owned()),
        ..AssumeRole::default()
    });
    assert_eq!(server.refused(invalid), (400, "ValidationError"));
    server.assume(ONE);
}
