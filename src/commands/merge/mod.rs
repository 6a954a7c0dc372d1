//! `kvs-fleet merge`: one results file from those of several runs. Sends no request.
//!
//! All files are locked and read before anything is written, so the output may be one of them.

mod input;
mod locks;
mod order;
mod outcome;
mod reading;

use std::path::Path;

use super::is_same_file;
use super::last_options::options_of;
use crate::cli::MergeArgs;
use crate::domain::device::{Region, shown};
use crate::domain::format;
use crate::engine::Stop;
use crate::error::Error;
use crate::manifest::Manifest;
use crate::results::disk::RealDisk;
use crate::results::finish::remove_leftover;
use crate::results::merge::{Merged, RowIndex};
use crate::results::merge_runs::MergeRuns;
use crate::results::replace::{ReplaceError, Replacement};
use input::Input;
use locks::Locked;
use order::by_manifest;
use outcome::MergeOutcome;
use reading::Reader;

/// Rows and files that a message names.
const MOST_NAMED: usize = 3;

/// Runs the subcommand and gives its exit code.
pub(super) fn run(args: &MergeArgs) -> Result<u8, Error> {
    check_output(args)?;
    let mut locked = Locked::take(args)?;
    remove_leftover(&RealDisk, &args.output).map_err(refused)?;
    // Opened before it is read: what another program does to it meanwhile is noticed.
    let replacement = Replacement::open(&RealDisk, &args.output).map_err(|error| {
        refused(format!(
            "the output {} cannot be opened: {error}",
            args.output.display()
        ))
    })?;
    let mut reader = read_inputs(&locked)?;
    let mut merged = reader.rows.merge_files(0..locked.inputs.len());
    check_moved(&reader, &merged)?;
    check_shared(&reader, &merged.rows)?;
    // An empty file has nothing to lose.
    if locked.is_output_apart() && replacement.length() > 0 {
        check_lost(args, &mut reader, &merged)?;
    }
    let shard = locked.shard();
    let mut missing = None;
    if let Some(manifest) = &args.manifest {
        let manifest = open_manifest(manifest, &locked)?;
        let (ordered, without) = by_manifest(&reader.rows, &merged.rows, &manifest, shard)?;
        merged.rows = ordered;
        missing = Some(without);
    }
    let runs = merged_runs(&locked, &reader)?;
    let lines = merged
        .rows
        .iter()
        .map(|index| reader.rows.row(*index).line());
    replacement.replace(lines).map_err(not_replaced)?;
    locked.replace_runs(&runs).map_err(|error| {
        stopped(format!(
            "the merged results are in {}, but {error}; repeat the command, which merges the runs logs",
            args.output.display()
        ))
    })?;
    let outcome = MergeOutcome::new(args, &locked.inputs, &reader.rows, &merged, shard, missing);
    outcome.report();
    if args.json {
        super::print_json(&outcome)?;
    }
    Ok(outcome.exit_code)
}

