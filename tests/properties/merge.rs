//! Merging results files: neither their order nor their grouping matters, and nothing of a device is lost.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use kvs_fleet::domain::device::{AccountId, ChannelArn};
use kvs_fleet::results::merge::{FileRows, MergeRows};
use kvs_fleet::results::read::{ReadError, read_results};
use kvs_fleet::results::record::{HEADER, Row, Status, encode};
use kvs_fleet::results::replace::Replacement;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::draw::check;
use crate::laws::disk::TestDisk;
use crate::laws::record::STATUSES;

/// The place of the column `account`.
const ACCOUNT: usize = 2;

const IDS: [&str; 6] = ["", "A", "B", "B,1", "\u{e4}", "a"];

/// Rows of few devices, channels and times, so that they often meet.
fn rows() -> impl Strategy<Value = Row> {
    let parts = (
        0..IDS.len(),
        select(&STATUSES[..]),
        1..4_u64,
        0..3_u64,
        0..3_u32,
    );
    parts.prop_map(|(device, mut status, created, finished, attempts)| {
        if device == 0 {
            status = Status::Invalid;
        }
        let name = format!("D{device}");
        let arn =
            format!("arn:aws:kinesisvideo:eu-central-1:111122223333:channel/{name}/{created}");
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(finished);
        Row {
            device_id: IDS[device].into(),
            channel_name: name.into(),
            account: AccountId::parse("111122223333")
                .ok()
                .filter(|_| finished == 1 && status != Status::Invalid),
            region: "eu-central-1".into(),
            status,
            channel_arn: status.has_arn().then(|| ChannelArn::parse(&arn).unwrap()),
            attempts,
            started_at: None,
            finished_at: (status != Status::Invalid).then_some(time),
            error_code: "".into(),
            error_message: format!("line {created}: \"no\"").into(),
            request_id: "".into(),
        }
    })
}

/// A file as a killed run leaves it, with several rows of a device. Some are of an earlier version, without the column
/// `account`.
fn files() -> impl Strategy<Value = Vec<u8>> {
    (vec(rows(), 0..12), any::<bool>()).prop_map(|(rows, is_earlier)| {
        let mut file = HEADER.as_bytes().to_vec();
        for row in &rows {
            encode(row, &mut file);
        }
        if is_earlier {
            file = without_account(&file);
        }
        file
    })
}

/// The file without that column.
pub(crate) fn without_account(file: &[u8]) -> Vec<u8> {
    let mut reader = csv::ReaderBuilder::new();
    let mut reader = reader.has_headers(false).from_reader(file);
    let mut writer = csv::Writer::from_writer(Vec::new());
    for record in reader.records().map(Result::unwrap) {
        let kept = record.iter().enumerate();
        let kept = kept.filter_map(|(index, field)| (index != ACCOUNT).then_some(field));
        writer.write_record(kept).unwrap();
    }
    writer.into_inner().unwrap()
}

fn merged(files: &[&[u8]]) -> Vec<u8> {
    let path = Path::new("d.results.csv");
    let mut rows = MergeRows::default();
    for file in files {
        let mut of_file = FileRows::default();
        let disk = TestDisk::default();
        disk.write_file(path, file);
        let read = read_results(&disk, path, |entry| {
            of_file.push(&entry.record, entry.line);
            Ok::<(), ReadError>(())
        });
        read.unwrap();
        rows.add(of_file);
    }
    let merged = rows.merge();
    assert_eq!(merged.moved, None);
    assert_eq!(rows.shared_channel(&merged.rows), None);
    let disk = TestDisk::default();
    let lines = merged.rows.iter().map(|index| rows.row(*index).line());
    let replacement = Replacement::open(&disk, path).unwrap();
    replacement.replace(lines).unwrap();
    assert_eq!(disk.file_names(), ["d.results.csv"]);
    disk.read_file(path).unwrap()
}

#[test]
fn the_order_of_the_files_does_not_matter() {
    check(
        1_000,
        (vec(files(), 1..6), any::<Index>()),
        |(files, turn)| {
            let mut files: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
            let expected = merged(&files);
            let turn = turn.index(files.len());
            files.rotate_left(turn);
            assert_eq!(merged(&files), expected);
            files.reverse();
            assert_eq!(merged(&files), expected);
        },
    );
}

#[test]
fn a_merged_file_is_as_good_as_its_parts() {
    check(1_000, (files(), files(), files()), |(a, b, c)| {
        let all = merged(&[&a, &b, &c]);
        assert_eq!(merged(&[&merged(&[&a, &b]), &c]), all);
        assert_eq!(merged(&[&a, &merged(&[&b, &c])]), all);
        // Once more changes nothing.
        assert_eq!(merged(&[&all]), all);
        assert_eq!(merged(&[&all, &all]), all);
        assert_eq!(merged(&[&all, &b]), all);
        assert_eq!(merged(&[&a, &a, &b, &c, &b]), all);
    });
}

#[test]
fn each_device_has_one_row_and_invalid_lines_of_their_own() {
    check(1_000, vec(files(), 1..6), |files| {
        let files: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
        let mut of_devices: BTreeMap<String, u32> = BTreeMap::new();
        // Device and status, by the names of the columns.
        let all = |file: &[u8]| -> Vec<(String, String)> {
            let mut reader = csv::Reader::from_reader(file);
            let rows = reader.deserialize().map(Result::unwrap);
            let both =
                |row: BTreeMap<String, String>| (row["device_id"].clone(), row["status"].clone());
            rows.map(both).collect()
        };
        let found = merged(&files);
        assert!(found.starts_with(HEADER.as_bytes()));
        for (device, status) in all(&found) {
            let rows = of_devices.entry(device).or_default();
            *rows += u32::from(status != "invalid");
        }
        assert!(of_devices.values().all(|rows| *rows <= 1));
        for (device, status) in files.iter().flat_map(|file| all(file)) {
            let rows = of_devices.get(&device);
            assert!(rows.is_some_and(|rows| *rows == 1 || status == "invalid"));
        }
    });
}
