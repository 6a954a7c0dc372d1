//! The manifest section of the contract, line by line, with the messages that people get.

mod accounts;
mod files;
mod header;
mod row_errors;

use std::fs;
use std::io::{self, Read};

use super::*;
use crate::domain::device::{MessageTtl, Region};
use crate::domain::template::Template;

const HEADER_AGAIN: &str =
    "the header is repeated here; were two files concatenated? Remove the line";

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
    let valid = match &row.checked {
        Ok(valid) => valid,
        Err(error) => {
            assert_eq!(error.code, "InvalidRow");
            return format!("{} {}! {}", row.line, row.device_id, error.reason);
        }
    };
    let device = valid.to_device();
    assert_eq!(&*device.id, row.device_id);
    assert_eq!(&*device.id, valid.device_id());
    assert_eq!(device.channel_name.as_str(), valid.channel_name());
    assert_eq!(&device.region, valid.region());
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
fn fingerprints_tell_rows_of_other_ttl_or_tags_apart() {
    let fingerprints = |text: &str| {
        let manifest = open(text, &options());
        let mut rows = manifest.rows();
        let mut found = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            found.push(row.checked.unwrap().fingerprint());
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
