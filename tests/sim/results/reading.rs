//! What is accepted, what is repaired, and what is refused with which words.

use kvs_fleet::results::read::{TORN_TAIL_BYTES, read_results};
use kvs_fleet::results::record::{COLUMNS, HEADER};

use super::*;

fn three_rows() -> [Row; 3] {
    [
        row("DEVICE_1", Status::Created),
        row(
            "has, a comma and a \"quote\"\nand a line end",
            Status::Exists,
        ),
        row("DEVICE_3", Status::Failed),
    ]
}

fn with(content: impl AsRef<[u8]>) -> TestDisk {
    let disk = TestDisk::default();
    disk.write_file(&path(), content.as_ref());
    disk
}

fn refusal(content: impl AsRef<[u8]>) -> String {
    let disk = with(content.as_ref());
    let message = open(&disk).unwrap_err().to_string();
    assert_eq!(
        disk.read_file(&path()).unwrap(),
        content.as_ref(),
        "the file was touched"
    );
    message
}

#[test]
fn every_row_comes_back_with_its_place() {
    let content = file(&three_rows());
    let disk = with(&content);
    let (journal, rows) = open(&disk).unwrap();
    assert_eq!(journal.torn(), None);
    assert_eq!(rows.len(), 3);
    for ((id, status, place), row) in rows.iter().zip(&three_rows()) {
        assert_eq!((id.as_str(), *status), (&*row.device_id, row.status));
        let start = usize::try_from(place.offset).unwrap();
        assert_eq!(content[start..start + place.length as usize], line(row));
    }
}

#[test]
fn any_text_comes_back_as_it_was_written() {
    const PARTS: [&str; 12] = [
        "a", "B", "7", " ", ",", "\"", "\n", "\r\n", "'", "é", "日", ";",
    ];
    for seed in 0..500 {
        let mut random = fastrand::Rng::with_seed(seed);
        let rows: Vec<Row> = (0..20)
            .map(|index| {
                let noise: String = (0..random.usize(..12))
                    .map(|_| PARTS[random.usize(..PARTS.len())])
                    .collect();
                Row {
                    error_message: noise.trim().replace(['\r', '\n'], " ").into(),
                    ..row(&format!("{index}{noise}"), Status::Failed)
                }
            })
            .collect();
        let disk = with(file(&rows));
        let mut read = Vec::new();
        read_results(&disk, &path(), |entry: Entry<'_>| {
            let record = entry.record;
            read.push((
                record.device_id().to_owned(),
                record.error_message().to_owned(),
            ));
            assert_eq!(record.started_at(), "2023-11-14T22:13:20.123Z");
            Ok::<(), ReadError>(())
        })
        .unwrap();
        let written: Vec<(String, String)> = rows
            .iter()
            .map(|row| (row.device_id.to_string(), row.error_message.to_string()))
            .collect();
        assert_eq!(read, written, "seed {seed}");
    }
}

#[test]
fn a_file_cut_at_every_byte_is_repaired() {
    let rows = three_rows();
    let whole = file(&rows);
    let ends: Vec<usize> = (0..=rows.len())
        .map(|count| file(&rows[..count]).len())
        .collect();
    for cut in 0..whole.len() {
        let disk = with(&whole[..cut]);
        let (mut journal, read) =
            open(&disk).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        let sound = ends.iter().rposition(|&end| end <= cut);
        assert_eq!(read.len(), sound.unwrap_or_default(), "cut at {cut}");
        assert_eq!(text(&disk), whole[..cut], "reading alone changes nothing");
        let keep = sound.map_or(0, |count| ends[count]);
        assert_eq!(
            journal.torn().map(|torn| torn.keep),
            (keep != cut).then_some(keep as u64)
        );
        journal.prepare().unwrap();
        let offset = journal.append(line(&rows[0]).as_bytes()).unwrap();
        let expected = whole[..ends[sound.unwrap_or_default()]].to_owned() + &line(&rows[0]);
        assert_eq!(text(&disk), expected, "cut at {cut}");
        assert_eq!(offset as usize, expected.len() - line(&rows[0]).len());
    }
}

