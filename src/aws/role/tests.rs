//! Tests of roles against the emulator, and against an STS that counts its requests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::State;
use tokio::net::TcpListener;

use super::*;
use crate::aws::attempt::NotSent;
use crate::aws::operations::of_unsent;
use crate::aws::{ConfigErrorKind, Connection, ConnectionSettings};
use crate::domain::device::AccountId;
use crate::domain::service::classify::ROLE_REFUSED;
use crate::domain::service::{Failure, Identity};
use crate::emulator::latency::Latency;
use crate::emulator::operation::ApiOperation;
use crate::emulator::{Emulator, EmulatorSettings};

const ACCOUNT: &str = "111122223333";

fn region() -> Region {
    Region::parse("eu-central-1").unwrap()
}

fn role(account: &str) -> Role {
    Role {
        arn: format!("arn:aws:iam::{account}:role/kvs-fleet"),
        external_id: None,
        session_name: "run".to_owned(),
    }
}

async fn emulator(change: impl FnOnce(&mut EmulatorSettings)) -> Emulator {
    let mut settings = EmulatorSettings {
        latency: Latency::steady(Duration::ZERO),
        ..EmulatorSettings::default()
    };
    change(&mut settings);
    let any_port = "127.0.0.1:0".parse().unwrap();
    Emulator::start(any_port, settings).await.unwrap()
}

async fn faulty(fault: &str) -> Emulator {
    emulator(|settings| settings.faults = vec![fault.parse().unwrap()]).await
}

async fn connect(url: String) -> Connection {
    let settings = ConnectionSettings {
        region: Some(region()),
        endpoint_url: Some(url),
        timeout: Duration::from_secs(2),
        ..ConnectionSettings::default()
    };
    Connection::load(settings).await.unwrap()
}

fn assumed(emulator: &Emulator) -> u64 {
    let counts = emulator.request_counts().of(ApiOperation::AssumeRole);
    counts.answered + counts.refused + counts.faults
}

async fn identity(connection: &Connection) -> Result<Identity, ConfigError> {
    Ok(connection.identity(&region()).await?.unwrap())
}

async fn list(connection: &Connection) -> bool {
    let client = connection.client(&region());
    client.list_signaling_channels().send().await.is_ok()
}

#[tokio::test]
async fn channels_are_created_in_the_account_of_the_role() {
    let emulator = emulator(|_| {}).await;
    let own = connect(emulator.url()).await;
    let role = Role {
        external_id: Some("line-4".to_owned()),
        ..role(ACCOUNT)
    };
    let connection = own.with_role(role);
    assert_eq!(assumed(&emulator), 0, "nothing needs credentials yet");
    let found = identity(&connection).await.unwrap();
    assert_eq!(found.account.as_str(), ACCOUNT);
    assert_eq!(
        &*found.caller,
        "arn:aws:sts::111122223333:assumed-role/kvs-fleet/run"
    );
    let client = connection.client(&region());
    let created = client
        .create_signaling_channel()
        .channel_name("a")
        .send()
        .await
        .unwrap();
    let arn = created.channel_arn().unwrap();
    assert!(arn.contains(":111122223333:channel/a/"), "{arn}");
    assert_eq!(assumed(&emulator), 1, "one session is enough");
    let own = identity(&own).await.unwrap();
    assert_eq!(own.account.as_str(), AccountId::EMULATOR);
}

#[tokio::test]
async fn a_role_can_assume_another() {
    let emulator = emulator(|_| {}).await;
    let first = connect(emulator.url()).await.with_role(role(ACCOUNT));
    let second = first.with_role(role("444455556666"));
    assert_eq!(
        identity(&second).await.unwrap().account.as_str(),
        "444455556666"
    );
    let again = second.reload(0, &region()).await.unwrap().unwrap();
    assert_eq!(again.account.as_str(), "444455556666");
    assert_eq!(assumed(&emulator), 4);
}

