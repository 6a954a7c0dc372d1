//! What earlier runs left: the results file read into the known devices, and whether this run may go on from it.

use std::path::Path;

use crate::domain::device::{AccountId, AccountRegion, DeviceIndex, Invalid, Region};
use crate::domain::error_codes::OUTCOME_UNKNOWN;
use crate::error::Error;
use crate::fleet::known_devices::KnownDevices;
use crate::results::disk::{Access, Disk, DiskFile};
use crate::results::finish::remove_leftover;
use crate::results::journal::Journal;
use crate::results::read::{Entry, ReadError, TornTail, read_results};
use crate::results::record::{Place, Status};
use crate::results::runs_log::{RunsLog, RunsLogError};
use crate::results::view::RecordView;

/// A short row of a device with its channel.
const SHORT_ROW_BYTES: u64 = 200;

/// Locks a results file by its runs log, removes what a killed run left beside it, and reads it. Refuses at once where
/// another process has the lock, and what cannot be resumed from.
pub fn open<D: Disk>(disk: &D, results: &Path) -> Result<(RunsLog<D>, History<D>), Error> {
    let log = RunsLog::lock(disk, results)?;
    open_locked(disk, results, log)
}

/// The same of a results file that is locked by this log.
pub fn open_locked<D: Disk>(
    disk: &D,
    results: &Path,
    log: RunsLog<D>,
) -> Result<(RunsLog<D>, History<D>), Error> {
    remove_leftover(disk, results).map_err(|error| Error::refused("results", error.to_string()))?;
    Ok((log, History::read(disk, results)?))
}

/// A results file as it was found.
#[derive(Debug)]
pub struct History<D: Disk> {
    /// The file, to go on with.
    pub journal: Journal<D>,
    /// The devices that have a row in it.
    pub known_devices: KnownDevices,
    /// The accounts of its channels, in the order of their first rows.
    pub(crate) accounts: Vec<AccountId>,
    /// Whether the emulator made one of its channels.
    pub(crate) is_emulated: bool,
    /// Where its rows of invalid lines are: a provisioning run writes them again from the manifest, other commands keep them.
    pub invalid: Vec<Place>,
}

/// A results file that is only read: without the lock, and without a repair.
#[derive(Debug, Default)]
pub struct Glance {
    /// The devices that have a row in it.
    pub known_devices: KnownDevices,
    /// The accounts of its channels, in the order of their first rows.
    pub(crate) accounts: Vec<AccountId>,
    /// Whether the emulator made one of its channels.
    pub(crate) is_emulated: bool,
    /// What a power loss or a kill damaged at its end.
    pub(crate) torn: Option<TornTail>,
}

impl Glance {
    /// Looks at a results file; one that is not there has no rows.
    pub(crate) fn take<D: Disk>(disk: &D, results: &Path) -> Result<Self, Error> {
        match disk.open(results, Access::Read) {
            Ok(None) => Ok(Self::default()),
            _ => Ok(Self::read(disk, results)?.0),
        }
    }

    /// Looks at the results of a run. Refuses a file that is not there or empty.
    pub(crate) fn of_a_run<D: Disk>(disk: &D, results: &Path) -> Result<Self, Error> {
        let (glance, is_new) = Self::read(disk, results)?;
        if is_new {
            let message = format!(
                "the results file {} is empty; give the results of a run",
                results.display()
            );
            return Err(Error::refused("results", message));
        }
        Ok(glance)
    }

    /// Whether there is no header yet, too.
    fn read<D: Disk>(disk: &D, results: &Path) -> Result<(Self, bool), Error> {
        let mut reader = HistoryReader::new(disk, results);
        let reading = read_results(disk, results, |entry| reader.visit(&entry))?;
        let glance = Self {
            known_devices: reader.known_devices,
            accounts: reader.accounts,
            is_emulated: reader.is_emulated,
            torn: reading.torn,
        };
        Ok((glance, reading.is_new()))
    }
}

