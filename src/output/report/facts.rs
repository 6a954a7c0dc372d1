//! The rows and runs of a batch as the report shows them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::device::AccountId;
use crate::error::Error;
use crate::fleet::batch::{Glance, last_rows};
use crate::results::disk::Disk;
use crate::results::read::{ReadError, TornTail};
use crate::results::record::Status;
use crate::results::runs_line::{End, ROLLBACK, RunsLine, Start};
use crate::results::runs_log::read_runs;
use crate::results::view::RecordView;

/// The statuses in the order of the report.
pub const STATUSES: [Status; 5] = [
    Status::Created,
    Status::Exists,
    Status::Failed,
    Status::Invalid,
    Status::Deleted,
];

/// A row: a device or an invalid line.
#[derive(Debug, Clone)]
pub struct Fact {
    pub device_id: Box<str>,
    /// The channel name, if it differs from the ID.
    pub channel_name: Option<Box<str>>,
    /// The index of its Region in [`Facts::regions`].
    pub region: usize,
    pub status: Status,
    /// The channel's ARN; empty if it has none.
    pub arn: Box<str>,
    /// The number of create requests.
    pub attempts: u32,
    /// When its first attempt began, in milliseconds since the Unix epoch; `None` if the row has no valid time.
    pub started: Option<i64>,
    /// When its outcome was known; likewise.
    pub finished: Option<i64>,
    /// The index of its error code in [`Facts::codes`].
    pub code: usize,
    /// The index of its error message in [`Facts::messages`].
    pub message: usize,
    /// The request ID of the answer that decided the outcome.
    pub request_id: Box<str>,
}

impl Fact {
    /// Whether the device has its channel.
    #[must_use]
    pub fn has_channel(&self) -> bool {
        matches!(self.status, Status::Created | Status::Exists)
    }

    /// When a provisioning run finished it, in milliseconds since the Unix epoch; `None` for rows that a rollback has
    /// deleted.
    #[must_use]
    pub(crate) fn done_at(&self) -> Option<i64> {
        self.finished.filter(|_| self.status != Status::Deleted)
    }
}

/// A run in the runs log.
#[derive(Debug, Clone, Default)]
pub struct RunFact {
    /// The record of its start.
    pub start: Start,
    /// The record of its end; `None` if it was killed or is running.
    pub end: Option<End>,
}

impl RunFact {
    /// Whether it created channels.
    #[must_use]
    pub(crate) fn is_provisioning(&self) -> bool {
        self.start.command != ROLLBACK
    }
}

/// Distinct texts in the order in which they were added.
#[derive(Debug, Default)]
struct Names {
    names: Vec<Box<str>>,
    places: HashMap<Box<str>, usize>,
}

impl Names {
    fn place(&mut self, name: &str) -> usize {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = self.names.len();
        self.names.push(name.into());
        self.places.insert(name.into(), place);
        place
    }
}

/// All data of the report.
#[derive(Debug)]
pub struct Facts {
    pub results: PathBuf,
    /// When the file was read.
    pub read_at: SystemTime,
    /// The current rows in the file's order.
    pub rows: Vec<Fact>,
    /// The Regions; an empty text for rows without a Region.
    pub regions: Vec<Box<str>>,
    /// The error codes; the first is empty.
    pub codes: Vec<Box<str>>,
    /// The error messages; the first is empty.
    pub messages: Vec<Box<str>>,
    /// The account in the ARNs.
    pub account: Option<AccountId>,
    /// The damaged part that a power loss or a kill left at the file's end.
    pub torn: Option<TornTail>,
    /// The runs, if there is a runs log.
    pub runs: Option<Vec<RunFact>>,
}

