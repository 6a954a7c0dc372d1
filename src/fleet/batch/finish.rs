//! The end of a batch: rows that could not be saved, and the results in the manifest's order.

use std::path::Path;

use super::sink::not_written;
use crate::domain::device::{ChannelArn, shown};
use crate::engine::Stop;
use crate::error::Error;
use crate::fleet::known_devices::KnownDevices;
use crate::fleet::plan::InvalidLine;
use crate::results::disk::Disk;
use crate::results::finish::{FinishRow, Finished, finish};
use crate::results::journal::Journal;
use crate::results::record::Status;
use crate::results::writer::{Closed, RecordError};

/// A batch whose writer has ended.
#[derive(Debug)]
pub struct ClosedBatch<D: Disk> {
    written: Closed<D>,
    known_devices: KnownDevices,
    /// The rows of invalid lines, by their line in the manifest.
    invalid: Vec<(u64, FinishRow)>,
}

impl<D: Disk> ClosedBatch<D> {
    pub(super) fn new(
        written: Closed<D>,
        mut known_devices: KnownDevices,
        invalid: Vec<(u64, FinishRow)>,
    ) -> Self {
        // On disk, although no task waited for the answer. Rows of invalid lines have no device.
        let unclaimed = written.unclaimed.iter();
        for (row, place) in unclaimed.filter(|(row, _)| row.status != Status::Invalid) {
            if let Some(index) = known_devices.find(&row.device_id) {
                known_devices.record(index, row.status, *place);
            }
        }
        Self {
            written,
            known_devices,
            invalid,
        }
    }

    /// A line for each row that could not be saved: nothing else holds the ARNs of these channels.
    pub fn unsaved(&self) -> impl Iterator<Item = String> {
        self.written.unsaved.iter().map(|row| {
            let arn = row
                .channel_arn
                .as_ref()
                .map_or("no ARN", ChannelArn::as_str);
            format!(
                "not saved: {} {} {arn}",
                shown(&row.device_id),
                row.status.as_str()
            )
        })
    }

    /// Whether this run has recorded any device.
    pub fn has_row(&self) -> bool {
        let mut devices = self.known_devices.iter();
        devices.any(|index| self.known_devices[index].was_recorded_now)
    }

    pub(crate) fn results(&self) -> &Path {
        self.written.journal.path()
    }

    /// Puts the results in the manifest's order. After a failed write the journal is left as it is: it is sound up to the
    /// last row that counted.
    pub fn finish(self) -> Result<(), Error> {
        match self.written.failure {
            Some(failure) => {
                let results = self.written.journal.path();
                let message = not_written(&RecordError::Journal(failure), results);
                Err(Error::Stopped(Stop::Results(message)))
            }
            None => put_in_order(self.written.journal, &self.known_devices, self.invalid),
        }
    }
}

/// Puts the results of a batch with nothing to do in the manifest's order.
pub fn tidy<D: Disk>(
    mut journal: Journal<D>,
    known_devices: &KnownDevices,
    invalid: &[InvalidLine],
) -> Result<(), Error> {
    journal
        .prepare()
        .map_err(|error| Error::Stopped(Stop::Results(error.to_string())))?;
    let rows = invalid
        .iter()
        .map(|line| (line.line, FinishRow::New(Box::new(line.row()))));
    put_in_order(journal, known_devices, rows.collect())
}

/// Writes a row for each device and each invalid line, in the manifest's order; the devices that it does not list follow.
/// `invalid` are the rows of invalid lines, by their line in the manifest.
fn put_in_order<D: Disk>(
    journal: Journal<D>,
    known_devices: &KnownDevices,
    invalid: Vec<(u64, FinishRow)>,
) -> Result<(), Error> {
    let mut rows = invalid;
    rows.extend(known_devices.iter().filter_map(|index| {
        let known = &known_devices[index];
        let place = known.place?;
        let line = known.listed.map_or(u64::MAX, |listed| listed.order);
        Some((line, FinishRow::Kept(place)))
    }));
    // Stable: devices that are not listed stay in their order.
    rows.sort_by_key(|(line, _)| *line);
    let rows: Vec<FinishRow> = rows.into_iter().map(|(_, row)| row).collect();
    let results = journal.path().to_owned();
    match finish(journal, rows) {
        Ok(Finished::Unchanged | Finished::Replaced) => Ok(()),
        Ok(Finished::SavedBeside(path)) => Err(Error::Stopped(Stop::Results(format!(
            "the results file {} was renamed, replaced or deleted by another program during the run; the complete \
             results are in {}: put them in its place before you run again",
            results.display(),
            path.display()
        )))),
        Err(error) => Err(Error::Stopped(Stop::Results(error.to_string()))),
    }
}
