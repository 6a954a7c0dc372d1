//! Who is known: every device of the results file and of the manifest, once, in as few bytes as it takes.
//!
//! A device takes an `Entry` of 40 bytes, its ID (and its channel's name where that differs) in one string of text,
//! and 5 to 11 bytes in a hash table: a million devices with IDs of 12 characters fit in 64 MB. Knows nothing of files;
//! what it holds of them are offsets.
//!
//! The rows of a results file are taken in without a look-up each ([`KnownDevices::push_row`]) and made findable all at once
//! ([`KnownDevices::index`]): one table of the right size instead of one that grows costs half the time. Rows whose IDs
//! ascend, as serial numbers do, need no table to be known as different devices; it is made when one is looked for out
//! of the order, and so never in a rerun with nothing to do.

use std::cell::OnceCell;
use std::hash::BuildHasher;

use hashbrown::hash_table::Entry as TableEntry;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::domain::device::{DeviceIndex, Region};
use crate::results::record::{Place, Status};

/// The known devices holds 4 GiB of IDs and names, and 4 billion devices, at the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "there are too many devices: at most 4 GiB of device IDs and channel names can be held; split the batch"
)]
pub struct Full;

/// What is known of a device.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Its row in the results file; no length means none.
    row_offset: u64,
    /// Where the manifest lists it, plus one; nought where it does not.
    listed: u64,
    row_length: u32,
    /// What it is asked with in the manifest.
    digest: u32,
    /// Where its ID begins in the text.
    id_start: u32,
    /// Where its channel's name begins in the text: the same place where the names are the same.
    name_start: u32,
    id_length: u16,
    name_length: u16,
    region: u16,
    status: Option<Status>,
    mark: Mark,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// As an earlier run, or nobody, left it.
    Plain,
    /// An earlier run could not learn whether its channel was made.
    OutcomeOpen,
    /// Its row was written in this run.
    RecordedNow,
    /// A later row of the same device took its place.
    Superseded,
}

const _: () = assert!(size_of::<Entry>() == 40);

impl Entry {
    fn has_own_name(&self) -> bool {
        self.id_start != self.name_start
    }
}

/// All devices that are known.
#[derive(Debug, Default)]
pub struct KnownDevices {
    text: String,
    entries: Vec<Entry>,
    regions: Vec<Region>,
    hasher: DefaultHashBuilder,
    /// Made when it is needed: see [`Self::table`].
    by_id: OnceCell<HashTable<u32>>,
    /// Whether a device was taken in whose ID is not above that of the one before. While there is none, whose ID is above
    /// the last one's is not known, and that costs no table.
    has_descent: bool,
    /// By Region and channel name, those whose name is not their ID: the others are found by their ID.
    by_name: HashTable<u32>,
}

