//! The results file: any bytes are read or refused, a repair loses no valid row, and the finished file matches the
//! journal.

use std::path::Path;

use kvs_fleet::results::finish::{FinishRow, Finished, finish};
use kvs_fleet::results::journal::Journal;
use kvs_fleet::results::read::{Entry, ReadError, Reading, TORN_TAIL_BYTES, read_results};
use kvs_fleet::results::record::{COLUMNS, HEADER, Place};

use super::disk::TestDisk;
use super::is_a_message;

/// A row's columns in order.
pub(crate) type Fields = [String; COLUMNS.len()];

/// A row's place, line and columns.
type Taken = (Place, u64, Fields);

const PATH: &str = "d.results.csv";

/// A row of a device that is in no file.
const APPENDED: &str = "NEW,NEW,111122223333,eu-central-1,failed,,3,,,Timeout,no answer,\n";

/// Any file.
pub(crate) fn holds(file: &[u8]) {
    let disk = disk_with(file);
    let read = rows(&disk);
    assert_eq!(content(&disk), file, "reading has changed it");
    let (reading, before) = match read {
        Ok(read) => read,
        Err(error) => return is_refused(&disk, &error),
    };
    are_in_order(&before, file);
    let before = fields(before);
    if let Some(torn) = reading.torn {
        assert!(torn.lost_bytes <= TORN_TAIL_BYTES.max(2 * HEADER.len() as u64));
        assert_eq!(torn.keep + torn.lost_bytes, file.len() as u64);
    }
    if is_of_an_earlier_version(file) {
        is_upgraded(file, &before);
    }
    is_repaired(&disk, file, &reading, &before);
    let before = is_appended_to(&disk, before);
    is_finished(&disk, &before);
}

/// All rows of a file that must be valid.
pub(crate) fn rows_of(file: &[u8]) -> Vec<Fields> {
    let disk = disk_with(file);
    let (reading, rows) = rows(&disk).unwrap();
    assert_eq!(reading.torn, None);
    fields(rows)
}

/// The content of a file after its torn tail is removed.
pub(crate) fn repaired(file: &[u8]) -> Vec<u8> {
    let disk = disk_with(file);
    let mut journal = Journal::open(&disk, Path::new(PATH), |_| Ok::<(), ReadError>(())).unwrap();
    journal.prepare().unwrap();
    content(&disk)
}

/// A disk with this results file.
fn disk_with(file: &[u8]) -> TestDisk {
    let disk = TestDisk::default();
    disk.write_file(Path::new(PATH), file);
    disk
}

fn content(disk: &TestDisk) -> Vec<u8> {
    disk.read_file(Path::new(PATH)).expect("the results file")
}

fn rows(disk: &TestDisk) -> Result<(Reading, Vec<Taken>), ReadError> {
    let mut rows = Vec::new();
    let reading = read_results(disk, Path::new(PATH), |entry| {
        rows.push(taken(&entry));
        Ok::<(), ReadError>(())
    })?;
    assert_eq!(reading.rows, rows.len() as u64);
    Ok((reading, rows))
}

fn taken(entry: &Entry<'_>) -> Taken {
    let record = &entry.record;
    let fields = [
        record.device_id(),
        record.channel_name(),
        record.account().unwrap_or_default(),
        record.region(),
        record.status().as_str(),
        record.channel_arn(),
        &record.attempts().to_string(),
        record.started_at(),
        record.finished_at(),
        record.error_code(),
        record.error_message(),
        record.request_id(),
    ];
    (entry.place, entry.line, fields.map(str::to_owned))
}

fn fields(rows: Vec<Taken>) -> Vec<Fields> {
    rows.into_iter().map(|(_, _, fields)| fields).collect()
}

fn is_refused(disk: &TestDisk, error: &ReadError) {
    let path = Path::new(PATH);
    is_a_message(&error.to_string());
    assert!(error.to_string().contains(PATH), "{error}");
    let before = content(disk);
    let opened = Journal::open(disk, path, |_| Ok::<(), ReadError>(()));
    assert_eq!(opened.unwrap_err().to_string(), error.to_string());
    assert_eq!(content(disk), before, "a refused file was changed");
}

