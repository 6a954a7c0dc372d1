//! All accounts, Regions and channels of the emulator at one instant, as a value and as text: JSON with one channel a line. No
//! file and no clock. Quotas are not part of it: a restored emulator begins with full token buckets.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::access_key::AccountNumber;
use super::arn;
use super::store::StoredChannel;
use crate::domain::device::{ChannelName, Region, shown};

/// What tells a state from other JSON.
pub(super) const FORMAT: &str = "kvs-fleet emulator state";
/// The version of the format that is written, the only one so far.
const VERSION: u64 = 1;

/// The latest time in a state, in milliseconds since the Unix epoch: the year 2500, which the arithmetic of quotas allows.
const LATEST_MILLIS: u64 = 16_725_225_600_000;
/// The most versions given to channels: far more than can be, and far from an overflow.
const MOST_CHANGES: u64 = 1 << 53;
/// The most tags of a channel.
pub(super) const MOST_TAGS: usize = 50;

/// A state of the emulator. One that was read is sound.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The emulator's time, since the Unix epoch.
    pub(super) now: Duration,
    /// The number of versions given to channels.
    pub(super) changes: u64,
    pub(super) accounts: Vec<AccountSnapshot>,
}

/// The Regions of an account in which anything was requested.
#[derive(Debug, Clone)]
pub(super) struct AccountSnapshot {
    pub(super) account: AccountNumber,
    pub(super) regions: Vec<RegionSnapshot>,
}

/// The channels of an account in a Region.
#[derive(Debug, Clone)]
pub(super) struct RegionSnapshot {
    pub(super) region: Region,
    /// The latest creation time among deleted channels, in milliseconds.
    pub(super) newest_gone: u64,
    /// In the order of names.
    pub(super) channels: Vec<Arc<StoredChannel>>,
}

/// Why text is not a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Nothing shows that the emulator wrote it.
    #[error(
        "it is not a state of the emulator (JSON that begins with {{\"format\":\"{FORMAT}\"), but {0}"
    )]
    Foreign(String),
    /// A later version of this program wrote it.
    #[error(
        "its format has version {0}, and this kvs-fleet knows only version {VERSION}: use the kvs-fleet that wrote it"
    )]
    Newer(u64),
    /// It was cut off or edited.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

#[derive(Deserialize)]
struct RawHead {
    format: Option<String>,
    version: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawState<'a> {
    #[expect(dead_code, reason = "was checked before, and must be allowed")]
    format: String,
    #[expect(dead_code, reason = "was checked before, and must be allowed")]
    version: u64,
    time_ms: u64,
    changes: u64,
    #[serde(borrow)]
    accounts: Vec<RawAccount<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAccount<'a> {
    account: String,
    #[serde(borrow)]
    regions: Vec<RawRegion<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRegion<'a> {
    region: String,
    newest_deleted_ms: u64,
    #[serde(borrow)]
    channels: Vec<RawChannel<'a>>,
}

/// A channel as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChannel<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    arn: Cow<'a, str>,
    created_ms: u64,
    active_at_ms: u64,
    /// If it is being deleted: when it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gone_at_ms: Option<u64>,
    message_ttl_seconds: i32,
    version: String,
    #[serde(default, skip_serializing_if = "has_no_tags")]
    tags: Cow<'a, BTreeMap<String, String>>,
}

fn has_no_tags(tags: &BTreeMap<String, String>) -> bool {
    tags.is_empty()
}

impl Snapshot {
    /// The state as text.
    pub(super) fn encode(&self) -> Vec<u8> {
        const CHANNEL_BYTES: usize = 256;
        let regions = || self.accounts.iter().flat_map(|account| &account.regions);
        let channels: usize = regions().map(|region| region.channels.len()).sum();
        let mut text = Vec::with_capacity((channels + 8) * CHANNEL_BYTES);
        let (time, changes) = (millis(self.now), self.changes);
        let head = format!(
            "{{\"format\":\"{FORMAT}\",\"version\":{VERSION},\"time_ms\":{time},\"changes\":{changes},\"accounts\":["
        );
        text.extend_from_slice(head.as_bytes());
        push_all(&mut text, &self.accounts, |text, account| {
            let head = format!("{{\"account\":\"{}\",\"regions\":[", account.account);
            text.extend_from_slice(head.as_bytes());
            push_all(text, &account.regions, push_region);
            text.push(b'}');
        });
        text.extend_from_slice(b"}\n");
        text
    }

