//! The results module as a whole: what is read, repaired, refused, appended and finished, also through crashes.
#![expect(clippy::cast_possible_truncation, reason = "test files are short")]

mod append;
mod crash;
mod finishing;
mod merging;
mod reading;
mod runs;
mod without_account;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use kvs_fleet::domain::device::{AccountId, ChannelArn};
use kvs_fleet::results::disk::Disk;
use kvs_fleet::results::finish::FinishRow;
use kvs_fleet::results::journal::Journal;
use kvs_fleet::results::read::{Entry, ReadError};
use kvs_fleet::results::record::{Place, Row, Status, encode};

use crate::disk::TestDisk;

fn path() -> PathBuf {
    PathBuf::from("batch.results.csv")
}

fn row(id: &str, status: Status) -> Row {
    let name: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
    let arn =
        format!("arn:aws:kinesisvideo:eu-central-1:111122223333:channel/{name}/1700000000123");
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
    let is_failed = status == Status::Failed;
    Row {
        device_id: id.into(),
        channel_name: name.into(),
        account: AccountId::parse("111122223333").ok(),
        region: "eu-central-1".into(),
        status,
        channel_arn: status.has_arn().then(|| ChannelArn::parse(&arn).unwrap()),
        attempts: 1,
        started_at: Some(time),
        finished_at: Some(time),
        error_code: if is_failed { "Timeout" } else { "" }.into(),
        error_message: if is_failed {
            "nothing, for \"10s\""
        } else {
            ""
        }
        .into(),
        request_id: "3f0c9a52-5b3f-4b0e-9d0e-0123456789ab".into(),
    }
}

fn line(row: &Row) -> String {
    let mut line = Vec::new();
    encode(row, &mut line);
    String::from_utf8(line).unwrap()
}

fn file(rows: &[Row]) -> String {
    rows.iter().fold(
        kvs_fleet::results::record::HEADER.to_owned(),
        |text, row| text + &line(row),
    )
}

/// The same file as an earlier version wrote it, without the column `account`.
fn earlier(rows: &[Row]) -> String {
    let earlier = crate::earlier::without_account(file(rows).as_bytes());
    String::from_utf8(earlier.unwrap()).unwrap()
}

/// A row as an earlier version knew it: without the account, unless its ARN names it.
fn without_account(row: &Row) -> Row {
    let account = None;
    Row {
        account,
        ..row.clone()
    }
}

/// Opens the journal and tells each row's ID, status and place.
type Rows = Vec<(String, Status, Place)>;

fn open(disk: &TestDisk) -> Result<(Journal<TestDisk>, Rows), ReadError> {
    open_at(disk, &path())
}

fn open_at<D: Disk>(disk: &D, path: &Path) -> Result<(Journal<D>, Rows), ReadError> {
    let mut rows = Vec::new();
    let journal = Journal::open(disk, path, |entry: Entry<'_>| {
        let record = entry.record;
        rows.push((record.device_id().to_owned(), record.status(), entry.place));
        Ok::<(), ReadError>(())
    })?;
    Ok((journal, rows))
}

fn ids(rows: &Rows) -> Vec<&str> {
    rows.iter().map(|(id, ..)| id.as_str()).collect()
}

fn kept(rows: &Rows, order: &[usize]) -> Vec<FinishRow> {
    order
        .iter()
        .map(|&index| FinishRow::Kept(rows[index].2))
        .collect()
}

fn text(disk: &TestDisk) -> String {
    String::from_utf8(disk.read_file(&path()).unwrap()).unwrap()
}
