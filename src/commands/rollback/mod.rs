//! `kvs-fleet rollback`: deletes the channels that have a `created` row, and nothing else.
//!
//! Channels with an `exists` row existed before and are never touched. A channel is deleted by its ARN: a new channel of the
//! same name has another.

mod consent;
mod deleting;
mod selection;

use std::sync::Arc;

use tracing::{error, info, warn};

use super::access::Access;
use super::asking::{caller, distinct};
use super::open_files::{self, Reserve};
use super::quota_server::{self, QuotaServerConfig};
use super::rehearsal::{self, Rehearsal};
use super::runs_lines;
use super::serve_results::{ServedResults, Work};
use super::signals;
use super::target::{Target, regions_of};
use super::wait;
use crate::cli::RollbackArgs;
use crate::domain::device::{AccountId, AccountRegion};
use crate::domain::error_codes;
use crate::domain::format;
use crate::engine::event::Listeners;
use crate::engine::pace::quota_client::QuotaClient;
use crate::engine::{Stop, StopSignal};
use crate::error::Error;
use crate::fleet::batch::{self, Glance, History, Running};
use crate::output::logging::Console;
use crate::output::progress::{Progress, Subject};
use crate::output::stats::Stats;
use crate::results::disk::RealDisk;
use crate::results::read::ReadError;
use crate::results::runs_line::{End, ROLLBACK, RunsLine, Start};
use crate::results::runs_log::RunsLog;
use deleting::{Deleting, delete_all};
use selection::{Candidate, Selection};

/// Runs the subcommand and gives its exit code.
pub(super) async fn run(args: &RollbackArgs, console: Console) -> Result<u8, Error> {
    if args.dry_run {
        return preview(args).map(exit_code);
    }
    let (stop, signalled) = signals::stop_signal(&console, signals::FINISHING);
    let work = Work {
        command: ROLLBACK,
        subject: Subject::Deletions,
        results: &args.results,
    };
    let mut served = ServedResults::start(&args.serve, work, (&stop, &signalled))?;
    let left = rollback(args, console, stop, &mut served).await;
    served.finish(left.map(exit_code)).await
}

/// The exit code where so many channels are left.
fn exit_code(left: u64) -> u8 {
    if left == 0 { 0 } else { 3 }
}

/// Prints what would be deleted.
fn preview(args: &RollbackArgs) -> Result<u64, Error> {
    check_there(args)?;
    let glance = Glance::take(&RealDisk, &args.results)?;
    let selection = Selection::read(args, &glance.known_devices)?;
    let lines = selection.candidates.iter().map(consent::line);
    super::print(&lines.map(|line| line + "\n").collect::<String>())?;
    let count = format::count(selection.candidates.len() as u64, "channel");
    info!("would delete {count}; nothing was changed");
    consent::say_left(&selection);
    Ok(0)
}

/// Refuses a results file that does not exist: a rollback creates none.
fn check_there(args: &RollbackArgs) -> Result<(), Error> {
    if args.results.exists() {
        return Ok(());
    }
    Err(ReadError::Missing(args.results.clone()).into())
}

/// Deletes the selected channels; returns how many are left.
async fn rollback(
    args: &RollbackArgs,
    console: Console,
    stop: StopSignal,
    served: &mut ServedResults,
) -> Result<u64, Error> {
    let results = &args.results;
    check_there(args)?;
    consent::check_possible(args)?;
    rehearsal::check_place(&args.rehearsal, results)?;
    let (log, history) = wait::open(results, args.wait_for_results, &stop).await?;
    if let Some(torn) = history.journal.torn() {
        warn!(
            "{}: {torn}; it is cut off. A channel in it is not deleted; 'provision' adopts it",
            results.display()
        );
    }
    let connection = &args.connection;
    let access = Access::of(connection, args.rehearsal.emulator)?;
    let quota_server = QuotaServerConfig::of(connection)?;
    let guard = access.guard(&connection.account, &history.accounts, results)?;
    let mut selection = Selection::read(args, &history.known_devices)?;
    if !access.is_given() {
        selection.forget_accounts();
    }
    if selection.candidates.is_empty() {
        info!("nothing to delete");
        consent::say_left(&selection);
        return Ok(left_by_choice(&selection));
    }
    let account_regions = distinct(selection.candidates.iter().map(|one| &one.account_region));
    let settings = connection.settings(args.asking.timeout, &regions_of(&account_regions));
    let rehearsal = Rehearsal::reading(&args.rehearsal, results);
    let rehearsal = rehearsal.map(|reading| reading.writing(args.wait_for_results));
    let target = Target::load(settings, rehearsal.as_ref(), &stop).await?;
    let is_emulated = history.is_emulated || log.earlier().was_emulated();
    target.check_kind(&history.accounts, is_emulated, results)?;
    target.check_state(true, results)?;
    let account = target
        .meet_all(&access, &guard, &account_regions, &stop)
        .await?;
    target.check_usable(&account_regions)?;
    served.met(&target, &account_regions, quota_server.as_ref());
    let (stats, listeners) = (Arc::clone(&served.stats), served.listeners.clone());
    let quota_client =
        quota_server::join(quota_server.as_ref(), &target, &listeners, &stop).await?;
    consent::show(&selection);
    consent::ask(args, &selection, &stop).await?;
    for account_region in &account_regions {
        stats.plan(account_region, selection.in_region(account_region));
    }
    let total = selection.candidates.len() as u64;
    served.begin(total, 0, total);
    let rollback = Rollback {
        args,
        target,
        access,
        account,
        account_regions,
        stop,
        console,
        stats,
        listeners,
        quota_client,
        quota_server: quota_server.map(|server| server.address().to_string()),
    };
    let ended = rollback.work_off(log, history, selection).await;
    let deleted = served.stats.counts().deleted;
    let total = format::count(total, "channel");
    served.conclude(format!("{deleted} of {total} deleted"));
    ended
}

