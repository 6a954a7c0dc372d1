//! A disk in memory that never fails.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use kvs_fleet::results::disk::{Access, Disk, DiskFile};

type Content = Arc<Mutex<Vec<u8>>>;

#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryDisk(Arc<Mutex<BTreeMap<PathBuf, Content>>>);

#[derive(Debug)]
pub(crate) struct MemoryFile(Content);

impl MemoryDisk {
    /// A disk with one file.
    pub(crate) fn with(path: &Path, bytes: &[u8]) -> Self {
        let disk = Self::default();
        let content = Arc::new(Mutex::new(bytes.to_vec()));
        disk.names().insert(path.into(), content);
        disk
    }

    pub(crate) fn content(&self, path: &Path) -> Vec<u8> {
        self.names()[path].lock().unwrap().clone()
    }

    /// The number of files.
    pub(crate) fn count(&self) -> usize {
        self.names().len()
    }

    fn names(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Content>> {
        self.0.lock().unwrap()
    }
}

impl Disk for MemoryDisk {
    type File = MemoryFile;

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        Ok(path.into())
    }

    fn open(&self, path: &Path, _: Access) -> io::Result<Option<MemoryFile>> {
        Ok(self.names().get(path).cloned().map(MemoryFile))
    }

    fn create_new(&self, path: &Path) -> io::Result<MemoryFile> {
        let mut names = self.names();
        if names.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let content = Content::default();
        names.insert(path.into(), Arc::clone(&content));
        Ok(MemoryFile(content))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut names = self.names();
        let content = names.remove(from).ok_or(ErrorKind::NotFound)?;
        names.insert(to.into(), content);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.names().remove(path).ok_or(ErrorKind::NotFound)?;
        Ok(())
    }

    fn sync_folder_of(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn names(&self, path: &Path, file: &MemoryFile) -> io::Result<bool> {
        let named = self.names().get(path).cloned();
        Ok(named.is_some_and(|content| Arc::ptr_eq(&content, &file.0)))
    }

    async fn run<T, W>(&self, work: W) -> T
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        work()
    }
}

impl DiskFile for MemoryFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let content = self.0.lock().unwrap();
        let rest = content.get(place(offset)..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut content = self.0.lock().unwrap();
        let end = place(offset) + bytes.len();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[place(offset)..end].copy_from_slice(bytes);
        Ok(())
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        self.0.lock().unwrap().resize(place(length), 0);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn try_lock(&mut self) -> io::Result<bool> {
        Ok(true)
    }

    fn take_mode_of(&mut self, _: &Self) -> io::Result<()> {
        Ok(())
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}
