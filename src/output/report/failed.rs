//! A manifest of the rows without a channel, as they are in the original, with the reason in a last column: the
//! operator corrects them and uses the file in a new run.

use std::collections::{HashMap, HashSet};

use csv::{StringRecord, WriterBuilder};

use super::facts::Facts;
use crate::error::Error;
use crate::fleet::known_devices::KnownDevices;
use crate::fleet::plan::{Planner, Rules, Verdict};
use crate::manifest::Manifest;
use crate::results::record::Status;

const REASON: &str = "reason";

/// The manifest and its number of rows.
pub(crate) struct Failed {
    /// The text, with the original's delimiter.
    pub(crate) text: Vec<u8>,
    /// Rows after the header.
    pub(crate) rows: u64,
}

/// Selects the original's rows that are invalid or failed according to these results.
pub(crate) fn pick(facts: &Facts, manifest: &Manifest) -> Result<Failed, Error> {
    let reasons = reasons(facts);
    let columns: Vec<&str> = manifest.layout().columns().collect();
    // A file that this tool has written: it contains the reasons of an earlier run.
    let kept = match columns.split_last() {
        Some((&REASON, kept)) => kept,
        _ => &columns,
    };
    let mut writer = WriterBuilder::new()
        .delimiter(manifest.layout().delimiter())
        .from_writer(Vec::new());
    let last = unused(kept);
    let head = kept.iter().copied().chain([last.as_str()]);
    writer
        .write_record(head)
        .map_err(|error| unwritten(&error))?;
    let mut planner = Planner::new(Rules::default());
    if manifest.row_accounts()?.are_named {
        planner.set_own_account(facts.own_account());
    }
    // A row is judged without regard to its device's results: it may be invalid although an earlier row of the device
    // succeeded.
    let mut known_devices = KnownDevices::new();
    let mut rows = 0;
    let mut all = manifest.rows();
    while let Some(row) = all.next()? {
        let why = match planner.judge(&mut known_devices, &row) {
            Ok(Verdict::Invalid(line)) => Some(reason(line.code, &line.reason)),
            Ok(Verdict::Repeated) | Err(_) => None,
            Ok(_) => reasons.get(row.device_id).cloned(),
        };
        if let Some(why) = why {
            write(&mut writer, row.cells, kept.len(), &why).map_err(|error| unwritten(&error))?;
            rows += 1;
        }
    }
    let text = writer
        .into_inner()
        .map_err(|error| unwritten(error.error()))?;
    Ok(Failed { text, rows })
}

/// The reasons of the devices without a channel. These include rows that were invalid because of a flag, such as
/// `--id-pattern`, which the manifest alone does not show.
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

fn unwritten(error: &dyn std::fmt::Display) -> Error {
    Error::refused("manifest", format!("a row could not be written: {error}"))
}

fn reason(code: &str, message: &str) -> String {
    if message.is_empty() {
        code.to_owned()
    } else {
        format!("{code}: {message}")
    }
}

/// A name for the last column that no other column has.
fn unused(columns: &[&str]) -> String {
    let mut name = REASON.to_owned();
    while columns.contains(&name.as_str()) {
        name.push('_');
    }
    name
}
