//! The grammar: bytes → one record's cells. Knows nothing of headers, encodings or where the bytes come from.
//!
//! RFC 4180 with any delimiter, and LF, CRLF or a lone CR as line end. A quote opens a cell only as its first
//! character; elsewhere it is text. Written out here rather than left to the `csv` crate, because that crate accepts
//! in silence the two mistakes by which devices get lost: a quote that is never closed, and text behind a closing
//! quote. For everything sound the tests hold the two against each other.

/// What [`Record::scan`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scan {
    /// The bytes end before the record does: call again with the same bytes and more behind them.
    More,
    /// The record is complete and takes so many bytes, its line end's first byte included.
    Done(usize),
    /// The input ends inside a quoted cell.
    Unclosed,
}

/// Where a cell's text stands.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    form: Form,
}

/// How a cell's text stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// In the record, as it is.
    Verbatim,
    /// In the record, with its quotes doubled.
    Doubled,
    /// In [`Record::unescaped`].
    Unescaped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a cell's first byte.
    Start,
    /// In a cell without quotes.
    Plain,
    /// Between a cell's quotes.
    Quoted,
    /// Behind a quote inside a quoted cell: it closes the cell, or is the first of two.
    Closed,
    /// In text behind a closing quote.
    Stray,
}

/// One record's cells: reused from record to record, so that only the longest costs memory.
#[derive(Debug)]
pub(super) struct Record {
    delimiter: u8,
    spans: Vec<Span>,
    state: State,
    scanned: usize,
    start: usize,
    doubled: bool,
    quoted: bool,
    stray: bool,
    /// The text of cells with doubled quotes; their spans point in here.
    unescaped: String,
}

impl Record {
    pub(super) fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            spans: Vec::new(),
            state: State::Start,
            scanned: 0,
            start: 0,
            doubled: false,
            quoted: false,
            stray: false,
            unescaped: String::new(),
        }
    }

    /// Forgets the record, and is ready for the next.
    pub(super) fn clear(&mut self) {
        self.spans.clear();
        self.state = State::Start;
        self.scanned = 0;
        self.start = 0;
        self.doubled = false;
        self.quoted = false;
        self.stray = false;
    }

    /// Finds the cells of the record that `bytes` begin with. After [`Scan::More`] it goes on where it stopped.
    /// `last` says that nothing comes behind these bytes.
    pub(super) fn scan(&mut self, bytes: &[u8], last: bool) -> Scan {
        loop {
            let Some(&byte) = bytes.get(self.scanned) else {
                return if last { self.finish() } else { Scan::More };
            };
            match self.state {
                State::Start if byte == b'"' => {
                    self.scanned += 1;
                    self.start = self.scanned;
                    self.quoted = true;
                    self.state = State::Quoted;
                }
                State::Start => {
                    self.start = self.scanned;
                    self.state = State::Plain;
                }
                State::Plain | State::Stray => {
                    if self.scan_plain(bytes) {
                        return Scan::Done(self.scanned);
                    }
                }
                State::Quoted => {
                    let rest = &bytes[self.scanned..];
                    match rest.iter().position(|&b| b == b'"') {
                        None => self.scanned = bytes.len(),
                        Some(length) => {
                            self.scanned += length + 1;
                            self.state = State::Closed;
                        }
                    }
                }
                State::Closed if byte == b'"' => {
                    self.scanned += 1;
                    self.doubled = true;
                    self.state = State::Quoted;
                }
                State::Closed if ends_cell(byte, self.delimiter) => {
                    self.push(self.scanned - 1);
                    if self.ends_record(byte) {
                        return Scan::Done(self.scanned);
                    }
                }
                State::Closed => {
                    self.stray = true;
                    self.state = State::Stray;
                }
            }
        }
    }

    /// Reads on through cells without quotes, which most bytes are; whether the record has ended.
    fn scan_plain(&mut self, bytes: &[u8]) -> bool {
        let delimiter = self.delimiter;
        let rest = bytes.get(self.scanned..).unwrap_or_default();
        for (place, &byte) in (self.scanned..).zip(rest) {
            if !ends_cell(byte, delimiter) {
                continue;
            }
            self.push(place);
            self.start = place + 1;
            if byte != delimiter || bytes.get(place + 1) == Some(&b'"') {
                self.scanned = place + 1;
                self.state = State::Start;
                return byte != delimiter;
            }
            self.state = State::Plain;
        }
        self.scanned = bytes.len();
        if self.start == self.scanned {
            self.state = State::Start;
        }
        false
    }

    /// Steps over the byte that ended a cell; whether it ended the record too.
    fn ends_record(&mut self, byte: u8) -> bool {
        self.scanned += 1;
        self.state = State::Start;
        byte != self.delimiter
    }

    fn push(&mut self, end: usize) {
        let form = if self.doubled {
            Form::Doubled
        } else {
            Form::Verbatim
        };
        self.spans.push(Span {
            start: self.start,
            end,
            form,
        });
        self.doubled = false;
    }

    /// The input ends here, without a line end.
    fn finish(&mut self) -> Scan {
        match self.state {
            State::Quoted => return Scan::Unclosed,
            State::Closed => self.push(self.scanned - 1),
            State::Plain | State::Stray => self.push(self.scanned),
            State::Start => {
                self.start = self.scanned;
                self.push(self.scanned);
            }
        }
        Scan::Done(self.scanned)
    }

    /// How many bytes were looked at so far.
    pub(super) fn scanned(&self) -> usize {
        self.scanned
    }

    /// How many cells it has.
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether a cell is quoted, and so perhaps holds line ends.
    pub(super) fn is_quoted(&self) -> bool {
        self.quoted
    }

    /// Whether text stands behind a closing quote.
    pub(super) fn has_stray_text(&self) -> bool {
        self.stray
    }

    /// Whether there is nothing in any cell but blanks. `bytes` are the record that was scanned.
    pub(super) fn is_blank(&self, bytes: &[u8]) -> bool {
        let cell = |span: &Span| bytes.get(span.start..span.end).unwrap_or_default();
        self.spans
            .iter()
            .all(|span| cell(span).trim_ascii().is_empty())
    }

    /// Writes the text of cells with doubled quotes out, which [`Record::cells`] needs once before. `text` is the
    /// record that was scanned.
    pub(super) fn unescape(&mut self, text: &str) {
        self.unescaped.clear();
        if !self.quoted {
            return;
        }
        for span in &mut self.spans {
            if span.form == Form::Doubled {
                let doubled = text.get(span.start..span.end).unwrap_or_default();
                span.start = self.unescaped.len();
                for part in doubled.split_inclusive("\"\"") {
                    match part.strip_suffix("\"\"") {
                        Some(before) => {
                            self.unescaped.push_str(before);
                            self.unescaped.push('"');
                        }
                        None => self.unescaped.push_str(part),
                    }
                }
                span.end = self.unescaped.len();
                span.form = Form::Unescaped;
            }
        }
    }

    /// The record's cells. `text` is the record that was scanned.
    pub(super) fn cells<'a>(&'a self, text: &'a str) -> Cells<'a> {
        Cells { text, record: self }
    }
}

