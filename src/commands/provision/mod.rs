//! `kvs-fleet provision`: the main job, from the arguments to the exit code.
//!
//! The order matters. Everything that can be refused is checked before anything is sent or written: the manifest is
//! read whole, the results are locked and read, the plan is made, and who we are is asked. Then what exists is listed.
//! Only then is the journal touched, and only then is a channel created.

mod ending;
mod history;
mod json_stream;
mod ledger;
mod narrator;
mod paths;
mod settings;
mod signals;
mod source;
mod target;
mod work;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::io::Stdin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::cli::ProvisionArgs;
use crate::clock::WallClock;
use crate::device::{AccountId, Region};
use crate::engine::{self, Engine, Parts, Stop, StopSignal};
use crate::error::Error;
use crate::event::{Event, Listener, Listeners};
use crate::logging::{self, Console};
use crate::manifest::{Manifest, Options, Rows};
use crate::plan::{Counts, Rules};
use crate::progress::Progress;
use crate::results::disk::RealDisk;
use crate::results::finish::{FinishRow, remove_leftover};
use crate::results::journal::Journal;
use crate::results::runs_log::RunsLog;
use crate::results::writer;
use crate::roster::{DeviceIndex, Roster};
use crate::service::aws::AwsService;
use crate::summary::Summary;
use crate::tally::Tally;
use history::History;
use ledger::FileLedger;
use paths::Paths;
use source::{InvalidLine, Planned, Source, StreamReader, Streamed};
use target::Target;
use work::{LaneWork, ListedWork, SharedRoster};

/// Regions of a stream that may wait to be begun.
const ARRIVALS_WAITING: usize = 16;

/// Invalid rows that are named on the screen; all are in the results.
const SHOWN_INVALID: usize = 10;

/// Rows of invalid lines handed to the journal at once.
const INVALID_BATCH: usize = 1_000;

/// How long a service that was once reached may stay silent before the run stops.
const MAX_OFFLINE: std::time::Duration = std::time::Duration::from_mins(15);

/// The engine over the AWS SDK and the results file.
type ProvisionEngine = Engine<AwsService, FileLedger, LaneWork>;

/// Runs the subcommand and says with which exit code it ended.
pub async fn run(args: ProvisionArgs) -> u8 {
    let output = &args.output;
    let colour = std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let console = logging::start(output.log_format, output.quiet, output.verbose, colour);
    let mut run = Run {
        tally: Arc::new(Tally::new()),
        stop: StopSignal::new(),
        listeners: Listeners::default(),
        console,
        summary: Summary {
            ceiling: args.pace.rate.ceiling(),
            started_at: Some(SystemTime::now()),
            ..Summary::default()
        },
    };
    signals::listen(run.stop.clone());
    run.listeners
        .add(Arc::clone(&run.tally) as Arc<dyn Listener>);
    run.listeners.add(Arc::new(narrator::Narrator));
    if args.results.json {
        run.listeners
            .add(Arc::new(json_stream::JsonStream::default()));
    }
    let ended = run.provision(&args).await;
    run.conclude(&args, &ended)
}

/// What a run is made of before it knows its files.
struct Run {
    tally: Arc<Tally>,
    stop: StopSignal,
    listeners: Listeners,
    console: Console,
    summary: Summary,
}

/// Everything that is known when nothing has been sent or written yet.
struct Ready {
    paths: Paths,
    target: Target,
    source: Source,
    log: RunsLog<RealDisk>,
    journal: Journal<RealDisk>,
    roster: Roster,
    rules: Rules,
    /// The account of the results' ARNs, or `--account`.
    expected: Option<AccountId>,
}

