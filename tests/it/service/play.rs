//! A server with scripted answers: HTTP/1.1 written by hand, so that answers can be malformed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The server's reaction to a request.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Sends these bytes, and keeps the connection.
    Send(String),
    /// Sends these bytes, and closes the connection in an orderly way.
    SendAndClose(String),
    /// Resets the connection after the request was read.
    Reset,
    /// Sends nothing.
    Hang,
}

pub(super) const REQUEST_ID: &str = "1f9a8d52-request";
pub(super) const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
pub(super) const DATE_EPOCH: u64 = 784_111_777;

/// An answer of the service: with request ID and date.
pub(super) fn answer(status: &str, headers: &str, body: &str) -> Act {
    bare_answer(
        status,
        &format!("x-amzn-RequestId: {REQUEST_ID}\r\nDate: {DATE}\r\n{headers}"),
        body,
    )
}

/// An answer with only a length header.
pub(super) fn bare_answer(status: &str, headers: &str, body: &str) -> Act {
    Act::Send(format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// A received request.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) head: String,
    pub(super) body: String,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// The server's script and the requests it has received.
#[derive(Debug, Clone)]
pub(super) struct Script {
    acts: Arc<Mutex<Vec<Act>>>,
    requests: Arc<Mutex<Vec<Request>>>,
    connections: Arc<AtomicUsize>,
}

impl Script {
    /// One reaction for each request; the last one is for all that follow.
    pub(super) fn new(acts: Vec<Act>) -> Self {
        Self {
            acts: Arc::new(Mutex::new(acts)),
            requests: Arc::default(),
            connections: Arc::default(),
        }
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The number of connections so far.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn next(&self) -> Act {
        let mut acts = self.acts.lock().unwrap();
        if acts.len() > 1 {
            acts.remove(0)
        } else {
            acts[0].clone()
        }
    }

    /// Serves one connection; returns whether it must be reset.
    pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut S) -> bool {
        self.connections.fetch_add(1, Ordering::SeqCst);
        while let Some(request) = read_request(stream).await {
            self.requests.lock().unwrap().push(request);
            match self.next() {
                Act::Send(bytes) => stream.write_all(bytes.as_bytes()).await.unwrap(),
                Act::SendAndClose(bytes) => {
                    stream.write_all(bytes.as_bytes()).await.unwrap();
                    stream.shutdown().await.unwrap();
                    return false;
                }
                Act::Reset => return true,
                Act::Hang => std::future::pending().await,
            }
        }
        false
    }
}

/// A plain server on loopback; returns its URL.
pub(super) async fn start(script: &Script) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let script = script.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let script = script.clone();
            tokio::spawn(async move {
                if script.serve(&mut stream).await {
                    reset(stream);
                }
            });
        }
    });
    url
}

fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
    drop(stream);
}

/// One request; `None` if the connection ends.
pub(super) async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let mut request = Request {
        head: String::from_utf8(head).unwrap(),
        body: String::new(),
    };
    let length = request
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    request.body = String::from_utf8(body).unwrap();
    Some(request)
}
