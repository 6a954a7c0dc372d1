//! The manifest, planned: a file whole before anything is called, a stream row by row while the run goes on.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{self, Stdin};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tracing::info;

use super::ledger::FileLedger;
use super::target::{self, Target};
use super::work::{LaneWork, SharedRoster, lock};
use crate::cli::InputArgs;
use crate::device::{AccountId, Device, LONGEST_DEVICE_ID, Region, shown};
use crate::engine::{Arrival, Stop, StopSignal};
use crate::error::Error;
use crate::event::Listeners;
use crate::figures;
use crate::manifest::{self, IdPattern, Layout, Manifest, ManifestError, Options, Row, Rows};
use crate::plan::{Counts, Flaw, Planner, Rules, Verdict, WorkLists};
use crate::results::record::{self, Status};
use crate::roster::{DeviceIndex, Roster};
use crate::service::aws::{AwsService, ConfigError};
use crate::template::Template;

/// Devices of a stream that may wait in each Region before reading waits.
const STREAM_WAITING: usize = 10_000;

/// Where devices come from.
#[derive(Debug)]
pub(super) enum Source {
    /// A file, in memory.
    File(Arc<Manifest>),
    /// Standard input.
    Stream(Box<Rows<Stdin>>),
}

impl Source {
    /// Opens the manifest: a file is checked whole, of a stream the header is read.
    pub(super) fn open(path: Option<&Path>, options: &Options) -> Result<Self, Error> {
        let source = match path {
            Some(path) => Self::File(Arc::new(Manifest::open(path, options)?)),
            None => Self::Stream(Box::new(manifest::stream(io::stdin(), options)?)),
        };
        if options.region.is_none() && !source.layout().has_region() {
            // Not each row's fault.
            return Err(ConfigError::NoRegion.into());
        }
        Ok(source)
    }

    fn layout(&self) -> &Layout {
        match self {
            Self::File(manifest) => manifest.layout(),
            Self::Stream(rows) => rows.layout(),
        }
    }

    /// The SHA-256 of a file; a stream has none.
    pub(super) fn sha256(&self) -> Option<&str> {
        match self {
            Self::File(manifest) => Some(manifest.sha256()),
            Self::Stream(_) => None,
        }
    }

    /// What a person should look at: columns that seem misspelt.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.layout().warnings().to_vec()
    }
}

impl From<ManifestError> for Error {
    fn from(error: ManifestError) -> Self {
        Self::refused("manifest", error.to_string())
    }
}

/// How the arguments say the manifest is to be read.
pub(super) fn options(input: &InputArgs, region: Option<Region>) -> Result<Options, Error> {
    let template = |flag: String, text: &str| {
        text.parse::<Template>()
            .map_err(|error| Error::refused("usage", format!("{flag}: {error}")))
    };
    let tags = input.tags.iter().map(|(key, text)| {
        let value = template(format!("--tag {key}"), text)?;
        Ok((key.as_str().into(), value))
    });
    let id_pattern = input.id_pattern.as_deref().map(|pattern| {
        IdPattern::parse(pattern).map_err(|error| {
            Error::refused("usage", format!("--id-pattern {}: {error}", shown(pattern)))
        })
    });
    Ok(Options {
        id_column: input.id_column.clone(),
        channel_name: template("--channel-name".to_owned(), &input.channel_name)?,
        message_ttl: input.message_ttl,
        tags: tags.collect::<Result<_, Error>>()?,
        delimiter: input.delimiter,
        id_pattern: id_pattern.transpose()?,
        region,
    })
}

/// An invalid line, kept until its row can be written.
#[derive(Debug)]
pub(super) struct InvalidLine {
    pub(super) at: u64,
    device_id: Box<str>,
    code: &'static str,
    reason: Box<str>,
}

impl InvalidLine {
    fn new(at: u64, device_id: &str, flaw: Flaw) -> Self {
        Self {
            at,
            device_id: device_id
                .get(..device_id.floor_char_boundary(LONGEST_DEVICE_ID))
                .unwrap_or_default()
                .into(),
            code: flaw.code,
            reason: flaw.reason.into(),
        }
    }

    /// Its row in the results. Nothing was started, so it has no times.
    pub(super) fn row(&self) -> record::Row {
        record::Row {
            device_id: self.device_id.clone(),
            channel_name: Box::default(),
            region: "".into(),
            status: Status::Invalid,
            channel_arn: None,
            attempts: 0,
            started_at: None,
            finished_at: None,
            error_code: self.code.into(),
            error_message: self.reason.clone(),
            request_id: Box::default(),
        }
    }
}

/// A file's plan.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) counts: Counts,
    pub(super) work: WorkLists,
    pub(super) invalid: Vec<InvalidLine>,
}

/// Plans a file whole.
pub(super) fn plan(
    manifest: &Manifest,
    roster: &mut Roster,
    rules: Rules,
) -> Result<Planned, Error> {
    let mut planner = Planner::new(rules);
    let mut work = WorkLists::default();
    let mut invalid = Vec::new();
    let mut rows = manifest.rows();
    while let Some(row) = rows.next()? {
        match judge(&mut planner, roster, &row)? {
            Verdict::Invalid(flaw) => invalid.push(InvalidLine::new(row.at, row.device_id, flaw)),
            verdict => work.add(roster, &verdict),
        }
    }
    Ok(Planned {
        counts: planner.counts().clone(),
        work,
        invalid,
    })
}

fn judge(planner: &mut Planner, roster: &mut Roster, row: &Row<'_>) -> Result<Verdict, Error> {
    planner
        .judge(roster, row)
        .map_err(|moved| Error::refused("moved-device", moved.to_string()))
}

