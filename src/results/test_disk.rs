//! A disk in memory for the tests: it fails where it is told to, and loses in a crash what was not synced.
//!
//! A crash keeps, of what was written since the last sync, any set of 512-byte sectors and any length in between: torn,
//! out of order, or zeros; of names, any state since the folder's last sync.
#![expect(clippy::cast_possible_truncation, reason = "test files are short")]

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::disk::{Access, Disk, DiskFile};

type Names = BTreeMap<PathBuf, usize>;

#[derive(Debug, Default)]
struct State {
    names: Names,
    /// Each state of the names since the folder's last sync, that one first.
    names_since_sync: Vec<Names>,
    files: Vec<Content>,
    operations: u64,
    /// This operation and all behind it fail; it itself is carried out in part.
    crash_at: Option<u64>,
    /// The next operation of this name fails.
    fail: Option<(&'static str, io::ErrorKind)>,
    log: Vec<String>,
    /// Offset and length of each write.
    writes: Vec<(u64, u64)>,
}

#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    synced: Vec<u8>,
    is_locked: bool,
}

#[derive(Clone, Default)]
pub(crate) struct TestDisk(Arc<Mutex<State>>, BeforeLock);

/// What another process does just before the next lock is taken.
type BeforeLock = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

impl std::fmt::Debug for TestDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TestDisk").finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(crate) struct TestFile {
    disk: TestDisk,
    file: usize,
    has_lock: bool,
}

impl TestDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Makes the next operation of this name fail once.
    pub(crate) fn fail(&self, operation: &'static str, kind: io::ErrorKind) {
        self.state().fail = Some((operation, kind));
    }

    /// Does this once, when a file is open and about to be locked.
    pub(crate) fn before_lock(&self, act: impl FnOnce() + Send + 'static) {
        *self.1.lock().unwrap() = Some(Box::new(act));
    }

    pub(crate) fn crash_after(&self, operations: u64) {
        let mut state = self.state();
        state.crash_at = Some(state.operations + operations);
    }

    /// The operations so far, and forgets them.
    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.state().log)
    }

    /// Offset and length of each write so far.
    pub(crate) fn writes(&self) -> Vec<(u64, u64)> {
        self.state().writes.clone()
    }

    pub(crate) fn write_file(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.state();
        let file = state.files.len();
        state.files.push(Content {
            bytes: bytes.into(),
            synced: bytes.into(),
            is_locked: false,
        });
        state.names.insert(path.into(), file);
        state.names_since_sync = vec![state.names.clone()];
    }

    pub(crate) fn read_file(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        let file = *state.names.get(path)?;
        Some(state.files[file].bytes.clone())
    }

    pub(crate) fn file_names(&self) -> Vec<String> {
        let state = self.state();
        state
            .names
            .keys()
            .map(|path| path.display().to_string())
            .collect()
    }

    /// The disk after power was lost and came back.
    pub(crate) fn after_crash(&self, random: &mut fastrand::Rng) -> Self {
        let state = self.state();
        let names = match state.names_since_sync.len() {
            0 => state.names.clone(),
            states => state.names_since_sync[random.usize(..states)].clone(),
        };
        let files = state
            .files
            .iter()
            .map(|content| {
                let bytes = survivor(content, random);
                Content {
                    synced: bytes.clone(),
                    bytes,
                    is_locked: false,
                }
            })
            .collect();
        Self(
            Arc::new(Mutex::new(State {
                names_since_sync: vec![names.clone()],
                names,
                files,
                ..State::default()
            })),
            BeforeLock::default(),
        )
    }

    fn operate(&self, name: &'static str, path: &Path) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.operations += 1;
        if state.crash_at.is_some_and(|at| state.operations >= at) {
            return Err(io::Error::other("crashed"));
        }
        state.log.push(format!("{name} {}", path.display()));
        if let Some((operation, kind)) = state.fail
            && operation == name
        {
            state.fail = None;
            return Err(kind.into());
        }
        Ok(state)
    }
}

