//! The rows and runs of a batch as the report shows them.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use indexmap::IndexSet;

use crate::error::Error;
use crate::fleet::batch::{Glance, last_rows};
use crate::fleet::plan::OwnAccount;
use crate::results::disk::Disk;
use crate::results::read::TornTail;
use crate::results::record::Status;
use crate::results::runs_line::{End, ROLLBACK, RegionLine, RunsLine, Start};
use crate::results::runs_log::read_runs;
use crate::results::view::RecordView;

/// The statuses in the order of the report.
pub(crate) const STATUSES: [Status; 5] = [
    Status::Created,
    Status::Exists,
    Status::Failed,
    Status::Invalid,
    Status::Deleted,
];

/// A row: a device or an invalid line.
#[derive(Debug, Clone)]
pub(crate) struct Fact {
    pub(crate) device_id: Box<str>,
    /// The channel name, if it differs from the ID.
    pub(crate) channel_name: Option<Box<str>>,
    /// The index of its account in [`Facts::accounts`].
    pub(crate) account: usize,
    /// The index of its Region in [`Facts::regions`].
    pub(crate) region: usize,
    pub(crate) status: Status,
    /// The channel's ARN; empty if it has none.
    pub(crate) arn: Box<str>,
    pub(crate) attempts: u32,
    /// When its first attempt began, in milliseconds since the Unix epoch; `None` if the row has no valid time.
    pub(crate) started: Option<i64>,
    /// When its outcome was known; likewise.
    pub(crate) finished: Option<i64>,
    /// The index of its error code in [`Facts::codes`].
    pub(crate) code: usize,
    /// The index of its error message in [`Facts::messages`].
    pub(crate) message: usize,
    /// The request ID of the answer that decided the outcome.
    pub(crate) request_id: Box<str>,
}

impl Fact {
    /// When a provisioning run finished it, in milliseconds since the Unix epoch; `None` for rows that a rollback has
    /// deleted.
    pub(crate) fn done_at(&self) -> Option<i64> {
        self.finished.filter(|_| self.status != Status::Deleted)
    }
}

/// A run in the runs log.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunFact {
    pub(crate) start: Start,
    /// The record of its end; `None` if it was killed or is running.
    pub(crate) end: Option<End>,
}

impl RunFact {
    /// The ceiling of creates in an account and Region, in requests a second; that of `--rate` where the log has no other.
    pub(crate) fn ceiling(&self, region: Option<&RegionLine>) -> Option<f64> {
        let own = region.and_then(|region| region.ceiling_per_second);
        own.or(self.start.settings.as_ref()?.rate)
    }

    /// What the log says of an account and Region.
    pub(crate) fn region(&self, account: &str, region: &str) -> Option<&RegionLine> {
        let mut regions = self.end.as_ref()?.regions.iter();
        let is_account = |named: &Option<String>| named.as_deref().is_none_or(|own| own == account);
        regions.find(|line| line.region == region && is_account(&line.account))
    }

    /// Whether it created channels.
    pub(crate) fn is_provisioning(&self) -> bool {
        self.start.command != ROLLBACK
    }
}

/// Distinct texts in the order in which they were added.
type Names = IndexSet<Box<str>>;

/// The index of a text, which is added where it is new.
fn place(names: &mut Names, name: &str) -> usize {
    let known = names.get_index_of(name);
    known.unwrap_or_else(|| names.insert_full(name.into()).0)
}

/// All data of the report.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) results: PathBuf,
    /// When the file was read.
    pub(crate) read_at: SystemTime,
    /// The current rows in the file's order.
    pub(crate) rows: Vec<Fact>,
    /// The accounts; an empty text for rows whose account is unknown.
    pub(crate) accounts: IndexSet<Box<str>>,
    /// The Regions; an empty text for rows without a Region.
    pub(crate) regions: IndexSet<Box<str>>,
    /// The error codes; the first is empty.
    pub(crate) codes: IndexSet<Box<str>>,
    /// The error messages; the first is empty.
    pub(crate) messages: IndexSet<Box<str>>,
    /// Whether the emulator made one of the channels.
    has_emulated: bool,
    /// The damaged part that a power loss or a kill left at the file's end.
    pub(crate) torn: Option<TornTail>,
    /// The runs, if there is a runs log.
    pub(crate) runs: Option<Vec<RunFact>>,
}

