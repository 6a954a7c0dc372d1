//! Replaces a results file by lines that are in memory: at every instant a complete file has its name.
//!
//! The caller holds the lock of the file's runs log. Unlike [`finish`](super::finish), nothing of the file that is replaced is
//! copied.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Access, Disk, DiskFile};
use super::record::HEADER;
use super::temporary::create_or_replace;

/// Bytes that are written at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Why the file was not replaced, or not surely.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// The disk refused before the file was replaced.
    #[error("the merged results cannot be written to {}: {source}; no file was changed", .results.display())]
    NotReplaced {
        /// The results file.
        results: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is not the one that was opened.
    #[error(
        "another program has created, replaced or saved {} since it was read; it was left as it is. Merge again",
        .0.display()
    )]
    Changed(PathBuf),
    /// The file was replaced, which a power loss may undo.
    #[error(
        "the merged results are in {}, but its directory cannot be synced, so that a power loss may undo it: {source}",
        .results.display()
    )]
    NotSynced {
        /// The results file.
        results: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A results file that is to be replaced, opened before anything is read: what another program does to it from then on is
/// noticed.
#[derive(Debug)]
pub struct Replacement<D: Disk> {
    disk: D,
    /// With a symbolic link followed.
    results: PathBuf,
    /// The file that has the name, and its length; none where the name is free.
    before: Option<(D::File, u64)>,
}

impl<D: Disk> Replacement<D> {
    /// Opens the file, if there is one.
    pub fn open(disk: &D, results: &Path) -> io::Result<Self> {
        let results = disk.resolve(results)?;
        let file = disk.open(&results, Access::Write)?;
        let with_length = |file: D::File| {
            let length = file.length()?;
            Ok::<_, io::Error>((file, length))
        };
        Ok(Self {
            disk: disk.clone(),
            results,
            before: file.map(with_length).transpose()?,
        })
    }

    /// The length of the file in bytes; 0 if there is no file.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.before.as_ref().map_or(0, |(_, length)| *length)
    }

    /// Writes the header and these lines, each with its line end, to a temporary file beside the results, syncs it, and gives
    /// it their name. May block.
    pub fn replace<'a>(
        self,
        lines: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(), ReplaceError> {
        let (disk, results) = (self.disk.clone(), self.results.clone());
        let temporary = temporary_path(&results);
        let replaced = self
            .write(&temporary, lines)
            .map_err(|source| not_replaced(&results, source))
            .and_then(|()| self.put_in_place(&temporary));
        if replaced.is_err() {
            // After the rename there is no such file. The next merge replaces one that is left.
            let _leftover = disk.remove(&temporary);
        }
        replaced
    }

    fn write<'a>(
        &self,
        temporary: &Path,
        lines: impl IntoIterator<Item = &'a [u8]>,
    ) -> io::Result<()> {
        let mut to = create_or_replace(&self.disk, temporary)?;
        if let Some((before, _)) = &self.before {
            to.take_mode_of(before)?;
        }
        write(&mut to, lines)
    }

    fn put_in_place(self, temporary: &Path) -> Result<(), ReplaceError> {
        let is_ours = self.is_unchanged();
        let Self {
            disk,
            results,
            before,
        } = self;
        if !is_ours.map_err(|source| not_replaced(&results, source))? {
            return Err(ReplaceError::Changed(results));
        }
        // Windows replaces no file that is open.
        drop(before);
        disk.rename(temporary, &results)
            .map_err(|source| not_replaced(&results, source))?;
        disk.sync_folder_of(&results)
            .map_err(|source| ReplaceError::NotSynced { results, source })
    }

    /// Whether the name is still that of the file that was opened, and the file as long.
    fn is_unchanged(&self) -> io::Result<bool> {
        match &self.before {
            Some((file, length)) => {
                Ok(self.disk.names(&self.results, file)? && file.length()? == *length)
            }
            None => Ok(self.disk.open(&self.results, Access::Read)?.is_none()),
        }
    }
}

fn not_replaced(results: &Path, source: io::Error) -> ReplaceError {
    let results = results.into();
    ReplaceError::NotReplaced { results, source }
}

/// Another name than that of a run's unfinished file, which may be the only copy of its rows.
fn temporary_path(results: &Path) -> PathBuf {
    let mut name = results.file_name().unwrap_or_default().to_owned();
    name.push(".kvs-fleet-merge-tmp");
    results.with_file_name(name)
}

fn write<'a>(to: &mut impl DiskFile, lines: impl IntoIterator<Item = &'a [u8]>) -> io::Result<()> {
    let mut chunk = Vec::with_capacity(2 * CHUNK_BYTES);
    chunk.extend_from_slice(HEADER.as_bytes());
    let mut offset = 0;
    for line in lines {
        chunk.extend_from_slice(line);
        if chunk.len() >= CHUNK_BYTES {
            to.write_at(offset, &chunk)?;
            offset += chunk.len() as u64;
            chunk.clear();
        }
    }
    to.write_at(offset, &chunk)?;
    to.sync()
}
