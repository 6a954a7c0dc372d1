//! The answers to the requests of viewers and scrapers.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, REFERRER_POLICY,
    RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::address::ServeAddress;
use super::frames::{Frame, Frames};
use super::metrics::Format;
use super::page;

/// What all answers share.
#[derive(Clone)]
pub(super) struct Served {
    pub(super) frames: Arc<Frames>,
    pub(super) address: ServeAddress,
    /// A permit for each stream of frames.
    pub(super) viewers: Arc<Semaphore>,
    pub(super) is_closing: watch::Receiver<bool>,
}

/// Refuses what is not a request to read, or not for this computer, and adds the headers of every answer.
pub(super) async fn checked(
    State(served): State<Served>,
    request: Request,
    next: Next,
) -> Response {
    // Many requests in one connection must not keep the others waiting.
    tokio::task::yield_now().await;
    let mut answer = match refusal(&served, &request) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    let headers = answer.headers_mut();
    let resource_policy = HeaderName::from_static("cross-origin-resource-policy");
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (resource_policy, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

fn refusal(served: &Served, request: &Request) -> Option<Response> {
    let named = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok());
    // An absolute URL in the request line counts more than the header.
    let host = request.uri().host().or(named).unwrap_or_default();
    if !served.address.is_asked_as(host) {
        let text = "This page is served under an IP address, 'localhost', or the name of this computer. To serve it under \
                    another name, give that name to --serve.\n";
        return Some((StatusCode::MISDIRECTED_REQUEST, text).into_response());
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let allowed = [(ALLOW, "GET, HEAD")];
        let text = "This page can only be read.\n";
        return Some((StatusCode::METHOD_NOT_ALLOWED, allowed, text).into_response());
    }
    None
}

pub(super) async fn page(State(served): State<Served>) -> Response {
    let document = served.frames.current().document();
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (CONTENT_SECURITY_POLICY, page::security_policy()),
    ];
    (headers, document).into_response()
}

/// The stream of frames, as server-sent events.
pub(super) async fn events(State(served): State<Served>) -> Response {
    let Ok(slot) = Arc::clone(&served.viewers).try_acquire_owned() else {
        let text = "Too many viewers watch this run; try again later.\n";
        return (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "10")], text).into_response();
    };
    let viewer = Viewer {
        _slot: slot,
        frames: served.frames.subscribe(),
        is_closing: served.is_closing,
        shown: None,
    };
    let frames = stream::unfold(viewer, |mut viewer| async {
        let frame = viewer.next().await?;
        Some((Ok::<_, std::convert::Infallible>(frame), viewer))
    });
    let headers = [
        (CONTENT_TYPE, "text/event-stream"),
        // A proxy must not hold events back.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(frames)).into_response()
}

pub(super) async fn status(State(served): State<Served>) -> Response {
    let headers = [(CONTENT_TYPE, "application/json")];
    (headers, served.frames.current().status()).into_response()
}

pub(super) async fn metrics(State(served): State<Served>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Format::of(accept.unwrap_or_default());
    let headers = [(CONTENT_TYPE, format.content_type())];
    (headers, served.frames.current().metrics(format)).into_response()
}

/// Browsers ask for an icon.
pub(super) async fn no_icon() -> StatusCode {
    StatusCode::NO_CONTENT
}

pub(super) async fn not_found() -> Response {
    let text = "There are only /, /events, /status.json and /metrics.\n";
    (StatusCode::NOT_FOUND, text).into_response()
}

/// A browser that watches.
struct Viewer {
    _slot: OwnedSemaphorePermit,
    frames: watch::Receiver<Arc<Frame>>,
    is_closing: watch::Receiver<bool>,
    /// The number of the frame that it has.
    shown: Option<u64>,
}

impl Viewer {
    /// What it gets next; none when the server closes and it has the last frame.
    async fn next(&mut self) -> Option<Bytes> {
        if self.shown.is_some() {
            tokio::select! {
                biased;
                changed = self.frames.changed() => changed.ok()?,
                _ = self.is_closing.wait_for(|closing| *closing) => return None,
            }
        }
        let frame = Arc::clone(&self.frames.borrow_and_update());
        let event = frame.since(self.shown);
        self.shown = Some(frame.number());
        Some(event)
    }
}