impl Facts {
    /// Reads a results file and its runs log. It changes neither and does not wait for a lock.
    pub fn read<D: Disk>(disk: &D, results: &Path) -> Result<Self, Error> {
        let refused = |error: ReadError| Error::refused("results", error.to_string());
        if !results.exists() {
            return Err(refused(ReadError::Missing(results.into())));
        }
        let glance = Glance::take(disk, results)?;
        let (mut regions, mut codes, mut messages) =
            (Names::default(), Names::default(), Names::default());
        codes.place("");
        messages.place("");
        let mut rows = Vec::with_capacity(glance.known_devices.len());
        let read = last_rows(disk, results, &glance.known_devices, |_, entry| {
            let row = &entry.record;
            rows.push(fact(
                row,
                [
                    regions.place(row.region()),
                    codes.place(row.error_code()),
                    messages.place(row.error_message()),
                ],
            ));
            Ok::<(), ReadError>(())
        });
        if read.map_err(refused)?.is_new() {
            let message = format!(
                "the results file {} is empty; give the results of a run",
                results.display()
            );
            return Err(Error::refused("results", message));
        }
        Ok(Self {
            results: results.into(),
            read_at: SystemTime::now(),
            rows,
            regions: regions.names,
            codes: codes.names,
            messages: messages.names,
            account: glance.account,
            torn: glance.torn,
            runs: runs(disk, results)?,
        })
    }

    /// Whether the emulator created these channels.
    #[must_use]
    pub(crate) fn is_emulated(&self) -> bool {
        self.account.as_ref().is_some_and(AccountId::is_emulator)
    }

    /// The number of rows with a status.
    #[must_use]
    pub fn count(&self, status: Status) -> u64 {
        self.rows.iter().filter(|row| row.status == status).count() as u64
    }

    /// The Regions of devices, with their indexes.
    pub(crate) fn named_regions(&self) -> impl Iterator<Item = (usize, &str)> {
        let named = self.regions.iter().enumerate();
        named
            .map(|(place, name)| (place, &**name))
            .filter(|(place, name)| {
                !name.is_empty()
                    && self
                        .rows
                        .iter()
                        .any(|row| row.region == *place && row.status != Status::Invalid)
            })
    }

    /// The failed and invalid rows by code, the most frequent code first.
    #[must_use]
    pub fn failures(&self) -> Vec<(&str, Vec<&Fact>)> {
        let mut by_code: BTreeMap<&str, Vec<&Fact>> = BTreeMap::new();
        for row in &self.rows {
            if matches!(row.status, Status::Failed | Status::Invalid) {
                by_code.entry(self.code(row)).or_default().push(row);
            }
        }
        let mut failures: Vec<_> = by_code.into_iter().collect();
        failures.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.len()));
        failures
    }

    #[must_use]
    pub fn code(&self, row: &Fact) -> &str {
        self.codes.get(row.code).map_or("", |code| code)
    }

    #[must_use]
    pub fn message(&self, row: &Fact) -> &str {
        self.messages.get(row.message).map_or("", |message| message)
    }

    #[must_use]
    pub fn region(&self, row: &Fact) -> &str {
        self.regions.get(row.region).map_or("", |region| region)
    }

    /// The runs that created channels.
    pub(crate) fn provisioning(&self) -> impl Iterator<Item = &RunFact> {
        let runs = self.runs.iter().flatten();
        runs.filter(|run| run.is_provisioning())
    }
}

fn fact(row: &RecordView<'_>, [region, code, message]: [usize; 3]) -> Fact {
    let (device_id, channel_name) = (row.device_id(), row.channel_name());
    Fact {
        device_id: device_id.into(),
        channel_name: (channel_name != device_id).then(|| channel_name.into()),
        region,
        status: row.status(),
        arn: row.channel_arn().into(),
        attempts: row.attempts(),
        started: millis(row.started_at()),
        finished: millis(row.finished_at()),
        code,
        message,
        request_id: row.request_id().into(),
    }
}

/// A time in the file or the log, in milliseconds since the Unix epoch; `None` if it is invalid.
#[must_use]
pub fn millis(text: &str) -> Option<i64> {
    let time = humantime::parse_rfc3339_weak(text).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

fn runs<D: Disk>(disk: &D, results: &Path) -> Result<Option<Vec<RunFact>>, Error> {
    let mut runs: Vec<RunFact> = Vec::new();
    let is_there = read_runs(disk, results, |line| match line {
        RunsLine::Start(start) => runs.push(RunFact {
            start: *start,
            end: None,
        }),
        RunsLine::End(end) => {
            // Shards run at the same time. Of one shard only one run does.
            let mut open = runs.iter_mut().rev();
            if let Some(run) = open.find(|run| run.start.shard == end.shard) {
                run.end = Some(*end);
            }
        }
    });
    let is_there = is_there.map_err(|error| Error::refused("results", error.to_string()))?;
    Ok(is_there.then_some(runs))
}
