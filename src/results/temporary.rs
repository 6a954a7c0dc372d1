//! The unfinished file beside the results, or another file, which takes its name once it is complete.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::Disk;

/// The name of the unfinished file: beside the file, since only within a folder is a rename atomic.
pub(crate) fn temporary_path(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".kvs-fleet-tmp");
    file.with_file_name(name)
}

/// Creates a file, in the place of one that a killed run has left.
pub(crate) fn create_or_replace<D: Disk>(disk: &D, path: &Path) -> io::Result<D::File> {
    match disk.create_new(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            disk.remove(path)?;
            disk.create_new(path)
        }
        created => created,
    }
}
