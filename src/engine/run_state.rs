//! What the Regions of a run share: workers, listeners, credentials, the account, and the rules that stop all.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;
use tokio::time::Instant;

use super::event::{Event, Listener, Listeners};
use super::link::Link;
use super::settings::{EngineParts, EngineSettings, FailureLimit};
use super::stop::Stop;
use super::stop_signal::StopSignal;
use crate::domain::clock::WallClock;
use crate::domain::device::{AccountId, Region};
use crate::domain::format;
use crate::domain::panics::{self, lock};
use crate::domain::service::Failure;
use crate::results::record::{Row, Status};

/// This number of refusals in a row by an authorization code, with no success in between, stops the run.
const DENIED_IN_A_ROW: u32 = 20;
/// A percentage of failures is judged once this number of devices have an outcome.
const SHARE_NEEDS: u64 = 100;

/// Requests that fail within this time for want of a file fail for the same reason.
const ONE_SHORTAGE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct RunState {
    pub(super) settings: EngineSettings,
    pub(super) stop: StopSignal,
    pub(super) clock: WallClock,
    pub(super) workers: Arc<Semaphore>,
    kept: Mutex<KeptWorkers>,
    listeners: Listeners,
    account: Mutex<Option<AccountId>>,
    denied: AtomicU32,
    failed: AtomicU64,
    finished: AtomicU64,
    /// Why Regions ended although the run went on.
    region_stops: Mutex<Vec<Stop>>,
    links: Mutex<Vec<(Region, Arc<Link>)>>,
    /// Held while credentials are fetched.
    pub(super) credentials: tokio::sync::Mutex<()>,
    /// The newest generation whose credentials an answer has proved to work.
    pub(super) proved_generation: AtomicU64,
}

/// How many workers there are: fewer where this process may open no more files.
#[derive(Debug)]
struct KeptWorkers {
    workers: usize,
    last_retired: Option<Instant>,
}

