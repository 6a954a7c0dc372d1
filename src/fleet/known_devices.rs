//! The devices of the results file and of the manifest, each once, found by ID and by channel name.
//!
//! Knows no files; what it holds of them are offsets and lines. A million devices take about 200 MB.

use std::collections::HashMap;
use std::ops::Index;

use indexmap::{IndexMap, IndexSet};

use crate::domain::device::{AccountRegion, DeviceIndex};
use crate::results::record::{Place, Status};

/// What is known of a device.
#[derive(Debug, Default)]
pub struct KnownDevice {
    /// None where it is the device's ID.
    channel_name: Option<Box<str>>,
    /// Its number in [`KnownDevices::account_regions`].
    account_region: u32,
    /// The status in its row; none where it has no row.
    pub(crate) status: Option<Status>,
    /// Where its row is in the results file; none where it has none.
    pub(crate) place: Option<Place>,
    /// Where the manifest lists it; none where it does not.
    pub(crate) listed: Option<Listed>,
    /// Whether an earlier run could not learn if its channel exists: there may be one of its recorded name.
    pub(crate) is_open: bool,
    /// Whether its row was written in this run.
    pub(crate) was_recorded_now: bool,
}

impl KnownDevice {
    pub(crate) fn has_channel(&self) -> bool {
        matches!(self.status, Some(Status::Created | Status::Exists))
    }
}

/// Where the manifest lists a device, and what for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed {
    /// The line; in a run without a manifest the offset of its row. Both put the devices in order.
    pub(crate) order: u64,
    /// The [fingerprint](crate::manifest::ValidRow::fingerprint) of the TTL and tags that it asks for.
    pub(crate) fingerprint: u64,
}

/// All known devices, in the order in which they became known.
#[derive(Debug, Default)]
pub struct KnownDevices {
    by_id: IndexMap<Box<str>, KnownDevice>,
    /// The devices whose channel name is not their ID. The others are found by their ID.
    by_name: HashMap<Box<str>, Vec<DeviceIndex>>,
    account_regions: IndexSet<AccountRegion>,
    /// The number that was looked up last: mostly the next one as well.
    last_number: u32,
}

impl KnownDevices {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Whether any of them has its channel.
    pub(crate) fn have_channel(&self) -> bool {
        self.iter().any(|index| self[index].has_channel())
    }