/// Shows the last row of each device in a results file that was read before, and each row of an invalid line, which has
/// no device.
pub(crate) fn last_rows<D: Disk>(
    disk: &D,
    results: &Path,
    known_devices: &KnownDevices,
    mut visit: impl FnMut(Option<DeviceIndex>, Entry<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    read_results(disk, results, |entry| {
        if entry.record.status() == Status::Invalid {
            return visit(None, entry);
        }
        match known_devices.find(entry.record.device_id()) {
            Some(index) if known_devices[index].place == Some(entry.place) => {
                visit(Some(index), entry)
            }
            // A later one replaces it.
            _ => Ok(()),
        }
    })?;
    Ok(())
}

impl<D: Disk> History<D> {
    /// Reads a results file, or begins one. Changes nothing.
    fn read(disk: &D, results: &Path) -> Result<Self, Error> {
        let mut reader = HistoryReader::new(disk, results);
        let journal = Journal::open(disk, results, |entry| reader.visit(&entry))?;
        Ok(Self {
            journal,
            known_devices: reader.known_devices,
            accounts: reader.accounts,
            is_emulated: reader.is_emulated,
            invalid: reader.invalid,
        })
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        Self::refused("results", error.to_string())
    }
}

impl From<RunsLogError> for Error {
    fn from(error: RunsLogError) -> Self {
        Self::refused("results", error.to_string())
    }
}

struct HistoryReader<'a> {
    results: &'a Path,
    known_devices: KnownDevices,
    accounts: Vec<AccountId>,
    is_emulated: bool,
    invalid: Vec<Place>,
    /// Those of the last row: mostly the next one's as well.
    account_region: Option<AccountRegion>,
}

impl<'a> HistoryReader<'a> {
    fn new<D: Disk>(disk: &D, results: &'a Path) -> Self {
        let mut known_devices = KnownDevices::new();
        // A guess that is seldom too low saves growing, and room that is not used is never touched.
        let file = disk.open(results, Access::Read).ok().flatten();
        let length = file.and_then(|file| file.length().ok()).unwrap_or(0);
        known_devices.reserve(usize::try_from(length / SHORT_ROW_BYTES).unwrap_or_default());
        Self {
            results,
            known_devices,
            accounts: Vec::new(),
            is_emulated: false,
            invalid: Vec::new(),
            account_region: None,
        }
    }

    fn visit(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        let row = &entry.record;
        if row.status() == Status::Invalid {
            // Each run writes them again from the manifest.
            self.invalid.push(entry.place);
            return Ok(());
        }
        let account_region = match self.account_region.take() {
            Some(last) if is_of(row, &last) => last,
            _ => self.parse(row, entry.line)?,
        };
        let account_region = self.account_region.insert(account_region);
        self.is_emulated |= row.is_emulated();
        if row.status().has_arn()
            && let Some(account) = &account_region.account
            && self.accounts.last() != Some(account)
            && !self.accounts.contains(account)
        {
            self.accounts.push(account.clone());
        }
        let index = self
            .known_devices
            .insert(row.device_id(), row.channel_name(), account_region);
        let is_open = row.status() == Status::Failed && row.error_code() == OUTCOME_UNKNOWN;
        self.known_devices
            .recall(index, row.status(), entry.place, is_open);
        Ok(())
    }

    /// The account and Region of a row.
    fn parse(&self, row: &RecordView<'_>, line: u64) -> Result<AccountRegion, Error> {
        let refused = |invalid: Invalid| self.refused(line, &invalid.to_string());
        Ok(AccountRegion {
            account: row
                .account()
                .map(AccountId::parse)
                .transpose()
                .map_err(refused)?,
            region: Region::parse(row.region()).map_err(refused)?,
        })
    }

    fn refused(&self, line: u64, problem: &str) -> Error {
        let file = self.results.display();
        Error::refused("results", format!("{file}, line {line}: {problem}"))
    }
}

/// Whether a row is of this account and Region.
fn is_of(row: &RecordView<'_>, account_region: &AccountRegion) -> bool {
    let AccountRegion { account, region } = account_region;
    region.as_str() == row.region() && account.as_ref().map(AccountId::as_str) == row.account()
}
