//! The emulator's HTTP server: axum parses the request, `Server` handles it on arrival, and the answer is sent after
//! the latency, whole or changed by a fault, once the state that it shows is saved. Only this file of the emulator reads the
//! clock.

use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, Method, Response, header};
use tokio::sync::watch;
use tokio::time::Instant;

use super::EmulatorSettings;
use super::connection::EndHandle;
use super::cors;
use super::error::ApiError;
use super::faults::{FaultKind, FaultPlan};
use super::latency::Latency;
use super::operation::ApiOperation;
use super::reply::{Delivery, ServerReply, Stamp};
use super::request_counts::{RequestCounts, RequestOutcome};
use super::saver::{Revised, Saver};
use super::shapes::{ApiRequest, ApiResponse};
use super::snapshot::Snapshot;
use super::state::ServiceState;
use super::{sts, wire};
use crate::domain::panics::lock;

/// The largest request body: 50 tags of the longest key and value, each character escaped to four, are far smaller.
const LONGEST_BODY: usize = 512 * 1024;

/// The header with the session token of temporary credentials.
const SESSION_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// Handles requests.
pub(super) struct Server {
    core: Mutex<Core>,
    clock: Clock,
    latency: Latency,
    /// Where the state is kept, if it is.
    saver: Option<Arc<Saver>>,
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
    /// A clock that is never before the time of an earlier emulator: that one's computer may have been ahead.
    fn not_before(earlier: Duration) -> Self {
        let system = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            started: Instant::now(),
            started_at: system.unwrap_or_default().max(earlier),
        }
    }

    fn now(&self) -> Duration {
        self.started_at + self.started.elapsed()
    }
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
    let (latency, revision) = server.when(&reply);
    let (is_saved, ()) = tokio::join!(server.is_saved(revision, latency), server.wait(latency));
    if !is_saved {
        // What is lost with the process must not be known to a client.
        reply.delivery = Delivery::Reset;
    }
    match reply.delivery {
        Delivery::Whole => return reply.into_response(),
        Delivery::Truncated => ending.close_after(reply.truncated()),
        Delivery::Reset | Delivery::Hang => ending.reset(),
    }
    Response::new(Body::empty())
}

impl Server {
    /// A server that begins with this state.
    pub(super) fn new(
        settings: EmulatorSettings,
        authority: &str,
        earlier: Snapshot,
        saver: Option<Arc<Saver>>,
        closing: watch::Receiver<bool>,
    ) -> Self {
        let clock = Clock::not_before(earlier.now);
        let mut state = ServiceState::new(&settings, authority);
        state.restore(earlier);
        Self {
            core: Mutex::new(Core {
                state,
                faults: FaultPlan::new(settings.faults, settings.seed),
                // A generator of its own, so that request IDs do not change the faults.
                request_ids: fastrand::Rng::with_seed(!settings.seed),
                latencies: fastrand::Rng::with_seed(settings.seed.rotate_left(32)),
                request_counts: RequestCounts::default(),
            }),
            clock,
            latency: settings.latency,
            saver,
            closing,
        }
    }

    pub(super) fn request_counts(&self) -> RequestCounts {
        self.lock().request_counts.clone()
    }

    /// The channels as they are now.
    pub(super) fn revised(&self) -> Revised {
        let core = self.lock();
        let state = &core.state;
        (state.snapshot(self.clock.now()), state.revision())
    }

    /// Waits until what an answer shows, which is sent after this latency, is saved. False if it cannot be.
    async fn is_saved(&self, revision: u64, latency: Option<Duration>) -> bool {
        let due = Instant::now() + latency.unwrap_or_default();
        match &self.saver {
            Some(saver) => saver.is_saved(revision, due).await,
            None => true,
        }
    }

    /// How long an answer that was just decided takes (none: for ever), and the latest revision that it can show.
    fn when(&self, reply: &ServerReply) -> (Option<Duration>, u64) {
        let mut core = self.lock();
        let latency = match reply.delivery {
            Delivery::Hang => None,
            _ => Some(self.latency.draw(&mut core.latencies)),
        };
        (latency, core.state.revision())
    }

    /// Waits until an answer is to be sent, or the emulator stops.
    async fn wait(&self, latency: Option<Duration>) {
        let mut closing = self.closing.clone();
        let sent = async {
            match latency {
                Some(latency) if latency.is_zero() => {}
                Some(latency) => tokio::time::sleep(latency).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sent => {}
            // An error means that the emulator was dropped, which also ends the wait.
            _ = closing.wait_for(|closing| *closing) => {}
        }
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

#[cfg(test)]
mod tests;
