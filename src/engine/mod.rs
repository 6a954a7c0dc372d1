//! The pipeline: devices in, rows out. The only module that decides what is sent and when. It does not know the manifest,
//! the command line or the terminal.
//!
//! Each account and Region of the batch has its own client, limiters and link. The Regions of an account share its
//! credentials, and all share the workers (the most requests in flight), the journal and the stop signal.
//!
//! The path of a device through these files is in `docs/architecture.md`.
//!
//! A file uses only those above it:
//!
//! | files | what |
//! | --- | --- |
//! | `stop`, `event`, `settings`, `work`, `link`, `retry`, `first_contact`, `job`, `pace` | values, traits, rules |
//! | `service`, `account_run`, `run_state`, `scope` | the client as a trait, what the Regions of an account share, and all Regions; one account and Region: the only way to send |
//! | `throttles`, `silence`, `credentials`, `ask` | a request until it is answered |
//! | `listing`, `caller` | requests that are no device's create |
//! | `region_run`, `outage`, `adopt`, `update`, `resolve`, `attempt` | one attempt of a device, and what follows |
//! | `waiting`, `workers`, `scheduler` | which device goes next |

mod account_run;
mod adopt;
mod ask;
mod attempt;
mod caller;
mod credentials;
pub mod event;
mod first_contact;
mod job;
mod link;
mod listing;
mod outage;
pub mod pace;
mod region_run;
mod resolve;
pub mod retry;
mod run_state;
mod scheduler;
mod scope;
mod service;
mod settings;
mod silence;
mod stop;
mod stop_signal;
mod throttles;
mod update;
mod waiting;
mod work;
mod workers;

use std::future::Future;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub(crate) use ask::Unanswered;
pub(crate) use caller::{Caller, Deletion, RegionCaller};
pub(crate) use first_contact::first_contact;
pub(crate) use listing::Listing;
pub use service::Service;
pub use settings::{EngineParts, EngineSettings, FailureLimit, OnExists};
pub use stop::Stop;
pub use stop_signal::StopSignal;
pub use work::{RowSink, Work};

use crate::domain::device::{AccountId, AccountRegion};
use pace::controller::RateRange;
use region_run::RegionRun;
use run_state::RunState;

/// The engine of one run.
#[derive(Debug)]
pub struct Engine<S, L, W> {
    shared: Arc<RunState>,
    sink: Arc<L>,
    regions: Vec<PlannedRegion<S, L, W>>,
}

/// A Region that is known before the run.
#[derive(Debug)]
struct PlannedRegion<S, L, W> {
    region_run: Arc<RegionRun<S, L>>,
    work: W,
    listing: Option<Listing>,
}

/// A Region whose first device arrives while the run goes on.
#[derive(Debug)]
pub struct Arrival<S, W> {
    pub account_region: AccountRegion,
    /// The rate of its creates.
    pub rate: RateRange,
    /// Or why it cannot be worked in.
    pub service: Result<S, Stop>,
    pub work: W,
}

impl<S: Service, L: RowSink, W: Work> Engine<S, L, W> {
    /// An engine without Regions.
    pub fn new(parts: EngineParts<L>) -> Self {
        Self {
            sink: Arc::clone(&parts.sink),
            shared: Arc::new(RunState::new(parts)),
            regions: Vec::new(),
        }
    }

    /// Adds an account and Region with its client and its work; `rate` is that of its creates.
    pub fn add_region(
        &mut self,
        account_region: AccountRegion,
        rate: RateRange,
        service: S,
        work: W,
    ) {
        self.regions.push(PlannedRegion {
            region_run: self.region_run(account_region, rate, service),
            work,
            listing: None,
        });
    }

    fn region_run(
        &self,
        account_region: AccountRegion,
        rate: RateRange,
        service: S,
    ) -> Arc<RegionRun<S, L>> {
        let (shared, sink) = (Arc::clone(&self.shared), Arc::clone(&self.sink));
        Arc::new(RegionRun::new(account_region, rate, service, shared, sink))
    }

    /// Leaves out an account and Region that cannot be worked in. Its devices get no row.
    pub(crate) fn leave_out(&self, account_region: &AccountRegion, cause: Stop) {
        self.shared.leave_out(account_region, cause);
    }

    /// Lists the channels that exist, in as many Regions at once as there are workers. A Region has no listing if listing is not allowed or not
    /// possible, or if it gives no answer while others do; that is reported as a warning. Returns early when the run stops.
    pub async fn list_existing(&mut self) {
        let listings = self.regions.iter_mut().map(|planned| async {
            let (scope, work) = (&planned.region_run.scope, &planned.work);
            let _worker = self.shared.workers.acquire().await;
            planned.listing = tokio::select! {
                biased;
                listing = scope.list_all(|name| work.may_want(name)) => listing,
                () = scope.silent_while_others_answer() => None,
            };
        });
        join_all(listings).await;
    }

    /// Each Region with its listing, where there is one, and its work.
    pub(crate) fn listings(&self) -> impl Iterator<Item = (&AccountRegion, Option<&Listing>, &W)> {
        self.regions.iter().map(|planned| {
            let account_region = &planned.region_run.scope.account_region;
            (account_region, planned.listing.as_ref(), &planned.work)
        })
    }

    /// The account of the run's own credentials, as far as it is known.
    pub fn account(&self) -> Option<AccountId> {
        self.shared.account()
    }

    /// Works until everything is done or the run is stopped, and every request in flight is finished and recorded.
    /// Regions may arrive while it runs; with `reconcile` each is listed first. Returns why it ended early, if it did.
    pub async fn run(
        mut self,
        mut arrivals: Option<mpsc::Receiver<Arrival<S, W>>>,
        reconcile: bool,
    ) -> Option<Stop> {
        let workers = self.shared.settings.workers;
        // With several Regions none may hold all workers; where they are not known in advance, first come, first served.
        let share = match arrivals {
            None => workers.div_ceil(self.regions.len().max(1)).max(1),
            Some(_) => workers,
        };
        let mut running = JoinSet::new();
        for planned in std::mem::take(&mut self.regions) {
            let listing = planned.listing.unwrap_or_default();
            let run = scheduler::run(planned.region_run, planned.work, listing, share);
            running.spawn(run);
        }
        loop {
            tokio::select! {
                biased;
                Some(ended) = running.join_next() => self.shared.survive(ended).unwrap_or_default(),
                arrival = next_arrival(&mut arrivals), if arrivals.is_some() => {
                    let Some(Arrival { account_region, rate, service, work }) = arrival else {
                        arrivals = None;
                        continue;
                    };
                    let service = match service {
                        Ok(service) => service,
                        Err(cause) => {
                            self.shared.leave_out(&account_region, cause);
                            continue;
                        }
                    };
                    let region_run = self.region_run(account_region, rate, service);
                    running.spawn(run_arrived(region_run, work, reconcile, share));
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

/// Runs a Region that arrived while the run goes on.
async fn run_arrived<S: Service, L: RowSink, W: Work>(
    region_run: Arc<RegionRun<S, L>>,
    work: W,
    reconcile: bool,
    workers: usize,
) {
    let listing = if reconcile {
        region_run.scope.list_all(|name| work.may_want(name)).await
    } else {
        None
    };
    scheduler::run(region_run, work, listing.unwrap_or_default(), workers).await;
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
