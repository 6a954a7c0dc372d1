mod browser;
mod kept;
mod lifetime;
mod sts;

use std::collections::HashMap;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::emulator::operation::ApiOperation;
use crate::emulator::{Emulator, EmulatorSettings, StartError};

const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-central-1/kinesisvideo/aws4_request, \
                             SignedHeaders=host, Signature=00";

/// An answer as it was received.
#[derive(Debug)]
struct Raw {
    status: u16,
    headers: HashMap<String, String>,
    body: String,
}

impl Raw {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

fn quick() -> EmulatorSettings {
    EmulatorSettings {
        latency: super::Latency::steady(std::time::Duration::ZERO),
        ..EmulatorSettings::default()
    }
}

async fn start(settings: EmulatorSettings) -> Emulator {
    let listen = "127.0.0.1:0".parse().unwrap();
    Emulator::start(listen, settings).await.unwrap()
}

async fn with_faults(faults: &[&str]) -> Emulator {
    let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    start(EmulatorSettings { faults, ..quick() }).await
}

/// Reads everything until the emulator closes the connection, or returns the connection's error.
async fn exchange(emulator: &Emulator, request: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(emulator.address()).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

fn request(path: &str, authorization: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn signed(path: &str, body: &str) -> String {
    request(path, &format!("Authorization: {AUTHORIZATION}\r\n"), body)
}

fn create(name: &str) -> String {
    let body = format!(r#"{{"ChannelName":"{name}","ChannelType":"SINGLE_MASTER"}}"#);
    signed("/createSignalingChannel", &body)
}

fn describe(name: &str) -> String {
    let body = format!(r#"{{"ChannelName":"{name}"}}"#);
    signed("/describeSignalingChannel", &body)
}

async fn ask(emulator: &Emulator, request: &str) -> Raw {
    let answer = exchange(emulator, request).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    Raw {
        status: status.parse().unwrap(),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect(),
        body: body.to_owned(),
    }
}

/// Whether the service lists the channel.
async fn exists(emulator: &Emulator, name: &str) -> bool {
    ask(emulator, &describe(name)).await.status == 200
}

#[tokio::test]
async fn a_successful_answer_has_the_services_headers_and_members() {
    let emulator = start(quick()).await;
    let created = ask(&emulator, &create("DEVICE_1")).await;
    assert_eq!(
        (created.status, created.header("content-type")),
        (200, "application/json")
    );
    let id: Vec<usize> = created
        .header("x-amzn-requestid")
        .split('-')
        .map(str::len)
        .collect();
    assert_eq!(id, [8, 4, 4, 4, 12]);
    assert!(created.header("date").ends_with(" GMT"), "{created:?}");
    let arn = created.json()["ChannelARN"].clone();
    let described = ask(&emulator, &describe("DEVICE_1")).await;
    assert_ne!(
        described.header("x-amzn-requestid"),
        created.header("x-amzn-requestid")
    );
    let info = &described.json()["ChannelInfo"];
    assert_eq!(info["ChannelARN"], arn);
    assert_eq!(info["ChannelStatus"], "ACTIVE");
    assert_eq!(info["ChannelType"], "SINGLE_MASTER");
    assert_eq!(info["SingleMasterConfiguration"]["MessageTtlSeconds"], 60);
    let seconds = info["CreationTime"].as_f64().unwrap();
    let millis: f64 = arn
        .as_str()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(
        (seconds * 1000.0 - millis).abs() < 0.5,
        "{seconds} {millis}"
    );
    emulator.stop().await;
}

#[tokio::test]
async fn an_error_has_its_code_in_the_header() {
    let emulator = start(quick()).await;
    let missing = ask(&emulator, &describe("nobody")).await;
    assert_eq!(missing.status, 404);
    assert_eq!(
        missing.header("x-amzn-errortype"),
        "ResourceNotFoundException"
    );
    assert!(
        missing.json()["Message"]
            .as_str()
            .unwrap()
            .contains("not found")
    );
    assert_eq!(missing.header("x-amzn-requestid").len(), 36);
}

#[tokio::test]
async fn an_invalid_request_gets_the_services_error() {
    let emulator = start(quick()).await;
    let too_long = format!(r#"{{"ChannelName":"{}"}}"#, "x".repeat(600_000));
    for (request, status, code) in [
        (
            signed("/createStream", "{}"),
            404,
            "UnknownOperationException",
        ),
        (
            create("a").replace("POST", "PUT"),
            404,
            "UnknownOperationException",
        ),
        (
            signed("/createSignalingChannel", "<xml/>"),
            400,
            "SerializationException",
        ),
        (
            request("/createSignalingChannel", "", "{}"),
            403,
            "MissingAuthenticationTokenException",
        ),
        (
            request(
                "/createSignalingChannel",
                "Authorization: Basic eA==\r\n",
                "{}",
            ),
            403,
            "InvalidSignatureException",
        ),
        (
            signed("/createSignalingChannel", &too_long),
            413,
            "RequestEntityTooLargeException",
        ),
    ] {
        let answer = ask(&emulator, &request).await;
        assert_eq!(
            (answer.status, answer.header("x-amzn-errortype")),
            (status, code)
        );
    }
}

#[tokio::test]
async fn the_region_comes_from_the_credential_scope() {
    let emulator = start(quick()).await;
    let created = ask(
        &emulator,
        &create("a").replace("eu-central-1", "cn-north-1"),
    )
    .await;
    let arn = created.json()["ChannelARN"].as_str().unwrap().to_owned();
    assert!(
        arn.starts_with("arn:aws-cn:kinesisvideo:cn-north-1:000000000000:channel/a/"),
        "{arn}"
    );
    assert!(!exists(&emulator, "a").await);
}

#[tokio::test]
async fn get_caller_identity_returns_the_emulators_account() {
    let emulator = start(EmulatorSettings {
        expire_after: Some(1),
        ..quick()
    })
    .await;
    let question = signed("/", "Action=GetCallerIdentity&Version=2011-06-15");
    let answer = ask(&emulator, &question).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, "text/xml")
    );
    assert!(
        answer.body.contains("<Account>000000000000</Account>"),
        "{}",
        answer.body
    );
    let expired = ask(&emulator, &question).await;
    assert_eq!(expired.status, 403);
    assert!(
        expired.body.contains("<Code>ExpiredToken</Code>"),
        "{}",
        expired.body
    );
    let other = ask(&emulator, &signed("/", "Action=GetSessionToken")).await;
    assert!(
        other.body.contains("<Code>InvalidAction</Code>"),
        "{}",
        other.body
    );
}

#[tokio::test]
async fn faults_that_are_not_applied_change_nothing() {
    for (fault, status, code, is_json, has_id) in [
        ("throttle", 400, "ClientLimitExceededException", true, true),
        ("500", 500, "InternalFailure", true, true),
        ("503", 503, "ServiceUnavailableException", true, true),
        ("html-503", 503, "", false, false),
        ("malformed-error", 500, "InternalFailure", false, true),
    ] {
        let emulator = with_faults(&[&format!("{fault}=first:1@create")]).await;
        let answer = ask(&emulator, &create("a")).await;
        assert_eq!(
            (answer.status, answer.header("x-amzn-errortype")),
            (status, code),
            "{fault}"
        );
        assert_eq!(
            serde_json::from_str::<Value>(&answer.body).is_ok(),
            is_json,
            "{fault}"
        );
        assert_eq!(
            answer.headers.contains_key("x-amzn-requestid"),
            has_id,
            "{fault}"
        );
        assert!(!exists(&emulator, "a").await, "{fault}");
        assert_eq!(ask(&emulator, &create("a")).await.status, 200, "{fault}");
        let counts = emulator.request_counts().of(ApiOperation::Create);
        assert_eq!((counts.answered, counts.faults), (1, 1), "{fault}");
    }
}

#[tokio::test]
async fn faults_that_replace_the_answer_are_applied() {
    for (fault, is_json) in [("malformed", false), ("empty", true)] {
        let emulator = with_faults(&[&format!("{fault}=1@create")]).await;
        let answer = ask(&emulator, &create("a")).await;
        assert_eq!(answer.status, 200);
        assert_eq!(serde_json::from_str::<Value>(&answer.body).is_ok(), is_json);
        assert!(exists(&emulator, "a").await, "{fault}");
    }
}

#[tokio::test]
async fn a_reset_comes_before_or_after_the_request_is_applied() {
    for (fault, applied) in [("reset-before", false), ("reset-after", true)] {
        let emulator = with_faults(&[&format!("{fault}=first:1@create")]).await;
        let error = exchange(&emulator, &create("a")).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{fault}");
        assert_eq!(exists(&emulator, "a").await, applied, "{fault}");
    }
}

#[tokio::test]
async fn a_truncated_answer_is_shorter_than_its_content_length() {
    let emulator = with_faults(&["truncated=1@create"]).await;
    let answer = ask(&emulator, &create("a")).await;
    assert_eq!(answer.status, 200);
    let length: usize = answer.header("content-length").parse().unwrap();
    assert_eq!(answer.body.len(), length / 2);
    assert!(
        answer.body.starts_with(r#"{"ChannelARN":"arn:"#),
        "{}",
        answer.body
    );
    assert!(exists(&emulator, "a").await);
}

#[tokio::test]
async fn a_hang_lasts_until_the_emulator_stops() {
    for (fault, applied) in [("hang-before", false), ("hang-after", true)] {
        let emulator = with_faults(&[&format!("{fault}=1@create")]).await;
        let mut stream = TcpStream::connect(emulator.address()).await.unwrap();
        stream.write_all(create("a").as_bytes()).await.unwrap();
        while emulator.request_counts().of(ApiOperation::Create).faults == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(exists(&emulator, "a").await, applied, "{fault}");
        let nothing = stream.try_read(&mut [0; 1]).unwrap_err();
        assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock, "{fault}");
        emulator.stop().await;
        let end = stream.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(end.kind(), std::io::ErrorKind::ConnectionReset, "{fault}");
    }
}

#[tokio::test]
async fn the_same_seed_gives_the_same_faults_and_request_ids() {
    let trace = async |seed| {
        let emulator = start(EmulatorSettings {
            faults: vec!["500=0.5".parse().unwrap()],
            seed,
            ..quick()
        })
        .await;
        let mut trace = Vec::new();
        for _ in 0..20 {
            let answer = ask(&emulator, &describe("a")).await;
            trace.push((answer.status, answer.header("x-amzn-requestid").to_owned()));
        }
        trace
    };
    assert_eq!(trace(5).await, trace(5).await);
    assert_ne!(trace(5).await, trace(6).await);
}
