//! One results file of a merge, with the lock of its runs log: it is not written while it is read, and no run begins with it.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::results::disk::{Access, Disk as _, DiskFile as _, RealDisk, RealFile};
use crate::results::merge_runs::MergeRuns;
use crate::results::runs_log::{EarlierRuns, RunsLog, RunsLogError, for_each_line, runs_log_path};

/// A results file that is read.
#[derive(Debug)]
pub(super) struct Input {
    /// The file as it was given.
    pub(super) path: PathBuf,
    lock: Lock,
}

#[derive(Debug)]
enum Lock {
    Log(RunsLog<RealDisk>),
    ReadOnly(Box<ReadOnly>),
}

/// The runs log of results that cannot be locked as a run locks them: in a directory that is read-only, on a share without
/// locks.
#[derive(Debug)]
struct ReadOnly {
    /// The log, if there is one.
    log: Option<RealFile>,
    earlier: EarlierRuns,
    /// Whether the log is locked all the same.
    is_locked: bool,
    /// Why it is not locked as a run locks it.
    reason: RunsLogError,
}

impl Input {
    pub(super) fn lock(path: &Path) -> Result<Self, Error> {
        let lock = match RunsLog::lock(&RealDisk, path) {
            Ok(log) => Lock::Log(log),
            Err(RunsLogError::Held { results }) => {
                return Err(RunsLogError::Held { results }.into());
            }
            Err(reason) => Lock::ReadOnly(Box::new(ReadOnly::open(path, reason)?)),
        };
        let path = path.to_owned();
        Ok(Self { path, lock })
    }

    /// Its runs log, to be written; none where it is only read.
    pub(super) fn log_mut(&mut self) -> Option<&mut RunsLog<RealDisk>> {
        match &mut self.lock {
            Lock::Log(log) => Some(log),
            Lock::ReadOnly(_) => None,
        }
    }

    /// Why its runs log is only read, where it is.
    pub(super) fn read_only(&self) -> Option<&RunsLogError> {
        match &self.lock {
            Lock::Log(_) => None,
            Lock::ReadOnly(log) => Some(&log.reason),
        }
    }

    /// Whether no run can be writing it.
    pub(super) fn is_locked(&self) -> bool {
        match &self.lock {
            Lock::Log(_) => true,
            Lock::ReadOnly(log) => log.is_locked,
        }
    }

    /// The runs that are logged.
    pub(super) fn earlier(&self) -> &EarlierRuns {
        match &self.lock {
            Lock::Log(log) => log.earlier(),
            Lock::ReadOnly(log) => &log.earlier,
        }
    }

    /// Shows the lines of its runs log. It is read through the handle that has the lock: on Windows no other can.
    pub(super) fn read_runs(&self, runs: &mut MergeRuns) -> Result<(), RunsLogError> {
        match &self.lock {
            Lock::Log(log) => log.read_lines(|line| runs.push(line)),
            Lock::ReadOnly(log) => {
                let Some(file) = &log.log else { return Ok(()) };
                let read = for_each_line(file, |line| runs.push(line));
                read.map(drop).map_err(|source| RunsLogError::Io {
                    path: runs_log_path(&self.path),
                    doing: "read",
                    source,
                })
            }
        }
    }
}

impl ReadOnly {
    /// This user cannot create or lock the log, but another may be writing.
    fn open(results: &Path, reason: RunsLogError) -> Result<Self, Error> {
        let resolved = RealDisk.resolve(results);
        let log = runs_log_path(resolved.as_deref().unwrap_or(results));
        let Ok(mut log) = RealDisk.open(&log, Access::Read) else {
            return Err(reason.into());
        };
        let is_locked = match log.as_mut().map(RealFile::try_lock) {
            Some(Ok(false)) => {
                let results = results.into();
                return Err(RunsLogError::Held { results }.into());
            }
            Some(Ok(true)) => true,
            Some(Err(_)) | None => false,
        };
        let earlier = log.as_ref().map(EarlierRuns::of_file).transpose();
        let Ok(earlier) = earlier else {
            return Err(reason.into());
        };
        Ok(Self {
            earlier: earlier.unwrap_or_default(),
            log,
            is_locked,
            reason,
        })
    }
}
