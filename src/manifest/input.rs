//! From bytes to records with their lines: finds each record in the source, and the damage that ends all reading.

use std::io::Read;

use super::LONGEST_ROW;
use super::cells::{Record, Scan, line_ends};
use super::encoding;
use super::error::{Damage, ManifestError};
use super::layout::Header;
use super::options::Options;
use super::source::{Source, Stop};

/// A manifest's bytes, and how far they were read.
#[derive(Debug)]
pub(super) struct Input<R> {
    source: Source<R>,
    file: Box<str>,
    /// The line that the next byte stands on, from 1.
    line: u64,
    /// The last byte was a CR, so that an LF now belongs to the same line end.
    after_return: bool,
}

/// Where the rows begin, behind the header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Body {
    at: u64,
    line: u64,
    after_return: bool,
}

/// Where a record stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// Bytes before it.
    pub(super) at: u64,
    /// The line it begins on, from 1.
    pub(super) line: u64,
    /// Its bytes, with the first of its line end.
    length: usize,
}

impl Body {
    /// The rows of the text that this was found in.
    pub(super) fn rest(self, text: &str) -> &[u8] {
        let bytes = text.as_bytes();
        let at = usize::try_from(self.at).unwrap_or(usize::MAX);
        bytes.get(at..).unwrap_or_default()
    }
}

impl<R: Read> Input<R> {
    /// Begins to read: looks at the encoding and steps over a byte order mark.
    pub(super) fn begin(reader: R, file: &str) -> Result<Self, ManifestError> {
        const ENOUGH: usize = 64;
        let mut input = Self {
            source: Source::new(reader, 0),
            file: file.into(),
            line: 1,
            after_return: false,
        };
        // A person at a terminal may take a while to write so much: one line is enough too.
        let source = &mut input.source;
        while source.pending().len() < ENOUGH && !source.pending().contains(&b'\n') {
            if source.has_ended() {
                break;
            }
            if let Err(error) = source.read() {
                return Err(input.damaged(Damage::Io(error)));
            }
        }
        if let Some(damage) = encoding::alien(source.pending()) {
            return Err(input.damaged(damage));
        }
        source.admit();
        if source.text().starts_with(encoding::BOM) {
            source.consume(encoding::BOM.len_utf8());
        }
        Ok(input)
    }

    /// Begins at the rows of a manifest whose header was read before.
    pub(super) fn of_body(reader: R, file: &str, body: Body) -> Self {
        Self {
            source: Source::new(reader, body.at),
            file: file.into(),
            line: body.line,
            after_return: body.after_return,
        }
    }

    /// Where the next byte stands.
    pub(super) fn body(&self) -> Body {
        Body {
            at: self.source.at(),
            line: self.line,
            after_return: self.after_return,
        }
    }

    /// Finds the next record and its cells, without stepping over it. None at the end.
    #[inline]
    pub(super) fn find(&mut self, record: &mut Record) -> Result<Option<Found>, ManifestError> {
        record.clear();
        if !self.skip_line_ends()? {
            return Ok(None);
        }
        loop {
            let scan = record.scan(self.source.text().as_bytes(), self.source.has_ended());
            if record.scanned() > LONGEST_ROW {
                return Err(self.damaged_at(self.line, Damage::LongRow));
            }
            match scan {
                Scan::More => self.fill()?,
                Scan::Unclosed => return Err(self.damaged_at(self.line, Damage::UnclosedQuote)),
                Scan::Done(length) => {
                    return Ok(Some(Found {
                        at: self.source.at(),
                        line: self.line,
                        length,
                    }));
                }
            }
        }
    }

    /// Steps over empty lines; false at the end.
    fn skip_line_ends(&mut self) -> Result<bool, ManifestError> {
        loop {
            let bytes = self.source.text().as_bytes();
            let count = bytes
                .iter()
                .take_while(|byte| matches!(byte, b'\n' | b'\r'))
                .count();
            let (line_ends, rest) = bytes.split_at(count);
            let is_there = !rest.is_empty();
            let mut line = self.line;
            let mut after_return = self.after_return;
            for &byte in line_ends {
                line += u64::from(byte == b'\r' || !after_return);
                after_return = byte == b'\r';
            }
            (self.line, self.after_return) = (line, after_return);
            self.source.consume(count);
            if is_there || self.source.has_ended() {
                return Ok(is_there);
            }
            self.fill()?;
        }
    }

