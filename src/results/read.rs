//! Reads a results file from front to back: the header, each row checked, and how the file ends.
//!
//! Changes nothing: it finds a torn tail and does not repair it. It knows rows, not what they mean for a run.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Access, Disk, DiskFile};
use super::header::{self, first_bytes, is_torn_header, shape_of, utf16};
use super::record::{HEADER, Place};
use super::scan::{Found, Scanner};
use super::shape::RowShape;
use super::split::{Split, Splitter};
use super::view::{Damage, RecordView, RegionCheck};

/// How much of a file's end a power loss or a kill can have spoilt: 64 KiB. The writer never leaves more than this
/// unsynced.
pub const TORN_TAIL_BYTES: u64 = 64 * 1024;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Why a results file cannot be read. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such file.
    #[error("the results file {} does not exist", .0.display())]
    Missing(PathBuf),
    /// The disk refused.
    #[error("the results file {} cannot be read: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Its first line is not the header.
    #[error("{} is not a results file of kvs-fleet: {problem}", .path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is there instead, and what to do.
        problem: String,
    },
    /// A row is damaged, and not as a power loss would have done it.
    #[error("{}, line {line}: {damage}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line that the row starts on, from 1.
        line: u64,
        /// What is wrong.
        damage: Damage,
    },
}

/// The end of a file that was being written when the power or the process went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TornTail {
    /// Where it begins: so many bytes are sound.
    pub keep: u64,
    /// Its length in bytes.
    pub lost_bytes: u64,
    /// The line that it begins on, from 1.
    pub line: u64,
}

impl fmt::Display for TornTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the file ends in an incomplete record at line {} ({} bytes), as a power loss or a kill leaves it",
            self.line, self.lost_bytes
        )
    }
}

/// A row, and where it is.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its place in the file.
    pub place: Place,
    /// The line that it starts on, from 1.
    pub line: u64,
    /// The row.
    pub record: RecordView<'a>,
}

/// What is known of a file that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Rows that are sound.
    pub rows: u64,
    /// What a power loss or a kill damaged at its end.
    pub torn: Option<TornTail>,
    /// Bytes that are sound: the torn tail begins here.
    pub(crate) end: u64,
    /// Bytes that there are.
    pub(crate) length: u64,
    /// Whether it is as this tool writes it: one header and rows, each with LF.
    pub(crate) is_canonical: bool,
    /// Whether the last sound row lacks a line end.
    pub(crate) lacks_line_end: bool,
    /// The columns that it has.
    pub(crate) shape: RowShape,
}

impl Reading {
    /// Whether there is no header yet: a new file.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.end == 0
    }

    /// A file that ends within its header, or is empty.
    pub(crate) fn headless(length: u64) -> Self {
        Self {
            rows: 0,
            torn: (length > 0).then_some(TornTail {
                keep: 0,
                lost_bytes: length,
                line: 1,
            }),
            end: 0,
            length,
            is_canonical: true,
            lacks_line_end: false,
            shape: RowShape::Current,
        }
    }
}

