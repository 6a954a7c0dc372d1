//! Random manifests: of difficult text, of bytes, and as a CSV writer writes them.

use kvs_fleet::domain::device::{Region, Tag};
use kvs_fleet::manifest::Options;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::draw::{check, damaged, damages, text, text_without_nul};
use crate::laws::manifest::{self, rows_of};

const HEADERS: [&str; 6] = [
    "device_id\n",
    "device_id,a\n",
    "\u{feff}device_id;channel_name;tag:Site\r\n",
    "a\tdevice_id\tmessage_ttl_seconds\n",
    "\"device_id\",\"region\"\r",
    "",
];

fn option_lines() -> impl Strategy<Value = &'static str> {
    select(
        &[
            "",
            ",",
            ";|device_id",
            "||{device_id}.{a}",
            "|||{device_id}",
            "|a",
        ][..],
    )
}

#[test]
fn every_text_is_read_or_refused() {
    let inputs = (option_lines(), select(&HEADERS[..]), text(40));
    check(1_000, inputs, |(line, header, rows)| {
        manifest::holds(format!("{line}\n{header}{rows}").as_bytes());
    });
}

#[test]
fn every_damaged_file_is_read_or_refused() {
    let inputs = (option_lines(), vec(text_without_nul(4), 1..20), damages(4));
    check(1_000, inputs, |(line, cells, damages)| {
        let rows = format!("D,{}\n", cells.join("\nD,"));
        let file = damaged(format!("device_id,a\n{rows}").into_bytes(), damages);
        manifest::holds(&[line.as_bytes(), b"\n", &file].concat());
    });
}

/// How a program writes CSV.
#[derive(Debug, Clone)]
struct Dialect {
    delimiter: u8,
    is_crlf: bool,
    quotes_all: bool,
    has_mark: bool,
    /// Delimiters after each row.
    surplus: usize,
}

fn dialects() -> impl Strategy<Value = Dialect> {
    let switches = (any::<bool>(), any::<bool>(), any::<bool>());
    (select(&b",;\t"[..]), switches, 0..3_usize).prop_map(
        |(delimiter, (is_crlf, quotes_all, has_mark), surplus)| Dialect {
            delimiter,
            is_crlf,
            quotes_all,
            has_mark,
            surplus,
        },
    )
}

impl Dialect {
    fn write(&self, rows: &[[String; 4]]) -> Vec<u8> {
        let mut writer = csv::WriterBuilder::new();
        writer.delimiter(self.delimiter).flexible(true);
        if self.is_crlf {
            writer.terminator(csv::Terminator::CRLF);
        }
        if self.quotes_all {
            writer.quote_style(csv::QuoteStyle::Always);
        }
        let mut writer = writer.from_writer(Vec::new());
        for row in rows {
            let surplus = std::iter::repeat_n("", self.surplus);
            let cells = row.iter().map(String::as_str).chain(surplus);
            writer.write_record(cells).unwrap();
        }
        let mark = if self.has_mark { "\u{feff}" } else { "" };
        [mark.as_bytes(), &writer.into_inner().unwrap()].concat()
    }
}

#[test]
fn a_manifest_of_a_csv_writer_is_read_back() {
    // A byte order mark at the start of a line is not part of a cell, even of a cell with line ends.
    let text = || text_without_nul(4).prop_map(|text| text.replace('\u{feff}', ""));
    let ids = prop_oneof!["[A-Z0-9]{1,6}", text()];
    let ttls = select(&["", "5", "120", "60"][..]);
    let rows = (ids, ttls, text(), text());
    let inputs = (dialects(), vec(rows, 1..12));
    check(1_000, inputs, |(dialect, drawn)| {
        let mut rows =
            vec![["device_id", "message_ttl_seconds", "tag:Site", "free"].map(str::to_owned)];
        rows.extend(
            drawn
                .into_iter()
                .map(|(id, ttl, tag, free)| [id, ttl.to_owned(), tag, free]),
        );
        let file = dialect.write(&rows);
        let is_blank = |row: &&[String; 4]| row.iter().all(|cell| cell.trim_ascii().is_empty());
        let rows: Vec<&[String; 4]> = rows.iter().skip(1).filter(|row| !is_blank(row)).collect();
        if rows.is_empty() {
            return;
        }
        let options = Options {
            region: Region::parse("eu-central-1").ok(),
            ..Options::default()
        };
        let read = rows_of(&file, &options);
        assert_eq!(read.len(), rows.len());
        for (read, [id, ttl, tag, _]) in read.iter().zip(rows) {
            assert_eq!(read.id, id.trim());
            let Ok(device) = &read.asks else {
                continue;
            };
            assert_eq!(device.channel_name.as_str(), id.trim());
            let read_ttl = device.message_ttl.map(|ttl| ttl.as_secs().to_string());
            assert_eq!(read_ttl.unwrap_or_default(), *ttl);
            let values: Vec<&str> = device.tags.iter().map(Tag::value).collect();
            assert_eq!(values.concat(), *tag);
        }
        manifest::is_read(&file, &options);
    });
}
