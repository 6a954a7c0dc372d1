//! From bytes to records with their places and lines, and the damage that ends all reading. The grammar is the `csv`
//! crate's: RFC 4180 with any delimiter, and LF, CRLF or a lone CR as line end; a quote opens a cell only as its first
//! character.

use std::io::{self, Read};
use std::str;

use csv::{ErrorKind, ReaderBuilder, StringRecord};

use super::LONGEST_ROW;
use super::encoding;
use super::error::{Damage, ManifestError};
use super::quotes::{self, QuoteFlaw, Stray};
use super::record_buffer::{RecordBuffer, line_ends};

/// A cell's text; empty where the record is too short to have it.
#[inline]
pub(super) fn cell(cells: &StringRecord, index: usize) -> &str {
    cells.get(index).unwrap_or_default()
}

/// As [`str::trim`]; quicker where there is nothing to trim, which is nearly always.
#[inline]
pub(super) fn trim(text: &str) -> &str {
    match text.as_bytes() {
        [] => text,
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

/// How the `csv` crate is to read manifests.
pub(super) fn grammar(delimiter: u8) -> ReaderBuilder {
    let mut grammar = ReaderBuilder::new();
    grammar
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true);
    grammar
}

/// The records of a manifest, one at a time. Empty lines, and lines of nothing but delimiters and blanks, are none.
#[derive(Debug)]
pub(super) struct Records<R> {
    reader: csv::Reader<RecordBuffer<R>>,
    file: Box<str>,
    delimiter: u8,
    cells: StringRecord,
    /// Of the record that was read last: whether there is a quote in it.
    is_quoted: bool,
    stray: Option<Stray>,
}

/// A record.
#[derive(Debug)]
pub(super) struct Record<'a> {
    /// The line it begins on, from 1.
    pub(super) line: u64,
    pub(super) cells: &'a StringRecord,
    /// The first cell with text after its closing quote: its index, and what follows the opening quote.
    pub(super) stray: Option<(usize, &'a str)>,
}

impl<R: Read> Records<R> {
    pub(super) fn new(reader: R, file: &str, delimiter: u8) -> Self {
        Self {
            reader: grammar(delimiter).from_reader(RecordBuffer::new(reader)),
            file: file.into(),
            delimiter,
            cells: StringRecord::new(),
            is_quoted: false,
            stray: None,
        }
    }

    /// Reads the next record; false at the end. An error ends the records.
    pub(super) fn advance(&mut self) -> Result<bool, ManifestError> {
        loop {
            let end = self.reader.position().byte();
            self.reader.get_mut().step_to(end, self.is_quoted);
            let read = self.reader.read_record(&mut self.cells);
            self.reader.get_mut().step_to_record();
            match read {
                Ok(true) => self.check()?,
                Ok(false) => return Ok(false),
                Err(error) => return Err(self.failed(error)),
            }
            let is_blank = |cell: &str| cell.trim_ascii().is_empty();
            if !self.cells.iter().all(is_blank) {
                return Ok(true);
            }
        }
    }

    /// The record that was read last.
    pub(super) fn record(&self) -> Record<'_> {
        let stray = self.stray.as_ref().map(|stray| {
            let bytes = self.bytes().get(stray.bytes.clone()).unwrap_or_default();
            (stray.cell, str::from_utf8(bytes).unwrap_or_default())
        });
        Record {
            line: self.reader.get_ref().line(),
            cells: &self.cells,
            stray,
        }
    }

    /// The bytes of the record that was read last, with the first of its line end.
    fn bytes(&self) -> &[u8] {
        self.reader.get_ref().record(self.reader.position().byte())
    }

    fn check(&mut self) -> Result<(), ManifestError> {
        let bytes = self.bytes();
        if bytes.len() > LONGEST_ROW {
            return Err(self.damaged_by(0, Damage::LongRow));
        }
        let is_quoted = bytes.contains(&b'"');
        // The cells are UTF-8, and without quotes the record is nothing but cells.
        if is_quoted || bytes.contains(&0) {
            encoding::check(bytes).map_err(|(lines, damage)| self.damaged_by(lines, damage))?;
        }
        self.is_quoted = is_quoted;
        self.stray = None;
        if is_quoted {
            return self.check_quotes();
        }
        Ok(())
    }

    fn check_quotes(&mut self) -> Result<(), ManifestError> {
        match quotes::flaw(self.bytes(), self.delimiter) {
            None => Ok(()),
            Some(QuoteFlaw::Unclosed) => Err(self.damaged_by(0, Damage::UnclosedQuote)),
            Some(QuoteFlaw::Stray(stray)) => {
                let lines = line_ends(self.bytes().trim_ascii_end()) + 1;
                if lines > 1 {
                    return Err(self.damaged_by(0, Damage::StrayQuote { lines }));
                }
                self.stray = Some(stray);
                Ok(())
            }
        }
    }

    fn failed(&self, error: csv::Error) -> ManifestError {
        match error.into_kind() {
            ErrorKind::Io(_) if self.bytes().len() > LONGEST_ROW => {
                self.damaged_by(0, Damage::LongRow)
            }
            ErrorKind::Io(error) => self.damaged(Damage::Io(error)),
            // Cells are UTF-8 where the record is.
            other => match encoding::check(self.bytes()) {
                Err((lines, damage)) => self.damaged_by(lines, damage),
                Ok(()) => self.damaged(Damage::Io(io::Error::other(format!("{other:?}")))),
            },
        }
    }

    /// Whether what was read ends in a line without its end.
    pub(super) fn lacks_line_end(&self) -> bool {
        self.reader.get_ref().lacks_line_end()
    }

    pub(super) fn damaged(&self, damage: Damage) -> ManifestError {
        ManifestError::file(&self.file, damage)
    }

    /// Damage so many lines after the record's first.
    pub(super) fn damaged_by(&self, lines: u64, damage: Damage) -> ManifestError {
        ManifestError::line(&self.file, self.reader.get_ref().line() + lines, damage)
    }
}