    /// All devices, in the order in which they became known.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = DeviceIndex> + use<> {
        (0..self.by_id.len()).map(DeviceIndex)
    }

    /// Makes room for so many more devices.
    pub(crate) fn reserve(&mut self, devices: usize) {
        self.by_id.reserve(devices);
    }

    /// The device of this ID.
    pub(crate) fn find(&self, id: &str) -> Option<DeviceIndex> {
        self.by_id.get_index_of(id).map(DeviceIndex)
    }

    /// The device of this ID, looked for first after the device found last: results and manifest are mostly in the same
    /// order, and to compare two IDs costs less than to look one up.
    pub(crate) fn find_next(&self, id: &str, last: Option<DeviceIndex>) -> Option<DeviceIndex> {
        let next = DeviceIndex(last.map_or(0, |last| last.0 + 1));
        let entry = self.by_id.get_index(next.0);
        if entry.is_some_and(|(known, _)| **known == *id) {
            return Some(next);
        }
        self.find(id)
    }

    /// The devices whose channel has this name in this account and Region. An account that is not known may be any.
    pub(crate) fn holders<'a>(
        &'a self,
        account_region: &'a AccountRegion,
        name: &'a str,
    ) -> impl Iterator<Item = DeviceIndex> + 'a {
        let by_id = self.find(name);
        let by_id = by_id.filter(|index| self[*index].channel_name.is_none());
        let by_name = self.by_name.get(name).into_iter().flatten().copied();
        by_id
            .into_iter()
            .chain(by_name)
            .filter(move |index| self.account_region(*index).may_be(account_region))
    }

    /// Adds a device without a row, or gives a known one this channel name, account and Region.
    pub fn insert(
        &mut self,
        id: &str,
        channel_name: &str,
        account_region: &AccountRegion,
    ) -> DeviceIndex {
        // One look-up both finds and inserts, which matters for a million rows.
        let known = KnownDevice {
            account_region: self.number_of(account_region),
            ..KnownDevice::default()
        };
        let (index, before) = self.by_id.insert_full(id.into(), known);
        let index = DeviceIndex(index);
        if let Some(before) = before {
            *self.known_mut(index) = before;
            self.rename(index, channel_name, account_region);
        } else {
            self.set_name(index, channel_name);
        }
        index
    }

    /// Gives a device another channel name, account or Region.
    pub(crate) fn rename(
        &mut self,
        index: DeviceIndex,
        channel_name: &str,
        account_region: &AccountRegion,
    ) {
        if let Some(before) = self.known_mut(index).channel_name.take()
            && let Some(holders) = self.by_name.get_mut(&before)
        {
            holders.retain(|holder| *holder != index);
        }
        let number = self.number_of(account_region);
        self.known_mut(index).account_region = number;
        self.set_name(index, channel_name);
    }

    /// Sets the name of a device that has none but its ID.
    fn set_name(&mut self, index: DeviceIndex, channel_name: &str) {
        if self.device_id(index) != channel_name {
            self.known_mut(index).channel_name = Some(channel_name.into());
            let holders = self.by_name.entry(channel_name.into());
            holders.or_default().push(index);
        }
    }

    /// Notes that the manifest lists the device, on which line, and the [fingerprint](crate::manifest::ValidRow::fingerprint) of
    /// what it asks for.
    pub fn list(&mut self, index: DeviceIndex, order: u64, fingerprint: u64) {
        self.known_mut(index).listed = Some(Listed { order, fingerprint });
    }

    /// Notes a device's row as an earlier run left it. `is_open` tells whether that run could not learn if the channel
    /// exists.
    pub(crate) fn recall(
        &mut self,
        index: DeviceIndex,
        status: Status,
        place: Place,
        is_open: bool,
    ) {
        let known = self.known_mut(index);
        known.status = Some(status);
        known.place = Some(place);
        known.is_open = is_open;
    }

    /// Forgets the status of a device whose channel no longer exists. Its row stays until another replaces it.
    pub(crate) fn lose(&mut self, index: DeviceIndex) {
        self.known_mut(index).status = None;
    }

    /// Notes a device's row that this run has put on disk.
    pub fn record(&mut self, index: DeviceIndex, status: Status, place: Place) {
        self.recall(index, status, place, false);
        self.known_mut(index).was_recorded_now = true;
    }

    pub(crate) fn device_id(&self, index: DeviceIndex) -> &str {
        let entry = self.by_id.get_index(index.0);
        entry.map_or("", |(id, _)| id)
    }

    pub(crate) fn channel_name(&self, index: DeviceIndex) -> &str {
        let own = self[index].channel_name.as_deref();
        own.unwrap_or_else(|| self.device_id(index))
    }

    pub(crate) fn account_region(&self, index: DeviceIndex) -> &AccountRegion {
        &self.account_regions[self[index].account_region as usize]
    }

    fn number_of(&mut self, account_region: &AccountRegion) -> u32 {
        let last = self.account_regions.get_index(self.last_number as usize);
        if last != Some(account_region) {
            let known = self.account_regions.get_index_of(account_region);
            let number = known.unwrap_or_else(|| {
                let new = self.account_regions.insert_full(account_region.clone());
                new.0
            });
            self.last_number = u32::try_from(number).unwrap_or(u32::MAX);
        }
        self.last_number
    }

    fn known_mut(&mut self, index: DeviceIndex) -> &mut KnownDevice {
        &mut self.by_id[index.0]
    }
}

impl Index<DeviceIndex> for KnownDevices {
    type Output = KnownDevice;

