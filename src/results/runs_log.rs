//! The runs log beside the results: who ran what, with which settings, and what came of it. And the lock: whoever
//! holds this file's lock may write the results.
//!
//! One JSON object a line, told apart by `event`:
//!
//! | `event` | when | what |
//! | --- | --- | --- |
//! | `start` | before the first create | [`Start`]: version, arguments, account, caller, Regions, endpoint, settings |
//! | `asks` | at the end | [`Asks`]: TTL and tags that the finished devices were asked with, as digests |
//! | `end` | at the end | [`End`]: counts, requests, rates, duration, reason, exit code |
//!
//! The file is only ever appended to, never renamed: its lock would be worth nothing. It helps a rerun and the report;
//! the results file alone is enough to resume.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The longest line that is read, in bytes: longer ones are skipped. A million devices' digests take 16 MB.
const LONGEST_LINE: u64 = 256 << 20;

/// Why the runs log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunsLogError {
    /// Another process has it.
    #[error(
        "the results {} are being written by another process (it holds {}); wait until it has ended",
        .results.display(), .log.display()
    )]
    Locked {
        /// The results file.
        results: PathBuf,
        /// The runs log.
        log: PathBuf,
    },
    /// The disk refused.
    #[error("the runs log {} cannot be {doing}: {source}", .log.display())]
    Io {
        /// The runs log.
        log: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Line {
    /// A run started.
    Start(Box<Start>),
    /// What finished devices were asked with.
    Asks(Asks),
    /// A run ended.
    End(Box<End>),
}

/// A run that started.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Start {
    /// When, RFC 3339.
    pub at: String,
    /// This tool's version.
    pub version: String,
    /// The command line's arguments.
    pub arguments: Vec<String>,
    /// The manifest's path; `-` for standard input.
    pub manifest: String,
    /// The manifest's SHA-256; of a stream it stands in the `end` line.
    pub manifest_sha256: Option<String>,
    /// The account, where it is known.
    pub account: Option<String>,
    /// The caller's ARN, where it is known.
    pub caller: Option<String>,
    /// The Regions; of a stream those known so far.
    pub regions: Vec<String>,
    /// The endpoint, where it is not AWS's own.
    pub endpoint: Option<String>,
    /// Whether the emulator in the process answered.
    pub emulator: bool,
    /// What channels are asked with.
    pub settings: Settings,
    /// The ceiling for creates in requests a second; none for `--rate auto`.
    pub rate: Option<f64>,
    /// The most requests in flight.
    pub workers: usize,
}

/// What decides how channels are asked for. A rerun with other settings is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// `--id-column`.
    pub id_column: String,
    /// `--channel-name`.
    pub channel_name: String,
    /// `--message-ttl`.
    pub message_ttl: Option<u8>,
    /// `--tag`, sorted by key.
    pub tags: Vec<(String, String)>,
}

/// Devices by what became of them in a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatusCounts {
    /// Channels made.
    pub created: u64,
    /// Channels that were there.
    pub exists: u64,
    /// Devices without a channel.
    pub failed: u64,
    /// Wrong rows.
    pub invalid: u64,
    /// Devices that stay deleted.
    pub deleted: u64,
}

/// A run that ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct End {
    /// When, RFC 3339.
    pub at: String,
    /// Why, in one word.
    pub reason: String,
    /// The exit code.
    pub exit_code: u8,
    /// Why it ended early, in words.
    pub message: Option<String>,
    /// The account, where it is known by now.
    pub account: Option<String>,
    /// A stream's SHA-256.
    pub manifest_sha256: Option<String>,
    /// What became of the devices.
    pub counts: StatusCounts,
    /// Create requests sent.
    pub creates_sent: u64,
    /// Of these, throttled.
    pub creates_throttled: u64,
    /// Channels created a second, while channels were created.
    pub rate_achieved: f64,
    /// The highest grant measured in a Region, in requests a second.
    pub rate_granted: Option<f64>,
    /// How long the run took, in milliseconds.
    pub duration_ms: u64,
}

