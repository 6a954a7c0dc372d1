//! Random results files: whole, torn, damaged, and as a spreadsheet program saves them.

use kvs_fleet::results::record::{HEADER, Row, encode};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::draw::{check, damaged, damages};
use crate::laws::results::{holds, refusal, repaired, rows_of};
use crate::merge::without_account;
use crate::record::rows;

fn line(row: &Row) -> Vec<u8> {
    let mut line = Vec::new();
    encode(row, &mut line);
    line
}

/// The header and a line for each row.
fn lines(rows: &[Row]) -> Vec<Vec<u8>> {
    let header = HEADER.as_bytes().to_vec();
    std::iter::once(header)
        .chain(rows.iter().map(line))
        .collect()
}

#[test]
fn a_file_truncated_at_any_byte_keeps_its_complete_rows() {
    check(500, (vec(rows(), 0..8), any::<Index>()), |(rows, cut)| {
        let lines = lines(&rows);
        let file = lines.concat();
        let cut = cut.index(file.len() + 1);
        let mut whole = Vec::new();
        for line in lines {
            if whole.len() + line.len() <= cut || whole.is_empty() {
                whole.extend_from_slice(&line);
            } else {
                break;
            }
        }
        assert_eq!(repaired(&file[..cut]), whole);
        holds(&file[..cut]);
    });
}

#[test]
fn a_damaged_line_in_the_middle_is_refused_with_its_number() {
    let inputs = (vec(rows(), 2..8), any::<Index>(), 0..3_usize);
    check(500, inputs, |(rows, place, kind)| {
        let mut lines = lines(&rows);
        // Neither the header nor the last row.
        let place = 1 + place.index(lines.len() - 2);
        lines[place] = match kind {
            0 => b"D1,D1,eu-central-1\n".to_vec(),
            1 => HEADER.as_bytes().to_vec(),
            _ => b"D1,D1,,eu-central-1,done,,1,,,,,\n".to_vec(),
        };
        let before = lines[..place].concat();
        let number = before.split(|&byte| byte == b'\n').count();
        let refusal = refusal(&lines.concat());
        assert!(refusal.contains(&format!(", line {number}: ")), "{refusal}");
    });
}

#[test]
fn a_file_damaged_anywhere_is_read_or_refused() {
    check(
        1_000,
        (vec(rows(), 0..12), damages(3)),
        |(rows, damages)| {
            holds(&damaged(lines(&rows).concat(), damages));
        },
    );
}

#[test]
fn a_file_saved_by_a_spreadsheet_program_has_the_same_rows() {
    let switches = (any::<bool>(), any::<bool>(), any::<bool>());
    let inputs = (vec(rows(), 1..8), switches, 0..3_usize, 0..3_usize);
    check(
        500,
        inputs,
        |(rows, (has_mark, quotes_all, ends), surplus, blank)| {
            let file = lines(&rows).concat();
            let mut reader = csv::ReaderBuilder::new();
            let mut reader = reader.has_headers(false).from_reader(&*file);
            let mut writer = csv::WriterBuilder::new();
            writer.terminator(csv::Terminator::CRLF).flexible(true);
            if quotes_all {
                writer.quote_style(csv::QuoteStyle::Always);
            }
            let mut writer = writer.from_writer(Vec::new());
            for record in reader.records() {
                let record = record.unwrap();
                let cells = record.iter().chain(std::iter::repeat_n("", surplus));
                writer.write_record(cells).unwrap();
            }
            let mut saved = writer.into_inner().unwrap();
            if has_mark {
                saved.splice(..0, "\u{feff}".bytes());
            }
            if ends {
                saved.extend_from_slice("\r\n".repeat(blank).as_bytes());
            } else {
                saved.truncate(saved.len() - 2);
            }
            assert_eq!(rows_of(&saved), rows_of(&file));
            holds(&saved);
        },
    );
}

#[test]
fn a_file_of_an_earlier_version_is_read_or_refused_wherever_it_is_damaged() {
    check(
        1_000,
        (vec(rows(), 0..12), damages(2)),
        |(rows, damages)| {
            let whole = without_account(&lines(&rows).concat());
            let known = rows_of(&whole);
            assert_eq!(known.len(), rows.len());
            holds(&whole);
            holds(&damaged(whole, damages));
        },
    );
}