    /// Reads a state, and checks that an emulator can have it.
    pub(super) fn decode(text: &[u8]) -> Result<Self, SnapshotError> {
        match serde_json::from_slice::<RawHead>(text) {
            Ok(head) if head.format.as_deref() != Some(FORMAT) => {
                let other = "JSON of something else";
                return Err(SnapshotError::Foreign(other.to_owned()));
            }
            Ok(RawHead {
                version: Some(VERSION),
                ..
            }) => {}
            Ok(RawHead {
                version: Some(newer),
                ..
            }) if newer > VERSION => {
                return Err(SnapshotError::Newer(newer));
            }
            Ok(_) => {
                return Err(damaged(
                    "the version of its format is missing or was changed",
                ));
            }
            Err(error) => return Err(unreadable(text, &error)),
        }
        let raw: RawState<'_> = serde_json::from_slice(text)
            .map_err(|error| SnapshotError::Damaged(error.to_string()))?;
        if raw.changes > MOST_CHANGES {
            return Err(damaged(format!(
                "\"changes\" is {}, more than can be",
                raw.changes
            )));
        }
        let mut accounts = Vec::with_capacity(raw.accounts.len());
        for raw in &raw.accounts {
            accounts.push(AccountSnapshot::check(raw)?);
        }
        let numbers = accounts.iter().map(|account| account.account.to_string());
        once(numbers, |twice| {
            format!("the account {twice} is there twice")
        })?;
        Ok(Self {
            now: Duration::from_millis(time("\"time_ms\"", raw.time_ms)?),
            changes: raw.changes,
            accounts,
        })
    }
}

impl AccountSnapshot {
    fn check(raw: &RawAccount<'_>) -> Result<Self, SnapshotError> {
        let account = AccountNumber::parse(&raw.account).ok_or_else(|| {
            let found = shown(&raw.account);
            damaged(format!("the account {found} is not a number of 12 digits"))
        })?;
        let mut regions = Vec::with_capacity(raw.regions.len());
        for raw in &raw.regions {
            regions.push(RegionSnapshot::check(account, raw)?);
        }
        let names = regions.iter().map(|region| region.region.as_str());
        once(names, |twice| {
            format!("the Region {twice} is there twice in the account {account}")
        })?;
        Ok(Self { account, regions })
    }
}

impl RegionSnapshot {
    fn check(account: AccountNumber, raw: &RawRegion<'_>) -> Result<Self, SnapshotError> {
        let region = Region::parse(&raw.region).map_err(|invalid| damaged(invalid.to_string()))?;
        let mut channels: Vec<Arc<StoredChannel>> = Vec::with_capacity(raw.channels.len());
        for raw in &raw.channels {
            let channel = channel(account, &region, raw);
            channels.push(Arc::new(channel.map_err(|problem| {
                let name = shown(&raw.name);
                damaged(format!(
                    "the channel {name} of the account {account} in {region}: {problem}"
                ))
            })?));
        }
        channels.sort_by(|one, other| one.name.cmp(&other.name));
        let mut pairs = channels.iter().zip(channels.iter().skip(1));
        if let Some((twice, _)) = pairs.find(|(one, other)| one.name == other.name) {
            let name = shown(&twice.name);
            return Err(damaged(format!(
                "the channel {name} of the account {account} in {region} is there twice"
            )));
        }
        Ok(Self {
            newest_gone: time("\"newest_deleted_ms\"", raw.newest_deleted_ms)?,
            region,
            channels,
        })
    }
}

