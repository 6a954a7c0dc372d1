//! The channels of one account and Region with their status, in the order of names. It knows neither requests nor
//! quotas, and takes time as an argument.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::operation::ApiOperation;
use super::quota::Bucket;
use super::service_quotas::UsedQuotas;
use super::shapes::ChannelInfo;
use crate::domain::service::ChannelStatus;

/// A channel that exists. Times are since the Unix epoch.
#[derive(Debug, Clone)]
pub struct StoredChannel {
    pub name: Arc<str>,
    pub arn: Arc<str>,
    pub(super) creation_millis: u64,
    pub(super) active_at: Duration,
    /// If it is being deleted: when the deletion is complete.
    pub(super) gone_at: Option<Duration>,
    pub(super) message_ttl: i32,
    pub(super) version: u64,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) buckets: [Bucket; ApiOperation::ALL.len()],
    /// As a state has it, once it was written: most channels are the same in many states.
    pub(super) text: OnceLock<Box<[u8]>>,
}

impl StoredChannel {
    /// The status at `now`. An update is immediate, so UPDATING never occurs.
    pub fn status(&self, now: Duration) -> ChannelStatus {
        if self.gone_at.is_some() {
            ChannelStatus::Deleting
        } else if now < self.active_at {
            ChannelStatus::Creating
        } else {
            ChannelStatus::Active
        }
    }

    /// Whether its deletion is complete at `now`.
    fn is_gone(&self, now: Duration) -> bool {
        self.gone_at.is_some_and(|gone_at| gone_at <= now)
    }

    pub(super) fn info(&self, now: Duration) -> ChannelInfo {
        ChannelInfo {
            name: Arc::clone(&self.name),
            arn: Arc::clone(&self.arn),
            status: self.status(now),
            creation_millis: self.creation_millis,
            message_ttl: self.message_ttl,
            version: self.version_text(),
        }
    }

    pub(super) fn version_text(&self) -> String {
        format!("{:016x}", self.version)
    }
}

/// The channels of one account and Region.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// Shared with snapshots.
    channels: BTreeMap<Arc<str>, Arc<StoredChannel>>,
    /// Names of channels being deleted, in the order in which their deletions complete.
    going: VecDeque<(Duration, Arc<str>)>,
    /// The latest creation time among deleted channels.
    newest_gone: u64,
    pub(super) used: UsedQuotas,
}

impl Store {
    /// The channels of an earlier emulator.
    pub(super) fn restore(newest_gone: u64, channels: Vec<Arc<StoredChannel>>) -> Self {
        let mut store = Self {
            newest_gone,
            ..Self::default()
        };
        for channel in channels {
            if let Some(gone_at) = channel.gone_at {
                store.enqueue(gone_at, &channel.name);
            }
            store.channels.insert(Arc::clone(&channel.name), channel);
        }
        store
    }

    /// All channels as they are, and the latest creation time among deleted ones.
    pub(super) fn contents(&self) -> (u64, Vec<Arc<StoredChannel>>) {
        (self.newest_gone, self.channels.values().cloned().collect())
    }

    /// Removes the channels whose deletion is complete.
    pub(super) fn remove_deleted(&mut self, now: Duration) {
        while let Some((_, name)) = self.going.pop_front_if(|(gone_at, _)| *gone_at <= now) {
            if let Some(channel) = self.channels.remove(&name) {
                self.newest_gone = self.newest_gone.max(channel.creation_millis);
            }
        }
    }

    /// The number of channels, including those being deleted.
    pub(super) fn len(&self) -> usize {
        self.channels.len()
    }

    pub(super) fn get(&self, name: &str) -> Option<&StoredChannel> {
        self.channels.get(name).map(Arc::as_ref)
    }

    /// A channel that may be changed: its text no longer holds.
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut StoredChannel> {
        let channel = Arc::make_mut(self.channels.get_mut(name)?);
        channel.text = OnceLock::new();
        Some(channel)
    }

    /// A creation time after that of every deleted channel, so that a recreated channel has another ARN.
    pub(super) fn fresh_creation_millis(&self, now: Duration) -> u64 {
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        now.max(self.newest_gone.saturating_add(1))
    }

    pub(super) fn insert(&mut self, channel: StoredChannel) {
        let name = Arc::clone(&channel.name);
        self.channels.insert(name, Arc::new(channel));
    }

    /// Begins a deletion that completes at `gone_at`.
    pub(super) fn begin_deletion(&mut self, name: &str, gone_at: Duration) {
        if let Some(channel) = self.get_mut(name) {
            channel.gone_at = Some(gone_at);
            let name = Arc::clone(&channel.name);
            self.enqueue(gone_at, &name);
        }
    }

    /// Usually at the end. An emulator that had another time for deletions may have begun some that complete later.
    fn enqueue(&mut self, gone_at: Duration, name: &Arc<str>) {
        let place = self.going.partition_point(|(other, _)| *other <= gone_at);
        self.going.insert(place, (gone_at, Arc::clone(name)));
    }

    /// At most `most` channels whose names begin with `prefix` and come after `after`, and whether there are more.
    pub(super) fn page(
        &self,
        now: Duration,
        prefix: &str,
        after: Option<&str>,
        most: usize,
    ) -> (Vec<ChannelInfo>, bool) {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let mut found = self
            .channels
            .range::<str, _>((start, Bound::Unbounded))
            .map(|(_, channel)| channel)
            .take_while(|channel| channel.name.starts_with(prefix));
        let page = found
            .by_ref()
            .take(most)
            .map(|channel| channel.info(now))
            .collect();
        (page, found.next().is_some())
    }

    /// All channels that exist at `now`, in the order of names.
    pub(super) fn iter(&self, now: Duration) -> impl Iterator<Item = &StoredChannel> {
        self.channels
            .values()
            .map(Arc::as_ref)
            .filter(move |channel| !channel.is_gone(now))
    }
}

/// A page token is the hexadecimal form of the page's last name: it stays valid while channels are created and deleted,
/// and its at most 512 characters are within the model's 1,024.
pub(super) fn token_of_name(name: &str) -> String {
    use std::fmt::Write;
    name.bytes().fold(String::new(), |mut token, byte| {
        // Writing to a string cannot fail.
        let _ = write!(token, "{byte:02x}");
        token
    })
}

pub(super) fn name_of_token(token: &str) -> Option<String> {
    if !token.len().is_multiple_of(2) {
        return None;
    }
    let bytes: Option<Vec<u8>> = (0..token.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(token.get(at..at + 2)?, 16).ok())
        .collect();
    String::from_utf8(bytes?).ok()
}
