//! The manifest minus what is done: what is to do with each row. Knows the known devices, not the files behind it.
//!
//! The rules hold for a file, which is planned whole before the first call, as for a stream, which is planned row by
//! row. What the known devices knows when planning begins comes from the results file.

mod remarks;

use std::collections::BTreeMap;

use crate::domain::device::DeviceIndex;
use crate::domain::device::{Region, shown};
use crate::fleet::known_devices::KnownDevices;
use crate::manifest::{Ask, Row};
use crate::results::asks::Asked;
use crate::results::record::Status;
use remarks::Remarks;

/// What is to do with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A device that was never attempted.
    Fresh(DeviceIndex),
    /// A device that failed before, or is to be made again.
    Again(DeviceIndex),
    /// A device that has its channel.
    Done(DeviceIndex),
    /// A device whose channel a rollback deleted, and that stays deleted.
    Deleted,
    /// The same line again.
    Repeated,
    /// A row that asks for what cannot be had.
    Invalid(Flaw),
}

/// Why a row is invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The error code of the results row.
    pub code: &'static str,
    /// What was found and what is expected, with the line.
    pub reason: String,
}

/// A listed device that has, or may have, its channel under another name or in another Region: the manifest, or the
/// results file, is the wrong one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line}: the device {} {} its channel {} in {} by the results{}, but the manifest now asks for {} in {}; {}",
    shown(.device_id), if *.is_open { "may have" } else { "has" }, shown(&.recorded.0), .recorded.1,
    if *.is_open { " (OutcomeUnknown)" } else { "" }, shown(&.asked.0), .asked.1,
    if *.is_open {
        "take the device's change back and run again, which finds out, or delete its row if no such channel exists"
    } else {
        "give the right manifest or results file, or take the device's change back (a device cannot change its \
         channel's name or Region)"
    }
)]
pub struct Moved {
    /// The manifest's line.
    pub line: u64,
    /// The device.
    pub device_id: String,
    /// The channel's name and Region in the results.
    pub recorded: (String, String),
    /// The channel's name and Region in the manifest.
    pub asked: (String, String),
    /// Whether it is not known if that channel was made.
    pub is_open: bool,
}

/// How the rules are set.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Whether deleted devices are made again.
    pub recreate_deleted: bool,
    /// What finished devices were asked with, as digests: to see whether the manifest now asks
    /// otherwise. Empty where nothing can have changed.
    pub asked_before: Asked,
}

/// Numbers of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Devices listed, each once, invalid rows not among them.
    pub listed: u64,
    /// Of these, never attempted.
    pub fresh: u64,
    /// Of these, failed before or to be made again.
    pub again: u64,
    /// Of these, done.
    pub done: u64,
    /// Of these, deleted and to stay so.
    pub deleted: u64,
    /// Finished devices whose row now asks for another TTL or other tags.
    pub changed: u64,
    /// Lines that repeat another to the letter.
    pub repeated: u64,
    /// Invalid rows.
    pub invalid: u64,
}

/// Plans a manifest, row after row.
#[derive(Debug)]
pub struct Planner {
    rules: Rules,
    counts: Counts,
    /// The device found last: a results file is mostly in the manifest's order.
    last: Option<DeviceIndex>,
    remarks: Remarks,
}