#[tokio::test]
async fn a_refused_role_is_an_error_of_its_own() {
    let emulator = emulator(|settings| {
        settings.deny_accounts = vec![AccountId::parse(ACCOUNT).unwrap()];
    })
    .await;
    let own = connect(emulator.url()).await;
    let connection = own.with_role(role(ACCOUNT));
    let error = identity(&connection).await.unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::Role);
    assert!(!error.is_passing());
    let text = error.to_string();
    for part in [
        "the role arn:aws:iam::111122223333:role/kvs-fleet cannot be assumed: AccessDenied: User: ",
        "is not authorized to perform: sts:AssumeRole",
        "trust policy",
        "external ID",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // A request that needs the credentials has the same error.
    let client = connection.client(&region());
    let (sent, seen) = watched(pin!(client.list_signaling_channels().send())).await;
    let not_sent = seen
        .failure(&sent.unwrap_err(), Duration::from_secs(2))
        .unwrap_err();
    assert!(
        matches!(&not_sent, NotSent::Known(known) if *known == error),
        "{not_sent:?}"
    );
    let failure = connection.source().not_sent(not_sent).into_failure();
    assert_eq!(
        (failure.kind, &*failure.code, &*failure.message),
        (FailureKind::Credentials, ROLE_REFUSED, &*text)
    );
    let reloaded = connection.reload(0, &region()).await.unwrap_err();
    assert_eq!(&*reloaded.code, ROLE_REFUSED);
    // The connection that it was made from goes on.
    assert!(list(&own).await);
}

#[tokio::test]
async fn an_invalid_role_is_reported_with_the_reason_of_sts() {
    let emulator = emulator(|_| {}).await;
    let mut invalid = role(ACCOUNT);
    invalid.session_name = "a session".to_owned();
    let connection = connect(emulator.url()).await.with_role(invalid);
    let error = identity(&connection).await.unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::Role);
    assert!(
        error
            .to_string()
            .contains("ValidationError: 1 validation error detected: Value 'a session'"),
        "{error}"
    );
}

#[tokio::test]
async fn expired_credentials_of_the_source_are_not_an_error_of_the_role() {
    let emulator = emulator(|settings| settings.expire_after = Some(0)).await;
    let connection = connect(emulator.url()).await.with_role(role(ACCOUNT));
    let error = identity(&connection).await.unwrap_err();
    assert_eq!(error.kind(), ConfigErrorKind::Credentials);
    assert!(
        error
            .to_string()
            .starts_with("AWS refused the credentials: ExpiredToken: "),
        "{error}"
    );
    assert_eq!(error.into_failure().kind, FailureKind::Credentials);
}

#[tokio::test]
async fn a_session_that_is_refused_concerns_its_role_alone() {
    let emulator = emulator(|_| {}).await;
    let own = connect(emulator.url()).await;
    let connection = own.with_role(role(ACCOUNT));
    let refused = || Failure::new(FailureKind::Credentials, "InvalidClientTokenId", "Invalid.");
    let seen = Seen::default();
    let error = connection.source().not_accepted(refused(), &seen);
    assert_eq!(error.kind(), ConfigErrorKind::Role);
    assert_eq!(
        error.to_string(),
        "the session of the role arn:aws:iam::111122223333:role/kvs-fleet is refused: InvalidClientTokenId: Invalid. \
         Perhaps the Region is not enabled in that account"
    );
    assert_eq!(&*error.into_failure().code, ROLE_REFUSED);
    let error = own.source().not_accepted(refused(), &seen);
    assert_eq!(error.kind(), ConfigErrorKind::Credentials);
}

#[tokio::test]
async fn a_request_without_its_role_is_not_taken_for_one_that_was_sent() {
    for fault in ["throttle=100%@assume-role", "503=100%@assume-role"] {
        let emulator = faulty(fault).await;
        let connection = connect(emulator.url()).await.with_role(role(ACCOUNT));
        let failure = identity(&connection).await.unwrap_err().into_failure();
        assert!(failure.kind.is_passing(), "{fault}");
        assert_eq!(of_unsent(failure).kind, FailureKind::Unreachable, "{fault}");
    }
}

#[tokio::test]
async fn a_request_for_a_role_may_be_repeated_after_a_passing_error() {
    for fault in [
        "throttle=first:1@assume-role",
        "503=first:1@assume-role",
        "reset-before=first:1@assume-role",
        "hang-before=first:1@assume-role",
    ] {
        let emulator = faulty(fault).await;
        let connection = connect(emulator.url()).await.with_role(role(ACCOUNT));
        let error = identity(&connection).await.unwrap_err();
        assert_eq!(
            error.kind(),
            ConfigErrorKind::Unreachable,
            "{fault}: {error}"
        );
        assert!(error.is_passing(), "{fault}: {error}");
        assert!(error.into_failure().kind.is_passing(), "{fault}");
        assert!(identity(&connection).await.is_ok(), "{fault}");
    }
}