impl KnownDevices {
    /// An empty known devices.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many devices are known.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All devices, in the order in which they became known.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = DeviceIndex> + use<> {
        // `insert` keeps the number within 32 bits.
        (0..u32::try_from(self.entries.len()).unwrap_or(u32::MAX)).map(DeviceIndex)
    }

    /// Makes room for so many more devices.
    pub fn reserve(&mut self, devices: usize) {
        /// A device ID of a usual length.
        const ID_BYTES: usize = 16;
        self.entries.reserve(devices);
        self.text.reserve(devices.saturating_mul(ID_BYTES));
    }

    /// Takes a row of the results file in, whether or not its device is known: [`Self::index`] finds that out, for all
    /// rows at once.
    pub fn push_row(
        &mut self,
        id: &str,
        channel_name: &str,
        region: &Region,
        status: Status,
        place: Place,
    ) -> Result<(), Full> {
        self.has_descent |= !self.is_above_all(id);
        let entry = self.entry(id, channel_name, region)?;
        self.entries.push(Entry {
            status: Some(status),
            row_offset: place.offset,
            row_length: place.length,
            ..entry
        });
        Ok(())
    }

    /// Makes the devices of all rows taken in findable. Of several rows of a device the last one counts, in the place of
    /// the first.
    pub fn index(&mut self) {
        self.by_id = OnceCell::new();
        if self.has_descent {
            self.by_id = OnceCell::from(self.supersede());
        }
        self.by_name.clear();
        for index in self.iter() {
            if self.entries[index.slot()].mark != Mark::Superseded {
                self.add_name(index);
            }
        }
    }

    /// Leaves one entry of each device, and gives the table of them.
    fn supersede(&mut self) -> HashTable<u32> {
        let mut by_id = HashTable::with_capacity(self.entries.len());
        for index in self.iter() {
            let entry = self.entries[index.slot()];
            let known = by_id.entry(
                self.id_hash(index.0),
                |&known| self.device_id(DeviceIndex(known)) == self.id_of(&entry),
                |&other| self.id_hash(other),
            );
            match known {
                TableEntry::Vacant(place) => drop(place.insert(index.0)),
                TableEntry::Occupied(known) => {
                    self.entries[*known.get() as usize] = entry;
                    let superseded = &mut self.entries[index.slot()];
                    superseded.mark = Mark::Superseded;
                    superseded.row_length = 0;
                    superseded.status = None;
                }
            }
        }
        by_id
    }

    /// The table of entries that are all of different devices.
    fn table(&self) -> HashTable<u32> {
        let mut by_id = HashTable::with_capacity(self.entries.capacity());
        for index in self.iter() {
            by_id.insert_unique(self.id_hash(index.0), index.0, |&other| self.id_hash(other));
        }
        by_id
    }

    /// The device of this ID.
    pub fn find(&self, id: &str) -> Option<DeviceIndex> {
        if !self.has_descent && self.is_above_all(id) {
            return None;
        }
        let hash = self.hasher.hash_one(id);
        self.by_id
            .get_or_init(|| self.table())
            .find(hash, |&slot| self.device_id(DeviceIndex(slot)) == id)
            .map(|&slot| DeviceIndex(slot))
    }

    /// Whether an ID is above the last one, which is that of all while they ascend.
    fn is_above_all(&self, id: &str) -> bool {
        let last = self.entries.last();
        last.is_none_or(|last| self.id_of(last) < id)
    }

    /// The device of this ID, looked for first behind the device found last: files are mostly in the same order, and a
    /// look at the next entry costs less than a hash.
    pub fn find_next(&self, id: &str, last: Option<DeviceIndex>) -> Option<DeviceIndex> {
        let next = DeviceIndex(last.map_or(0, |last| last.0.saturating_add(1)));
        match self.entries.get(next.slot()) {
            Some(entry) if self.id_of(entry) == id && entry.mark != Mark::Superseded => Some(next),
            _ => self.find(id),
        }
    }

    /// The devices whose channel has this name in this Region.
    pub fn holders<'a>(
        &'a self,
        region: &'a Region,
        name: &'a str,
    ) -> impl Iterator<Item = DeviceIndex> + 'a {
        let is_it = move |index: DeviceIndex| {
            self.channel_name(index) == name && self.region(index) == region
        };
        let namesake = self
            .find(name)
            .filter(move |index| !self.entries[index.slot()].has_own_name() && is_it(*index));
        let others = self
            .by_name
            .iter_hash(self.hasher.hash_one((region.as_str(), name)))
            .map(|&slot| DeviceIndex(slot))
            .filter(move |index| is_it(*index));
        namesake.into_iter().chain(others)
    }

    /// Adds a device that is not known yet.
    pub fn insert(
        &mut self,
        id: &str,
        channel_name: &str,
        region: &Region,
    ) -> Result<DeviceIndex, Full> {
        let slot = u32::try_from(self.entries.len()).map_err(|_| Full)?;
        self.has_descent |= !self.is_above_all(id);
        let entry = self.entry(id, channel_name, region)?;
        self.entries.push(entry);
        if let Some(mut by_id) = self.by_id.take() {
            by_id.insert_unique(self.id_hash(slot), slot, |&other| self.id_hash(other));
            self.by_id = OnceCell::from(by_id);
        }
        self.add_name(DeviceIndex(slot));
        Ok(DeviceIndex(slot))
    }

    /// An entry with its texts, not listed and without a row.
    fn entry(&mut self, id: &str, channel_name: &str, region: &Region) -> Result<Entry, Full> {
        u32::try_from(self.entries.len()).map_err(|_| Full)?;
        let region = self.region_number(region)?;
        let (id_start, id_length) = self.add_text(id)?;
        let (name_start, name_length) = if channel_name == id {
            (id_start, id_length)
        } else {
            self.add_text(channel_name)?
        };
        Ok(Entry {
            row_offset: 0,
            listed: 0,
            row_length: 0,
            digest: 0,
            id_start,
            name_start,
            id_length,
            name_length,
            region,
            status: None,
            mark: Mark::Plain,
        })
    }

    /// Notes of the row taken in last that nobody could say whether its channel was made.
    pub fn leave_open(&mut self) {
        if let Some(last) = self.entries.last_mut() {
            last.mark = Mark::OutcomeOpen;
        }
    }

    /// Gives a device another channel name or Region.
    pub fn rename(
        &mut self,
        index: DeviceIndex,
        channel_name: &str,
        region: &Region,
    ) -> Result<(), Full> {
        let number = self.region_number(region)?;
        let entry = self.entries[index.slot()];
        let (name_start, name_length) = if channel_name == self.device_id(index) {
            (entry.id_start, entry.id_length)
        } else {
            self.add_text(channel_name)?
        };
        let hash = self.name_hash(index);
        if let Ok(entry) = self.by_name.find_entry(hash, |&slot| slot == index.0) {
            entry.remove();
        }
        let entry = &mut self.entries[index.slot()];
        entry.name_start = name_start;
        entry.name_length = name_length;
        entry.region = number;
        self.add_name(index);
        Ok(())
    }

    /// Notes that the manifest lists the device, where, and what it asks with.
    pub fn list(&mut self, index: DeviceIndex, at: u64, digest: u32) {
        let entry = &mut self.entries[index.slot()];
        entry.listed = at + 1;
        entry.digest = digest;
    }

    /// Notes a device's row as an earlier run left it.
    pub fn recall(&mut self, index: DeviceIndex, status: Status, place: Place) {
        let entry = &mut self.entries[index.slot()];
        entry.status = Some(status);
        entry.row_offset = place.offset;
        entry.row_length = place.length;
    }

    /// Forgets what a device's row says became of it: its channel is no longer there. The row stays until another takes its
    /// place.
    pub fn lose(&mut self, index: DeviceIndex) {
        self.entries[index.slot()].status = None;
    }

    /// Notes a device's row that this run has put on disk.
    pub fn record(&mut self, index: DeviceIndex, status: Status, place: Place) {
        self.recall(index, status, place);
        self.entries[index.slot()].mark = Mark::RecordedNow;
    }

    /// The device's ID.
    pub fn device_id(&self, index: DeviceIndex) -> &str {
        self.id_of(&self.entries[index.slot()])
    }

    /// Its channel's name.
    pub fn channel_name(&self, index: DeviceIndex) -> &str {
        let entry = &self.entries[index.slot()];
        span(&self.text, entry.name_start, entry.name_length)
    }

    /// Its Region.
    pub fn region(&self, index: DeviceIndex) -> &Region {
        &self.regions[usize::from(self.entries[index.slot()].region)]
    }

    /// What its row says became of it; none where it has no row.
    pub fn status(&self, index: DeviceIndex) -> Option<Status> {
        self.entries[index.slot()].status
    }

    /// Where its row is; none where it has none.
    pub fn place(&self, index: DeviceIndex) -> Option<Place> {
        let entry = &self.entries[index.slot()];
        (entry.row_length > 0).then_some(Place {
            offset: entry.row_offset,
            length: entry.row_length,
        })
    }

    /// Whether the manifest lists it.
    pub fn is_listed(&self, index: DeviceIndex) -> bool {
        self.entries[index.slot()].listed > 0
    }

    /// Where the manifest lists it; none where it does not.
    pub fn manifest_at(&self, index: DeviceIndex) -> Option<u64> {
        self.entries[index.slot()].listed.checked_sub(1)
    }

    /// What the manifest asks for it with: TTL and tags, as a digest.
    pub fn digest(&self, index: DeviceIndex) -> u32 {
        self.entries[index.slot()].digest
    }

    /// Whether an earlier run could not learn if its channel was made: there may be one of its recorded name.
    pub fn is_open(&self, index: DeviceIndex) -> bool {
        self.entries[index.slot()].mark == Mark::OutcomeOpen
    }

    /// Whether its row was written in this run.
    pub fn was_recorded_now(&self, index: DeviceIndex) -> bool {
        self.entries[index.slot()].mark == Mark::RecordedNow
    }

    fn id_hash(&self, slot: u32) -> u64 {
        self.hasher.hash_one(self.device_id(DeviceIndex(slot)))
    }

    fn id_of(&self, entry: &Entry) -> &str {
        span(&self.text, entry.id_start, entry.id_length)
    }

    /// Keeps a text; says where it begins and how long it is.
    fn add_text(&mut self, text: &str) -> Result<(u32, u16), Full> {
        let start = u32::try_from(self.text.len()).map_err(|_| Full)?;
        let length = u16::try_from(text.len()).map_err(|_| Full)?;
        start.checked_add(u32::from(length)).ok_or(Full)?;
        self.text.push_str(text);
        Ok((start, length))
    }

    fn region_number(&mut self, region: &Region) -> Result<u16, Full> {
        // A batch has a few Regions at the most, and mostly the same as the device before.
        let known = self.regions.iter().position(|known| known == region);
        let number = known.unwrap_or_else(|| {
            self.regions.push(region.clone());
            self.regions.len() - 1
        });
        u16::try_from(number).map_err(|_| Full)
    }

    fn name_hash(&self, index: DeviceIndex) -> u64 {
        self.hasher
            .hash_one((self.region(index).as_str(), self.channel_name(index)))
    }

    fn add_name(&mut self, index: DeviceIndex) {
        if !self.entries[index.slot()].has_own_name() {
            return;
        }
        let hash = self.name_hash(index);
        let (hasher, entries, text, regions) =
            (&self.hasher, &self.entries, &self.text, &self.regions);
        self.by_name.insert_unique(hash, index.0, |&slot| {
            let entry = &entries[slot as usize];
            hasher.hash_one((
                regions[usize::from(entry.region)].as_str(),
                span(text, entry.name_start, entry.name_length),
            ))
        });
    }
}

