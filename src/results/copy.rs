//! Copies rows from the journal to the finished file, many at a time where they stand behind one another.
//!
//! Each row is checked on its way, since the copy is to replace the journal. Knows nothing of names and renames.

use std::path::Path;

use super::disk::{Disk, DiskFile, read_exact_at};
use super::finish_error::FinishError;
use super::journal::JournalParts;
use super::record::{HEADER, Place, Row, encode, encode_fields};
use super::split::{Split, Splitter};
use super::view::RecordView;

/// Bytes that are read and written at once.
const CHUNK_BYTES: usize = 1 << 20;

/// A finished file in the making.
pub(super) struct Copy<'a, D: Disk> {
    journal: &'a JournalParts<D>,
    temporary: &'a Path,
    to: D::File,
    /// Bytes that are in the temporary file.
    written: u64,
    /// Bytes that are to be written next.
    chunk: Vec<u8>,
    /// Rows to be copied next.
    span: Option<Span>,
    /// Bytes of the journal.
    source: Vec<u8>,
    splitter: Splitter,
}

/// Rows that stand behind one another in the journal.
#[derive(Clone, Copy)]
struct Span {
    offset: u64,
    end: u64,
    rows: u64,
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
            span: None,
            source: Vec::new(),
            splitter: Splitter::default(),
        }
    }

    /// Copies what is already as it should be, behind the header.
    pub(super) fn agreed(&mut self, end: u64) -> Result<(), FinishError> {
        let mut offset = HEADER.len() as u64;
        while offset < end {
            let next = end.min(offset + CHUNK_BYTES as u64);
            self.read(offset, next)?;
            let (copied, _) = self.copy_rows()?;
            if copied == 0 {
                return Err(self.journal.changed());
            }
            self.write_full_chunk()?;
            offset += copied as u64;
        }
        Ok(())
    }

    /// Copies a row of the journal.
    pub(super) fn keep(&mut self, place: Place) -> Result<(), FinishError> {
        if let Some(span) = &mut self.span
            && span.end == place.offset
            && span.end - span.offset < CHUNK_BYTES as u64
        {
            span.end = place.end();
            span.rows += 1;
            return Ok(());
        }
        self.flush_span()?;
        self.span = Some(Span {
            offset: place.offset,
            end: place.end(),
            rows: 1,
        });
        self.write_full_chunk()
    }

    /// Writes a row that the journal does not hold.
    pub(super) fn add(&mut self, row: &Row) -> Result<(), FinishError> {
        self.flush_span()?;
        encode(row, &mut self.chunk);
        self.write_full_chunk()
    }

    /// Writes what is left, and syncs.
    pub(super) fn complete(mut self) -> Result<(), FinishError> {
        self.flush_span()?;
        self.write_chunk()?;
        let synced = self.to.sync();
        synced.map_err(|source| self.journal.error(self.temporary, "synced", source))
    }

    /// Copies the rows that were gathered.
    fn flush_span(&mut self) -> Result<(), FinishError> {
        let Some(span) = self.span.take() else {
            return Ok(());
        };
        // With the line end before it: the place must still be where a row starts.
        self.read(span.offset.saturating_sub(1), span.end)?;
        if self.source.first() != Some(&b'\n') {
            return Err(self.journal.changed());
        }
        self.source.remove(0);
        if self.source.last() != Some(&b'\n') {
            self.source.push(b'\n');
        }
        if self.copy_rows()? == (self.source.len(), span.rows) {
            Ok(())
        } else {
            Err(self.journal.changed())
        }
    }

    /// Copies the rows that `source` starts with: how many bytes and rows. That they are still rows is checked, since
    /// the file may have been rewritten in place by another program, and the copy is to replace it.
    fn copy_rows(&mut self) -> Result<(usize, u64), FinishError> {
        let (mut copied, mut rows) = (0, 0);
        while let Some(rest) = self.source.get(copied..)
            && let Split::Record { length } = self.splitter.split(rest)
        {
            let row = rest.get(..length).unwrap_or_default();
            let fields = self.splitter.fields(row);
            match (RecordView::check(fields), fields.text()) {
                (Ok(Some(_)), Ok(_)) if self.journal.is_canonical => {
                    self.chunk.extend_from_slice(row);
                }
                (Ok(Some(_)), Ok(text)) => encode_fields(
                    fields.ranges().filter_map(|range| text.get(range)),
                    &mut self.chunk,
                ),
                _ => return Err(self.journal.changed()),
            }
            copied += length;
            rows += 1;
        }
        Ok((copied, rows))
    }

    /// Reads this part of the journal into `source`.
    fn read(&mut self, start: u64, end: u64) -> Result<(), FinishError> {
        let journal = self.journal;
        let Some(file) = journal.file.as_ref().filter(|_| end <= journal.end) else {
            return Err(journal.changed());
        };
        let length = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
        self.source.clear();
        self.source.resize(length, 0);
        read_exact_at(file, start, &mut self.source)
            .map_err(|source| journal.error(&journal.path, "read", source))
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
