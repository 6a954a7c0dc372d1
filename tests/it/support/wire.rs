//! A server that answers as a test decides and records every request: HTTP/1.1 written by hand, so that answers can be
//! malformed.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A received request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Request {
    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The channel name in the request, if there is one.
    pub(crate) fn channel(&self) -> String {
        self.json()["ChannelName"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// The server's reaction to a request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Sends these bytes, and keeps the connection.
    Send(String),
    /// Sends these bytes, and closes the connection.
    Cut(String),
    /// Closes the connection without an answer.
    Close,
}

/// An answer of the service.
pub(crate) fn answer(status: u16, error: Option<&str>, body: &str) -> Act {
    let error = error.map_or(String::new(), |code| {
        format!("x-amzn-ErrorType: {code}\r\n")
    });
    bare(
        status,
        &format!("x-amzn-RequestId: 1f9a8d52\r\nContent-Type: application/json\r\n{error}"),
        body,
    )
}

/// An answer with only a length header and these headers.
pub(crate) fn bare(status: u16, headers: &str, body: &str) -> Act {
    Act::Send(format!(
        "HTTP/1.1 {status} Status\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// A server on loopback. It ends with the process.
pub(crate) struct Wire {
    url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Wire {
    /// Answers each request with the function's result; the function gets the request and the number of requests before
    /// it.
    pub(crate) fn new(act: impl Fn(&Request, usize) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (log, act) = (Arc::clone(&requests), Arc::new(act));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (log, act) = (Arc::clone(&log), Arc::clone(&act));
                std::thread::spawn(move || serve(stream.unwrap(), &log, &*act));
            }
        });
        Self { url, requests }
    }

    /// Forwards every request to another server, and records it.
    pub(crate) fn before(url: &str) -> Self {
        let url = url.to_owned();
        Self::new(move |request, _| forward(&url, request))
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The create requests.
    pub(crate) fn creates(&self) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.path == "/createSignalingChannel");
        requests
    }
}

/// Forwards a request to another server. If that server breaks the connection, this one does too.
pub(crate) fn forward(url: &str, request: &Request) -> Act {
    let answer = || {
        let mut stream = connect(url);
        write!(stream, "{}{}", request.head, request.body).ok()?;
        let head = read_head(&mut stream)?;
        let body = read_body(&mut stream, &head)?;
        Some(format!("{head}{body}"))
    };
    answer().map_or(Act::Close, Act::Send)
}

fn serve(
    mut stream: TcpStream,
    log: &Mutex<Vec<Request>>,
    act: &(impl Fn(&Request, usize) -> Act + ?Sized),
) {
    while let Some(request) = read_request(&mut stream) {
        let before = {
            let mut log = log.lock().unwrap();
            log.push(request.clone());
            log.len() - 1
        };
        match act(&request, before) {
            // A client that has disconnected does not need the answer.
            Act::Send(bytes) if stream.write_all(bytes.as_bytes()).is_ok() => {}
            Act::Cut(bytes) => {
                let _ = stream.write_all(bytes.as_bytes());
                return;
            }
            _ => return,
        }
    }
}

fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let head = read_head(stream)?;
    let body = read_body(stream, &head)?;
    let path = head.split(' ').nth(1)?.to_owned();
    Some(Request { path, head, body })
}

fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

fn read_body(stream: &mut TcpStream, head: &str) -> Option<String> {
    let length = head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}

fn connect(url: &str) -> TcpStream {
    let stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream
}

/// One request to the service, signed as far as the emulator checks; returns the status and the body of the answer, if
/// there is one.
pub(crate) fn post(url: &str, path: &str, region: &str, body: &str) -> Option<(u16, String)> {
    let request = Request {
        path: path.to_owned(),
        head: format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: \
             AWS4-HMAC-SHA256 Credential=SOMEBODYELSE/20250101/{region}/kinesisvideo/aws4_request, \
             SignedHeaders=host, Signature=0\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ),
        body: body.to_owned(),
    };
    let Act::Send(answer) = forward(url, &request) else {
        return None;
    };
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some((status, body.to_owned()))
}

/// The number of channels in a Region, requested at a URL.
pub(crate) fn count_channels(url: &str, region: &str) -> usize {
    let (status, answer) = post(url, "/listSignalingChannels", region, "{}").unwrap();
    assert_eq!(status, 200, "{answer}");
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    answer["ChannelInfoList"].as_array().unwrap().len()
}
