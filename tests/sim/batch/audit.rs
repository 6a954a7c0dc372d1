//! The checks of a batch: a listener that records all events, and checks of events, service and disk.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kvs_fleet::domain::device::ArnParts;
use kvs_fleet::domain::service::Operation;
use kvs_fleet::engine::event::{Event, Listener};
use kvs_fleet::results::journal::Journal;
use kvs_fleet::results::read::{Entry, ReadError};
use kvs_fleet::results::record::{Row, Status};

use crate::disk::TestDisk;
use crate::engine::outcome::check_bucket;
use crate::engine::rig::region;
use crate::power::Power;
use crate::world::{Ask, EPOCH, World};

/// The precision of a creation time: an answer's `Date` is truncated to the second.
const CLOCKS_AGREE: Duration = Duration::from_millis(1_500);

/// A row in the results file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub(super) id: String,
    pub(super) status: Status,
    pub(super) arn: String,
}

/// The trace, and the rows that processes have reported.
#[derive(Debug)]
pub(super) struct Audit {
    pub(super) world: Arc<World>,
    trace: Mutex<Vec<String>>,
    /// Rows that the current process has reported to be on disk.
    rows: Mutex<Vec<Row>>,
    /// The last row of each device that any process has reported.
    acknowledged: Mutex<HashMap<String, Found>>,
}

impl Audit {
    pub(super) fn new(world: &Arc<World>) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            trace: Mutex::default(),
            rows: Mutex::default(),
            acknowledged: Mutex::default(),
        })
    }

    pub(super) fn note(&self, what: std::fmt::Arguments<'_>) {
        let mut line = format!("{:>12} ", self.world.elapsed().as_micros());
        // Writing to a string cannot fail.
        let _ = line.write_fmt(what);
        locked(&self.trace).push(line);
    }

    pub(super) fn trace(&self) -> MutexGuard<'_, Vec<String>> {
        locked(&self.trace)
    }

    /// Another process begins.
    pub(super) fn begin_process(&self) {
        locked(&self.rows).clear();
    }

    /// Checks what must hold however a process ended. The process began at this age of the simulation.
    pub(super) fn check_process(&self, began: Duration, workers: usize, ceiling: Option<f64>) {
        let rows = locked(&self.rows).clone();
        let of_devices: Vec<&Row> = (rows.iter())
            .filter(|row| row.status != Status::Invalid)
            .collect();
        let ids: HashSet<_> = of_devices.iter().map(|row| &row.device_id).collect();
        assert_eq!(ids.len(), of_devices.len(), "a device got two rows");
        let asked: Vec<Ask> = (self.world.asked().into_iter())
            .filter(|ask| ask.at >= began)
            .collect();
        for row in of_devices {
            self.check_row(row, &asked);
        }
        check_pace(&asked, ceiling);
        let peak = self.world.peak();
        assert!(peak <= workers, "{peak} requests at once");
        let mut names = HashSet::new();
        for made in &self.world.core().made {
            assert!(names.insert(&made.name), "two channels: {made:?}");
        }
    }

    fn check_row(&self, row: &Row, asked: &[Ask]) {
        if row.status == Status::Failed {
            let nobodys = ["ClientLimitExceededException", "ExpiredTokenException"];
            assert!(!nobodys.contains(&&*row.error_code), "{row:?}");
            return;
        }
        let arn = row.channel_arn.as_ref().unwrap().as_str();
        let channels = self.world.channels(&region(&row.region));
        let channel = channels.get(&*row.channel_name).map(String::as_str);
        assert_eq!(channel, Some(arn), "{row:?}");
        let core = self.world.core();
        let made = core.made.iter().find(|made| made.arn == arn);
        let is_ours = made.is_some_and(|made| made.process == core.process);
        if row.status == Status::Exists {
            assert!(!is_ours, "this process made it: {row:?}");
        } else if !is_ours {
            let first = asked.iter().find(|ask| {
                ask.operation == Operation::Create
                    && ask.name == *row.channel_name
                    && ask.region.as_str() == &*row.region
            });
            let first = first.unwrap_or_else(|| panic!("no create was sent for it: {row:?}"));
            let age = ArnParts::parse(arn).unwrap().creation_millis;
            let born = Duration::from_millis(age) + CLOCKS_AGREE;
            let tried = EPOCH + self.world.settings.ahead + first.at;
            assert!(born >= tried, "another process made it: {row:?}");
        }
    }

    /// Checks that a process that ended normally, and could write, has reported every channel that it created.
    pub(super) fn check_nothing_is_lost(&self) {
        let rows = locked(&self.rows);
        let reported = |row: &&Row| {
            let codes = ["OutcomeUnknown", "ChannelDeleting"];
            row.status.has_arn() || codes.contains(&&*row.error_code)
        };
        let reported: HashSet<&str> = (rows.iter().filter(reported))
            .map(|row| &*row.channel_name)
            .collect();
        let core = self.world.core();
        let ours = (core.made.iter()).filter(|made| made.process == core.process && !made.is_late);
        for made in ours {
            assert!(
                reported.contains(&*made.name),
                "it was created, but no row reports it: {made:?}"
            );
        }
    }

    /// Checks that no create was sent after this age.
    pub(super) fn check_no_create_after(&self, age: Duration) {
        let asked = self.world.asked();
        let late = (asked.iter()).find(|ask| ask.operation == Operation::Create && ask.at > age);
        assert!(late.is_none(), "sent after the stop at {age:?}: {late:?}");
    }

    /// Checks that every reported row is on disk, or a later row of its device.
    pub(super) fn check_survival(&self, disk: &TestDisk, results: &Path) {
        let mut last = HashMap::new();
        let rows = rows_of(disk, results).into_iter();
        for found in rows.filter(|found| found.status != Status::Invalid) {
            last.insert(found.id.clone(), found);
        }
        for (id, reported) in locked(&self.acknowledged).iter() {
            let found = last.get(id);
            let found =
                found.unwrap_or_else(|| panic!("reported to be on disk, and lost: {reported:?}"));
            let may_differ = reported.status == Status::Failed;
            assert!(
                found == reported || may_differ,
                "{found:?} was reported as {reported:?}"
            );
        }
    }
}

