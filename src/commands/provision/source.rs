//! Where devices come from: a file in memory, or a stream that is planned row by row while the run goes on.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{self, Stdin};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tracing::info;

use super::json_stream::JsonStream;
use crate::aws::{AwsService, ConfigError};
use crate::cli::{InputArgs, ProvisionArgs};
use crate::commands::target::{self, Target};
use crate::domain::device::{AccountId, Device, DeviceIndex, Region, shown};
use crate::domain::format;
use crate::domain::template::Template;
use crate::engine::event::Listeners;
use crate::engine::{Arrival, Engine, Stop, StopSignal};
use crate::error::Error;
use crate::fleet::batch::{Books, FileRowSink, InvalidLine, RegionWork, SharedDevices, lock};
use crate::fleet::plan::{Counts, Planner, Rules, Verdict};
use crate::manifest::{self, IdPattern, Layout, Manifest, Options, Rows};

/// Regions of a stream that may wait to be begun.
const ARRIVALS_WAITING: usize = 16;

/// Devices of a stream that may wait in each Region before reading waits.
const STREAM_WAITING: usize = 10_000;

/// Where devices come from.
#[derive(Debug)]
pub(super) enum Source {
    /// A file, in memory.
    File(Box<Manifest>),
    /// Standard input.
    Stream(Box<Rows<Stdin>>),
}

impl Source {
    /// Opens the manifest: a file is checked whole, of a stream the header is read.
    pub(super) fn open(path: Option<&Path>, options: &Options) -> Result<Self, Error> {
        let source = match path {
            Some(path) => Self::File(Box::new(Manifest::open(path, options)?)),
            None => Self::Stream(Box::new(manifest::stream(io::stdin(), options)?)),
        };
        if options.region.is_none() && !source.layout().has_region() {
            // Not each row's fault.
            return Err(ConfigError::NoRegion.into());
        }
        Ok(source)
    }

    pub(super) fn layout(&self) -> &Layout {
        match self {
            Self::File(manifest) => manifest.layout(),
            Self::Stream(rows) => rows.layout(),
        }
    }

    /// Refuses a file that another program has changed since it was read.
    pub(super) fn check_current(&self) -> Result<(), Error> {
        match self {
            Self::File(manifest) if !manifest.is_current() => {
                let message = format!(
                    "the manifest {} changed after it was read: another program is perhaps still writing it; nothing \
                     was created. Run again when the file is complete",
                    manifest.file()
                );
                Err(Error::refused("manifest", message))
            }
            _ => Ok(()),
        }
    }

    /// The SHA-256 of a file; a stream has none.
    pub(super) fn sha256(&self) -> Option<&str> {
        match self {
            Self::File(manifest) => Some(manifest.sha256()),
            Self::Stream(_) => None,
        }
    }

    /// The keys of all tags that rows and flags can ask for.
    pub(super) fn tag_keys(&self) -> Vec<Box<str>> {
        self.layout().tag_keys().map(Into::into).collect()
    }

    /// What a person should look at: columns that seem misspelt.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.layout().warnings().to_vec()
    }
}

/// How the arguments say the manifest is to be read.
pub(in crate::commands) fn options(
    input: &InputArgs,
    region: Option<Region>,
) -> Result<Options, Error> {
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

/// Standard input, and what is needed to plan it row by row.
pub(super) struct Stream {
    pub(super) rows: Box<Rows<Stdin>>,
    pub(super) rules: Rules,
    /// The account that this run must be of, where one was expected or found.
    pub(super) account: Option<AccountId>,
    pub(super) target: Arc<Target>,
}

impl Stream {
    /// Runs the engine on what standard input brings, and says how that ended.
    pub(super) async fn work_off(
        self,
        args: &ProvisionArgs,
        engine: Engine<AwsService, FileRowSink<JsonStream>, RegionWork>,
        books: &Books<JsonStream>,
    ) -> (Result<(), Error>, Streamed) {
        let (arrivals, arriving) = mpsc::channel(ARRIVALS_WAITING);
        let progress = Arc::new(Mutex::new(Streamed::default()));
        let reader = StreamReader {
            rows: self.rows,
            rules: self.rules,
            known_devices: Arc::clone(&books.known_devices),
            limit: args.input.limit,
            expect: args.input.expect,
            account: self.account,
            guard: args.service.connection.account.clone(),
            sink: Arc::clone(&books.sink),
            listeners: books.listeners.clone(),
            stop: books.stop.clone(),
            arrivals,
            // Shared, not given away: with it the reader would end the emulator as soon as it has read all.
            target: self.target,
            runtime: Handle::current(),
            progress: Arc::clone(&progress),
            held: Vec::new(),
        };
        // Not waited for: after a stop it may hang on standard input for good.
        let thread = std::thread::Builder::new().name("manifest".to_owned());
        if let Err(error) = thread.spawn(move || reader.read()) {
            books.stop.give(Stop::Manifest(format!(
                "standard input cannot be read: {error}"
            )));
        }
        let stop = engine.run(Some(arriving), !args.service.no_reconcile).await;
        let streamed = locked(&progress).clone();
        let ended = match (stop, streamed.ended.clone()) {
            (Some(stop), _) => Err(Error::Stopped(stop)),
            (None, Some(ended)) => ended,
            // Nothing else ends the arrivals.
            (None, None) => Err(Error::Stopped(Stop::Internal(
                "reading standard input ended without a word".to_owned(),
            ))),
        };
        (ended, streamed)
    }
}

/// Reads a stream while the run goes on, on a thread of its own: standard input cannot be waited for otherwise.
struct StreamReader {
    rows: Box<Rows<Stdin>>,
    rules: Rules,
    known_devices: SharedDevices,
    limit: Option<u64>,
    expect: Option<u64>,
    /// The account that this run must be of, where one was expected or found.
    account: Option<AccountId>,
    /// `--account`.
    guard: Option<AccountId>,
    sink: Arc<FileRowSink<JsonStream>>,
    listeners: Listeners,
    stop: StopSignal,
    arrivals: mpsc::Sender<Arrival<AwsService, RegionWork>>,
    target: Arc<Target>,
    runtime: Handle,
    progress: Arc<Mutex<Streamed>>,
    /// Invalid rows that came before it was known whose account this is: with another one than meant nothing is
    /// written.
    held: Vec<InvalidLine>,
}

/// What has come of a stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Streamed {
    pub(super) counts: Counts,
    /// What the operator should look at, a sentence each.
    pub(super) remarks: Vec<String>,
    /// Whether `--limit` ended it: what follows was not read.
    pub(super) limit_is_reached: bool,
    /// How reading it ended; none before it has.
    pub(super) ended: Option<Result<(), Error>>,
}