fn span(text: &str, start: u32, length: u16) -> &str {
    let start = start as usize;
    text.get(start..start + usize::from(length))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(name: &str) -> Region {
        Region::parse(name).unwrap()
    }

    #[test]
    fn devices_are_found_by_id_and_by_channel_name() {
        let mut known_devices = KnownDevices::new();
        let (here, there) = (region("eu-west-1"), region("us-east-1"));
        let own = known_devices.insert("cam-1", "cam-1", &here).unwrap();
        let other = known_devices.insert("2", "cam-2", &here).unwrap();
        assert_eq!(known_devices.find("cam-1"), Some(own));
        assert_eq!(known_devices.find("cam-2"), None);
        let holders = |known_devices: &KnownDevices, region: &Region, name: &str| {
            known_devices.holders(region, name).collect::<Vec<_>>()
        };
        assert_eq!(holders(&known_devices, &here, "cam-1"), [own]);
        assert_eq!(holders(&known_devices, &here, "cam-2"), [other]);
        assert_eq!(holders(&known_devices, &there, "cam-1"), []);
        known_devices.rename(other, "2", &there).unwrap();
        assert_eq!(holders(&known_devices, &here, "cam-2"), []);
        assert_eq!(holders(&known_devices, &there, "2"), [other]);
        known_devices.rename(own, "cam-9", &here).unwrap();
        assert_eq!(holders(&known_devices, &here, "cam-1"), []);
        assert_eq!(holders(&known_devices, &here, "cam-9"), [own]);
        assert_eq!(known_devices.device_id(own), "cam-1");
    }

    #[test]
    fn many_devices_survive_growth_and_renames() {
        let mut known_devices = KnownDevices::new();
        let here = region("eu-west-1");
        for number in 0..5_000 {
            let (id, name) = (format!("id-{number}"), format!("name-{number}"));
            known_devices.insert(&id, &name, &here).unwrap();
        }
        let mut last = None;
        for number in 0..5_000 {
            last = known_devices.find_next(&format!("id-{number}"), last);
            let index = last.unwrap();
            let name = format!("name-{number}");
            assert_eq!(
                known_devices.holders(&here, &name).collect::<Vec<_>>(),
                [index]
            );
            known_devices
                .rename(index, &format!("id-{number}"), &here)
                .unwrap();
            assert_eq!(known_devices.holders(&here, &name).next(), None);
        }
        assert_eq!(
            known_devices.find_next("id-7", last),
            known_devices.find("id-7")
        );
    }

    #[test]
    fn of_several_rows_of_a_device_the_last_counts_in_the_place_of_the_first() {
        let mut known_devices = KnownDevices::new();
        let here = region("eu-west-1");
        let place = |offset| Place { offset, length: 10 };
        let rows = [
            ("a", "x", Status::Failed),
            ("b", "b", Status::Created),
            ("a", "y", Status::Created),
        ];
        for (number, (id, name, status)) in (0..).zip(rows) {
            known_devices
                .push_row(id, name, &here, status, place(number * 10))
                .unwrap();
        }
        known_devices.index();
        let (a, b) = (
            known_devices.find("a").unwrap(),
            known_devices.find("b").unwrap(),
        );
        assert!(a < b);
        assert_eq!(known_devices.status(a), Some(Status::Created));
        assert_eq!(known_devices.place(a), Some(place(20)));
        assert_eq!(known_devices.channel_name(a), "y");
        assert_eq!(known_devices.holders(&here, "x").next(), None);
        assert_eq!(known_devices.holders(&here, "y").collect::<Vec<_>>(), [a]);
        assert_eq!(known_devices.find_next("a", Some(b)), Some(a));
        let with_row = known_devices
            .iter()
            .filter(|index| known_devices.place(*index).is_some());
        assert_eq!(with_row.collect::<Vec<_>>(), [a, b]);
    }

    #[test]
    fn rows_in_ascending_order_need_no_table_until_one_is_looked_up() {
        let here = region("eu-west-1");
        let place = |offset| Place { offset, length: 10 };
        let ids = ["a", "b", "c"];
        let mut known_devices = KnownDevices::new();
        for id in ids {
            known_devices
                .push_row(id, id, &here, Status::Created, place(0))
                .unwrap();
        }
        known_devices.index();
        let mut last = None;
        for id in ids {
            last = known_devices.find_next(id, last);
            assert_eq!(known_devices.device_id(last.unwrap()), id);
        }
        assert!(known_devices.by_id.get().is_none());
        assert_eq!(known_devices.find_next("d", last), None);
        let d = known_devices.insert("d", "d", &here).unwrap();
        assert_eq!(known_devices.find("d"), Some(d));
        assert_eq!(
            known_devices.find("b").map(|b| known_devices.device_id(b)),
            Some("b")
        );
        assert_eq!(
            known_devices.holders(&here, "c").next(),
            known_devices.find("c")
        );
    }

    #[test]
    fn the_same_id_twice_does_not_ascend() {
        let here = region("eu-west-1");
        let mut known_devices = KnownDevices::new();
        for (offset, status) in [(0, Status::Failed), (10, Status::Created)] {
            let place = Place { offset, length: 10 };
            known_devices
                .push_row("a", "a", &here, status, place)
                .unwrap();
        }
        known_devices.index();
        let a = known_devices.find_next("a", None).unwrap();
        assert_eq!(known_devices.status(a), Some(Status::Created));
        assert_eq!(known_devices.find_next("a", Some(a)), Some(a));
        let with_row = known_devices
            .iter()
            .filter(|index| known_devices.place(*index).is_some());
        assert_eq!(with_row.count(), 1);
    }
}
