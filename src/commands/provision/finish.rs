//! The end of a run, as the person and the files are told of it: what was kept and what was not, the runs log's last
//! line, the summary.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::{error, info, warn};

use super::{Run, resume};
use crate::commands::report;
use crate::domain::device::AccountId;
use crate::engine::Stop;
use crate::error::Error;
use crate::fleet::batch::Closed;
use crate::output::stats::{RegionTotals, Stats};
use crate::output::summary::Summary;
use crate::results::disk::RealDisk;
use crate::results::record::{Status, timestamp};
use crate::results::runs_line::{End, RegionLine, RunsLine};
use crate::results::runs_log::RunsLog;

/// The runs log, which has a last line also where the run leaves at once.
pub(super) type SharedLog = Arc<Mutex<RunsLog<RealDisk>>>;

/// How a run ended that was perhaps stopped, and whose results were kept or not. What became of the results decides,
/// since it may ask the person to do something before the next run; what stopped the run is then said here.
fn ending(ended: Result<(), Error>, kept: Result<(), Error>) -> Result<(), Error> {
    match (ended, kept) {
        (ended, Ok(())) => ended,
        (Ok(()) | Err(Error::Stopped(Stop::Results(_))), lost) => lost,
        (Err(error), lost) => {
            error!("{error}");
            lost
        }
    }
}

impl Run {
    /// Brings the files in order and says how the run ended. `had_results` says whether there was a results file before.
    pub(super) fn settle(
        &mut self,
        closed: Closed<RealDisk>,
        ended: Result<(), Error>,
        had_results: bool,
        log: &SharedLog,
    ) -> Result<(), Error> {
        for line in closed.unsaved() {
            error!("{line}");
        }
        let results = closed.results().to_owned();
        if let Err(Error::Refused { .. }) = &ended
            && !closed.has_row()
        {
            // Known only after the journal was made ready, as of a stream without a row.
            drop(closed);
            let made = (!had_results).then_some(&*results);
            drop(self.last_words.take());
            return withdraw(made, log).and(ended);
        }
        self.reserve.release();
        let kept = closed.finish();
        if let Err(Error::Stopped(Stop::WrongAccount { expected, found })) = &ended
            && self.stats.counts().created > 0
        {
            error!("{}", made_elsewhere(&results, expected, found));
        }
        let ended = ending(ended, kept);
        self.note_end(&ended);
        let end = RunsLine::End(Box::new(end_line(&self.summary, self.changed)));
        // Where the words are gone, a second signal has come, and who listens for it writes the last line.
        if self.last_words.take().is_some()
            && let Err(error) = locked(log).append([end])
        {
            warn!("{error}");
        }
        ended
    }

    /// Notes in the summary how the run ended.
    fn note_end(&mut self, ended: &Result<(), Error>) {
        note_end(&mut self.summary, &self.stats, ended);
        if ended.is_ok() && self.limit_is_reached {
            (self.summary.exit_code, self.summary.reason) = (1, "limit");
        }
        if ended.is_ok()
            && let Err(unusable) = &self.usable
        {
            (self.summary.exit_code, self.summary.reason) =
                (unusable.exit_code(), unusable.reason());
        }
    }

    /// Should the run have to leave at once, this is what it leaves in writing: the summary, and the log's last line.
    pub(super) fn leave_words(&self, log: Option<SharedLog>) {
        let (mut summary, file) = (self.summary.clone(), self.summary_file.clone());
        let (stats, changed) = (Arc::clone(&self.stats), self.changed);
        self.last_words.set(move |cause| {
            note_end(&mut summary, &stats, &Err(Error::Stopped(cause.clone())));
            summary.resume = resume::command();
            // Nobody is told any more what cannot be written.
            if let Some(log) = log {
                let end = RunsLine::End(Box::new(end_line(&summary, changed)));
                let _ = locked(&log).append([end]);
            }
            if let Some(file) = file {
                let _ = summary.write_json(&file);
            }
        });
    }

