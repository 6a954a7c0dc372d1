//! `kvs-fleet provision`: the main job, from the configuration to the exit code.
//!
//! The order matters. Everything that can be refused is checked before anything is sent or written: the manifest is
//! read whole, the results are locked and read, the plan is made, and the account is checked. Then what exists is listed.
//! Only then is the journal touched, and only then is a channel created.

mod finish;
mod json_stream;
mod live;
mod log_listener;
mod nothing_to_do;
mod prepare;
mod quota;
mod recheck;
mod regions;
mod resume;
mod runs_lines;
mod stream;

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use super::checks::{check_manifest, check_plan, check_usable};
use super::messages;
use super::open_files::Reserve;
use super::reach::own_account;
use super::run_config::RunConfig;
use super::serve::LivePage;
use super::signals::{self, ExitRecord, Signalled};
use super::source::Source;
use super::target;
use crate::aws::AwsService;
use crate::domain::clock::WallClock;
use crate::domain::device::AccountRegion;
use crate::domain::panics;
use crate::engine::event::{Listener, Listeners};
use crate::engine::pace::quota_client::QuotaClient;
use crate::engine::{self, Engine, Stop, StopSignal};
use crate::error::Error;
use crate::fleet::batch::{self, Batch, FileRowSink, Parts, Planned, RegionWork, Running};
use crate::fleet::plan::{Counts, InvalidLine, WorkLists};
use crate::output::logging::Console;
use crate::output::progress::{Progress, Subject};
use crate::output::stats::Stats;
use crate::output::summary::Summary;
use crate::results::disk::RealDisk;
use json_stream::JsonStream;
use log_listener::LogListener;
use prepare::Ready;
use stream::Stream;

/// The engine over the AWS SDK and the results file.
type ProvisionEngine = Engine<AwsService, FileRowSink<JsonStream>, RegionWork>;

/// Runs the subcommand and gives its exit code.
pub(super) async fn run(config: RunConfig, console: Console) -> u8 {
    let mut run = Run::new(config, console);
    let ended = panics::caught(Box::pin(run.provision())).await;
    let ended = ended.unwrap_or_else(|what| Err(run.broken(what)));
    let ended = run.flushed(ended).await;
    let code = run.conclude(&ended);
    if let Some(page) = run.page.take() {
        // A file that was not written counts as well.
        run.summary.exit_code = code;
        page.finish(&run.summary).await;
    }
    code
}

/// A run, from its configuration to its summary.
struct Run {
    config: RunConfig,
    console: Console,
    stop: StopSignal,
    stats: Arc<Stats>,
    listeners: Listeners,
    summary: Summary,
    /// Where rows are printed for a script that asked for them.
    json: Option<Arc<JsonStream>>,
    exit_record: ExitRecord,
    /// The accounts and Regions of the batch.
    account_regions: Vec<AccountRegion>,
    quota_client: Option<Arc<QuotaClient>>,
    signalled: Signalled,
    /// The live page, if one is served.
    page: Option<LivePage>,
    /// Kept open until the results are finished.
    reserve: Reserve,
}

impl Run {
    fn new(config: RunConfig, console: Console) -> Self {
        let stats = Arc::new(Stats::new());
        let mut listeners = Listeners::default();
        listeners.add(Arc::clone(&stats) as Arc<dyn Listener>);
        listeners.add(Arc::new(LogListener));
        let summary = Summary {
            command: "provision",
            manifest: Some(config.files.manifest().to_owned()),
            results: Some(config.files.results.clone()),
            shard: config.rules.plan.shard,
            ceiling: config.engine.rate.ceiling,
            quota_server: config.quota_server_address(),
            started_at: Some(SystemTime::now()),
            ..Summary::default()
        };
        let (stop, exit_record) = (StopSignal::new(), ExitRecord::default());
        let signalled = signals::listen(
            stop.clone(),
            console.clone(),
            exit_record.clone(),
            signals::FINISHING,
        );
        let run = Self {
            config,
            console,
            stop,
            stats,
            listeners,
            summary,
            json: None,
            exit_record,
            account_regions: Vec::new(),
            quota_client: None,
            signalled,
            page: None,
            reserve: Reserve::new(),
        };
        run.set_exit_record(None);
        run
    }