/// Reads a results file for `verify` and `report`: without the lock, and without write access. Each row is shown to
/// the visitor, the last row of a device counts.
pub fn read_results<D: Disk, E: From<ReadError>>(
    disk: &D,
    path: &Path,
    visit: impl FnMut(Entry<'_>) -> Result<(), E>,
) -> Result<Reading, E> {
    let file = match disk.open(path, Access::Read) {
        Ok(Some(file)) => file,
        Ok(None) => return Err(ReadError::Missing(path.into()).into()),
        Err(source) => return Err(io_error(path, source).into()),
    };
    read(&file, path, visit)
}

pub(crate) fn io_error(path: &Path, source: io::Error) -> ReadError {
    ReadError::Io {
        path: path.into(),
        source,
    }
}

/// Reads an open file and shows each row to the visitor.
pub(crate) fn read<F: DiskFile, E: From<ReadError>>(
    file: &F,
    path: &Path,
    mut visit: impl FnMut(Entry<'_>) -> Result<(), E>,
) -> Result<Reading, E> {
    let failed = |source| io_error(path, source);
    let length = file.length().map_err(failed)?;
    let first_bytes = first_bytes(file).map_err(failed)?;
    if is_torn_header(&first_bytes, length) {
        return Ok(Reading::headless(length));
    }
    let mut reader = Reader::start(file, path, &first_bytes, length)?;
    if reader.reading.lacks_line_end {
        // The header is all there is.
        return Ok(reader.reading);
    }
    loop {
        let found = reader.scanner.advance().map_err(failed)?;
        let Found::Record {
            offset,
            length,
            line,
        } = found
        else {
            reader.take_end(found, &mut visit)?;
            return Ok(reader.reading);
        };
        let damaged = |damage| ReadError::Damaged {
            path: path.into(),
            line,
            damage,
        };
        let fields = reader.scanner.fields();
        let record = RecordView::check(fields).map_err(damaged)?;
        let is_plain =
            record.is_some_and(|record| !record.lacks_account()) && !fields.has_surplus();
        if let Some(record) = record {
            reader.regions.check(&record).map_err(damaged)?;
            let place = Place { offset, length };
            visit(Entry {
                place,
                line,
                record,
            })?;
            reader.reading.rows += 1;
        }
        reader.take_line_end(is_plain, offset + u64::from(length));
    }
}

struct Reader<'f, F> {
    path: &'f Path,
    scanner: Scanner<'f, F>,
    regions: RegionCheck,
    reading: Reading,
    had_carriage_return: bool,
}

impl<'f, F: DiskFile> Reader<'f, F> {
    /// Reads the header.
    fn start(
        file: &'f F,
        path: &'f Path,
        first_bytes: &[u8],
        length: u64,
    ) -> Result<Self, ReadError> {
        let wrong = |problem: String| ReadError::Header {
            path: path.into(),
            problem,
        };
        if let Some(encoding) = utf16(first_bytes) {
            return Err(wrong(format!(
                "it is {encoding} text, as PowerShell's '>' and \"Unicode text\" exports write it; save it as \"CSV UTF-8\", \
                 or convert it in PowerShell with: Get-Content OLD.csv | Set-Content -Encoding utf8 NEW.csv"
            )));
        }
        let has_mark = first_bytes.starts_with(BYTE_ORDER_MARK);
        let start = if has_mark { BYTE_ORDER_MARK.len() } else { 0 };
        let mut scanner = Scanner::new(file, start as u64);
        let mut reading = Reading {
            is_canonical: first_bytes.starts_with(HEADER.as_bytes()),
            length,
            ..Reading::headless(0)
        };
        let shape = match scanner.advance().map_err(|error| io_error(path, error))? {
            Found::Record { length, .. } => {
                reading.end = start as u64 + u64::from(length);
                shape_of(scanner.fields())
            }
            Found::Unfinished { .. } => {
                reading.end = length;
                reading.lacks_line_end = true;
                let is_complete = scanner.complete();
                shape_of(scanner.fields()).filter(|_| is_complete)
            }
            Found::Nul { .. } | Found::End => None,
        };
        let Some(shape) = shape else {
            return Err(wrong(header::problem(
                first_bytes.get(start..).unwrap_or_default(),
            )));
        };
        reading.shape = shape;
        scanner.expect(shape);
        let had_carriage_return = !reading.lacks_line_end && scanner.has_carriage_return();
        Ok(Self {
            path,
            scanner,
            regions: RegionCheck::default(),
            reading,
            had_carriage_return,
        })
    }

    fn take_line_end(&mut self, is_plain: bool, end: u64) {
        self.had_carriage_return = self.scanner.has_carriage_return();
        self.reading.is_canonical &= is_plain && !self.had_carriage_return;
        self.reading.end = end;
    }

    /// Decides what the end of the file is: clean, torn, or damaged.
    fn take_end<E: From<ReadError>>(
        &mut self,
        found: Found,
        visit: &mut impl FnMut(Entry<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let (offset, line, damage) = match found {
            Found::Nul { offset, line } => (offset, line, Damage::Nul),
            Found::Unfinished {
                offset,
                line,
                in_quotes: true,
            } => (offset, line, Damage::UnclosedQuote),
            Found::Unfinished { offset, line, .. } => (offset, line, Damage::Endless),
            Found::End | Found::Record { .. } => return Ok(()),
        };
        let lost_bytes = self.reading.length.saturating_sub(offset);
        let is_torn = lost_bytes <= TORN_TAIL_BYTES
            && !(damage == Damage::UnclosedQuote
                && hides_a_row(self.scanner.rest(), self.reading.shape));
        if !is_torn {
            return Err(ReadError::Damaged {
                path: self.path.into(),
                line,
                damage,
            }
            .into());
        }
        if damage == Damage::Endless
            && self.had_carriage_return
            && let Some(record) = self.last_row()
        {
            let place = Place {
                offset,
                length: u32::try_from(lost_bytes).unwrap_or(u32::MAX),
            };
            visit(Entry {
                place,
                line,
                record,
            })?;
            self.reading.lacks_line_end = true;
            self.reading.is_canonical = false;
            self.reading.end = self.reading.length;
            self.reading.rows += 1;
            return Ok(());
        }
        self.reading.torn = Some(TornTail {
            keep: offset,
            lost_bytes,
            line,
        });
        Ok(())
    }

    /// The row that the file ends in without a line end, where it is sound. This tool ends its lines with LF: after rows that
    /// end with CRLF, such a row is complete, since a program has saved the whole file.
    fn last_row(&mut self) -> Option<RecordView<'_>> {
        if !self.scanner.complete() {
            return None;
        }
        let record = RecordView::check(self.scanner.fields()).ok().flatten()?;
        self.regions.check(&record).ok()?;
        Some(record)
    }
}

/// Whether a sound row follows the line that opens a quote: then the quote is damage in the middle of a file, since
/// nothing is ever written after a torn record.
fn hides_a_row(rest: &[u8], shape: RowShape) -> bool {
    let mut splitter = Splitter::of(shape);
    rest.split_inclusive(|&byte| byte == b'\n')
        .skip(1)
        .any(|line| {
            matches!(splitter.split(line), Split::Record { .. })
                && matches!(
                    RecordView::check(splitter.fields()),
                    Ok(Some(_)) | Err(Damage::SecondHeader)
                )
        })
}
