//! Cuts bytes into records, and records into fields.
//!
//! The `csv` crate reads the same language (the tests hold the two against each other), but it does not tell whether
//! the last record was complete, which is what repair turns on. Knows nothing of files and of what fields mean.

use std::ops::Range;
use std::str::Utf8Error;

use super::record::COLUMNS;

/// The fields of one record, borrowed. Fields behind the last column count only where one of them holds something: a
/// spreadsheet program may save empty ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    /// The fields' content with one byte between them.
    bytes: &'a [u8],
    layout: &'a Layout,
}

/// Where in [`Fields::bytes`] each field ends.
#[derive(Debug, Default)]
struct Layout {
    ends: [usize; COLUMNS.len()],
    count: usize,
}

impl Layout {
    fn push(&mut self, end: usize) {
        if let Some(slot) = self.ends.get_mut(self.count) {
            *slot = end;
        }
        self.count += 1;
    }
}

impl<'a> Fields<'a> {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        let known = self.layout.ends.last().copied().unwrap_or_default();
        let surplus = self.bytes.get(known..).unwrap_or_default();
        if self.layout.count > COLUMNS.len() && surplus.iter().all(|&byte| byte == b',') {
            COLUMNS.len()
        } else {
            self.layout.count
        }
    }

    /// Whether there are empty fields behind the last column.
    pub(crate) fn has_surplus(&self) -> bool {
        self.layout.count > COLUMNS.len()
    }

    /// Whether nothing stands in any of them.
    pub(crate) fn is_blank(&self) -> bool {
        self.bytes.first().is_none_or(|&byte| byte == b',')
            && self.bytes.iter().all(|&byte| byte == b',')
    }

    /// Where one of the first eleven is in [`Self::text`].
    pub(crate) fn range(&self, index: usize) -> Range<usize> {
        let ends = &self.layout.ends;
        let before = index.checked_sub(1).and_then(|before| ends.get(before));
        let end = ends.get(index).copied().unwrap_or_default();
        before.map_or(0, |end| end + 1)..end
    }

    /// All of them as one text, which [`Self::range`] takes apart.
    pub(crate) fn text(&self) -> Result<&'a str, Utf8Error> {
        std::str::from_utf8(self.bytes)
    }

    /// Where each of the first eleven is in [`Self::text`].
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let mut start = 0;
        self.layout
            .ends
            .iter()
            .take(self.layout.count)
            .map(move |&end| {
                let range = start..end;
                start = end + 1;
                range
            })
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
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    layout: Layout,
    unquoted: Vec<u8>,
    is_unquoted: bool,
    content_end: usize,
    has_carriage_return: bool,
    line_ends: u64,
}

impl Splitter {
    /// Looks for the end of the record that the bytes start with.
    pub(crate) fn split(&mut self, bytes: &[u8]) -> Split {
        self.layout.count = 0;
        self.is_unquoted = false;
        self.line_ends = 1;
        let (chunks, rest) = bytes.as_chunks();
        for (number, chunk) in chunks.iter().enumerate() {
            let mut low = low_places(chunk);
            while low != 0 {
                let at = number * CHUNK + low.trailing_zeros() as usize;
                if let Some(split) = self.pass(bytes, at) {
                    return split;
                }
                low &= low - 1;
            }
        }
        (bytes.len() - rest.len()..bytes.len())
            .find_map(|at| self.pass(bytes, at))
            .unwrap_or(Split::Unfinished { in_quotes: false })
    }

    /// Passes the byte at this place; says how, where it ends the search.
    #[inline]
    fn pass(&mut self, bytes: &[u8], at: usize) -> Option<Split> {
        match bytes.get(at)? {
            b',' => {
                self.layout.push(at);
                None
            }
            _ => self.end(bytes, at),
        }
    }

    /// Where the byte at this place ends the search: how.
    fn end(&mut self, bytes: &[u8], at: usize) -> Option<Split> {
        match bytes.get(at)? {
            b'\n' => {
                let before = at.checked_sub(1).and_then(|before| bytes.get(before));
                self.has_carriage_return = before == Some(&b'\r');
                self.content_end = at - usize::from(self.has_carriage_return);
                self.layout.push(self.content_end);
                Some(Split::Record { length: at + 1 })
            }
            b'"' => Some(self.split_quoted(bytes)),
            0 => Some(Split::Nul),
            _ => None,
        }
    }

    /// The same for a record that has a quote somewhere: its fields are copied without their quotes.
    fn split_quoted(&mut self, bytes: &[u8]) -> Split {
        self.layout.count = 0;
        self.is_unquoted = true;
        self.unquoted.clear();
        let mut in_quotes = false;
        let mut field_start = true;
        let mut before = None;
        let mut rest = bytes.iter().copied().enumerate().peekable();
        while let Some((at, byte)) = rest.next() {
            let starts_field = std::mem::take(&mut field_start);
            match byte {
                0 => return Split::Nul,
                b'"' if in_quotes => {
                    if rest.next_if(|&(_, next)| next == b'"').is_some() {
                        self.unquoted.push(b'"');
                    } else {
                        in_quotes = false;
                    }
                }
                b'"' if starts_field => in_quotes = true,
                b',' if !in_quotes => {
                    self.layout.push(self.unquoted.len());
                    self.unquoted.push(b',');
                    field_start = true;
                }
                b'\n' if !in_quotes => {
                    self.has_carriage_return = before == Some(b'\r');
                    if self.has_carriage_return {
                        self.unquoted.pop();
                    }
                    self.layout.push(self.unquoted.len());
                    return Split::Record { length: at + 1 };
                }
                byte => {
                    self.line_ends += u64::from(byte == b'\n');
                    self.unquoted.push(byte);
                }
            }
            before = Some(byte);
        }
        Split::Unfinished { in_quotes }
    }

