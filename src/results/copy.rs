//! Copies rows from the journal to the finished file. Each is checked, since the copy replaces the journal.

use std::path::Path;

use super::disk::{Disk, DiskFile, read_exact_at};
use super::finish_error::FinishError;
use super::journal::JournalParts;
use super::record::{HEADER, Place, Row, encode, encode_fields};
use super::split::{Split, Splitter};
use super::view::RecordView;

/// Bytes that are written at once, and read at once where rows follow each other.
const CHUNK_BYTES: usize = 1 << 20;

/// A finished file in the making.
pub(super) struct Copy<'a, D: Disk> {
    journal: &'a JournalParts<D>,
    temporary: &'a Path,
    to: D::File,
    /// Bytes that are in the temporary file.
    written: u64,
    /// Bytes to be written next.
    chunk: Vec<u8>,
    /// A part of the journal, and where it begins.
    window: Vec<u8>,
    window_offset: u64,
    /// Where the row copied last ends in the journal.
    last_end: u64,
    row: Vec<u8>,
    splitter: Splitter,
}

impl<'a, D: Disk> Copy<'a, D> {
    /// Starts the file with its header.
    pub(super) fn new(journal: &'a JournalParts<D>, temporary: &'a Path, to: D::File) -> Self {
        Self {
            journal,
            temporary,
            to,
            written: 0,
            chunk: HEADER.as_bytes().to_vec(),
            window: Vec::new(),
            window_offset: 0,
            last_end: 0,
            row: Vec::new(),
            splitter: Splitter::of(journal.shape),
        }
    }

    /// Copies a row of the journal. It is refused where it is no longer a row: another program may have rewritten the file
    /// in place.
    pub(super) fn keep(&mut self, place: Place) -> Result<(), FinishError> {
        self.read(place)?;
        let length = self.row.len();
        if self.splitter.split(&self.row) != (Split::Record { length }) {
            return Err(self.journal.changed());
        }
        match RecordView::check(self.splitter.fields()) {
            Ok(Some(_)) if self.journal.is_canonical => self.chunk.extend_from_slice(&self.row),
            Ok(Some(row)) => encode_fields(row.columns().into_iter(), &mut self.chunk),
            _ => return Err(self.journal.changed()),
        }
        self.write_full_chunk()
    }

    /// Writes a row that the journal does not hold.
    pub(super) fn add(&mut self, row: &Row) -> Result<(), FinishError> {
        encode(row, &mut self.chunk);
        self.write_full_chunk()
    }

    /// Writes what is left, and syncs.
    pub(super) fn complete(mut self) -> Result<(), FinishError> {
        self.write_chunk()?;
        let synced = self.to.sync();
        synced.map_err(|source| self.journal.error(self.temporary, "synced", source))
    }

    /// Reads a row, with its line end, into `row`. It must follow a line end.
    fn read(&mut self, place: Place) -> Result<(), FinishError> {
        let journal = self.journal;
        let (start, end) = (place.offset.saturating_sub(1), place.end());
        let Some(file) = journal.file.as_ref().filter(|_| end <= journal.end) else {
            return Err(journal.changed());
        };
        let window_end = self.window_offset + self.window.len() as u64;
        if start < self.window_offset || end > window_end {
            let ahead = if self.last_end == place.offset {
                CHUNK_BYTES as u64
            } else {
                0
            };
            let until = journal.end.min(start + ahead).max(end);
            self.window
                .resize(usize::try_from(until - start).unwrap_or(usize::MAX), 0);
            self.window_offset = start;
            read_exact_at(file, start, &mut self.window)
                .map_err(|source| journal.error(&journal.path, "read", source))?;
        }
        self.last_end = end;
        let in_window =
            |offset: u64| usize::try_from(offset - self.window_offset).unwrap_or(usize::MAX);
        let bytes = self
            .window
            .get(in_window(start)..in_window(end))
            .unwrap_or_default();
        let Some((b'\n', row)) = bytes.split_first() else {
            return Err(journal.changed());
        };
        self.row.clear();
        self.row.extend_from_slice(row);
        if !row.ends_with(b"\n") {
            self.row.push(b'\n');
        }
        Ok(())
    }

    fn write_full_chunk(&mut self) -> Result<(), FinishError> {
        if self.chunk.len() < CHUNK_BYTES {
            return Ok(());
        }
        self.write_chunk()
    }

    fn write_chunk(&mut self) -> Result<(), FinishError> {
        let written = self.to.write_at(self.written, &self.chunk);
        written.map_err(|source| self.journal.error(self.temporary, "written", source))?;
        self.written += self.chunk.len() as u64;
        self.chunk.clear();
        Ok(())
    }
}