    async fn provision(&mut self) -> Result<(), Error> {
        self.serve()?;
        if self.config.output.json {
            let timeout = self.config.engine.timeout;
            let json = JsonStream::start(self.stop.clone(), timeout, self.console.clone());
            let json = json.map_err(|error| {
                Error::refused("usage", format!("--json cannot be written: {error}"))
            })?;
            self.json = Some(Arc::new(json));
        }
        let mut ready = self.prepare().await?;
        self.show();
        if self.config.reconcile.recheck {
            self.recheck(&mut ready).await?;
        }
        let Source::File(manifest) = &ready.source else {
            return self.work_off(ready, None).await;
        };
        let rules = self.config.rules.plan;
        let own_account = own_account(
            &ready.target,
            &self.config.access,
            &ready.guard,
            &ready.row_accounts,
            &self.stop,
        )
        .await?;
        let planned = batch::plan(manifest, &mut ready.known_devices, rules, own_account)?;
        self.note(&planned.counts);
        self.note_changes(&ready);
        check_plan(&self.config, &planned)
            .and_then(|()| check_manifest(&self.config, ready.log.earlier(), &ready.known_devices))
            .and_then(|()| check_usable(planned.counts.all_listed(), planned.counts.all_invalid()))
            .inspect_err(|_| messages::say_invalid_of_all(&planned))?;
        if planned.work.is_empty() {
            return self.nothing_to_do(ready, &planned).await;
        }
        self.work_off(ready, Some(planned)).await
    }

    /// After a panic the runs log gets its last line. The results are a journal up to their last row.
    fn broken(&self, what: String) -> Error {
        let stop = Stop::Internal(what);
        if let Some(write) = self.exit_record.take() {
            write(&stop);
        }
        stop.into()
    }

    /// How the run ended once all rows are on standard output, where they are wanted there.
    async fn flushed(&mut self, ended: Result<(), Error>) -> Result<(), Error> {
        match self.json.take() {
            // What stopped the run first is the reason.
            Some(json) => ended.and(json.close().await.map_err(Error::from)),
            None => ended,
        }
    }

    fn note(&mut self, counts: &Counts) {
        self.summary.plan = counts.clone();
        if counts.done == 0 {
            self.summary.changed = Some(0);
        }
    }

    /// Notes whether finished devices may ask for another TTL or other tags than before.
    fn note_changes(&mut self, ready: &Ready) {
        match ready.ask_alike {
            Some(true) => self.summary.changed = Some(0),
            Some(false) if self.summary.plan.done > 0 => {
                let files = &self.config.files;
                messages::say_changed(ready.source.layout(), files.manifest(), &files.results);
            }
            _ => {}
        }
    }

