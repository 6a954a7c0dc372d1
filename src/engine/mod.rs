//! The pipeline: devices in, rows out. The only module that spawns, sleeps and selects.
//!
//! Each Region of the batch is a *lane* with its own client, limiters and link; lanes share the workers (the most
//! requests in flight), the journal, the credentials and the stop signal.
//!
//! ```text
//! work ──▶ ready queue ──▶ worker ──▶ gate ──▶ one attempt ──▶ outcome ──▶ row on disk
//!              ▲                                                  │
//!              └── throttled: at once, ahead of fresh devices ────┤
//!              └── failed: after a wait that holds no worker ─────┘
//! ```
//!
//! The engine does not know the manifest, the command line or the terminal.

mod census;
mod flight;
mod job;
mod lane;
mod link;
mod shared;
mod stop;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use census::Census;
pub use shared::FailureLimit;
pub use stop::{Stop, StopSignal};

use crate::clock::WallClock;
use crate::device::{AccountId, Device, Region};
use crate::event::Listeners;
use crate::results::record::Row;
use crate::roster::DeviceIndex;
use crate::service::Service;
use lane::Lane;
use shared::Shared;

/// What to do with a channel that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum OnExists {
    /// Take it as the device's channel, and say where its type or TTL differs.
    #[default]
    Adopt,
    /// Record the device as failed.
    Fail,
}

/// How a run behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The most requests in flight.
    pub workers: usize,
    /// The most creates a second in each Region; none finds the rate alone.
    pub ceiling: Option<f64>,
    /// Create attempts a device.
    pub max_attempts: u32,
    /// How long a Region may throttle everything.
    pub max_throttled: Duration,
    /// How long a service that was once reached may stay silent.
    pub max_offline: Duration,
    /// How long requests in flight may take once the run is to stop.
    pub timeout: Duration,
    /// Failed rows that end the run.
    pub max_failures: Option<FailureLimit>,
    /// What to do with channels that are there already.
    pub on_exists: OnExists,
    /// The account that every ARN must be of, where it is known.
    pub account: Option<AccountId>,
    /// Draws every jitter.
    pub seed: u64,
}

/// Where rows go. Returns once they are on disk.
pub trait Ledger: Send + Sync + 'static {
    /// Writes rows, each a device's last one. The error is the message for the person; the run stops with it.
    fn record(
        &self,
        rows: Vec<(DeviceIndex, Row)>,
    ) -> impl Future<Output = Result<(), String>> + Send;
}

/// Where a lane's devices come from.
pub trait Work: Send + 'static {
    /// The next device; none when there are no more. Must be cancel-safe: dropped while waiting, it loses nothing.
    fn next(
        &mut self,
    ) -> impl Future<Output = Result<Option<(DeviceIndex, Device)>, String>> + Send;

    /// Takes out those whose channel name the predicate accepts, as far as the work is known in advance. What comes
    /// later is offered by [`next`](Self::next) alone.
    fn take_if(&mut self, wanted: &dyn Fn(&str) -> bool) -> Vec<(DeviceIndex, Device)>;

    /// Whether a name may be asked for by this work; a listing keeps only such channels.
    fn may_want(&self, name: &str) -> bool;
}

/// What the engine is built from.
#[derive(Debug)]
pub struct Parts<L> {
    /// How it behaves.
    pub settings: Settings,
    /// Where rows go.
    pub ledger: Arc<L>,
    /// Who is told.
    pub listeners: Listeners,
    /// Ends the run.
    pub stop: StopSignal,
    /// Where timestamps come from.
    pub clock: WallClock,
}

/// The engine of one run: a lane for each Region.
#[derive(Debug)]
pub struct Engine<S, L, W> {
    shared: Arc<Shared<L>>,
    lanes: Vec<(Arc<Lane<S, L>>, W, Option<Census>)>,
}

impl<S: Service, L: Ledger, W: Work> Engine<S, L, W> {
    /// An engine without lanes.
    #[must_use]
    pub fn new(parts: Parts<L>) -> Self {
        Self {
            shared: Arc::new(Shared::new(parts)),
            lanes: Vec::new(),
        }
    }

    /// Adds a Region with its client and its work.
    pub fn add_lane(&mut self, region: Region, service: S, work: W) {
        let number = self.lanes.len() as u64;
        let lane = Lane::new(region, service, Arc::clone(&self.shared), number);
        self.lanes.push((Arc::new(lane), work, None));
    }

    /// How much each lane has to itself: with several lanes none may hold all workers.
    fn share_workers(&self) -> usize {
        let lanes = self.lanes.len().max(1);
        self.shared.settings.workers.div_ceil(lanes).max(1)
    }

    /// Lists the channels that exist, in all Regions at once. Where listing is not allowed or not possible, that is
    /// told as a warning and the lane has no census. Returns early when the run is to stop.
    pub async fn take_census(&mut self) {
        let listings = self
            .lanes
            .iter_mut()
            .map(|(lane, work, census)| async move {
                *census = lane.list_all(|name| work.may_want(name)).await;
            });
        join_all(listings).await;
    }

    /// The census of each Region, where there is one.
    pub fn censuses(&self) -> impl Iterator<Item = (&Region, Option<&Census>)> {
        self.lanes
            .iter()
            .map(|(lane, _, census)| (&lane.region, census.as_ref()))
    }

    /// The account that answers have come from so far.
    #[must_use]
    pub fn account(&self) -> Option<AccountId> {
        self.shared.account()
    }

    /// Checks an account that is known from elsewhere; from now on every ARN must be of it.
    pub fn expect_account(&self, account: &AccountId) {
        self.shared.check_account(account.as_str());
    }

    /// Works until everything is done or the run is stopped, and every request in flight is finished and recorded.
    /// Says why it ended early, if it did.
    pub async fn run(self) -> Option<Stop> {
        let share = self.share_workers();
        let lanes = self
            .lanes
            .into_iter()
            .map(|(lane, work, census)| lane::run(lane, work, census.unwrap_or_default(), share));
        join_all(lanes).await;
        self.shared.end()
    }
}

/// Runs all to their end, side by side in this task.
async fn join_all<F: Future<Output = ()>>(futures: impl Iterator<Item = F>) {
    let mut running: Vec<_> = futures.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        running.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if running.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}
