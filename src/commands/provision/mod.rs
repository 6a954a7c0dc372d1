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
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::cli::ProvisionArgs;
use crate::clock::WallClock;
use crate::device::{AccountId, Region};
use crate::engine::{self, Census, Engine, Parts, Stop, StopSignal};
use crate::error::Error;
use crate::event::{Event, Listener, Listeners};
use crate::figures;
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
use json_stream::JsonStream;
use ledger::FileLedger;
use paths::Paths;
use signals::LastWords;
use source::{InvalidLine, Planned, Source, StreamReader, Streamed};
use target::Target;
use work::{LaneWork, ListedWork, SharedRoster};

/// Regions of a stream that may wait to be begun.
const ARRIVALS_WAITING: usize = 16;

/// Invalid rows that are named on the screen; all are in the results.
const SHOWN_INVALID: usize = 10;

/// Rows of invalid lines handed to the journal at once.
const INVALID_BATCH: usize = 1_000;

/// The engine over the AWS SDK and the results file.
type ProvisionEngine = Engine<AwsService, FileLedger, LaneWork>;

/// Runs the subcommand and says with which exit code it ended. `warnings` are about the environment.
pub async fn run(args: ProvisionArgs, warnings: &[String]) -> u8 {
    let output = &args.output;
    let colour = std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let console = logging::start(output.log_format, output.quiet, output.verbose, colour);
    for warning in warnings {
        warn!("{warning}");
    }
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
        summary_file: args.results.summary_json.clone(),
        json: None,
        changed: 0,
        limit_is_reached: false,
        last_words: LastWords::default(),
    };
    signals::listen(
        run.stop.clone(),
        run.console.clone(),
        run.last_words.clone(),
    );
    run.listeners
        .add(Arc::clone(&run.tally) as Arc<dyn Listener>);
    run.listeners.add(Arc::new(narrator::Narrator));
    let ended = run.provision(&args).await;
    if let Some(json) = &run.json {
        json.close().await;
    }
    run.conclude(&ended)
}

/// What a run is made of before it knows its files.
struct Run {
    tally: Arc<Tally>,
    stop: StopSignal,
    listeners: Listeners,
    console: Console,
    summary: Summary,
    /// Where the summary is written.
    summary_file: Option<PathBuf>,
    /// Where rows are printed for a script that asked for them.
    json: Option<Arc<JsonStream>>,
    /// Finished devices that now ask for another TTL or other tags.
    changed: u64,
    /// Whether `--limit` left devices to another run.
    limit_is_reached: bool,
    last_words: LastWords,
}

/// Everything that is known when nothing has been sent or written yet.
struct Ready {
    paths: Paths,
    target: Arc<Target>,
    source: Source,
    log: RunsLog<RealDisk>,
    journal: Journal<RealDisk>,
    roster: Roster,
    /// Whether there was a results file before.
    had_results: bool,
    rules: Rules,
    /// The account of the results' ARNs, or `--account`.
    expected: Option<AccountId>,
}

impl Run {
    async fn provision(&mut self, args: &ProvisionArgs) -> Result<(), Error> {
        if args.results.json {
            let json =
                JsonStream::start(self.stop.clone(), args.pace.timeout, self.console.clone());
            let json = json.map_err(|error| {
                Error::refused("usage", format!("--json cannot be written: {error}"))
            })?;
            self.json = Some(Arc::new(json));
        }
        let mut ready = self.prepare(args).await?;
        match &ready.source {
            Source::File(manifest) => {
                let manifest = Arc::clone(manifest);
                let rules = std::mem::take(&mut ready.rules);
                let planned = source::plan(&manifest, &mut ready.roster, rules)?;
                check_plan(args, &planned).inspect_err(|_| say_invalid(&planned.invalid))?;
                self.note(&planned.counts);
                if planned.work.is_empty() {
                    return self.nothing_to_do(ready, &planned).await;
                }
                self.work_off(args, ready, Some(planned)).await
            }
            Source::Stream(_) => self.work_off(args, ready, None).await,
        }
    }

