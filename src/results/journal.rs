//! The results file while a run goes on: opened, read, repaired, appended to.
//!
//! A row is in the journal once [`Journal::append`] has returned: written and synced. The journal does not know which
//! rows belong to which device, and it is not locked: a process that opens it for writing holds the lock of the
//! [runs log](super::runs_log).

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Access, Disk, DiskFile};
use super::read::{Entry, ReadError, Reading, TornTail, io_error, read};
use super::record::HEADER;
use super::shape::RowShape;
use super::upgrade::{MovedRows, Upgrade, UpgradeError};

/// Why the results file cannot be written. What was in it before is still there.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk refused.
    #[error("the results file {} cannot be {doing}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried: `created`, `repaired`, `written`, `synced`.
        doing: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// Another program wrote to it, or created it, although the runs log is locked.
    #[error(
        "the results file {} was changed by another program during the run; nothing more is written to it",
        .path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// An earlier write failed.
    #[error("the results file {} could not be written before; nothing more is written to it", .path.display())]
    Sealed {
        /// The file.
        path: PathBuf,
    },
}

/// An open results file. The file itself need not exist until [`Self::prepare`].
#[derive(Debug)]
pub struct Journal<D: Disk> {
    disk: D,
    path: PathBuf,
    file: Option<D::File>,
    reading: Reading,
    /// Bytes that are sound and synced; the next row goes here.
    end: u64,
    is_prepared: bool,
    is_sealed: bool,
    /// Where the rows are that were read, if the file was rewritten since.
    moved: MovedRows,
}