impl Run {
    async fn provision(&mut self, args: &ProvisionArgs) -> Result<(), Error> {
        let mut ready = self.prepare(args).await?;
        match &ready.source {
            Source::File(manifest) => {
                let manifest = Arc::clone(manifest);
                let rules = std::mem::take(&mut ready.rules);
                let planned = source::plan(&manifest, &mut ready.roster, rules)?;
                check_plan(args, &planned).inspect_err(|_| say_invalid(&planned.invalid))?;
                self.note(&planned.counts);
                if planned.work.is_empty() {
                    return self.nothing_to_do(ready, &planned);
                }
                self.work_off(args, ready, Some(planned)).await
            }
            Source::Stream(_) => self.work_off(args, ready, None).await,
        }
    }

    /// Finds and opens everything, and checks what can be checked without a plan.
    async fn prepare(&mut self, args: &ProvisionArgs) -> Result<Ready, Error> {
        let emulator = args.service.emulator;
        let paths = Paths::new(&args.manifest, args.results.file.as_deref(), emulator)?;
        if paths.manifest.is_none() && args.input.strict {
            let message = "--strict looks at all rows before it starts, which standard input does not allow; give a \
                           file, or leave --strict out";
            return Err(Error::refused("usage", message));
        }
        self.summary.manifest = Some(args.manifest.clone());
        self.summary.results = Some(paths.results.clone());
        if args.input.strict && paths.manifest.is_none() {
            let message = "--strict needs the whole manifest before the first call, but standard input is read as it \
                           comes; give a file, or leave --strict out";
            return Err(Error::refused("usage", message));
        }
        if let Some(manifest) = paths.manifest.as_deref().filter(|path| !path.exists()) {
            let message = format!("the manifest {} does not exist", manifest.display());
            return Err(Error::refused("manifest", message));
        }
        paths.check_place()?;
        let target = Target::load(&args.service, &args.pace).await?;
        self.summary.emulator = target.is_emulator();
        self.summary.endpoint = target.url().map(str::to_owned);
        let options = source::options(&args.input, target.default_region())?;
        let (source, (log, history)) = open_files(&paths, options).await?;
        for warning in source.warnings() {
            warn!("{warning}");
        }
        let History {
            journal,
            roster,
            account,
        } = history;
        settings::check(args, &log, &roster)?;
        target.check_kind(account.as_ref(), &paths.results)?;
        let expected = target::expected(args.service.account.as_ref(), account, &paths.results)?;
        let rules = settings::rules(args, &source, &log);
        Ok(Ready {
            paths,
            target,
            source,
            log,
            journal,
            roster,
            rules,
            expected,
        })
    }

    fn note(&mut self, counts: &Counts) {
        self.summary.listed = counts.listed;
        self.summary.done_before = counts.done;
        self.summary.deleted = counts.deleted;
        if counts.changed > 0 {
            warn!(
                "{} finished devices now ask for another TTL or other tags; their channels are left as they are",
                counts.changed
            );
        }
    }

    /// Everything is done: nobody is called; the file is put in the manifest's order if it is not.
    fn nothing_to_do(&mut self, mut ready: Ready, planned: &Planned) -> Result<(), Error> {
        say_invalid(&planned.invalid);
        ending::say_unlisted(&ready.roster);
        ending::say_torn(&ready.journal);
        if ready.roster.is_empty() && planned.invalid.is_empty() {
            return Ok(());
        }
        ready
            .journal
            .prepare()
            .map_err(|error| Error::Stopped(Stop::Results(error.to_string())))?;
        let rows: Vec<_> = planned
            .invalid
            .iter()
            .map(|line| (line.at, FinishRow::New(Box::new(line.row()))))
            .collect();
        ending::finish(ready.journal, &ready.roster, rows)?;
        for line in &planned.invalid {
            self.listeners.tell(&Event::Recorded { row: &line.row() });
        }
        let Counts {
            listed,
            done,
            deleted,
            invalid,
            ..
        } = planned.counts;
        info!(
            "nothing to do: {}",
            match (listed, deleted, invalid) {
                (0, ..) => "the manifest has no valid row",
                (_, 1.., _) => "every valid row has its channel, or had one that was deleted",
                (_, _, 1..) => "every valid row has its channel",
                _ => "every device has its channel",
            }
        );
        if self.summary.emulator && done > 0 {
            info!(
                "the emulator that made these channels ended with its run; delete {} to rehearse again",
                ready.paths.results.display()
            );
        }
        Ok(())
    }

