//! The manifest section of the contract, line by line, with the messages that people get.

use std::fs;
use std::io::{self, Read};

use super::*;
use crate::domain::device::{MessageTtl, Region};
use crate::domain::template::Template;

fn options() -> Options {
    Options {
        region: Some(Region::parse("eu-central-1").unwrap()),
        ..Options::default()
    }
}

fn named(template: &str) -> Options {
    Options {
        channel_name: Template::parse(template).unwrap(),
        ..options()
    }
}

fn tagged(tags: &[&str]) -> Options {
    let tag = |tag: &&str| {
        let (key, template) = tag.split_once('=').unwrap();
        (key.into(), Template::parse(template).unwrap())
    };
    Options {
        tags: tags.iter().map(tag).collect(),
        ..options()
    }
}

fn open_bytes(bytes: &[u8], options: &Options) -> Result<Manifest, ManifestError> {
    let manifest = Manifest::from_text("devices.csv".into(), bytes.to_vec(), options)?;
    let mut rows = manifest.rows();
    while rows.next()?.is_some() {}
    Ok(manifest)
}

fn open(text: &str, options: &Options) -> Manifest {
    open_bytes(text.as_bytes(), options).unwrap()
}

/// The message that a whole file is refused with.
fn refused(bytes: impl AsRef<[u8]>, options: &Options) -> String {
    open_bytes(bytes.as_ref(), options).unwrap_err().to_string()
}

/// The message that a stream is refused with, at whichever row.
fn stream_refused(bytes: &[u8]) -> String {
    let mut rows = match stream(bytes, &options()) {
        Ok(rows) => rows,
        Err(error) => return error.to_string(),
    };
    loop {
        match rows.next() {
            Ok(row) => assert!(row.is_some(), "the stream was read to its end"),
            Err(error) => return error.to_string(),
        }
    }
}

/// A row in one line: `line device>channel@region ttl key=value…`, or `line device! reason`.
fn told(row: &Row<'_>) -> String {
    let ask = match &row.ask {
        Ok(ask) => ask,
        Err(error) => {
            assert_eq!(error.code, "InvalidRow");
            return format!("{} {}! {}", row.line, row.device_id, error.reason);
        }
    };
    let device = ask.to_device();
    assert_eq!(&*device.id, row.device_id);
    assert_eq!(&*device.id, ask.device_id());
    assert_eq!(device.channel_name.as_str(), ask.channel_name());
    assert_eq!(&device.region, ask.region());
    let name = &device.channel_name;
    let ttl = device.message_ttl.map(|ttl| format!(" {}s", ttl.as_secs()));
    let tags = device
        .tags
        .iter()
        .map(|tag| format!(" {}={}", tag.key(), tag.value()));
    format!("{} {}>{name}@{}", row.line, device.id, device.region)
        + &ttl.into_iter().chain(tags).collect::<String>()
}

/// All rows, told; the same from the file and from a stream.
fn rows(text: &str, options: &Options) -> Vec<String> {
    let manifest = open(text, options);
    let mut rows = manifest.rows();
    let mut all = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        all.push(told(&row));
    }
    let mut streamed = stream(Drip(text.as_bytes()), options).unwrap();
    let mut all_streamed = Vec::new();
    while let Some(row) = streamed.next().unwrap() {
        all_streamed.push(told(&row));
    }
    assert_eq!(all, all_streamed);
    all
}

/// One byte at a time.
struct Drip<'a>(&'a [u8]);

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = buffer.len().min(1);
        self.0.read(&mut buffer[..end])
    }
}

#[test]
fn a_device_column_is_all_that_is_needed() {
    assert_eq!(
        rows("device_id\nDEVICE_1\nDEVICE_2", &options()),
        [
            "2 DEVICE_1>DEVICE_1@eu-central-1",
            "3 DEVICE_2>DEVICE_2@eu-central-1"
        ]
    );
}

#[test]
fn the_columns_of_the_contract() {
    let text = "device_id,channel_name,message_ttl_seconds,region,tag:Site,serial\n\
                a,cam-a,30,us-east-1,Hall 3,1\n\
                b,,,,,2\n";
    assert_eq!(
        rows(text, &options()),
        ["2 a>cam-a@us-east-1 30s Site=Hall 3", "3 b>b@eu-central-1"]
    );
    let flags = Options {
        channel_name: Template::parse("{serial}-{device_id}").unwrap(),
        message_ttl: Some(MessageTtl::from_secs(90).unwrap()),
        ..options()
    };
    assert_eq!(
        rows(text, &flags),
        [
            "2 a>cam-a@us-east-1 30s Site=Hall 3",
            "3 b>2-b@eu-central-1 90s"
        ]
    );
}