/// What finished devices were asked with: pairs of a hash of the device's ID and a digest of its TTL and tags, sixteen
/// hexadecimal digits a device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asks {
    digests: String,
}

impl Asks {
    /// Packs pairs.
    pub fn new(pairs: impl Iterator<Item = (u32, u32)>) -> Self {
        use std::fmt::Write as _;
        let mut digests = String::new();
        for (id, digest) in pairs {
            // Writing to a string cannot fail.
            let _ = write!(digests, "{id:08x}{digest:08x}");
        }
        Self { digests }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    fn pairs(&self) -> impl Iterator<Item = (u32, u32)> {
        let number = |digits: &[u8]| {
            let text = std::str::from_utf8(digits).ok()?;
            u32::from_str_radix(text, 16).ok()
        };
        self.digests
            .as_bytes()
            .chunks_exact(16)
            .filter_map(move |pair| Some((number(&pair[..8])?, number(&pair[8..])?)))
    }
}

/// The hash of a device's ID in [`Asks`]: the first four bytes of its SHA-256.
pub fn hash_id(device_id: &str) -> u32 {
    let digest: [u8; 32] = Sha256::digest(device_id).into();
    let [a, b, c, d, ..] = digest;
    u32::from_be_bytes([a, b, c, d])
}

/// The runs log, locked. Dropping it gives the lock back.
#[derive(Debug)]
pub struct RunsLog {
    path: PathBuf,
    file: File,
    last_start: Option<Start>,
    last_sha256: Option<String>,
}

impl RunsLog {
    /// Where the runs log of a results file is: `NAME.csv` → `NAME.runs.jsonl`.
    pub fn path_for(results: &Path) -> PathBuf {
        let is_csv = results
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        let mut name = if is_csv {
            results.file_stem().unwrap_or_default().to_owned()
        } else {
            results.file_name().unwrap_or_default().to_owned()
        };
        name.push(".runs.jsonl");
        results.with_file_name(name)
    }

    /// Opens the runs log of a results file, locks it at once or not at all, and reads what the last run was.
    pub fn lock(results: &Path) -> Result<Self, RunsLogError> {
        let path = Self::path_for(results);
        let failed = |doing, source| RunsLogError::Io {
            log: path.clone(),
            doing,
            source,
        };
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .map_err(|source| failed("opened", source))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(RunsLogError::Locked {
                    results: results.to_owned(),
                    log: path,
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed("locked", source)),
        }
        let mut log = Self {
            file,
            last_start: None,
            last_sha256: None,
            path: path.clone(),
        };
        log.read_last().map_err(|source| failed("read", source))?;
        Ok(log)
    }

    /// The last run that started; none where none did.
    pub fn last_start(&self) -> Option<&Start> {
        self.last_start.as_ref()
    }

    /// The SHA-256 of the last run's manifest, where it was read to its end.
    pub fn last_manifest_sha256(&self) -> Option<&str> {
        self.last_sha256.as_deref()
    }

    /// What devices were asked with when they got their channels: digests by the hash of their ID. The last word counts.
    pub fn asked(&self) -> io::Result<HashMap<u32, u32>> {
        let mut asked = HashMap::new();
        self.each_line(|line| {
            if let Line::Asks(asks) = line {
                asked.extend(asks.pairs());
            }
        })?;
        Ok(asked)
    }

    /// Adds a line and syncs it. A last line that was torn is ended first, and stays as it is.
    pub fn append(&mut self, line: &Line) -> Result<(), RunsLogError> {
        let written = serde_json::to_vec(line)
            .map_err(io::Error::from)
            .and_then(|line| self.write(line));
        written.map_err(|source| RunsLogError::Io {
            log: self.path.clone(),
            doing: "written",
            source,
        })
    }