#[test]
fn zeros_behind_any_byte_are_repaired() {
    let rows = three_rows();
    let whole = file(&rows);
    for cut in HEADER.len()..whole.len() {
        for zeros in [1, 511, 4096] {
            let mut content = whole.clone().into_bytes();
            content.truncate(cut);
            content.resize(cut + zeros, 0);
            // A later sector may have been written although an earlier one was not.
            content.extend_from_slice(line(&rows[0]).as_bytes());
            let disk = with(&content);
            let (mut journal, read) = open(&disk).unwrap();
            let torn = journal.torn().unwrap();
            assert_eq!(torn.keep + torn.lost_bytes, content.len() as u64);
            assert!(torn.keep <= cut as u64);
            journal.prepare().unwrap();
            assert_eq!(text(&disk), file(&rows[..read.len()]), "cut at {cut}");
        }
    }
}

#[test]
fn a_torn_header_counts_as_new_and_a_foreign_one_does_not() {
    for cut in 0..HEADER.len() {
        for zeros in [0, HEADER.len() - cut] {
            let mut content = HEADER.as_bytes()[..cut].to_vec();
            content.resize(cut + zeros, 0);
            let disk = with(&content);
            let (mut journal, _) = open(&disk).unwrap();
            journal.prepare().unwrap();
            assert_eq!(text(&disk), HEADER);
        }
    }
    let image = [b"\0\0\0\x18ftyp".to_vec(), vec![0; 4000]].concat();
    assert!(refusal(image).contains("is not a results file of kvs-fleet"));
}

#[test]
fn a_header_that_a_spreadsheet_saved_without_a_line_end_is_whole() {
    let header = HEADER.trim_end();
    for content in [
        format!("\u{feff}{header}"),
        format!("\"{}\"", COLUMNS.join("\",\"")),
        format!("{header},,"),
        format!("\u{feff}{header},,\r"),
    ] {
        let disk = with(&content);
        let (mut journal, read) = open(&disk).unwrap();
        assert_eq!((journal.torn(), read.len()), (None, 0), "{content:?}");
        let first = row("D1", Status::Created);
        journal.append(line(&first).as_bytes()).unwrap();
        assert_eq!(text(&disk), format!("{content}\n{}", line(&first)));
        assert_eq!(ids(&open(&disk).unwrap().1), ["D1"], "{content:?}");
    }
}