#[test]
fn another_device_column() {
    let id_column = Options {
        id_column: "Serial No".into(),
        ..named("{device_id}-{Serial No}-{line}")
    };
    assert_eq!(
        rows("line; Serial No ;x\nA; 17 ;\n", &id_column),
        ["2 17>17-17-A@eu-central-1"]
    );
}

#[test]
fn tags_from_flags_and_columns() {
    let options = tagged(&[
        "StreamName={channel_name}",
        "Where={region}/{tag:Site}",
        "Site=none",
        "Serial={serial}",
    ]);
    assert_eq!(
        rows(
            "device_id,channel_name,tag:Site,tag:Zone,serial\na,x,,,\nb,,Hall 3,North,7\n",
            &options
        ),
        [
            "2 a>x@eu-central-1 StreamName=x Where=eu-central-1/ Site=none Serial=",
            "3 b>b@eu-central-1 StreamName=b Where=eu-central-1/Hall 3 Site=Hall 3 Serial=7 Zone=North",
        ]
    );
}

#[test]
fn delimiters_are_found() {
    for (delimiter, name) in [(',', b','), (';', b';'), ('\t', b'\t'), ('|', b'|')] {
        let text = "note,device_id,line\nx,a,1\n".replace(',', &delimiter.to_string());
        assert_eq!(rows(&text, &options()), ["2 a>a@eu-central-1"]);
        assert_eq!(open(&text, &options()).layout().delimiter(), name);
    }
    // The device column decides, not the count; quoted delimiters do not count.
    assert_eq!(
        rows("device_id;\"a,b,c,d\"\nx;1\n", &options()),
        ["2 x>x@eu-central-1"]
    );
    assert_eq!(
        rows("a,b,c,d;device_id\n1,2;x\n", &options()),
        ["2 x>x@eu-central-1"]
    );
}

#[test]
fn a_given_delimiter_is_taken() {
    let pipe = Options {
        delimiter: Some(b'~'),
        ..options()
    };
    assert_eq!(
        rows("device_id~note\na~x,y;z\n", &pipe),
        ["2 a>a@eu-central-1"]
    );
    assert_eq!(
        refused("device_id,note\na,x\n", &pipe),
        "devices.csv, line 1: the header has no column 'device_id'; it has, read with the delimiter '~': \
         'device_id,note'; name the one that holds the device IDs with --id-column, or add a header line if the file \
         has none"
    );
}

#[test]
fn a_byte_order_mark_and_any_line_end() {
    for line_end in ["\n", "\r\n", "\r"] {
        for mark in ["", "\u{feff}"] {
            let text = format!("{mark}device_id,x\na,1\n\nb,2\n").replace('\n', line_end);
            assert_eq!(
                rows(&text, &options()),
                ["2 a>a@eu-central-1", "4 b>b@eu-central-1"],
                "{text:?}"
            );
        }
    }
}

#[test]
fn blank_lines_are_no_rows() {
    assert_eq!(
        rows(
            "\n,,\ndevice_id,a,b\n\n,,\n ,\t, \n\"\",\"\",\"\"\n  \nx,1,2\n\r\n,,,,,,\n",
            &options()
        ),
        ["9 x>x@eu-central-1"]
    );
}

#[test]
fn quotes_line_ends_and_other_scripts() {
    assert_eq!(
        rows(
            "device_id,\"no\nte\",tag:Ort\n\"a\",\"1,\n\r\n2 \"\"x\"\"\",Größe 日本\nb,\"\",\n",
            &options()
        ),
        ["3 a>a@eu-central-1 Ort=Größe 日本", "6 b>b@eu-central-1"]
    );
}

#[test]
fn known_cells_are_trimmed_and_others_are_not() {
    let text = "device_id,channel_name,message_ttl_seconds,region,tag:Site,x\n a\t,\u{a0}n ,\" 5\", us-east-1 , s , y \n";
    assert_eq!(rows(text, &options()), ["2 a>n@us-east-1 5s Site= s "]);
    assert_eq!(
        rows("device_id,x\na, y \n", &named("{device_id}-{x}")),
        [
            "2 a! the channel name 'a- y ' contains ' '; allowed are letters a-z A-Z, digits, '_', '.' and '-'"
        ]
    );
    assert_eq!(
        rows(
            "device_id,message_ttl_seconds\na, 7 \n",
            &named("{device_id}-{message_ttl_seconds}")
        ),
        ["2 a>a-7@eu-central-1 7s"]
    );
}

#[test]
fn rows_shorter_or_longer_than_the_header() {
    assert_eq!(
        rows(
            "device_id,a,b\n1,\n2,x,y,\n3,x,y, ,\n4,x,y,z\n5\n",
            &options()
        ),
        [
            "2 1! the row has 2 fields, the header has 3",
            "3 2>2@eu-central-1",
            "4 3>3@eu-central-1",
            "5 4! the row has 4 fields, the header has 3; quote a cell that holds the delimiter",
            "6 5! the row has 1 field, the header has 3",
        ]
    );
    // Nameless columns at the header's end may be missing.
    assert_eq!(
        rows("device_id,,\n1\n2,,\n3,,x\n", &options()),
        [
            "2 1>1@eu-central-1",
            "3 2>2@eu-central-1",
            "4 3>3@eu-central-1"
        ]
    );
}

