//! The manifest's file on the disk: reading it whole, and noticing that another program changes it.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::error::Damage;

/// What tells one version of a file from another without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    path: PathBuf,
    /// None for a pipe, which has neither length nor age.
    state: Option<(u64, Option<SystemTime>)>,
}

impl Version {
    fn new(path: &Path, metadata: &Metadata) -> Self {
        let state = metadata.is_file();
        Self {
            path: path.to_owned(),
            state: state.then(|| (metadata.len(), metadata.modified().ok())),
        }
    }

    /// Whether the path names a file of the same length and age.
    pub(super) fn is_current(&self) -> bool {
        let now = || {
            self.path
                .metadata()
                .map(|there| Self::new(&self.path, &there))
        };
        self.state.is_none() || now().is_ok_and(|now| now == *self)
    }
}

/// Reads a file whole. Refuses one that changes meanwhile.
pub(super) fn read(path: &Path) -> Result<(Vec<u8>, Version), Damage> {
    // Asked first, since what opening a folder gives differs from system to system.
    if path.is_dir() {
        return Err(Damage::Directory);
    }
    let mut file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Damage::Missing,
        _ => Damage::Io(error),
    })?;
    let version = Version::new(path, &file.metadata()?);
    let length = version.state.map(|(length, _)| length);
    let mut bytes = Vec::new();
    bytes.reserve_exact(usize::try_from(length.unwrap_or(0)).unwrap_or(0));
    file.read_to_end(&mut bytes)?;
    let after = Version::new(path, &file.metadata()?);
    check(
        length,
        bytes.len() as u64,
        after.state.map(|(length, _)| length),
    )?;
    Ok((bytes, version))
}

/// Whether as much was read as the file had before and has after it.
fn check(before: Option<u64>, read: u64, after: Option<u64>) -> Result<(), Damage> {
    match (before, after) {
        // Files that a system makes up when they are read have no length.
        (Some(0), Some(0)) => Ok(()),
        (Some(before), Some(after)) if before != read || after != read => {
            Err(Damage::Changing { before, after })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changes_while_it_is_read_is_refused() {
        for (before, read, after) in [(5, 7, 7), (5, 5, 7), (5, 4, 4), (7, 7, 5)] {
            let refused = check(Some(before), read, Some(after)).unwrap_err();
            assert!(
                refused
                    .to_string()
                    .contains("another program is writing it")
            );
        }
        assert!(check(Some(5), 5, Some(5)).is_ok());
        assert!(check(None, 5, None).is_ok());
        assert!(check(Some(0), 5, Some(0)).is_ok());
    }

    #[test]
    fn a_file_that_changed_since_is_not_current() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.csv");
        std::fs::write(&path, "device_id\na\n").unwrap();
        let (_, version) = read(&path).unwrap();
        assert!(version.is_current());
        std::fs::write(&path, "device_id\na\nb\n").unwrap();
        assert!(!version.is_current());
        std::fs::remove_file(&path).unwrap();
        assert!(!version.is_current());
    }
}
