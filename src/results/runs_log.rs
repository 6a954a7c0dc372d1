//! The runs log beside the results file: the lock, and the audit trail of the runs.
//!
//! The process that holds its lock owns the results file. So the log is never renamed, and cut only after a failed write
//! or by a run that attempted nothing. A log that was created for a run that wrote no line is removed; a process that has
//! taken the lock therefore checks that the file still has its name. A log that is lost or damaged costs history, not
//! devices: the CSV alone is enough to resume. Lines that cannot be read are skipped.

mod earlier;

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Access, Disk, DiskFile};
use super::lock_file::open_and_lock;
use super::runs_line::RunsLine;
pub use earlier::EarlierRuns;

/// The longest line that is read; this tool writes none of a tenth of it.
const LONGEST_LINE: usize = 1 << 20;

/// Why there is no runs log, or no line in it.
#[derive(Debug, thiserror::Error)]
pub enum RunsLogError {
    /// Another process has the lock.
    #[error(
        "the results file {} is being written by another process; wait until that run has ended, or work \
         with another results file",
        .results.display()
    )]
    Held {
        /// The results file.
        results: PathBuf,
    },
    /// The disk refused.
    #[error("the runs log {} cannot be {doing}: {source}{}", .path.display(), advice(doing))]
    Io {
        /// The log.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

/// What to do where the log cannot even be opened: a folder that is read-only, or a share without locks.
fn advice(doing: &str) -> &'static str {
    if [OPENED, OPENED_AND_LOCKED, SYNCED].contains(&doing) {
        "; results need a folder in which files can be made and locked: use a results file in another folder \
         (provision: --results FILE)"
    } else {
        ""
    }
}

const OPENED: &str = "opened";
const OPENED_AND_LOCKED: &str = "opened and locked";
const SYNCED: &str = "synced";

/// Where the runs log of a results file is: `NAME.runs.jsonl` for `NAME.csv`.
#[must_use]
pub fn runs_log_path(results: &Path) -> PathBuf {
    let is_csv = results
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let stem = if is_csv {
        results.file_stem()
    } else {
        results.file_name()
    };
    let mut name = stem.unwrap_or_default().to_owned();
    name.push(".runs.jsonl");
    results.with_file_name(name)
}

/// The locked log. The lock is held until this is dropped.
#[derive(Debug)]
pub struct RunsLog<D: Disk> {
    disk: D,
    path: PathBuf,
    file: D::File,
    /// The next line goes here.
    end: u64,
    /// What was there when the log was locked.
    before: (u64, bool),
    lacks_line_end: bool,
    earlier: EarlierRuns,
    /// Whether this one created the file.
    is_new: bool,
}

impl<D: Disk> RunsLog<D> {
    /// Locks the results file by its log, which is created where it is missing, and reads the log. Fails at once when
    /// another process has the lock.
    pub fn lock(disk: &D, results: &Path) -> Result<Self, RunsLogError> {
        // Two names of one results file must lead to one lock.
        let resolved = disk.resolve(results);
        let path = runs_log_path(resolved.as_deref().unwrap_or(results));
        let failed = |doing| {
            let path = path.clone();
            move |source| RunsLogError::Io {
                path,
                doing,
                source,
            }
        };
        resolved.map_err(failed(OPENED))?;
        let locked = open_and_lock(disk, &path).map_err(failed(OPENED_AND_LOCKED))?;
        let Some((file, is_new)) = locked else {
            let results = results.into();
            return Err(RunsLogError::Held { results });
        };
        // From here on a new log that cannot be used is removed again.
        let mut log = Self {
            end: 0,
            before: (0, false),
            disk: disk.clone(),
            path: path.clone(),
            file,
            lacks_line_end: false,
            earlier: EarlierRuns::default(),
            is_new,
        };
        disk.sync_folder_of(&path).map_err(failed(SYNCED))?;
        let earlier = &mut log.earlier;
        let read = for_each_line(&log.file, |line| earlier.visit(line));
        log.lacks_line_end = read.map_err(failed("read"))?;
        log.end = log.file.length().map_err(failed("read"))?;
        log.before = (log.end, log.lacks_line_end);
        Ok(log)
    }

    /// The log's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The runs that had begun when the log was locked.
    pub fn earlier(&self) -> &EarlierRuns {
        &self.earlier
    }

    /// Shows each line of the log. On Windows no other handle can read it.
    pub(crate) fn read_lines(&self, visit: impl FnMut(&[u8])) -> Result<(), RunsLogError> {
        let read = for_each_line(&self.file, visit);
        read.map(drop).map_err(|source| self.error("read", source))
    }

    /// Appends lines and syncs them: when this returns they survive a crash. After an error none of them is there.
    pub fn append(
        &mut self,
        lines: impl IntoIterator<Item = RunsLine>,
    ) -> Result<(), RunsLogError> {
        let written = self.write(lines);
        written.map_err(|source| {
            // Best effort: a reader skips a torn line.
            let _unknown = self.file.set_length(self.end);
            self.error("written", source)
        })
    }