fn ends_cell(byte: u8, delimiter: u8) -> bool {
    byte == delimiter || byte == b'\n' || byte == b'\r'
}

/// The cells of one record, verbatim.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cells<'a> {
    text: &'a str,
    record: &'a Record,
}

impl<'a> Cells<'a> {
    pub(super) fn len(&self) -> usize {
        self.record.spans.len()
    }

    /// A cell's text; empty where the record is too short to have it.
    #[inline]
    pub(super) fn get(&self, index: usize) -> &'a str {
        let Some(span) = self.record.spans.get(index) else {
            return "";
        };
        let text = match span.form {
            Form::Unescaped => &self.record.unescaped,
            Form::Verbatim | Form::Doubled => self.text,
        };
        // Both ends stand at ASCII bytes or at the text's ends, so this never misses.
        text.get(span.start..span.end).unwrap_or_default()
    }

    pub(super) fn iter(self) -> impl ExactSizeIterator<Item = &'a str> {
        (0..self.len()).map(move |index| self.get(index))
    }
}

/// How many line ends the bytes hold: LF, CRLF and a lone CR are one each.
pub(super) fn line_ends(bytes: &[u8]) -> u64 {
    let mut count = 0;
    let mut after_return = false;
    for &byte in bytes {
        count += u64::from(byte == b'\r' || (byte == b'\n' && !after_return));
        after_return = byte == b'\r';
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All records of a text, blank lines left out, or the record at which a quote is not closed.
    fn records(text: &str) -> Result<Vec<Vec<String>>, usize> {
        read(text).map(|(records, _)| records)
    }

    /// The same, and whether text stands behind a closing quote anywhere.
    fn read(text: &str) -> Result<(Vec<Vec<String>>, bool), usize> {
        let mut record = Record::new(b',');
        let mut all = Vec::new();
        let mut stray = false;
        let mut rest = text.trim_start_matches(['\r', '\n']);
        while !rest.is_empty() {
            record.clear();
            match record.scan(rest.as_bytes(), true) {
                Scan::Done(length) => {
                    let (this, next) = rest.split_at(length);
                    record.unescape(this);
                    all.push(record.cells(this).iter().map(str::to_owned).collect());
                    stray |= record.has_stray_text();
                    rest = next.trim_start_matches(['\r', '\n']);
                }
                Scan::Unclosed => return Err(all.len()),
                Scan::More => panic!("more asked for at the end"),
            }
        }
        Ok((all, stray))
    }

    fn one(text: &str) -> Vec<String> {
        let mut all = records(text).unwrap();
        assert_eq!(all.len(), 1, "{text:?}");
        all.remove(0)
    }

    #[test]
    fn cells_and_quotes() {
        assert_eq!(one("a,b"), ["a", "b"]);
        assert_eq!(one("a,"), ["a", ""]);
        assert_eq!(one(",a\n"), ["", "a"]);
        assert_eq!(one("\"a,b\",c"), ["a,b", "c"]);
        assert_eq!(one("\"a\nb\r\nc\rd\",e\r\n"), ["a\nb\r\nc\rd", "e"]);
        assert_eq!(one("\"say \"\"x\"\"\",\"\"\"\""), ["say \"x\"", "\""]);
        assert_eq!(one("5\" lens, \"x\""), ["5\" lens", " \"x\""]);
        assert_eq!(one("\"\",\"é\"\"ü\",ß"), ["", "é\"ü", "ß"]);
    }

    #[test]
    fn line_ends_of_all_kinds_end_a_record() {
        let expected = vec![vec!["a".to_owned()], vec!["b".to_owned()]];
        for text in ["a\nb", "a\r\nb\r\n", "a\rb\r", "a\n\n\r\nb"] {
            assert_eq!(records(text).unwrap(), expected, "{text:?}");
        }
        assert_eq!(line_ends(b"a\nb\r\nc\rd\r\r\n"), 5);
        assert_eq!(line_ends(b""), 0);
    }

    #[test]
    fn a_quote_that_is_not_closed_is_found() {
        assert_eq!(records("a\nb,\"c\nd\ne"), Err(1));
        assert_eq!(records("\""), Err(0));
        assert_eq!(records("\"a\"\""), Err(0));
    }

    #[test]
    fn text_behind_a_closing_quote_is_found() {
        let mut record = Record::new(b',');
        assert_eq!(record.scan(b"\"a\"b,c\n", true), Scan::Done(7));
        assert!(record.has_stray_text());
        record.clear();
        assert_eq!(record.scan(b"\"a\",c\n", true), Scan::Done(6));
        assert!(!record.has_stray_text());
    }

    /// A random text of the characters that matter.
    fn random_text(random: &mut fastrand::Rng, alphabet: &[char]) -> String {
        let length = random.usize(..24);
        (0..length)
            .map(|_| alphabet[random.usize(..alphabet.len())])
            .collect()
    }

    #[test]
    fn whatever_is_sound_reads_as_the_csv_crate_reads_it() {
        let mut sound = 0;
        for seed in 0..20_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let text = random_text(&mut random, &['a', 'é', ',', ',', '"', '"', '\n', '\r']);
            let Ok((ours, false)) = read(&text) else {
                continue;
            };
            sound += 1;
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(text.as_bytes());
            let theirs: Vec<Vec<String>> = reader
                .records()
                .map(|record| record.unwrap().iter().map(str::to_owned).collect())
                .collect();
            assert_eq!(ours, theirs, "seed {seed}: {text:?}");
        }
        assert!(sound > 5_000, "only {sound} texts were sound");
    }

    #[test]
    fn a_record_that_comes_byte_by_byte_reads_the_same() {
        for seed in 0..5_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let text = random_text(&mut random, &['a', 'é', ',', '"', '"', '\n', '\r']);
            let mut whole = Record::new(b',');
            let expected = whole.scan(text.as_bytes(), true);
            let mut parts = Record::new(b',');
            let mut seen = Scan::More;
            for end in 0..=text.len() {
                seen = parts.scan(&text.as_bytes()[..end], end == text.len());
                if seen != Scan::More {
                    break;
                }
            }
            assert_eq!(seen, expected, "seed {seed}: {text:?}");
            if let Scan::Done(length) = expected {
                let text = &text[..length];
                whole.unescape(text);
                parts.unescape(text);
                let expected: Vec<_> = whole.cells(text).iter().map(str::to_owned).collect();
                let cells: Vec<_> = parts.cells(text).iter().map(str::to_owned).collect();
                assert_eq!(cells, expected, "seed {seed}: {text:?}");
            }
        }
    }
}
