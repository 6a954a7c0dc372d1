//! The unfinished file beside the results, which takes their name once it is complete.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::Disk;

/// The name of the unfinished file: beside the results, since only within a folder is a rename atomic.
pub(super) fn temporary_path(results: &Path) -> PathBuf {
    let mut name = results.file_name().unwrap_or_default().to_owned();
    name.push(".kvs-fleet-tmp");
    results.with_file_name(name)
}

/// Creates a file, in the place of one that a killed run has left.
pub(super) fn create_or_replace<D: Disk>(disk: &D, path: &Path) -> io::Result<D::File> {
    match disk.create_new(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            disk.remove(path)?;
            disk.create_new(path)
        }
        created => created,
    }
}