fn are_in_order(rows: &[Taken], file: &[u8]) {
    let mut end = 1;
    let mut last_line = 1;
    for (place, line, _) in rows {
        assert!(place.offset >= end && *line > last_line, "{rows:?}");
        (end, last_line) = (place.end(), *line);
    }
    assert!(end <= file.len() as u64 || rows.is_empty(), "{rows:?}");
}

fn is_repaired(disk: &TestDisk, file: &[u8], reading: &Reading, before: &[Fields]) {
    let path = Path::new(PATH);
    let mut journal = Journal::open(disk, path, |_| Ok::<(), ReadError>(())).unwrap();
    assert_eq!(journal.torn(), reading.torn);
    journal.prepare().unwrap();
    let content = content(disk);
    let keep = reading.torn.map_or(file.len() as u64, |torn| torn.keep);
    if keep == 0 {
        assert_eq!(content, HEADER.as_bytes(), "a new file");
    } else if is_of_an_earlier_version(file) {
        assert!(content.starts_with(HEADER.as_bytes()), "rewritten");
    } else {
        assert_eq!(content, file[..usize::try_from(keep).unwrap()]);
    }
    let (reading, after) = rows(disk).expect("what was repaired is sound");
    assert_eq!(reading.torn, None, "what was repaired is whole");
    assert_eq!(fields(after), before);
}

fn is_appended_to(disk: &TestDisk, mut before: Vec<Fields>) -> Vec<Fields> {
    let mut journal = Journal::open(disk, Path::new(PATH), |_| Ok::<(), ReadError>(())).unwrap();
    let offset = journal.append(APPENDED.as_bytes()).unwrap();
    let (reading, after) = rows(disk).expect("what was appended to is sound");
    assert_eq!(reading.torn, None);
    let (place, _, last) = after.last().expect("the row that was appended");
    assert_eq!((place.offset, last[0].as_str()), (offset, "NEW"));
    before.push(last.clone());
    assert_eq!(fields(after), before);
    before
}

/// Whether a file that is sound has no column `account`.
fn is_of_an_earlier_version(file: &[u8]) -> bool {
    let header = file.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let header = String::from_utf8_lossy(header);
    header.contains("request_id") && !header.contains("account")
}

/// A row is appended to a file of an earlier version, and the rows, wherever they were read, are put in another order.
fn is_upgraded(file: &[u8], before: &[Fields]) {
    let disk = disk_with(file);
    let mut rows_in_order = Vec::new();
    let journal = Journal::open(&disk, Path::new(PATH), |entry| {
        rows_in_order.push(FinishRow::Kept(entry.place));
        Ok::<(), ReadError>(())
    });
    let mut journal = journal.unwrap();
    let offset = journal.append(APPENDED.as_bytes()).unwrap();
    let (_, appended) = rows(&disk).expect("what was rewritten is sound");
    assert_eq!(fields(appended)[..before.len()], *before);
    rows_in_order.push(FinishRow::Kept(Place {
        offset,
        length: u32::try_from(APPENDED.len()).unwrap(),
    }));
    rows_in_order.reverse();
    finish(journal, rows_in_order).unwrap();
    let finished = rows_of(&content(&disk));
    assert_eq!(finished[0][0], "NEW");
    assert!(finished[1..].iter().rev().eq(before));
}

/// Keeps every row in its order.
fn is_finished(disk: &TestDisk, before: &[Fields]) {
    let finished = || {
        let mut kept = Vec::new();
        let journal = Journal::open(disk, Path::new(PATH), |entry| {
            kept.push(FinishRow::Kept(entry.place));
            Ok::<(), ReadError>(())
        });
        finish(journal.unwrap(), kept).unwrap()
    };
    finished();
    let (reading, after) = rows(disk).expect("what was finished is sound");
    assert_eq!(reading.torn, None);
    assert_eq!(fields(after), before);
    let text = content(disk);
    assert!(text.starts_with(HEADER.as_bytes()) && text.ends_with(b"\n"));
    assert_eq!(finished(), Finished::Unchanged, "once is enough");
    assert_eq!(content(disk), text);
    assert_eq!(disk.file_names(), [PATH], "nothing is left beside it");
}

/// The error of a file that must be refused.
pub(crate) fn refusal(file: &[u8]) -> String {
    holds(file);
    let disk = disk_with(file);
    rows(&disk).expect_err("the file is read").to_string()
}
