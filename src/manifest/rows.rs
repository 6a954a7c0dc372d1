//! The rows of a manifest, one after the other, each with its line and its place.

use std::io::Read;
use std::sync::Arc;

use super::ask::{self, Ask, Scratch};
use super::cells::Record;
use super::error::{Damage, ManifestError, RowError};
use super::input::{Body, Input, read_header};
use super::layout::Layout;
use super::options::Options;
use super::source::Hashed;

/// A manifest's rows. Blank lines, and lines of nothing but delimiters and blanks, are none.
#[derive(Debug)]
pub struct Rows<R> {
    input: Input<R>,
    layout: Arc<Layout>,
    record: Record,
    scratch: Scratch,
    empty: bool,
}

/// One row.
#[derive(Debug)]
pub struct Row<'a> {
    /// Where the row begins in the manifest, in bytes.
    pub at: u64,
    /// The line it begins on, from 1.
    pub line: u64,
    /// The device's ID, trimmed; empty where the row has none.
    pub device_id: &'a str,
    /// What the row asks for, or why it cannot be had.
    pub ask: Result<Ask<'a>, RowError>,
}

impl<R: Read> Rows<R> {
    /// Reads the header.
    pub(super) fn begin(reader: R, file: &str, options: &Options) -> Result<Self, ManifestError> {
        options.validate()?;
        let mut input = Input::begin(reader, file)?;
        let header = read_header(&mut input, options)?;
        let layout = Arc::new(Layout::new(header, options)?);
        Ok(Self::new(input, layout))
    }

    /// Begins behind a header that was read before.
    pub(super) fn of_body(text: R, file: &str, layout: Arc<Layout>, body: Body) -> Self {
        Self::new(Input::of_body(text, file, body), layout)
    }

    fn new(input: Input<R>, layout: Arc<Layout>) -> Self {
        Self {
            record: Record::new(layout.delimiter),
            input,
            layout,
            scratch: Scratch::default(),
            empty: true,
        }
    }

    /// Where the next row is looked for.
    pub(super) fn body(&self) -> Body {
        self.input.body()
    }

    /// The next row; none at the manifest's end.
    ///
    /// An error ends the rows: do not go on behind it, since what comes there cannot be trusted.
    #[expect(clippy::should_implement_trait, reason = "an iterator that lends")]
    pub fn next(&mut self) -> Result<Option<Row<'_>>, ManifestError> {
        let found = loop {
            let Some(found) = self.input.find(&mut self.record)? else {
                return self.end();
            };
            if !self.input.is_blank(&self.record, found) {
                break found;
            }
            self.input.step_over(&self.record, found);
        };
        self.empty = false;
        let text = self.input.take(&self.record, found)?;
        self.record.unescape(text);
        let cells = self.record.cells(text);
        let device_id = ask::device_id(&self.layout, cells);
        Ok(Some(Row {
            at: found.at,
            line: found.line,
            device_id,
            ask: ask::resolve(
                &self.layout,
                &self.record,
                cells,
                device_id,
                &mut self.scratch,
            ),
        }))
    }

    fn end(&self) -> Result<Option<Row<'_>>, ManifestError> {
        if self.empty {
            return Err(self.input.damaged(Damage::NoRow));
        }
        Ok(None)
    }

    /// How the rows are laid out.
    #[must_use]
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }
}

impl<R> Rows<Hashed<R>> {
    /// The SHA-256 of what was read so far, in hexadecimal: of the whole manifest once [`Rows::next`] gave none.
    #[must_use]
    pub fn sha256(&self) -> String {
        self.input.reader().sha256()
    }
}