    /// The fields of the record that was split off these bytes last.
    pub(crate) fn fields<'a>(&'a self, bytes: &'a [u8]) -> Fields<'a> {
        let content = if self.is_unquoted {
            &self.unquoted
        } else {
            bytes.get(..self.content_end).unwrap_or_default()
        };
        Fields {
            bytes: content,
            layout: &self.layout,
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

/// Bytes that are looked at together.
const CHUNK: usize = 64;

/// A bit for each byte, the first one lowest: whether it is not above the comma, as all are that mean something. A hyphen
/// behind such a byte may have its bit, too. Without branches, which would be guessed wrongly at most fields.
fn low_places(chunk: &[u8; CHUNK]) -> u64 {
    const LOW: u64 = u64::from_le_bytes([b',' + 1; 8]);
    const HIGH_BITS: u64 = u64::from_le_bytes([0x80; 8]);
    /// Moves the lowest bit of each byte into the highest byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (words, _) = chunk.as_chunks();
    words.iter().rev().fold(0, |places, word| {
        let word = u64::from_le_bytes(*word);
        let low = word.wrapping_sub(LOW) & !word & HIGH_BITS;
        (places << 8) | ((low >> 7).wrapping_mul(GATHER) >> 56)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields_of(splitter: &Splitter, bytes: &[u8]) -> Vec<String> {
        let fields = splitter.fields(bytes);
        let text = fields.text().unwrap();
        fields
            .ranges()
            .map(|range| text[range].to_owned())
            .collect()
    }

    /// Records of up to eleven fields from an alphabet that is hard on readers.
    fn random_file(random: &mut fastrand::Rng) -> Vec<u8> {
        const ALPHABET: [&str; 9] = ["a", "\"", "\"\"", ",", "\n", "\r\n", " ", "é", "-"];
        let mut bytes = Vec::new();
        for _ in 0..random.usize(1..60) {
            bytes.extend_from_slice(ALPHABET[random.usize(..ALPHABET.len())].as_bytes());
        }
        if random.bool() {
            bytes.push(b'\n');
        }
        bytes
    }

    #[test]
    fn cuts_as_the_csv_crate_does() {
        let mut compared = 0;
        for seed in 0..20_000 {
            let bytes = random_file(&mut fastrand::Rng::with_seed(seed));
            let mut ours = Vec::new();
            let mut rest = bytes.as_slice();
            let mut splitter = Splitter::default();
            while let Split::Record { length } = splitter.split(rest) {
                let record = fields_of(&splitter, &rest[..length]);
                if splitter.layout.count <= COLUMNS.len() && !splitter.fields(rest).bytes.is_empty()
                {
                    ours.push(record);
                }
                rest = &rest[length..];
            }
            let whole = &bytes[..bytes.len() - rest.len()];
            let theirs: Vec<Vec<String>> = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(whole)
                .into_records()
                .map(|record| record.unwrap())
                .filter(|record| record.len() <= COLUMNS.len() && record.as_slice() != "")
                .map(|record| record.iter().map(str::to_owned).collect())
                .collect();
            let ours: Vec<Vec<String>> = ours.into_iter().filter(|r| r.concat() != "").collect();
            compared += ours.len();
            assert_eq!(
                ours,
                theirs,
                "seed {seed}: {:?}",
                String::from_utf8_lossy(&bytes)
            );
        }
        assert!(compared > 10_000);
    }

    #[test]
    fn says_why_there_is_no_record() {
        let mut splitter = Splitter::default();
        assert_eq!(
            splitter.split(b"a,b"),
            Split::Unfinished { in_quotes: false }
        );
        assert_eq!(
            splitter.split(b"a,\"b\n"),
            Split::Unfinished { in_quotes: true }
        );
        assert_eq!(
            splitter.split(b"a,\"b\""),
            Split::Unfinished { in_quotes: false }
        );
        assert_eq!(splitter.split(b"a,\0b\n"), Split::Nul);
        assert_eq!(splitter.split(b"a,\"\0b\"\n"), Split::Nul);
        assert_eq!(splitter.split(b""), Split::Unfinished { in_quotes: false });
    }

    #[test]
    fn empty_fields_behind_the_last_column_do_not_count() {
        let mut splitter = Splitter::default();
        let row = b"1,2,3,4,5,6,7,8,9,10,11,,\n";
        splitter.split(row);
        assert_eq!(splitter.fields(row).count(), COLUMNS.len());
        assert_eq!(fields_of(&splitter, row).last().unwrap(), "11");
        let row = b"1,2,3,4,5,6,7,8,9,10,11,,13\n";
        splitter.split(row);
        assert_eq!(splitter.fields(row).count(), 13);
    }
}