/// A channel that the emulator can have made, or why it cannot.
fn channel(
    account: AccountNumber,
    region: &Region,
    raw: &RawChannel<'_>,
) -> Result<StoredChannel, String> {
    let as_time = |what, millis| time(what, millis).map_err(|error| error.to_string());
    ChannelName::check(&raw.name).map_err(|invalid| invalid.to_string())?;
    let created = as_time("\"created_ms\"", raw.created_ms)?;
    let expected = arn::of_channel_made(region, account, &raw.name, created);
    if raw.arn != expected {
        let found = shown(&raw.arn);
        return Err(format!(
            "its ARN is {found}, but by its name, account, Region and \"created_ms\" it is {expected}"
        ));
    }
    if !(5..=120).contains(&raw.message_ttl_seconds) {
        let found = raw.message_ttl_seconds;
        return Err(format!(
            "its message TTL is {found} seconds; allowed are 5 to 120"
        ));
    }
    if raw.tags.len() > MOST_TAGS {
        return Err(format!(
            "it has {} tags; allowed are {MOST_TAGS}",
            raw.tags.len()
        ));
    }
    let version = (raw.version.len() == 16 && !raw.version.starts_with('+'))
        .then(|| u64::from_str_radix(&raw.version, 16).ok())
        .flatten()
        .ok_or_else(|| {
            format!(
                "its version {} is not of 16 hexadecimal digits",
                shown(&raw.version)
            )
        })?;
    let active_at = as_time("\"active_at_ms\"", raw.active_at_ms)?;
    let gone_at = raw
        .gone_at_ms
        .map(|millis| as_time("\"gone_at_ms\"", millis));
    Ok(StoredChannel {
        name: raw.name.as_ref().into(),
        arn: expected.into(),
        creation_millis: created,
        active_at: Duration::from_millis(active_at),
        gone_at: gone_at.transpose()?.map(Duration::from_millis),
        message_ttl: raw.message_ttl_seconds,
        version,
        tags: raw.tags.as_ref().clone(),
        buckets: Default::default(),
        text: OnceLock::new(),
    })
}

/// Writes items, one a line, and the end of their list.
fn push_all<T>(text: &mut Vec<u8>, items: &[T], push: impl Fn(&mut Vec<u8>, &T)) {
    for (index, item) in items.iter().enumerate() {
        text.extend_from_slice(if index == 0 { b"\n" } else { b",\n" });
        push(text, item);
    }
    text.extend_from_slice(b"\n]");
}

fn push_region(text: &mut Vec<u8>, region: &RegionSnapshot) {
    let head = format!(
        "{{\"region\":\"{}\",\"newest_deleted_ms\":{},\"channels\":[",
        region.region, region.newest_gone
    );
    text.extend_from_slice(head.as_bytes());
    push_all(text, &region.channels, |text, channel| {
        text.extend_from_slice(channel.text.get_or_init(|| line(channel)));
    });
    text.push(b'}');
}

/// A channel as a line, without its end.
fn line(channel: &StoredChannel) -> Box<[u8]> {
    let line = serde_json::to_vec(&RawChannel {
        name: Cow::Borrowed(&channel.name),
        arn: Cow::Borrowed(&channel.arn),
        created_ms: channel.creation_millis,
        active_at_ms: millis(channel.active_at),
        gone_at_ms: channel.gone_at.map(millis),
        message_ttl_seconds: channel.message_ttl,
        version: channel.version_text(),
        tags: Cow::Borrowed(&channel.tags),
    });
    // Only maps with keys that are not text, and writers that fail, give an error.
    line.unwrap_or_default().into()
}

/// In whole milliseconds, as creation times are.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn time(what: &str, millis: u64) -> Result<u64, SnapshotError> {
    if millis > LATEST_MILLIS {
        return Err(damaged(format!(
            "{what} is {millis}, a time after the year 2500"
        )));
    }
    Ok(millis)
}

/// Refuses what is there twice.
fn once<T: Ord>(
    items: impl Iterator<Item = T>,
    problem: impl Fn(&T) -> String,
) -> Result<(), SnapshotError> {
    let mut seen = BTreeSet::new();
    for item in items {
        if seen.contains(&item) {
            return Err(damaged(problem(&item)));
        }
        seen.insert(item);
    }
    Ok(())
}

fn damaged(problem: impl Into<String>) -> SnapshotError {
    SnapshotError::Damaged(problem.into())
}

/// Text that is not JSON: a damaged state if it begins as one.
fn unreadable(text: &[u8], error: &serde_json::Error) -> SnapshotError {
    const START: usize = 200;
    let start = text.get(..START.min(text.len())).unwrap_or_default();
    let is_state = String::from_utf8_lossy(start).contains(FORMAT);
    match text {
        _ if is_state => SnapshotError::Damaged(error.to_string()),
        [] => SnapshotError::Foreign("an empty file".to_owned()),
        _ => SnapshotError::Foreign("something else".to_owned()),
    }
}

#[cfg(test)]
mod tests;