#[test]
fn rows_that_break_a_limit() {
    let text = "device_id,channel_name,message_ttl_seconds,region,tag:Site\n\
                ,n1,,,x\n\
                b,no good,,,\n\
                c,,4,,\n\
                d,,soon,,\n\
                e,,,Frankfurt,\n\
                f,,,,50%\n\
                g\u{200b},,,,\n\
                h,,,,\n";
    assert_eq!(
        rows(text, &options()),
        [
            "2 ! the device ID (column 'device_id') is empty",
            "3 b! the channel name 'no good' contains ' '; allowed are letters a-z A-Z, digits, '_', '.' and '-'",
            "4 c! the message TTL is 4; it must be 5 to 120 seconds",
            "5 d! the message TTL is 'soon'; it must be a whole number of seconds, 5 to 120",
            "6 e! the Region 'Frankfurt' is not a valid Region name, such as 'eu-central-1'",
            "7 f! the tag 'Site': the tag value '50%' contains '%'; allowed are letters, digits, spaces and \
             _.:/=+-@",
            "8 g\u{200b}! the channel name 'g\\u{200b}' contains '\\u{200b}'; allowed are letters a-z A-Z, digits, \
             '_', '.' and '-'",
            "9 h>h@eu-central-1",
        ]
    );
}

#[test]
fn long_names_and_values() {
    let (name, value) = ("n".repeat(257), "v".repeat(257));
    let text = format!("device_id,tag:A\n{name},\nb,{value}\n");
    let told = rows(&text, &tagged(&["B={tag:A}{tag:A}"]));
    assert!(
        told[0].ends_with("has 257 characters; at most 256 are allowed"),
        "{}",
        told[0]
    );
    assert!(
        told[1].contains("! the tag 'B': the tag value 'vvv"),
        "{}",
        told[1]
    );
    assert!(
        told[1].ends_with("has 514 characters; at most 256 are allowed"),
        "{}",
        told[1]
    );
    let empty = rows("device_id,serial\na,\n", &named("{serial}"));
    assert_eq!(empty, ["2 a! the channel name is empty"]);
}

#[test]
fn more_tags_than_a_channel_may_have() {
    let names: Vec<_> = (0..51).map(|n| format!("tag:K{n}")).collect();
    let header = format!("device_id,{}", names.join(","));
    let all = format!("a{}", ",x".repeat(51));
    let fewer = format!("b{},", ",x".repeat(50));
    let told = rows(&format!("{header}\n{all}\n{fewer}\n"), &options());
    assert_eq!(
        told[0],
        "2 a! the row asks for 51 tags; a channel has at most 50"
    );
    assert!(told[1].starts_with("3 b>b@eu-central-1 K0=x K1=x"));
}

#[test]
fn ids_that_do_not_match_the_pattern() {
    let pattern = Options {
        id_pattern: Some(IdPattern::parse(r"CAM-\d+").unwrap()),
        ..options()
    };
    assert_eq!(
        rows("device_id\nCAM-1\nCAM-1x\n", &pattern),
        [
            "2 CAM-1>CAM-1@eu-central-1",
            "3 CAM-1x! the device ID 'CAM-1x' does not match the pattern 'CAM-\\d+' as a whole"
        ]
    );
}

#[test]
fn a_row_without_any_region() {
    assert_eq!(
        rows("device_id,region\na,us-west-2\nb,\n", &Options::default()),
        [
            "2 a>a@us-west-2",
            "3 b! the row has no Region and the run has none; fill the column 'region' or give --region"
        ]
    );
}

#[test]
fn more_regions_than_are_remembered() {
    let mut text = String::from("device_id,region\n");
    let mut expected = Vec::new();
    for n in 0..200 {
        let letter = char::from(b'a' + u8::try_from(n % 26).unwrap());
        let region = format!("{letter}{letter}-north-{}", n % 9);
        text += &["d", &n.to_string(), ",", &region, "\n"].concat();
        expected.push(format!("{} d{n}>d{n}@{region}", n + 2));
    }
    assert_eq!(rows(&text, &options()), expected);
}

#[test]
fn text_behind_a_closing_quote() {
    assert_eq!(
        rows("device_id,x\n\"a\"1,y\nb,\"5\"\" lens\"\n", &options()),
        [
            "2 a\"1! a cell has text after its closing quote (\"); close the quote at the cell's end, or write \"\" \
             for a quote that is part of the text",
            "3 b>b@eu-central-1"
        ]
    );
}

