//! The end of a run: what could not be saved, the results in order, the runs log's last line, the summary.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::{error, info, warn};

use super::Run;
use super::ledger::{not_written, unsaved};
use super::work::SharedRoster;
use crate::device::AccountId;
use crate::engine::Stop;
use crate::error::Error;
use crate::results::asks::Asks;
use crate::results::disk::RealDisk;
use crate::results::finish::{FinishRow, Finished, finish as put_in_order};
use crate::results::journal::Journal;
use crate::results::record::{Status, timestamp};
use crate::results::runs_line::{End, Lane, RunsLine};
use crate::results::runs_log::RunsLog;
use crate::results::writer::{Closed, RecordError};
use crate::roster::{DeviceIndex, Roster};
use crate::summary::Summary;
use crate::tally::{LaneTotals, Tally};

/// The runs log, which has a last line also where the run leaves at once.
pub(super) type SharedLog = Arc<Mutex<RunsLog<RealDisk>>>;

/// What a run has besides its journal when it ends.
pub(super) struct Books {
    /// Whether there was a results file before the run.
    pub(super) had_results: bool,
    pub(super) log: SharedLog,
    pub(super) roster: SharedRoster,
    /// The rows of invalid lines, by their place in the manifest.
    pub(super) invalid: Vec<(u64, FinishRow)>,
}

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

/// Says how many devices the results hold of which the manifest has no valid row.
pub(super) fn say_unlisted(roster: &Roster) {
    let unlisted = roster
        .iter()
        .filter(|index| !roster.is_listed(*index) && roster.place(*index).is_some())
        .count();
    match unlisted {
        0 => {}
        1 => warn!(
            "1 device in the results has no valid row in the manifest; its row is kept, behind the others"
        ),
        _ => warn!(
            "{unlisted} devices in the results have no valid row in the manifest; their rows are kept, behind the others"
        ),
    }
}

/// Says what a power loss or a kill spoilt, which the first write repairs.
pub(super) fn say_torn(journal: &Journal<RealDisk>) {
    if let Some(torn) = journal.torn() {
        warn!(
            "{}: {torn}; it is cut off, and what it said is asked of the service again",
            journal.path().display()
        );
    }
}

/// Puts the results in the manifest's order: a row for each device and each invalid line, others behind them.
/// `invalid` are the rows of invalid lines, by their place in the manifest and in its order.
pub(super) fn finish(
    journal: Journal<RealDisk>,
    roster: &Roster,
    invalid: Vec<(u64, FinishRow)>,
) -> Result<(), Error> {
    let mut devices = in_manifest_order(roster).peekable();
    let mut invalid = invalid.into_iter().peekable();
    let rows = std::iter::from_fn(|| {
        let device_at = devices.peek().and_then(|index| roster.manifest_at(*index));
        let line_comes_first = match (invalid.peek(), device_at) {
            (Some((line_at, _)), Some(device_at)) => *line_at < device_at,
            (line, _) => line.is_some(),
        };
        if line_comes_first {
            invalid.next().map(|(_, row)| row)
        } else {
            let place = roster.place(devices.next()?)?;
            Some(FinishRow::Kept(place))
        }
    });
    match put_in_order(journal, rows) {
        Ok(Finished::Unchanged | Finished::Replaced) => Ok(()),
        Ok(Finished::SavedBeside(path)) => Err(Error::Stopped(Stop::Results(format!(
            "the results file was renamed, replaced or deleted by another program during the run; the complete \
             results are in {}: put them in its place before you run again",
            path.display()
        )))),
        Err(error) => Err(Error::Stopped(Stop::Results(error.to_string()))),
    }
}

/// The devices that have a row: those that the manifest lists in its order, the others behind them in the roster's.
fn in_manifest_order(roster: &Roster) -> Box<dyn Iterator<Item = DeviceIndex> + '_> {
    let devices = || {
        let all = roster.iter();
        all.filter(|index| roster.place(*index).is_some())
    };
    let rank = |index| (roster.manifest_at(index).unwrap_or(u64::MAX), index);
    // The order of most reruns, in which a list of the devices would take memory for nothing.
    if devices().is_sorted_by_key(rank) {
        return Box::new(devices());
    }
    let mut devices: Vec<_> = devices().collect();
    devices.sort_unstable_by_key(|index| rank(*index));
    Box::new(devices.into_iter())
}

