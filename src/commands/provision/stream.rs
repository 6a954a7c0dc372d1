//! Standard input as a source of devices: planned row by row, on a thread of its own, while the run goes on.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Stdin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tracing::info;

use super::json_stream::JsonStream;
use super::{ProvisionEngine, Run};
use crate::aws::AwsService;
use crate::commands::access::Access;
use crate::commands::guard::Guard;
use crate::commands::messages;
use crate::commands::run_config::{RunConfig, RunRules};
use crate::commands::target::Target;
use crate::domain::device::{AccountId, AccountRegion, Device, DeviceIndex, Region};
use crate::domain::format;
use crate::engine::{Arrival, Stop, StopSignal};
use crate::error::Error;
use crate::fleet::batch::{FileRowSink, RegionWork, lock};
use crate::fleet::plan::{Counts, InvalidLine, OwnAccount, Planner, Verdict};
use crate::manifest::{Rows, ValidRow};
use crate::output::stats::Stats;

/// Regions of a stream that may wait to be started.
const ARRIVALS_WAITING: usize = 16;

/// Devices of a stream that may wait in each Region before reading waits.
const STREAM_WAITING: usize = 10_000;

/// What is needed to plan standard input.
pub(super) struct Stream {
    pub(super) rows: Box<Rows<Stdin>>,
    pub(super) target: Arc<Target>,
    /// The accounts that this run may work in.
    pub(super) guard: Guard,
}

impl Run {
    /// Runs the engine on what standard input brings, and says how that ended.
    pub(super) async fn work_off_stream(
        &mut self,
        stream: Stream,
        engine: ProvisionEngine,
        sink: &Arc<FileRowSink<JsonStream>>,
    ) -> Result<(), Error> {
        let (arrivals, arriving) = mpsc::channel(ARRIVALS_WAITING);
        let progress = Arc::new(Mutex::new(Streamed::default()));
        // Shared: owned by the reader alone, the emulator would end as soon as all rows are read.
        let target = Arc::clone(&stream.target);
        let reader = StreamReader {
            rows: stream.rows,
            accounts: StreamAccounts {
                target: stream.target,
                guard: stream.guard,
                access: self.config.access.clone(),
                stop: self.stop.clone(),
                runtime: Handle::current(),
            },
            rules: self.config.rules,
            config: self.config.clone(),
            sink: Arc::clone(sink),
            stop: self.stop.clone(),
            arrivals,
            progress: Arc::clone(&progress),
            stats: Arc::clone(&self.stats),
            has_begun: false,
            held: Vec::new(),
        };
        // Not waited for: after a stop it may never return from reading standard input.
        let thread = std::thread::Builder::new().name("manifest".to_owned());
        if let Err(error) = thread.spawn(move || reader.read()) {
            self.stop.give(Stop::Manifest(format!(
                "standard input cannot be read: {error}"
            )));
        }
        let stop = engine.run(Some(arriving), self.config.reconcile.list).await;
        let streamed = locked(&progress).clone();
        self.note(&streamed.counts);
        messages::say_all(&streamed.remarks);
        self.summary.limit_is_reached = streamed.limit_is_reached;
        if let Some(account) = target.account() {
            self.summary.account = Some(account.to_string());
        }
        match (stop, streamed.ended) {
            (Some(stop), _) => Err(Error::Stopped(stop)),
            (None, Some(ended)) => ended,
            // Nothing else ends the arrivals.
            (None, None) => Err(Error::Stopped(Stop::Internal(
                "reading standard input ended without a word".to_owned(),
            ))),
        }
    }
}

