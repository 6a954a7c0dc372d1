//! The file that keeps the emulator's channels: `NAME.emulator.state.json`, replaced as a whole at each save, and the lock beside
//! it. One process at a time may write a state; others may read it meanwhile. Nothing is synced: a state need not survive a
//! power loss, only the end of its process.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::snapshot::{Snapshot, SnapshotError};
use crate::results::disk::{Access, Disk, DiskFile, RealDisk, RealFile, read_exact_at};
use crate::results::lock_file::open_and_lock;
use crate::results::temporary::{create_or_replace, temporary_path};

/// The longest file that is read, in bytes: about 4 million channels.
const LONGEST: u64 = 1 << 30;

/// Why there is no state to begin with, or to keep.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// Another process has the lock.
    #[error(
        "the emulator's state {} is used by another process, which keeps its channels there; wait until that one has ended, or \
         give another file with {flag}. Processes that work at the same time can share 'kvs-fleet emulator --state FILE'",
        .path.display()
    )]
    Held { path: PathBuf, flag: &'static str },
    /// The file holds something else.
    #[error(
        "the emulator's state {} cannot be used: {source}. Give another file with {flag}, or remove this one to begin without \
         channels",
        .path.display()
    )]
    Unusable {
        path: PathBuf,
        flag: &'static str,
        source: SnapshotError,
    },
    /// The disk refused.
    #[error(
        "the emulator's state {} cannot be {doing}: {source}; give a file with {flag} in a folder in which files can be made and \
         locked",
        .path.display()
    )]
    Io {
        path: PathBuf,
        flag: &'static str,
        doing: &'static str,
        source: io::Error,
    },
}

/// Where a state is, and the flag that names it in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatePath {
    path: PathBuf,
    flag: &'static str,
}

/// The state of a results file: `NAME.emulator.state.json` for `NAME.emulator.results.csv`, `NAME.results.csv` and `NAME.csv`.
pub fn beside(results: &Path) -> PathBuf {
    // Two names of one results file must lead to one state.
    let results = RealDisk.resolve(results).unwrap_or(results.to_owned());
    let mut name = results.file_name().unwrap_or_default().to_owned();
    for end in ["csv", "results", "emulator"] {
        name = without(name, end);
    }
    name.push(".emulator.state.json");
    results.with_file_name(name)
}

/// Takes off a last extension, if it is this one.
fn without(name: OsString, end: &str) -> OsString {
    let path = Path::new(&name);
    match (path.extension(), path.file_stem()) {
        (Some(extension), Some(stem)) if extension.eq_ignore_ascii_case(end) => stem.to_owned(),
        _ => name,
    }
}

impl StatePath {
    /// A state, which need not exist; `flag` is how the operator names it.
    pub fn new(path: &Path, flag: &'static str) -> Self {
        // A symbolic link is kept, and leads to the lock of the file.
        let path = RealDisk.resolve(path).unwrap_or(path.to_owned());
        Self { path, flag }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the state without its lock; none where there is no file.
    pub fn read(&self) -> Result<Option<Snapshot>, StateFileError> {
        let text = self.bytes().map_err(|source| self.io("read", source))?;
        let read = text.map(|text| Snapshot::decode(&text)).transpose();
        read.map_err(|source| StateFileError::Unusable {
            path: self.path.clone(),
            flag: self.flag,
            source,
        })
    }

    /// Locks the state and reads it. Refuses at once where another process has the lock.
    pub fn lock(&self) -> Result<(StateFile, Option<Snapshot>), StateFileError> {
        // What is no state gets no lock beside it.
        self.read()?;
        let path = lock_path(&self.path);
        let locked = open_and_lock(&RealDisk, &path);
        let locked = locked.map_err(|source| self.io("locked", source))?;
        let Some((lock, _)) = locked else {
            return Err(StateFileError::Held {
                path: self.path.clone(),
                flag: self.flag,
            });
        };
        let file = StateFile {
            place: self.clone(),
            _lock: StateLock { path, file: lock },
        };
        // Again: the process that had the lock may have saved meanwhile.
        let saved = self.read()?;
        Ok((file, saved))
    }

    fn bytes(&self) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = RealDisk.open(&self.path, Access::Read)? else {
            return Ok(None);
        };
        let length = file.length()?;
        if length > LONGEST {
            return Err(io::Error::other("it is too large to be a state"));
        }
        let mut text = vec![0; usize::try_from(length).unwrap_or_default()];
        read_exact_at(&file, 0, &mut text)?;
        Ok(Some(text))
    }

    fn io(&self, doing: &'static str, source: io::Error) -> StateFileError {
        StateFileError::Io {
            path: self.path.clone(),
            flag: self.flag,
            doing,
            source,
        }
    }
}

/// A state that this process alone writes, until this is dropped.
#[derive(Debug)]
pub struct StateFile {
    place: StatePath,
    _lock: StateLock,
}

impl StateFile {
    /// Replaces the file. At every instant a complete state has its name.
    pub(super) fn save(&self, state: &Snapshot) -> Result<(), StateFileError> {
        let path = &self.place.path;
        let temporary = temporary_path(path);
        let saved = create_or_replace(&RealDisk, &temporary)
            .and_then(|mut file| file.write_at(0, &state.encode()))
            .and_then(|()| RealDisk.rename(&temporary, path));
        saved.map_err(|source| {
            // The next save replaces one that is left.
            let _leftover = RealDisk.remove(&temporary);
            self.place.io("written", source)
        })
    }
}

/// A file that exists while the state is used.
#[derive(Debug)]
struct StateLock {
    path: PathBuf,
    file: RealFile,
}

impl Drop for StateLock {
    /// While it is still locked: a process that opened it before and gets the lock now finds its name gone. A file with content
    /// is not ours.
    fn drop(&mut self) {
        if self.file.length().is_ok_and(|length| length == 0) {
            let _kept = RealDisk.remove(&self.path);
        }
    }
}

/// `NAME.emulator.state.json.lock` for `NAME.emulator.state.json`.
fn lock_path(state: &Path) -> PathBuf {
    let mut name = state.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    state.with_file_name(name)
}

#[cfg(test)]
mod tests;
