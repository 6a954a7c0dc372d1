//! The rows of a manifest, one after the other, each with its line.

use std::io::Read;
use std::sync::Arc;

use csv::StringRecord;

use super::error::{Damage, Flaw, ManifestError, RowError};
use super::head::Head;
use super::layout::{Header, Layout};
use super::options::Options;
use super::records::Records;
use super::titles;
use super::valid_row::{self, Scratch, ValidRow};

/// A manifest's rows. Blank lines, and lines of nothing but delimiters and blanks, are none.
#[derive(Debug)]
pub struct Rows<R> {
    records: Records<Head<R>>,
    layout: Arc<Layout>,
    scratch: Scratch,
    empty: bool,
}

/// One row.
#[derive(Debug)]
pub struct Row<'a> {
    /// The line it begins on, from 1.
    pub line: u64,
    /// The device's ID, trimmed; empty where the row has none.
    pub device_id: &'a str,
    /// Its cells, by column, as they are; a short row has fewer than the header.
    pub cells: &'a StringRecord,
    /// What the row asks for, or why it is invalid.
    pub checked: Result<ValidRow<'a>, RowError>,
}

impl<R: Read> Rows<R> {
    /// Reads the header.
    pub(super) fn begin(reader: R, file: &str, options: &Options) -> Result<Self, ManifestError> {
        options.validate()?;
        let mut head = Head::begin(reader, file)?;
        let delimiter = head.delimiter(file, options)?;
        let later = titles::later_header(head.so_far(), delimiter, options);
        let mut records = Records::new(head, file, delimiter);
        if !records.advance()? {
            return Err(records.damaged(Damage::Empty));
        }
        let header = records.record();
        let header = Header {
            file: file.into(),
            line: header.line,
            delimiter,
            columns: header.cells.iter().map(|name| name.trim().into()).collect(),
            later,
        };
        let layout = Arc::new(Layout::new(header, options)?);
        Ok(Self::new(records, layout))
    }

    /// Begins again with a manifest whose header is known.
    pub(super) fn again(reader: R, file: &str, layout: Arc<Layout>) -> Self {
        let mut records = Records::new(Head::known(reader), file, layout.delimiter);
        // The header, which was checked when it was read first.
        let _ = records.advance();
        Self::new(records, layout)
    }

    fn new(records: Records<Head<R>>, layout: Arc<Layout>) -> Self {
        Self {
            records,
            layout,
            scratch: Scratch::default(),
            empty: true,
        }
    }

    /// The next row; none at the manifest's end.
    ///
    /// An error ends the rows: do not go on after it, since what follows cannot be trusted.
    #[expect(clippy::should_implement_trait, reason = "an iterator that lends")]
    pub fn next(&mut self) -> Result<Option<Row<'_>>, ManifestError> {
        if !self.records.advance()? {
            if self.empty {
                return Err(self.records.damaged(Damage::NoRow));
            }
            return Ok(None);
        }
        self.empty = false;
        let record = self.records.record();
        let device_id = match record.stray {
            // As it is written, so that it is not taken for another device's ID.
            Some((cell, text)) if cell == self.layout.id => text.trim(),
            _ => valid_row::device_id(&self.layout, record.cells),
        };
        let checked = match record.stray {
            Some(_) => Err(RowError::stray_text()),
            None => {
                match valid_row::resolve(&self.layout, record.cells, device_id, &mut self.scratch) {
                    Ok(valid) => Ok(valid),
                    Err(Flaw::Row(error)) => Err(error),
                    Err(Flaw::Account(reason)) => {
                        return Err(self.records.damaged_by(0, Damage::Account(reason)));
                    }
                }
            }
        };
        Ok(Some(Row {
            line: record.line,
            device_id,
            cells: record.cells,
            checked,
        }))
    }

    /// How the rows are laid out.
    #[must_use]
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Whether what was read ends in a line without its end.
    #[must_use]
    pub fn lacks_line_end(&self) -> bool {
        self.records.lacks_line_end()
    }
}
