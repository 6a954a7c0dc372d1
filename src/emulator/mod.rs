//! The emulator: the KVS control plane for signaling channels in this process, on loopback unless configured otherwise.
//!
//! Emulated: the operations and paths, the service model's validation, error codes and HTTP status, accounts, the quotas
//! of each operation for an account and Region and for a channel (as token buckets), the channel limit, tags, versions,
//! paging, CREATING → ACTIVE and DELETING, the order of checks (credentials, authorization, quotas, validation, the
//! operation), and `AssumeRole` and `GetCallerIdentity` of STS.
//!
//! Not emulated: signatures (only the Region and the access key of their scope are read), roles and policies beyond one
//! prefix and denied accounts, streams and media storage, signaling itself (the returned endpoints and ICE servers do not exist), the UPDATING
//! state, and anything that AWS does not document. The state is in memory, and on request in a file as well.
//!
//! | module | owns |
//! | --- | --- |
//! | [`operation`] | names, paths and quotas of the operations |
//! | [`access_key`], [`assume_role`], [`caller`], `arn` | accounts by access key, sessions of roles, callers, ARNs |
//! | [`shapes`], [`error`] | requests, answers and errors |
//! | [`quota`], `service_quotas` | token buckets; the quotas of each account and Region |
//! | [`latency`], [`faults`] | the latency of answers, injected faults |
//! | [`store`], `accounts`, `validate` | the channels and the accounts that exist; the service model's validation |
//! | [`state`], `work` | one request at a given time → answer: the checks, and the operations |
//! | [`snapshot`] | all channels at one instant, as a value and as text |
//! | [`state_file`], `saver` | the file that keeps them, and when it is written |
//! | `wire`, `sts`, `reply`, `connection`, `cors`, `http`, [`request_counts`] | bodies, connections, browsers, the HTTP server, counts |
//!
//! All modules except those of the last two lines take time and randomness as arguments, so that the simulation tests use
//! them without HTTP.

pub mod access_key;
mod accounts;
mod arn;
pub mod assume_role;
pub mod caller;
mod connection;
mod cors;
pub mod error;
pub mod faults;
mod http;
pub mod latency;
pub mod operation;
pub mod quota;
mod reply;
pub mod request_counts;
mod saver;
mod service_quotas;
pub mod shapes;
pub mod snapshot;
pub mod state;
pub mod state_file;
pub mod store;
mod sts;
mod validate;
mod wire;
mod work;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::connection::{EndHandle, FaultListener};
use self::faults::Fault;
use self::http::Server;
use self::latency::Latency;
use self::request_counts::RequestCounts;
use self::saver::Saver;
use self::snapshot::Snapshot;
use self::state_file::StateFile;
use crate::domain::device::AccountId;
use crate::domain::local_url::local_url;

/// How the emulated service behaves.
#[derive(Debug, Clone, PartialEq)]
pub struct EmulatorSettings {
    /// The quota of `CreateSignalingChannel` for each account and Region, in requests a second, 0.1 to 1,000,000. The other
    /// operations keep the quotas of the service.
    pub rate: f64,
    /// How many creates may arrive at once, at least 1. Not used if `window` is set.
    pub burst: u32,
    /// Whether creates are counted in fixed windows of a second instead of a token bucket.
    pub window: bool,
    /// How the quota of `CreateSignalingChannel` changes over time.
    pub rate_changes: Vec<RateChange>,
    /// The most channels of an account in a Region.
    pub channel_limit: usize,
    /// The time from a request's arrival to its answer.
    pub latency: Latency,
    /// How long a channel is CREATING.
    pub active_after: Duration,
    /// How long a channel is DELETING.
    pub deleting_for: Duration,
    pub faults: Vec<Fault>,
    /// Only operations on channels whose names begin with this prefix are authorized.
    pub deny_outside: Option<String>,
    /// The accounts whose roles nobody may assume, and whose keys have no permission.
    pub deny_accounts: Vec<AccountId>,
    /// The most accounts in addition to the emulator's own: an account exists from the first request that uses it on.
    pub accounts: usize,
    /// An access key expires after this many requests.
    pub expire_after: Option<u64>,
    /// The seed of faults, latencies and request IDs.
    pub seed: u64,
    /// Whether it may listen on an address that other computers can reach.
    pub allow_remote: bool,
}

impl Default for EmulatorSettings {
    /// The service's default quotas (WebRTC developer guide), 80 ms latency, no faults.
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
            deny_accounts: Vec::new(),
            accounts: 1_000,
            expire_after: None,
            seed: 0,
            allow_remote: false,
        }
    }
}

/// A change of the quota while the emulator runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateChange {
    /// The time after the first create of an account in a Region.
    pub after: Duration,
    /// The quota from then on, in requests a second.
    pub rate: f64,
}