/// Reads standard input on a thread of its own: it cannot be waited for otherwise.
struct StreamReader {
    rows: Box<Rows<Stdin>>,
    accounts: StreamAccounts,
    rules: RunRules,
    config: RunConfig,
    sink: Arc<FileRowSink<JsonStream>>,
    stop: StopSignal,
    arrivals: mpsc::Sender<Arrival<AwsService, RegionWork>>,
    progress: Arc<Mutex<Streamed>>,
    stats: Arc<Stats>,
    /// Whether a device was handed to the engine.
    has_begun: bool,
    /// Invalid rows that came before the account was known: nothing is written for a wrong one.
    held: Vec<InvalidLine>,
}

#[derive(Debug, Clone, Default)]
struct Streamed {
    counts: Counts,
    /// What the operator should look at, a sentence each.
    remarks: Vec<String>,
    /// Whether `--limit` ended it: what follows was not read.
    limit_is_reached: bool,
    /// How reading it ended; none before it has.
    ended: Option<Result<(), Error>>,
}

impl StreamReader {
    /// Reads to the end, to damage, to the limit, or until the run stops.
    fn read(mut self) {
        let mut planner = Planner::new(self.rules.plan);
        let read = self.read_rows(&mut planner);
        let ended = read
            .map_err(|error| self.midway(error))
            .and_then(|()| self.record_held())
            .and_then(|()| self.check_count(planner.counts().all_listed()));
        if let Err(Error::Stopped(stop)) = &ended {
            self.stop.give(stop.clone());
        }
        // Before the engine learns that no more arrives: this is dropped last.
        let remarks = planner.remarks(self.rows.lacks_line_end());
        let mut progress = self.progress();
        progress.remarks = remarks;
        progress.ended = Some(ended);
    }

    /// What could be refused before the first device has to stop the run after it: there are channels.
    fn midway(&self, error: Error) -> Error {
        match error {
            Error::Refused { message, .. } if self.has_begun => damaged(&message),
            Error::NotBegun(stop) if self.has_begun => Error::Stopped(stop),
            error => error,
        }
    }

    fn check_count(&self, listed: u64) -> Result<(), Error> {
        let is_whole = !self.stop.is_given() && !self.progress().limit_is_reached;
        match self.rules.expect.filter(|expected| *expected != listed) {
            Some(expected) if is_whole => Err(Error::Stopped(Stop::UnexpectedCount(format!(
                "standard input listed {}, but --expect {expected} was given",
                format::count(listed, "device")
            )))),
            _ => Ok(()),
        }
    }

    fn read_rows(&mut self, planner: &mut Planner) -> Result<(), Error> {
        let mut senders: HashMap<AccountRegion, mpsc::Sender<(DeviceIndex, Device)>> =
            HashMap::new();
        let mut left = self.rules.limit.unwrap_or(u64::MAX);
        let names_accounts = self.rows.layout().has_account();
        while !self.stop.is_given() {
            let row = self.rows.next()?;
            let Some(row) = row else {
                return Ok(());
            };
            if names_accounts
                && let Ok(valid) = &row.checked
                && let Some(own) = self.accounts.own_account(valid)?
            {
                planner.set_own_account(OwnAccount::Known(own));
            }
            let verdict = planner.judge(&mut lock(self.sink.known_devices()), &row);
            let verdict = verdict.map_err(|error| damaged(&error))?;
            locked(&self.progress).counts = planner.counts().clone();
            match verdict {
                Verdict::Fresh(index, device) | Verdict::Again(index, device) => {
                    self.stats.arrive(&device.account_region());
                    let sender = match senders.entry(device.account_region()) {
                        Entry::Occupied(sender) => sender.into_mut(),
                        Entry::Vacant(place) => {
                            let Some(sender) = self.open_region(place.key())? else {
                                return Ok(());
                            };
                            place.insert(sender)
                        }
                    };
                    // A sender that is gone has stopped; its devices have no row.
                    let _ = sender.blocking_send((index, device));
                    left -= 1;
                    if left == 0 {
                        info!("--limit is reached; what follows on standard input is not read");
                        self.progress().limit_is_reached = true;
                        return Ok(());
                    }
                }
                Verdict::Invalid(line) => {
                    self.held.push(line);
                    if self.has_begun || self.accounts.target.is_identified() {
                        self.record_held()?;
                    }
                }
                Verdict::Done
                | Verdict::Deleted
                | Verdict::Repeated
                | Verdict::OtherShard
                | Verdict::OtherShardInvalid(_) => {}
            }
        }
        Ok(())
    }

