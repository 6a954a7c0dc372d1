//! The emulator's HTTP server: axum parses the request, `Server` handles it on arrival, and the answer is sent after
//! the latency, whole or changed by a fault. Only this file of the emulator reads the clock and uses connections.

use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use tokio::sync::watch;
use tokio::time::Instant;

use super::EmulatorSettings;
use super::connection::EndHandle;
use super::cors;
use super::error::ApiError;
use super::faults::{FaultKind, FaultPlan};
use super::latency::Latency;
use super::operation::ApiOperation;
use super::request_counts::{RequestCounts, RequestOutcome};
use super::shapes::{ApiRequest, ApiResponse};
use super::state::ServiceState;
use super::{sts, wire};
use crate::domain::panics::lock;

/// The largest request body: 50 tags of the longest key and value, each character escaped to four, are far smaller.
const LONGEST_BODY: usize = 512 * 1024;

/// The header with the session token of temporary credentials.
const SESSION_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

const JSON: &str = "application/json";
const XML: &str = "text/xml";
const HTML: &str = "text/html";

/// Handles requests.
pub(super) struct Server {
    core: Mutex<Core>,
    clock: Clock,
    latency: Latency,
    /// True when the emulator stops; the sender is gone if the emulator was dropped.
    closing: watch::Receiver<bool>,
}

/// The part of the server that requests change.
struct Core {
    state: ServiceState,
    faults: FaultPlan,
    request_ids: fastrand::Rng,
    latencies: fastrand::Rng,
    request_counts: RequestCounts,
}

/// The time since the Unix epoch. It never goes backwards.
struct Clock {
    started: Instant,
    started_at: Duration,
}

impl Clock {
    fn now(&self) -> Duration {
        self.started_at + self.started.elapsed()
    }
}

/// An answer, and how it is delivered.
struct ServerReply {
    status: StatusCode,
    content_type: &'static str,
    error_code: Option<&'static str>,
    /// `x-amzn-RequestId` and `Date`; `None` for an answer that does not come from the service.
    stamp: Option<Stamp>,
    body: Vec<u8>,
    delivery: Delivery,
    /// Whether the request comes from a page in a browser.
    for_a_page: bool,
}

struct Stamp {
    request_id: String,
    date: String,
}

/// How an answer reaches the client.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Delivery {
    Whole,
    /// Half of the body, then the connection ends.
    Truncated,
    /// No answer: the connection is reset.
    Reset,
    /// No answer: the client waits until it gives up or the emulator stops.
    Hang,
}

/// Answers one HTTP request.
pub(super) async fn handle(
    State(server): State<Arc<Server>>,
    ConnectInfo(ending): ConnectInfo<EndHandle>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if let Some(allowed) = cors::preflight(&parts) {
        return allowed;
    }
    let body = to_bytes(body, LONGEST_BODY).await.ok();
    let mut reply = server.decide(&parts, body.as_deref());
    reply.for_a_page = cors::is_from_a_page(&parts);
    let mut closing = server.closing.clone();
    if reply.delivery == Delivery::Hang {
        // An error means that the emulator was dropped, which also ends the wait.
        let _ = closing.wait_for(|closing| *closing).await;
    } else if !server.latency.median.is_zero() {
        let latency = server.draw_latency();
        tokio::select! {
            () = tokio::time::sleep(latency) => {}
            _ = closing.wait_for(|closing| *closing) => {}
        }
    }
    match reply.delivery {
        Delivery::Whole => return reply.into_response(),
        Delivery::Truncated => ending.close_after(reply.truncated()),
        Delivery::Reset | Delivery::Hang => ending.reset(),
    }
    Response::new(Body::empty())
}

