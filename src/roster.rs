//! Who is known: every device of the results file and of the manifest, once, in as few bytes as it takes.
//!
//! A device takes an [`Entry`] of 40 bytes, its ID (and its channel's name where that differs) in one string of text,
//! and 5 to 11 bytes in a hash table: a million devices with IDs of 12 characters fit in 64 MB. Knows nothing of files;
//! what it holds of them are offsets.

use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

use crate::device::Region;
use crate::results::record::{Place, Status};

/// A device's place in the roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceIndex(u32);

impl DeviceIndex {
    fn slot(self) -> usize {
        self.0 as usize
    }
}

/// The roster holds 4 GiB of IDs and names, and 4 billion devices, at the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "there are too many devices: at most 4 GiB of device IDs and channel names can be held; split the batch"
)]
pub struct Full;

/// What is known of a device.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The device's ID in the text.
    id: Span,
    /// The channel's name in the text: the same span where the names are the same.
    name: Span,
    /// Its row in the results file; no length means none.
    row_offset: u64,
    row_length: u32,
    /// What it is asked with in the manifest.
    digest: u32,
    /// Where the manifest lists it, plus one; nought where it does not.
    listed: u64,
    region: u16,
    status: Option<Status>,
    /// Whether its row was written in this run.
    is_recorded_now: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: u32,
    length: u32,
}

/// All devices that are known.
#[derive(Debug, Default)]
pub struct Roster {
    text: String,
    entries: Vec<Entry>,
    regions: Vec<Region>,
    hasher: DefaultHashBuilder,
    by_id: HashTable<u32>,
    /// By Region and channel name, those whose name is not their ID: the others are found by their ID.
    by_name: HashTable<u32>,
}

impl Roster {
    /// An empty roster.
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
    pub fn iter(&self) -> impl Iterator<Item = DeviceIndex> + use<> {
        // `insert` keeps the number within 32 bits.
        (0..u32::try_from(self.entries.len()).unwrap_or(u32::MAX)).map(DeviceIndex)
    }

    /// The device of this ID.
    pub fn find(&self, id: &str) -> Option<DeviceIndex> {
        let hash = self.hasher.hash_one(id);
        self.by_id
            .find(hash, |&slot| {
                self.text_of(self.entries[slot as usize].id) == id
            })
            .map(|&slot| DeviceIndex(slot))
    }

