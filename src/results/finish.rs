//! The end of a run: one row a device, in the manifest's order, replaces the journal atomically.
//!
//! At every instant a complete file has the results' name: the journal, or the finished file. Rows are copied from the
//! journal as they are. Knows no devices: the caller gives the rows in their order.

use std::io;
use std::path::{Path, PathBuf};

use super::copy::Copy;
use super::disk::{Access, Disk, DiskFile, read_exact_at};
pub use super::finish_error::FinishError;
use super::journal::{Journal, JournalParts};
use super::record::{HEADER, Place, Row, encode};
use super::temporary::{create_or_replace, temporary_path};

/// A row of the finished file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinishRow {
    /// One that the journal holds.
    Kept(Place),
    /// One that it does not: an `invalid` row, which each run writes again.
    New(Box<Row>),
}

/// What the finish did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finished {
    /// The file held exactly this already.
    Unchanged,
    /// The finished file is in place.
    Replaced,
    /// The path no longer names the journal (it was renamed, replaced or deleted during the run), so the finished
    /// file was left beside it, under this name.
    SavedBeside(PathBuf),
}

/// Why what an earlier run left beside the results cannot be removed.
#[derive(Debug, thiserror::Error)]
pub enum LeftoverError {
    /// The results file is gone, so this may be the only copy of its rows.
    #[error(
        "there is no results file {}, but an earlier run left {}, which may be the only copy of its rows. Look at it: \
         give it the results file's name to continue from it, or delete it to start over",
        .results.display(), .leftover.display()
    )]
    Orphan {
        /// The results file.
        results: PathBuf,
        /// What was left.
        leftover: PathBuf,
    },
    /// The disk refused.
    #[error("what a killed run left beside {} cannot be removed: {source}", .results.display())]
    Io {
        /// The results file.
        results: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Removes what a killed run left of its finish, since the journal holds all of it. To be called with the runs log
/// locked.
pub fn remove_leftover<D: Disk>(disk: &D, results: &Path) -> Result<(), LeftoverError> {
    let failed = |source| {
        let results = results.into();
        LeftoverError::Io { results, source }
    };
    let resolved = disk.resolve(results).map_err(failed)?;
    let leftover = temporary_path(&resolved);
    let is_there = |path| disk.open(path, Access::Read).map(|file| file.is_some());
    if !is_there(&leftover).map_err(failed)? {
        return Ok(());
    }
    if !is_there(&resolved).map_err(failed)? {
        let results = results.into();
        return Err(LeftoverError::Orphan { results, leftover });
    }
    disk.remove(&leftover).map_err(failed)
}

/// Replaces the journal with these rows in this order. May block.
pub fn finish<D: Disk>(
    journal: Journal<D>,
    rows: impl IntoIterator<Item = FinishRow>,
) -> Result<Finished, FinishError> {
    let mut journal = journal.into_parts();
    let rows = rows.into_iter().map(|row| match row {
        FinishRow::Kept(place) => journal.moved.place(place).map(FinishRow::Kept),
        new @ FinishRow::New(_) => Some(new),
    });
    let rows: Option<Vec<FinishRow>> = rows.collect();
    let rows = rows.ok_or_else(|| journal.changed())?;
    if holds_exactly(&journal, &rows)? {
        return Ok(Finished::Unchanged);
    }
    let temporary = temporary_path(&journal.path);
    let finished = write_finished(&journal, &temporary, rows)
        .and_then(|()| put_in_place(&mut journal, &temporary));
    if finished.is_err() && !matches!(finished, Err(FinishError::Unplaced { .. })) {
        // After a rename there is no such file; one that cannot be removed now is removed by the next run.
        let _leftover = journal.disk.remove(&temporary);
    }
    finished
}

/// Whether the journal is the finished file already.
fn holds_exactly<D: Disk>(
    journal: &JournalParts<D>,
    rows: &[FinishRow],
) -> Result<bool, FinishError> {
    let Some(file) = &journal.file else {
        return Ok(false);
    };
    let unread = |source| journal.error(&journal.path, "read", source);
    let length = file.length().map_err(unread)?;
    if length != journal.length {
        return Err(journal.changed());
    }
    if !journal.is_canonical || journal.end == 0 {
        return Ok(false);
    }
    let mut offset = HEADER.len() as u64;
    for row in rows {
        match length_if_next(file, journal.end, offset, row).map_err(unread)? {
            Some(length) => offset += length,
            None => return Ok(false),
        }
    }
    let is_ours = journal.disk.names(&journal.path, file);
    let is_ours = is_ours.map_err(|source| journal.error(&journal.path, "looked up", source))?;
    Ok(offset == length && is_ours)
}

/// The row's length, where it is the row at this offset.
fn length_if_next(
    file: &impl DiskFile,
    end: u64,
    offset: u64,
    row: &FinishRow,
) -> io::Result<Option<u64>> {
    match row {
        FinishRow::Kept(place) => {
            Ok((place.offset == offset && place.end() <= end).then_some(u64::from(place.length)))
        }
        FinishRow::New(row) => {
            let mut line = Vec::new();
            encode(row, &mut line);
            let length = line.len() as u64;
            if offset + length > end {
                return Ok(None);
            }
            let mut there = vec![0; line.len()];
            read_exact_at(file, offset, &mut there)?;
            Ok((there == line).then_some(length))
        }
    }
}

/// Writes the temporary file and syncs it.
fn write_finished<D: Disk>(
    journal: &JournalParts<D>,
    temporary: &Path,
    rows: Vec<FinishRow>,
) -> Result<(), FinishError> {
    let failed = |doing| move |source| journal.error(temporary, doing, source);
    let mut to = create_or_replace(&journal.disk, temporary).map_err(failed("created"))?;
    if let Some(file) = &journal.file {
        to.take_mode_of(file)
            .map_err(failed("given the results file's mode"))?;
    }
    let mut copy = Copy::new(journal, temporary, to);
    for row in rows {
        match row {
            FinishRow::Kept(place) => copy.keep(place)?,
            FinishRow::New(row) => copy.add(&row)?,
        }
    }
    copy.complete()
}

/// Gives the temporary file the results' name, or one beside it when that name is no longer the journal's.
fn put_in_place<D: Disk>(
    journal: &mut JournalParts<D>,
    temporary: &Path,
) -> Result<Finished, FinishError> {
    let results = journal.path.clone();
    let is_ours = match &journal.file {
        Some(file) => journal.disk.names(&results, file),
        None => journal
            .disk
            .open(&results, Access::Read)
            .map(|file| file.is_none()),
    };
    // Windows replaces no file that is open.
    journal.file = None;
    let disk = &journal.disk;
    if is_ours.as_ref().is_ok_and(|is_ours| *is_ours) {
        disk.rename(temporary, &results)
            .and_then(|()| disk.sync_folder_of(&results))
            .map_err(|source| {
                journal.error(
                    &results,
                    "replaced (is it open in another program?)",
                    source,
                )
            })?;
        return Ok(Finished::Replaced);
    }
    let beside = is_ours.and_then(|_| save_beside(disk, temporary, &results));
    let (beside, synced) = beside.map_err(|source| journal.unplaced(temporary, source))?;
    synced.map_err(|source| journal.unplaced(&beside, source))?;
    Ok(Finished::SavedBeside(beside))
}

/// Gives the temporary file a free name beside the results: that name, and whether the disk is known to have it.
fn save_beside<D: Disk>(
    disk: &D,
    temporary: &Path,
    results: &Path,
) -> io::Result<(PathBuf, io::Result<()>)> {
    let beside = name_beside(disk, results)?;
    if let Err(error) = disk.rename(temporary, &beside) {
        // It only held the name.
        let _empty = disk.remove(&beside);
        return Err(error);
    }
    let synced = disk.sync_folder_of(&beside);
    Ok((beside, synced))
}

/// Takes a free name beside the results, so that nothing is overwritten: `NAME.saved-1.csv` and so on.
fn name_beside<D: Disk>(disk: &D, results: &Path) -> io::Result<PathBuf> {
    const MOST: u32 = 1000;
    let stem = results.file_stem().unwrap_or_default();
    for number in 1..=MOST {
        let mut name = stem.to_owned();
        name.push(format!(".saved-{number}.csv"));
        let beside = results.with_file_name(name);
        match disk.create_new(&beside) {
            Ok(_) => return Ok(beside),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