impl Server {
    pub(super) fn new(
        settings: EmulatorSettings,
        authority: &str,
        closing: watch::Receiver<bool>,
    ) -> Self {
        let started_at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            core: Mutex::new(Core {
                state: ServiceState::new(&settings, authority),
                faults: FaultPlan::new(settings.faults, settings.seed),
                // A generator of its own, so that request IDs do not change the faults.
                request_ids: fastrand::Rng::with_seed(!settings.seed),
                latencies: fastrand::Rng::with_seed(settings.seed.rotate_left(32)),
                request_counts: RequestCounts::default(),
            }),
            clock: Clock {
                started: Instant::now(),
                started_at: started_at.unwrap_or_default(),
            },
            latency: settings.latency,
            closing,
        }
    }

    pub(super) fn request_counts(&self) -> RequestCounts {
        self.lock().request_counts.clone()
    }

    fn draw_latency(&self) -> Duration {
        self.latency.draw(&mut self.lock().latencies)
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        // No code panics while it holds this lock. If it did, the state would still be consistent.
        lock(&self.core)
    }

    fn decide(&self, parts: &Parts, body: Option<&[u8]>) -> ServerReply {
        let operation = operation(parts, body);
        let header = |name| parts.headers.get(name)?.to_str().ok();
        let authorization = header(header::AUTHORIZATION);
        let session_token = header(SESSION_TOKEN);
        let is_sts = operation.is_some_and(ApiOperation::is_sts);
        let request = operation.map(|operation| decode(operation, body));
        let mut core = self.lock();
        // The clock is read under the lock: the state's time must not go backwards.
        let now = self.clock.now();
        let stamp = Stamp {
            request_id: request_id(&mut core.request_ids),
            date: httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + now),
        };
        let (Some(operation), Some(request)) = (operation, request) else {
            return ServerReply::new(stamp, Err(&ApiError::unknown_operation()), false);
        };
        let fault = if authorization.is_some() {
            core.faults.draw(operation, request.as_ref().ok())
        } else {
            None
        };
        let answer = match fault {
            Some(kind) if !kind.is_applied() => {
                core.request_counts.count(operation, RequestOutcome::Fault);
                return ServerReply::not_applied(kind, stamp, is_sts);
            }
            _ => core.answer(now, authorization, session_token, request),
        };
        core.request_counts
            .count(operation, request_outcome(fault, &answer));
        drop(core);
        let reply = ServerReply::new(stamp, answer.as_ref(), is_sts);
        match fault {
            Some(kind) => reply.applied(kind),
            None => reply,
        }
    }
}

impl Core {
    fn answer(
        &mut self,
        now: Duration,
        authorization: Option<&str>,
        session_token: Option<&str>,
        request: Result<ApiRequest, ApiError>,
    ) -> Result<ApiResponse, ApiError> {
        let caller = wire::caller(authorization)?.with_session_token(session_token);
        self.state.answer(now, &caller, &request?)
    }
}

/// The operation of a request, which is a `POST` to its path. One of STS is named by the body.
fn operation(parts: &Parts, body: Option<&[u8]>) -> Option<ApiOperation> {
    let at_path = Some(&parts.method)
        .filter(|method| **method == Method::POST)
        .and_then(|_| ApiOperation::at_path(parts.uri.path()))?;
    Some(if at_path.is_sts() {
        sts::operation(body.unwrap_or_default())
    } else {
        at_path
    })
}

/// The request, if its body is complete and valid.
fn decode(operation: ApiOperation, body: Option<&[u8]>) -> Result<ApiRequest, ApiError> {
    let body = body.ok_or_else(|| ApiError::too_large(LONGEST_BODY))?;
    wire::decode(operation, body)
}

fn request_outcome(
    fault: Option<FaultKind>,
    answer: &Result<ApiResponse, ApiError>,
) -> RequestOutcome {
    match answer {
        _ if fault.is_some() => RequestOutcome::Fault,
        Ok(_) => RequestOutcome::Answered,
        Err(error) if error.is_throttle() => RequestOutcome::Throttled,
        Err(_) => RequestOutcome::Refused,
    }
}

