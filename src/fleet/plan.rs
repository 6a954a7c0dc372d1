//! The manifest minus what is done: what a run does with each row.
//!
//! The rules are the same for a file, which is planned whole before the first request, and for a stream, which is planned
//! row by row. The known devices at the beginning are those of the results file.

mod own_account;
mod remarks;
mod work_lists;

use serde::Serialize;

use crate::domain::device::{AccountRegion, Device, DeviceIndex, LONGEST_DEVICE_ID, shown};
use crate::domain::shard::Shard;
use crate::fleet::known_devices::KnownDevices;
use crate::manifest::{Row, ValidRow};
use crate::results::record::{self, Status};
pub use own_account::OwnAccount;
use remarks::Remarks;
pub use work_lists::WorkLists;

/// What a run does with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A device that was never attempted.
    Fresh(DeviceIndex, Device),
    /// A device that failed before, or whose channel is created again.
    Again(DeviceIndex, Device),
    /// A device that has its channel.
    Done,
    /// A device whose channel a rollback deleted, and that stays deleted.
    Deleted,
    Repeated,
    /// A valid row of another shard.
    OtherShard,
    /// An invalid row of another shard.
    OtherShardInvalid(InvalidLine),
    Invalid(InvalidLine),
}

/// An invalid line, kept until its row is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InvalidLine {
    #[serde(skip)]
    pub(crate) line: u64,
    device_id: Box<str>,
    pub(crate) code: &'static str,
    /// What was found and what is expected, with the line.
    pub(crate) reason: Box<str>,
}

impl InvalidLine {
    pub fn new(line: u64, device_id: &str, code: &'static str, reason: &str) -> Self {
        Self {
            line,
            device_id: recorded_id(device_id).into(),
            code,
            reason: format!("line {line}: {reason}").into(),
        }
    }

    /// Its row in the results. Nothing was started, so it has no times.
    pub fn row(&self) -> record::Row {
        record::Row {
            device_id: self.device_id.clone(),
            channel_name: Box::default(),
            account: None,
            region: "".into(),
            status: Status::Invalid,
            channel_arn: None,
            attempts: 0,
            started_at: None,
            finished_at: None,
            error_code: self.code.into(),
            error_message: self.reason.clone(),
            request_id: Box::default(),
        }
    }
}

/// A listed device that has, or may have, its channel under another name, or in another account or Region: the manifest or
/// the results file is the wrong one.
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
    pub(crate) line: u64,
    pub(crate) device_id: String,
    /// The channel's name, and its account and Region, in the results.
    pub(crate) recorded: (String, String),
    /// The same in the manifest.
    pub(crate) asked: (String, String),
    /// Whether it is not known if that channel exists.
    pub(crate) is_open: bool,
}

/// How the rules are set.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    /// Whether the channels of deleted devices are created again.
    pub recreate_deleted: bool,
    /// The part of the devices that is attempted, where it is not all of them.
    pub shard: Option<Shard>,
}

/// Numbers of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Devices listed, each once, invalid rows not among them.
    pub(crate) listed: u64,
    /// Of these, never attempted.
    pub(crate) fresh: u64,
    /// Of these, failed before or to be created again.
    pub(crate) again: u64,
    /// Of these, done.
    pub(crate) done: u64,
    /// Of these, deleted and to stay so.
    pub(crate) deleted: u64,
    /// Lines that repeat another to the letter.
    pub(crate) repeated: u64,
    /// Invalid rows.
    pub invalid: u64,
    /// Devices of other shards, which are not among those above.
    pub listed_elsewhere: u64,
    /// Invalid rows of other shards, likewise.
    pub invalid_elsewhere: u64,
}

impl Counts {
    /// Devices that the whole manifest lists.
    #[must_use]
    pub fn all_listed(&self) -> u64 {
        self.listed + self.listed_elsewhere
    }

    /// Invalid rows of the whole manifest.
    #[must_use]
    pub fn all_invalid(&self) -> u64 {
        self.invalid + self.invalid_elsewhere
    }
}

