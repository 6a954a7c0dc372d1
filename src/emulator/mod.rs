//! The service, in process: the KVS control plane for signaling channels, served on loopback unless told otherwise.
//!
//! Faithful: the operations and paths, the service model's validation, error codes and HTTP status, the quotas of each
//! operation, account and Region and of each channel (as token buckets), the channel limit, tags, versions, paging,
//! CREATING → ACTIVE and DELETING, the order of checks (credentials, authorization, quotas, validation, work).
//!
//! Not emulated: signatures (only the Region and the access key of their scope are read), policies beyond one prefix,
//! streams and media storage, signaling itself (the endpoints and ICE servers that are told lead nowhere), the
//! UPDATING state, and everything that AWS does not document. State lives in memory and ends with the process.
//!
//! | module | owns |
//! | --- | --- |
//! | [`operation`] | names, paths and quotas of the operations |
//! | [`shapes`], [`error`] | what they take, give and refuse |
//! | [`quota`], [`latency`], [`faults`] | token buckets; how long an answer takes; what goes wrong; drawn by seed |
//! | [`store`], `validate` | what exists; what is a valid request |
//! | [`state`], `work` | request, now → answer: the front that checks, and what the operations do |
//! | `wire`, `connection`, `cors`, `http`, [`request_counts`] | bytes, connections, browsers, requests and their counts |
//!
//! All but the last line is pure, and drives the simulation tests without any HTTP.

mod connection;
mod cors;
pub mod error;
pub mod faults;
mod http;
pub mod latency;
pub mod operation;
pub mod quota;
pub mod request_counts;
pub mod shapes;
pub mod state;
pub mod store;
mod validate;
mod wire;
mod work;

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::connection::{Door, Ending};
use self::faults::Fault;
use self::http::Server;
use self::latency::Latency;
use self::request_counts::RequestCounts;

/// How the emulated account behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The quota of `CreateSignalingChannel` for each Region, in requests a second, 0.1 to 1,000,000. The other
    /// operations keep the quotas of the service.
    pub rate: f64,
    /// How many creates may come at once, at least 1. Without meaning where creates are counted in windows.
    pub burst: u32,
    /// Whether creates are counted in fixed windows of a second instead of a token bucket.
    pub window: bool,
    /// How the quota of `CreateSignalingChannel` changes.
    pub rate_changes: Vec<RateChange>,
    /// The most channels in a Region.
    pub channel_limit: usize,
    /// How long after its arrival a request is answered.
    pub latency: Latency,
    /// How long a channel is CREATING.
    pub active_after: Duration,
    /// How long a channel is DELETING.
    pub deleting_for: Duration,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// Only operations on channels whose names begin with this are allowed.
    pub deny_outside: Option<String>,
    /// After so many requests an access key has expired.
    pub expire_after: Option<u64>,
    /// Decides on what is drawn: faults and request IDs.
    pub seed: u64,
    /// Whether it may listen where other computers reach it.
    pub allow_remote: bool,
}

impl Default for Settings {
    /// The service's default quotas (WebRTC developer guide), 80 ms latency, nothing goes wrong.
    fn default() -> Self {
        Self {
            rate: 50.0,
            burst: 50,
            window: false,
            rate_changes: Vec::new(),
            channel_limit: 10_000,
            latency: Latency::steady(Duration::from_millis(80)),
            active_after: Duration::ZERO,
            deleting_for: Duration::ZERO,
            faults: Vec::new(),
            deny_outside: None,
            expire_after: None,
            seed: 0,
            allow_remote: false,
        }
    }
}

/// A change of the quota while the emulator runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateChange {
    /// How long after the first create.
    pub after: Duration,
    /// The quota from then on, in requests a second in each Region.
    pub rate: f64,
}

/// Why the emulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Others could reach it, and it checks no signatures.
    #[error(
        "the emulator listens on {0} only with --allow-remote: it checks no signatures, so whoever reaches it can use \
         it; the loopback addresses 127.0.0.1:{port} and [::1]:{port} need no permission",
        port = .0.port()
    )]
    NotLoopback(SocketAddr),
    /// Something listens there already.
    #[error(
        "the emulator cannot listen on {0}: the port is in use, perhaps by another emulator; stop that one, or choose \
         another port (0 takes any free one)"
    )]
    InUse(SocketAddr),
    /// The system refused.
    #[error(
        "the emulator cannot listen on {address}: {source}; choose another address or port (127.0.0.1:0 takes any \
         free port)"
    )]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// A running emulator. It ends with [`Emulator::stop`], or when this is dropped.
pub struct Emulator {
    address: SocketAddr,
    server: Arc<Server>,
    closing: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl std::fmt::Debug for Emulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Emulator({})", self.address)
    }
}

impl Emulator {
    /// Listens at an address (port 0 takes a free one) and serves from a task of its own. The address is of the loopback
    /// interface, unless the settings allow another.
    pub async fn start(listen: SocketAddr, settings: Settings) -> Result<Self, StartError> {
        if !listen.ip().is_loopback() && !settings.allow_remote {
            return Err(StartError::NotLoopback(listen));
        }
        let refused = |source: std::io::Error| match source.kind() {
            ErrorKind::AddrInUse => StartError::InUse(listen),
            _ => StartError::Bind {
                address: listen,
                source,
            },
        };
        let listener = TcpListener::bind(listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let (closing, is_closing) = watch::channel(false);
        let server = Arc::new(Server::new(
            settings,
            &address.to_string(),
            is_closing.clone(),
        ));
        let router = Router::new()
            .fallback(http::handle)
            .with_state(Arc::clone(&server));
        let serving = tokio::spawn(serve(listener, router, is_closing));
        Ok(Self {
            address,
            server,
            closing,
            serving,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its endpoint URL, as this computer reaches it.
    #[must_use]
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        format!("http://{address}")
    }

    /// The requests so far.
    #[must_use]
    pub fn request_counts(&self) -> RequestCounts {
        self.server.request_counts()
    }

    /// Ends it: no new connections, answers under way leave at once, hung ones are reset. A client that stops in the
    /// middle of its request is given a second.
    pub async fn stop(self) {
        const PATIENCE: Duration = Duration::from_secs(1);
        self.closing.send_replace(true);
        let mut serving = self.serving;
        if tokio::time::timeout(PATIENCE, &mut serving).await.is_err() {
            serving.abort();
        }
    }
}

async fn serve(listener: TcpListener, router: Router, mut closing: watch::Receiver<bool>) {
    let service = router.into_make_service_with_connect_info::<Ending>();
    let served = axum::serve(Door(listener), service)
        .with_graceful_shutdown(async move {
            // An error means that the emulator's owner is gone, which is as good.
            let _ = closing.wait_for(|closing| *closing).await;
        })
        .await;
    // axum documents that this never is an error.
    drop(served);
}

#[cfg(test)]
mod sdk_tests;
