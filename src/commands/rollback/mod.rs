//! `kvs-fleet rollback`: deletes the channels that have a `created` row, and nothing else.
//!
//! Channels with an `exists` row existed before and are never touched. A channel is deleted by its ARN: a new channel of the
//! same name has another.

mod config;
mod consent;
mod deleting;
mod deletions;
mod selection;

use std::sync::Arc;
use std::time::SystemTime;

use tracing::{error, info, warn};

use super::open_files::{self, Reserve};
use super::signals::{self, ExitRecord};
use super::target::{self, Target};
use super::wait;
use crate::domain::device::{AccountId, Region};
use crate::domain::error_codes;
use crate::domain::format;
use crate::engine::event::{Listener, Listeners};
use crate::engine::{self, StopSignal};
use crate::error::Error;
use crate::fleet::batch::{self, Glance, History, RowStream};
use crate::output::logging::Console;
use crate::output::progress::Progress;
use crate::output::stats::Stats;
use crate::results::disk::RealDisk;
use crate::results::read::ReadError;
use crate::results::record::{Row, timestamp};
use crate::results::runs_line::{End, ROLLBACK, RunsLine, Start};
use crate::results::runs_log::RunsLog;
pub(super) use config::RollbackConfig;
use deleting::{Deleting, delete_all};
use deletions::Deletions;
use selection::Selection;

/// Rows go to the file only.
#[derive(Debug)]
struct Silent;

impl RowStream for Silent {
    async fn put(&self, _: &[Row]) {}
}

/// Runs the subcommand and gives its exit code.
pub(super) async fn run(config: &RollbackConfig, console: Console) -> Result<u8, Error> {
    let left = if config.dry_run {
        preview(config)?
    } else {
        rollback(config, console).await?
    };
    Ok(if left == 0 { 0 } else { 3 })
}

/// Prints what would be deleted.
fn preview(config: &RollbackConfig) -> Result<u64, Error> {
    check_there(config)?;
    let glance = Glance::take(&RealDisk, &config.results)?;
    let selection = Selection::read(config, &glance.known_devices)?;
    let lines = selection.candidates.iter().map(consent::line);
    super::print(&lines.map(|line| line + "\n").collect::<String>())?;
    let count = format::count(selection.candidates.len() as u64, "channel");
    info!("would delete {count}; nothing was changed");
    consent::say_left(&selection);
    Ok(0)
}

/// Refuses a results file that does not exist: a rollback creates none.
fn check_there(config: &RollbackConfig) -> Result<(), Error> {
    if config.results.exists() {
        return Ok(());
    }
    let missing = ReadError::Missing(config.results.clone());
    Err(Error::refused("results", missing.to_string()))
}

/// Deletes the selected channels; returns how many are left.
async fn rollback(config: &RollbackConfig, console: Console) -> Result<u64, Error> {
    let stop = StopSignal::new();
    signals::listen(
        stop.clone(),
        console.clone(),
        ExitRecord::default(),
        signals::FINISHING,
    );
    check_there(config)?;
    consent::check_possible(config)?;
    let (log, history) = wait::open(&config.results, config.wait_for_results, &stop).await?;
    if let Some(torn) = history.journal.torn() {
        warn!(
            "{}: {torn}; it is cut off. A channel in it is not deleted; 'provision' adopts it",
            config.results.display()
        );
    }
    let expected = target::expected(
        config.connection.account.as_ref(),
        history.account.clone(),
        &config.results,
    )?;
    let selection = Selection::read(config, &history.known_devices)?;
    if selection.candidates.is_empty() {
        info!("nothing to delete");
        consent::say_left(&selection);
        return Ok(left_by_choice(&selection));
    }
    let regions = regions(&selection);
    let target = Target::load(config.connection.within(&regions), false).await?;
    target.check_kind(history.account.as_ref(), &config.results)?;
    target.identify_in(&regions, &stop).await?;
    target.check_account(expected.as_ref())?;
    target::introduce(&target, &regions);
    consent::show(&selection);
    consent::ask(config, &selection, &stop).await?;
    let account = target.account().cloned().or(expected);
    let run = Run {
        config,
        target,
        account,
        regions,
        stop,
        console,
    };
    run.work_off(log, history, selection).await
}

/// Adopted channels are left. That counts for the exit code if the devices were named.
fn left_by_choice(selection: &Selection) -> u64 {
    if selection.is_a_part {
        selection.adopted
    } else {
        0
    }
}

