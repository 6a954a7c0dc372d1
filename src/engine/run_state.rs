//! What all accounts and Regions of a run share: workers, listeners, and the rules that stop all.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;
use tokio::time::Instant;

use super::account_run::{AccountRun, AccountRuns};
use super::event::{Event, Listener, Listeners};
use super::link::Link;
use super::pace::controller::{Controller, RateRange};
use super::pace::limiter::Limiter;
use super::pace::quota_client::QuotaClient;
use super::pace::quota_share::QuotaShare;
use super::settings::{EngineParts, EngineSettings, FailureLimit};
use super::stop::Stop;
use super::stop_signal::StopSignal;
use crate::domain::clock::WallClock;
use crate::domain::device::{AccountId, AccountRegion};
use crate::domain::format;
use crate::domain::panics::{self, lock};
use crate::domain::service::Operation;
use crate::results::record::{Row, Status};

/// The account of a quota whose account is not known.
const UNKNOWN_ACCOUNT: &str = "unknown";

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
    quota_client: Option<Arc<QuotaClient>>,
    accounts: AccountRuns,
    failed: AtomicU64,
    finished: AtomicU64,
    /// Why accounts, or Regions of them, ended although the run went on.
    part_stops: Mutex<Vec<(Option<AccountId>, Stop)>>,
    links: Mutex<Vec<(AccountRegion, Arc<Link>)>>,
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
            accounts: AccountRuns::default(),
            settings: parts.settings,
            stop: parts.stop,
            clock: parts.clock,
            listeners: parts.listeners,
            quota_client: parts.quota_client,
            failed: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            part_stops: Mutex::default(),
            links: Mutex::default(),
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

    /// The account that the rows name so.
    pub(super) fn account_run(&self, named: Option<&AccountId>) -> Arc<AccountRun> {
        self.accounts.of(named, self.settings.account.as_ref())
    }

    /// The limiter of an operation in this account and Region. Of the quota server it uses the quota of this very account;
    /// where that is not known, one for all hosts that do not know theirs.
    pub(super) fn limiter(
        &self,
        account_region: &AccountRegion,
        operation: Operation,
        range: RateRange,
        seed: u64,
    ) -> Arc<Limiter> {
        let limiter = Limiter::new(Controller::new(range, self.clock.now(), seed));
        let Some(client) = &self.quota_client else {
            return Arc::new(limiter);
        };
        let account = self.account_run(account_region.account.as_ref()).id();
        let key = client.key(
            account.as_ref().map_or(UNKNOWN_ACCOUNT, AccountId::as_str),
            account_region.region.as_str(),
            operation.name(),
        );
        Arc::new(limiter.sharing(QuotaShare::new(Arc::clone(client), key, range)))
    }

    /// An account ends: alone if the rows name it, else with the run.
    pub(super) fn end_account(&self, account: &AccountRun, cause: Stop) {
        let Some(named) = account.named() else {
            self.stop.give(cause);
            return;
        };
        if account.end(&cause) {
            self.tell(&Event::Warning {
                text: &format!("account {named}: {cause}; the other accounts continue"),
            });
            self.part_stopped(Some(named.clone()), cause);
        }
    }

    /// The account of the run's own credentials, as far as it is known.
    pub(super) fn account(&self) -> Option<AccountId> {
        self.account_run(None).id()
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

    /// An account, or a Region of it, ends for a reason that does not concern the others. Returns whether that is news.
    pub(super) fn part_stopped(&self, account: Option<AccountId>, cause: Stop) -> bool {
        let stopped = (account, cause);
        {
            let mut part_stops = lock(&self.part_stops);
            if part_stops.contains(&stopped) {
                return false;
            }
            part_stops.push(stopped.clone());
        }
        let (account, cause) = &stopped;
        self.tell(&Event::PartStopped {
            account: account.as_ref(),
            cause,
        });
        true
    }

    /// Leaves out an account and Region for this reason. Its devices get no row.
    pub(super) fn leave_out(&self, account_region: &AccountRegion, cause: Stop) {
        let account = account_region.account.clone();
        let text = match &account {
            Some(account) => format!("account {account}: {cause}"),
            None => cause.to_string(),
        };
        if self.part_stopped(account, cause) {
            self.tell(&Event::Warning { text: &text });
        }
        self.tell(&Event::RegionEnded { account_region });
    }

    /// Adds a Region of an account: returns its number, from zero, and its link.
    pub(super) fn add_region(&self, account_region: &AccountRegion) -> (u64, Arc<Link>) {
        let link = Arc::new(Link::new());
        let mut links = lock(&self.links);
        links.push((account_region.clone(), Arc::clone(&link)));
        (links.len() as u64 - 1, link)
    }

    /// Whether another Region has had an answer since then.
    pub(super) fn others_answer(&self, here: &AccountRegion, since: Instant) -> bool {
        lock(&self.links)
            .iter()
            .any(|(other, link)| other != here && link.has_answered_since(since))
    }

    /// Whether another Region has ever had an answer, and has no outage now.
    pub(super) fn others_are_reached(&self, here: &AccountRegion) -> bool {
        lock(&self.links)
            .iter()
            .any(|(other, link)| other != here && link.ever_answered() && link.is_usable())
    }

    /// Why the run ended early, if it did.
    pub(super) fn end(&self) -> Option<Stop> {
        self.stop
            .cause()
            .or_else(|| Stop::of_parts(&lock(&self.part_stops)))
    }
}