impl Planner {
    /// A planner that has seen no row.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            counts: Counts::default(),
            last: None,
            remarks: Remarks::default(),
        }
    }

    /// What has been planned so far, in numbers.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What the operator should look at in the rows so far, a sentence each. `lacks_line_end` says whether the
    /// manifest's last line does.
    #[must_use]
    pub fn remarks(&self, lacks_line_end: bool) -> Vec<String> {
        self.remarks.sentences(self.counts.repeated, lacks_line_end)
    }

    /// Says what is to do with a row, and notes the device in the known devices as listed.
    pub fn judge(
        &mut self,
        known_devices: &mut KnownDevices,
        row: &Row<'_>,
    ) -> Result<Verdict, Box<Moved>> {
        let verdict = match &row.ask {
            Ok(ask) => self.judge_ask(known_devices, row, ask)?,
            Err(error) => flaw(error.code, row.line, &error.reason),
        };
        self.count(&verdict);
        self.remark(row, &verdict);
        Ok(verdict)
    }

    fn remark(&mut self, row: &Row<'_>, verdict: &Verdict) {
        self.remarks.pass(row);
        match (verdict, &row.ask) {
            (Verdict::Repeated, _) => self.remarks.repeat(row),
            (Verdict::Fresh(_) | Verdict::Again(_), Ok(ask)) => {
                let suspects = &mut self.remarks.suspects;
                suspects.look(row.line, row.device_id, ask.channel_name());
            }
            _ => {}
        }
    }

    fn judge_ask(
        &mut self,
        known_devices: &mut KnownDevices,
        row: &Row<'_>,
        ask: &Ask<'_>,
    ) -> Result<Verdict, Box<Moved>> {
        let Some(index) = known_devices.find_next(row.device_id, self.last) else {
            return Ok(self.enter(known_devices, row, ask));
        };
        self.last = Some(index);
        let same_channel = known_devices.channel_name(index) == ask.channel_name()
            && known_devices.region(index) == ask.region();
        if known_devices.is_listed(index) {
            return Ok(
                if same_channel && known_devices.digest(index) == ask.digest() {
                    Verdict::Repeated
                } else {
                    let reason = format!(
                        "the device {} is listed before and asks for something else here; list each device once",
                        shown(row.device_id)
                    );
                    flaw("InvalidRow", row.line, &reason)
                },
            );
        }
        let status = known_devices.status(index);
        let has_channel = matches!(status, Some(Status::Created | Status::Exists));
        if (has_channel || known_devices.is_open(index)) && !same_channel {
            return Err(Box::new(Moved {
                line: row.line,
                device_id: row.device_id.to_owned(),
                recorded: (
                    known_devices.channel_name(index).to_owned(),
                    known_devices.region(index).to_string(),
                ),
                asked: (ask.channel_name().to_owned(), ask.region().to_string()),
                is_open: !has_channel,
            }));
        }
        if !has_channel && let Some(taken) = taken(known_devices, row, ask, Some(index)) {
            return Ok(taken);
        }
        if !same_channel
            && let Err(full) = known_devices.rename(index, ask.channel_name(), ask.region())
        {
            return Ok(flaw("InvalidRow", row.line, &full.to_string()));
        }
        known_devices.list(index, row.at, ask.digest());
        Ok(match status {
            _ if has_channel => {
                self.note_change(row, ask);
                Verdict::Done(index)
            }
            Some(Status::Deleted) if !self.rules.recreate_deleted => Verdict::Deleted,
            _ => Verdict::Again(index),
        })
    }

    /// A device that nobody knows.
    fn enter(&mut self, known_devices: &mut KnownDevices, row: &Row<'_>, ask: &Ask<'_>) -> Verdict {
        if let Some(taken) = taken(known_devices, row, ask, None) {
            return taken;
        }
        match known_devices.insert(row.device_id, ask.channel_name(), ask.region()) {
            Ok(index) => {
                known_devices.list(index, row.at, ask.digest());
                self.last = Some(index);
                Verdict::Fresh(index)
            }
            Err(full) => flaw("InvalidRow", row.line, &full.to_string()),
        }
    }

    fn note_change(&mut self, row: &Row<'_>, ask: &Ask<'_>) {
        if self.rules.asked_before.is_empty() {
            return;
        }
        let before = self.rules.asked_before.get(row.device_id);
        if before.is_some_and(|before| before != ask.digest()) {
            self.counts.changed += 1;
        }
    }

    fn count(&mut self, verdict: &Verdict) {
        let counts = &mut self.counts;
        match verdict {
            Verdict::Fresh(_) => counts.fresh += 1,
            Verdict::Again(_) => counts.again += 1,
            Verdict::Done(_) => counts.done += 1,
            Verdict::Deleted => counts.deleted += 1,
            Verdict::Repeated => counts.repeated += 1,
            Verdict::Invalid(_) => counts.invalid += 1,
        }
        if !matches!(verdict, Verdict::Repeated | Verdict::Invalid(_)) {
            counts.listed += 1;
        }
    }
}

