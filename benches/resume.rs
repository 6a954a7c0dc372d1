//! A rerun with nothing to do: how long it takes, as a ratio to a plain pass of the csv crate (byte records) over the
//! manifest and the results, and its peak memory.
//!
//! `cargo bench --bench resume [-- ROWS]`, a million rows unless told otherwise. The two are run in turn, several times,
//! since the machine may be shared; the best of each counts.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const TURNS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let rows = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(1_000_000);
    let folder = tempfile::tempdir()?;
    let manifest = folder.path().join("devices.csv");
    let results = folder.path().join("devices.results.csv");
    write_files(rows, &manifest, &results)?;

    let (mut plain, mut resume) = (Duration::MAX, Duration::MAX);
    let mut memory = None;
    for _ in 0..TURNS {
        plain = plain.min(timed(|| plain_pass(&[&manifest, &results]))?);
        resume = resume.min(timed(|| {
            memory = run(&manifest)?;
            Ok(())
        })?);
    }
    println!("{rows} rows, nothing to do, best of {TURNS}\n");
    println!("| what | seconds | ratio |");
    println!("| --- | --- | --- |");
    println!(
        "| plain csv pass over both files | {:.3} | 1.00 |",
        plain.as_secs_f64()
    );
    let ratio = resume.as_secs_f64() / plain.as_secs_f64();
    println!(
        "| kvs-fleet provision | {:.3} | {ratio:.2} |",
        resume.as_secs_f64()
    );
    if let Some(kib) = memory {
        let manifest = std::fs::metadata(&manifest)?.len();
        let beside = (kib * 1024).saturating_sub(manifest) / rows as u64;
        println!(
            "\npeak memory {:.0} MB: the manifest's {:.0} MB and {beside} bytes a row",
            mega(kib * 1024),
            mega(manifest)
        );
    }
    Ok(())
}

fn mega(bytes: u64) -> f64 {
    // Whole kilobytes are exact in the type, and fine enough to print.
    f64::from(u32::try_from(bytes / 1_000).unwrap_or(u32::MAX)) / 1e3
}

fn timed(work: impl FnOnce() -> Result<(), Box<dyn Error>>) -> Result<Duration, Box<dyn Error>> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

fn plain_pass(files: &[&Path]) -> Result<(), Box<dyn Error>> {
    let mut record = csv::ByteRecord::new();
    for file in files {
        let mut reader = csv::Reader::from_reader(File::open(file)?);
        while reader.read_byte_record(&mut record)? {}
    }
    Ok(())
}

/// Runs the tool and returns its peak memory in KiB, where the system tells.
fn run(manifest: &Path) -> Result<Option<u64>, Box<dyn Error>> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kvs-fleet"))
        .arg("provision")
        .arg(manifest)
        .args(["--region", "eu-west-1", "--quiet"])
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::null())
        .spawn()?;
    let status = Path::new("/proc")
        .join(child.id().to_string())
        .join("status");
    let mut peak = None;
    loop {
        if let Ok(text) = std::fs::read_to_string(&status) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
            peak = peak.max(kib);
        }
        if let Some(status) = child.try_wait()? {
            return if status.success() {
                Ok(peak)
            } else {
                Err(format!("kvs-fleet ended with {status}").into())
            };
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn write_files(rows: usize, manifest: &Path, results: &Path) -> Result<(), Box<dyn Error>> {
    let mut manifest = BufWriter::new(File::create(manifest)?);
    let mut results = BufWriter::new(File::create(results)?);
    writeln!(manifest, "device_id,line,serial")?;
    writeln!(results, "{}", kvs_fleet::results::record::COLUMNS.join(","))?;
    for row in 0..rows {
        let id = format!("CAM-{row:08}");
        writeln!(
            manifest,
            "{id},line-{},SN{:08}",
            row % 7,
            row * 7919 % 99_999_999
        )?;
        writeln!(
            results,
            "{id},{id},eu-west-1,created,arn:aws:kinesisvideo:eu-west-1:123456789012:channel/{id}/{},1,\
             2026-01-01T06:00:00.000Z,2026-01-01T06:00:00.084Z,,,2c6a54d4-d20d-4456-9af4-{row:012x}",
            1_767_247_200_000_u64 + row as u64
        )?;
    }
    manifest.flush()?;
    results.flush()?;
    Ok(())
}