impl<D: Disk> Journal<D> {
    /// Opens a results file, or one that is to be, and shows each of its rows to the visitor, front to back; the last
    /// row of a device counts. Changes nothing; the visitor's error ends it.
    ///
    /// A million rows are read in the memory of one: 1 MiB.
    pub fn open<E: From<ReadError>>(
        disk: &D,
        path: &Path,
        visit: impl FnMut(Entry<'_>) -> Result<(), E>,
    ) -> Result<Self, E> {
        let failed = |source| io_error(path, source);
        let path = disk.resolve(path).map_err(failed)?;
        let file = disk.open(&path, Access::Write).map_err(failed)?;
        let reading = match &file {
            Some(file) => read(file, &path, visit)?,
            None => Reading::headless(0),
        };
        Ok(Self {
            disk: disk.clone(),
            path,
            file,
            reading,
            end: reading.end,
            is_prepared: false,
            is_sealed: false,
            moved: MovedRows::default(),
        })
    }

    /// The file's path, with a symbolic link followed.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What a power loss or a kill damaged at its end. [`Self::prepare`] cuts it off.
    #[must_use]
    pub fn torn(&self) -> Option<TornTail> {
        self.reading.torn
    }

    /// Makes the file ready to be appended to, once: cuts off a torn tail, or writes the header of a new file, and
    /// syncs the file and its name: what a killed run wrote and did not sync was read, and must not count before it
    /// survives. A file of an earlier version, without the column `account`, is rewritten with it: rows of two shapes never
    /// meet in one file. The places of the rows that were read stay valid for [`finish`](super::finish::finish). Must be called before the first request is sent, and before what the file holds is reported. May block.
    pub fn prepare(&mut self) -> Result<(), JournalError> {
        if self.is_prepared {
            return Ok(());
        }
        if self.reading.shape == RowShape::WithoutAccount {
            return self.upgrade();
        }
        if self.file.is_some() {
            return self.make_ready();
        }
        self.create()?;
        let ready = self.make_ready();
        if let Err(JournalError::Io { .. }) = ready {
            // A run that cannot begin leaves no file, where the disk allows its removal.
            self.file = None;
            let _kept = self.disk.remove(&self.path);
        }
        ready
    }

    fn make_ready(&mut self) -> Result<(), JournalError> {
        self.check_length(self.reading.length)?;
        if self.reading.torn.is_some() {
            self.attempt("repaired", |file, end| {
                file.set_length(end)?;
                file.sync()
            })?;
        }
        if self.reading.is_new() {
            self.attempt("written", |file, _| {
                file.write_at(0, HEADER.as_bytes())?;
                file.sync()
            })?;
            self.end = HEADER.len() as u64;
        } else if self.reading.torn.is_none() {
            self.attempt("synced", |file, _| file.sync())?;
        }
        let synced = self.disk.sync_folder_of(&self.path);
        synced.map_err(|source| self.io_error("synced", source))?;
        self.is_prepared = true;
        Ok(())
    }

    /// Rewrites a file of an earlier version. Until the new file is complete and has the name, the old one is in place.
    fn upgrade(&mut self) -> Result<(), JournalError> {
        self.check_length(self.reading.length)?;
        let Some(file) = self.file.take() else {
            return Err(self.changed());
        };
        let upgrade = Upgrade {
            disk: &self.disk,
            path: &self.path,
            before: &self.reading,
        };
        let (file, reading, moved) = upgrade.run(file).map_err(|error| match error {
            UpgradeError::Io(doing, source) => self.io_error(doing, source),
            UpgradeError::Changed => self.changed(),
        })?;
        self.file = Some(file);
        (self.end, self.reading, self.moved) = (reading.end, reading, moved);
        self.is_prepared = true;
        Ok(())
    }

    /// Appends lines, each with its line end, and syncs them: when this returns they survive a crash. Returns the
    /// offset of the first: that of its [`Place`](super::record::Place). May block.
    ///
    /// After an error none of these lines count, the file is cut back to what was synced before, as far as the disk
    /// still allows, and nothing more is accepted.
    pub fn append(&mut self, lines: &[u8]) -> Result<u64, JournalError> {
        if self.is_sealed {
            let path = self.path.clone();
            return Err(JournalError::Sealed { path });
        }
        let appended = self.prepare().and_then(|()| self.append_prepared(lines));
        self.is_sealed = appended.is_err();
        appended
    }

    fn append_prepared(&mut self, lines: &[u8]) -> Result<u64, JournalError> {
        self.check_length(self.end)?;
        let mut offset = self.end;
        let fresh_line;
        let bytes = if self.reading.lacks_line_end {
            offset += 1;
            fresh_line = [b"\n", lines].concat();
            &fresh_line
        } else {
            lines
        };
        let written = self
            .attempt("written", |file, end| file.write_at(end, bytes))
            .and_then(|()| self.attempt("synced", |file, _| file.sync()));
        if let Err(error) = written {
            // Best effort: should it fail too, the next run finds a torn tail, or rows that were not counted.
            let _unknown = self.attempt("repaired", |file, end| {
                file.set_length(end)?;
                file.sync()
            });
            return Err(error);
        }
        self.reading.lacks_line_end = false;
        self.end += bytes.len() as u64;
        Ok(self.moved.offset_of_new(offset))
    }

    fn create(&mut self) -> Result<(), JournalError> {
        match self.disk.create_new(&self.path) {
            Ok(file) => {
                self.file = Some(file);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(self.changed()),
            Err(source) => Err(self.io_error("created", source)),
        }
    }

    /// A file that another program has changed must not be appended to.
    fn check_length(&mut self, expected: u64) -> Result<(), JournalError> {
        let mut length = expected;
        self.attempt("read", |file, _| {
            length = file.length()?;
            Ok(())
        })?;
        if length == expected {
            Ok(())
        } else {
            Err(self.changed())
        }
    }

    /// Works on the file; the second argument is its sound length.
    fn attempt(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&mut D::File, u64) -> io::Result<()>,
    ) -> Result<(), JournalError> {
        let done = match &mut self.file {
            Some(file) => work(file, self.end),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        done.map_err(|source| self.io_error(doing, source))
    }

    fn io_error(&self, doing: &'static str, source: io::Error) -> JournalError {
        let path = self.path.clone();
        JournalError::Io {
            path,
            doing,
            source,
        }
    }

    fn changed(&self) -> JournalError {
        let path = self.path.clone();
        JournalError::Changed { path }
    }

    /// Taken apart for the finish.
    pub(crate) fn into_parts(self) -> JournalParts<D> {
        JournalParts {
            is_canonical: self.reading.is_canonical && !self.reading.lacks_line_end,
            length: if self.is_prepared {
                self.end
            } else {
                self.reading.length
            },
            shape: self.reading.shape,
            moved: self.moved,
            disk: self.disk,
            path: self.path,
            file: self.file,
            end: self.end,
        }
    }
}

/// What the finish needs of a [`Journal`].
#[derive(Debug)]
pub(crate) struct JournalParts<D: Disk> {
    pub(crate) disk: D,
    pub(crate) path: PathBuf,
    pub(crate) file: Option<D::File>,
    /// Bytes that are sound.
    pub(crate) end: u64,
    /// Bytes that the file had when this tool last touched it: those, and what has not been repaired.
    pub(crate) length: u64,
    /// Whether all of them are as this tool writes them.
    pub(crate) is_canonical: bool,
    /// The columns that it has.
    pub(crate) shape: RowShape,
    /// Where its rows are.
    pub(crate) moved: MovedRows,
}
