//! Reads the files of a merge, and refuses what cannot be merged, with file and line.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::error::Error;
use crate::results::disk::RealDisk;
use crate::results::merge::{FileRows, MergeRow, MergeRows};
use crate::results::read::{Entry, read_results};
use crate::results::view::RecordView;

/// The rows of all files that were read.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) rows: MergeRows,
    files: Vec<ReadFile>,
    /// Who made the first channel, and the file that it is in.
    maker: Option<(Maker, PathBuf)>,
}

/// A file, and whether it has not even a header.
#[derive(Debug)]
struct ReadFile {
    path: PathBuf,
    is_empty: bool,
}

/// Reads one file.
#[derive(Debug)]
struct FileReader<'a> {
    path: &'a Path,
    rows: FileRows,
    is_empty: bool,
    /// Who made its first channel, and the line.
    maker: Option<(Maker, u64)>,
}

impl Reader {
    /// Reads these files, as many at once as there are processors. The first of them that cannot be merged is reported.
    pub(super) fn read(&mut self, paths: &[&Path]) -> Result<(), Error> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut read = Vec::new();
            loop {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(path) = paths.get(place) else {
                    return read;
                };
                read.push((place, FileReader::read(path)));
            }
        };
        let mut read = thread::scope(|scope| {
            let others: Vec<_> = (1..threads(paths.len()))
                .map(|_| scope.spawn(work))
                .collect();
            let mut read = work();
            for other in others {
                match other.join() {
                    Ok(more) => read.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            read
        });
        read.sort_by_key(|(place, _)| *place);
        read.into_iter().try_for_each(|(_, file)| self.take(file?))
    }

    /// The file and the line that a row comes from.
    pub(super) fn origin(&self, file: u32, row: &MergeRow<'_>) -> String {
        let file = self.files.get(file as usize);
        let file = file.map_or_else(String::new, |file| file.path.display().to_string());
        format!("{file}, line {}", row.line_number())
    }

    /// Whether a file has not even a header.
    pub(super) fn is_empty(&self, file: usize) -> bool {
        self.files.get(file).is_some_and(|file| file.is_empty)
    }

    fn take(&mut self, file: FileReader<'_>) -> Result<(), Error> {
        if let Some((maker, line)) = file.maker {
            let (known, first) = self
                .maker
                .get_or_insert_with(|| (maker, file.path.to_owned()));
            if *known != maker {
                return Err(with_emulator((file.path, line, maker), first));
            }
        }
        self.files.push(ReadFile {
            path: file.path.to_owned(),
            is_empty: file.is_empty,
        });
        self.rows.add(file.rows);
        Ok(())
    }
}

/// How many files are read at once.
pub(super) fn threads(files: usize) -> usize {
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    processors.min(files)
}

impl<'a> FileReader<'a> {
    /// Reads a file. One that a killed run has left with an incomplete row is refused: only its own run knows what to do.
    fn read(path: &'a Path) -> Result<Self, Error> {
        let length = path.metadata().map_or(0, |file| file.len());
        let mut reader = Self {
            path,
            rows: FileRows::with_capacity(usize::try_from(length).unwrap_or_default()),
            is_empty: false,
            maker: None,
        };
        let reading = read_results(&RealDisk, path, |entry| reader.visit(&entry))?;
        reader.is_empty = reading.is_new();
        let Some(torn) = reading.torn else {
            return Ok(reader);
        };
        Err(Error::refused(
            "results",
            format!(
                "{}, line {}: {torn}; repeat the command of the run that wrote it, which repairs the file, then merge",
                path.display(),
                torn.line
            ),
        ))
    }

    fn visit(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        if !entry.record.channel_arn().is_empty() {
            let maker = Maker::of(&entry.record);
            match self.maker {
                None => self.maker = Some((maker, entry.line)),
                Some((known, _)) if known != maker => {
                    return Err(with_emulator((self.path, entry.line, maker), self.path));
                }
                Some(_) => {}
            }
        }
        self.rows.push(&entry.record, entry.line);
        Ok(())
    }
}

/// Who made a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Maker {
    Aws,
    Emulator,
}

impl Maker {
    fn of(row: &RecordView<'_>) -> Self {
        if row.is_emulated() {
            Self::Emulator
        } else {
            Self::Aws
        }
    }
}

/// The refusal of the emulator's results among others.
fn with_emulator((path, line, maker): (&Path, u64, Maker), before: &Path) -> Error {
    let (here, there) = match maker {
        Maker::Emulator => ("the emulator", "AWS"),
        Maker::Aws => ("AWS", "the emulator"),
    };
    let message = format!(
        "{}, line {line}: {here} made this channel, and {there} those before, in {}; no camera can use the emulator's channels: \
         merge them apart",
        path.display(),
        before.display(),
    );
    Error::refused("wrong-account", message)
}