/// Adopted channels are left. That counts for the exit code if the devices were named.
fn left_by_choice(selection: &Selection) -> u64 {
    if selection.is_a_part {
        selection.adopted
    } else {
        0
    }
}

/// A confirmed rollback.
struct Rollback<'a> {
    args: &'a RollbackArgs,
    target: Target,
    access: Access,
    /// That of the run's own credentials, as far as it is known.
    account: Option<AccountId>,
    account_regions: Vec<AccountRegion>,
    stop: StopSignal,
    console: Console,
    stats: Arc<Stats>,
    listeners: Listeners,
    quota_client: Option<Arc<QuotaClient>>,
    /// The quota server's address, where one is used.
    quota_server: Option<String>,
}

impl Rollback<'_> {
    async fn work_off(
        self,
        mut log: RunsLog<RealDisk>,
        history: History<RealDisk>,
        selection: Selection,
    ) -> Result<u64, Error> {
        let (total, by_choice) = (
            selection.candidates.len() as u64,
            left_by_choice(&selection),
        );
        let running = batch::go_on(
            &RealDisk,
            &self.args.results,
            history,
            self.listeners.clone(),
            self.stop.clone(),
        )?;
        let account = self.account.as_ref();
        let start = Start {
            quota_server: self.quota_server.clone(),
            ..runs_lines::start(ROLLBACK, &self.target, account, &self.account_regions)
        };
        log.append([RunsLine::Start(Box::new(start))])?;
        let mut reserve = Reserve::new();
        let stopped = self
            .delete(&running, selection.candidates)
            .await
            .map_or(Ok(()), |stop| Err(stop.into()));
        let closed = running.close().await?;
        for line in closed.unsaved() {
            error!("{line}");
        }
        reserve.release();
        let ended = super::outcome(stopped, closed.finish());
        self.say_end(total, &ended);
        let left = self.stats.counts().failures() + by_choice;
        if let Err(error) = log.append([self.end_line(total, left, &ended)]) {
            warn!("{error}");
        }
        ended.map(|()| left)
    }

    /// Deletes the channels; returns why that ended early, if it did.
    async fn delete(
        &self,
        running: &Running<RealDisk, ()>,
        candidates: Vec<Candidate>,
    ) -> Option<Stop> {
        let _progress = Progress::start(
            self.args.output.progress(),
            Subject::Deletions,
            Some(candidates.len() as u64),
            Arc::clone(&self.stats),
            self.console.clone(),
        );
        let settings = self
            .access
            .engine(self.args.asking.settings(self.account.clone()));
        let workers = open_files::most_requests_each(settings.workers, self.account_regions.len());
        let caller = caller(
            settings,
            self.listeners.clone(),
            self.stop.clone(),
            self.quota_client.clone(),
        );
        let deleting = Deleting {
            sink: Arc::clone(&running.sink),
            stop: self.stop.clone(),
            workers,
        };
        delete_all(deleting, &self.target, &caller, candidates).await;
        caller.end()
    }

    /// Reports what became of the channels.
    fn say_end(&self, total: u64, ended: &Result<(), Error>) {
        let counts = self.stats.counts();
        let seconds = self.stats.elapsed().as_secs_f64();
        info!("{} of {total} deleted in {seconds:.1} s", counts.deleted);
        for (code, count) in &counts.failed {
            warn!("{count} left with {code}: {}", error_codes::hint(code));
        }
        let open = total - counts.deleted - counts.failures();
        if ended.is_err() && open > 0 {
            warn!("{open} not attempted: the same command continues with them");
        }
        info!("results in {}", self.args.results.display());
    }

    fn end_line(&self, total: u64, left: u64, ended: &Result<(), Error>) -> RunsLine {
        let counts = self.stats.counts();
        let requests = [counts.describes, counts.lists, counts.others];
        let (exit_code, reason) = match ended {
            Err(error) => (error.exit_code(), error.reason()),
            Ok(()) => (exit_code(left), "complete"),
        };
        RunsLine::End(Box::new(End {
            counts: [("deleted".to_owned(), counts.deleted)].into(),
            remaining: total - counts.deleted,
            exit_code,
            reason: reason.to_owned(),
            ..runs_lines::end(self.stats.elapsed(), requests)
        }))
    }
}