#[test]
fn a_missing_quote_that_swallows_rows() {
    let stray = "device_id,x\na,\"1\nb,2\nc,\"3\"\nd,4\n";
    let message = "line 2: a cell in the row that starts here is quoted, extends over 3 lines and has text after its \
                   closing quote, so a quote (\") is missing or too many, and rows would be lost; close the quote, or \
                   write \"\" for a quote that is part of the text";
    assert_eq!(
        refused(stray, &options()),
        format!("devices.csv, {message}")
    );
    assert_eq!(
        stream_refused(stray.as_bytes()),
        format!("standard input, {message}")
    );

    let unclosed = "device_id,x\na,1\nb,\"2\nc,3\nd,4\n";
    let message = "line 3: a cell in the row that starts here opens with a quote (\") that is never closed, so that \
                   all lines after it are one cell; close the quote, or write \"\" for a quote that is part of the \
                   text";
    assert_eq!(
        refused(unclosed, &options()),
        format!("devices.csv, {message}")
    );
    assert_eq!(
        stream_refused(unclosed.as_bytes()),
        format!("standard input, {message}")
    );

    let in_header = refused("device_id,\"x\na,1\n", &options());
    assert!(
        in_header.starts_with("devices.csv, line 1: a cell in the row that starts here opens"),
        "{in_header}"
    );
}

#[test]
fn a_row_without_end() {
    let long = "x".repeat(LONGEST_ROW);
    for cell in [format!("\"{long}\n"), long] {
        let text = format!("device_id,x\na,1\nb,{cell}");
        let message = "line 3: the row that starts here is longer than 1048576 bytes; perhaps a quote (\") that opens \
                       a cell is never closed, so that the lines after it are one cell: close it, or write \"\" for a \
                       quote that is part of the text";
        assert_eq!(
            refused(&text, &options()),
            format!("devices.csv, {message}")
        );
        assert_eq!(
            stream_refused(text.as_bytes()),
            format!("standard input, {message}")
        );
    }
}

#[test]
fn text_that_is_not_utf_8() {
    let wide: Vec<u8> = "\u{feff}device_id\r\na\r\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let message = "the manifest is encoded as UTF-16 (little endian), expected UTF-8; save it again as \"CSV UTF-8\", \
                   or convert it in PowerShell with: Get-Content OLD.csv | Set-Content -Encoding utf8 NEW.csv \
                   (Export-Csv also takes -Encoding utf8)";
    for bytes in [&wide[..], &wide[2..]] {
        assert_eq!(
            refused(bytes, &options()),
            format!("devices.csv: {message}")
        );
        assert_eq!(stream_refused(bytes), format!("standard input: {message}"));
    }
    let windows = b"device_id,city\na,Berlin\nb,M\xFCnchen\n";
    let message = "line 3: byte 4 of the line (0xFC) is not UTF-8; the file seems to be in an older encoding such as \
                   Windows-1252: save it as \"CSV UTF-8\", or convert it with: iconv -f WINDOWS-1252 -t UTF-8 OLD.csv \
                   > NEW.csv";
    assert_eq!(
        refused(windows, &options()),
        format!("devices.csv, {message}")
    );
    assert_eq!(
        stream_refused(windows),
        format!("standard input, {message}")
    );
}

#[test]
fn nul_bytes_and_workbooks() {
    let holes = b"device_id,x\na,\"\n1\"\nb,\0\0\n";
    let message = "line 4: the line holds a NUL byte, which no text does; the file is damaged (a crash while it was \
                   written, perhaps) or is no CSV: export it again";
    assert_eq!(
        refused(holes, &options()),
        format!("devices.csv, {message}")
    );
    assert_eq!(stream_refused(holes), format!("standard input, {message}"));
    for (bytes, message) in [
        (
            &b"PK\x03\x04\x14\x00\x06\x00"[..],
            "the file is no CSV: its first bytes are those of ZIP; take the CSV out of it first, or save it as \"CSV UTF-8\" where it is \
             a workbook",
        ),
        (
            b"\x1F\x8B\x08\x00",
            "the file is no CSV: its first bytes are those of gzip; unpack it first, or unpack it into the command: \
             gzip -dc FILE | kvs-fleet provision - --results FILE",
        ),
    ] {
        assert_eq!(stream_refused(bytes), format!("standard input: {message}"));
        let of_file = refused(bytes, &options());
        assert_eq!(
            of_file,
            format!(
                "devices.csv: {}",
                message.replace("-dc FILE", "-dc devices.csv")
            )
        );
    }
}