    /// Steps over a record.
    #[inline]
    pub(super) fn step_over(&mut self, record: &Record, found: Found) {
        self.source.consume(found.length);
        let bytes = self.source.consumed(found.length).as_bytes();
        self.line += if record.is_quoted() {
            line_ends(bytes)
        } else {
            1
        };
        self.after_return = bytes.ends_with(b"\r");
    }

    /// Steps over a record and gives its text.
    #[inline]
    pub(super) fn take(&mut self, record: &Record, found: Found) -> Result<&str, ManifestError> {
        self.step_over(record, found);
        let text = self.source.consumed(found.length);
        if record.has_stray_text() {
            let lines = line_ends(text.trim_end().as_bytes()) + 1;
            if lines > 1 {
                return Err(self.damaged_at(found.line, Damage::StrayQuote { lines }));
            }
        }
        Ok(text)
    }

    fn fill(&mut self) -> Result<(), ManifestError> {
        match self.source.fill() {
            Ok(()) => Ok(()),
            Err(Stop::Io(error)) => Err(self.damaged(Damage::Io(error))),
            Err(Stop::Flaw(flaw)) => {
                let (lines, damage) = flaw.damage(self.source.text().as_bytes());
                Err(self.damaged_at(self.line + lines, damage))
            }
        }
    }
}

impl<R> Input<R> {
    /// Whether a record that was found has nothing but blanks in it.
    pub(super) fn is_blank(&self, record: &Record, found: Found) -> bool {
        record.is_blank(self.text_of(found).as_bytes())
    }

    /// The text of a record that was found and not stepped over.
    fn text_of(&self, found: Found) -> &str {
        self.source.text().get(..found.length).unwrap_or_default()
    }

    pub(super) fn damaged(&self, damage: Damage) -> ManifestError {
        ManifestError::file(&self.file, damage)
    }

    fn damaged_at(&self, line: u64, damage: Damage) -> ManifestError {
        ManifestError::line(&self.file, line, damage)
    }

    pub(super) fn reader(&self) -> &R {
        self.source.reader()
    }
}

/// The delimiters that are tried when none is given. Of equals the first is taken.
const DELIMITERS: [u8; 3] = *b",;\t";

/// Reads the header, and finds the delimiter: the one that yields the device column, else the one that parts the
/// header into most columns.
pub(super) fn read_header<R: Read>(
    input: &mut Input<R>,
    options: &Options,
) -> Result<Header, ManifestError> {
    let given = options.delimiter.map(|delimiter| [delimiter]);
    let delimiters = given.as_ref().map_or(&DELIMITERS[..], |one| one);
    let id_column = options.id_column.trim();
    'lines: loop {
        let mut best: Option<((bool, usize), u8)> = None;
        let mut damage = None;
        for &delimiter in delimiters {
            let mut record = Record::new(delimiter);
            match input.find(&mut record) {
                Ok(None) => return Err(input.damaged(Damage::Empty)),
                Ok(Some(found)) if input.is_blank(&record, found) => {
                    input.step_over(&record, found);
                    continue 'lines;
                }
                Ok(Some(found)) => {
                    let has_id = input.has_column(&mut record, found, id_column);
                    let score = (has_id, record.len());
                    if best.is_none_or(|(highest, _)| score > highest) {
                        best = Some((score, delimiter));
                    }
                }
                Err(error) => damage = damage.or(Some(error)),
            }
        }
        return match (best, damage) {
            (Some(((false, _), _)) | None, Some(damage)) => Err(damage),
            (Some((_, delimiter)), _) => input.header(delimiter),
            (None, None) => Err(input.damaged(Damage::Empty)),
        };
    }
}

impl<R: Read> Input<R> {
    /// Whether a record that was found has a cell of this text.
    fn has_column(&self, record: &mut Record, found: Found, name: &str) -> bool {
        let text = self.text_of(found);
        record.unescape(text);
        record.cells(text).iter().any(|cell| cell.trim() == name)
    }

    /// Takes the next record as the header.
    fn header(&mut self, delimiter: u8) -> Result<Header, ManifestError> {
        let mut record = Record::new(delimiter);
        let Some(found) = self.find(&mut record)? else {
            return Err(self.damaged(Damage::Empty));
        };
        let file = self.file.clone();
        let text = self.take(&record, found)?;
        record.unescape(text);
        let columns = record.cells(text).iter().map(|name| name.trim().into());
        Ok(Header {
            file,
            line: found.line,
            delimiter,
            columns: columns.collect(),
        })
    }
}
