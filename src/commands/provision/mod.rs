//! `kvs-fleet provision`: the main job, from the arguments to the exit code.
//!
//! The order matters. Everything that can be refused is checked before anything is sent or written: the manifest is
//! read whole, the results are locked and read, the plan is made, and who we are is asked. Then what exists is listed.
//! Only then is the journal touched, and only then is a channel created.

mod checks;
mod finish;
mod json_stream;
mod log_listener;
pub(in crate::commands) mod messages;
pub(in crate::commands) mod paths;
mod prepare;
mod recheck;
mod regions;
mod resume;
pub(in crate::commands) mod settings;
pub(in crate::commands) mod source;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use tracing::{info, warn};

use crate::aws::AwsService;
use crate::cli::ProvisionArgs;
use crate::commands::open_files::{self, Reserve};
use crate::commands::plan;
use crate::commands::signals::{self, LastWords};
use crate::commands::target;
use crate::domain::clock::WallClock;
use crate::domain::device::{AccountId, Region};
use crate::domain::format;
use crate::domain::panics;
use crate::engine::event::{Event, Listener, Listeners};
use crate::engine::{self, Engine, Stop, StopSignal};
use crate::error::Error;
use crate::fleet::batch::{
    self, Batch, FileRowSink, InvalidLine, Parts, Planned, RegionWork, RowStream,
};
use crate::fleet::known_devices::KnownDevices;
use crate::fleet::plan::{Counts, WorkLists};
use crate::output::logging::Console;
use crate::output::progress::Progress;
use crate::output::stats::Stats;
use crate::output::summary::Summary;
use crate::results::disk::RealDisk;
pub(in crate::commands) use checks::{check_plan, check_usable};
use json_stream::JsonStream;
use prepare::Ready;
use source::{Source, Stream};

/// The engine over the AWS SDK and the results file.
type ProvisionEngine = Engine<AwsService, FileRowSink<JsonStream>, RegionWork>;

/// Runs the subcommand and says with which exit code it ended. `warnings` are about the environment.
pub async fn run(mut args: ProvisionArgs, warnings: &[String]) -> u8 {
    if args.dry_run {
        return plan::run(&args, false, warnings).await;
    }
    let console = super::start_logging(&args.output, warnings);
    args.pace.workers = open_files::most_requests(args.pace.workers);
    let mut run = Run {
        stats: Arc::new(Stats::new()),
        stop: StopSignal::new(),
        listeners: Listeners::default(),
        console,
        summary: Summary {
            ceiling: args.pace.rate.ceiling(),
            started_at: Some(SystemTime::now()),
            ..Summary::default()
        },
        summary_file: args.results.summary_json.clone(),
        page: args.results.report.clone(),
        json: None,
        changed: 0,
        unchecked: None,
        limit_is_reached: false,
        usable: Ok(()),
        is_introduced: false,
        last_words: LastWords::default(),
        reserve: Reserve::new(),
    };
    signals::listen(
        run.stop.clone(),
        run.console.clone(),
        run.last_words.clone(),
        signals::FINISHING,
    );
    run.listeners
        .add(Arc::clone(&run.stats) as Arc<dyn Listener>);
    run.listeners.add(Arc::new(log_listener::LogListener));
    let ended = panics::caught(Box::pin(run.provision(&args))).await;
    let ended = ended.unwrap_or_else(|what| Err(run.broken(what)));
    let ended = run.flushed(ended).await;
    run.conclude(&ended)
}

