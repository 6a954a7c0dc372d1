//! Replaces a results file by lines that are in memory: at every instant a complete file has its name.
//!
//! The caller holds the lock of the file's runs log. Unlike [`finish`](super::finish), nothing of the file that is replaced is
//! copied.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Access, Disk, DiskFile};
use super::finish::create_or_replace;
use super::record::HEADER;

/// Bytes that are written at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Writes the header and these lines, each with its line end, to a temporary file beside the results, syncs it, and gives it
/// their name. `before` is the open file that has the name; none where the name must be free. May block.
pub fn replace<'a, D: Disk>(
    disk: &D,
    results: &Path,
    before: Option<D::File>,
    lines: impl IntoIterator<Item = &'a [u8]>,
) -> io::Result<()> {
    let results = disk.resolve(results)?;
    let temporary = temporary_path(&results);
    let mut to = create_or_replace(disk, &temporary)?;
    let written = before
        .as_ref()
        .map_or(Ok(()), |before| to.take_mode_of(before))
        .and_then(|()| write(&mut to, lines))
        .and_then(|()| put_in_place(disk, &temporary, &results, before));
    if written.is_err() {
        // What is left is replaced by the next merge.
        let _leftover = disk.remove(&temporary);
    }
    written
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

fn put_in_place<D: Disk>(
    disk: &D,
    temporary: &Path,
    results: &Path,
    before: Option<D::File>,
) -> io::Result<()> {
    let is_ours = match &before {
        Some(file) => disk.names(results, file)?,
        None => disk.open(results, Access::Read)?.is_none(),
    };
    if !is_ours {
        return Err(io::Error::other(
            "another program has created, renamed or replaced it meanwhile",
        ));
    }
    // Windows replaces no file that is open.
    drop(before);
    disk.rename(temporary, results)?;
    disk.sync_folder_of(results)
}
