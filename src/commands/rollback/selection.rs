//! Which channels a rollback deletes: those with a `created` row, or of these the requested part.

use std::collections::HashSet;
use std::path::Path;
use std::time::SystemTime;

use crate::cli::RollbackArgs;
use crate::domain::device::{AccountRegion, ChannelArn, ChannelName, DeviceIndex, shown};
use crate::domain::format;
use crate::error::Error;
use crate::fleet::batch::last_rows;
use crate::fleet::claim::channel_of;
use crate::fleet::known_devices::KnownDevices;
use crate::manifest::{self, Options};
use crate::results::disk::RealDisk;
use crate::results::record::{Row, Status};
use crate::results::view::RecordView;

/// Unknown devices that a message names.
const NAMED: usize = 3;

/// A device whose channel is to be deleted, with its last row.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) index: DeviceIndex,
    pub(super) row: Row,
    pub(super) name: ChannelName,
    pub(super) account_region: AccountRegion,
    pub(super) arn: ChannelArn,
}

/// The rows of the requested devices.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// In the file's order.
    pub(super) candidates: Vec<Candidate>,
    /// Devices whose channel was adopted: it is not deleted.
    pub(super) adopted: u64,
    /// Devices whose channel was deleted before.
    pub(super) deleted_before: u64,
    /// Whether single devices were requested.
    pub(super) is_a_part: bool,
}

impl Selection {
    /// How many channels are to be deleted in this account and Region.
    pub(super) fn in_region(&self, account_region: &AccountRegion) -> u64 {
        let candidates = self.candidates.iter();
        let here = candidates.filter(|candidate| candidate.account_region == *account_region);
        here.count() as u64
    }

    /// Reads the rows. `known_devices` knows the last row of each device.
    pub(super) fn read(args: &RollbackArgs, known_devices: &KnownDevices) -> Result<Self, Error> {
        let wanted = wanted(args)?;
        if let Some(wanted) = &wanted {
            check_known(wanted, known_devices, &args.results)?;
        }
        let mut selection = Self {
            is_a_part: wanted.is_some(),
            ..Self::default()
        };
        last_rows(&RealDisk, &args.results, known_devices, |index, entry| {
            let Some(index) = index else { return Ok(()) };
            let row = &entry.record;
            let is_wanted = |wanted: &HashSet<String>| wanted.contains(row.device_id());
            if !wanted.as_ref().is_none_or(is_wanted) {
                return Ok(());
            }
            let taken = selection.take(index, row, args.since);
            taken.map_err(|problem| {
                let (file, line) = (args.results.display(), entry.line);
                Error::refused("results", format!("{file}, line {line}: {problem}"))
            })
        })?;
        Ok(selection)
    }

    /// All are deleted with the run's own credentials, whose account is checked.
    pub(super) fn forget_accounts(&mut self) {
        for candidate in &mut self.candidates {
            candidate.account_region.account = None;
        }
    }

    fn take(
        &mut self,
        index: DeviceIndex,
        row: &RecordView<'_>,
        since: Option<SystemTime>,
    ) -> Result<(), String> {
        match row.status() {
            Status::Created => {}
            Status::Exists => {
                self.adopted += 1;
                return Ok(());
            }
            Status::Deleted => {
                self.deleted_before += 1;
                return Ok(());
            }
            Status::Failed | Status::Invalid => return Ok(()),
        }
        let time = |text: &str| humantime::parse_rfc3339_weak(text).ok();
        let finished_at = time(row.finished_at());
        if let Some(since) = since {
            let Some(finished_at) = finished_at else {
                return Err(format!(
                    "finished_at {} is no time in RFC 3339 (has a spreadsheet program rewritten it?), so --since cannot \
                     be judged; name the devices with --device or --devices-from instead",
                    shown(row.finished_at())
                ));
            };
            if finished_at < since {
                return Ok(());
            }
        }
        let (name, account_region, arn) = channel_of(row)?;
        self.candidates.push(Candidate {
            index,
            row: Row {
                device_id: row.device_id().into(),
                channel_name: row.channel_name().into(),
                account: account_region.account.clone(),
                region: row.region().into(),
                status: row.status(),
                channel_arn: Some(arn.clone()),
                attempts: row.attempts(),
                started_at: time(row.started_at()),
                finished_at,
                error_code: row.error_code().into(),
                error_message: row.error_message().into(),
                request_id: row.request_id().into(),
            },
            name,
            account_region,
            arn,
        });
        Ok(())
    }
}

/// The devices that were named; none for all.
fn wanted(args: &RollbackArgs) -> Result<Option<HashSet<String>>, Error> {
    let mut wanted: HashSet<String> = args.devices.iter().cloned().collect();
    let Some(file) = &args.devices_from else {
        return Ok((!wanted.is_empty()).then_some(wanted));
    };
    let refused = |problem: String| {
        Error::refused(
            "usage",
            format!("--devices-from {}: {problem}", file.display()),
        )
    };
    let bytes = std::fs::read(file).map_err(|error| refused(error.to_string()))?;
    let ids = named_in(&bytes).map_err(refused)?;
    if ids.is_empty() {
        return Err(refused("it names no device".to_owned()));
    }
    wanted.extend(ids);
    Ok(Some(wanted))
}

/// The IDs of a manifest, else those of a text with one a line.
fn named_in(bytes: &[u8]) -> Result<Vec<String>, String> {
    let mut rows = match manifest::stream(bytes, &Options::default()) {
        Ok(rows) => rows,
        Err(error) if error.is_without_header() => return listed_in(bytes),
        Err(error) => return Err(error.to_string()),
    };
    let id_column = rows.layout().id_column().to_owned();
    let mut ids = Vec::new();
    loop {
        match rows.next() {
            // The row's other columns do not matter. A repeated header is no device.
            Ok(Some(row)) if row.device_id.is_empty() || row.device_id == id_column => {}
            Ok(Some(row)) => ids.push(row.device_id.to_owned()),
            Ok(None) => return Ok(ids),
            Err(error) if error.is_without_rows() => return Ok(ids),
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn listed_in(bytes: &[u8]) -> Result<Vec<String>, String> {
    let text = str::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
    let lines = text
        .lines()
        .map(|line| line.trim_start_matches('\u{feff}').trim());
    Ok(lines
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect())
}

/// Refuses devices that have no row: after a typo in one, the others must be checked too.
fn check_known(
    wanted: &HashSet<String>,
    known_devices: &KnownDevices,
    results: &Path,
) -> Result<(), Error> {
    let mut unknown: Vec<&String> = wanted
        .iter()
        .filter(|id| known_devices.find(id).is_none())
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    unknown.sort();
    let named: Vec<String> = unknown.iter().take(NAMED).map(|id| shown(id)).collect();
    Err(Error::refused(
        "usage",
        format!(
            "{} without a row in {}: {}; nothing was deleted",
            format::count(unknown.len() as u64, "device"),
            results.display(),
            format::first_of(unknown.len(), &named)
        ),
    ))
}
