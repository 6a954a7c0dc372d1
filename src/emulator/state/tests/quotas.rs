//! Tests of quotas and limits.

use super::*;
use crate::emulator::RateChange;

#[test]
fn the_quota_changes_at_the_configured_time_after_the_first_create() {
    let changes = [(2, 200.0), (1, 100.0)].map(|(after, rate)| RateChange {
        after: Duration::from_secs(after),
        rate,
    });
    let mut server = TestServer::new(EmulatorSettings {
        burst: 1,
        rate_changes: changes.to_vec(),
        ..EmulatorSettings::default()
    });
    // Time before the first create does not count.
    server.wait(10_000);
    let mut granted = [0; 3];
    for step in 0..3_000_usize {
        if server.ask(create(&format!("c{step}"))).is_ok() {
            granted[step / 1_000] += 1;
        }
        server.wait(1);
    }
    assert_eq!(granted, [50, 100, 200]);
}

#[test]
fn creates_are_counted_in_windows_if_configured() {
    let mut server = TestServer::new(EmulatorSettings {
        rate: 5.0,
        window: true,
        ..EmulatorSettings::default()
    });
    let granted = |server: &mut TestServer| {
        let names = (0..9).map(|number| format!("c{number}-{}", server.now.as_millis()));
        let names: Vec<_> = names.collect();
        let answers = names.iter().map(|name| server.ask(create(name)));
        answers.flatten().count()
    };
    assert_eq!(granted(&mut server), 5);
    assert_eq!(granted(&mut server), 0);
    server.wait(1_000);
    assert_eq!(granted(&mut server), 5);
    assert_eq!(granted(&mut server), 0);
}

#[test]
fn creates_have_the_configured_quota_in_each_region() {
    let mut server = TestServer::new(EmulatorSettings {
        rate: 10.0,
        burst: 3,
        ..EmulatorSettings::default()
    });
    for i in 0..3 {
        server.create(&format!("a{i}"));
    }
    assert_eq!(
        server.refused(create("b")),
        (400, "ClientLimitExceededException")
    );
    // Another key of the account shares the quota; another Region has its own.
    server.caller = caller("eu-central-1", "OTHER");
    assert_eq!(
        server.refused(create("b")),
        (400, "ClientLimitExceededException")
    );
    server.caller = caller("us-east-1", "AKID");
    server.create("b");
    server.caller = caller("eu-central-1", "AKID");
    server.wait(100);
    server.create("b");
    assert_eq!(
        server.refused(create("c")),
        (400, "ClientLimitExceededException")
    );
}

#[test]
fn other_operations_have_quotas_of_their_own() {
    let mut server = TestServer::new(EmulatorSettings {
        rate: 1.0,
        burst: 1,
        ..EmulatorSettings::default()
    });
    server.create("a");
    let granted = |server: &mut TestServer, request: fn() -> ApiRequest| {
        (0..1000)
            .filter(|_| {
                let answer = server.ask(request());
                !answer.is_err_and(|error| error.is_throttle())
            })
            .count()
    };
    assert_eq!(granted(&mut server, list), 50);
    assert_eq!(granted(&mut server, || describe("not-there")), 300);
    server.wait(100);
    assert_eq!(granted(&mut server, list), 5);
    assert_eq!(granted(&mut server, || describe("not-there")), 30);
}

#[test]
fn each_channel_has_a_quota_of_five_requests_a_second() {
    let mut server = TestServer::free();
    server.create("a");
    server.create("b");
    for _ in 0..5 {
        server.describe("a");
    }
    assert_eq!(
        server.refused(describe("a")),
        (400, "ClientLimitExceededException")
    );
    server.describe("b");
    server.wait(199);
    assert_eq!(
        server.refused(describe("a")),
        (400, "ClientLimitExceededException")
    );
    server.wait(1);
    server.describe("a");
}

#[test]
fn a_request_throttled_by_its_channel_takes_no_token_of_the_account() {
    let mut server = TestServer::free();
    let arn = server.create("a");
    for _ in 0..1000 {
        let _ = server.ask(tag(&arn, 0..1, "v"));
    }
    let other = server.create("b");
    server.ask(tag(&other, 0..1, "v")).unwrap();
}

#[test]
fn the_channel_limit_applies_to_each_region() {
    let mut server = TestServer::new(EmulatorSettings {
        channel_limit: 2,
        ..EmulatorSettings::default()
    });
    let first = server.create("a");
    server.create("b");
    assert_eq!(
        server.refused(create("c")),
        (400, "AccountChannelLimitExceededException")
    );
    assert_eq!(server.refused(create("a")), (400, "ResourceInUseException"));
    server.caller = caller("us-east-1", "AKID");
    server.create("c");
    server.caller = caller("eu-central-1", "AKID");
    server.ask(delete(&first, None)).unwrap();
    server.create("c");
}
