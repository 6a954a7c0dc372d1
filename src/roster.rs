//! Who is known: every device of the results and of the manifest, found by its ID or by its channel, and what is known
//! of each in 32 bytes.
//!
//! A million devices with IDs of 16 characters took 58 MB (64 bytes a device is the limit that is tested): 32 bytes an
//! entry, 17 of text, 10 of index, and up to an eighth of head room. Text is kept once: a channel name that equals the
//! device's ID, the usual case, is not kept at all, and such a channel is found through the IDs. Knows no files: places
//! and offsets are numbers to it.

mod texts;

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::device::Region;
use crate::results::record::{Place, Status};
use texts::Texts;

/// A device in the roster. Devices are numbered from 0 in the order in which they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceIndex(u32);

/// What is true of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// The manifest lists it.
    Listed = 1,
    /// This run has attempted it, or adopted its channel.
    Attempted = 2,
}

/// The channel's name is kept behind the ID.
const OWN_NAME: u8 = 0x40;

/// The device has given its channel's name up.
const NO_NAME: u8 = 0x80;

/// An offset that is none.
const NOWHERE: u64 = u64::MAX;

/// Why a device cannot be taken in, or cannot have the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    /// The device is there already.
    #[error("the device is known already")]
    Known(DeviceIndex),
    /// Another device has this channel.
    #[error("another device has the channel")]
    NameTaken(DeviceIndex),
    /// More than 4 billion devices, 4 GB of text or 65,536 Regions.
    #[error("there are too many devices, or their IDs are too long, to be kept in memory")]
    Full,
}

#[derive(Debug)]
struct Entry {
    row_offset: u64,
    manifest_offset: u64,
    row_length: u32,
    ask: u32,
    /// Where its text begins: the ID's length, the ID, and with [`OWN_NAME`] the name's length and the name.
    text: u32,
    region: u16,
    status: Option<Status>,
    flags: u8,
}

const _: () = assert!(size_of::<Entry>() == 32);

/// The index of devices.
#[derive(Debug, Default)]
pub struct Roster {
    entries: Vec<Entry>,
    texts: Texts,
    regions: Vec<Region>,
    hasher: DefaultHashBuilder,
    by_id: HashTable<u32>,
    /// Only devices whose channel is named otherwise than they are.
    by_channel: HashTable<u32>,
}

impl Roster {
    /// An empty roster.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many devices there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every device, in the order in which they came.
    pub fn devices(&self) -> impl Iterator<Item = DeviceIndex> + use<> {
        (0..u32::try_from(self.entries.len()).unwrap_or(u32::MAX)).map(DeviceIndex)
    }