    /// Shows how the run ended, writes the summary, and gives the exit code.
    pub(super) fn conclude(mut self, ended: &Result<(), Error>) -> u8 {
        self.note_end(ended);
        let refused = self.summary.exit_code == 2;
        let results = self.summary.results.as_deref();
        self.summary.has_results = results.is_some_and(Path::exists);
        if self.summary.is_retryable() && !refused {
            self.summary.resume = resume::command();
        }
        // First, since who reads standard error slowly may hold up the rest for too long.
        let written = self.summary_file.as_ref().map(|file| {
            let written = self.summary.write_json(file);
            written.map_err(|error| (file, error))
        });
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
        if let Some(results) = self.summary.results.as_deref().filter(|file| file.exists())
            && let Some(page) = self.page.as_deref().filter(|_| !refused)
        {
            match report::write_page(results, page) {
                Ok(()) => info!("  report: {}", page.display()),
                Err(error) => error!("there is no report: {error}"),
            }
        }
        if let Some(Err((file, error))) = written {
            error!(
                "the summary could not be written to {}: {error}",
                file.display()
            );
            // A script that reads it must not take this for a success.
            return match self.summary.exit_code {
                0 => 1,
                code => code,
            };
        }
        self.summary.exit_code
    }
}

/// Leaves nothing of a run that had nothing to attempt: no results that it made, and no line in the log.
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
    locked(log)
        .take_back()
        .map_err(|error| Error::refused("results", error.to_string()))
}

/// What to do about channels that were made in another account before an answer showed whose it is.
fn made_elsewhere(results: &Path, expected: &AccountId, found: &AccountId) -> String {
    let file = results.display();
    format!(
        "{file} has rows of this run whose channel_arn names the account {found}: those channels exist there. Delete \
         them in {found}, and delete their rows from {file} (a rerun is refused while they are in it); then the same \
         command makes them in {expected}"
    )
}

fn end_line(summary: &Summary, changed: Option<u64>) -> End {
    let (counts, totals) = (&summary.counts, &summary.totals);
    let by_status = [
        (Status::Created, counts.created),
        (Status::Exists, counts.exists),
        (Status::Failed, counts.failures()),
        (Status::Invalid, counts.invalid),
    ];
    let requests = [counts.creates, counts.describes, counts.lists];
    End {
        at: timestamp(std::time::SystemTime::now()),
        duration_ms: u64::try_from(summary.duration.as_millis()).unwrap_or(u64::MAX),
        counts: by_status
            .into_iter()
            .map(|(status, count)| (status.as_str().to_owned(), count))
            .collect(),
        remaining: summary.remaining,
        changed,
        requests: requests.iter().map(|requests| requests.sent).sum(),
        throttles: requests.iter().map(|requests| requests.throttled).sum(),
        creating_ms: u64::try_from(totals.creating.as_millis()).unwrap_or(u64::MAX),
        achieved_per_second: totals.achieved,
        throttled_share: counts.creates.throttled_share(),
        regions: totals.regions.iter().map(region_line).collect(),
        reason: summary.reason.to_owned(),
        exit_code: summary.exit_code,
    }
}

/// Notes in the summary what was done, and how that ended.
fn note_end(summary: &mut Summary, stats: &Stats, ended: &Result<(), Error>) {
    summary.counts = stats.counts();
    summary.totals = stats.totals();
    summary.duration = stats.elapsed();
    let with_channel = summary.done_before + summary.counts.created + summary.counts.exists;
    summary.remaining = summary
        .listed
        .saturating_sub(with_channel)
        .saturating_sub(summary.deleted);
    (summary.exit_code, summary.reason) = match ended {
        Err(error) => (error.exit_code(), error.reason()),
        Ok(()) if summary.counts.failures() + summary.counts.invalid + summary.deleted > 0 => {
            (3, "complete")
        }
        Ok(()) => (0, "complete"),
    };
    summary.message = ended.as_ref().err().map(ToString::to_string);
}

fn region_line(region: &RegionTotals) -> RegionLine {
    RegionLine {
        region: region.region.to_string(),
        creates: region.creates.sent,
        throttles: region.creates.throttled,
        throttled_share: region.creates.throttled_share(),
        achieved_per_second: region.achieved,
        in_force_per_second: region.rate,
        granted_per_second: region.grant,
    }
}

fn locked(log: &SharedLog) -> MutexGuard<'_, RunsLog<RealDisk>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
