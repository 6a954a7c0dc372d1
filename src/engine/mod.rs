//! The pipeline: devices in, rows out. The only module that decides what is sent and when.
//!
//! Each Region of the batch is a *Region* with its own client, limiters and link; Regions share the workers (the most
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

mod ask;
mod attempt;
mod caller;
mod credentials;
pub mod event;
mod job;
mod link;
mod listing;
mod open_files;
mod outage;
pub mod pace;
mod region_run;
mod resolve;
pub mod retry;
mod shared;
mod stop;
mod stop_signal;
mod update;
mod waiting;
mod workers;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub use ask::Unanswered;
pub use caller::{Caller, RegionCaller};
pub use link::FIRST_CONTACT;
pub use listing::Listing;
pub use shared::FailureLimit;
pub use stop::Stop;
pub use stop_signal::StopSignal;

use crate::domain::clock::WallClock;
use crate::domain::device::DeviceIndex;
use crate::domain::device::{AccountId, Device, Region};
use crate::domain::service::{Failure, Service};
use crate::engine::event::Listeners;
use crate::engine::pace::controller::RateRange;
use crate::results::record::Row;
use region_run::RegionRun;
use shared::Shared;

/// What to do with a channel that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnExists {
    /// Take it as the device's channel, and say where its type or TTL differs.
    #[default]
    Adopt,
    /// Take it only where its type, its TTL and the tags asked for are as asked; else record the device as failed.
    Verify,
    /// Bring its TTL and its tags to what is asked, then take it.
    Update,
    /// Record the device as failed.
    Fail,
}

/// How a run behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The most requests in flight.
    pub workers: usize,
    /// The rate of creates in each Region.
    pub rate: RateRange,
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
    /// The keys of all tags that the manifest and the flags can ask for: what a device does not ask for of these,
    /// [`OnExists::Update`] takes away.
    pub tag_keys: Vec<Box<str>>,
    /// The account that every ARN must be of, where it is known.
    pub account: Option<AccountId>,
    /// Draws every jitter.
    pub seed: u64,
}

/// Where rows go.
pub trait RowSink: Send + Sync + 'static {
    /// Writes a device's last row and gives it back once it is on disk. The error is the message for the person; the
    /// run stops with it.
    fn record(
        &self,
        device: DeviceIndex,
        row: Row,
    ) -> impl Future<Output = Result<Row, String>> + Send;

    /// The same for many devices.
    fn record_all(
        &self,
        rows: Vec<(DeviceIndex, Row)>,
    ) -> impl Future<Output = Result<Vec<Row>, String>> + Send;
}

/// Where a Region's devices come from.
pub trait Work: Send + Sync + 'static {
    /// The next device; none when there are no more. Must be cancel-safe: dropped while waiting, it loses nothing.
    fn next(&mut self) -> impl Future<Output = Option<(DeviceIndex, Device)>> + Send;

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
    pub sink: Arc<L>,
    /// Who is told.
    pub listeners: Listeners,
    /// Ends the run.
    pub stop: StopSignal,
    /// Where timestamps come from.
    pub clock: WallClock,
}

/// The engine of one run: a Region for each Region.
#[derive(Debug)]
pub struct Engine<S, L, W> {
    shared: Arc<Shared<L>>,
    region_runs: Vec<Entrance<S, L, W>>,
}

/// A Region that has not begun.
#[derive(Debug)]
struct Entrance<S, L, W> {
    region_run: Arc<RegionRun<S, L>>,
    work: W,
    listing: Option<Listing>,
}

/// A Region whose first device arrives while the run is under way.
#[derive(Debug)]
pub struct Arrival<S, W> {
    /// The Region.
    pub region: Region,
    /// Its client.
    pub service: S,
    /// Its devices.
    pub work: W,
    /// How it shows that the service is not offered there, if it is not.
    pub not_offered: Option<Failure>,
}

impl<S: Service, L: RowSink, W: Work> Engine<S, L, W> {
    /// An engine without Regions.
    #[must_use]
    pub fn new(parts: Parts<L>) -> Self {
        Self {
            shared: Arc::new(Shared::new(parts)),
            region_runs: Vec::new(),
        }
    }

