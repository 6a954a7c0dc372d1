//! Where rows go: to the journal, and once they are on disk into the roster.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::work::{SharedRoster, lock};
use crate::device::ChannelArn;
use crate::engine::Ledger;
use crate::event::{Event, Listener, Listeners};
use crate::results::disk::RealDisk;
use crate::results::finish::FinishRow;
use crate::results::record::{Place, Row};
use crate::results::writer::{Closed, RecordError, Recorder};
use crate::roster::DeviceIndex;

/// Most rows that a message lists when they could not be saved.
const SHOWN_UNSAVED: usize = 100;

/// The journal's front.
#[derive(Debug)]
pub(super) struct FileLedger {
    /// None once it is closed.
    recorder: Mutex<Option<Recorder>>,
    roster: SharedRoster,
    results: PathBuf,
    /// Where the rows of invalid lines are: their place in the manifest, and in the journal.
    invalid: Mutex<Vec<(u64, Place)>>,
}

impl FileLedger {
    pub(super) fn new(recorder: Recorder, roster: SharedRoster, results: &Path) -> Arc<Self> {
        Arc::new(Self {
            recorder: Mutex::new(Some(recorder)),
            roster,
            results: results.to_owned(),
            invalid: Mutex::default(),
        })
    }

    /// Records the rows of invalid lines, then counts and shows them.
    pub(super) async fn record_invalid(
        &self,
        rows: Vec<(u64, Row)>,
        listeners: &Listeners,
    ) -> Result<(), String> {
        let (lines, rows): (Vec<u64>, Vec<Row>) = rows.into_iter().unzip();
        let outcomes = self.recorder()?.record_all(rows).await;
        for (at, outcome) in lines.into_iter().zip(outcomes) {
            let (row, place) = outcome.map_err(|error| self.not_written(&error))?;
            locked(&self.invalid).push((at, place));
            listeners.tell(&Event::Recorded { row: &row });
        }
        Ok(())
    }

    /// Takes no more rows, so that the writer ends. Returns the invalid lines' places.
    pub(super) fn close(&self) -> Vec<(u64, FinishRow)> {
        drop(locked(&self.recorder).take());
        std::mem::take(&mut *locked(&self.invalid))
            .into_iter()
            .map(|(at, place)| (at, FinishRow::Kept(place)))
            .collect()
    }

    fn recorder(&self) -> Result<Recorder, String> {
        locked(&self.recorder)
            .clone()
            .ok_or_else(|| "the run has ended".to_owned())
    }

    fn not_written(&self, error: &RecordError) -> String {
        format!(
            "{error}. What is in {} is sound, and the run resumes from it; make room or close the program that \
             holds the file, then repeat the command",
            self.results.display()
        )
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger for FileLedger {
    async fn record(&self, rows: Vec<(DeviceIndex, Row)>) -> Result<Vec<Row>, String> {
        let (devices, rows): (Vec<DeviceIndex>, Vec<Row>) = rows.into_iter().unzip();
        let outcomes = self.recorder()?.record_all(rows).await;
        let mut recorded = Vec::with_capacity(outcomes.len());
        let mut failed = None;
        let mut roster = lock(&self.roster);
        for (index, outcome) in devices.into_iter().zip(outcomes) {
            match outcome {
                Ok((row, place)) => {
                    roster.record(index, row.status, place);
                    recorded.push(row);
                }
                Err(error) => failed = Some(error),
            }
        }
        drop(roster);
        failed.map_or(Ok(recorded), |error| Err(self.not_written(&error)))
    }
}

/// What the person must know when rows could not be saved: which devices have a channel that the file does not show.
pub(super) fn unsaved(closed: &Closed<RealDisk>) -> Vec<String> {
    let mut lines: Vec<String> = closed
        .unsaved
        .iter()
        .take(SHOWN_UNSAVED)
        .map(|row| {
            let arn = row
                .channel_arn
                .as_ref()
                .map_or("no ARN", ChannelArn::as_str);
            format!(
                "not saved: {} {} {arn}",
                crate::device::shown(&row.device_id),
                row.status.as_str()
            )
        })
        .collect();
    let more = closed.unsaved.len().saturating_sub(SHOWN_UNSAVED);
    if more > 0 {
        lines.push(format!(
            "not saved: {more} more; the next run finds their channels by listing"
        ));
    }
    lines
}
