//! The files of a merge, each once, all locked before one is read, and their runs logs.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use tracing::warn;

use super::MOST_NAMED;
use super::input::Input;
use crate::cli::MergeArgs;
use crate::commands::open_files;
use crate::domain::format;
use crate::domain::shard::Shard;
use crate::error::Error;
use crate::results::disk::RealDisk;
use crate::results::merge_runs::MergeRuns;
use crate::results::read::ReadError;
use crate::results::runs_log::{RunsLog, RunsLogError};

/// The files of a merge, locked.
#[derive(Debug)]
pub(super) struct Locked {
    pub(super) inputs: Vec<Input>,
    output: OutputLog,
}

/// Which runs log the output has.
#[derive(Debug)]
enum OutputLog {
    /// That of this input.
    Input(usize),
    Apart(RunsLog<RealDisk>),
}

impl Locked {
    /// Finds and locks all files.
    pub(super) fn take(args: &MergeArgs) -> Result<Self, Error> {
        let output_place = place(&args.output);
        let (mut places, mut paths) = (HashSet::new(), Vec::new());
        let mut output_input = None;
        for path in &args.results {
            if !path.exists() {
                return Err(ReadError::Missing(path.clone()).into());
            }
            let place = place(path);
            let is_output = place == output_place;
            // A file that is given twice is read once.
            if places.insert(place) {
                if is_output {
                    output_input = Some(paths.len());
                }
                paths.push(path);
            }
        }
        check_open_files(paths.len())?;
        let inputs = paths.into_iter().map(|path| Input::lock(path));
        let inputs: Vec<Input> = inputs.collect::<Result<_, _>>()?;
        let output = match output_input {
            Some(input) => OutputLog::Input(input),
            None => OutputLog::Apart(RunsLog::lock(&RealDisk, &args.output)?),
        };
        let locked = Self { inputs, output };
        locked.check_output_log()?;
        locked.warn_unlocked();
        Ok(locked)
    }

    /// Whether the output is none of the inputs.
    pub(super) fn is_output_apart(&self) -> bool {
        matches!(self.output, OutputLog::Apart(_))
    }

    /// The input whose last run began last.
    pub(super) fn newest(&self) -> Option<&Input> {
        self.inputs.iter().max_by(|a, b| {
            let [a, b] = [a, b].map(|input| input.earlier().last_start());
            a.map(|start| &start.at).cmp(&b.map(|start| &start.at))
        })
    }

    /// A shard of the runs, where they are those of as many shards. Files without a logged run are ignored.
    pub(super) fn shard(&self) -> Option<Shard> {
        let starts = self
            .inputs
            .iter()
            .filter_map(|input| input.earlier().last_start());
        let shards = starts.map(|start| Shard::parse(start.shard.as_deref()?));
        let shards: Vec<Shard> = shards.collect::<Option<_>>()?;
        let first = *shards.first()?;
        let are_alike = shards.iter().all(|shard| shard.count() == first.count());
        are_alike.then_some(first)
    }

    /// Shows the lines of all runs logs, that of a file to be replaced among them.
    pub(super) fn read_runs(&self, runs: &mut MergeRuns) -> Result<(), Error> {
        for input in &self.inputs {
            runs.begin_log();
            input.read_runs(runs)?;
        }
        if let OutputLog::Apart(log) = &self.output {
            runs.begin_log();
            log.read_lines(|line| runs.push(line))?;
        }
        Ok(())
    }

    /// Replaces the output's runs log.
    pub(super) fn replace_runs(&mut self, lines: &[Vec<u8>]) -> Result<(), RunsLogError> {
        match &mut self.output {
            OutputLog::Apart(log) => log.replace(lines),
            OutputLog::Input(input) => {
                match self.inputs.get_mut(*input).and_then(Input::log_mut) {
                    Some(log) => log.replace(lines),
                    // Refused at the start.
                    None => Ok(()),
                }
            }
        }
    }

    /// Refuses an output whose runs log could not be replaced.
    fn check_output_log(&self) -> Result<(), Error> {
        let OutputLog::Input(input) = self.output else {
            return Ok(());
        };
        let input = self.inputs.get(input);
        let Some((input, reason)) = input.and_then(|input| Some((input, input.read_only()?)))
        else {
            return Ok(());
        };
        Err(Error::refused(
            "results",
            format!(
                "the output {} cannot be replaced: {reason}. Give another --output",
                input.path.display()
            ),
        ))
    }

    /// Warns about files that a run may be writing.
    fn warn_unlocked(&self) {
        let unlocked = self.inputs.iter().filter(|input| !input.is_locked());
        let unlocked: Vec<&Input> = unlocked.collect();
        let named = unlocked.iter().take(MOST_NAMED);
        let named: Vec<String> = named
            .map(|input| input.path.display().to_string())
            .collect();
        if !named.is_empty() {
            warn!(
                "cannot be locked, so that a run may be writing while it is read: {}; merge again if one was",
                format::first_of(unlocked.len(), &named)
            );
        }
    }
}

/// Refuses more files than may be open at once: each is locked by its runs log, which stays open.
fn check_open_files(files: usize) -> Result<(), Error> {
    let Some((needed, limit)) = open_files::lacking(files + super::reading::threads(files)) else {
        return Ok(());
    };
    Err(Error::refused(
        "too-many-open-files",
        format!(
            "merging {files} files needs {needed} files open at once, but this process may have only {limit} (ulimit -n); \
             raise the limit, or merge the files in groups, and then the merged files, which gives the same results"
        ),
    ))
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
