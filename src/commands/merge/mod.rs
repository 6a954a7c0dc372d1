//! `kvs-fleet merge`: one results file from those of several runs. Sends no request.
//!
//! All files are locked and read before anything is written, so the output may be one of them.

mod config;
mod locks;
mod order;
mod outcome;
mod reading;

use std::io;
use std::path::Path;

use super::is_same_file;
use super::last_options::last_options;
use crate::domain::device::{Region, shown};
use crate::domain::shard::Shard;
use crate::engine::Stop;
use crate::error::Error;
use crate::manifest::Manifest;
use crate::results::disk::{Access, Disk as _, RealDisk};
use crate::results::finish::remove_leftover;
use crate::results::merge::RowIndex;
use crate::results::merge_runs::MergeRuns;
use crate::results::replace::replace;
use crate::results::runs_log::read_lines;
pub(super) use config::MergeConfig;
use locks::Locked;
use order::{Missing, by_manifest};
use outcome::MergeOutcome;
use reading::Reader;

/// Rows that a message names.
const MOST_NAMED: usize = 3;

/// Runs the subcommand and gives its exit code.
pub(super) fn run(config: &MergeConfig) -> Result<u8, Error> {
    check_output(config)?;
    let mut locked = Locked::take(config)?;
    remove_leftover(&RealDisk, &config.output).map_err(refused)?;
    let reader = read(config, &locked)?;
    let rows = &reader.rows;
    let merged = rows.merge_files(0..locked.inputs.len());
    check_shared(&reader, &merged.rows)?;
    if locked.is_output_apart() {
        let earlier = rows.merge_files(locked.inputs.len()..rows.files());
        check_lost(config, &reader, &rows.lost(&earlier, &merged))?;
    }
    let shard = shard(&locked);
    let (recreated, mut merged) = (merged.recreated, merged.rows);
    let mut missing = None;
    if let Some(manifest) = &config.manifest {
        let manifest = open_manifest(manifest, &locked)?;
        let (ordered, without) = by_manifest(rows, &merged, &manifest, shard)?;
        merged = ordered;
        missing = Some(without);
    }
    let runs = merged_runs(config, &locked)?;
    write(config, &reader, &merged)?;
    if let Some(log) = locked.output_log(&config.output) {
        log.replace(&runs)
            .map_err(|error| Error::Stopped(Stop::Results(error.to_string())))?;
    }
    let outcome = outcome(config, &locked, &reader, (&merged, &recreated), missing);
    outcome.say();
    if config.json {
        super::print_json(&outcome)?;
    }
    Ok(outcome.exit_code)
}

/// Refuses an output that can be no results file. Creates nothing.
fn check_output(config: &MergeConfig) -> Result<(), Error> {
    let output = &config.output;
    let refused = |problem: &str| {
        let message = format!("--output {}: {problem}", output.display());
        Err(Error::refused("usage", message))
    };
    let is_manifest = |manifest: &Path| is_same_file(manifest, output);
    if output.as_os_str() == "-" {
        return refused(
            "results are the journal that a rerun resumes from, and must be a file; --json writes to standard output",
        );
    }
    if config.manifest.as_deref().is_some_and(is_manifest) {
        return refused("this is the manifest, which it would replace; give another file");
    }
    if output.is_dir() {
        return refused("this is a directory; give the path of a file");
    }
    match output.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.exists() => {
            refused("its directory does not exist; make it first, or give another file")
        }
        _ => Ok(()),
    }
}

/// Reads the inputs, and then the file that the output replaces, where that is none of them.
fn read(config: &MergeConfig, locked: &Locked) -> Result<Reader, Error> {
    let mut reader = Reader::default();
    let inputs: Vec<&Path> = locked.inputs.iter().map(|input| &*input.path).collect();
    reader.read(&inputs)?;
    if locked.is_output_apart() && config.output.exists() {
        reader.read(&[&config.output]).map_err(|error| {
            let message = format!("the output would replace a file that is there: {error}");
            Error::refused(error.reason(), message)
        })?;
    }
    Ok(reader)
}