#[test]
fn damage_in_the_middle_is_refused_with_its_line() {
    let rows = three_rows();
    let good = [line(&rows[0]), line(&rows[1]), line(&rows[2])];
    let arn = "arn:aws:kinesisvideo:eu-central-1:111122223333:channel";
    for (bad, reason) in [
        (
            "a,b,c\n".to_owned(),
            "the row has 3 fields where 12 are expected",
        ),
        (
            good[0].replace(",1,", ",1,extra,extra,"),
            "the row has 14 fields",
        ),
        (
            good[0].replace("created", "done"),
            "the status is 'done'; expected is created,",
        ),
        (
            good[0].replace(",1,", ",many,"),
            "attempts is 'many'; expected is a whole number",
        ),
        (
            good[0].replace("eu-central-1,", "Frankfurt,"),
            "gives the region 'Frankfurt', its channel_arn says",
        ),
        (
            good[2].replace("eu-central-1,", "Frankfurt,"),
            "the Region 'Frankfurt' is not a valid Region name",
        ),
        (
            good[0].replacen("111122223333", "444455556666", 1),
            "gives the account '444455556666', its channel_arn says '111122223333'",
        ),
        (
            good[2].replace("111122223333", "1.11122E+11"),
            "the account of the device 'DEVICE_3' is '1.11122E+11'; expected are 12 digits",
        ),
        (
            good[0].replacen("DEVICE_1", "", 1),
            "the row has no device_id",
        ),
        (
            good[0].replace(arn, ""),
            "the channel_arn of the device 'DEVICE_1': ",
        ),
        (
            good[0].replace(&format!("{arn}/DEVICE1/1700000000123"), ""),
            "is created but has no channel_arn",
        ),
        (HEADER.to_owned(), "were two results files concatenated?"),
        (
            HEADER.replace("account,", ""),
            "were two results files concatenated?",
        ),
        (
            format!("\u{feff}{}", HEADER.replace('\n', "\r\n")),
            "were two results files concatenated?",
        ),
    ] {
        let message = refusal([HEADER, &good[0], &good[1], &bad, &good[2]].concat());
        assert!(
            message.starts_with("batch.results.csv, line 5: "),
            "{message}"
        );
        assert!(message.contains(reason), "{message}");
    }
    // The quote stays open to the file's end, within what repair may cut off, but rows follow it.
    let message = refusal([HEADER, &good[0], "\"", &good[0], &good[0], &good[0]].concat());
    assert_eq!(
        message,
        "batch.results.csv, line 3: a quote is opened in this row and never closed"
    );
    let latin = [
        HEADER.as_bytes(),
        b"K\xfcche",
        good[0].as_bytes(),
        good[2].as_bytes(),
    ]
    .concat();
    let message = refusal(latin);
    assert!(
        message.starts_with("batch.results.csv, line 2: the row is not UTF-8 text; "),
        "{message}"
    );
    assert!(message.contains("iconv -f WINDOWS-1252"), "{message}");
}

#[test]
fn a_spreadsheet_that_ate_leading_zeros_is_found_out() {
    let eaten = line(&row("00123", Status::Created)).replacen("00123,00123", "123,123", 1);
    assert_eq!(
        refusal(HEADER.to_owned() + &eaten),
        "batch.results.csv, line 2: the row of the device '123' gives the channel_name '123', its channel_arn says \
         '00123': has a spreadsheet program changed the row (leading zeros, long numbers)?"
    );
}

#[test]
fn leading_zeros_of_an_account_that_a_spreadsheet_ate_are_found_out() {
    let arn = "arn:aws:kinesisvideo:eu-central-1:012345678901:channel/D1/1700000000123";
    let created = Row {
        channel_arn: ChannelArn::parse(arn).ok(),
        ..row("D1", Status::Created)
    };
    let failed = Row {
        account: AccountId::parse("012345678901").ok(),
        ..row("D1", Status::Failed)
    };
    let eaten = |row: &Row| line(row).replacen(",012345678901,", ",12345678901,", 1);
    assert_eq!(
        refusal(HEADER.to_owned() + &eaten(&created)),
        "batch.results.csv, line 2: the row of the device 'D1' gives the account '12345678901', its channel_arn says \
         '012345678901': has a spreadsheet program changed the row (leading zeros, long numbers)?"
    );
    assert_eq!(
        refusal(HEADER.to_owned() + &eaten(&failed)),
        "batch.results.csv, line 2: the account of the device 'D1' is '12345678901'; expected are 12 digits, or nothing: \
         has a spreadsheet program changed the cell (leading zeros, long numbers)?"
    );
}

#[test]
fn damage_is_torn_only_at_the_end() {
    let rows = [row("D1", Status::Created), row("D2", Status::Created)];
    let many = line(&rows[1]).repeat(1 + TORN_TAIL_BYTES as usize / line(&rows[1]).len());
    for (bad, reason) in [
        ("a\0", "holds a NUL byte"),
        ("\"", "a quote is opened in this row and never closed"),
    ] {
        let message = refusal([HEADER, &line(&rows[0]), bad, &many].concat());
        assert!(
            message.starts_with("batch.results.csv, line 3: "),
            "{message}"
        );
        assert!(message.contains(reason), "{message}");
    }
    let endless = "x".repeat(TORN_TAIL_BYTES as usize + 1);
    assert!(refusal(HEADER.to_owned() + &endless).ends_with("line 2: the row has no end"));
    let disk = with(HEADER.to_owned() + &endless[1..]);
    assert_eq!(
        open(&disk).unwrap().0.torn().unwrap().lost_bytes,
        TORN_TAIL_BYTES
    );
}

