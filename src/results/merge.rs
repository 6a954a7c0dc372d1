//! One results file from several: which rows of a device stay. Pure: no file, no clock.
//!
//! Within a file its last row of a device counts, as everywhere. Among files, the greatest row counts by a total order, so the
//! outcome depends neither on the order of the files nor on how they are grouped:
//!
//! 1. a row with a channel (`created`, `exists`, `deleted`) before `failed`, and `OutcomeUnknown` before other failures;
//! 2. the newer channel, by the creation time in its ARN;
//! 3. of one channel `deleted` before `created` before `exists`;
//! 4. the later outcome, then the row's bytes.
//!
//! A channel that was not deleted, and a newer one of the same name, account and Region: the older one no longer exists, which is
//! reported. Two such channels that differ in name, account or Region are a device that was moved: the caller refuses it.
//!
//! A row of an invalid line is kept beside its device's row if a file has both: then the manifest lists the device twice. Else
//! the device's row replaces it. If several files have such rows of a device, those of one file are kept; rows without a device
//! ID are all kept, each once.

use std::cmp::Ordering;

pub use super::merge_rows::{FileRows, MergeRow, MergeRows, RowIndex};
use super::record::Status;

/// What remains of several files.
#[derive(Debug, Default)]
pub struct Merged {
    /// The rows by device ID, bytewise; a device's row is before those of its invalid lines.
    pub rows: Vec<RowIndex>,
    /// Devices that have two channels in the files: the row that counts, with the newer channel, and the newest of those
    /// that were not deleted.
    pub recreated: Vec<(RowIndex, RowIndex)>,
    /// The first device that has two channels which differ in name, account or Region: the newer one, and the other.
    pub moved: Option<(RowIndex, RowIndex)>,
}

/// The rows of one device.
#[derive(Debug, Default)]
struct DeviceRows {
    /// Each file's last row that is not invalid.
    last: Vec<RowIndex>,
    /// Invalid lines of a file that has a row of the device as well.
    invalid_with_device: Vec<RowIndex>,
    /// Those of a file that has none.
    invalid_only: Vec<RowIndex>,
}

impl MergeRows {
    /// Merges all files.
    #[must_use]
    pub fn merge(&self) -> Merged {
        self.merge_files(0..self.files())
    }

    /// Merges some of the files.
    #[must_use]
    pub fn merge_files(&self, files: std::ops::Range<usize>) -> Merged {
        let rows = self.by_device(files.flat_map(|file| self.of_file(file)).collect());
        let mut merged = Merged {
            rows: Vec::with_capacity(rows.len()),
            ..Merged::default()
        };
        for of_device in rows.chunk_by(|a, b| self.row(*a).device_id() == self.row(*b).device_id())
        {
            match of_device {
                [only] => merged.rows.push(*only),
                [first, ..] if self.row(*first).device_id().is_empty() => {
                    merged.rows.extend(self.distinct(of_device));
                }
                _ => self.merge_device(of_device, &mut merged),
            }
        }
        merged
    }

    /// The rows by device ID, bytewise. Stable: a device's rows stay in the order of files and lines.
    fn by_device(&self, rows: Vec<RowIndex>) -> Vec<RowIndex> {
        let id = |index: RowIndex| self.row(index).device_id();
        let Some(first) = rows.first().map(|index| id(*index)) else {
            return rows;
        };
        let shared = |id: &[u8]| first.iter().zip(id).take_while(|(a, b)| a == b).count();
        let prefix = rows.iter().map(|index| shared(id(*index))).min();
        let prefix = prefix.unwrap_or_default();
        // IDs begin alike. The bytes after that decide nearly always, and numbers are compared without a look at the text.
        let mut keyed: Vec<(u64, RowIndex)> = rows
            .into_iter()
            .map(|index| (key(id(index).get(prefix..).unwrap_or_default()), index))
            .collect();
        keyed.sort_by(|(a_key, a), (b_key, b)| a_key.cmp(b_key).then_with(|| id(*a).cmp(id(*b))));
        keyed.into_iter().map(|(_, index)| index).collect()
    }

    /// Two devices whose rows have the same channel, or that both have a live channel of one name, account and Region, of which the
    /// service has only one; those first in the order of the rows.
    #[must_use]
    pub fn shared_channel(&self, rows: &[RowIndex]) -> Option<(RowIndex, RowIndex)> {
        let with_arn = rows.iter().enumerate().filter_map(|(place, index)| {
            let row = self.row(*index);
            let has_arn = row.status().has_arn();
            has_arn.then(|| (row.hash_of_name(), place))
        });
        // Hashes are sorted faster than ARNs, which all begin alike.
        let mut hashes: Vec<(u64, usize)> = with_arn.collect();
        hashes.sort_unstable();
        let row = |place: usize| rows.get(place).map(|index| self.row(*index));
        let share = |one: usize, other: usize| match (row(one), row(other)) {
            (Some(one), Some(other)) => {
                let are_live = one.is_live() && other.is_live();
                one.arn() == other.arn() || (are_live && one.arn_of_name() == other.arn_of_name())
            }
            _ => false,
        };
        let mut found = None;
        for alike in hashes.chunk_by(|a, b| a.0 == b.0) {
            for (nth, (_, one)) in alike.iter().enumerate() {
                let mut others = alike.iter().skip(nth + 1).map(|(_, other)| *other);
                let pair = others.find(|other| share(*one, *other));
                let pair = pair.map(|other| (*one, other));
                found = found.into_iter().chain(pair).min();
            }
        }
        let (one, other): (usize, usize) = found?;
        Some((*rows.get(one)?, *rows.get(other)?))
    }