/// Refuses rows of two devices with one channel.
fn check_shared(reader: &Reader, merged: &[RowIndex]) -> Result<(), Error> {
    let rows = &reader.rows;
    let Some((one, other)) = rows.shared_channel(merged) else {
        return Ok(());
    };
    let device = |index: RowIndex| {
        let row = rows.row(index);
        let id = shown(&String::from_utf8_lossy(row.device_id()));
        format!("{id} ({})", reader.origin(index.file, &row))
    };
    Err(Error::refused(
        "shared-channel",
        format!(
            "the devices {} and {} have the same channel {}; two devices cannot share one. Were they runs of manifests that \
             differ? Correct the manifest, and delete the row of the device that has no camera",
            device(one),
            device(other),
            String::from_utf8_lossy(rows.row(one).arn())
        ),
    ))
}

/// Refuses to replace a results file that knows channels of which the inputs do not tell.
fn check_lost(config: &MergeConfig, reader: &Reader, lost: &[RowIndex]) -> Result<(), Error> {
    if lost.is_empty() {
        return Ok(());
    }
    let named = lost.iter().take(MOST_NAMED).map(|index| {
        let row = reader.rows.row(*index);
        let id = shown(&String::from_utf8_lossy(row.device_id()));
        format!("{id} ({})", row.status().as_str())
    });
    let named: Vec<String> = named.collect();
    let more = match lost.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let output = config.output.display();
    Err(Error::refused(
        "results",
        format!(
            "the output {output} is there and would lose what it knows of {}{more}; give it as one of the results, too, or \
             give another --output",
            named.join(", ")
        ),
    ))
}

/// A shard of the runs, where the files are those of as many shards.
fn shard(locked: &Locked) -> Option<Shard> {
    let shards = locked.inputs.iter().map(|input| {
        let (shard, _) = input.last_run()?;
        Shard::parse(shard?)
    });
    let shards: Vec<Shard> = shards.collect::<Option<_>>()?;
    let first = *shards.first()?;
    let are_alike = shards.iter().all(|shard| shard.count() == first.count());
    are_alike.then_some(first)
}

/// Opens the manifest as the last run of the inputs has read it. A row that names no Region needs one, whichever it is.
fn open_manifest(manifest: &Path, locked: &Locked) -> Result<Manifest, Error> {
    let region = Region::parse("us-east-1").map_err(|error| refused(&error))?;
    let newest = locked.newest().map(|input| &*input.path);
    let options = last_options(newest.unwrap_or(Path::new("")), Some(region))?;
    Ok(Manifest::open(manifest, &options)?)
}

/// The lines of all runs logs, that of the file to be replaced among them.
fn merged_runs(config: &MergeConfig, locked: &Locked) -> Result<Vec<Vec<u8>>, Error> {
    let mut runs = MergeRuns::default();
    let inputs = locked.inputs.iter().map(|input| &*input.path);
    let apart = locked.is_output_apart().then_some(&*config.output);
    for results in inputs.chain(apart) {
        runs.begin_log();
        read_lines(&RealDisk, results, |line| runs.push(line)).map_err(refused)?;
    }
    Ok(runs.merge())
}

fn write(config: &MergeConfig, reader: &Reader, merged: &[RowIndex]) -> Result<(), Error> {
    let lines = merged.iter().map(|index| reader.rows.row(*index).line());
    let written = RealDisk
        .open(&config.output, Access::Write)
        .and_then(|before| replace(&RealDisk, &config.output, before, lines));
    written.map_err(|error: io::Error| {
        let message = format!(
            "the merged results cannot be written to {}: {error}; no file was changed",
            config.output.display()
        );
        Error::Stopped(Stop::Results(message))
    })
}

fn outcome(
    config: &MergeConfig,
    locked: &Locked,
    reader: &Reader,
    (merged, recreated): (&[RowIndex], &[(RowIndex, RowIndex)]),
    missing: Option<Missing>,
) -> MergeOutcome {
    let files = locked.inputs.iter().map(|input| &*input.path);
    let shards = shard(locked).map(Shard::count);
    let mut outcome = MergeOutcome::new(config, files, shards, missing);
    outcome.count(&reader.rows, merged);
    outcome.note_recreated(&reader.rows, recreated);
    outcome
}

fn refused(error: impl std::fmt::Display) -> Error {
    Error::refused("results", error.to_string())
}