impl Run {
    /// Brings the files in order and says how the run ended.
    pub(super) fn settle(
        &mut self,
        closed: Closed<RealDisk>,
        ended: Result<(), Error>,
        books: Books,
    ) -> Result<(), Error> {
        for line in unsaved(&closed) {
            error!("{line}");
        }
        let results = closed.journal.path().to_owned();
        let mut roster =
            std::mem::take(&mut *books.roster.lock().unwrap_or_else(PoisonError::into_inner));
        // On disk, though nobody waited to hear of it.
        for (row, place) in &closed.unclaimed {
            if let Some(index) = roster.find(&row.device_id) {
                roster.record(index, row.status, *place);
            }
        }
        let has_row = roster.iter().any(|index| roster.was_recorded_now(index));
        if let Err(Error::Refused { .. }) = &ended
            && !has_row
        {
            // Known only after the journal was made ready, as of a stream without a row.
            drop(closed.journal);
            let made = (!books.had_results).then_some(&*results);
            drop(self.last_words.take());
            return withdraw(made, &books.log).and(ended);
        }
        // After a failed write the journal is left as it is: it is sound up to the last row that counted.
        let kept = match closed.failure {
            Some(failure) => {
                let message = not_written(&RecordError::Journal(failure), closed.journal.path());
                Err(Error::Stopped(Stop::Results(message)))
            }
            None => finish(closed.journal, &roster, books.invalid),
        };
        if let Err(Error::Stopped(Stop::WrongAccount { expected, found })) = &ended
            && self.tally.counts().created > 0
        {
            error!("{}", made_elsewhere(&results, expected, found));
        }
        let ended = ending(ended, kept);
        self.note_end(&ended);
        let lines = asks(&roster).map(RunsLine::Asks);
        let end = RunsLine::End(Box::new(end_line(&self.summary, self.changed)));
        // Were a second signal to come now, the line would stand there twice.
        drop(self.last_words.take());
        let logged = locked(&books.log).append(lines.chain([end]));
        if let Err(error) = logged {
            warn!("{error}");
        }
        ended
    }

    /// Notes in the summary how the run ended.
    fn note_end(&mut self, ended: &Result<(), Error>) {
        note_end(&mut self.summary, &self.tally, ended);
        if ended.is_ok() && self.limit_is_reached {
            (self.summary.exit_code, self.summary.reason) = (1, "limit");
        }
    }

    /// Should the run have to leave at once, this is what it leaves in writing: the summary, and the log's last line.
    pub(super) fn leave_words(&self, log: Option<SharedLog>) {
        let (mut summary, file) = (self.summary.clone(), self.summary_file.clone());
        let (tally, changed) = (Arc::clone(&self.tally), self.changed);
        self.last_words.set(move |cause| {
            note_end(&mut summary, &tally, &Err(Error::Stopped(cause.clone())));
            summary.resume = Some(command_line());
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
            self.summary.resume = Some(command_line());
        }
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
        if let Some(file) = &self.summary_file
            && let Err(error) = self.summary.write_json(file)
        {
            error!(
                "the summary could not be written to {}: {error}",
                file.display()
            );
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

fn end_line(summary: &Summary, changed: u64) -> End {
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
        changed: Some(changed),
        requests: requests.iter().map(|requests| requests.sent).sum(),
        throttles: requests.iter().map(|requests| requests.throttled).sum(),
        creating_ms: u64::try_from(totals.creating.as_millis()).unwrap_or(u64::MAX),
        achieved_per_second: totals.achieved,
        throttled_share: counts.creates.throttled_share(),
        lanes: totals.lanes.iter().map(lane_line).collect(),
        reason: summary.reason.to_owned(),
        exit_code: summary.exit_code,
    }
}

/// Notes in the summary what was done, and how that ended.
fn note_end(summary: &mut Summary, tally: &Tally, ended: &Result<(), Error>) {
    summary.counts = tally.counts();
    summary.totals = tally.totals();
    summary.duration = tally.elapsed();
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

fn lane_line(lane: &LaneTotals) -> Lane {
    Lane {
        region: lane.region.to_string(),
        creates: lane.creates.sent,
        throttles: lane.creates.throttled,
        throttled_share: lane.creates.throttled_share(),
        achieved_per_second: lane.achieved,
        in_force_per_second: lane.rate,
        granted_per_second: lane.grant,
    }
}

fn locked(log: &SharedLog) -> MutexGuard<'_, RunsLog<RealDisk>> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was asked for each device that has its channel since this run.
fn asks(roster: &Roster) -> impl Iterator<Item = Asks> {
    let finished = roster.iter().filter(|index| {
        roster.was_recorded_now(*index)
            && matches!(
                roster.status(*index),
                Some(Status::Created | Status::Exists)
            )
    });
    Asks::lines(finished.map(|index| (roster.device_id(index), roster.digest(index))))
}

/// The command that this process was started with, fit to be typed again.
fn command_line() -> String {
    let quoted = std::env::args_os().map(|argument| {
        let argument = argument.to_string_lossy().into_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
        if !argument.is_empty() && argument.chars().all(plain) {
            argument
        } else {
            format!("'{}'", argument.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}
