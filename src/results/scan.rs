//! Reads a file record by record, each with its offset, length and line.
//!
//! Memory stays at one buffer, whatever the file's size. Knows nothing of what fields mean.

use std::io;
use std::ops::Range;

use super::disk::DiskFile;
use super::shape::RowShape;
use super::split::{Fields, Split, Splitter};

/// Bytes that are read at once; also the longest record that is looked at.
const BUFFER_BYTES: usize = 1 << 20;

/// What comes next in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// A record, which [`Scanner::fields`] gives.
    Record { offset: u64, length: u32, line: u64 },
    /// A NUL byte in the record that starts here.
    Nul { offset: u64, line: u64 },
    /// A record that the file ends in, or one longer than the buffer.
    Unfinished {
        offset: u64,
        line: u64,
        in_quotes: bool,
    },
    /// Nothing.
    End,
}

/// Reads a file from front to back.
#[derive(Debug)]
pub(crate) struct Scanner<'f, F> {
    file: &'f F,
    buffer: Vec<u8>,
    /// The record found last, in the buffer.
    found: Range<usize>,
    filled: usize,
    /// Where in the file the buffer starts.
    buffer_offset: u64,
    line: u64,
    at_end: bool,
    splitter: Splitter,
}

impl<'f, F: DiskFile> Scanner<'f, F> {
    /// Starts at the offset, which is that of the first line.
    pub(crate) fn new(file: &'f F, offset: u64) -> Self {
        Self {
            file,
            buffer: vec![0; BUFFER_BYTES],
            found: 0..0,
            filled: 0,
            buffer_offset: offset,
            line: 1,
            at_end: false,
            splitter: Splitter::default(),
        }
    }

    /// Takes the records that follow for rows of this shape.
    pub(crate) fn expect(&mut self, shape: RowShape) {
        self.splitter.expect(shape);
    }

    /// Finds the next record.
    pub(crate) fn advance(&mut self) -> io::Result<Found> {
        self.found.start = self.found.end;
        loop {
            let ahead = self
                .buffer
                .get(self.found.start..self.filled)
                .unwrap_or_default();
            let offset = self.buffer_offset + self.found.start as u64;
            let line = self.line;
            if ahead.is_empty() && self.at_end {
                return Ok(Found::End);
            }
            match self.splitter.split(ahead) {
                Split::Record { length } => {
                    self.found.end = self.found.start + length;
                    self.line += self.splitter.line_ends();
                    let length = u32::try_from(length).unwrap_or(u32::MAX);
                    return Ok(Found::Record {
                        offset,
                        length,
                        line,
                    });
                }
                Split::Nul => return Ok(Found::Nul { offset, line }),
                Split::Unfinished { in_quotes } => {
                    if self.at_end || !self.refill()? {
                        return Ok(Found::Unfinished {
                            offset,
                            line,
                            in_quotes,
                        });
                    }
                }
            }
        }
    }

    /// Moves what is not read yet to the buffer's front and fills the rest; false when the buffer has no room left.
    fn refill(&mut self) -> io::Result<bool> {
        self.buffer.copy_within(self.found.start..self.filled, 0);
        self.buffer_offset += self.found.start as u64;
        self.filled -= self.found.start;
        self.found = 0..0;
        let from = self.buffer_offset + self.filled as u64;
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        if room.is_empty() {
            return Ok(false);
        }
        let read = self.file.read_at(from, room)?;
        self.filled += read;
        self.at_end = read == 0;
        Ok(true)
    }

    /// The fields of the record found last.
    pub(crate) fn fields(&self) -> Fields<'_> {
        self.splitter.fields()
    }

    /// Whether the record found last ended in CRLF.
    pub(crate) fn has_carriage_return(&self) -> bool {
        self.splitter.has_carriage_return()
    }

    /// Takes the unfinished record at the file's end as complete: [`Self::fields`] then gives it. False where a quote is open.
    pub(crate) fn complete(&mut self) -> bool {
        let mut line = self.rest().to_vec();
        line.push(b'\n');
        matches!(self.splitter.split(&line), Split::Record { .. })
    }

    /// What was read and not yet given as a record, after [`Found::Unfinished`] or [`Found::Nul`].
    pub(crate) fn rest(&self) -> &[u8] {
        self.buffer
            .get(self.found.start..self.filled)
            .unwrap_or_default()
    }
}