fn survivor(content: &Content, random: &mut fastrand::Rng) -> Vec<u8> {
    const SECTOR: usize = 512;
    let (old, new) = (&content.synced, &content.bytes);
    if old == new {
        return new.clone();
    }
    let (short, long) = (old.len().min(new.len()), old.len().max(new.len()));
    let length = match random.u8(..3) {
        0 => short,
        1 => long,
        _ => random.usize(short..=long),
    };
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let end = (bytes.len() + SECTOR).min(length);
        let from = if random.u8(..4) > 0 { new } else { old };
        for at in bytes.len()..end {
            bytes.push(from.get(at).copied().unwrap_or_default());
        }
    }
    bytes
}

impl Disk for TestDisk {
    type File = TestFile;

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.into())
    }

    fn open(&self, path: &Path, _access: Access) -> io::Result<Option<TestFile>> {
        let state = self.operate("open", path)?;
        Ok(state.names.get(path).map(|&file| TestFile {
            disk: self.clone(),
            file,
            has_lock: false,
        }))
    }

    fn create_new(&self, path: &Path) -> io::Result<TestFile> {
        let mut state = self.operate("create", path)?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = state.files.len();
        state.files.push(Content::default());
        state.names.insert(path.into(), file);
        let names = state.names.clone();
        state.names_since_sync.push(names);
        Ok(TestFile {
            disk: self.clone(),
            file,
            has_lock: false,
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.operate("rename", from)?;
        let file = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.into(), file);
        let names = state.names.clone();
        state.names_since_sync.push(names);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.operate("remove", path)?;
        state.names.remove(path).ok_or(io::ErrorKind::NotFound)?;
        let names = state.names.clone();
        state.names_since_sync.push(names);
        Ok(())
    }

    fn sync_folder_of(&self, path: &Path) -> io::Result<()> {
        let mut state = self.operate("sync folder", path)?;
        state.names_since_sync = vec![state.names.clone()];
        Ok(())
    }

    fn names(&self, path: &Path, file: &TestFile) -> io::Result<bool> {
        let state = self.operate("names", path)?;
        Ok(state.names.get(path) == Some(&file.file))
    }

    async fn run<T, W>(&self, work: W) -> T
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        work()
    }
}

impl DiskFile for TestFile {
    fn length(&self) -> io::Result<u64> {
        let state = self.disk.operate("length", Path::new(""))?;
        Ok(state.files[self.file].bytes.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.disk.operate("read", Path::new(""))?;
        let bytes = &state.files[self.file].bytes;
        let there = bytes.get(offset as usize..).unwrap_or_default();
        let count = there.len().min(buffer.len());
        buffer[..count].copy_from_slice(&there[..count]);
        Ok(count)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let (state, result) = match self.disk.operate("write", Path::new("")) {
            Ok(state) => (state, Ok(())),
            Err(error) => (self.disk.state(), Err(error)),
        };
        let mut state = state;
        // What fails is carried out in part, once.
        let count = match (&result, state.crash_at) {
            (Ok(()), _) => bytes.len(),
            (Err(_), Some(at)) if state.operations > at => 0,
            (Err(_), _) => bytes.len() / 2,
        };
        state.writes.push((offset, bytes.len() as u64));
        let content = &mut state.files[self.file].bytes;
        let (start, end) = (offset as usize, offset as usize + count);
        content.resize(content.len().max(end), 0);
        content[start..end].copy_from_slice(&bytes[..count]);
        result
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        let mut state = self.disk.operate("set length", Path::new(""))?;
        state.files[self.file].bytes.resize(length as usize, 0);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.operate("sync", Path::new(""))?;
        let content = &mut state.files[self.file];
        content.synced.clone_from(&content.bytes);
        Ok(())
    }

    fn try_lock(&mut self) -> io::Result<bool> {
        let act = self.disk.1.lock().unwrap().take();
        if let Some(act) = act {
            act();
        }
        let mut state = self.disk.operate("lock", Path::new(""))?;
        let content = &mut state.files[self.file];
        self.has_lock = !content.is_locked;
        content.is_locked = true;
        Ok(self.has_lock)
    }

    fn take_mode_of(&mut self, _other: &Self) -> io::Result<()> {
        self.disk.operate("mode", Path::new("")).map(drop)
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        if self.has_lock {
            self.disk.state().files[self.file].is_locked = false;
        }
    }
}