    fn index(&self, index: DeviceIndex) -> &KnownDevice {
        &self.by_id[index.0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::device::{AccountId, Region};

    fn region(name: &str) -> AccountRegion {
        Region::parse(name).unwrap().into()
    }

    fn of_account(account: &str, name: &str) -> AccountRegion {
        AccountRegion {
            account: AccountId::parse(account).ok(),
            ..region(name)
        }
    }

    #[test]
    fn devices_are_found_by_id_and_by_channel_name() {
        let mut known_devices = KnownDevices::new();
        let (here, there) = (region("eu-west-1"), region("us-east-1"));
        let own = known_devices.insert("cam-1", "cam-1", &here);
        let other = known_devices.insert("2", "cam-2", &here);
        assert_eq!(known_devices.find("cam-1"), Some(own));
        assert_eq!(known_devices.find("cam-2"), None);
        let holders = |known_devices: &KnownDevices, region: &AccountRegion, name: &str| {
            known_devices.holders(region, name).collect::<Vec<_>>()
        };
        assert_eq!(holders(&known_devices, &here, "cam-1"), [own]);
        assert_eq!(holders(&known_devices, &here, "cam-2"), [other]);
        assert_eq!(holders(&known_devices, &there, "cam-1"), []);
        known_devices.rename(other, "2", &there);
        assert_eq!(holders(&known_devices, &here, "cam-2"), []);
        assert_eq!(holders(&known_devices, &there, "2"), [other]);
        known_devices.rename(own, "cam-9", &here);
        assert_eq!(holders(&known_devices, &here, "cam-1"), []);
        assert_eq!(holders(&known_devices, &here, "cam-9"), [own]);
        assert_eq!(known_devices.device_id(own), "cam-1");
        assert_eq!(known_devices.find_next("cam-1", None), Some(own));
        assert_eq!(known_devices.find_next("2", Some(own)), Some(other));
        assert_eq!(known_devices.find_next("cam-1", Some(other)), Some(own));
        assert_eq!(known_devices.find_next("", Some(other)), None);
        let third = known_devices.insert("3", "cam-9", &here);
        assert_eq!(holders(&known_devices, &here, "cam-9"), [own, third]);
    }

    #[test]
    fn a_name_may_be_used_in_two_accounts() {
        let mut known_devices = KnownDevices::new();
        let [one, other] =
            ["111122223333", "444455556666"].map(|account| of_account(account, "eu-west-1"));
        let own = region("eu-west-1");
        let a = known_devices.insert("a", "gate", &one);
        let b = known_devices.insert("b", "gate", &other);
        let c = known_devices.insert("c", "gate", &one);
        let holders = |of: &AccountRegion| known_devices.holders(of, "gate").collect::<Vec<_>>();
        assert_eq!(holders(&one), [a, c]);
        assert_eq!(holders(&other), [b]);
        assert_eq!(holders(&own), [a, b, c], "any of them may be the run's own");
        assert_eq!(known_devices.account_region(b), &other);
    }

    #[test]
    fn a_later_row_of_a_device_replaces_the_earlier_one_in_its_place() {
        let mut known_devices = KnownDevices::new();
        let here = region("eu-west-1");
        let place = |offset| Place { offset, length: 10 };
        let rows = [
            ("a", "x", Status::Failed),
            ("b", "b", Status::Created),
            ("a", "y", Status::Created),
        ];
        for (number, (id, name, status)) in (0..).zip(rows) {
            let index = known_devices.insert(id, name, &here);
            known_devices.recall(index, status, place(number * 10), status == Status::Failed);
        }
        let (a, b) = (
            known_devices.find("a").unwrap(),
            known_devices.find("b").unwrap(),
        );
        assert_eq!(known_devices.iter().collect::<Vec<_>>(), [a, b]);
        assert_eq!(known_devices[a].status, Some(Status::Created));
        assert!(!known_devices[a].is_open);
        assert_eq!(known_devices[a].place, Some(place(20)));
        assert_eq!(known_devices.channel_name(a), "y");
        assert_eq!(known_devices.holders(&here, "x").next(), None);
        assert_eq!(known_devices.holders(&here, "y").collect::<Vec<_>>(), [a]);
    }
}