    /// Connects, lists, creates, and puts the results in order.
    async fn work_off(
        &mut self,
        args: &ProvisionArgs,
        mut ready: Ready,
        planned: Option<Planned>,
    ) -> Result<(), Error> {
        let (counts, mut work, invalid) = match planned {
            Some(planned) => (Some(planned.counts), planned.work, planned.invalid),
            None => Default::default(),
        };
        if let Some(limit) = args.input.limit {
            work.limit(&ready.roster, limit);
        }
        let total = counts.is_some().then(|| work.len());
        let regions = work.into_regions();
        self.meet(&mut ready, regions.keys().cloned().collect())
            .await?;
        if counts.is_some() {
            say_invalid(&invalid);
            ending::say_unlisted(&ready.roster);
        }
        ending::say_torn(&ready.journal);

        let roster: SharedRoster = Arc::new(Mutex::new(ready.roster));
        let (recorder, mut writer) = writer::recorder(&RealDisk, ready.journal);
        let ledger = FileLedger::new(recorder, Arc::clone(&roster), &ready.paths.results);
        let parts = Parts {
            settings: engine_settings(args, ready.expected.clone()),
            ledger: Arc::clone(&ledger),
            listeners: self.listeners.clone(),
            stop: self.stop.clone(),
            clock: WallClock::system(),
        };
        let mut engine = Engine::new(parts);
        if let Source::File(manifest) = &ready.source {
            add_lanes(&mut engine, regions, manifest, &ready.target, &roster);
        }
        let reconcile = !args.service.no_reconcile;
        if reconcile {
            engine.take_census().await;
            self.check_census(args, &engine)?;
        }

        // From here on the files are written.
        let prepared = writer.prepare();
        prepared.map_err(|error| Error::refused("results", error.to_string()))?;
        let start = settings::start(
            args,
            &ready.source,
            &ready.target,
            engine.account().as_ref(),
            &self.summary.regions,
        );
        let logged = ready.log.append([start]);
        logged.map_err(|error| Error::refused("results", error.to_string()))?;
        let writer = tokio::spawn(writer.run());
        let mut journey = Journey {
            ledger,
            roster,
            stop: self.stop.clone(),
            listeners: self.listeners.clone(),
        };
        let progress = Progress::start(
            args.output.progress,
            args.output.quiet,
            total,
            Arc::clone(&self.tally),
            self.console.clone(),
        );
        journey.record_invalid(&invalid).await;
        let (stop, streamed) = match ready.source {
            Source::File(_) => (engine.run(None, reconcile).await, None),
            Source::Stream(rows) => {
                let target = Arc::new(ready.target);
                let streamed = journey
                    .stream(args, rows, ready.rules, engine, target)
                    .await;
                (streamed.0, Some(streamed.1))
            }
        };
        drop(progress);
        if let Some(counts) = streamed
            .as_ref()
            .map(|streamed| &streamed.counts)
            .or(counts.as_ref())
        {
            self.note(counts);
        }
        let invalid = journey.ledger.close();
        let closed = writer.await.map_err(|error| {
            Error::Stopped(Stop::Results(format!(
                "the results could not be closed: {error}"
            )))
        })?;
        self.settle(
            closed,
            stop,
            ending::Books {
                log: ready.log,
                roster: journey.roster,
                invalid,
            },
        )
    }