/// A UUID of version 4, as AWS gives them.
fn request_id(random: &mut fastrand::Rng) -> String {
    let bits = random.u128(..);
    let mut id = String::with_capacity(36);
    // Writing to a string cannot fail.
    let _ = write!(
        id,
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        bits >> 96,
        bits >> 80 & 0xffff,
        bits >> 64 & 0xfff,
        bits >> 48 & 0x3fff | 0x8000,
        bits & 0xffff_ffff_ffff
    );
    id
}

impl ServerReply {
    fn new(stamp: Stamp, answer: Result<&ApiResponse, &ApiError>, is_sts: bool) -> Self {
        let id = &stamp.request_id;
        let (status, error_code, body) = match answer {
            Ok(response) => (200, None, wire::encode(response, id)),
            Err(error) => (
                error.http_status,
                // STS has the code in the body alone.
                Some(error.code).filter(|_| !is_sts),
                wire::encode_error(error, is_sts, id),
            ),
        };
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            content_type: if is_sts { XML } else { JSON },
            error_code,
            stamp: Some(stamp),
            body,
            delivery: Delivery::Whole,
            for_a_page: false,
        }
    }

    /// The answer of a fault that is not applied.
    fn not_applied(kind: FaultKind, stamp: Stamp, is_sts: bool) -> Self {
        let error = match kind {
            FaultKind::Throttle => ApiError::throttled(),
            FaultKind::Error503 | FaultKind::Html503 => ApiError::unavailable(),
            _ => ApiError::internal(),
        };
        let mut reply = Self::new(stamp, Err(&error), is_sts);
        match kind {
            FaultKind::Html503 => {
                reply.content_type = HTML;
                reply.error_code = None;
                reply.stamp = None;
                reply.body = b"<html><head><title>503 Service Unavailable</title></head><body><h1>503 Service \
                    Unavailable</h1></body></html>\n"
                    .to_vec();
            }
            FaultKind::MalformedError => reply.body = b"upstream connect error".to_vec(),
            FaultKind::ResetBefore => reply.delivery = Delivery::Reset,
            FaultKind::HangBefore => reply.delivery = Delivery::Hang,
            _ => {}
        }
        reply
    }

    /// The answer changed by a fault that is applied.
    fn applied(mut self, kind: FaultKind) -> Self {
        match kind {
            FaultKind::ResetAfter => self.delivery = Delivery::Reset,
            FaultKind::HangAfter => self.delivery = Delivery::Hang,
            FaultKind::Truncated => self.delivery = Delivery::Truncated,
            FaultKind::Malformed => self.replace_by_success(b"{\"ChannelARN\":\"arn:aws:kin"),
            FaultKind::Empty => self.replace_by_success(b"{}"),
            _ => {}
        }
        self
    }

    fn replace_by_success(&mut self, body: &[u8]) {
        self.status = StatusCode::OK;
        self.error_code = None;
        self.body = body.to_vec();
    }

    /// All headers except the length.
    fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let stamp = self.stamp.as_ref();
        [
            Some(("content-type", self.content_type)),
            self.error_code.map(|code| ("x-amzn-errortype", code)),
            stamp.map(|stamp| ("x-amzn-requestid", stamp.request_id.as_str())),
            stamp.map(|stamp| ("date", stamp.date.as_str())),
        ]
        .into_iter()
        .flatten()
        .chain(cors::OF_ANSWERS.into_iter().filter(|_| self.for_a_page))
    }

    fn into_response(mut self) -> Response<Body> {
        let mut response = Response::new(Body::from(std::mem::take(&mut self.body)));
        *response.status_mut() = self.status;
        for (name, value) in self.headers() {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    /// The raw answer, cut in the middle of its body.
    fn truncated(&self) -> Vec<u8> {
        let mut raw = format!("HTTP/1.1 {}\r\n", self.status);
        for (name, value) in self.headers() {
            // Writing to a string cannot fail.
            let _ = write!(raw, "{name}: {value}\r\n");
        }
        let _ = write!(raw, "content-length: {}\r\n\r\n", self.body.len());
        let mut raw = raw.into_bytes();
        raw.extend(self.body.iter().take(self.body.len() / 2));
        raw
    }
}

#[cfg(test)]
mod tests;