#[tokio::test]
async fn a_reload_assumes_the_role_again() {
    let emulator = emulator(|settings| settings.expire_after = Some(3)).await;
    let connection = connect(emulator.url()).await.with_role(role(ACCOUNT));
    for _ in 0..3 {
        assert!(list(&connection).await);
    }
    assert!(!list(&connection).await, "the session has expired");
    let found = connection.reload(0, &region()).await.unwrap().unwrap();
    assert_eq!(found.account.as_str(), ACCOUNT);
    assert_eq!(connection.generation(), 1);
    assert!(list(&connection).await);
    assert_eq!(assumed(&emulator), 2);
}

#[tokio::test]
async fn a_missing_profile_is_refused() {
    let emulator = emulator(|_| {}).await;
    let own = connect(emulator.url()).await;
    let error = own.with_profile("no-such-profile").await.unwrap_err();
    assert!(error.to_string().contains("no-such-profile"), "{error}");
}

/// An STS that answers every request with a session, and knows how many there were.
#[derive(Debug, Clone)]
struct CountingSts {
    lifetime: Duration,
    pause: Duration,
    requests: Arc<AtomicUsize>,
    at_once: Arc<AtomicUsize>,
    peak: Arc<AtomicUsize>,
}

impl CountingSts {
    /// Sessions have this lifetime, and an answer takes this long.
    fn new(lifetime: Duration, pause: Duration) -> Self {
        Self {
            lifetime,
            pause,
            requests: Arc::default(),
            at_once: Arc::default(),
            peak: Arc::default(),
        }
    }

    async fn connect(&self) -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .fallback(Self::answer)
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        connect(url).await
    }

    async fn answer(State(sts): State<Self>, request: axum::extract::Request) -> String {
        if request.uri().path() != "/" {
            return "{}".to_owned();
        }
        let at_once = sts.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        sts.peak.fetch_max(at_once, Ordering::SeqCst);
        let number = sts.requests.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(sts.pause).await;
        sts.at_once.fetch_sub(1, Ordering::SeqCst);
        format!(
            "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA{number}</AccessKeyId>\
             <SecretAccessKey>not-a-secret</SecretAccessKey><SessionToken>token</SessionToken><Expiration>{}\
             </Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>",
            humantime::format_rfc3339_seconds(SystemTime::now() + sts.lifetime)
        )
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_session_that_is_about_to_expire_is_renewed() {
    for (lifetime, sessions) in [(5, 3), (3_600, 1)] {
        let sts = CountingSts::new(Duration::from_secs(lifetime), Duration::ZERO);
        let connection = sts.connect().await.with_role(role(ACCOUNT));
        for _ in 0..3 {
            assert!(list(&connection).await);
        }
        assert_eq!(sts.requests(), sessions, "of {lifetime} s");
    }
}

#[tokio::test]
async fn all_connections_made_from_one_share_the_limit_of_requests() {
    let sts = CountingSts::new(Duration::from_hours(1), Duration::from_millis(50));
    let own = sts.connect().await;
    let asking: Vec<_> = (0..100)
        .map(|_| {
            let connection = own.with_role(role(ACCOUNT));
            tokio::spawn(async move { list(&connection).await })
        })
        .collect();
    for asked in asking {
        assert!(asked.await.unwrap());
    }
    assert_eq!(sts.requests(), 100);
    assert_eq!(sts.peak.load(Ordering::SeqCst), MOST_AT_ONCE);
}

#[test]
fn a_role_is_assumed_in_its_partition() {
    for (partition, region) in [
        ("aws", "us-east-1"),
        ("aws-cn", "cn-north-1"),
        ("aws-us-gov", "us-gov-west-1"),
    ] {
        let arn = format!("arn:{partition}:iam::111122223333:role/kvs-fleet");
        assert_eq!(region_of_partition(&arn), region);
    }
}