/// Why the emulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address can be reached by other computers, and the emulator checks no signatures.
    #[error(
        "the emulator listens on {0} only with --allow-remote: it checks no signatures, so anyone who reaches it can use \
         it; the loopback addresses 127.0.0.1:{port} and [::1]:{port} need no permission",
        port = .0.port()
    )]
    NotLoopback(SocketAddr),
    /// The port is in use.
    #[error(
        "the emulator cannot listen on {0}: the port is in use, perhaps by another emulator; stop that one, or choose \
         another port (0 takes any free one)"
    )]
    InUse(SocketAddr),
    /// The system refused the address for another reason.
    #[error(
        "the emulator cannot listen on {address}: {source}; choose another address or port (127.0.0.1:0 takes any \
         free port)"
    )]
    Bind {
        address: SocketAddr,
        source: std::io::Error,
    },
}

/// A running emulator. It stops with [`Emulator::stop`], or when this value is dropped. Then its state file, if it has one, has
/// all its channels.
pub struct Emulator {
    address: SocketAddr,
    server: Arc<Server>,
    closing: watch::Sender<bool>,
    serving: JoinHandle<()>,
    saving: Option<Saving>,
}

/// The state file of an emulator, and the task that writes it.
struct Saving {
    saver: Arc<Saver>,
    task: JoinHandle<()>,
}

impl std::fmt::Debug for Emulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Emulator({})", self.address)
    }
}

impl Emulator {
    /// Listens on an address (port 0 takes a free one) and serves in a task of its own, without channels at first. The address
    /// must be a loopback address unless the settings allow another one.
    pub async fn start(listen: SocketAddr, settings: EmulatorSettings) -> Result<Self, StartError> {
        Self::resume(listen, settings, Snapshot::default(), None).await
    }

    /// The same with the channels of an earlier emulator. With a file, which has them, each change is in it before an answer
    /// shows it.
    pub async fn resume(
        listen: SocketAddr,
        settings: EmulatorSettings,
        earlier: Snapshot,
        file: Option<StateFile>,
    ) -> Result<Self, StartError> {
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
        let saver = file.map(|file| Arc::new(Saver::new(file)));
        let server = Arc::new(Server::new(
            settings,
            &address.to_string(),
            earlier,
            saver.clone(),
            is_closing.clone(),
        ));
        let saving = saver.map(|saver| {
            let state = Arc::clone(&server);
            let state = move || state.revised();
            let task = tokio::spawn(Arc::clone(&saver).run(state, is_closing.clone()));
            Saving { saver, task }
        });
        let router = Router::new()
            .fallback(http::handle)
            .with_state(Arc::clone(&server));
        let serving = tokio::spawn(serve(listener, router, is_closing));
        Ok(Self {
            address,
            server,
            closing,
            serving,
            saving,
        })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The endpoint URL for this computer.
    pub fn url(&self) -> String {
        local_url(self.address)
    }

    /// The counts of the requests so far.
    pub fn request_counts(&self) -> RequestCounts {
        self.server.request_counts()
    }

    /// Calls this with the cause when the state cannot be saved: from then on changes get no answer.
    pub fn on_failure(&self, tell: impl Fn(String) + Send + 'static) {
        let Some(mut failure) = self.failure() else {
            return;
        };
        tokio::spawn(async move {
            while failure.changed().await.is_ok() {
                let cause = failure.borrow_and_update().clone();
                cause.into_iter().for_each(&tell);
            }
        });
    }

    /// Why the state could not be saved last, now and when the emulator has ended; none where it is not kept.
    pub fn failure(&self) -> Option<watch::Receiver<Option<String>>> {
        let saving = self.saving.as_ref()?;
        Some(saving.saver.failure())
    }

    /// Stops the emulator: it accepts no more connections, sends pending answers at once, and resets hanging ones. A
    /// client in the middle of its request has one more second.
    pub async fn stop(mut self) {
        const PATIENCE: Duration = Duration::from_secs(1);
        self.closing.send_replace(true);
        let serving = &mut self.serving;
        if tokio::time::timeout(PATIENCE, &mut *serving).await.is_err() {
            serving.abort();
        }
    }
}

impl Drop for Emulator {
    /// The last changes may have no answer yet.
    fn drop(&mut self) {
        if let Some(Saving { saver, task }) = self.saving.take() {
            task.abort();
            saver.close(|| self.server.revised());
        }
    }
}

async fn serve(listener: TcpListener, router: Router, mut closing: watch::Receiver<bool>) {
    let service = router.into_make_service_with_connect_info::<EndHandle>();
    let served = axum::serve(FaultListener(listener), service)
        .with_graceful_shutdown(async move {
            // An error means that the emulator was dropped, which also ends the server.
            let _ = closing.wait_for(|closing| *closing).await;
        })
        .await;
    // axum documents that this is never an error.
    drop(served);
}

#[cfg(test)]
mod sdk_tests;
