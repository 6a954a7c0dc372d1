//! The beginning of a run: everything is found and opened, and what can be refused without a plan is refused. Nothing is
//! sent to AWS, nothing written but the lock.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tracing::warn;

use super::Run;
use super::paths::{self, Paths};
use super::settings;
use super::source::{self, Source};
use crate::cli::ProvisionArgs;
use crate::commands::report;
use crate::commands::target::{self, Target};
use crate::domain::device::AccountId;
use crate::domain::panics;
use crate::engine::{Stop, StopSignal};
use crate::error::Error;
use crate::fleet::batch::{self, History};
use crate::fleet::known_devices::KnownDevices;
use crate::manifest::Options;
use crate::results::disk::RealDisk;
use crate::results::journal::Journal;
use crate::results::runs_log::RunsLog;

/// Everything that is known when nothing has been sent or written yet.
pub(super) struct Ready {
    pub(super) paths: Paths,
    pub(super) target: Arc<Target>,
    pub(super) source: Source,
    pub(super) log: RunsLog<RealDisk>,
    pub(super) journal: Journal<RealDisk>,
    pub(super) known_devices: KnownDevices,
    /// Whether there was a results file before.
    pub(super) had_results: bool,
    /// Whether all runs of these results, this one included, ask for the same; none where that is not known.
    pub(super) ask_alike: Option<bool>,
    /// The account of the results' ARNs, or `--account`.
    pub(super) expected: Option<AccountId>,
}

impl Run {
    /// Finds and opens everything, and checks what can be checked without a plan.
    pub(super) async fn prepare(&mut self, args: &ProvisionArgs) -> Result<Ready, Error> {
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
        if let Some(page) = &args.results.report {
            let mut own = vec![&*paths.results];
            own.extend(paths.manifest.as_deref());
            own.extend(self.summary_file.as_deref());
            report::check_place("--report", page, &own)?;
        }
        let target = Target::load(
            &args.service.connection,
            args.service.emulator,
            args.pace.timeout,
        )
        .await?;
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
            known_devices,
            account,
            ..
        } = history;
        settings::check(args, log.earlier(), &known_devices)?;
        target.check_kind(account.as_ref(), &paths.results)?;
        let expected = target::expected(
            args.service.connection.account.as_ref(),
            account,
            &paths.results,
        )?;
        let ask_alike = settings::ask_alike(args, source.sha256(), log.earlier());
        Ok(Ready {
            paths,
            target: Arc::new(target),
            source,
            log,
            journal,
            known_devices,
            had_results,
            ask_alike,
            expected,
        })
    }
}

/// Opens the manifest, and locks and reads the results: side by side where there are results, since both may be large.
/// Else one after the other: a file that cannot be read leaves nothing behind, and standard input is not touched before
/// it is known that nobody else works on these results.
async fn open_files(
    paths: &Paths,
    options: Options,
    stop: &StopSignal,
) -> Result<(Source, (RunsLog<RealDisk>, History<RealDisk>)), Error> {
    match &paths.manifest {
        None => {
            let results = batch::open(&RealDisk, &paths.results)?;
            Ok((opened(open(paths, options), stop).await?, results))
        }
        Some(_) if paths.results.exists() => {
            let opening = open(paths, options);
            let results = batch::open(&RealDisk, &paths.results);
            Ok((opened(opening, stop).await?, results?))
        }
        Some(_) => {
            let source = opened(open(paths, options), stop).await?;
            Ok((source, batch::open(&RealDisk, &paths.results)?))
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
        source = opening => source.map_err(|ended| Stop::Internal(panics::words_of_task(ended)))?,
        stopped = stop.ended() => Err(stopped.into()),
    }
}