    /// The device with this ID.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<DeviceIndex> {
        self.find_hashed(self.hasher.hash_one(id), id)
    }

    fn find_hashed(&self, hash: u64, id: &str) -> Option<DeviceIndex> {
        let found = self
            .by_id
            .find(hash, |&index| self.id(DeviceIndex(index)) == id);
        found.copied().map(DeviceIndex)
    }

    /// The same where devices are asked for mostly in the order in which they came: the one behind the last one found is
    /// looked at first.
    #[must_use]
    pub fn find_next(&self, id: &str, last: Option<DeviceIndex>) -> Option<DeviceIndex> {
        let next = DeviceIndex(last.map_or(0, |DeviceIndex(last)| last.saturating_add(1)));
        if self.entry(next).is_some() && self.id(next) == id {
            return Some(next);
        }
        self.find(id)
    }

    /// The device that has this channel.
    #[must_use]
    pub fn holder(&self, region: &Region, name: &str) -> Option<DeviceIndex> {
        let region = self.region_number(region.as_str())?;
        self.holder_in(region, name)
    }

    fn holder_in(&self, region: u16, name: &str) -> Option<DeviceIndex> {
        let has_channel = |index: DeviceIndex| {
            self.entry(index)
                .is_some_and(|entry| entry.region == region && entry.flags & NO_NAME == 0)
                && self.channel_name(index) == Some(name)
        };
        let hash = self.hasher.hash_one((region, name));
        let found = self
            .by_channel
            .find(hash, |&index| has_channel(DeviceIndex(index)));
        found
            .copied()
            .map(DeviceIndex)
            .or_else(|| self.find(name).filter(|&index| has_channel(index)))
    }

    /// Takes a device in. No two have the same channel.
    pub fn insert(
        &mut self,
        id: &str,
        name: &str,
        region: &Region,
    ) -> Result<DeviceIndex, RosterError> {
        let hash = self.hasher.hash_one(id);
        if let Some(known) = self.find_hashed(hash, id) {
            return Err(RosterError::Known(known));
        }
        let own_name = (name != id).then_some(name);
        let region = self.intern(region)?;
        // A device of this very name is the one that was not found.
        let is_alone = own_name.is_none() && self.by_channel.is_empty();
        if !is_alone && let Some(holder) = self.holder_in(region, name) {
            return Err(RosterError::NameTaken(holder));
        }
        let index = DeviceIndex(u32::try_from(self.len()).map_err(|_| RosterError::Full)?);
        let text = self.texts.push(id, own_name).ok_or(RosterError::Full)?;
        make_room(&mut self.entries);
        self.entries.push(Entry {
            row_offset: NOWHERE,
            manifest_offset: NOWHERE,
            row_length: 0,
            ask: 0,
            text,
            region,
            status: None,
            flags: if own_name.is_some() { OWN_NAME } else { 0 },
        });
        self.index_id(hash, index);
        self.index_channel(index);
        Ok(index)
    }

    /// Gives a device another channel. Its ID's text is kept a second time, so this is for the few and not for the many.
    pub fn rename(
        &mut self,
        index: DeviceIndex,
        name: &str,
        region: &Region,
    ) -> Result<(), RosterError> {
        let region = self.intern(region)?;
        match self.holder_in(region, name) {
            Some(holder) if holder != index => return Err(RosterError::NameTaken(holder)),
            Some(_) => return Ok(()),
            None => {}
        }
        let id = self.id(index).to_owned();
        let own_name = (name != id).then_some(name);
        let text = self.texts.push(&id, own_name).ok_or(RosterError::Full)?;
        self.unindex_channel(index);
        if let Some(entry) = self.entry_mut(index) {
            entry.region = region;
            entry.text = text;
            entry.flags &= !(OWN_NAME | NO_NAME);
            entry.flags |= if own_name.is_some() { OWN_NAME } else { 0 };
        }
        self.index_channel(index);
        Ok(())
    }

    /// Lets others have the device's channel name: that of a device that never got its channel and asks for it no more.
    /// [`Self::rename`] gives it one again.
    pub fn release_name(&mut self, index: DeviceIndex) {
        self.unindex_channel(index);
        if let Some(entry) = self.entry_mut(index) {
            entry.flags |= NO_NAME;
        }
    }

    /// The device's ID.
    #[must_use]
    pub fn id(&self, index: DeviceIndex) -> &str {
        self.entry(index)
            .and_then(|entry| self.texts.read(entry.text as usize))
            .map_or("", |(id, _)| id)
    }

    /// The device's channel name; none when it gave it up.
    #[must_use]
    pub fn channel_name(&self, index: DeviceIndex) -> Option<&str> {
        let entry = self.entry(index)?;
        if entry.flags & NO_NAME != 0 {
            return None;
        }
        let (id, behind) = self.texts.read(entry.text as usize)?;
        if entry.flags & OWN_NAME == 0 {
            return Some(id);
        }
        self.texts.read(behind).map(|(name, _)| name)
    }

    /// The Region of the device's channel.
    #[must_use]
    pub fn region(&self, index: DeviceIndex) -> Option<&Region> {
        self.regions.get(usize::from(self.entry(index)?.region))
    }

    /// The Regions of all devices.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// What became of the device, where a row says so.
    #[must_use]
    pub fn status(&self, index: DeviceIndex) -> Option<Status> {
        self.entry(index)?.status
    }

    /// Where the device's last row is in the results file.
    #[must_use]
    pub fn row(&self, index: DeviceIndex) -> Option<Place> {
        let entry = self.entry(index)?;
        (entry.row_offset != NOWHERE).then_some(Place {
            offset: entry.row_offset,
            length: entry.row_length,
        })
    }

    /// Notes the device's last row and what it says.
    pub fn set_row(&mut self, index: DeviceIndex, status: Status, row: Place) {
        if let Some(entry) = self.entry_mut(index) {
            entry.status = Some(status);
            entry.row_offset = row.offset;
            entry.row_length = row.length;
        }
    }

    /// Where the manifest lists the device: what the finished file is ordered by.
    #[must_use]
    pub fn manifest_offset(&self, index: DeviceIndex) -> Option<u64> {
        let offset = self.entry(index)?.manifest_offset;
        (offset != NOWHERE).then_some(offset)
    }

    /// Notes where the manifest lists the device.
    pub fn set_manifest_offset(&mut self, index: DeviceIndex, offset: u64) {
        if let Some(entry) = self.entry_mut(index) {
            entry.manifest_offset = offset;
        }
    }

    /// The [digest](crate::results::asks::ask_digest) of what the manifest asks for; 0 when that is not known.
    #[must_use]
    pub fn ask(&self, index: DeviceIndex) -> u32 {
        self.entry(index).map_or(0, |entry| entry.ask)
    }

    /// Notes what the manifest asks for.
    pub fn set_ask(&mut self, index: DeviceIndex, ask: u32) {
        if let Some(entry) = self.entry_mut(index) {
            entry.ask = ask;
        }
    }

    /// Whether this is true of the device.
    #[must_use]
    pub fn is(&self, index: DeviceIndex, flag: Flag) -> bool {
        self.entry(index)
            .is_some_and(|entry| entry.flags & flag as u8 != 0)
    }

    /// Notes that this is true of the device.
    pub fn set(&mut self, index: DeviceIndex, flag: Flag) {
        if let Some(entry) = self.entry_mut(index) {
            entry.flags |= flag as u8;
        }
    }

    /// Devices that have a row, in the order of the finished file: as the manifest lists them, then those that it does
    /// not list, in the order in which they came. 4 bytes a device.
    #[must_use]
    pub fn in_manifest_order(&self) -> Vec<DeviceIndex> {
        let mut devices: Vec<DeviceIndex> = self
            .devices()
            .filter(|&index| self.row(index).is_some())
            .collect();
        // Stable, and cheap where they are in order already.
        devices.sort_by_key(|&index| self.manifest_offset(index).unwrap_or(NOWHERE));
        devices
    }

    fn entry(&self, DeviceIndex(index): DeviceIndex) -> Option<&Entry> {
        self.entries.get(index as usize)
    }

    fn entry_mut(&mut self, DeviceIndex(index): DeviceIndex) -> Option<&mut Entry> {
        self.entries.get_mut(index as usize)
    }

    fn region_number(&self, name: &str) -> Option<u16> {
        let number = self
            .regions
            .iter()
            .position(|region| region.as_str() == name)?;
        u16::try_from(number).ok()
    }

    fn intern(&mut self, region: &Region) -> Result<u16, RosterError> {
        if let Some(number) = self.region_number(region.as_str()) {
            return Ok(number);
        }
        let number = u16::try_from(self.regions.len()).map_err(|_| RosterError::Full)?;
        self.regions.push(region.clone());
        Ok(number)
    }

    fn index_id(&mut self, hash: u64, DeviceIndex(index): DeviceIndex) {
        if self.by_id.len() < self.by_id.capacity() {
            // There is room, so nothing is hashed again.
            self.by_id.insert_unique(hash, index, |_| hash);
            return;
        }
        // Left to itself the table would move its entries in its own order, which is none, and so miss the cache with
        // each ID. In the order of the entries, reading a million rows into the roster took 0.42 s instead of 0.56 s.
        self.by_id = HashTable::new();
        let mut table = HashTable::with_capacity(self.len() + self.len() / 2);
        for index in 0..=index {
            table.insert_unique(self.id_hash(index), index, |&other| self.id_hash(other));
        }
        self.by_id = table;
    }

    fn id_hash(&self, index: u32) -> u64 {
        self.hasher.hash_one(self.id(DeviceIndex(index)))
    }

    fn index_channel(&mut self, index: DeviceIndex) {
        let Some(hash) = self.channel_hash(index) else {
            return;
        };
        let mut table = std::mem::take(&mut self.by_channel);
        table.insert_unique(hash, index.0, |&other| {
            self.channel_hash(DeviceIndex(other)).unwrap_or_default()
        });
        self.by_channel = table;
    }

    fn unindex_channel(&mut self, index: DeviceIndex) {
        if let Some(hash) = self.channel_hash(index)
            && let Ok(found) = self.by_channel.find_entry(hash, |&other| other == index.0)
        {
            found.remove();
        }
    }

    /// Of a channel that is named otherwise than its device.
    fn channel_hash(&self, index: DeviceIndex) -> Option<u64> {
        let entry = self.entry(index)?;
        let name = self.channel_name(index)?;
        (entry.flags & OWN_NAME != 0).then(|| self.hasher.hash_one((entry.region, name)))
    }
}

/// Grows by an eighth where a vector would double: at a million entries that is up to 28 MB less.
fn make_room<T>(entries: &mut Vec<T>) {
    const LEAST: usize = 1024;
    if entries.len() == entries.capacity() {
        entries.reserve_exact((entries.len() / 8).max(LEAST));
    }
}

#[cfg(test)]
mod tests;