    /// Asks who we are, compares the accounts, and prints the first line.
    async fn meet(&mut self, ready: &mut Ready, mut regions: Vec<Region>) -> Result<(), Error> {
        let region = regions
            .first()
            .cloned()
            .or_else(|| ready.target.default_region());
        if let Some(region) = region {
            ready.target.identify(&region).await?;
            if regions.is_empty() {
                regions.push(region);
            }
        }
        if let Some(found) = ready.target.account() {
            if let Some(expected) = ready
                .expected
                .as_ref()
                .filter(|expected| *expected != found)
            {
                let message = if ready.target.is_emulator() {
                    format!(
                        "--account is {expected}, but the emulator's account is always {found}; leave --account out \
                         of a rehearsal"
                    )
                } else {
                    let stop = Stop::WrongAccount {
                        expected: expected.clone(),
                        found: found.clone(),
                    };
                    stop.to_string()
                };
                return Err(Error::refused("wrong-account", message));
            }
            ready.expected = Some(found.clone());
        }
        self.summary.account = ready.target.account().map(ToString::to_string);
        self.summary.regions = regions.iter().map(ToString::to_string).collect();
        let line = ready.target.first_line(&regions);
        if ready.target.is_aws() {
            info!("{line}");
        } else {
            warn!("{line}");
        }
        Ok(())
    }

    /// Refuses an account that was not meant, and says what would not fit into the account.
    fn check_census(
        &mut self,
        args: &ProvisionArgs,
        engine: &ProvisionEngine,
    ) -> Result<(), Error> {
        match self.stop.cause() {
            Some(stop @ Stop::WrongAccount { .. }) => {
                return Err(Error::refused("wrong-account", stop.to_string()));
            }
            Some(stop) => return Err(stop.into()),
            None => {}
        }
        self.summary.account = engine.account().map(|account| account.to_string());
        for (region, census, work) in engine.censuses() {
            let Some(census) = census else { continue };
            let quota = args.service.channel_quota.unwrap_or(channel_quota(region));
            let fresh = work.len().saturating_sub(census.wanted());
            let there = census.total;
            if (there + fresh) as u64 > quota {
                warn!(
                    "{region} has {there} channels and {fresh} are to be created, but the account's limit is {quota} \
                     (--channel-quota): expect the service to refuse the rest, or ask AWS support for more first"
                );
            }
        }
        Ok(())
    }
}

/// What is needed while the run is under way.
struct Journey {
    ledger: Arc<FileLedger>,
    roster: SharedRoster,
    stop: StopSignal,
    listeners: Listeners,
}

impl Journey {
    async fn record_invalid(&mut self, lines: &[InvalidLine]) {
        for batch in lines.chunks(INVALID_BATCH) {
            let rows = batch.iter().map(|line| (line.at, line.row())).collect();
            if let Err(message) = self.ledger.record_invalid(rows, &self.listeners).await {
                self.stop.give(Stop::Results(message));
                return;
            }
        }
    }

    /// Runs the engine on what standard input brings.
    async fn stream(
        &mut self,
        args: &ProvisionArgs,
        rows: Box<Rows<Stdin>>,
        rules: Rules,
        engine: ProvisionEngine,
        target: Arc<Target>,
    ) -> (Option<Stop>, Streamed) {
        let (arrivals, arriving) = mpsc::channel(ARRIVALS_WAITING);
        let progress = Arc::new(Mutex::new(Streamed::default()));
        let reader = StreamReader {
            rows,
            rules,
            roster: Arc::clone(&self.roster),
            limit: args.input.limit,
            expect: args.input.expect,
            ledger: Arc::clone(&self.ledger),
            listeners: self.listeners.clone(),
            stop: self.stop.clone(),
            arrivals,
            // Shared, not given away: with it the reader would end the emulator as soon as it has read all.
            target: Arc::clone(&target),
            runtime: Handle::current(),
            progress: Arc::clone(&progress),
        };
        // Not waited for: after a stop it may hang on standard input for good.
        let thread = std::thread::Builder::new().name("manifest".to_owned());
        if let Err(error) = thread.spawn(move || reader.read()) {
            self.stop.give(Stop::Manifest(format!(
                "standard input cannot be read: {error}"
            )));
        }
        let stop = engine.run(Some(arriving), !args.service.no_reconcile).await;
        let streamed = progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        (stop, streamed)
    }
}