impl Facts {
    /// Reads a results file and its runs log. It changes neither and does not wait for a lock.
    pub(crate) fn read<D: Disk>(disk: &D, results: &Path) -> Result<Self, Error> {
        let glance = Glance::of_a_run(disk, results)?;
        let (mut accounts, mut regions) = (Names::default(), Names::default());
        let (mut codes, mut messages) = (Names::default(), Names::default());
        place(&mut codes, "");
        place(&mut messages, "");
        let mut rows = Vec::with_capacity(glance.known_devices.len());
        last_rows(disk, results, &glance.known_devices, |_, entry| {
            let row = &entry.record;
            rows.push(fact(
                row,
                [
                    place(&mut accounts, row.account().unwrap_or_default()),
                    place(&mut regions, row.region()),
                    place(&mut codes, row.error_code()),
                    place(&mut messages, row.error_message()),
                ],
            ));
            Ok(())
        })?;
        Ok(Self {
            results: results.into(),
            read_at: SystemTime::now(),
            rows,
            accounts,
            regions,
            codes,
            messages,
            has_emulated: glance.is_emulated,
            torn: glance.torn,
            runs: runs(disk, results)?,
        })
    }

    /// Whether the emulator created these channels.
    pub(crate) fn is_emulated(&self) -> bool {
        let mut runs = self.runs.iter().flatten();
        self.has_emulated || runs.any(|run| run.start.was_emulated())
    }

    /// The known accounts, in order.
    pub(crate) fn account_names(&self) -> Vec<&str> {
        let known = self.accounts.iter().filter(|name| !name.is_empty());
        let mut names: Vec<&str> = known.map(|name| &**name).collect();
        names.sort_unstable();
        names
    }

    /// The account of rows that name none, where others do: that of the last run's own credentials, if it was known.
    pub(crate) fn own_account(&self) -> OwnAccount {
        let mut runs = self.provisioning();
        let account = runs.next_back().and_then(|run| run.start.account_id());
        account.map_or(OwnAccount::NotAsked, OwnAccount::Known)
    }

    pub(crate) fn has_several_accounts(&self) -> bool {
        self.account_names().len() > 1
    }

    pub(crate) fn count(&self, status: Status) -> u64 {
        self.rows.iter().filter(|row| row.status == status).count() as u64
    }

    /// The Regions of devices, in order.
    pub(crate) fn region_names(&self) -> Vec<&str> {
        let devices = self.rows.iter();
        let devices = devices.filter(|row| row.status != Status::Invalid);
        let used: HashSet<usize> = devices.map(|row| row.region).collect();
        let names = used.into_iter().filter_map(|at| self.regions.get_index(at));
        let mut names: Vec<&str> = names.map(|name| &**name).collect();
        names.retain(|name| !name.is_empty());
        names.sort_unstable();
        names
    }

    /// The failed and invalid rows by code, the most frequent code first.
    pub(crate) fn failures(&self) -> Vec<(&str, Vec<&Fact>)> {
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
    pub(crate) fn code(&self, row: &Fact) -> &str {
        self.codes.get_index(row.code).map_or("", |code| code)
    }
    pub(crate) fn message(&self, row: &Fact) -> &str {
        self.messages
            .get_index(row.message)
            .map_or("", |message| message)
    }
    /// Its account; empty where it is unknown.
    pub(crate) fn account(&self, row: &Fact) -> &str {
        self.accounts
            .get_index(row.account)
            .map_or("", |account| account)
    }
    pub(crate) fn region(&self, row: &Fact) -> &str {
        self.regions
            .get_index(row.region)
            .map_or("", |region| region)
    }

    /// The runs that created channels.
    pub(crate) fn provisioning(&self) -> impl DoubleEndedIterator<Item = &RunFact> {
        let runs = self.runs.iter().flatten();
        runs.filter(|run| run.is_provisioning())
    }
}

fn fact(row: &RecordView<'_>, [account, region, code, message]: [usize; 4]) -> Fact {
    let (device_id, channel_name) = (row.device_id(), row.channel_name());
    Fact {
        device_id: device_id.into(),
        channel_name: (channel_name != device_id).then(|| channel_name.into()),
        account,
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
pub(crate) fn millis(text: &str) -> Option<i64> {
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
            // In a merged log, runs overlap. In those of older versions no run is named, and none overlap.
            let mut open = runs.iter_mut().rev();
            if let Some(run) = open.find(|run| run.start.run == end.run) {
                run.end = Some(*end);
            }
        }
    })?;
    Ok(is_there.then_some(runs))
}