/// Reads a stream while the run goes on, on a thread of its own: standard input cannot be waited for otherwise.
pub(super) struct StreamReader {
    pub(super) rows: Box<Rows<Stdin>>,
    pub(super) rules: Rules,
    pub(super) roster: SharedRoster,
    pub(super) limit: Option<u64>,
    pub(super) expect: Option<u64>,
    /// The account that this run must be of, where one was expected or found.
    pub(super) account: Option<AccountId>,
    /// `--account`.
    pub(super) guard: Option<AccountId>,
    pub(super) ledger: Arc<FileLedger>,
    pub(super) listeners: Listeners,
    pub(super) stop: StopSignal,
    pub(super) arrivals: mpsc::Sender<Arrival<AwsService, LaneWork>>,
    pub(super) target: Arc<Target>,
    pub(super) runtime: Handle,
    pub(super) progress: Arc<Mutex<Streamed>>,
}

/// What has come of a stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Streamed {
    pub(super) counts: Counts,
    /// Whether `--limit` ended it: what follows was not read.
    pub(super) limit_is_reached: bool,
    /// How reading it ended; none before it has.
    pub(super) ended: Option<Result<(), Error>>,
}

impl StreamReader {
    /// Reads to the end, to damage, to the limit, or until the run stops.
    pub(super) fn read(mut self) {
        let mut planner = Planner::new(std::mem::take(&mut self.rules));
        let read = self.read_rows(&mut planner);
        let ended = read.and_then(|()| self.check_count(planner.counts().listed));
        if let Err(Error::Stopped(stop)) = &ended {
            self.stop.give(stop.clone());
        }
        // Before the engine learns that no more arrives: this is dropped last.
        self.progress().ended = Some(ended);
    }

    fn check_count(&self, listed: u64) -> Result<(), Error> {
        let is_whole = !self.stop.is_given() && !self.progress().limit_is_reached;
        match self.expect.filter(|expected| *expected != listed) {
            Some(expected) if is_whole => Err(Error::Stopped(Stop::UnexpectedCount(format!(
                "standard input listed {}, but --expect {expected} was given",
                figures::count(listed, "device")
            )))),
            _ => Ok(()),
        }
    }

    fn read_rows(&mut self, planner: &mut Planner) -> Result<(), Error> {
        let mut lanes: HashMap<Region, mpsc::Sender<(DeviceIndex, Device)>> = HashMap::new();
        let mut left = self.limit.unwrap_or(u64::MAX);
        while !self.stop.is_given() {
            let row = self.rows.next().map_err(|error| match error {
                error if error.is_without_rows() => error.into(),
                error => damaged(&error),
            })?;
            let Some(row) = row else {
                return Ok(());
            };
            let verdict = planner.judge(&mut lock(&self.roster), &row);
            let verdict = verdict.map_err(|error| damaged(&error))?;
            locked(&self.progress).counts = planner.counts().clone();
            match verdict {
                Verdict::Fresh(index) | Verdict::Again(index) => {
                    let Ok(ask) = &row.ask else { continue };
                    let device = ask.to_device();
                    let region = device.region.clone();
                    let lane = match lanes.entry(region) {
                        Entry::Occupied(lane) => lane.into_mut(),
                        Entry::Vacant(place) => {
                            let Some(lane) = self.open_lane(place.key())? else {
                                return Ok(());
                            };
                            place.insert(lane)
                        }
                    };
                    // A lane that is gone has stopped; its devices have no row.
                    let _ = lane.blocking_send((index, device));
                    left -= 1;
                    if left == 0 {
                        info!("--limit is reached; what follows on standard input is not read");
                        self.progress().limit_is_reached = true;
                        return Ok(());
                    }
                }
                Verdict::Invalid(flaw) => {
                    let line = InvalidLine::new(row.at, row.device_id, flaw);
                    let rows = vec![(line.at, line.row())];
                    let recorded = self.ledger.record_invalid(rows, &self.listeners);
                    let recorded = self.runtime.block_on(recorded);
                    recorded.map_err(|message| Error::Stopped(Stop::Results(message)))?;
                }
                Verdict::Done(_) | Verdict::Deleted | Verdict::Repeated => {}
            }
        }
        Ok(())
    }

    /// Begins a Region; none where the run has ended meanwhile. Before the first one it is made sure whose account
    /// this is, where that could not be asked for want of a Region.
    fn open_lane(
        &self,
        region: &Region,
    ) -> Result<Option<mpsc::Sender<(DeviceIndex, Device)>>, Error> {
        if !self.target.is_identified() {
            let identified = self.target.identify(region, &self.stop);
            self.runtime.block_on(identified)?;
            self.target.check_account(self.account.as_ref())?;
            self.target.check_guard(self.guard.as_ref())?;
            target::introduce(&self.target, std::slice::from_ref(region));
        }
        let (sender, receiver) = mpsc::channel(STREAM_WAITING);
        let arrival = Arrival {
            region: region.clone(),
            service: self.target.service(region),
            work: LaneWork::Streamed(receiver),
        };
        let begun = self.arrivals.blocking_send(arrival);
        Ok(begun.ok().map(|()| sender))
    }

    fn progress(&self) -> MutexGuard<'_, Streamed> {
        locked(&self.progress)
    }
}

fn locked(progress: &Mutex<Streamed>) -> MutexGuard<'_, Streamed> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

fn damaged(what: &impl ToString) -> Error {
    Error::Stopped(Stop::Manifest(what.to_string()))
}