/// What a run is made of before it knows its files.
struct Run {
    stats: Arc<Stats>,
    stop: StopSignal,
    listeners: Listeners,
    console: Console,
    summary: Summary,
    /// Where the summary is written.
    summary_file: Option<PathBuf>,
    /// Where the report is written.
    page: Option<PathBuf>,
    /// Where rows are printed for a script that asked for them.
    json: Option<Arc<JsonStream>>,
    /// Finished devices that now ask for another TTL or other tags.
    changed: u64,
    /// Why `--recheck` could not ask everywhere.
    unchecked: Option<Stop>,
    /// Whether `--limit` left devices to another run.
    limit_is_reached: bool,
    /// Whether any row of a stream could be used.
    usable: Result<(), Error>,
    /// Whether the first line has been printed.
    is_introduced: bool,
    last_words: LastWords,
    /// Kept open until the results are finished.
    reserve: Reserve,
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
        if args.service.recheck {
            self.recheck(args, &mut ready).await?;
        }
        match &ready.source {
            Source::File(manifest) => {
                let manifest = Arc::clone(manifest);
                let rules = std::mem::take(&mut ready.rules);
                let planned = batch::plan(&manifest, &mut ready.known_devices, rules)?;
                self.note(&planned.counts);
                check_plan(args, &planned)
                    .and_then(|()| settings::check_manifest(args, &ready.log, &ready.known_devices))
                    .and_then(|()| check_usable(&planned.counts))
                    .inspect_err(|_| messages::say_invalid(&planned.invalid))?;
                if planned.work.is_empty() {
                    return self.nothing_to_do(ready, &planned).await;
                }
                self.work_off(args, ready, Some(planned)).await
            }
            Source::Stream(_) => self.work_off(args, ready, None).await,
        }
    }

    /// A panic in the midst: the runs log gets its last line. The results are a journal up to their last row.
    fn broken(&self, what: String) -> Error {
        let stop = Stop::Internal(what);
        if let Some(words) = self.last_words.take() {
            words(&stop);
        }
        stop.into()
    }

    /// How the run ended once all rows are on standard output, where they are wanted there.
    async fn flushed(&self, ended: Result<(), Error>) -> Result<(), Error> {
        match &self.json {
            // What stopped the run first is the reason.
            Some(json) => ended.and(json.close().await.map_err(Error::from)),
            None => ended,
        }
    }

    /// Whether `--recheck` could ask everywhere.
    fn rechecked(&mut self) -> Result<(), Error> {
        self.unchecked
            .take()
            .map_or(Ok(()), |stop| Err(stop.into()))
    }

    fn note(&mut self, counts: &Counts) {
        self.summary.listed = counts.listed;
        self.summary.done_before = counts.done;
        self.summary.deleted = counts.deleted;
        self.summary.repeated = counts.repeated;
        self.summary.invalid = counts.invalid;
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
    async fn nothing_to_do(&mut self, ready: Ready, planned: &Planned) -> Result<(), Error> {
        messages::say_planned(&planned.remarks, &planned.invalid, &ready.known_devices);
        messages::say_torn(&ready.journal);
        if ready.known_devices.is_empty() && planned.invalid.is_empty() {
            return Ok(());
        }
        self.rechecked()?;
        batch::tidy(ready.journal, &ready.known_devices, &planned.invalid)?;
        for row in planned.invalid.iter().map(InvalidLine::row) {
            if let Some(json) = &self.json {
                json.put(std::slice::from_ref(&row)).await;
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
        let is_planned = planned.is_some();
        let Planned {
            mut work,
            invalid,
            remarks,
            ..
        } = planned.unwrap_or_default();
        self.limit(args, &mut work, &ready.known_devices);
        let total = is_planned.then(|| work.len());
        let mut regions = work.into_regions();
        for (region, devices) in &regions {
            self.stats.plan(region, devices.len() as u64);
        }
        let not_offered = regions::leave_out(&ready.target, &mut regions).await?;
        self.meet(&mut ready, regions.keys().cloned().collect())
            .await?;
        if is_planned {
            messages::say_planned(&remarks, &invalid, &ready.known_devices);
        }
        messages::say_torn(&ready.journal);

        let parts = Parts {
            settings: engine::Settings {
                tag_keys: ready.source.tag_keys(),
                ..engine_settings(args, ready.expected.clone())
            },
            listeners: self.listeners.clone(),
            stop: self.stop.clone(),
            clock: WallClock::system(),
            row_stream: self.json.clone(),
        };
        let results = &ready.paths.results;
        let mut batch = Batch::new(
            &RealDisk,
            results,
            ready.journal,
            ready.known_devices,
            parts,
        );
        if let Source::File(manifest) = &ready.source {
            batch.add_regions(regions, manifest, |region| ready.target.service(region));
        }
        for (region, failure) in &not_offered {
            batch.engine.leave_out(region, failure);
        }
        self.list_existing(args, &ready.target, &mut batch.engine)
            .await?;

        ready.source.check_current()?;
        // From here on the files are written.
        batch.prepare()?;
        let start = settings::start(
            args,
            &ready.source,
            &ready.target,
            batch.engine.account().as_ref(),
            &self.summary.regions,
        );
        let logged = ready.log.append([start]);
        logged.map_err(|error| Error::refused("results", error.to_string()))?;
        let log = Arc::new(Mutex::new(ready.log));
        self.leave_words(Some(Arc::clone(&log)));
        let (engine, running) = batch.start();
        let progress = Progress::start(
            args.output.progress,
            args.output.quiet,
            total,
            Arc::clone(&self.stats),
            self.console.clone(),
        );
        running.record_invalid(&invalid).await;
        let ended = match ready.source {
            Source::File(_) => {
                let stop = engine.run(None, !args.service.no_reconcile).await;
                stop.or_else(|| self.unfinished(total.unwrap_or_default()))
                    .map_or(Ok(()), |stop| Err(Error::Stopped(stop)))
            }
            Source::Stream(rows) => {
                let stream = Stream {
                    rows,
                    rules: ready.rules,
                    account: ready.expected,
                    target: Arc::clone(&ready.target),
                };
                let (ended, streamed) = stream.work_off(args, engine, &running.books).await;
                self.note(&streamed.counts);
                messages::say_remarks(&streamed.remarks);
                self.limit_is_reached = streamed.limit_is_reached;
                self.usable = check_usable(&streamed.counts);
                if let Some(account) = ready.target.account() {
                    self.summary.account = Some(account.to_string());
                }
                ended
            }
        };
        drop(progress);
        let ended = self.flushed(ended).await.and(self.rechecked());
        let closed = running.close().await?;
        self.settle(closed, ended, ready.had_results, &log)?;
        self.usable.clone()
    }

    fn limit(&mut self, args: &ProvisionArgs, work: &mut WorkLists, known_devices: &KnownDevices) {
        if let Some(limit) = args.input.limit {
            let all = work.len();
            work.limit(known_devices, limit);
            self.limit_is_reached = work.len() < all;
        }
    }

    /// A run that nothing stopped has a row for each device of its work: where it has not, it is not complete.
    fn unfinished(&self, work: u64) -> Option<Stop> {
        let counts = self.stats.counts();
        let recorded = counts.created + counts.exists + counts.failures();
        (recorded < work).then(|| {
            let lost = format::count(work - recorded, "device");
            Stop::Internal(format!("{lost} of the work got no row"))
        })
    }

    /// Asks who we are, compares the accounts, and prints the first line.
    async fn meet(&mut self, ready: &mut Ready, mut regions: Vec<Region>) -> Result<(), Error> {
        if regions.is_empty() {
            regions.extend(ready.target.default_region());
        }
        ready.target.identify_in(&regions, &self.stop).await?;
        ready.target.check_account(ready.expected.as_ref())?;
        if let Some(found) = ready.target.account() {
            ready.expected = Some(found.clone());
        }
        self.summary.account = ready.target.account().map(ToString::to_string);
        self.summary.regions = regions.iter().map(ToString::to_string).collect();
        if !std::mem::replace(&mut self.is_introduced, true) {
            target::introduce(&ready.target, &regions);
        }
        Ok(())
    }
}

pub(in crate::commands) fn engine_settings(
    args: &ProvisionArgs,
    account: Option<AccountId>,
) -> engine::Settings {
    engine::Settings {
        workers: args.pace.workers,
        rate: args.pace.rate.range(),
        max_attempts: args.pace.max_attempts,
        max_throttled: args.pace.max_throttled,
        max_offline: args.pace.max_offline,
        timeout: args.pace.timeout,
        max_failures: args.pace.max_failures,
        on_exists: args.service.on_exists,
        tag_keys: Vec::new(),
        account,
        seed: crate::commands::seed(),
    }
}
