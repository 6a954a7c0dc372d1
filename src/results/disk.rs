//! What the journal needs of a disk, as traits, and the real disk.
//!
//! The traits are small and define what survives a crash, so that tests can use a simulated disk that loses the rest.
//! Nothing here knows rows.

use std::fmt::Debug;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    Write,
}

/// A disk: names and their files. Cheap to clone; clones are the same disk.
pub trait Disk: Clone + Debug + Send + Sync + 'static {
    /// An open file.
    type File: DiskFile;

    /// The path with a symbolic link at its end followed, so that replacing the file does not replace the link.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf>;

    /// Opens an existing file; none where nothing has that name. What is not a regular file is an error.
    fn open(&self, path: &Path, access: Access) -> io::Result<Option<Self::File>>;

    /// Makes a file for reading and writing where nothing has that name; [`io::ErrorKind::AlreadyExists`] otherwise.
    /// The name survives a crash only after [`Self::sync_folder_of`].
    fn create_new(&self, path: &Path) -> io::Result<Self::File>;

    /// Gives the file another name, atomically, and replaces what had it. Survives a crash after
    /// [`Self::sync_folder_of`]; until then either of the two is there after it, whole.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a file's folder survive a crash. The path is the file's.
    fn sync_folder_of(&self, path: &Path) -> io::Result<()>;

    /// Whether the path still names the file that is open.
    fn names(&self, path: &Path, file: &Self::File) -> io::Result<bool>;

    /// Runs work that may block on a thread of its own.
    fn run<T, W>(&self, work: W) -> impl Future<Output = T> + Send
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static;
}

/// An open file. Its lock and it are gone when it is dropped.
pub trait DiskFile: Debug + Send + Sync + 'static {
    /// Its length in bytes.
    fn length(&self) -> io::Result<u64>;

    /// Reads from the offset on, as much as there is and fits; 0 at the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes all the bytes at the offset. After an error any part of them may have been written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts it off, or extends it with zeros.
    fn set_length(&mut self, length: u64) -> io::Result<()>;

    /// Makes content and length survive a crash. After an error nothing is known of what was written since the sync
    /// before, and a second call that succeeds proves nothing.
    fn sync(&mut self) -> io::Result<()>;

    /// Takes the lock that one open file at a time can have, without waiting; false when another has it.
    fn try_lock(&mut self) -> io::Result<bool>;

    /// Takes over the other file's mode and, where that is allowed, its owner.
    fn take_mode_of(&mut self, other: &Self) -> io::Result<()>;
}

/// Reads until the buffer is full; an error at the file's end.
pub(crate) fn read_exact_at(
    file: &impl DiskFile,
    mut offset: u64,
    mut buffer: &mut [u8],
) -> io::Result<()> {
    while !buffer.is_empty() {
        let read = file.read_at(offset, buffer)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        offset += read as u64;
        buffer = buffer.get_mut(read..).unwrap_or_default();
    }
    Ok(())
}

/// The computer's own disk, through `std`.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

/// A file of [`RealDisk`].
#[derive(Debug)]
pub struct RealFile(File);

impl Disk for RealDisk {
    type File = RealFile;

    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_symlink() => fs::canonicalize(path),
            Ok(_) => Ok(path.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.into()),
            Err(error) => Err(error),
        }
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Option<RealFile>> {
        // Asked first, since opening a pipe would wait for its other end.
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !metadata.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is not a regular file",
            ));
        }
        OpenOptions::new()
            .read(true)
            .write(access == Access::Write)
            .open(path)
            .map(|file| Some(RealFile(file)))
    }

    fn create_new(&self, path: &Path) -> io::Result<RealFile> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .map(RealFile)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder_of(&self, path: &Path) -> io::Result<()> {
        sync_folder(match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        })
    }

    fn names(&self, path: &Path, file: &RealFile) -> io::Result<bool> {
        match fs::metadata(path) {
            Ok(named) => Ok(is_same_file(&named, &file.0.metadata()?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn run<T, W>(&self, work: W) -> T
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only a runtime that shuts down cancels blocking work, and it polls no task afterwards.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

impl DiskFile for RealFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut file = &self.0;
        file.seek(SeekFrom::Start(offset))?;
        loop {
            match file.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.seek(SeekFrom::Start(offset))?;
        self.0.write_all(bytes)
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn try_lock(&mut self) -> io::Result<bool> {
        match self.0.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn take_mode_of(&mut self, other: &Self) -> io::Result<()> {
        let metadata = other.0.metadata()?;
        take_owner(&self.0, &metadata);
        self.0.set_permissions(metadata.permissions())
    }
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some network file systems know no sync of a folder; their servers do it themselves or cannot do it.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        result => result,
    }
}

/// Windows opens no folder for this, and needs none: NTFS keeps names in a log of its own.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    one.dev() == other.dev() && one.ino() == other.ino()
}

/// The file's index is not in `std` yet; a file of the same length and creation time passes for the same.
#[cfg(not(unix))]
fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    one.len() == other.len() && one.created().ok() == other.created().ok()
}

/// A run as root must leave the file to its owner. Other users own the file, and may not give it away.
#[cfg(unix)]
fn take_owner(file: &File, metadata: &Metadata) {
    use std::os::unix::fs::MetadataExt;
    let _refused = std::os::unix::fs::fchown(file, Some(metadata.uid()), Some(metadata.gid()));
}

/// On Windows a file inherits its owner and its access list from the folder.
#[cfg(not(unix))]
fn take_owner(_file: &File, _metadata: &Metadata) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = RealDisk.open(folder.path(), Access::Read).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        let missing = folder.path().join("missing");
        assert!(RealDisk.open(&missing, Access::Read).unwrap().is_none());
    }

    #[test]
    fn a_name_that_was_given_to_another_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let file = RealDisk.create_new(&path).unwrap();
        assert!(RealDisk.names(&path, &file).unwrap());
        let other = folder.path().join("b");
        RealDisk
            .create_new(&other)
            .unwrap()
            .write_at(0, b"x")
            .unwrap();
        RealDisk.rename(&other, &path).unwrap();
        assert!(!RealDisk.names(&path, &file).unwrap());
        RealDisk.remove(&path).unwrap();
        assert!(!RealDisk.names(&path, &file).unwrap());
    }

    #[test]
    fn one_open_file_has_the_lock_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut first = RealDisk.create_new(&path).unwrap();
        let mut second = RealDisk.open(&path, Access::Write).unwrap().unwrap();
        assert!(first.try_lock().unwrap());
        assert!(!second.try_lock().unwrap());
        drop(first);
        assert!(second.try_lock().unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        RealDisk.create_new(&file).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let resolved = RealDisk.resolve(&link).unwrap();
        assert_eq!(resolved, fs::canonicalize(&file).unwrap());
        assert_eq!(RealDisk.resolve(&file).unwrap(), file);
    }
}
