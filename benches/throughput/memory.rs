//! Peak memory of the real binary for a batch and one ten times as large.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{Outcome, format, name};

/// Flags of `emulator` that make it as fast as possible.
const NO_QUOTA: [&str; 8] = [
    "--rate",
    "1000000",
    "--burst",
    "1000000",
    "--channel-limit",
    "10000000",
    "--latency",
    "0ms",
];

/// Measures both batches and prints the table.
pub(crate) fn table(batch: usize) -> Outcome<()> {
    println!("Memory: the real binary, the emulator in another process, no quota\n");
    println!("| devices | workers | peak MB | without the manifest's bytes |");
    println!("| --- | --- | --- | --- |");
    let mut peaks = Vec::new();
    for (devices, workers) in [(batch, "64"), (batch * 10, "64"), (batch * 10, "512")] {
        let Some((peak, manifest)) = peak(devices, workers)? else {
            println!("| {devices} | {workers} | – | – |");
            continue;
        };
        let beside = peak.saturating_sub(manifest);
        println!(
            "| {devices} | {workers} | {:.1} | {:.1} |",
            mega(peak),
            mega(beside)
        );
        peaks.push(format::count(beside));
    }
    if let [small, large, _] = peaks.as_slice() {
        let growth = (large - small) / format::count(9 * batch as u64);
        println!("\nfrom the first to the second batch: {growth:.0} bytes a device");
    }
    Ok(())
}

/// The peak memory of a run and the size of its manifest, in bytes; `None` if the system does not report it.
fn peak(devices: usize, workers: &str) -> Outcome<Option<(u64, u64)>> {
    let folder = tempfile::tempdir()?;
    let manifest = folder.path().join("devices.csv");
    write_manifest(&manifest, devices)?;
    let mut emulator = Ended(
        Command::new(env!("CARGO_BIN_EXE_kvs-fleet"))
            .args(["emulator", "--listen", "127.0.0.1:0"])
            .args(NO_QUOTA)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?,
    );
    let mut url = String::new();
    let output = emulator
        .0
        .stdout
        .take()
        .ok_or("the emulator says nothing")?;
    BufReader::new(output).read_line(&mut url)?;
    let peak = run(&manifest, url.trim(), workers)?;
    let size = std::fs::metadata(&manifest)?.len();
    Ok(peak.map(|kib| (kib * 1024, size)))
}

/// Runs the tool and returns its peak memory in KiB.
fn run(manifest: &Path, url: &str, workers: &str) -> Outcome<Option<u64>> {
    let mut child = Ended(
        Command::new(env!("CARGO_BIN_EXE_kvs-fleet"))
            .arg("provision")
            .arg(manifest)
            .args(["--endpoint-url", url, "--workers", workers])
            .args(["--region", "eu-central-1", "--rate", "1000000", "--quiet"])
            .args(["--no-reconcile", "--channel-quota", "10000000"])
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null())
            .spawn()?,
    );
    let status = Path::new("/proc")
        .join(child.0.id().to_string())
        .join("status");
    let mut peak = None;
    loop {
        if let Ok(text) = std::fs::read_to_string(&status) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            peak = peak.max(line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()));
        }
        if let Some(status) = child.0.try_wait()? {
            return if status.success() {
                Ok(peak)
            } else {
                Err(format!("kvs-fleet ended with {status}").into())
            };
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A process that is killed when this is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn write_manifest(path: &Path, devices: usize) -> Outcome<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "device_id,line")?;
    for number in 0..devices {
        writeln!(file, "{},line-{}", name(number), number % 7)?;
    }
    Ok(file.flush()?)
}

fn mega(bytes: u64) -> f64 {
    format::count(bytes) / 1e6
}
