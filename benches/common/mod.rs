//! What the benchmarks of whole files share: the rows, the plain pass that they are compared with, and the peak memory of
//! a run.

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

pub(crate) type Failure = Box<dyn Error>;

/// The rows that are asked for on the command line, by default a million.
pub(crate) fn rows_asked() -> u32 {
    let mut arguments = std::env::args().skip(1);
    let asked = arguments.find_map(|argument| argument.parse().ok());
    asked.unwrap_or(1_000_000)
}

/// The number in the device ID of this row.
pub(crate) fn device_number(row: u64, is_mixed: bool) -> u64 {
    if is_mixed {
        // A prime that does not divide the modulus: each number occurs once.
        row * 48_271_337 % 100_000_000
    } else {
        row
    }
}

/// Reads files as byte records and discards them.
pub(crate) fn pass_over<P: AsRef<Path>>(files: &[P]) -> Result<(), Failure> {
    let mut record = csv::ByteRecord::new();
    for file in files {
        let mut reader = csv::Reader::from_reader(File::open(file)?);
        while reader.read_byte_record(&mut record)? {}
    }
    Ok(())
}

/// Runs a command of the tool; returns its peak memory in KiB, if the system reports it.
pub(crate) fn peak_of(command: &mut Command) -> Result<Option<u64>, Failure> {
    let mut child = command.stdin(Stdio::null()).spawn()?;
    let status: PathBuf = ["/proc", &child.id().to_string(), "status"]
        .iter()
        .collect();
    let mut peak = None;
    loop {
        if let Ok(text) = std::fs::read_to_string(&status) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
            peak = peak.max(kib);
        }
        if let Some(ended) = child.try_wait()? {
            return if ended.success() {
                Ok(peak)
            } else {
                Err(format!("kvs-fleet ended with {ended}").into())
            };
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