    /// The device of this ID, looked for first behind the device found last: files are mostly in the same order, and a
    /// look at the next entry costs less than a hash.
    pub fn find_next(&self, id: &str, last: Option<DeviceIndex>) -> Option<DeviceIndex> {
        let next = DeviceIndex(last.map_or(0, |last| last.0.saturating_add(1)));
        match self.entries.get(next.slot()) {
            Some(entry) if self.text_of(entry.id) == id => Some(next),
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
        let namesake = self.find(name).filter(move |index| {
            let entry = &self.entries[index.slot()];
            entry.id == entry.name && is_it(*index)
        });
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
        let region = self.region_number(region)?;
        let id_span = self.add_text(id)?;
        let name_span = if channel_name == id {
            id_span
        } else {
            self.add_text(channel_name)?
        };
        self.entries.push(Entry {
            id: id_span,
            name: name_span,
            row_offset: 0,
            row_length: 0,
            digest: 0,
            listed: 0,
            region,
            status: None,
            is_recorded_now: false,
        });
        let hash = self.hasher.hash_one(id);
        let (hasher, entries, text) = (&self.hasher, &self.entries, &self.text);
        self.by_id.insert_unique(hash, slot, |&slot| {
            hasher.hash_one(span(text, entries[slot as usize].id))
        });
        self.add_name(DeviceIndex(slot));
        Ok(DeviceIndex(slot))
    }

    /// Gives a device another channel name or Region.
    pub fn rename(
        &mut self,
        index: DeviceIndex,
        channel_name: &str,
        region: &Region,
    ) -> Result<(), Full> {
        let number = self.region_number(region)?;
        let name = if channel_name == self.device_id(index) {
            self.entries[index.slot()].id
        } else {
            self.add_text(channel_name)?
        };
        let hash = self.name_hash(index);
        if let Ok(entry) = self.by_name.find_entry(hash, |&slot| slot == index.0) {
            entry.remove();
        }
        let entry = &mut self.entries[index.slot()];
        entry.name = name;
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

    /// Notes a device's row that this run has put on disk.
    pub fn record(&mut self, index: DeviceIndex, status: Status, place: Place) {
        self.recall(index, status, place);
        self.entries[index.slot()].is_recorded_now = true;
    }

    /// The device's ID.
    pub fn device_id(&self, index: DeviceIndex) -> &str {
        self.text_of(self.entries[index.slot()].id)
    }

    /// Its channel's name.
    pub fn channel_name(&self, index: DeviceIndex) -> &str {
        self.text_of(self.entries[index.slot()].name)
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

    /// Whether its row was written in this run.
    pub fn was_recorded_now(&self, index: DeviceIndex) -> bool {
        self.entries[index.slot()].is_recorded_now
    }

    fn text_of(&self, text: Span) -> &str {
        span(&self.text, text)
    }

    fn add_text(&mut self, text: &str) -> Result<Span, Full> {
        let start = u32::try_from(self.text.len()).map_err(|_| Full)?;
        let length = u32::try_from(text.len()).map_err(|_| Full)?;
        start.checked_add(length).ok_or(Full)?;
        self.text.push_str(text);
        Ok(Span { start, length })
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
        let entry = &self.entries[index.slot()];
        if entry.id == entry.name {
            return;
        }
        let hash = self.name_hash(index);
        let (hasher, entries, text, regions) =
            (&self.hasher, &self.entries, &self.text, &self.regions);
        self.by_name.insert_unique(hash, index.0, |&slot| {
            let entry = &entries[slot as usize];
            hasher.hash_one((
                regions[usize::from(entry.region)].as_str(),
                span(text, entry.name),
            ))
        });
    }
}

fn span(text: &str, span: Span) -> &str {
    let start = span.start as usize;
    text.get(start..start + span.length as usize)
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
        let mut roster = Roster::new();
        let (here, there) = (region("eu-west-1"), region("us-east-1"));
        let own = roster.insert("cam-1", "cam-1", &here).unwrap();
        let other = roster.insert("2", "cam-2", &here).unwrap();
        assert_eq!(roster.find("cam-1"), Some(own));
        assert_eq!(roster.find("cam-2"), None);
        let holders = |roster: &Roster, region: &Region, name: &str| {
            roster.holders(region, name).collect::<Vec<_>>()
        };
        assert_eq!(holders(&roster, &here, "cam-1"), [own]);
        assert_eq!(holders(&roster, &here, "cam-2"), [other]);
        assert_eq!(holders(&roster, &there, "cam-1"), []);
        roster.rename(other, "2", &there).unwrap();
        assert_eq!(holders(&roster, &here, "cam-2"), []);
        assert_eq!(holders(&roster, &there, "2"), [other]);
        roster.rename(own, "cam-9", &here).unwrap();
        assert_eq!(holders(&roster, &here, "cam-1"), []);
        assert_eq!(holders(&roster, &here, "cam-9"), [own]);
        assert_eq!(roster.device_id(own), "cam-1");
    }

    #[test]
    fn many_devices_survive_growth_and_renames() {
        let mut roster = Roster::new();
        let here = region("eu-west-1");
        for number in 0..5_000 {
            let (id, name) = (format!("id-{number}"), format!("name-{number}"));
            roster.insert(&id, &name, &here).unwrap();
        }
        let mut last = None;
        for number in 0..5_000 {
            last = roster.find_next(&format!("id-{number}"), last);
            let index = last.unwrap();
            let name = format!("name-{number}");
            assert_eq!(roster.holders(&here, &name).collect::<Vec<_>>(), [index]);
            roster
                .rename(index, &format!("id-{number}"), &here)
                .unwrap();
            assert_eq!(roster.holders(&here, &name).next(), None);
        }
        assert_eq!(roster.find_next("id-7", last), roster.find("id-7"));
    }

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Entry>() <= 48, "{}", size_of::<Entry>());
    }
}