/// All rows of a results file, including those of invalid lines.
pub(super) fn rows_of(disk: &TestDisk, results: &Path) -> Vec<Found> {
    let mut rows = Vec::new();
    let read = Journal::open(disk, results, |entry: Entry<'_>| {
        let record = entry.record;
        rows.push(Found {
            id: record.device_id().to_owned(),
            status: record.status(),
            arn: record.channel_arn().to_owned(),
        });
        Ok::<(), ReadError>(())
    });
    if let Err(error) = read {
        panic!("the results cannot be resumed from: {error}");
    }
    rows
}

fn check_pace(asked: &[Ask], ceiling: Option<f64>) {
    for operation in [Operation::Create, Operation::Describe, Operation::List] {
        let rate = match operation {
            Operation::Create => ceiling,
            other => Some(other.quota()),
        };
        let Some(rate) = rate else { continue };
        for name in super::test_manifest::REGIONS {
            let of_region = asked
                .iter()
                .filter(|ask| ask.operation == operation && ask.region.as_str() == name);
            check_bucket(of_region.map(|ask| ask.at), rate);
        }
    }
}

impl Listener for Audit {
    fn tell(&self, event: &Event<'_>) {
        match event {
            Event::RegionStarted { account_region, .. } => {
                self.note(format_args!("RegionStarted {account_region}"));
            }
            other => self.note(format_args!("{other:?}")),
        }
        if let Event::Recorded { row } = event {
            locked(&self.rows).push((*row).clone());
            if row.status != Status::Invalid {
                let reported = Found {
                    id: row.device_id.to_string(),
                    status: row.status,
                    arn: row
                        .channel_arn
                        .as_ref()
                        .map_or(String::new(), |arn| arn.as_str().to_owned()),
                };
                locked(&self.acknowledged).insert(reported.id.clone(), reported);
            }
        }
    }
}

/// Kills a process when it reports a row.
#[derive(Debug)]
pub(super) struct KillOnRow(pub(super) Arc<Power>);

impl Listener for KillOnRow {
    fn tell(&self, event: &Event<'_>) {
        if let Event::Recorded { .. } = event {
            self.0.reach();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
