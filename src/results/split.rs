//! Cuts bytes into records with `csv-core`, and tells what it does not: whether the last record is complete, which is what
//! repair depends on.
//!
//! A record ends with LF or CRLF. Knows nothing of files and of what fields mean.

use std::ops::Range;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};

use super::record::COLUMNS;
use super::shape::RowShape;

/// The fields of one record, borrowed. Fields after the last column count only where one of them is not empty: a
/// spreadsheet program may save empty ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    /// The fields' content, one directly after the other.
    bytes: &'a [u8],
    /// Where in `bytes` each field ends.
    ends: &'a [usize],
    shape: RowShape,
}

impl<'a> Fields<'a> {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        let width = self.shape.width();
        let is_surplus_empty = self.ends.get(width - 1) == self.ends.last();
        if self.has_surplus() && is_surplus_empty {
            width
        } else {
            self.ends.len()
        }
    }

    /// The same fields, taken for those of a file of this shape.
    pub(crate) fn in_shape(self, shape: RowShape) -> Self {
        Self { shape, ..self }
    }

    /// The columns that are expected.
    pub(crate) fn shape(&self) -> RowShape {
        self.shape
    }

    /// Whether there are fields after the last column.
    pub(crate) fn has_surplus(&self) -> bool {
        self.ends.len() > self.shape.width()
    }

    /// Whether all of them are empty.
    pub(crate) fn is_blank(&self) -> bool {
        self.bytes.is_empty()
    }

    /// All of them as one text, which [`Self::range`] takes apart; none where a field is not UTF-8.
    pub(crate) fn text(&self) -> Option<&'a str> {
        let text = std::str::from_utf8(self.bytes).ok()?;
        let are_whole = self.ends.iter().all(|end| text.is_char_boundary(*end));
        are_whole.then_some(text)
    }

    /// Where a field is in [`Self::text`].
    pub(crate) fn range(&self, index: usize) -> Range<usize> {
        let end = |index: usize| self.ends.get(index).copied().unwrap_or_default();
        index.checked_sub(1).map_or(0, end)..end(index)
    }

    /// The fields of the columns.
    pub(crate) fn columns(&self) -> Option<impl Iterator<Item = &'a str> + use<'a>> {
        let (fields, text) = (*self, self.text()?);
        let count = self.count().min(self.shape.width());
        Some((0..count).map(move |index| text.get(fields.range(index)).unwrap_or_default()))
    }
}

/// How the search for a record's end went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Split {
    /// A record of so many bytes, its line end included.
    Record { length: usize },
    /// A NUL byte came first.
    Nul,
    /// No end in these bytes.
    Unfinished { in_quotes: bool },
}

/// Takes one record off the front of some bytes.
#[derive(Debug)]
pub(crate) struct Splitter {
    reader: Reader,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    length: usize,
    count: usize,
    line_ends: u64,
    has_carriage_return: bool,
    shape: RowShape,
}

impl Default for Splitter {
    fn default() -> Self {
        let terminator = Terminator::Any(b'\n');
        let mut splitter = Self {
            reader: ReaderBuilder::new().terminator(terminator).build(),
            bytes: vec![0; 1024],
            ends: vec![0; 2 * COLUMNS.len()],
            length: 0,
            count: 0,
            line_ends: 0,
            has_carriage_return: false,
            shape: RowShape::default(),
        };
        splitter.begin();
        splitter
    }
}

impl Splitter {
    /// A splitter for the rows of a file of this shape.
    pub(crate) fn of(shape: RowShape) -> Self {
        Self {
            shape,
            ..Self::default()
        }
    }

    /// Takes what follows for rows of this shape.
    pub(crate) fn expect(&mut self, shape: RowShape) {
        self.shape = shape;
    }

    /// Begins with no bytes read. An empty line keeps the reader from taking a byte order mark off the first record.
    fn begin(&mut self) {
        self.reader.reset();
        self.reader
            .read_record(b"\n", &mut self.bytes, &mut self.ends);
    }

    /// Looks for the end of the record that the bytes start with.
    pub(crate) fn split(&mut self, bytes: &[u8]) -> Split {
        (self.length, self.count) = (0, 0);
        if bytes.first() == Some(&b'\n') {
            // The reader takes empty lines for a part of the record after them.
            (self.line_ends, self.has_carriage_return) = (1, false);
            return Split::Record { length: 1 };
        }
        let line = self.reader.line();
        let Some(length) = self.read(bytes) else {
            return self.unfinished(bytes);
        };
        let record = bytes.get(..length).unwrap_or_default();
        if memchr::memchr(0, record).is_some() {
            return Split::Nul;
        }
        self.line_ends = self.reader.line() - line;
        self.has_carriage_return = record.ends_with(b"\r\n");
        if self.has_carriage_return
            && let Some(last) = self.ends.get_mut(self.count - 1)
        {
            *last -= 1;
            self.length -= 1;
        }
        Split::Record { length }
    }