/// Refuses a plan that is not what the person expects, before anything is sent.
fn check_plan(args: &ProvisionArgs, planned: &Planned) -> Result<(), Error> {
    let Counts {
        listed, invalid, ..
    } = planned.counts;
    if let Some(expected) = args.input.expect.filter(|expected| *expected != listed) {
        let message = format!(
            "the manifest lists {listed} devices, but --expect {expected} was given; nothing was attempted"
        );
        return Err(Error::refused("unexpected-count", message));
    }
    if args.input.strict && invalid > 0 {
        let message = format!(
            "{invalid} rows of the manifest are invalid and --strict was given; nothing was attempted"
        );
        return Err(Error::refused("invalid-rows", message));
    }
    Ok(())
}

/// Says which rows are invalid, the first few of them.
fn say_invalid(lines: &[InvalidLine]) {
    for line in lines.iter().take(SHOWN_INVALID) {
        warn!("invalid row: {}", line.row().error_message);
    }
    let more = lines.len().saturating_sub(SHOWN_INVALID);
    if more > 0 {
        warn!("{more} more rows are invalid");
    }
}

/// Opens the manifest, and locks and reads the results: side by side where there are results, since both may be large;
/// else one after the other, so that a manifest that cannot be read leaves nothing behind.
async fn open_files(
    paths: &Paths,
    options: Options,
) -> Result<(Source, (RunsLog<RealDisk>, History)), Error> {
    let manifest = paths.manifest.clone();
    if manifest.is_none() || !paths.results.exists() {
        let source = Source::open(manifest.as_deref(), &options)?;
        return Ok((source, open_results(paths)?));
    }
    let opening = tokio::task::spawn_blocking(move || Source::open(manifest.as_deref(), &options));
    let results = open_results(paths);
    let source = opening.await.map_err(|error| {
        Error::refused(
            "manifest",
            format!("the manifest could not be read: {error}"),
        )
    })?;
    Ok((source?, results?))
}

fn open_results(paths: &Paths) -> Result<(RunsLog<RealDisk>, History), Error> {
    let log = RunsLog::lock(&RealDisk, &paths.results)
        .map_err(|error| Error::refused("results", error.to_string()))?;
    remove_leftover(&RealDisk, &paths.results).map_err(|error| {
        let message = format!(
            "what a killed run left beside {} cannot be removed: {error}",
            paths.results.display()
        );
        Error::refused("results", message)
    })?;
    Ok((log, History::read(&paths.results)?))
}

/// A lane for each Region of a planned file.
fn add_lanes(
    engine: &mut ProvisionEngine,
    regions: BTreeMap<Region, Vec<DeviceIndex>>,
    manifest: &Arc<Manifest>,
    target: &Target,
    roster: &SharedRoster,
) {
    for (region, devices) in regions {
        let work = LaneWork::Listed(Box::new(ListedWork {
            region: region.clone(),
            manifest: manifest.cursor(),
            roster: Arc::clone(roster),
            devices: devices.into_iter(),
        }));
        let service = target.service(&region);
        engine.add_lane(region, service, work);
    }
}

fn engine_settings(args: &ProvisionArgs, account: Option<AccountId>) -> engine::Settings {
    engine::Settings {
        workers: args.pace.workers,
        rate: args.pace.rate.range(),
        max_attempts: args.pace.max_attempts,
        max_throttled: args.pace.max_throttled,
        max_offline: MAX_OFFLINE,
        timeout: args.pace.timeout,
        max_failures: args.pace.max_failures,
        on_exists: args.service.on_exists,
        account,
        seed: fastrand::u64(..),
    }
}

/// Channels an account may have in a Region, before support raises it (WebRTC developer guide, quotas).
fn channel_quota(region: &Region) -> u64 {
    match region.as_str() {
        "us-east-1" | "us-west-2" => 10_000,
        _ => 5_000,
    }
}
