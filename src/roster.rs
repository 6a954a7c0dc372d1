//! Who is known: every device of the results and of the manifest, found by its ID or by its channel, and what is known
//! of each in 32 bytes.
//!
//! A million devices with IDs of 16 characters take 64 MB at most: 32 bytes an entry, 17 of text, 10 of index, and an
//! eighth of head room. Text is kept once: a channel name that equals the device's ID, the usual case, is not kept at
//! all, and such a channel is found through the IDs. Knows no files: places and offsets are numbers to it.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::device::Region;
use crate::results::record::{Place, Status};

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
    text: String,
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
        let hash = self.hasher.hash_one(id);
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
        if let Some(known) = self.find(id) {
            return Err(RosterError::Known(known));
        }
        let region = self.intern(region)?;
        if let Some(holder) = self.holder_in(region, name) {
            return Err(RosterError::NameTaken(holder));
        }
        let index = DeviceIndex(u32::try_from(self.len()).map_err(|_| RosterError::Full)?);
        let own_name = (name != id).then_some(name);
        let text = self.push_text(id, own_name)?;
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
        self.index_id(index);
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
        let text = self.push_text(&id, own_name)?;
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
            .and_then(|entry| self.read_text(entry.text as usize))
            .map_or("", |(id, _)| id)
    }

    /// The device's channel name; none when it gave it up.
    #[must_use]
    pub fn channel_name(&self, index: DeviceIndex) -> Option<&str> {
        let entry = self.entry(index)?;
        if entry.flags & NO_NAME != 0 {
            return None;
        }
        let (id, behind) = self.read_text(entry.text as usize)?;
        if entry.flags & OWN_NAME == 0 {
            return Some(id);
        }
        self.read_text(behind).map(|(name, _)| name)
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

    fn index_id(&mut self, DeviceIndex(index): DeviceIndex) {
        let hash = self.id_hash(index);
        let mut table = std::mem::take(&mut self.by_id);
        table.insert_unique(hash, index, |&other| self.id_hash(other));
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

    fn push_text(&mut self, id: &str, own_name: Option<&str>) -> Result<u32, RosterError> {
        /// Of two lengths of five bytes each.
        const LENGTHS: usize = 10;
        let start = self.text.len();
        let needed = id.len() + own_name.map_or(0, str::len) + LENGTHS;
        if u32::try_from(start + needed).is_err() {
            return Err(RosterError::Full);
        }
        if self.text.capacity() - start < needed {
            self.text.reserve_exact(needed.max(start / 8));
        }
        for part in [Some(id), own_name].into_iter().flatten() {
            push_length(&mut self.text, part.len());
            self.text.push_str(part);
        }
        u32::try_from(start).map_err(|_| RosterError::Full)
    }

    /// The text that begins here, and where it ends.
    fn read_text(&self, start: usize) -> Option<(&str, usize)> {
        let (length, start) = read_length(&self.text, start)?;
        let end = start.checked_add(length)?;
        self.text.get(start..end).map(|text| (text, end))
    }
}

/// Six bits a byte, the lowest first, all bytes but the last odd, and all below 128, so that the text
/// stays UTF-8. Lengths below 64 take one byte.
fn push_length(text: &mut String, mut length: usize) {
    loop {
        let bits = u8::try_from(length & 0x3f).unwrap_or_default() << 1;
        length >>= 6;
        text.push(char::from(bits | u8::from(length > 0)));
        if length == 0 {
            return;
        }
    }
}

fn read_length(text: &str, start: usize) -> Option<(usize, usize)> {
    let mut length = 0;
    let bytes = text.as_bytes().get(start..)?;
    for (count, &byte) in bytes.iter().take(6).enumerate() {
        length |= usize::from(byte >> 1) << (6 * count);
        if byte & 1 == 0 {
            return Some((length, start + count + 1));
        }
    }
    None
}

/// Grows by an eighth where a vector would double: at a million entries that is up to 28 MB less.
fn make_room<T>(entries: &mut Vec<T>) {
    const LEAST: usize = 1024;
    if entries.len() == entries.capacity() {
        entries.reserve_exact((entries.len() / 8).max(LEAST));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn region(name: &str) -> Region {
        Region::parse(name).unwrap()
    }

    #[test]
    fn lengths_of_any_size_come_back() {
        for length in [0, 1, 63, 64, 65, 4095, 4096, 1 << 20, u32::MAX as usize] {
            let mut text = String::from("é");
            push_length(&mut text, length);
            assert_eq!(read_length(&text, 2), Some((length, text.len())));
        }
    }

    #[test]
    fn a_device_is_found_by_id_and_by_channel() {
        let (here, there) = (region("eu-central-1"), region("us-east-1"));
        let mut roster = Roster::new();
        let one = roster.insert("D1", "D1", &here).unwrap();
        let two = roster.insert("D2", "cam-2", &here).unwrap();
        assert_eq!(
            (roster.find("D1"), roster.find("D2"), roster.find("D3")),
            (Some(one), Some(two), None)
        );
        assert_eq!(roster.holder(&here, "D1"), Some(one));
        assert_eq!(roster.holder(&here, "cam-2"), Some(two));
        assert_eq!(
            roster.holder(&here, "D2"),
            None,
            "its channel is named otherwise"
        );
        assert_eq!(roster.holder(&there, "D1"), None);
        assert_eq!(
            (roster.id(two), roster.channel_name(two)),
            ("D2", Some("cam-2"))
        );
        assert_eq!(
            (roster.channel_name(one), roster.region(one)),
            (Some("D1"), Some(&here))
        );
    }

    #[test]
    fn no_two_devices_have_one_channel() {
        let (here, there) = (region("eu-central-1"), region("us-east-1"));
        let mut roster = Roster::new();
        let one = roster.insert("D1", "D1", &here).unwrap();
        let two = roster.insert("D2", "cam", &here).unwrap();
        for (id, name, error) in [
            ("D1", "else", RosterError::Known(one)),
            ("D3", "D1", RosterError::NameTaken(one)),
            ("D3", "cam", RosterError::NameTaken(two)),
            ("cam", "cam", RosterError::NameTaken(two)),
        ] {
            assert_eq!(roster.insert(id, name, &here), Err(error), "{id} {name}");
        }
        assert_eq!(
            roster.rename(two, "D1", &here),
            Err(RosterError::NameTaken(one))
        );
        let three = roster.insert("D3", "D1", &there).unwrap();
        assert_eq!(roster.holder(&there, "D1"), Some(three));
        assert_eq!(roster.len(), 3);
    }

    #[test]
    fn a_name_that_was_given_up_is_free() {
        let here = region("eu-central-1");
        let mut roster = Roster::new();
        let one = roster.insert("D1", "D1", &here).unwrap();
        let two = roster.insert("D2", "cam", &here).unwrap();
        for index in [one, two] {
            roster.release_name(index);
            assert_eq!(roster.channel_name(index), None);
        }
        let three = roster.insert("D3", "D1", &here).unwrap();
        let four = roster.insert("cam", "cam", &here).unwrap();
        assert_eq!(roster.holder(&here, "D1"), Some(three));
        assert_eq!(roster.holder(&here, "cam"), Some(four));
        assert_eq!(roster.find("D1"), Some(one));
        assert_eq!(
            roster.rename(one, "cam", &here),
            Err(RosterError::NameTaken(four))
        );
        roster.rename(one, "new", &here).unwrap();
        assert_eq!(
            (roster.holder(&here, "new"), roster.id(one)),
            (Some(one), "D1")
        );
    }

    #[test]
    fn what_is_noted_is_kept() {
        let mut roster = Roster::new();
        let here = region("eu-central-1");
        let one = roster.insert("D1", "D1", &here).unwrap();
        assert_eq!(
            (
                roster.row(one),
                roster.status(one),
                roster.manifest_offset(one)
            ),
            (None, None, None)
        );
        let row = Place {
            offset: 1 << 40,
            length: 260,
        };
        roster.set_row(one, Status::Exists, row);
        roster.set_manifest_offset(one, 0);
        roster.set_ask(one, 77);
        roster.set(one, Flag::Attempted);
        roster.rename(one, "cam", &here).unwrap();
        assert_eq!(
            (roster.row(one), roster.status(one)),
            (Some(row), Some(Status::Exists))
        );
        assert_eq!(
            (roster.manifest_offset(one), roster.ask(one)),
            (Some(0), 77)
        );
        assert!(roster.is(one, Flag::Attempted) && !roster.is(one, Flag::Listed));
    }

    #[test]
    fn the_finished_file_follows_the_manifest_then_the_file() {
        let mut roster = Roster::new();
        let here = region("eu-central-1");
        let devices: Vec<DeviceIndex> = (0..6)
            .map(|index| {
                roster
                    .insert(&format!("D{index}"), &format!("D{index}"), &here)
                    .unwrap()
            })
            .collect();
        for (&index, manifest) in
            devices
                .iter()
                .zip([Some(50), None, Some(10), Some(20), None, Some(5)])
        {
            roster.set_row(
                index,
                Status::Created,
                Place {
                    offset: 0,
                    length: 1,
                },
            );
            if let Some(offset) = manifest {
                roster.set_manifest_offset(index, offset);
            }
        }
        let unattempted = roster.insert("D6", "D6", &here).unwrap();
        roster.set_manifest_offset(unattempted, 1);
        let order: Vec<&str> = roster
            .in_manifest_order()
            .into_iter()
            .map(|index| roster.id(index))
            .collect();
        assert_eq!(order, ["D5", "D2", "D3", "D0", "D1", "D4"]);
    }

    #[test]
    fn looking_in_order_finds_the_same() {
        let mut roster = Roster::new();
        for index in 0..100 {
            let id = format!("D{index}");
            roster.insert(&id, &id, &region("eu-central-1")).unwrap();
        }
        let mut last = None;
        for id in ["D0", "D1", "D2", "D50", "D51", "D3", "D99", "none", "D0"] {
            let found = roster.find_next(id, last);
            assert_eq!(found, roster.find(id));
            last = found.or(last);
        }
    }

    /// Against maps that are plainly right.
    #[test]
    fn a_long_random_life_keeps_it_consistent() {
        for seed in 0..20 {
            let mut random = fastrand::Rng::with_seed(seed);
            let regions = [region("eu-central-1"), region("us-east-1")];
            let mut roster = Roster::new();
            let mut names: BTreeMap<String, Option<(usize, String)>> = BTreeMap::new();
            for _ in 0..2_000 {
                let id = format!("D{}", random.u8(..));
                let (number, name) = (random.usize(..2), format!("D{}", random.u8(..)));
                let name = if random.bool() { id.clone() } else { name };
                let wanted = Some((number, name.clone()));
                let is_taken = names
                    .iter()
                    .any(|(other, held)| *other != id && *held == wanted);
                let done = match roster.find(&id) {
                    None => roster.insert(&id, &name, &regions[number]).map(drop),
                    Some(index) if random.u8(..4) == 0 => {
                        roster.release_name(index);
                        names.insert(id, None);
                        continue;
                    }
                    Some(index) => roster.rename(index, &name, &regions[number]),
                };
                assert_eq!(done.is_err(), is_taken, "seed {seed}: {done:?}");
                if !is_taken {
                    names.insert(id, wanted);
                }
            }
            assert_eq!(roster.len(), names.len());
            for (id, held) in &names {
                let index = roster.find(id).unwrap();
                assert_eq!(
                    roster.channel_name(index),
                    held.as_ref().map(|(_, name)| name.as_str())
                );
                if let Some((number, name)) = held {
                    assert_eq!(
                        roster.holder(&regions[*number], name),
                        Some(index),
                        "seed {seed}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_device_takes_no_more_than_64_bytes() {
        // Just behind the index's doubling, and far from it.
        for count in [120_000, 200_000] {
            let mut roster = Roster::new();
            for index in 0..count {
                let id = format!("CAMERA-{index:09}");
                roster.insert(&id, &id, &region("eu-central-1")).unwrap();
            }
            let bytes = roster.entries.capacity() * size_of::<Entry>()
                + roster.text.capacity()
                + roster.by_id.allocation_size()
                + roster.by_channel.allocation_size();
            assert!(
                bytes <= 64 * count,
                "{} bytes a device",
                bytes as f64 / count as f64
            );
        }
    }
}