    /// Finds and opens everything, and checks what can be checked without a plan.
    async fn prepare(&mut self, args: &ProvisionArgs) -> Result<Ready, Error> {
        let emulator = args.service.emulator;
        let results = args.results.file.as_deref();
        if let Some(summary) = self.summary_file.take() {
            // A summary that is refused is not written even now.
            paths::check_summary(&summary, &args.manifest, results, emulator)?;
            self.summary_file = Some(summary);
        }
        let paths = Paths::new(&args.manifest, results, emulator)?;
        self.summary.manifest = Some(args.manifest.clone());
        self.summary.results = Some(paths.results.clone());
        self.leave_words(None);
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
        let had_results = paths.results.exists();
        let (source, (log, history)) = open_files(&paths, options, &self.stop).await?;
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
            target: Arc::new(target),
            source,
            log,
            journal,
            roster,
            had_results,
            rules,
            expected,
        })
    }

    fn note(&mut self, counts: &Counts) {
        self.summary.listed = counts.listed;
        self.summary.done_before = counts.done;
        self.summary.deleted = counts.deleted;
        self.changed = counts.changed;
        if counts.changed > 0 {
            let (devices, ask) = match counts.changed {
                1 => ("1 finished device".to_owned(), "asks"),
                several => (format!("{several} finished devices"), "ask"),
            };
            warn!(
                "{devices} now {ask} for another TTL or other tags; finished channels are left as they are"
            );
        }
    }

    /// Everything is done: nobody is called; the file is put in the manifest's order if it is not.
    async fn nothing_to_do(&mut self, mut ready: Ready, planned: &Planned) -> Result<(), Error> {
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
        for row in planned.invalid.iter().map(InvalidLine::row) {
            if let Some(json) = &self.json {
                json.print([json_stream::line(&row)]).await;
            }
            self.listeners.tell(&Event::Recorded { row: &row });
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
            let all = work.len();
            work.limit(&ready.roster, limit);
            self.limit_is_reached = work.len() < all;
        }
        let total = counts.is_some().then(|| work.len());
        let regions = work.into_regions();
        for (region, devices) in &regions {
            self.tally.plan(region, devices.len() as u64);
        }
        self.meet(&mut ready, regions.keys().cloned().collect())
            .await?;
        if counts.is_some() {
            say_invalid(&invalid);
            ending::say_unlisted(&ready.roster);
        }
        ending::say_torn(&ready.journal);

        let roster: SharedRoster = Arc::new(Mutex::new(ready.roster));
        let (recorder, mut writer) = writer::recorder(&RealDisk, ready.journal);
        let results = &ready.paths.results;
        let ledger = FileLedger::new(recorder, Arc::clone(&roster), results, self.json.clone());
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
        if !args.service.no_reconcile {
            engine.take_census().await;
            self.check_census(args, &engine)?;
        }
        let was_listed = |census: Option<&Census>| census.is_some_and(|census| census.total > 0);
        if !engine.censuses().any(|(_, census, _)| was_listed(census)) {
            // Neither an identity nor an ARN has said whose account this is, or the Region will say it later.
            ready.target.check_guard(args.service.account.as_ref())?;
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
        let log = Arc::new(Mutex::new(ready.log));
        self.leave_words(Some(Arc::clone(&log)));
        let writer = tokio::spawn(writer.run());
        let journey = Journey {
            ledger,
            roster,
            target: Arc::clone(&ready.target),
            account: ready.expected.clone(),
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
        let ended = self
            .work_through(args, ready.source, ready.rules, engine, &journey)
            .await;
        drop(progress);
        let invalid = journey.ledger.close();
        let closed = writer.await.map_err(|error| {
            Error::Stopped(Stop::Results(format!(
                "the results could not be closed: {error}"
            )))
        })?;
        self.settle(
            closed,
            ended,
            ending::Books {
                had_results: ready.had_results,
                log,
                roster: journey.roster,
                invalid,
            },
        )
    }

    /// Works until everything is done or the run is stopped, and says how that ended.
    async fn work_through(
        &mut self,
        args: &ProvisionArgs,
        source: Source,
        rules: Rules,
        engine: ProvisionEngine,
        journey: &Journey,
    ) -> Result<(), Error> {
        let rows = match source {
            Source::Stream(rows) => rows,
            Source::File(_) => {
                let stop = engine.run(None, !args.service.no_reconcile).await;
                return stop.map_or(Ok(()), |stop| Err(Error::Stopped(stop)));
            }
        };
        let (ended, streamed) = journey.stream(args, rows, rules, engine).await;
        self.note(&streamed.counts);
        self.limit_is_reached = streamed.limit_is_reached;
        if let Some(account) = journey.target.account() {
            self.summary.account = Some(account.to_string());
        }
        ended
    }

    /// Asks who we are, compares the accounts, and prints the first line.
    async fn meet(&mut self, ready: &mut Ready, mut regions: Vec<Region>) -> Result<(), Error> {
        let region = regions
            .first()
            .cloned()
            .or_else(|| ready.target.default_region());
        if let Some(region) = region {
            ready.target.identify(&region, &self.stop).await?;
            if regions.is_empty() {
                regions.push(region);
            }
        }
        ready.target.check_account(ready.expected.as_ref())?;
        if let Some(found) = ready.target.account() {
            ready.expected = Some(found.clone());
        }
        self.summary.account = ready.target.account().map(ToString::to_string);
        self.summary.regions = regions.iter().map(ToString::to_string).collect();
        target::introduce(&ready.target, &regions);
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
            let fresh = work.missing_from(census);
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
    target: Arc<Target>,
    /// The account that this run must be of, where one was expected or found.
    account: Option<AccountId>,
    stop: StopSignal,
    listeners: Listeners,
}

impl Journey {
    async fn record_invalid(&self, lines: &[InvalidLine]) {
        for batch in lines.chunks(INVALID_BATCH) {
            let rows = batch.iter().map(|line| (line.at, line.row())).collect();
            if let Err(message) = self.ledger.record_invalid(rows, &self.listeners).await {
                self.stop.give(Stop::Results(message));
                return;
            }
        }
    }

    /// Runs the engine on what standard input brings, and says how that ended.
    async fn stream(
        &self,
        args: &ProvisionArgs,
        rows: Box<Rows<Stdin>>,
        rules: Rules,
        engine: ProvisionEngine,
    ) -> (Result<(), Error>, Streamed) {
        let (arrivals, arriving) = mpsc::channel(ARRIVALS_WAITING);
        let progress = Arc::new(Mutex::new(Streamed::default()));
        let reader = StreamReader {
            rows,
            rules,
            roster: Arc::clone(&self.roster),
            limit: args.input.limit,
            expect: args.input.expect,
            account: self.account.clone(),
            guard: args.service.account.clone(),
            ledger: Arc::clone(&self.ledger),
            listeners: self.listeners.clone(),
            stop: self.stop.clone(),
            arrivals,
            // Shared, not given away: with it the reader would end the emulator as soon as it has read all.
            target: Arc::clone(&self.target),
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

/// Refuses a plan that is not what the person expects, before anything is sent.
fn check_plan(args: &ProvisionArgs, planned: &Planned) -> Result<(), Error> {
    let Counts {
        listed, invalid, ..
    } = planned.counts;
    if let Some(expected) = args.input.expect.filter(|expected| *expected != listed) {
        let message = format!(
            "the manifest lists {}, but --expect {expected} was given; nothing was attempted",
            figures::count(listed, "device")
        );
        return Err(Error::refused("unexpected-count", message));
    }
    if args.input.strict && invalid > 0 {
        let message = format!(
            "the manifest has {} and --strict was given; nothing was attempted",
            figures::count(invalid, "invalid row")
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
    match more {
        0 => {}
        1 => warn!("1 more row is invalid"),
        _ => warn!("{more} more rows are invalid"),
    }
}

/// Opens the manifest, and locks and reads the results: side by side where there are results, since both may be large.
/// Else one after the other: a file that cannot be read leaves nothing behind, and standard input is not touched before
/// it is known that nobody else works on these results.
async fn open_files(
    paths: &Paths,
    options: Options,
    stop: &StopSignal,
) -> Result<(Source, (RunsLog<RealDisk>, History)), Error> {
    match &paths.manifest {
        None => {
            let results = open_results(paths)?;
            Ok((opened(open(paths, options), stop).await?, results))
        }
        Some(_) if paths.results.exists() => {
            let opening = open(paths, options);
            let results = open_results(paths);
            Ok((opened(opening, stop).await?, results?))
        }
        Some(_) => {
            let source = opened(open(paths, options), stop).await?;
            Ok((source, open_results(paths)?))
        }
    }
}

/// Begins to open the manifest, on a thread that may wait for it.
fn open(paths: &Paths, options: Options) -> JoinHandle<Result<Source, Error>> {
    let manifest = paths.manifest.clone();
    tokio::task::spawn_blocking(move || Source::open(manifest.as_deref(), &options))
}

/// The opened manifest, unless the run is stopped while it waits.
async fn opened(
    opening: JoinHandle<Result<Source, Error>>,
    stop: &StopSignal,
) -> Result<Source, Error> {
    tokio::select! {
        source = opening => source.map_err(|error| {
            Error::refused("manifest", format!("the manifest could not be read: {error}"))
        })?,
        stopped = stop.ended() => Err(stopped.into()),
    }
}

fn open_results(paths: &Paths) -> Result<(RunsLog<RealDisk>, History), Error> {
    let log = RunsLog::lock(&RealDisk, &paths.results)
        .map_err(|error| Error::refused("results", error.to_string()))?;
    remove_leftover(&RealDisk, &paths.results)
        .map_err(|error| Error::refused("results", error.to_string()))?;
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
        max_offline: args.pace.max_offline,
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
