//! A disk in memory for tests: operations fail on demand, and a crash loses unsynced data.
//!
//! After a crash, any set of 512-byte sectors and any length of the data written since the last sync remain: torn, out
//! of order, or zeros. Of the names, any state since the folder's last sync remains. After a failed sync, its sectors
//! count as written although they are not, as on Linux: a later successful sync does not save them.
//!
//! The simulations and the property tests, with them the fuzz targets, use it.
#![expect(clippy::cast_possible_truncation, reason = "test files are short")]
#![allow(
    dead_code,
    reason = "compiled into two crates, of which none uses all of it"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kvs_fleet::results::disk::{Access, Disk, DiskFile};

type Names = BTreeMap<PathBuf, usize>;

const SECTOR: usize = 512;

/// The failure of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// The operation fails after a part of it.
    Fail(io::ErrorKind),
    /// The process ends after a part of the operation.
    Crash,
}

/// Called for each operation with the file's path, if known; returns its failure.
type Decide = Box<dyn FnMut(&'static str, &Path) -> Option<Mishap> + Send>;
/// The delays before and after the next operation.
type Takes = Box<dyn FnMut() -> (Duration, Duration) + Send>;

#[derive(Default)]
struct State {
    names: Names,
    /// Each state of the names since the folder's last sync, that one first.
    names_since_sync: Vec<Names>,
    files: Vec<Content>,
    operations: u64,
    /// This operation, of which a part is done, and all later ones fail.
    crash_at: Option<u64>,
    /// The next operation with this name fails.
    fail: Option<(&'static str, io::ErrorKind)>,
    log: Vec<String>,
    /// Offset and length of each write.
    writes: Vec<(u64, u64)>,
    decide: Option<Decide>,
    takes: Option<Takes>,
}

#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    synced: Vec<u8>,
    /// Sectors that a failed sync did not write, and that count as written.
    stale: BTreeSet<usize>,
    is_locked: bool,
}

impl Content {
    fn whole(bytes: Vec<u8>) -> Self {
        Self {
            synced: bytes.clone(),
            bytes,
            ..Self::default()
        }
    }

    fn sync(&mut self) {
        let mut synced = self.bytes.clone();
        for sector in &self.stale {
            let range = sector * SECTOR..synced.len().min((sector + 1) * SECTOR);
            for at in range {
                synced[at] = self.synced.get(at).copied().unwrap_or_default();
            }
        }
        self.synced = synced;
    }

    /// A sync failed: its sectors stay unwritten, and no later sync reports that.
    fn give_up(&mut self) {
        let sectors = self.bytes.len().div_ceil(SECTOR);
        let differs = |sector: &usize| {
            let range = |bytes: &[u8]| {
                let end = bytes.len().min((sector + 1) * SECTOR);
                bytes.get(sector * SECTOR..end).map(<[u8]>::to_vec)
            };
            range(&self.bytes) != range(&self.synced)
        };
        let differing: Vec<usize> = (0..sectors).filter(differs).collect();
        self.stale.extend(differing);
    }
}

#[derive(Clone, Default)]
pub(crate) struct TestDisk(Arc<Mutex<State>>, BeforeLock);

/// Actions of another process just before the next lock is taken.
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

    /// Makes the next operation with this name fail once.
    pub(crate) fn fail(&self, operation: &'static str, kind: io::ErrorKind) {
        self.state().fail = Some((operation, kind));
    }

    /// Runs this once, when a file is open and about to be locked.
    pub(crate) fn before_lock(&self, act: impl FnOnce() + Send + 'static) {
        *self.1.lock().unwrap() = Some(Box::new(act));
    }

    pub(crate) fn crash_after(&self, operations: u64) {
        let mut state = self.state();
        state.crash_at = Some(state.operations + operations);
    }

    /// Returns and clears the list of operations.
    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.state().log)
    }

    /// Offset and length of each write so far.
    pub(crate) fn writes(&self) -> Vec<(u64, u64)> {
        self.state().writes.clone()
    }

    /// Decides about the failure of every operation from now on.
    pub(crate) fn set_fate(
        &self,
        decide: impl FnMut(&'static str, &Path) -> Option<Mishap> + Send + 'static,
    ) {
        self.state().decide = Some(Box::new(decide));
    }

    /// Adds delays to operations from now on.
    pub(crate) fn set_takes(&self, takes: impl FnMut() -> (Duration, Duration) + Send + 'static) {
        self.state().takes = Some(Box::new(takes));
    }

    /// The disk after the process has ended or was killed: all written data remains, synced or not, except that of a
    /// failed sync. No operation fails any more.
    pub(crate) fn after_kill(&self) {
        let mut state = self.state();
        for content in state.files.iter_mut().filter(|file| !file.stale.is_empty()) {
            let synced = content.synced.clone();
            content.sync();
            *content = Content {
                synced,
                ..Content::whole(std::mem::take(&mut content.synced))
            };
        }
        state.crash_at = None;
        state.decide = None;
        state.takes = None;
    }

    pub(crate) fn write_file(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.state();
        let file = state.files.len();
        state.files.push(Content::whole(bytes.into()));
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

    /// The disk after a power loss.
    pub(crate) fn after_crash(&self, random: &mut fastrand::Rng) -> Self {
        let state = self.state();
        let names = match state.names_since_sync.len() {
            0 => state.names.clone(),
            states => state.names_since_sync[random.usize(..states)].clone(),
        };
        let files = state
            .files
            .iter()
            .map(|content| Content::whole(survivor(content, random)))
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
        let mut decide = state.decide.take();
        let mishap = decide.as_mut().and_then(|decide| decide(name, path));
        state.decide = decide;
        match mishap {
            Some(Mishap::Crash) => {
                state.crash_at = Some(state.operations);
                return Err(io::Error::other("crashed"));
            }
            Some(Mishap::Fail(kind)) => return Err(kind.into()),
            None => {}
        }
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
        let takes = {
            let mut state = self.state();
            state.takes.as_mut().map(|takes| takes())
        };
        let Some((before, after)) = takes else {
            return work();
        };
        tokio::time::sleep(before).await;
        let done = work();
        tokio::time::sleep(after).await;
        done
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
        // A failing operation is partly done, once.
        let count = match (&result, state.crash_at) {
            (Ok(()), _) => bytes.len(),
            (Err(_), Some(at)) if state.operations > at => 0,
            (Err(_), _) => bytes.len() / 2,
        };
        state.writes.push((offset, bytes.len() as u64));
        let content = &mut state.files[self.file];
        let (start, end) = (offset as usize, offset as usize + count);
        let length = content.bytes.len().max(end);
        content.bytes.resize(length, 0);
        content.bytes[start..end].copy_from_slice(&bytes[..count]);
        let touched = start / SECTOR..end.div_ceil(SECTOR);
        content.stale.retain(|sector| !touched.contains(sector));
        result
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        let mut state = self.disk.operate("set length", Path::new(""))?;
        state.files[self.file].bytes.resize(length as usize, 0);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        match self.disk.operate("sync", Path::new("")) {
            Ok(mut state) => {
                state.files[self.file].sync();
                Ok(())
            }
            Err(error) => {
                let mut state = self.disk.state();
                if state.crash_at.is_none() {
                    state.files[self.file].give_up();
                }
                Err(error)
            }
        }
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