/// Plans a manifest, row after row.
#[derive(Debug)]
pub struct Planner {
    rules: Rules,
    own_account: OwnAccount,
    counts: Counts,
    last: Option<DeviceIndex>,
    remarks: Remarks,
}

impl Planner {
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            own_account: OwnAccount::Only,
            counts: Counts::default(),
            last: None,
            remarks: Remarks::default(),
        }
    }

    /// Rows that name no account are of this one.
    pub(crate) fn set_own_account(&mut self, account: OwnAccount) {
        self.own_account = account;
    }

    /// What has been planned so far.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Warnings about the rows so far. `lacks_line_end`: the manifest's last line has no line end.
    pub(crate) fn remarks(&self, lacks_line_end: bool) -> Vec<String> {
        self.remarks.sentences(&self.counts, lacks_line_end)
    }

    /// Decides what a run does with a row, and notes its device as listed.
    pub(crate) fn judge(
        &mut self,
        known_devices: &mut KnownDevices,
        row: &Row<'_>,
    ) -> Result<Verdict, Box<Moved>> {
        let verdict = match &row.checked {
            Ok(valid) => self.judge_valid(known_devices, row, valid)?,
            Err(error) => invalid(row, error.code, &error.reason),
        };
        let verdict = self.within_shard(row, verdict);
        self.count(&verdict);
        self.remark(row, &verdict);
        Ok(verdict)
    }

    /// The verdict, unless the row is another shard's. Such a row was judged like the others: two devices with one channel name
    /// are found in whatever shards they are.
    fn within_shard(&self, row: &Row<'_>, verdict: Verdict) -> Verdict {
        let is_ours = |shard: Shard| shard.has(recorded_id(row.device_id));
        match verdict {
            Verdict::Repeated => verdict,
            _ if self.rules.shard.is_none_or(is_ours) => verdict,
            Verdict::Invalid(line) => Verdict::OtherShardInvalid(line),
            _ => Verdict::OtherShard,
        }
    }

    fn remark(&mut self, row: &Row<'_>, verdict: &Verdict) {
        self.remarks.pass(row);
        match verdict {
            Verdict::Repeated => self.remarks.repeat(row),
            Verdict::OtherShardInvalid(line) => self.remarks.invalid_elsewhere(&line.reason),
            Verdict::Fresh(_, device) | Verdict::Again(_, device) => {
                let suspects = &mut self.remarks.suspects;
                suspects.look(row.line, row.device_id, device.channel_name.as_str());
            }
            _ => {}
        }
    }

    fn judge_valid(
        &mut self,
        known_devices: &mut KnownDevices,
        row: &Row<'_>,
        valid: &ValidRow<'_>,
    ) -> Result<Verdict, Box<Moved>> {
        let asked = self.asked(valid);
        let Some(index) = known_devices.find_next(row.device_id, self.last) else {
            return Ok(self.enter(known_devices, row, valid, &asked));
        };
        self.last = Some(index);
        let same_channel = known_devices.channel_name(index) == valid.channel_name()
            && known_devices.account_region(index).may_be(&asked);
        let known = &known_devices[index];
        if let Some(listed) = known.listed {
            return Ok(
                if same_channel && listed.fingerprint == self.own_account.fingerprint(valid) {
                    Verdict::Repeated
                } else {
                    let reason = format!(
                        "the device {} is listed before and asks for something else here; list each device once",
                        shown(row.device_id)
                    );
                    invalid(row, "InvalidRow", &reason)
                },
            );
        }
        let (status, has_channel) = (known.status, known.has_channel());
        if (has_channel || known.is_open) && !same_channel {
            let mut recorded = known_devices.account_region(index).clone();
            if asked.account.is_none() {
                recorded.account = None;
            }
            return Err(Box::new(Moved {
                line: row.line,
                device_id: row.device_id.to_owned(),
                recorded: (
                    known_devices.channel_name(index).to_owned(),
                    recorded.to_string(),
                ),
                asked: (valid.channel_name().to_owned(), asked.to_string()),
                is_open: !has_channel,
            }));
        }
        if !has_channel
            && let Some(taken) = self.taken(known_devices, row, valid, &asked, Some(index))
        {
            return Ok(taken);
        }
        let is_named_now = asked.account.is_some() && *known_devices.account_region(index) != asked;
        if !same_channel || is_named_now {
            known_devices.rename(index, valid.channel_name(), &asked);
        }
        known_devices.list(index, row.line, self.own_account.fingerprint(valid));
        Ok(match status {
            _ if has_channel => Verdict::Done,
            Some(Status::Deleted) if !self.rules.recreate_deleted => Verdict::Deleted,
            _ => Verdict::Again(index, device(valid, asked)),
        })
    }

    /// A device without a row, listed for the first time.
    fn enter(
        &self,
        known_devices: &mut KnownDevices,
        row: &Row<'_>,
        valid: &ValidRow<'_>,
        asked: &AccountRegion,
    ) -> Verdict {
        if let Some(taken) = self.taken(known_devices, row, valid, asked, None) {
            return taken;
        }
        let index = known_devices.insert(row.device_id, valid.channel_name(), asked);
        known_devices.list(index, row.line, self.own_account.fingerprint(valid));
        Verdict::Fresh(index, device(valid, asked.clone()))
    }

    /// The verdict on a row whose channel name belongs to another device, which is listed before or has its channel.
    fn taken(
        &self,
        known_devices: &KnownDevices,
        row: &Row<'_>,
        valid: &ValidRow<'_>,
        asked: &AccountRegion,
        own: Option<DeviceIndex>,
    ) -> Option<Verdict> {
        let holder = known_devices
            .holders(asked, valid.channel_name())
            .find(|holder| {
                let known = &known_devices[*holder];
                let is_there = known.listed.is_some() || known.is_open || known.has_channel();
                Some(*holder) != own
                    && is_there
                    && self
                        .own_account
                        .may_share(known_devices.account_region(*holder), asked)
            })?;
        let reason = format!(
            "the channel name {} in {} is already that of the device {}; two devices cannot share a channel",
            shown(valid.channel_name()),
            asked,
            shown(known_devices.device_id(holder))
        );
        Some(invalid(row, "DuplicateChannelName", &reason))
    }

    /// The account and Region that a row asks for.
    fn asked(&self, valid: &ValidRow<'_>) -> AccountRegion {
        let mut asked = valid.account_region();
        if let (None, OwnAccount::Known(own)) = (&asked.account, &self.own_account) {
            asked.account = Some(own.clone());
        }
        asked
    }

    fn count(&mut self, verdict: &Verdict) {
        let counts = &mut self.counts;
        match verdict {
            Verdict::Fresh(..) => counts.fresh += 1,
            Verdict::Again(..) => counts.again += 1,
            Verdict::Done => counts.done += 1,
            Verdict::Deleted => counts.deleted += 1,
            Verdict::Repeated => counts.repeated += 1,
            Verdict::Invalid(_) => counts.invalid += 1,
            Verdict::OtherShard => counts.listed_elsewhere += 1,
            Verdict::OtherShardInvalid(_) => counts.invalid_elsewhere += 1,
        }
        let is_listed = !matches!(
            verdict,
            Verdict::Repeated
                | Verdict::Invalid(_)
                | Verdict::OtherShard
                | Verdict::OtherShardInvalid(_)
        );
        counts.listed += u64::from(is_listed);
    }
}

/// A device's ID as its row in the results has it.
#[must_use]
pub fn recorded_id(device_id: &str) -> &str {
    device_id
        .get(..device_id.floor_char_boundary(LONGEST_DEVICE_ID))
        .unwrap_or_default()
}

/// The device of a row, in this account.
fn device(valid: &ValidRow<'_>, asked: AccountRegion) -> Device {
    Device {
        account: asked.account,
        ..valid.to_device()
    }
}

fn invalid(row: &Row<'_>, code: &'static str, reason: &str) -> Verdict {
    Verdict::Invalid(InvalidLine::new(row.line, row.device_id, code, reason))
}