#[test]
fn other_headers_are_refused_with_a_hint() {
    for (content, hint) in [
        (
            "device_id,region\nD1,eu-central-1\n".to_owned(),
            "its first line is 'device_id,region', expected is device_id,",
        ),
        (
            COLUMNS.join(";") + "\r\n",
            "its columns are separated by semicolons; save it with commas",
        ),
        (
            COLUMNS.join("\t") + "\n",
            "its columns are separated by tabs",
        ),
        (
            format!("#TYPE System.Object\r\n\"{}\"\r\n", COLUMNS.join("\",\"")),
            "Export-Csv -NoTypeInformation",
        ),
        (HEADER.replace("region", "Region"), "its first line is"),
    ] {
        let message = refusal(&content);
        assert!(
            message.starts_with("batch.results.csv is not a results file of kvs-fleet: "),
            "{message}"
        );
        assert!(message.contains(hint), "{message}");
    }
    let utf16: Vec<u8> = [0xfeff]
        .into_iter()
        .chain(HEADER.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    assert!(refusal(&utf16).contains("it is UTF-16 (little endian) text"));
    assert!(refusal(&utf16[2..]).contains("it is UTF-16 (little endian) text"));
}

#[test]
fn what_a_spreadsheet_saved_resumes() {
    let rows = [row("D1", Status::Created), row("D2", Status::Failed)];
    let crlf = file(&rows).replace('\n', "\r\n");
    let all_quoted = |line: &str| {
        let mut records = csv::ReaderBuilder::new();
        let mut records = records.has_headers(false).from_reader(line.as_bytes());
        let record = records.records().next().unwrap().unwrap();
        let quoted = |field: &str| format!("\"{}\"", field.replace('"', "\"\""));
        record.iter().map(quoted).collect::<Vec<_>>().join(",") + "\r\n"
    };
    for content in [
        format!("\u{feff}{crlf}"),
        crlf.clone() + "\r\n\r\n",
        crlf.clone() + ",,,,,,,,,,,\r\n",
        crlf.replace("\r\n", ",,\r\n"),
        crlf.trim_end().to_owned(),
        file(&rows).lines().map(all_quoted).collect(),
        file(&rows).replace("2023-11-14T22:13:20.123Z", "14.11.2023 22:13"),
    ] {
        let disk = with(&content);
        let (mut journal, read) = open(&disk).unwrap();
        assert_eq!(ids(&read), ["D1", "D2"], "{content:?}");
        let third = row("D3", Status::Exists);
        let offset = journal.append(line(&third).as_bytes()).unwrap() as usize;
        assert_eq!(text(&disk)[offset..], line(&third));
        assert_eq!(
            ids(&open(&disk).unwrap().1),
            ["D1", "D2", "D3"],
            "{content:?}"
        );
    }
}

#[test]
fn a_long_file_is_read_through_one_buffer() {
    let rows: Vec<Row> = (0..12_000)
        .map(|index| row(&format!("CAMERA-{index}"), Status::Created))
        .collect();
    let content = file(&rows);
    assert!(content.len() > 2 << 20, "must outgrow the buffer");
    let (_, read) = open(&with(&content)).unwrap();
    assert_eq!(read.len(), rows.len());
    for ((id, _, place), row) in read.iter().zip(&rows) {
        assert_eq!(id.as_str(), &*row.device_id);
        assert_eq!(
            content[place.offset as usize..place.end() as usize],
            line(row)
        );
    }
}

#[test]
fn reading_for_a_report_says_when_there_is_nothing() {
    let read = read_results(&TestDisk::default(), &path(), |_| Ok::<(), ReadError>(()));
    assert_eq!(
        read.unwrap_err().to_string(),
        "the results file batch.results.csv does not exist"
    );
}