    /// Begins an account and Region; none where the run has ended meanwhile.
    fn open_region(
        &mut self,
        account_region: &AccountRegion,
    ) -> Result<Option<mpsc::Sender<(DeviceIndex, Device)>>, Error> {
        let service = self.accounts.reach(account_region)?;
        self.record_held()?;
        let (sender, receiver) = mpsc::channel(STREAM_WAITING);
        let arrival = Arrival {
            account_region: account_region.clone(),
            rate: self
                .config
                .rate(account_region, self.accounts.target.account()),
            service,
            work: RegionWork::Streamed(receiver),
        };
        self.has_begun = true;
        let begun = self.arrivals.blocking_send(arrival);
        Ok(begun.ok().map(|()| sender))
    }

    fn record_held(&mut self) -> Result<(), Error> {
        let held = std::mem::take(&mut self.held);
        let recorded = self.sink.record_invalid(&held);
        let recorded = self.accounts.runtime.block_on(recorded);
        recorded.map_err(|message| Error::Stopped(Stop::Results(message)))
    }

    fn progress(&self) -> MutexGuard<'_, Streamed> {
        locked(&self.progress)
    }
}

/// The accounts of a stream, which become known as the rows come.
struct StreamAccounts {
    target: Arc<Target>,
    guard: Guard,
    access: Access,
    stop: StopSignal,
    runtime: Handle,
}

impl StreamAccounts {
    /// The account of rows that name none, where the stream has a column for accounts. None where this row names one, and
    /// nothing else tells.
    fn own_account(&self, row: &ValidRow<'_>) -> Result<Option<AccountId>, Error> {
        if !self.access.has_a_profile_for_each() {
            self.meet(row.region())?;
        }
        if row.account().is_some() {
            return Ok(self.target.account().cloned());
        }
        let answering = self.target.check_answering(row.region(), &self.stop);
        self.runtime.block_on(answering)?;
        let own = self.target.account_of_other_rows(&self.access, &self.guard);
        own.map(Some)
    }

    /// Makes sure of the account and Region of a row. Gives the service there, or why it cannot be worked in.
    fn reach(&self, account_region: &AccountRegion) -> Result<Result<AwsService, Stop>, Error> {
        let (target, region) = (&self.target, &account_region.region);
        let not_offered = target.not_offered(std::slice::from_ref(region));
        if let Some((region, failure)) = self.runtime.block_on(not_offered).pop() {
            let regions = vec![region];
            return Ok(Err(Stop::NotOffered { regions, failure }));
        }
        if !self.access.has_a_profile_for_each() {
            self.meet(region)?;
        }
        let account_regions = std::slice::from_ref(account_region);
        let reached = target.reach(&self.access, account_regions, &self.stop);
        self.runtime.block_on(reached)?;
        Ok(target.service(account_region))
    }

    /// Checks the account of the run's own credentials, unless that was done before.
    fn meet(&self, region: &Region) -> Result<(), Error> {
        if self.target.is_identified() {
            return Ok(());
        }
        let regions = std::slice::from_ref(region);
        let met = self.target.meet(&self.guard, regions, &self.stop);
        self.runtime.block_on(met)?;
        self.target.say_first_line(&[region.clone().into()]);
        self.target.check_known(&self.guard)
    }
}

fn locked(progress: &Mutex<Streamed>) -> MutexGuard<'_, Streamed> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

fn damaged(what: &impl ToString) -> Error {
    Error::Stopped(Stop::Manifest(what.to_string()))
}