    fn write(&mut self, mut line: Vec<u8>) -> io::Result<()> {
        line.push(b'\n');
        let length = self.file.seek(SeekFrom::End(0))?;
        if length > 0 {
            let mut last = [0];
            self.file.seek(SeekFrom::End(-1))?;
            self.file.read_exact(&mut last)?;
            if last != *b"\n" {
                line.insert(0, b'\n');
            }
        }
        self.file.write_all(&line)?;
        self.file.sync_data()
    }

    fn read_last(&mut self) -> io::Result<()> {
        let (mut start, mut sha256) = (None, None);
        self.each_line(|line| match line {
            Line::Start(line) => {
                sha256.clone_from(&line.manifest_sha256);
                start = Some(*line);
            }
            Line::End(line) => sha256 = line.manifest_sha256.or(sha256.take()),
            Line::Asks(_) => {}
        })?;
        (self.last_start, self.last_sha256) = (start, sha256);
        Ok(())
    }

    /// Shows each line that can be understood: a torn one, or one of a later version, is passed over.
    fn each_line(&self, mut visit: impl FnMut(Line)) -> io::Result<()> {
        let mut reader = BufReader::new(&self.file);
        reader.seek(SeekFrom::Start(0))?;
        let mut text = Vec::new();
        loop {
            text.clear();
            let read = reader
                .by_ref()
                .take(LONGEST_LINE)
                .read_until(b'\n', &mut text)?;
            if read == 0 {
                return Ok(());
            }
            if let Ok(line) = serde_json::from_slice(&text) {
                visit(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(channel_name: &str) -> Line {
        Line::Start(Box::new(Start {
            settings: Settings {
                channel_name: channel_name.to_owned(),
                ..Settings::default()
            },
            ..Start::default()
        }))
    }

    #[test]
    fn stands_beside_the_results() {
        for (results, log) in [
            ("a/devices.results.csv", "a/devices.results.runs.jsonl"),
            ("out.CSV", "out.runs.jsonl"),
            ("out", "out.runs.jsonl"),
            ("out.txt", "out.txt.runs.jsonl"),
        ] {
            assert_eq!(RunsLog::path_for(Path::new(results)), Path::new(log));
        }
    }

    #[test]
    fn one_writer_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let results = folder.path().join("r.csv");
        let first = RunsLog::lock(&results).unwrap();
        let error = RunsLog::lock(&results).unwrap_err().to_string();
        assert!(
            error.contains("being written by another process"),
            "{error}"
        );
        drop(first);
        RunsLog::lock(&results).unwrap();
    }

    #[test]
    fn the_last_start_counts_and_torn_lines_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let results = folder.path().join("r.csv");
        let mut log = RunsLog::lock(&results).unwrap();
        assert_eq!(log.last_start(), None);
        log.append(&start("a")).unwrap();
        log.append(&Line::End(Box::default())).unwrap();
        log.append(&start("b")).unwrap();
        drop(log);
        let path = RunsLog::path_for(&results);
        let mut text = std::fs::read(&path).unwrap();
        text.extend_from_slice(b"{\"event\":\"start\",\"sett");
        std::fs::write(&path, &text).unwrap();
        let mut log = RunsLog::lock(&results).unwrap();
        assert_eq!(log.last_start().unwrap().settings.channel_name, "b");
        log.append(&start("c")).unwrap();
        drop(log);
        let log = RunsLog::lock(&results).unwrap();
        assert_eq!(log.last_start().unwrap().settings.channel_name, "c");
    }

    #[test]
    fn asks_are_merged_and_the_last_counts() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = RunsLog::lock(&folder.path().join("r.csv")).unwrap();
        for pairs in [vec![(1, 10), (2, 20)], vec![], vec![(2, u32::MAX)]] {
            log.append(&Line::Asks(Asks::new(pairs.into_iter())))
                .unwrap();
        }
        let asked = log.asked().unwrap();
        assert_eq!(asked, HashMap::from([(1, 10), (2, u32::MAX)]));
    }
}