    /// The rows with a channel of an earlier file that a new one does not have, or has only with less: an older channel, one
    /// that it does not know to be deleted or created, or one of another name, account or Region.
    #[must_use]
    pub fn lost(&self, earlier: &Merged, new: &Merged) -> Vec<RowIndex> {
        let id = |index: &RowIndex| self.row(*index).device_id();
        let mut new = new.rows.iter().peekable();
        let has_channel = |index: &&RowIndex| self.row(**index).status().has_arn();
        let lost = earlier.rows.iter().filter(has_channel).filter(|row| {
            while new.next_if(|next| id(next) < id(row)).is_some() {}
            let kept = new.peek().filter(|next| id(next) == id(row));
            kept.is_none_or(|kept| {
                let [new, old] = [**kept, **row].map(|index| self.row(index));
                let is_moved = old.is_live() && new.arn_of_name() != old.arn_of_name();
                is_moved || self.by_channel(**kept, **row).is_lt()
            })
        });
        lost.copied().collect()
    }

    /// Decides among the rows of a device, which are in the order of their files.
    fn merge_device(&self, rows: &[RowIndex], merged: &mut Merged) {
        let mut found = DeviceRows::default();
        for of_file in rows.chunk_by(|a, b| a.file == b.file) {
            self.add_file(of_file, &mut found);
        }
        found.last.sort_by(|a, b| self.compare(*b, *a));
        if let Some(greatest) = found.last.first() {
            merged.rows.push(*greatest);
            merged.rows.append(&mut found.invalid_with_device);
        } else {
            merged.rows.append(&mut found.invalid_only);
        }
        self.note_channels(found.last, merged);
    }

    /// Adds the rows of a device in one file.
    fn add_file(&self, of_file: &[RowIndex], found: &mut DeviceRows) {
        let is_invalid = |index: &RowIndex| self.row(*index).status() == Status::Invalid;
        let invalid: Vec<RowIndex> = of_file.iter().copied().filter(is_invalid).collect();
        let invalid = self.distinct(&invalid);
        let last = of_file.iter().rev().find(|index| !is_invalid(index));
        found.last.extend(last);
        let kept = match last {
            Some(_) => &mut found.invalid_with_device,
            None => &mut found.invalid_only,
        };
        if self.compare_lines(&invalid, kept).is_gt() {
            *kept = invalid;
        }
    }

    /// Notes a device with two channels. The greatest of its rows is the first.
    fn note_channels(&self, mut rows: Vec<RowIndex>, merged: &mut Merged) {
        rows.retain(|index| self.row(*index).status().has_arn());
        // Of the rows with one channel, the first tells whether it was deleted.
        rows.dedup_by(|a, b| self.row(*a).arn() == self.row(*b).arn());
        let is_live = |index: &RowIndex| self.row(*index).is_live();
        if let [newest, older @ ..] = &*rows
            && let Some(live) = older.iter().copied().find(is_live)
        {
            merged.recreated.push((*newest, live));
            // A name has one channel at a time: the newest of each.
            let name = |index: &RowIndex| self.row(*index).arn_of_name();
            let mut names: Vec<RowIndex> = Vec::new();
            for index in rows {
                if names.iter().all(|other| name(other) != name(&index)) {
                    names.push(index);
                }
            }
            names.retain(is_live);
            if let ([one, other, ..], None) = (&*names, merged.moved) {
                merged.moved = Some((*one, *other));
            }
        }
    }

    /// The total order of the rows of a device.
    fn compare(&self, one: RowIndex, other: RowIndex) -> Ordering {
        let [a, b] = [one, other].map(|index| self.row(index));
        self.by_channel(one, other)
            .then_with(|| a.finished_at().cmp(b.finished_at()))
            .then_with(|| a.line().cmp(b.line()))
    }

    /// The order of rows that say something else of the channel.
    fn by_channel(&self, one: RowIndex, other: RowIndex) -> Ordering {
        let [a, b] = [one, other].map(|index| self.row(index));
        let (has_a, has_b) = (a.status().has_arn(), b.status().has_arn());
        let by_age = || match (has_a && has_b, a.arn() == b.arn()) {
            (true, false) => {
                let by_time = a.creation_millis().cmp(&b.creation_millis());
                by_time.then_with(|| a.arn().cmp(b.arn()))
            }
            _ => Ordering::Equal,
        };
        has_a
            .cmp(&has_b)
            .then_with(by_age)
            .then_with(|| rank(a.status()).cmp(&rank(b.status())))
            .then_with(|| a.is_open().cmp(&b.is_open()))
    }

    /// The rows by their lines, each line once.
    fn distinct(&self, rows: &[RowIndex]) -> Vec<RowIndex> {
        let mut rows = rows.to_vec();
        rows.sort_by(|a, b| self.row(*a).line().cmp(self.row(*b).line()));
        rows.dedup_by(|a, b| self.row(*a).line() == self.row(*b).line());
        rows
    }

    /// A total order of sets of invalid lines: the more of them, the greater.
    fn compare_lines(&self, one: &[RowIndex], other: &[RowIndex]) -> Ordering {
        let lines = |rows: &[RowIndex]| {
            let rows = rows.to_vec();
            rows.into_iter().map(|index| self.row(index).line())
        };
        let by_count = one.len().cmp(&other.len());
        by_count.then_with(|| lines(one).cmp(lines(other)))
    }
}

/// The first bytes as a number of the same order; equal numbers decide nothing.
fn key(id: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    for (to, from) in bytes.iter_mut().zip(id) {
        *to = *from;
    }
    u64::from_be_bytes(bytes)
}

/// The order of statuses where nothing else decides.
fn rank(status: Status) -> u8 {
    match status {
        Status::Invalid => 0,
        Status::Failed => 1,
        Status::Exists => 2,
        Status::Created => 3,
        Status::Deleted => 4,
    }
}
