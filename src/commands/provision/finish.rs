//! The end of a run: the results in order, the runs log's last line, the summary.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::{error, info, warn};

use super::{Run, resume, runs_lines};
use crate::commands::checks::check_usable;
use crate::commands::{outcome, report};
use crate::domain::device::AccountId;
use crate::engine::Stop;
use crate::error::Error;
use crate::fleet::batch::ClosedBatch;
use crate::output::stats::Stats;
use crate::output::summary::{Summary, accounts};
use crate::results::disk::RealDisk;
use crate::results::runs_log::RunsLog;

/// The runs log, which has a last line also where the run leaves at once.
pub(super) type SharedLog = Arc<Mutex<RunsLog<RealDisk>>>;

impl Run {
    /// Brings the files in order and says how the run ended. `had_results` says whether there was a results file before.
    pub(super) fn settle(
        &mut self,
        closed: ClosedBatch<RealDisk>,
        ended: Result<(), Error>,
        had_results: bool,
        log: &SharedLog,
    ) -> Result<(), Error> {
        for line in closed.unsaved() {
            error!("{line}");
        }
        let results = closed.results().to_owned();
        if let Err(Error::Refused { .. } | Error::NotBegun(_)) = &ended
            && !closed.has_row()
        {
            // Known only after the journal was made ready, as of a stream without a row.
            drop(closed);
            let made = (!had_results).then_some(&*results);
            drop(self.exit_record.take());
            return withdraw(made, log).and(ended);
        }
        self.reserve.release();
        let kept = closed.finish();
        if let Err(Error::Stopped(Stop::WrongAccount { expected, found })) = &ended
            && self.stats.counts().created > 0
        {
            error!("{}", made_elsewhere(&results, expected, found));
        }
        let ended = outcome(ended, kept);
        note_end(&mut self.summary, &self.stats, &ended);
        let end = runs_lines::end(&self.summary);
        // Taken already after a second signal: then its listener writes the last line.
        if self.exit_record.take().is_some()
            && let Err(error) = locked(log).append([end])
        {
            warn!("{error}");
        }
        ended
    }

    /// What the run leaves in writing where it has to leave at once: the summary, and the log's last line.
    pub(super) fn set_exit_record(&self, log: Option<SharedLog>) {
        let (mut summary, file) = (self.summary.clone(), self.config.output.summary.clone());
        let stats = Arc::clone(&self.stats);
        self.exit_record.set(move |cause| {
            note_end(&mut summary, &stats, &Err(Error::Stopped(cause.clone())));
            summary.resume = resume::command(summary.shard);
            // What cannot be written cannot be reported any more.
            if let Some(log) = log {
                let _ = locked(&log).append([runs_lines::end(&summary)]);
            }
            if let Some(file) = file {
                let _ = summary.write_json(&file);
            }
        });
    }

    /// Shows how the run ended, writes the summary, and gives the exit code.
    pub(super) fn conclude(&mut self, ended: &Result<(), Error>) -> u8 {
        note_end(&mut self.summary, &self.stats, ended);
        let refused = self.summary.exit_code == 2;
        let results = self.summary.results.as_deref();
        self.summary.has_results = results.is_some_and(Path::exists);
        if self.summary.is_retryable() && !refused {
            self.summary.resume = resume::command(self.summary.shard);
        }
        // First: a slow reader of standard error may hold up the rest for too long.
        let written = self.config.output.summary.as_ref().map(|file| {
            let written = self.summary.write_json(file);
            written.map_err(|error| (file, error))
        });
        // It would say that the run was interrupted.
        drop(self.exit_record.take());
        // A signal was answered when it came.
        if let Err(error) = ended
            && self.summary.exit_code < 128
        {
            error!("{error}");
        }
        if !refused {
            for line in self.summary.lines() {
                info!("{line}");
            }
        }
        let mut all_written = refused || self.write_report();
        if let Some(Err((file, error))) = written {
            error!(
                "the summary could not be written to {}: {error}",
                file.display()
            );
            all_written = false;
        }
        match self.summary.exit_code {
            // A script that reads the file must not take this for a success.
            0 if !all_written => 1,
            code => code,
        }
    }

    /// Writes the report, if one was asked for. Returns false if it could not be written.
    fn write_report(&self) -> bool {
        let results = self.summary.results.as_deref().filter(|file| file.exists());
        let (Some(results), Some(page)) = (results, self.config.output.page.as_deref()) else {
            return true;
        };
        match report::write_page(results, page) {
            Ok(()) => info!("  report: {}", page.display()),
            Err(error) => {
                error!("there is no report: {error}");
                return false;
            }
        }
        true
    }
}

/// Leaves nothing of a run that had nothing to attempt: no results that it created, and no line in the log.
fn withdraw(made: Option<&Path>, log: &SharedLog) -> Result<(), Error> {
    if let Some(results) = made {
        std::fs::remove_file(results).map_err(|error| {
            let file = results.display();
            Error::refused(
                "results",
                format!("the empty results file {file} cannot be removed: {error}"),
            )
        })?;
    }
    locked(log).take_back()?;
    Ok(())
}

/// What to do about channels that were created in another account before an answer named it.
fn made_elsewhere(results: &Path, expected: &AccountId, found: &AccountId) -> String {
    let file = results.display();
    format!(
        "{file} has rows of this run whose channel_arn names the account {found}: those channels exist there. Delete \
         them in {found}, and delete their rows from {file} (a rerun is refused while they are in it); then the same \
         command makes them in {expected}"
    )
}

/// Notes in the summary what was done, and how that ended.
fn note_end(summary: &mut Summary, stats: &Stats, ended: &Result<(), Error>) {
    summary.count(stats);
    let plan = &summary.plan;
    let unusable = check_usable(plan.all_listed(), plan.all_invalid());
    (summary.exit_code, summary.reason) = match ended.clone().and(unusable) {
        Err(error) => (error.exit_code(), error.reason()),
        Ok(()) if summary.limit_is_reached => (1, "limit"),
        Ok(()) if summary.counts.failures() + summary.counts.invalid + plan.deleted > 0 => {
            (3, "complete")
        }
        Ok(()) => (0, "complete"),
    };
    summary.message = ended.as_ref().err().map(ToString::to_string);
    let stop = ended.as_ref().err().and_then(Error::stop);
    summary.accounts = accounts::of(&summary.totals.accounts, stop, summary.reason);
}

fn locked(log: &SharedLog) -> MutexGuard<'_, RunsLog<RealDisk>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
