//! The rewrite of an earlier version's file, which has no column `account`, before a row is appended to it.
//!
//! A file has rows of one shape, so that its header says what each row is. At every instant a complete file has the name: the
//! old one until the new one is synced. A kill in between leaves the old file and what
//! [`remove_leftover`](super::finish::remove_leftover) removes.

use std::io;
use std::path::Path;

use super::disk::{Access, Disk, DiskFile};
use super::read::{Entry, ReadError, Reading, read};
use super::record::{HEADER, Place, encode_fields};
use super::shape::RowShape;
use super::temporary::{create_or_replace, temporary_path};

/// Bytes that are written at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Why a file was not rewritten.
#[derive(Debug)]
pub(super) enum UpgradeError {
    /// What was tried, and what the system says.
    Io(&'static str, io::Error),
    /// Another program has changed the file since it was read.
    Changed,
}

impl From<ReadError> for UpgradeError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io { source, .. } => Self::Io("read", source),
            // It was sound before.
            _ => Self::Changed,
        }
    }
}

/// Where the rows of a file are after its rewrite. A row that was read keeps the place that it had; one that is appended
/// since gets an offset that no row before had.
#[derive(Debug, Default)]
pub(crate) struct MovedRows {
    /// The offset in the old file, and the place in the new one, in their order.
    rows: Vec<(u64, Place)>,
    /// The length of the old file; 0 where none was rewritten.
    shift: u64,
}

impl MovedRows {
    /// Where in the file the row of this place is; none where there was no such row.
    pub(super) fn place(&self, place: Place) -> Option<Place> {
        if let Some(offset) = place.offset.checked_sub(self.shift) {
            return Some(Place { offset, ..place });
        }
        let found = self
            .rows
            .binary_search_by_key(&place.offset, |(before, _)| *before);
        let (_, place) = self.rows.get(found.ok()?)?;
        Some(*place)
    }

    /// The offset by which a row that was appended at this one is known.
    pub(super) fn offset_of_new(&self, offset: u64) -> u64 {
        offset.saturating_add(self.shift)
    }
}

/// A file that is to be rewritten.
#[derive(Debug)]
pub(super) struct Upgrade<'a, D> {
    pub(super) disk: &'a D,
    pub(super) path: &'a Path,
    /// What was read of it.
    pub(super) before: &'a Reading,
}

impl<D: Disk> Upgrade<'_, D> {
    /// Replaces the file by one that has all columns: the new file, what there is to know of it, and where its rows are.
    pub(super) fn run(self, file: D::File) -> Result<(D::File, Reading, MovedRows), UpgradeError> {
        let temporary = temporary_path(self.path);
        let replaced = self.write(&file, &temporary).and_then(|written| {
            self.put_in_place(file, &temporary)?;
            Ok(written)
        });
        if replaced.is_err() {
            // After the rename there is no such file.
            let _leftover = self.disk.remove(&temporary);
        }
        let (end, moved) = replaced?;
        let opened = self.disk.open(self.path, Access::Write);
        let file = opened.map_err(|source| UpgradeError::Io("read", source))?;
        let reading = Reading {
            end,
            length: end,
            is_canonical: true,
            lacks_line_end: false,
            shape: RowShape::Current,
            ..*self.before
        };
        Ok((file.ok_or(UpgradeError::Changed)?, reading, moved))
    }

    /// Writes the new file and syncs it: its length, and where the rows are in it.
    fn write(&self, file: &D::File, temporary: &Path) -> Result<(u64, MovedRows), UpgradeError> {
        let failed = |source| UpgradeError::Io("rewritten with the column account", source);
        let mut to = create_or_replace(self.disk, temporary).map_err(failed)?;
        to.take_mode_of(file).map_err(failed)?;
        let mut chunk = HEADER.as_bytes().to_vec();
        let mut written = 0;
        let mut rows = Vec::new();
        let reading = read(file, self.path, |entry: Entry<'_>| {
            let start = chunk.len();
            encode_fields(entry.record.columns().into_iter(), &mut chunk);
            let place = Place {
                offset: written + start as u64,
                length: u32::try_from(chunk.len() - start).unwrap_or(u32::MAX),
            };
            rows.push((entry.place.offset, place));
            if chunk.len() >= CHUNK_BYTES {
                to.write_at(written, &chunk).map_err(failed)?;
                written += chunk.len() as u64;
                chunk.clear();
            }
            Ok::<(), UpgradeError>(())
        })?;
        if reading != *self.before {
            return Err(UpgradeError::Changed);
        }
        to.write_at(written, &chunk).map_err(failed)?;
        to.sync().map_err(failed)?;
        let moved = MovedRows {
            rows,
            shift: self.before.length,
        };
        Ok((written + chunk.len() as u64, moved))
    }

    fn put_in_place(&self, file: D::File, temporary: &Path) -> Result<(), UpgradeError> {
        let failed = |source| UpgradeError::Io("replaced (is it open in another program?)", source);
        if !self.disk.names(self.path, &file).map_err(failed)? {
            return Err(UpgradeError::Changed);
        }
        // Windows replaces no file that is open.
        drop(file);
        self.disk.rename(temporary, self.path).map_err(failed)?;
        let synced = self.disk.sync_folder_of(self.path);
        synced.map_err(|source| UpgradeError::Io("synced", source))
    }
}
