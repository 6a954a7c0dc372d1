//! What earlier runs left: the results file read into the known devices, and whether this run may go on from it.

use std::path::Path;

use crate::domain::device::{AccountId, DeviceIndex, Region, shown};
use crate::domain::error_codes::OUTCOME_UNKNOWN;
use crate::error::Error;
use crate::fleet::known_devices::KnownDevices;
use crate::results::disk::{Access, Disk, DiskFile};
use crate::results::finish::remove_leftover;
use crate::results::journal::Journal;
use crate::results::read::{Entry, ReadError, Reading, TornTail, read_results};
use crate::results::record::{Place, Status};
use crate::results::runs_log::RunsLog;

/// A short row of a device with its channel.
const SHORT_ROW_BYTES: u64 = 200;

/// Locks a results file by its runs log, removes what a killed run left beside it, and reads it. Refuses at once where
/// another process has the lock, and what cannot be resumed from.
pub fn open<D: Disk>(disk: &D, results: &Path) -> Result<(RunsLog<D>, History<D>), Error> {
    let log = RunsLog::lock(disk, results)
        .map_err(|error| Error::refused("results", error.to_string()))?;
    remove_leftover(disk, results).map_err(|error| Error::refused("results", error.to_string()))?;
    Ok((log, History::read(disk, results)?))
}

/// A results file as it was found.
#[derive(Debug)]
pub struct History<D: Disk> {
    /// The file, to go on with.
    pub journal: Journal<D>,
    /// Who has a row in it.
    pub known_devices: KnownDevices,
    /// The account of its ARNs, if it has any.
    pub account: Option<AccountId>,
    /// Where its rows of invalid lines are, which a provisioning run makes anew and no other may lose.
    pub invalid: Vec<Place>,
}

/// A results file that is only looked at: without the lock, and without anything made or mended.
#[derive(Debug, Default)]
pub struct Glance {
    /// Who has a row in it.
    pub known_devices: KnownDevices,
    /// The account of its ARNs, if it has any.
    pub account: Option<AccountId>,
    /// What a power loss or a kill spoilt at its end.
    pub torn: Option<TornTail>,
}

impl Glance {
    /// Looks at a results file; one that is not there has no rows.
    pub fn take<D: Disk>(disk: &D, results: &Path) -> Result<Self, Error> {
        let mut reader = Reader::new(disk, results);
        let read = read_results(disk, results, |entry| reader.visit(&entry));
        let reading = match read {
            Err(Unusable::File(ReadError::Missing(_))) => return Ok(Self::default()),
            read => read.map_err(|error| error.refused(results))?,
        };
        Ok(Self {
            known_devices: reader.known_devices,
            account: reader.account,
            torn: reading.torn,
        })
    }
}

/// Shows the row that counts of each device in a results file that was looked at, and each row of an invalid line, which
/// is no device's.
pub fn last_rows<D: Disk, E: From<ReadError>>(
    disk: &D,
    results: &Path,
    known_devices: &KnownDevices,
    mut visit: impl FnMut(Option<DeviceIndex>, Entry<'_>) -> Result<(), E>,
) -> Result<Reading, E> {
    read_results(disk, results, |entry| {
        if entry.record.status() == Status::Invalid {
            return visit(None, entry);
        }
        match known_devices.find(entry.record.device_id()) {
            Some(index) if known_devices.place(index) == Some(entry.place) => {
                visit(Some(index), entry)
            }
            // A later one took its place.
            _ => Ok(()),
        }
    })
}

impl<D: Disk> History<D> {
    /// Reads a results file, or begins one. Changes nothing.
    fn read(disk: &D, results: &Path) -> Result<Self, Error> {
        let mut reader = Reader::new(disk, results);
        let journal = Journal::open(disk, results, |entry| reader.visit(&entry))
            .map_err(|error: Unusable| error.refused(results))?;
        Ok(Self {
            journal,
            known_devices: reader.known_devices,
            account: reader.account,
            invalid: reader.invalid,
        })
    }
}

/// Why a results file cannot be resumed from.
enum Unusable {
    File(ReadError),
    Row { line: u64, problem: String },
}

impl Unusable {
    fn refused(self, results: &Path) -> Error {
        match self {
            Self::File(error) => Error::refused("results", error.to_string()),
            Self::Row { line, problem } => Error::refused(
                "results",
                format!("{}, line {line}: {problem}", results.display()),
            ),
        }
    }
}

impl From<ReadError> for Unusable {
    fn from(error: ReadError) -> Self {
        Self::File(error)
    }
}

struct Reader {
    known_devices: KnownDevices,
    account: Option<AccountId>,
    invalid: Vec<Place>,
    /// The last row's Region: mostly the next one's as well.
    region: Option<Region>,
}

impl Reader {
    fn new<D: Disk>(disk: &D, results: &Path) -> Self {
        let mut known_devices = KnownDevices::new();
        // A guess that is seldom too low saves growing, and room that is not used is never touched.
        let file = disk.open(results, Access::Read).ok().flatten();
        let length = file.and_then(|file| file.length().ok()).unwrap_or(0);
        known_devices.reserve(usize::try_from(length / SHORT_ROW_BYTES).unwrap_or_default());
        Self {
            known_devices,
            account: None,
            invalid: Vec::new(),
            region: None,
        }
    }

    fn visit(&mut self, entry: &Entry<'_>) -> Result<(), Unusable> {
        let row = &entry.record;
        if let Some(account) = row.account() {
            self.check_account(entry.line, account)?;
        }
        if row.status() == Status::Invalid {
            // Made anew from the manifest by each run.
            self.invalid.push(entry.place);
            return Ok(());
        }
        let region = match self.region.take() {
            Some(region) if region.as_str() == row.region() => region,
            _ => Region::parse(row.region()).map_err(|invalid| Unusable::Row {
                line: entry.line,
                problem: invalid.to_string(),
            })?,
        };
        let region = self.region.insert(region);
        let index = self
            .known_devices
            .insert(row.device_id(), row.channel_name(), region);
        let is_open = row.status() == Status::Failed && row.error_code() == OUTCOME_UNKNOWN;
        self.known_devices
            .recall(index, row.status(), entry.place, is_open);
        Ok(())
    }

    fn check_account(&mut self, line: u64, account: &str) -> Result<(), Unusable> {
        match &self.account {
            Some(known) if known.as_str() == account => Ok(()),
            Some(known) => Err(Unusable::Row {
                line,
                problem: format!(
                    "the ARN is of account {}, but the rows before are of {known}; results of two accounts cannot be \
                     resumed together",
                    shown(account)
                ),
            }),
            None => {
                self.account = Some(AccountId::parse(account).map_err(|error| Unusable::Row {
                    line,
                    problem: error.to_string(),
                })?);
                Ok(())
            }
        }
    }
}