#[test]
fn nothing_in_it() {
    let empty = "the manifest is empty; expected a header line and a row for each device";
    for text in ["", "\u{feff}", "\n\r\n", " ,\n"] {
        assert_eq!(refused(text, &options()), format!("devices.csv: {empty}"));
        assert_eq!(
            stream_refused(text.as_bytes()),
            format!("standard input: {empty}")
        );
    }
    let no_row = "the manifest has a header and no row; expected a row for each device";
    for text in ["device_id", "device_id,x\n\n,\n"] {
        assert_eq!(refused(text, &options()), format!("devices.csv: {no_row}"));
        assert_eq!(
            stream_refused(text.as_bytes()),
            format!("standard input: {no_row}")
        );
    }
}

#[test]
fn lines_that_other_programs_put_before_the_header_are_named() {
    assert_eq!(
        refused(
            "#TYPE System.Management.Automation.PSCustomObject\r\n\"device_id\"\r\n\"A\"\r\n",
            &options()
        ),
        "devices.csv, line 1: the line is the type that Export-Csv of Windows PowerShell writes, not a header; remove \
         it, or export again with: Export-Csv -NoTypeInformation"
    );
    assert_eq!(
        refused("sep=;\r\ndevice_id;a\r\nA;b\r\n", &options()),
        "devices.csv, line 1: the line tells a spreadsheet program the delimiter and is not a header; remove it"
    );
    // A column may be called so.
    assert_eq!(
        rows("sep=,device_id\nx,A\n", &options()),
        ["2 A>A@eu-central-1"]
    );
}

/// The reason of a row that repeats the header.
const HEADER_AGAIN: &str =
    "the header is repeated here; were two files concatenated? Remove the line";

#[test]
fn the_header_once_more_is_no_device() {
    let reason = HEADER_AGAIN;
    assert_eq!(
        rows("device_id,a\nA,1\ndevice_id, a \nB,1\n", &options()),
        [
            "2 A>A@eu-central-1".to_owned(),
            format!("3 device_id! {reason}"),
            "4 B>B@eu-central-1".to_owned()
        ]
    );
    // The columns of the second file may be in another order.
    assert_eq!(
        rows(
            "serial,device_id\nS1,A\ndevice_id,serial\nB,S2\n",
            &options()
        )[1],
        format!("3 serial! {reason}")
    );
    // A device may be called so, where its row says more.
    assert_eq!(
        rows("device_id,a\ndevice_id,1\n", &options()),
        ["2 device_id>device_id@eu-central-1"]
    );
}

#[test]
fn no_device_column() {
    assert_eq!(
        refused("DeviceID,serial\na,1\n", &options()),
        "devices.csv, line 1: the header has no column 'device_id'; it has, read with the delimiter ',': 'DeviceID', \
         'serial'; give --id-column 'DeviceID' if that one holds the device IDs, or rename it"
    );
    assert_eq!(
        refused("\nCAM-1\tHall 3\nCAM-2\tHall 3\n", &options()),
        "devices.csv, line 2: the header has no column 'device_id'; it has, read with the delimiter tab: 'CAM-1', \
         'Hall 3'; name the one that holds the device IDs with --id-column, or add a header line if the file has none"
    );
    let odd = refused("\"device\u{1b}[2J\nid\",b\na,1\n", &options());
    assert!(
        odd.ends_with("give --id-column 'device\\u{1b}[2J\\nid' if that one holds the device IDs, or rename it"),
        "{odd:?}"
    );
    let many: Vec<_> = (0..25).map(|n| format!("c{n}")).collect();
    let message = refused(format!("{}\n", many.join(";")), &options());
    assert!(
        message.contains("'c18', 'c19' and 5 more; name the one"),
        "{message}"
    );
}

#[test]
fn duplicated_header_names() {
    assert_eq!(
        refused("device_id,x, device_id\n", &options()),
        "devices.csv, line 1: the header names 'device_id' twice, as columns 1 and 3; rename or remove one"
    );
    assert_eq!(
        refused("device_id,tag:A,tag: A\n", &options()),
        "devices.csv, line 1: the column 'tag: A': another column has the tag key 'A' too; rename or remove one"
    );
}

#[test]
fn a_name_that_is_twice_in_the_header_matters_only_where_it_is_used() {
    let text = "note,device_id,note\nx,a,y\n";
    assert_eq!(rows(text, &options()), ["2 a>a@eu-central-1"]);
    for flags in [named("{device_id}-{note}"), tagged(&["Note={note}"])] {
        let message = refused(text, &flags);
        assert!(
            message.contains("names 'note' twice, as columns 1 and 3"),
            "{message}"
        );
    }
    for used in ["region", "channel_name", "message_ttl_seconds"] {
        let message = refused(format!("device_id,{used},{used}\na,,\n"), &options());
        assert!(message.contains("twice, as columns 2 and 3"), "{message}");
    }
}