impl RunState {
    pub(super) fn new<L>(parts: EngineParts<L>) -> Self {
        let workers = parts.settings.workers.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            workers: Arc::new(Semaphore::new(workers)),
            kept: Mutex::new(KeptWorkers {
                workers,
                last_retired: None,
            }),
            account: Mutex::new(parts.settings.account.clone()),
            settings: parts.settings,
            stop: parts.stop,
            clock: parts.clock,
            listeners: parts.listeners,
            denied: AtomicU32::new(0),
            failed: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            region_stops: Mutex::default(),
            links: Mutex::default(),
            credentials: tokio::sync::Mutex::new(()),
            proved_generation: AtomicU64::new(0),
        }
    }

    pub(super) fn tell(&self, event: &Event<'_>) {
        self.listeners.tell(event);
    }

    /// Counts and shows rows that are on disk. If they could not be written, the run stops.
    pub(super) fn recorded(&self, recorded: Result<&[Row], &String>) {
        match recorded {
            Ok(rows) => {
                for row in rows {
                    self.count(row);
                    self.tell(&Event::Recorded { row });
                }
            }
            Err(message) => {
                self.stop.give(Stop::Results(message.clone()));
            }
        }
    }

    fn count(&self, row: &Row) {
        let finished = self.finished.fetch_add(1, Ordering::Relaxed) + 1;
        let failed = if row.status == Status::Failed {
            self.failed.fetch_add(1, Ordering::Relaxed) + 1
        } else {
            self.failed.load(Ordering::Relaxed)
        };
        let Some(limit) = self.settings.max_failures else {
            return;
        };
        // A percentage is judged with each device, not with each failure: all failures may have come before it counts.
        #[expect(clippy::cast_precision_loss, reason = "counts of devices")]
        let over = match limit {
            FailureLimit::Count(most) => failed > most,
            FailureLimit::Percent(most) => {
                finished >= SHARE_NEEDS && failed as f64 * 100.0 > most * finished as f64
            }
        };
        if over {
            self.stop.give(Stop::TooManyFailures {
                failed,
                limit: limit.to_string(),
            });
        }
    }

    /// From now on one request fewer is in flight, since this process may open no more files. The last worker stays, and
    /// requests that fail within a moment are one shortage.
    pub(super) fn retire(&self, worker: OwnedSemaphorePermit) {
        let mut kept = lock(&self.kept);
        let is_known = |last: Instant| last.elapsed() < ONE_SHORTAGE;
        if kept.workers == 1 || kept.last_retired.is_some_and(is_known) {
            return;
        }
        worker.forget();
        let before = format::count(kept.workers as u64, "request");
        kept.workers -= 1;
        let is_first = kept.last_retired.replace(Instant::now()).is_none();
        // A listener may have to wait for the terminal.
        drop(kept);
        if is_first {
            self.tell(&Event::Warning {
                text: &format!(
                    "too many files are open to send more requests at once, so fewer than {before} are in flight from here on; \
                     the limit of open files (ulimit -n) allows no more"
                ),
            });
        }
    }

    /// A device was refused by an authorization code. Too many in a row stop the run.
    pub(super) fn denied(&self, failure: &Failure) {
        let devices = self.denied.fetch_add(1, Ordering::Relaxed) + 1;
        if devices >= DENIED_IN_A_ROW {
            self.stop.give(Stop::Denied {
                devices,
                failure: failure.clone(),
            });
        }
    }

    /// A device succeeded: earlier refusals concern single devices only.
    pub(super) fn allowed(&self) {
        self.denied.store(0, Ordering::Relaxed);
    }

    pub(super) fn account(&self) -> Option<AccountId> {
        lock(&self.account).clone()
    }

    /// Compares an account with the expected one; without one, it is expected from now on. A difference stops the run.
    pub(super) fn check_account(&self, found: &str) -> bool {
        let mut account = lock(&self.account);
        if account
            .as_ref()
            .is_some_and(|known| known.as_str() == found)
        {
            return true;
        }
        let Ok(found) = AccountId::parse(found) else {
            return false;
        };
        let expected = account.get_or_insert_with(|| found.clone()).clone();
        if expected == found {
            return true;
        }
        self.stop.give(Stop::WrongAccount { expected, found });
        false
    }

    /// Whether any Region ever answered.
    pub(super) fn ever_answered(&self) -> bool {
        let links = lock(&self.links);
        links.iter().any(|(_, link)| link.ever_answered())
    }

    /// What a task returned; none if it panicked, which stops the run: its device has no row, and a rerun resolves it.
    pub(super) fn survive<T>(&self, ended: Result<T, JoinError>) -> Option<T> {
        let broken = |error| self.stop.give(Stop::Internal(panics::words_of_task(error)));
        ended.map_err(broken).ok()
    }

    /// A Region ends for a reason that does not concern the others.
    pub(super) fn region_stopped(&self, cause: Stop) {
        lock(&self.region_stops).push(cause);
    }

    /// The service is not offered in a Region, which ends only this Region.
    pub(super) fn not_offered(&self, region: &Region, failure: &Failure) {
        let cause = Stop::NotOffered {
            regions: vec![region.clone()],
            failure: failure.clone(),
        };
        self.tell(&Event::Warning {
            text: &cause.to_string(),
        });
        self.tell(&Event::RegionEnded { region });
        self.region_stopped(cause);
    }

    /// Adds a Region: returns its number, from zero, and its link.
    pub(super) fn add_region(&self, region: &Region) -> (u64, Arc<Link>) {
        let link = Arc::new(Link::new());
        let mut links = lock(&self.links);
        links.push((region.clone(), Arc::clone(&link)));
        (links.len() as u64 - 1, link)
    }

    /// Whether another Region has had an answer since then.
    pub(super) fn others_answer(&self, region: &Region, since: Instant) -> bool {
        lock(&self.links)
            .iter()
            .any(|(other, link)| other != region && link.has_answered_since(since))
    }

    /// Whether another Region has ever had an answer, and has no outage now.
    pub(super) fn others_are_reached(&self, region: &Region) -> bool {
        lock(&self.links)
            .iter()
            .any(|(other, link)| other != region && link.ever_answered() && link.is_usable())
    }

    /// Why the run ended early, if it did.
    pub(super) fn end(&self) -> Option<Stop> {
        self.stop
            .cause()
            .or_else(|| Stop::of_regions(&lock(&self.region_stops)))
    }

    /// Waits while credentials are fetched. New ones are in place before their account is known: a request sent meanwhile
    /// could create a channel in another account.
    pub(super) async fn credentials_ready(&self) {
        // Each attempt waits here, and nearly always they are.
        if !self.are_credentials_ready() {
            drop(self.credentials.lock().await);
        }
    }

    /// Whether no credentials are being fetched.
    pub(super) fn are_credentials_ready(&self) -> bool {
        self.credentials.try_lock().is_ok()
    }

    /// An answer that is not about credentials proves those that the request was signed with.
    pub(super) fn credentials_work(&self, generation: u64) {
        self.proved_generation
            .fetch_max(generation, Ordering::Relaxed);
    }
}
