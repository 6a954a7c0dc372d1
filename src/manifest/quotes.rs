//! Detects errors in quoting that the `csv` crate accepts silently and that would lose devices: a quote that is never
//! closed, and text after a closing quote. Pure: one record's bytes → its flaw.

use std::ops::Range;

/// What is wrong with a record's quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum QuoteFlaw {
    /// The record ends inside a quoted cell, which only the input's end makes it do.
    Unclosed,
    /// Text after a closing quote.
    Stray(Stray),
}

/// The first cell with text after its closing quote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stray {
    /// The cell's index.
    pub(super) cell: usize,
    /// Where the cell's bytes are in the record, after the opening quote.
    pub(super) bytes: Range<usize>,
}

#[derive(Clone, Copy)]
enum State {
    /// Before a cell's first byte.
    Start,
    /// In a cell without quotes, or after a quoted cell's first stray byte: here a quote is text.
    Plain,
    /// Between a cell's quotes.
    Quoted,
    /// After a quote inside a quoted cell: it closes the cell, or is the first of two.
    Closed,
}

/// The flaw of the quotes in one record, if it has any. `record` is what the `csv` crate took for one.
pub(super) fn flaw(record: &[u8], delimiter: u8) -> Option<QuoteFlaw> {
    let ends_cell = |byte: u8| byte == delimiter || byte == b'\n' || byte == b'\r';
    let mut state = State::Start;
    let mut cell = 0;
    let mut opened = 0;
    let mut stray = None;
    for (place, &byte) in record.iter().enumerate() {
        state = match state {
            State::Start if byte == b'"' => {
                opened = place + 1;
                State::Quoted
            }
            State::Quoted if byte == b'"' => State::Closed,
            State::Quoted => State::Quoted,
            State::Closed if byte == b'"' => State::Quoted,
            State::Start | State::Plain | State::Closed if ends_cell(byte) => {
                cell += 1;
                State::Start
            }
            State::Start | State::Plain => State::Plain,
            State::Closed => {
                let rest = record.iter().skip(place);
                let length = rest.take_while(|&&byte| !ends_cell(byte)).count();
                stray.get_or_insert(Stray {
                    cell,
                    bytes: opened..place + length,
                });
                State::Plain
            }
        };
    }
    match state {
        State::Quoted => Some(QuoteFlaw::Unclosed),
        _ => stray.map(QuoteFlaw::Stray),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_quotes() {
        for record in [
            "",
            "a,b\n",
            "\"\"",
            "\"a,b\",c\r",
            "a,\"x\ny\r\nz\"\n",
            "\"say \"\"x\"\"\",\"\"\"\"",
            "5\" lens, \"x\",y\"",
        ] {
            assert_eq!(flaw(record.as_bytes(), b','), None, "{record:?}");
        }
    }

    #[test]
    fn a_quote_that_is_not_closed() {
        for record in ["\"", "\"a\"\"", "b,\"c\nd\ne", "\"a\"b,\"c"] {
            let found = flaw(record.as_bytes(), b',');
            assert_eq!(found, Some(QuoteFlaw::Unclosed), "{record:?}");
        }
    }

    #[test]
    fn text_behind_a_closing_quote() {
        for (record, cell, text) in [
            ("\"a\"b,c\n", 0, "a\"b"),
            ("x;,\"a,\"\"\"b\"", 1, "a,\"\"\"b\""),
            ("\"a\" ,\"b\"c", 0, "a\" "),
        ] {
            let Some(QuoteFlaw::Stray(stray)) = flaw(record.as_bytes(), b',') else {
                panic!("{record:?}");
            };
            assert_eq!((stray.cell, &record[stray.bytes]), (cell, text));
        }
        assert_eq!(flaw(b"\"a\";\"b\"", b';'), None);
    }

    /// A record is sound exactly when the crate, writing what it read with each cell quoted, loses no quote.
    #[test]
    fn the_csv_crate_loses_quotes_only_where_a_flaw_is() {
        for seed in 0..20_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let alphabet = ['a', ',', '"', '"', '\n'];
            let text: String = (0..random.usize(1..16))
                .map(|_| alphabet[random.usize(..alphabet.len())])
                .collect();
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(text.as_bytes());
            let mut cells = csv::StringRecord::new();
            if !reader.read_record(&mut cells).unwrap() {
                continue;
            }
            let end = usize::try_from(reader.position().byte()).unwrap();
            let record = text[..end].trim_start_matches('\n');
            let sound = flaw(record.as_bytes(), b',').is_none();
            assert_eq!(sound, is_read_from(record, &cells), "seed {seed}: {text:?}");
        }
    }

    /// Whether the record consists of these cells, each written plain or quoted.
    fn is_read_from(record: &str, cells: &csv::StringRecord) -> bool {
        let mut rest = record.trim_end_matches('\n');
        for (index, cell) in cells.iter().enumerate() {
            if index > 0 {
                let Some(next) = rest.strip_prefix(',') else {
                    return false;
                };
                rest = next;
            }
            let quoted = format!("\"{}\"", cell.replace('"', "\"\""));
            let form = if rest.starts_with('"') { &quoted } else { cell };
            let Some(next) = rest.strip_prefix(form) else {
                return false;
            };
            rest = next;
        }
        rest.is_empty()
    }
}