#[test]
fn byte_order_marks_of_files_that_were_put_together() {
    let reason = HEADER_AGAIN;
    assert_eq!(
        rows(
            "\u{feff}x,device_id\r\n1,A\r\n\u{feff}x,device_id\r\n2,B\r\n",
            &options()
        ),
        [
            "2 A>A@eu-central-1".to_owned(),
            format!("3 device_id! {reason}"),
            "4 B>B@eu-central-1".to_owned()
        ]
    );
    // Also before a quote, which opens a cell only as its first character.
    assert_eq!(
        rows(
            "device_id,x\nA,1\n\u{feff}\"B\",\"2,\n3\"\nC,4\n",
            &options()
        ),
        [
            "2 A>A@eu-central-1",
            "3 B>B@eu-central-1",
            "5 C>C@eu-central-1"
        ]
    );
    // One in the middle of a line, after a file whose last line had no end.
    let told = rows("device_id\nA\u{feff}device_id\nB\n", &named("x"));
    assert!(told[0].starts_with(
        "2 A\u{feff}device_id! the device ID 'A\\u{feff}device_id' holds a byte order mark"
    ));
}

#[test]
fn the_end_mark_of_dos_is_no_row() {
    for text in [
        "device_id\nA\n\x1a",
        "device_id\r\nA\x1a",
        "device_id\nA\n\x1a\x1a\r\n",
    ] {
        assert_eq!(rows(text, &options()), ["2 A>A@eu-central-1"], "{text:?}");
    }
}

#[test]
fn the_border_of_a_table_is_no_device() {
    let table = "| device_id | site |\n|---|---|\n| A | x |\n";
    assert_eq!(
        rows(table, &options()),
        [
            "2 ---! the device ID '---' is the border of a table, not a device; remove the line",
            "3 A>A@eu-central-1"
        ]
    );
}

#[test]
fn the_header_below_titles_is_named() {
    assert_eq!(
        refused(
            "Auftrag;4711\nDatum;28.11.2026\n\ndevice_id;line\nA;4\n",
            &options()
        ),
        "devices.csv, line 1: the line has no column 'device_id' (it has 'Auftrag', '4711'), but line 4 looks like the \
         header: remove the lines above it, or leave them out with: tail -n +4 devices.csv | kvs-fleet provision - \
         --results FILE"
    );
    let similar = refused(
        "# exported 2026-11-28\nSerial Number|line\nA|4\n",
        &options(),
    );
    assert!(
        similar.contains("line 2 looks like the header")
            && similar.ends_with("--id-column 'Serial Number'"),
        "{similar}"
    );
}

#[test]
fn ids_that_another_program_changed_and_the_service_refuses_are_named_for_what_they_are() {
    let told = rows(
        "device_id,message_ttl_seconds,region\n1.23457E+11,,\n02. Jan,,\n#N/A,,\n\"=\"\"0001\"\"\",,\na,NaN,\nb,,NULL\nc,30.0,\n",
        &options(),
    );
    let reasons = [
        "probably a spreadsheet program shortened a long number",
        "probably a spreadsheet program took an ID for a date",
        "probably a formula of a spreadsheet program failed",
        "probably a spreadsheet program wrote how it keeps a number as text",
        "probably a program wrote a word for an empty cell",
        "probably a program wrote a word for an empty cell",
    ];
    for (row, reason) in told.iter().zip(reasons) {
        assert!(row.contains('!') && row.ends_with(reason), "{row}");
    }
    assert_eq!(told[6], "8 c>c@eu-central-1 30s");
}

#[test]
fn mac_addresses_are_refused_with_the_flag_that_names_their_channels() {
    let text = "mac,Hall\n02:00:5E:00:53:01,1\n02:00:5E:00:53:01:02:03,1\n";
    let mac = |template: &str| Options {
        id_column: "mac".into(),
        ..named(template)
    };
    let told = rows(text, &mac("cam-{mac|lower}"));
    for row in &told {
        assert!(
            row.ends_with(
                "; to name channels by MAC addresses without colons, give --channel-name 'cam-{mac|lower|delete(:)}'"
            ),
            "{row}"
        );
    }
    assert_eq!(
        rows(text, &mac("cam-{mac|lower|delete(:)}"))[0],
        "2 02:00:5E:00:53:01>cam-02005e005301@eu-central-1"
    );
    // Where it is in another column that the template uses, or names the channel by itself.
    let of_other = rows("device_id,mac\nA,02:00:5E:00:53:01\n", &named("c-{mac}"));
    assert!(of_other[0].ends_with("'c-{mac|delete(:)}'"), "{of_other:?}");
    let of_cell = rows("device_id,channel_name\nA,02:00:5E:00:53:01\n", &options());
    assert!(
        of_cell[0].ends_with(
            "rename the column 'channel_name' to mac, and give --channel-name '{mac|delete(:)}'"
        ),
        "{of_cell:?}"
    );
    let braces = rows(text, &mac("{{mac}}"));
    assert!(!braces[0].contains("--channel-name"), "{braces:?}");
    let tagged = Options {
        tags: vec![("Mac".into(), Template::parse("{mac|replace(:,-)}").unwrap())],
        ..mac("{Hall}")
    };
    assert_eq!(
        rows(text, &tagged)[0],
        "2 02:00:5E:00:53:01>1@eu-central-1 Mac=02-00-5E-00-53-01"
    );
}