/// The Regions of the channels, each once.
fn regions(selection: &Selection) -> Vec<Region> {
    let mut regions: Vec<Region> = Vec::new();
    for candidate in &selection.candidates {
        if !regions.contains(&candidate.region) {
            regions.push(candidate.region.clone());
        }
    }
    regions
}

/// The last line in the runs log, without the reason of the end.
fn end_line(deletions: &Deletions, stats: &Stats) -> End {
    let counts = stats.counts();
    let requests = [counts.describes, counts.lists, counts.others];
    End {
        at: timestamp(SystemTime::now()),
        duration_ms: u64::try_from(deletions.elapsed().as_millis()).unwrap_or(u64::MAX),
        counts: [("deleted".to_owned(), deletions.deleted())].into(),
        requests: requests.iter().map(|requests| requests.sent).sum(),
        throttles: requests.iter().map(|requests| requests.throttled).sum(),
        ..End::default()
    }
}

/// A confirmed rollback.
struct Run<'a> {
    config: &'a RollbackConfig,
    target: Target,
    account: Option<AccountId>,
    regions: Vec<Region>,
    stop: StopSignal,
    console: Console,
}

impl Run<'_> {
    async fn work_off(
        self,
        mut log: RunsLog<RealDisk>,
        history: History<RealDisk>,
        selection: Selection,
    ) -> Result<u64, Error> {
        let stats = Arc::new(Stats::new());
        let mut listeners = Listeners::default();
        listeners.add(Arc::clone(&stats) as Arc<dyn Listener>);
        let running = batch::go_on(
            &RealDisk,
            &self.config.results,
            history,
            listeners.clone(),
            self.stop.clone(),
        )?;
        log.append([self.start_line()])
            .map_err(|error| Error::refused("results", error.to_string()))?;
        let mut reserve = Reserve::new();
        let deletions = Arc::new(Deletions::new());
        let total = selection.candidates.len() as u64;
        let left_by_choice = left_by_choice(&selection);
        let progress = Progress::start(
            self.config.progress,
            Some(total),
            Arc::clone(&deletions),
            self.console.clone(),
        );
        let settings = engine::Settings {
            account: self.account.clone(),
            ..self.config.engine.clone()
        };
        let caller = super::caller(settings, listeners, self.stop.clone());
        let deleting = Deleting {
            sink: Arc::clone(&running.books.sink),
            deletions: Arc::clone(&deletions),
            stop: self.stop.clone(),
            workers: open_files::most_requests_each(self.config.engine.workers, self.regions.len()),
            service: |region: &Region| self.target.service(region),
        };
        delete_all(deleting, &caller, selection.candidates).await;
        drop(progress);
        let closed = running.close().await?;
        for line in closed.unsaved() {
            error!("{line}");
        }
        reserve.release();
        let kept = closed.finish();
        let stopped = caller.end().map_or(Ok(()), |stop| Err(stop.into()));
        let ended = super::outcome(stopped, kept);
        self.say_end(&deletions, total, &ended);
        let left = deletions.left().values().sum::<u64>() + left_by_choice;
        let mut end = end_line(&deletions, &stats);
        end.remaining = total - deletions.deleted();
        (end.exit_code, end.reason) = match &ended {
            Err(error) => (error.exit_code(), error.reason().to_owned()),
            Ok(()) => (if left > 0 { 3 } else { 0 }, "complete".to_owned()),
        };
        if let Err(error) = log.append([RunsLine::End(Box::new(end))]) {
            warn!("{error}");
        }
        ended.map(|()| left)
    }

    /// Reports what became of the channels.
    fn say_end(&self, deletions: &Deletions, total: u64, ended: &Result<(), Error>) {
        let deleted = deletions.deleted();
        let seconds = deletions.elapsed().as_secs_f64();
        info!("{deleted} of {total} deleted in {seconds:.1} s");
        let mut failed = 0;
        for (code, count) in deletions.left() {
            warn!("{count} left with {code}: {}", error_codes::hint(&code));
            failed += count;
        }
        let open = total - deleted - failed;
        if ended.is_err() && open > 0 {
            warn!("{open} not attempted: the same command goes on with them");
        }
        info!("results in {}", self.config.results.display());
    }

    fn start_line(&self) -> RunsLine {
        RunsLine::Start(Box::new(Start {
            at: timestamp(SystemTime::now()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: ROLLBACK.to_owned(),
            arguments: super::arguments(),
            account: self.account.as_ref().map(ToString::to_string),
            caller: self.target.caller().map(str::to_owned),
            regions: self.regions.iter().map(ToString::to_string).collect(),
            endpoint: self.target.url().map(str::to_owned),
            ..Start::default()
        }))
    }
}
