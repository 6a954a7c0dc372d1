//! Time and memory of merging the results of 16 shards, compared with a plain pass of the csv crate (byte records) over them.
//!
//! `cargo bench --bench merge [-- ROWS]`, by default a million rows: once with ascending device IDs, once with the same IDs in no
//! order; each without a manifest and in its order. The plain pass and the tool take turns, and the best of each counts.

mod common;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use common::{Failure, device_number, pass_over, peak_of, rows_asked};
use kvs_fleet::domain::shard::Shard;

const SHARDS: u32 = 16;

/// How often each is run.
const TURNS: usize = 5;

fn main() -> Result<(), Failure> {
    let rows = u64::from(rows_asked());
    println!("{rows} rows in {SHARDS} files; the best of {TURNS} turns each\n");
    println!("| device IDs | order of the output | plain csv pass | merge | ratio | peak memory |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for is_mixed in [false, true] {
        let folder = tempfile::tempdir()?;
        let files = write(folder.path(), rows, is_mixed)?;
        for has_manifest in [false, true] {
            let (mut plain, mut merged, mut peak) = (Duration::MAX, Duration::MAX, None);
            for _ in 0..TURNS {
                let start = Instant::now();
                pass_over(&files)?;
                plain = plain.min(start.elapsed());
                let start = Instant::now();
                peak = peak.max(merge(folder.path(), &files, has_manifest)?);
                merged = merged.min(start.elapsed());
            }
            println!(
                "| {} | {} | {:.2} s | {:.2} s | {:.1} | {} MB |",
                if is_mixed { "in no order" } else { "ascending" },
                if has_manifest {
                    "manifest"
                } else {
                    "device IDs"
                },
                plain.as_secs_f64(),
                merged.as_secs_f64(),
                merged.as_secs_f64() / plain.as_secs_f64(),
                peak.map_or_else(
                    || "?".to_owned(),
                    |kib| (kib * 1024 / 1_000_000).to_string()
                ),
            );
        }
    }
    Ok(())
}

/// Writes the manifest and the results of each shard.
fn write(folder: &Path, rows: u64, is_mixed: bool) -> Result<Vec<PathBuf>, Failure> {
    let shards: Vec<Shard> = (1..=SHARDS)
        .filter_map(|number| Shard::new(number, SHARDS))
        .collect();
    let paths = shards
        .iter()
        .map(|shard| folder.join(format!("devices.{}.results.csv", shard.label())));
    let paths: Vec<PathBuf> = paths.collect();
    let mut files = Vec::new();
    for path in &paths {
        let mut file = BufWriter::new(File::create(path)?);
        writeln!(file, "{}", kvs_fleet::results::record::COLUMNS.join(","))?;
        files.push(file);
    }
    let mut manifest = BufWriter::new(File::create(folder.join("devices.csv"))?);
    writeln!(manifest, "device_id")?;
    for row in 0..rows {
        let id = format!("CAM-{:08}", device_number(row, is_mixed));
        writeln!(manifest, "{id}")?;
        let place = shards.iter().position(|shard| shard.has(&id));
        let file = place.and_then(|place| files.get_mut(place));
        let file = file.ok_or("a device is in no shard")?;
        let made = 1_767_247_200_000 + row;
        writeln!(
            file,
            "{id},{id},123456789012,eu-west-1,created,arn:aws:kinesisvideo:eu-west-1:123456789012:channel/{id}/{made},1,\
             2026-01-01T06:00:00.000Z,2026-01-01T06:00:00.084Z,,,2c6a54d4-d20d-4456-9af4-{row:012x}"
        )?;
    }
    manifest.flush()?;
    for mut file in files {
        file.flush()?;
    }
    Ok(paths)
}

/// Merges the files; returns the peak memory in KiB, if the system reports it.
fn merge(folder: &Path, files: &[PathBuf], has_manifest: bool) -> Result<Option<u64>, Failure> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvs-fleet"));
    command
        .arg("merge")
        .args(files)
        .arg("--quiet")
        .arg("--output");
    command.arg(folder.join("merged.csv"));
    if has_manifest {
        command.arg("--manifest").arg(folder.join("devices.csv"));
    }
    let peak = peak_of(&mut command)?;
    std::fs::remove_file(folder.join("merged.csv"))?;
    Ok(peak)
}