#[test]
fn tag_columns_with_impossible_keys() {
    assert_eq!(
        refused("device_id,tag: \n", &options()),
        "devices.csv, line 1: the column 'tag:': the tag has no key; expected 'tag:KEY', such as 'tag:Site'"
    );
    assert_eq!(
        refused("device_id,tag:aws:x\n", &options()),
        "devices.csv, line 1: the column 'tag:aws:x': the tag key 'aws:x' starts with 'aws:', which is reserved"
    );
    assert_eq!(
        refused("device_id,tag:a#\n", &options()),
        "devices.csv, line 1: the column 'tag:a#': the tag key 'a#' contains '#'; allowed are letters, digits, spaces \
         and _.:/=+-@"
    );
}

#[test]
fn templates_that_do_not_fit_the_header() {
    let text = "device_id,serial\na,1\n";
    assert_eq!(
        refused(text, &named("{device_id}-{Serial}")),
        "--channel-name: the template '{device_id}-{Serial}' uses the column 'Serial', which devices.csv does not \
         have; it has: 'device_id', 'serial'"
    );
    assert_eq!(
        refused(text, &tagged(&["Line={line}"])),
        "--tag Line: the template '{line}' uses the column 'line', which devices.csv does not have; it has: \
         'device_id', 'serial'"
    );
    assert_eq!(
        refused(text, &tagged(&["Line=#{serial}"])),
        "--tag Line: the tag value '#' contains '#'; allowed are letters, digits, spaces and _.:/=+-@"
    );
    assert!(refused(text, &named("{channel_name}")).starts_with("--channel-name: the template"));
}

#[test]
fn columns_that_look_like_others_are_said() {
    let warnings = |text: &str, options: &Options| open(text, options).layout().warnings().to_vec();
    assert_eq!(
        warnings(
            "device_id,ttl,Channel Name,tags:Site,serial\na,1,b,c,d\n",
            &options()
        ),
        [
            "the column 'ttl' is not used; if 'message_ttl_seconds' is meant, rename it to that",
            "the column 'Channel Name' is not used; if 'channel_name' is meant, rename it to that",
            "the column 'tags:Site' is not used; if 'tag:Site' is meant, rename it to that",
        ]
    );
    // One that a template uses is not suspect.
    assert!(warnings("device_id,ttl\na,1\n", &named("{device_id}-{ttl}")).is_empty());
    let serial = Options {
        id_column: "serial".into(),
        ..options()
    };
    assert_eq!(
        warnings("serial,device_id\n1,a\n", &serial),
        [
            "the column 'device_id' is not used: --id-column gives 'serial', and {device_id} in templates means that"
        ]
    );
}

#[test]
fn files_that_cannot_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("devices.csv");
    let message = |path: &Path| Manifest::open(path, &options()).unwrap_err().to_string();
    assert_eq!(
        message(&path),
        format!(
            "{}: there is no such file; check the manifest's path",
            path.display()
        )
    );
    assert_eq!(
        message(folder.path()),
        format!(
            "{}: this is a directory; give the path of a CSV file",
            folder.path().display()
        )
    );
    fs::write(&path, "device_id\na\n").unwrap();
    let manifest = Manifest::open(&path, &options()).unwrap();
    assert_eq!(manifest.sha256(), hex(&Sha256::digest(b"device_id\na\n")));
    assert_eq!(
        message(&path.join("below")).split(": ").nth(1),
        Some("the manifest cannot be read")
    );
}

#[test]
fn a_stream_that_breaks() {
    struct Broken(bool);
    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0 {
                return Err(io::Error::other("the pipe broke"));
            }
            self.0 = true;
            b"device_id\na\nb".as_slice().read(buffer)
        }
    }
    let mut rows = stream(Broken(false), &options()).unwrap();
    assert_eq!(told(&rows.next().unwrap().unwrap()), "2 a>a@eu-central-1");
    assert_eq!(
        rows.next().unwrap_err().to_string(),
        "standard input: the manifest cannot be read: the pipe broke"
    );
}

#[test]
fn a_streams_rows_come_as_soon_as_they_are_there() {
    /// Gives a line at a time, and counts.
    struct Lines<'a>(&'a [&'a str], usize);
    impl Read for Lines<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let line = self.0.get(self.1).copied().unwrap_or_default();
            self.1 += 1;
            line.as_bytes().read(buffer)
        }
    }
    let lines = ["device_id,serial\r\n", "a,1\r\n", "b,2\r", "\nc,3\r\n"];
    let mut given = Lines(&lines, 0);
    let mut rows = stream(&mut given, &options()).unwrap();
    for expected in ["2 a", "3 b", "4 c"] {
        assert!(told(&rows.next().unwrap().unwrap()).starts_with(expected));
    }
    drop(rows);
    assert_eq!(given.1, lines.len());
}