    /// Adds a Region with its client and its work.
    pub fn add_region(&mut self, region: Region, service: S, work: W) {
        let number = self.region_runs.len() as u64;
        self.region_runs.push(Entrance {
            region_run: Arc::new(RegionRun::new(
                region,
                service,
                Arc::clone(&self.shared),
                number,
            )),
            work,
            listing: None,
        });
    }

    /// Leaves a Region out, since the service is not offered there. Its devices get no row.
    pub fn leave_out(&self, region: &Region, failure: &Failure) {
        self.shared.not_offered(region, failure);
    }

    /// Lists the channels that exist, in all Regions at once. Where listing is not allowed or not possible, that is
    /// told as a warning and the Region has no listing; likewise where a Region gives no answer while others do. Returns early when the run is to stop.
    pub async fn list_existing(&mut self) {
        let listings = self.region_runs.iter_mut().map(|entrance| async {
            let (region_run, work) = (&entrance.region_run, &entrance.work);
            entrance.listing = tokio::select! {
                biased;
                listing = region_run.list_all(|name| work.may_want(name)) => listing,
                () = region_run.left_behind() => None,
            };
        });
        join_all(listings).await;
    }

    /// Each Region with its listing, where there is one, and its work.
    pub fn listings(&self) -> impl Iterator<Item = (&Region, Option<&Listing>, &W)> {
        self.region_runs.iter().map(|entrance| {
            (
                &entrance.region_run.region,
                entrance.listing.as_ref(),
                &entrance.work,
            )
        })
    }

    /// The account that answers have come from so far.
    pub fn account(&self) -> Option<AccountId> {
        self.shared.account()
    }

    /// Works until everything is done or the run is stopped, and every request in flight is finished and recorded.
    /// Regions may arrive while it runs; with `reconcile` each is listed first. Says why it ended early, if it did.
    pub async fn run(
        self,
        mut arrivals: Option<mpsc::Receiver<Arrival<S, W>>>,
        reconcile: bool,
    ) -> Option<Stop> {
        let workers = self.shared.settings.workers;
        // With several Regions none may hold all workers; where they are not known in advance, first come, first served.
        let share = match arrivals {
            None => workers.div_ceil(self.region_runs.len().max(1)).max(1),
            Some(_) => workers,
        };
        let mut number = self.region_runs.len() as u64;
        let mut running = JoinSet::new();
        for Entrance {
            region_run,
            work,
            listing,
        } in self.region_runs
        {
            running.spawn(region_run::run(
                region_run,
                work,
                listing.unwrap_or_default(),
                share,
            ));
        }
        loop {
            tokio::select! {
                biased;
                Some(ended) = running.join_next() => self.shared.survive(ended).unwrap_or_default(),
                arrival = next_arrival(&mut arrivals), if arrivals.is_some() => {
                    let Some(Arrival { region, service, work, not_offered }) = arrival else {
                        arrivals = None;
                        continue;
                    };
                    if let Some(failure) = not_offered {
                        self.shared.not_offered(&region, &failure);
                        continue;
                    }
                    let region_run = RegionRun::new(region, service, Arc::clone(&self.shared), number);
                    number += 1;
                    running.spawn(enter(Arc::new(region_run), work, reconcile, share));
                }
                () = self.shared.stop.given(), if arrivals.is_some() => arrivals = None,
                else => break,
            }
        }
        self.shared.end()
    }
}

async fn next_arrival<S, W>(
    arrivals: &mut Option<mpsc::Receiver<Arrival<S, W>>>,
) -> Option<Arrival<S, W>> {
    match arrivals {
        Some(arrivals) => arrivals.recv().await,
        None => None,
    }
}

/// A Region that begins while the run is under way.
async fn enter<S: Service, L: RowSink, W: Work>(
    region_run: Arc<RegionRun<S, L>>,
    work: W,
    reconcile: bool,
    workers: usize,
) {
    let listing = if reconcile {
        region_run.list_all(|name| work.may_want(name)).await
    } else {
        None
    };
    region_run::run(region_run, work, listing.unwrap_or_default(), workers).await;
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
