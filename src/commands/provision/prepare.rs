//! The beginning of a run: everything is found and opened, and what can be refused without a plan is refused. Nothing is
//! sent to AWS, nothing written but the lock.

use std::sync::Arc;

use super::Run;
use crate::commands::checks;
use crate::commands::guard::Guard;
use crate::commands::messages;
use crate::commands::run_config::RunConfig;
use crate::commands::source::{self, Source};
use crate::commands::target::Target;
use crate::commands::wait;
use crate::domain::device::AccountId;
use crate::engine::StopSignal;
use crate::error::Error;
use crate::fleet::batch::History;
use crate::fleet::known_devices::KnownDevices;
use crate::manifest::{Options, RowAccounts};
use crate::results::disk::RealDisk;
use crate::results::journal::Journal;
use crate::results::runs_log::RunsLog;

/// Everything that is known when nothing has been sent or written yet.
pub(super) struct Ready {
    pub(super) target: Arc<Target>,
    pub(super) source: Source,
    pub(super) log: RunsLog<RealDisk>,
    pub(super) journal: Journal<RealDisk>,
    pub(super) known_devices: KnownDevices,
    /// Whether there was a results file before.
    pub(super) had_results: bool,
    /// Whether all runs of these results, this one included, ask for the same; none where that is not known.
    pub(super) ask_alike: Option<bool>,
    /// The accounts that this run may work in.
    pub(super) guard: Guard,
    /// Whether the rows name accounts.
    pub(super) row_accounts: RowAccounts,
    /// That of the run's own credentials, as far as it is known.
    pub(super) account: Option<AccountId>,
    /// Why `--recheck` could not ask everywhere, where it could not: then the run cannot be complete.
    pub(super) rechecked: Result<(), Error>,
}

impl Run {
    /// Finds and opens everything, and checks what can be checked without a plan.
    pub(super) async fn prepare(&mut self) -> Result<Ready, Error> {
        let config = &self.config;
        let results = &config.files.results;
        let rehearsal = config.rehearsal.as_ref();
        let target = Target::load(config.connection.clone(), rehearsal, &self.stop).await?;
        self.summary.emulator = target.is_emulator();
        self.summary.endpoint = target.url().map(str::to_owned);
        let options = config.options(target.default_region());
        let (source, (log, history)) = open_files(config, options, &self.stop).await?;
        // Asked with the lock held: the process that was waited for may have created it.
        let had_results = results.exists();
        messages::say_all(source.layout().warnings());
        let History {
            journal,
            known_devices,
            accounts,
            is_emulated,
            ..
        } = history;
        checks::check_shard(config, &known_devices)?;
        checks::check_settings(config, log.earlier(), &known_devices)?;
        let earlier = log.earlier();
        target.check_kind(&accounts, is_emulated || earlier.was_emulated(), results)?;
        let claims = known_devices.have_channel() && !config.reconcile.recheck;
        target.check_state(claims, results)?;
        let mut row_accounts = source.row_accounts()?;
        let guard = config.access.guard_of_rows(
            &config.accounts,
            &mut row_accounts,
            (&accounts, results),
        )?;
        let ask_alike = earlier.ask_alike(source.sha256(), &config.settings());
        Ok(Ready {
            target: Arc::new(target),
            source,
            log,
            journal,
            known_devices,
            had_results,
            ask_alike,
            account: guard.account(),
            guard,
            row_accounts,
            rechecked: Ok(()),
        })
    }
}

/// Opens the manifest, and locks and reads the results: side by side where there are results, since both may be large.
/// Else one after the other: a file that cannot be read leaves nothing behind, and standard input is not touched before
/// the results are locked.
async fn open_files(
    config: &RunConfig,
    options: Options,
    stop: &StopSignal,
) -> Result<(Source, (RunsLog<RealDisk>, History<RealDisk>)), Error> {
    let files = &config.files;
    let open = || wait::open(&files.results, config.wait_for_results, stop);
    match &files.manifest {
        None => {
            let results = open().await?;
            Ok((
                source::opened(source::open(files, options), stop).await?,
                results,
            ))
        }
        Some(_) if files.results.exists() => {
            let task = source::open(files, options);
            let results = open().await;
            Ok((source::opened(task, stop).await?, results?))
        }
        Some(_) => {
            let source = source::opened(source::open(files, options), stop).await?;
            Ok((source, open().await?))
        }
    }
}