#[test]
fn the_samples_are_what_they_are_said_to_be() {
    let devices = rows(include_str!("../../samples/devices.csv"), &options());
    assert_eq!(devices.len(), 12);
    assert_eq!(
        devices[0],
        "2 DEVICE_1>DEVICE_1@eu-central-1 Site=Leipzig Line=L1 Model=Bullet 2K"
    );
    let factory = rows(include_str!("../../samples/factory-1000.csv"), &options());
    assert_eq!(factory.len(), 1_000);
    assert_eq!(
        factory[999],
        "1001 CAM-001000>CAM-001000@eu-central-1 Site=Graz"
    );
    for row in devices.iter().chain(&factory) {
        assert!(!row.contains('!'), "{row}");
    }
}

#[test]
fn the_bad_sample_has_each_kind_of_bad_row_once() {
    let rows = rows(include_str!("../../samples/bad-devices.csv"), &options());
    let reasons: Vec<_> = rows.iter().filter_map(|row| row.split_once("! ")).collect();
    let expected = [
        ("3 ", "the device ID (column 'device_id') is empty"),
        ("4 CAM 0002", "contains ' '; allowed are letters"),
        ("5 CAM-0003", "has 257 characters; at most 256 are allowed"),
        (
            "6 CAM-0004",
            "the message TTL is 300; it must be 5 to 120 seconds",
        ),
        (
            "7 CAM-0005",
            "the message TTL is '1 min'; it must be a whole number",
        ),
        (
            "8 CAM-0006",
            "the Region 'Frankfurt' is not a valid Region name",
        ),
        (
            "9 CAM-0007",
            "the tag 'Site': the tag value 'Hall #4' contains '#'",
        ),
        ("10 CAM-0008", "has 257 characters; at most 256 are allowed"),
        ("15 CAM-0012", "the row has 4 fields, the header has 6"),
        ("16 CAM-0013", "the row has 7 fields, the header has 6"),
    ];
    for ((row, reason), (expected_row, expected_reason)) in reasons.iter().zip(expected) {
        assert_eq!(*row, expected_row);
        assert!(reason.contains(expected_reason), "{reason}");
    }
    assert_eq!(reasons.len(), expected.len());
    // The rest is sound by itself: what two rows are to each other is not this module's to say.
    assert_eq!(rows.len() - reasons.len(), 8);
}

#[test]
fn fingerprints_tell_rows_of_other_ttl_or_tags_apart() {
    let fingerprints = |text: &str| {
        let manifest = open(text, &options());
        let mut rows = manifest.rows();
        let mut found = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            found.push(row.ask.unwrap().fingerprint());
        }
        found
    };
    let header = "device_id,message_ttl_seconds,tag:A,tag:B\n";
    let found = fingerprints(&format!(
        "{header}a,,1,2\na,,2,1\na,,1,\na,,,1\na,60,1,2\na,,12,\nb,,1,2\n"
    ));
    for (index, one) in found.iter().enumerate() {
        let is_same = |(_, other): &(usize, &u64)| *other == one;
        let same = found.iter().enumerate().find(is_same).unwrap().0;
        assert_eq!(same, if index == 6 { 0 } else { index });
    }
}

#[test]
fn any_text_reads_the_same_from_file_and_stream() {
    let alphabet = [
        "a",
        "é",
        ",",
        ",",
        ";",
        "\"",
        "\n",
        "\n",
        "\r",
        "\t",
        " ",
        "\0",
        "\u{feff}",
        "device_id",
        "tag:",
        "region",
    ];
    let options = tagged(&["T={device_id}"]);
    for seed in 0..20_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut text = String::from(if random.bool() { "device_id,x\n" } else { "" });
        for _ in 0..random.usize(..20) {
            text += alphabet[random.usize(..alphabet.len())];
        }
        let mut bytes = text.into_bytes();
        if random.u8(..8) == 0 {
            bytes.push(0xC3);
        }
        let file = open_bytes(&bytes, &options).map(|manifest| {
            let mut rows = manifest.rows();
            let mut all = Vec::new();
            while let Some(row) = rows.next().unwrap() {
                all.push(told(&row));
            }
            all
        });
        let streamed = stream(Drip(&bytes), &options).and_then(|mut rows| {
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push(told(&row));
            }
            Ok(all)
        });
        match (file, streamed) {
            (Ok(file), Ok(streamed)) => assert_eq!(file, streamed, "seed {seed}"),
            (Err(_), Err(_)) => {}
            (file, streamed) => panic!("seed {seed}: {file:?} {streamed:?}"),
        }
    }
}