    /// Reads a record: how many bytes it takes, where it ends in these.
    fn read(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut read = 0;
        while let Some(rest) = bytes.get(read..).filter(|rest| !rest.is_empty()) {
            let (fields, ends) = (self.bytes.split_at_mut(self.length).1, &mut self.ends);
            let ends = ends.split_at_mut(self.count).1;
            let (result, taken, length, count) = self.reader.read_record(rest, fields, ends);
            read += taken;
            self.length += length;
            self.count += count;
            match result {
                ReadRecordResult::Record => return Some(read),
                ReadRecordResult::OutputFull => self.bytes.resize(2 * self.bytes.len(), 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                ReadRecordResult::InputEmpty | ReadRecordResult::End => return None,
            }
        }
        None
    }

    fn unfinished(&mut self, bytes: &[u8]) -> Split {
        if memchr::memchr(0, bytes).is_some() {
            self.begin();
            return Split::Nul;
        }
        // Only in quotes a line end does not end the record.
        let in_quotes = !bytes.is_empty() && self.read(b"\n").is_none();
        self.begin();
        Split::Unfinished { in_quotes }
    }

    /// The fields of the record that was split off last.
    pub(crate) fn fields(&self) -> Fields<'_> {
        Fields {
            bytes: self.bytes.get(..self.length).unwrap_or_default(),
            ends: self.ends.get(..self.count).unwrap_or_default(),
            shape: self.shape,
        }
    }

    /// Line ends in the record, those in quotes too.
    pub(crate) fn line_ends(&self) -> u64 {
        self.line_ends
    }

    /// Whether the record ended in CRLF.
    pub(crate) fn has_carriage_return(&self) -> bool {
        self.has_carriage_return
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields_of(splitter: &Splitter) -> Vec<String> {
        let fields = splitter.fields();
        let text = fields.text().unwrap();
        (0..fields.ends.len())
            .map(|index| text[fields.range(index)].to_owned())
            .collect()
    }

    fn split(bytes: &[u8]) -> (Split, Vec<String>) {
        let mut splitter = Splitter::default();
        let split = splitter.split(bytes);
        (split, fields_of(&splitter))
    }

    #[test]
    fn a_record_ends_with_its_line_end() {
        for (bytes, length, fields) in [
            ("a,b\nc", 4, &["a", "b"][..]),
            ("a,\"b\"\r\n", 7, &["a", "b"]),
            ("a,\"b\r\n\"\"c\"\n", 11, &["a", "b\r\n\"c"]),
            ("\u{feff}a\rb\n\n", 7, &["\u{feff}a\rb"]),
            ("\n\na\n", 1, &[]),
            ("\r\na\n", 2, &[""]),
            (",\n", 2, &["", ""]),
        ] {
            let fields = fields.iter().map(|field| (*field).to_owned()).collect();
            assert_eq!(
                split(bytes.as_bytes()),
                (Split::Record { length }, fields),
                "{bytes:?}"
            );
        }
        let long = "x".repeat(5_000);
        let record = [&*long; 40].join(",") + "\n";
        let (found, fields) = split(record.as_bytes());
        let length = record.len();
        assert_eq!((found, fields.len()), (Split::Record { length }, 40));
        assert!(fields.iter().all(|field| *field == long));
    }

    #[test]
    fn says_why_there_is_no_record() {
        let mut splitter = Splitter::default();
        for (bytes, found) in [
            (&b"a,b"[..], Split::Unfinished { in_quotes: false }),
            (b"a,\"b\n", Split::Unfinished { in_quotes: true }),
            (b"a,\"b\"", Split::Unfinished { in_quotes: false }),
            (b"a,\0b\n", Split::Nul),
            (b"a,\"\0b\"\n", Split::Nul),
            (b"a\0", Split::Nul),
            (b"", Split::Unfinished { in_quotes: false }),
            (b"\xEF\xBB\xBFa\n", Split::Record { length: 5 }),
        ] {
            assert_eq!(splitter.split(bytes), found, "{bytes:?}");
        }
        assert_eq!(fields_of(&splitter), ["\u{feff}a"]);
    }

    #[test]
    fn a_field_that_ends_within_a_character_is_no_text() {
        let mut splitter = Splitter::default();
        splitter.split(b"\xC3,\xA9\n");
        assert_eq!(splitter.fields().text(), None);
    }

    #[test]
    fn empty_fields_after_the_last_column_do_not_count() {
        let mut splitter = Splitter::default();
        splitter.split(b"1,2,3,4,5,6,7,8,9,10,11,12,,\n");
        assert_eq!(splitter.fields().count(), COLUMNS.len());
        assert_eq!(splitter.fields().columns().unwrap().last(), Some("12"));
        splitter.split(b"1,2,3,4,5,6,7,8,9,10,11,,13\n");
        assert_eq!(splitter.fields().count(), 13);
        let mut splitter = Splitter::of(RowShape::WithoutAccount);
        splitter.split(b"1,2,3,4,5,6,7,8,9,10,11,,\n");
        assert_eq!(splitter.fields().count(), 11);
        assert_eq!(splitter.fields().columns().unwrap().last(), Some("11"));
        splitter.split(b"1,2,3,4,5,6,7,8,9,10,11,12\n");
        assert_eq!(splitter.fields().count(), 12);
    }
}
