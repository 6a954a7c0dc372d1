//! The files of a merge, each once and locked: none is written while it is read, and no run begins with one of them.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::config::MergeConfig;
use crate::error::Error;
use crate::results::disk::{Access, Disk as _, DiskFile as _, RealDisk, RealFile};
use crate::results::read::ReadError;
use crate::results::runs_log::{RunsLog, RunsLogError, runs_log_path};

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
    /// A folder that cannot be written to: the log, if there is one, is locked as far as that is possible.
    ReadOnly(#[expect(dead_code, reason = "held until it is dropped")] Option<RealFile>),
}

/// The files of a merge, locked.
#[derive(Debug)]
pub(super) struct Locked {
    pub(super) inputs: Vec<Input>,
    /// None where the output is one of the inputs, which then has the lock.
    output: Option<RunsLog<RealDisk>>,
}

impl Locked {
    /// Finds and locks all files.
    pub(super) fn take(config: &MergeConfig) -> Result<Self, Error> {
        let output_place = place(&config.output);
        let mut places = HashSet::new();
        let mut inputs = Vec::new();
        for path in &config.results {
            if !path.exists() {
                return Err(ReadError::Missing(path.clone()).into());
            }
            // A file that is given twice is read once.
            if places.insert(place(path)) {
                let lock = lock(path)?;
                let path = path.clone();
                inputs.push(Input { path, lock });
            }
        }
        let output = if places.contains(&output_place) {
            None
        } else {
            Some(RunsLog::lock(&RealDisk, &config.output).map_err(|error| refused(&error))?)
        };
        Ok(Self { inputs, output })
    }

    /// Whether the output is none of the inputs.
    pub(super) fn is_output_apart(&self) -> bool {
        self.output.is_some()
    }

    /// The input whose last run began last.
    pub(super) fn newest(&self) -> Option<&Input> {
        let started = |input: &&Input| input.last_run().map(|(_, at)| at.to_owned());
        self.inputs.iter().max_by_key(started)
    }

    /// The output's runs log; none where its folder cannot be written to.
    pub(super) fn output_log(&mut self, output: &Path) -> Option<&mut RunsLog<RealDisk>> {
        let output_place = place(output);
        let of_input = self
            .inputs
            .iter_mut()
            .find(|input| place(&input.path) == output_place);
        match (self.output.as_mut(), of_input.map(|input| &mut input.lock)) {
            (Some(log), _) | (None, Some(Lock::Log(log))) => Some(log),
            _ => None,
        }
    }
}

impl Input {
    /// The shard and the time of the last run that is logged.
    pub(super) fn last_run(&self) -> Option<(Option<&str>, &str)> {
        let Lock::Log(log) = &self.lock else {
            return None;
        };
        let start = log.earlier().last_start()?;
        Some((start.shard.as_deref(), &start.at))
    }
}

/// The path without links, of a file that need not exist.
fn place(path: &Path) -> PathBuf {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let in_folder = || {
        let folder = folder.canonicalize()?;
        Ok::<_, std::io::Error>(folder.join(path.file_name().unwrap_or_default()))
    };
    path.canonicalize()
        .or_else(|_| in_folder())
        .unwrap_or_else(|_| path.to_owned())
}

fn lock(results: &Path) -> Result<Lock, Error> {
    match RunsLog::lock(&RealDisk, results) {
        Ok(log) => Ok(Lock::Log(log)),
        Err(RunsLogError::Io { source, .. })
            if matches!(
                source.kind(),
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
            ) =>
        {
            read_only(results)
        }
        Err(error) => Err(refused(&error)),
    }
}

/// Nothing can be created or written here by this user, but another may be writing.
fn read_only(results: &Path) -> Result<Lock, Error> {
    let resolved = RealDisk.resolve(results);
    let log = runs_log_path(resolved.as_deref().unwrap_or(results));
    let Ok(Some(mut log)) = RealDisk.open(&log, Access::Read) else {
        return Ok(Lock::ReadOnly(None));
    };
    match log.try_lock() {
        Ok(false) => {
            let results = results.into();
            Err(refused(&RunsLogError::Held { results }))
        }
        Ok(true) => Ok(Lock::ReadOnly(Some(log))),
        Err(_) => Ok(Lock::ReadOnly(None)),
    }
}

fn refused(error: &RunsLogError) -> Error {
    Error::refused("results", error.to_string())
}