fn flaw(code: &'static str, line: u64, reason: &str) -> Verdict {
    Verdict::Invalid(Flaw {
        code,
        reason: format!("line {line}: {reason}"),
    })
}

/// The verdict on a row whose channel name is another device's: of one that is listed before, or that has its channel.
fn taken(
    known_devices: &KnownDevices,
    row: &Row<'_>,
    ask: &Ask<'_>,
    own: Option<DeviceIndex>,
) -> Option<Verdict> {
    let holder = known_devices
        .holders(ask.region(), ask.channel_name())
        .find(|holder| {
            Some(*holder) != own
                && (known_devices.is_listed(*holder)
                    || known_devices.is_open(*holder)
                    || matches!(
                        known_devices.status(*holder),
                        Some(Status::Created | Status::Exists)
                    ))
        })?;
    let reason = format!(
        "the channel name {} in {} is already that of the device {}; two devices cannot share a channel",
        shown(ask.channel_name()),
        ask.region(),
        shown(known_devices.device_id(holder))
    );
    Some(flaw("DuplicateChannelName", row.line, &reason))
}

/// What is to do in each Region: fresh devices first, then those that failed before, each in the manifest's order.
#[derive(Debug, Clone, Default)]
pub struct WorkLists {
    fresh: BTreeMap<Region, Vec<DeviceIndex>>,
    again: BTreeMap<Region, Vec<DeviceIndex>>,
}

impl WorkLists {
    /// Takes a verdict in.
    pub fn add(&mut self, known_devices: &KnownDevices, verdict: &Verdict) {
        let (lists, index) = match verdict {
            Verdict::Fresh(index) => (&mut self.fresh, *index),
            Verdict::Again(index) => (&mut self.again, *index),
            _ => return,
        };
        let region = known_devices.region(index);
        match lists.get_mut(region) {
            Some(list) => list.push(index),
            None => drop(lists.insert(region.clone(), vec![index])),
        }
    }

    /// Devices that are to do.
    #[must_use]
    pub fn len(&self) -> u64 {
        let lists = self.fresh.values().chain(self.again.values());
        lists.map(|list| list.len() as u64).sum()
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The devices, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = DeviceIndex> + '_ {
        let lists = self.fresh.values().chain(self.again.values());
        lists.flatten().copied()
    }

    /// Fresh devices, and those that failed before.
    #[must_use]
    pub fn sizes(&self) -> (u64, u64) {
        let [fresh, again] = [&self.fresh, &self.again]
            .map(|lists| lists.values().map(|list| list.len() as u64).sum());
        (fresh, again)
    }

    /// The device that the manifest lists first: fresh ones before failed ones.
    #[must_use]
    pub fn first(&self, known_devices: &KnownDevices) -> Option<DeviceIndex> {
        let first = |lists: &BTreeMap<Region, Vec<DeviceIndex>>| {
            let firsts = lists.values().filter_map(|list| list.first().copied());
            firsts.min_by_key(|index| known_devices.manifest_at(*index))
        };
        first(&self.fresh).or_else(|| first(&self.again))
    }

    /// Keeps the first `limit` devices: fresh ones before failed ones, each in the manifest's order.
    pub fn limit(&mut self, known_devices: &KnownDevices, limit: u64) {
        let mut left = usize::try_from(limit).unwrap_or(usize::MAX);
        for lists in [&mut self.fresh, &mut self.again] {
            let mut all: Vec<DeviceIndex> = lists.values().flatten().copied().collect();
            all.sort_unstable_by_key(|index| known_devices.manifest_at(*index));
            all.truncate(left);
            left -= all.len();
            lists.clear();
            for index in all {
                let region = known_devices.region(index).clone();
                lists.entry(region).or_default().push(index);
            }
        }
    }

    /// The lists by Region.
    #[must_use]
    pub fn into_regions(self) -> BTreeMap<Region, Vec<DeviceIndex>> {
        let mut regions = self.fresh;
        for (region, mut again) in self.again {
            regions.entry(region).or_default().append(&mut again);
        }
        regions
    }
}