    /// Takes back what was appended since the log was locked: the run turned out to have had nothing to attempt.
    pub fn take_back(&mut self) -> Result<(), RunsLogError> {
        let (end, lacks_line_end) = self.before;
        let cut = self.file.set_length(end).and_then(|()| self.file.sync());
        cut.map_err(|source| self.error("cut back", source))?;
        (self.end, self.lacks_line_end) = (end, lacks_line_end);
        Ok(())
    }

    /// Replaces the whole log by these lines, of which it holds a part. It is not renamed, since it is the lock. The lines are
    /// first appended and synced, then written from the start: whatever fails, every earlier line is still there, and perhaps
    /// some twice.
    pub fn replace(&mut self, lines: &[Vec<u8>]) -> Result<(), RunsLogError> {
        let text: Vec<u8> = lines
            .iter()
            .flat_map(|line| [line, &b"\n"[..]])
            .flatten()
            .copied()
            .collect();
        let (before, length) = (self.end, text.len() as u64);
        // The copy is where the text from the start does not reach it. A line end is before it.
        let copy = if before == 0 {
            0
        } else {
            before.max(length) + 1
        };
        let mut appended = vec![b'\n'; usize::try_from(copy - before).unwrap_or_default()];
        appended.extend_from_slice(&text);
        let written = self
            .file
            .write_at(before, &appended)
            .and_then(|()| self.file.sync());
        written.map_err(|source| {
            let _longer = self.file.set_length(before);
            self.error("written", source)
        })?;
        (self.end, self.lacks_line_end) = (copy + length, false);
        if copy == 0 {
            return Ok(());
        }
        let mut replaced = self.file.write_at(0, &text);
        replaced = replaced
            .and_then(|()| self.file.sync())
            .and_then(|()| self.file.set_length(length))
            .and_then(|()| self.file.sync());
        replaced.map_err(|source| self.error("written", source))?;
        self.end = length;
        Ok(())
    }

    fn write(&mut self, lines: impl IntoIterator<Item = RunsLine>) -> io::Result<()> {
        let mut end = self.end;
        let mut text = Vec::new();
        if self.lacks_line_end {
            text.push(b'\n');
        }
        for line in lines {
            serde_json::to_writer(&mut text, &line)?;
            text.push(b'\n');
            self.file.write_at(end, &text)?;
            end += text.len() as u64;
            text.clear();
        }
        self.file.sync()?;
        self.lacks_line_end &= end == self.end;
        self.end = end;
        Ok(())
    }

    fn error(&self, doing: &'static str, source: io::Error) -> RunsLogError {
        let path = self.path.clone();
        RunsLogError::Io {
            path,
            doing,
            source,
        }
    }
}

impl<D: Disk> Drop for RunsLog<D> {
    /// A run that wrote no line leaves no log where there was none. The file is removed while it is locked. A process that
    /// opened it before and gets the lock afterwards finds no file of this name, or another one: the byte tells the two
    /// apart even where files are known by their length and age alone.
    fn drop(&mut self) {
        if self.is_new && self.end == 0 && self.file.write_at(0, b"\n").is_ok() {
            // An empty line in a log that could not be removed does no harm.
            let _kept = self.disk.remove(&self.path);
        }
    }
}

/// Reads the log of a results file for `report`, without the lock. False where there is no log.
pub fn read_runs<D: Disk>(
    disk: &D,
    results: &Path,
    mut visit: impl FnMut(RunsLine),
) -> Result<bool, RunsLogError> {
    read_lines(disk, results, |line| {
        if let Ok(line) = serde_json::from_slice(line) {
            visit(line);
        }
    })
}

/// Shows each line of a results file's log, without the lock. False where there is no log.
fn read_lines<D: Disk>(
    disk: &D,
    results: &Path,
    visit: impl FnMut(&[u8]),
) -> Result<bool, RunsLogError> {
    let resolved = disk.resolve(results);
    let path = runs_log_path(resolved.as_deref().unwrap_or(results));
    let read = disk.open(&path, Access::Read).and_then(|file| {
        let Some(file) = file else { return Ok(false) };
        for_each_line(&file, visit)?;
        Ok(true)
    });
    read.map_err(|source| RunsLogError::Io {
        path,
        doing: "read",
        source,
    })
}

/// Shows each complete line, without its line end; one longer than [`LONGEST_LINE`] is skipped. Whether the file ends in
/// an incomplete one.
pub(crate) fn for_each_line<F: DiskFile>(
    file: &F,
    mut visit: impl FnMut(&[u8]),
) -> io::Result<bool> {
    const CHUNK_BYTES: usize = 64 * 1024;
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut line = Vec::new();
    let mut offset = 0;
    let mut is_incomplete = false;
    loop {
        let read = file.read_at(offset, &mut chunk)?;
        if read == 0 {
            return Ok(is_incomplete);
        }
        offset += read as u64;
        let bytes = chunk.get(..read).unwrap_or_default();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            is_incomplete = !piece.ends_with(b"\n");
            if line.len() <= LONGEST_LINE {
                line.extend_from_slice(piece);
            }
            if !is_incomplete {
                if line.len() <= LONGEST_LINE {
                    visit(line.trim_ascii_end());
                }
                line.clear();
            }
        }
    }
}
