//! The emulator over HTTP: every request gets an answer in the format of the service, and created channels exist.

use std::time::Duration;

use kvs_fleet::domain::device::ArnParts;
use kvs_fleet::domain::service::classify::bare_code;
use kvs_fleet::emulator::latency::Latency;
use kvs_fleet::emulator::{Emulator, EmulatorSettings};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::first_line;

/// The most requests of one input.
const MOST: usize = 8;

/// Any requests, separated by lines `---`: the first line of each is `METHOD PATH AUTHORIZATION`, where a bare Region
/// means a signature of its scope and an empty text no header; the rest is the body.
pub(crate) fn holds(input: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let emulator = start().await;
        let mut wire = Wire::connect(&emulator).await;
        let mut rest = input;
        for _ in 0..MOST {
            let (request, following) = split(rest);
            is_answered(&mut wire, request).await;
            let Some(following) = following else {
                break;
            };
            rest = following;
        }
        drop(wire);
        emulator.stop().await;
    });
}

async fn start() -> Emulator {
    let settings = EmulatorSettings {
        rate: 1_000_000.0,
        burst: 1_000_000,
        channel_limit: 3,
        latency: Latency::steady(Duration::ZERO),
        ..EmulatorSettings::default()
    };
    Emulator::start(([127, 0, 0, 1], 0).into(), settings)
        .await
        .unwrap()
}

fn split(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    const BETWEEN: &[u8] = b"\n---\n";
    match bytes
        .windows(BETWEEN.len())
        .position(|part| part == BETWEEN)
    {
        Some(at) => (&bytes[..at], Some(&bytes[at + BETWEEN.len()..])),
        None => (bytes, None),
    }
}

async fn is_answered(wire: &mut Wire, request: &[u8]) {
    let (line, body) = first_line(request);
    let mut words = line.splitn(3, ' ');
    let method = words.next().unwrap_or_default();
    let path = words.next().unwrap_or_default();
    let authorization = words.next().map(|word| {
        if word.contains(' ') || word.contains('/') {
            word.to_owned()
        } else {
            signature(word)
        }
    });
    // The HTTP library rejects what HTTP does not allow.
    let is_token = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_path = path.starts_with('/') && path.bytes().all(is_plain_in_paths);
    let is_value = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    // A CONNECT request and an answer without a body are not requests for an operation.
    let is_special = ["CONNECT", "HEAD"].contains(&method);
    if !is_token || is_special || !is_path || !authorization.as_deref().is_none_or(is_value) {
        return;
    }
    let answer = wire.ask(method, path, authorization.as_deref(), body).await;
    let made = is_sound(path, &answer);
    if let (Some(arn), Some(authorization)) = (made, authorization) {
        is_there(wire, &arn, &authorization).await;
    }
}

fn signature(region: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=AKID/20260101/{region}/kinesisvideo/aws4_request, SignedHeaders=host, Signature=0"
    )
}

fn is_plain_in_paths(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte)
}

/// Checks the format of an answer; returns the ARN of a created channel.
fn is_sound(path: &str, answer: &Answer) -> Option<String> {
    let Answer { status, head, body } = answer;
    let what = || format!("{head}{}", String::from_utf8_lossy(body));
    assert!((200..500).contains(status), "{}", what());
    assert!(
        answer
            .header("x-amzn-requestid")
            .is_some_and(|id| id.len() == 36),
        "{}",
        what()
    );
    assert!(
        answer
            .header("date")
            .is_some_and(|date| date.ends_with(" GMT")),
        "{}",
        what()
    );
    let is_xml = answer.header("content-type") != Some("application/json");
    let text = String::from_utf8_lossy(body);
    // STS has the code in the body alone.
    let code_in_body = text.split("<Code>").nth(1);
    let code_in_body = code_in_body.and_then(|rest| rest.split("</Code>").next());
    let code_in_head = answer.header("x-amzn-errortype");
    let code = if is_xml {
        assert_eq!(code_in_head, None, "{}", what());
        code_in_body
    } else {
        code_in_head
    };
    assert_eq!(code.is_none(), *status == 200, "{}", what());
    assert!(
        code.is_none_or(|code| bare_code(code).as_deref() == Some(code)),
        "{}",
        what()
    );
    if is_xml {
        assert!(body.starts_with(b"<"), "{}", what());
        return None;
    }
    let json: Value =
        serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error}: {}", what()));
    assert!(json.is_object(), "{}", what());
    if *status != 200 || path != "/createSignalingChannel" {
        return None;
    }
    let arn = json["ChannelARN"]
        .as_str()
        .unwrap_or_else(|| panic!("{}", what()));
    Some(arn.to_owned())
}

async fn is_there(wire: &mut Wire, arn: &str, authorization: &str) {
    let name = ArnParts::parse(arn).unwrap().channel_name;
    let describe = json!({ "ChannelName": name }).to_string();
    let answer = wire
        .ask(
            "POST",
            "/describeSignalingChannel",
            Some(authorization),
            describe.as_bytes(),
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.head);
    let json: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(json["ChannelInfo"]["ChannelARN"], arn);
    let again = json!({ "ChannelName": name }).to_string();
    let answer = wire
        .ask(
            "POST",
            "/createSignalingChannel",
            Some(authorization),
            again.as_bytes(),
        )
        .await;
    assert_eq!(
        answer.status, 400,
        "a second channel of the name: {}",
        answer.head
    );
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A keep-alive connection.
struct Wire(TcpStream);

impl Wire {
    async fn connect(emulator: &Emulator) -> Self {
        let stream = TcpStream::connect(emulator.address()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        // A reset at the end does not leave the port in TIME_WAIT; thousands of inputs would use up all ports.
        stream.set_zero_linger().unwrap();
        Self(stream)
    }

    async fn ask(
        &mut self,
        method: &str,
        path: &str,
        authorization: Option<&str>,
        body: &[u8],
    ) -> Answer {
        let authorization =
            authorization.map_or(String::new(), |value| format!("Authorization: {value}\r\n"));
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}Content-Length: {}\r\n\r\n",
            body.len()
        );
        self.0
            .write_all(&[head.as_bytes(), body].concat())
            .await
            .unwrap();
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(at) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
                break at + 4;
            }
            assert_ne!(
                self.0.read_buf(&mut bytes).await.unwrap(),
                0,
                "no answer to {head}"
            );
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut answer = Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            body: bytes.split_off(end),
            head,
        };
        let length = answer.header("content-length").unwrap().parse().unwrap();
        while answer.body.len() < length {
            assert_ne!(
                self.0.read_buf(&mut answer.body).await.unwrap(),
                0,
                "half an answer"
            );
        }
        answer
    }
}
