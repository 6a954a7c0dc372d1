//! A manifest of the rows that have no channel, as they are in the original, with the reason in a last column: for
//! whoever must mend them, and to be fed back.

use std::collections::{HashMap, HashSet};

use csv::{StringRecord, WriterBuilder};

use super::facts::Facts;
use crate::fleet::known_devices::KnownDevices;
use crate::fleet::plan::{Planner, Rules, Verdict};
use crate::manifest::{Manifest, ManifestError};
use crate::results::record::Status;

/// The last column.
const REASON: &str = "reason";

/// The manifest, and how many rows it has.
pub struct Failed {
    /// The text, with the original's delimiter.
    pub text: Vec<u8>,
    /// Rows behind the header.
    pub rows: u64,
}

/// Why it cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum FailedError {
    /// The original cannot be read.
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    /// A cell could not be written.
    #[error("a row could not be written: {0}")]
    Csv(#[from] csv::Error),
}

/// Picks the rows of the original that failed by these results, or are invalid.
pub fn pick(facts: &Facts, manifest: &Manifest) -> Result<Failed, FailedError> {
    let reasons = reasons(facts);
    let columns: Vec<&str> = manifest.layout().columns().collect();
    // One that this tool wrote: its reasons were those of an earlier run.
    let kept = match columns.split_last() {
        Some((&REASON, kept)) => kept,
        _ => &columns,
    };
    let mut writer = WriterBuilder::new()
        .delimiter(manifest.layout().delimiter())
        .from_writer(Vec::new());
    writer.write_record(kept.iter().copied().chain([unused(kept).as_str()]))?;
    let mut planner = Planner::new(Rules::default());
    // Who has a channel is not for the judgement: a row may be invalid whatever became of its device before.
    let mut known_devices = KnownDevices::new();
    let mut rows = 0;
    let mut all = manifest.rows();
    while let Some(row) = all.next()? {
        let why = match planner.judge(&mut known_devices, &row) {
            Ok(Verdict::Invalid(flaw)) => Some(reason(flaw.code, &flaw.reason)),
            Ok(Verdict::Repeated) | Err(_) => None,
            Ok(_) => reasons.get(row.device_id).cloned(),
        };
        if let Some(why) = why {
            write(&mut writer, row.cells, kept.len(), &why)?;
            rows += 1;
        }
    }
    let text = writer
        .into_inner()
        .map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(Failed { text, rows })
}

/// Why the devices without a channel have none. Rows that were invalid for a flag of the run, as `--id-pattern`, are among
/// them: the manifest alone does not show it.
fn reasons(facts: &Facts) -> HashMap<&str, String> {
    let of_devices = facts
        .rows
        .iter()
        .filter(|row| row.status != Status::Invalid);
    let known: HashSet<&str> = of_devices.map(|row| &*row.device_id).collect();
    facts
        .rows
        .iter()
        .filter(|row| match row.status {
            Status::Failed => true,
            Status::Invalid => !known.contains(&*row.device_id),
            Status::Created | Status::Exists | Status::Deleted => false,
        })
        .map(|row| (&*row.device_id, reason(facts.code(row), facts.message(row))))
        .collect()
}

fn write(
    writer: &mut csv::Writer<Vec<u8>>,
    cells: &StringRecord,
    columns: usize,
    why: &str,
) -> Result<(), csv::Error> {
    let cells = (0..columns).map(|column| cells.get(column).unwrap_or_default());
    writer.write_record(cells.chain([why]))
}

fn reason(code: &str, message: &str) -> String {
    if message.is_empty() {
        code.to_owned()
    } else {
        format!("{code}: {message}")
    }
}

/// A name for the last column that none of the others has.
fn unused(columns: &[&str]) -> String {
    let mut name = REASON.to_owned();
    while columns.contains(&name.as_str()) {
        name.push('_');
    }
    name
}