/// Refuses an output that can be no results file. Creates nothing.
fn check_output(args: &MergeArgs) -> Result<(), Error> {
    let output = &args.output;
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
    if args.manifest.as_deref().is_some_and(is_manifest) {
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

fn read_inputs(locked: &Locked) -> Result<Reader, Error> {
    let mut reader = Reader::default();
    let inputs: Vec<&Path> = locked.inputs.iter().map(|input| &*input.path).collect();
    reader.read(&inputs)?;
    let empty = inputs
        .iter()
        .zip(0..)
        .find(|(_, file)| reader.is_empty(*file));
    if let Some((path, _)) = empty {
        return Err(refused(format!(
            "{} is empty, without even a header, as a copy that failed leaves it, or a run that was killed at its start: copy \
             the file or repeat the command of the run, then merge; or leave the file out",
            path.display()
        )));
    }
    Ok(reader)
}

/// Refuses a device that has two channels which differ in name, account or Region, as a run refuses a device that was moved.
fn check_moved(reader: &Reader, merged: &Merged) -> Result<(), Error> {
    let Some((one, other)) = merged.moved else {
        return Ok(());
    };
    let channel = |index: RowIndex| {
        let row = reader.rows.row(index);
        let arn = String::from_utf8_lossy(row.arn());
        format!("{arn} ({})", reader.origin(index.file, &row))
    };
    let id = reader.rows.row(one).device_id();
    Err(Error::refused(
        "moved-device",
        format!(
            "the device {} has two channels that differ in name, account or Region: {} and {}; a device cannot change its \
             channel's name, account or Region. Delete the channel that the manifest does not give in AWS, and its row in the file; then merge again",
            shown(&String::from_utf8_lossy(id)),
            channel(one),
            channel(other)
        ),
    ))
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
    let [arn, other_arn] = [one, other].map(|index| String::from_utf8_lossy(rows.row(index).arn()));
    let shared = if arn == other_arn {
        format!("the same channel {arn}")
    } else {
        format!("channels of the same name, {arn} and {other_arn}, of which at most one is left")
    };
    Err(Error::refused(
        "shared-channel",
        format!(
            "the devices {} and {} have {shared}; two devices cannot share one. Were they runs of manifests that differ? \
             Correct the manifest, and delete the row of the device that has no camera",
            device(one),
            device(other),
        ),
    ))
}

/// Refuses to replace a results file that is none of the inputs, and that knows channels of which they do not tell.
fn check_lost(args: &MergeArgs, reader: &mut Reader, merged: &Merged) -> Result<(), Error> {
    let inputs = reader.rows.files();
    reader.read(&[&args.output]).map_err(|error| {
        let message = format!("the output would replace a file that is there: {error}");
        Error::refused(error.reason(), message)
    })?;
    let rows = &reader.rows;
    let lost = rows.lost(&rows.merge_files(inputs..rows.files()), merged);
    if lost.is_empty() {
        return Ok(());
    }
    let named = lost.iter().take(MOST_NAMED).map(|index| {
        let row = rows.row(*index);
        let id = shown(&String::from_utf8_lossy(row.device_id()));
        format!("{id} ({})", row.status().as_str())
    });
    let named: Vec<String> = named.collect();
    Err(refused(format!(
        "the output {} is there and would lose what it knows of {}; give it as one of the results, too, or give another \
         --output",
        args.output.display(),
        format::first_of(lost.len(), &named)
    )))
}

/// Opens the manifest as the last run of the inputs has read it. A row that names no Region needs one, whichever it is.
fn open_manifest(manifest: &Path, locked: &Locked) -> Result<Manifest, Error> {
    let region = Region::parse("us-east-1").map_err(refused)?;
    let options = match locked.newest() {
        Some(input) => options_of(input.earlier(), &input.path, Some(region))?,
        None => return Err(refused("there is no results file")),
    };
    Ok(Manifest::open(manifest, &options)?)
}

/// The lines of all runs logs, that of the file to be replaced among them.
fn merged_runs(locked: &Locked, reader: &Reader) -> Result<Vec<Vec<u8>>, Error> {
    let mut runs = MergeRuns::default();
    locked.read_runs(&mut runs)?;
    let is_unlogged = |(place, input): (usize, &Input)| {
        input.earlier().last_start().is_none() && reader.rows.has_rows(place)
    };
    if locked.inputs.iter().enumerate().any(is_unlogged) {
        runs.note_unlogged();
    }
    Ok(runs.merge())
}

fn not_replaced(error: ReplaceError) -> Error {
    match error {
        ReplaceError::Changed(_) => refused(error),
        ReplaceError::NotReplaced { .. } => stopped(error.to_string()),
        ReplaceError::NotSynced { .. } => stopped(format!(
            "{error}. Repeat the command, which merges the runs logs as well"
        )),
    }
}

fn stopped(message: String) -> Error {
    Error::Stopped(Stop::Results(message))
}

fn refused(error: impl std::fmt::Display) -> Error {
    Error::refused("results", error.to_string())
}