impl StreamReader {
    /// Reads to the end, to damage, to the limit, or until the run stops.
    fn read(mut self) {
        let mut planner = Planner::new(self.rules);
        let read = self.read_rows(&mut planner);
        let ended = read
            .and_then(|()| self.record_held())
            .and_then(|()| self.check_count(planner.counts().listed));
        if let Err(Error::Stopped(stop)) = &ended {
            self.stop.give(stop.clone());
        }
        // Before the engine learns that no more arrives: this is dropped last.
        let remarks = planner.remarks(self.rows.lacks_line_end());
        let mut progress = self.progress();
        progress.remarks = remarks;
        progress.ended = Some(ended);
    }

    fn check_count(&self, listed: u64) -> Result<(), Error> {
        let is_whole = !self.stop.is_given() && !self.progress().limit_is_reached;
        match self.expect.filter(|expected| *expected != listed) {
            Some(expected) if is_whole => Err(Error::Stopped(Stop::UnexpectedCount(format!(
                "standard input listed {}, but --expect {expected} was given",
                format::count(listed, "device")
            )))),
            _ => Ok(()),
        }
    }

    fn read_rows(&mut self, planner: &mut Planner) -> Result<(), Error> {
        let mut senders: HashMap<Region, mpsc::Sender<(DeviceIndex, Device)>> = HashMap::new();
        let mut left = self.limit.unwrap_or(u64::MAX);
        while !self.stop.is_given() {
            let row = self.rows.next().map_err(|error| match error {
                error if error.is_without_rows() => error.into(),
                error => damaged(&error),
            })?;
            let Some(row) = row else {
                return Ok(());
            };
            let verdict = planner.judge(&mut lock(&self.known_devices), &row);
            let verdict = verdict.map_err(|error| damaged(&error))?;
            locked(&self.progress).counts = planner.counts().clone();
            match verdict {
                Verdict::Fresh(index, device) | Verdict::Again(index, device) => {
                    let region = device.region.clone();
                    let sender = match senders.entry(region) {
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
                Verdict::Invalid(flaw) => {
                    self.held
                        .push(InvalidLine::new(row.line, row.device_id, flaw));
                    if self.target.is_identified() {
                        self.record_held()?;
                    }
                }
                Verdict::Done | Verdict::Deleted | Verdict::Repeated => {}
            }
        }
        Ok(())
    }

    /// Begins a Region; none where the run has ended meanwhile. Before the first one it is made sure whose account
    /// this is, where that could not be asked for want of a Region.
    fn open_region(
        &mut self,
        region: &Region,
    ) -> Result<Option<mpsc::Sender<(DeviceIndex, Device)>>, Error> {
        let not_offered = self.target.not_offered(std::slice::from_ref(region));
        let not_offered = self.runtime.block_on(not_offered).pop();
        if not_offered.is_none() && !self.target.is_identified() {
            let identified = self.target.identify(region, &self.stop);
            self.runtime.block_on(identified)?;
            self.target.check_account(self.account.as_ref())?;
            self.target.check_guard(self.guard.as_ref())?;
            target::introduce(&self.target, std::slice::from_ref(region));
            self.record_held()?;
        }
        let (sender, receiver) = mpsc::channel(STREAM_WAITING);
        let arrival = Arrival {
            region: region.clone(),
            service: self.target.service(region),
            work: RegionWork::Streamed(receiver),
            not_offered: not_offered.map(|(_, failure)| failure),
        };
        let begun = self.arrivals.blocking_send(arrival);
        Ok(begun.ok().map(|()| sender))
    }

    fn record_held(&mut self) -> Result<(), Error> {
        let held = self.held.drain(..);
        let rows: Vec<_> = held.map(|line| (line.line, line.row())).collect();
        let recorded = self.sink.record_invalid(rows, &self.listeners);
        let recorded = self.runtime.block_on(recorded);
        recorded.map_err(|message| Error::Stopped(Stop::Results(message)))
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