    /// Connects, lists, creates, and puts the results in order.
    async fn work_off(&mut self, mut ready: Ready, planned: Option<Planned>) -> Result<(), Error> {
        let is_planned = planned.is_some();
        let mut planned = planned.unwrap_or_default();
        self.limit(&mut planned.work);
        let total = is_planned.then(|| planned.work.len());
        let mut regions = planned.work.into_regions();
        for (account_region, devices) in &regions {
            self.stats.plan(account_region, devices.len() as u64);
        }
        if is_planned {
            self.config.set_workers(Some(regions.len()));
        } else if ready.row_accounts.are_named {
            self.config.set_workers(None);
        }
        let left_out = regions::not_offered(&ready.target, &mut regions).await?;
        self.meet(&mut ready, regions.keys().cloned().collect())
            .await?;
        // Beside finished devices an account that cannot be used is one of several, which ends alone.
        if planned.counts.done == 0 {
            ready.target.check_usable(regions.keys())?;
        }
        self.say_shard(is_planned);
        if is_planned {
            messages::say_planned(&planned.remarks, &planned.invalid, &ready.known_devices);
        }
        messages::say_torn(&ready.journal);

        let quota_client = self.quota_client(&ready.target).await?;
        let parts = self.parts(&ready, quota_client);
        let (results, journal) = (&self.config.files.results, ready.journal);
        let mut batch = Batch::new(&RealDisk, results, journal, ready.known_devices, parts);
        let target = Arc::clone(&ready.target);
        let (config, own) = (&self.config, ready.account.as_ref());
        batch.add_regions(
            regions,
            |account_region| target.service(account_region),
            |account_region| config.rate(account_region, own),
        );
        for (account_region, cause) in left_out {
            batch.engine.leave_out(&account_region, cause);
        }
        self.list_existing(&target, &ready.guard, &mut batch.engine)
            .await?;
        ready.source.check_current()?;
        // From here on the files are written.
        batch.prepare()?;
        let account = batch.engine.account();
        let start = runs_lines::start(
            &self.config,
            &ready.source,
            &target,
            account.as_ref(),
            &self.account_regions,
        );
        ready.log.append([start])?;
        let log = Arc::new(Mutex::new(ready.log));
        self.set_exit_record(Some(Arc::clone(&log)));
        let (engine, running) = batch.start();
        let stream = match ready.source {
            Source::File(_) => None,
            Source::Stream(rows) => Some(Stream {
                rows,
                target: ready.target,
                guard: ready.guard,
            }),
        };
        let ended = self
            .create(engine, &running, &planned.invalid, total, stream)
            .await;
        let closed = running.close().await?;
        self.settle(closed, ended.and(ready.rechecked), ready.had_results, &log)?;
        let plan = &self.summary.plan;
        check_usable(plan.all_listed(), plan.all_invalid())
    }

    fn limit(&mut self, work: &mut WorkLists) {
        if let Some(limit) = self.config.rules.limit {
            let others = work.limit(limit);
            self.summary.limit_is_reached = !others.is_empty();
            for (account_region, devices) in others.into_regions() {
                self.stats.leave(&account_region, devices.len() as u64);
            }
        }
    }

    fn parts(&self, ready: &Ready, quota_client: Option<Arc<QuotaClient>>) -> Parts<JsonStream> {
        Parts {
            settings: engine::EngineSettings {
                tag_keys: ready.source.layout().tag_keys().map(Into::into).collect(),
                ..self.config.engine(ready.account.clone())
            },
            listeners: self.listeners.clone(),
            stop: self.stop.clone(),
            clock: WallClock::system(),
            row_stream: self.json.clone(),
            quota_client,
        }
    }

    /// Runs the engine, and says how that ended once all rows are on standard output, where they are wanted there. The
    /// number of devices is not known of a stream.
    async fn create(
        &mut self,
        engine: ProvisionEngine,
        running: &Running<RealDisk, JsonStream>,
        invalid: &[InvalidLine],
        total: Option<u64>,
        stream: Option<Stream>,
    ) -> Result<(), Error> {
        let progress = Progress::start(
            self.config.output.progress,
            Subject::Devices,
            total,
            Arc::clone(&self.stats),
            self.console.clone(),
        );
        if let Some(page) = &self.page {
            page.run().begin(&self.summary, total);
        }
        running.record_invalid(invalid).await;
        let ended = if let Some(stream) = stream {
            self.work_off_stream(stream, engine, &running.sink).await
        } else {
            let stop = engine.run(None, self.config.reconcile.list).await;
            stop.map_or(Ok(()), |stop| Err(stop.into()))
        };
        drop(progress);
        self.flushed(ended).await
    }

    /// Checks the accounts of these rows, and prints the first line of the run.
    async fn meet(
        &mut self,
        ready: &mut Ready,
        mut account_regions: Vec<AccountRegion>,
    ) -> Result<(), Error> {
        if account_regions.is_empty() {
            let region = ready.target.default_region();
            account_regions.extend(region.map(AccountRegion::from));
        }
        ready.account = ready
            .target
            .meet_all(
                &self.config.access,
                &ready.guard,
                &account_regions,
                &self.stop,
            )
            .await?;
        self.summary.account = ready.target.account().map(ToString::to_string);
        self.summary.caller = ready.target.caller().map(str::to_owned);
        self.summary.regions = target::region_names(&account_regions);
        self.account_regions = account_regions;
        self.show();
        if let Some(page) = &self.page {
            page.say_url();
        }
        Ok(())
    }
}
