//! Files of earlier versions, without the column `account`: read, and rewritten before anything is appended.

use std::io;

use kvs_fleet::results::disk::{Access, DiskFile};
use kvs_fleet::results::finish::finish;
use kvs_fleet::results::journal::JournalError;
use kvs_fleet::results::read::read_results;
use kvs_fleet::results::record::HEADER;

use super::*;

fn with(content: &str) -> TestDisk {
    let disk = TestDisk::default();
    disk.write_file(&path(), content.as_bytes());
    disk
}

#[test]
fn the_account_of_a_row_is_that_of_its_column_or_its_arn() {
    let accounts = |content: String| {
        let mut accounts = Vec::new();
        read_results(&with(&content), &path(), |entry: Entry<'_>| {
            accounts.push(entry.record.account().unwrap_or("none").to_owned());
            Ok::<(), ReadError>(())
        })
        .unwrap();
        accounts
    };
    let rows = [row("D1", Status::Created), row("D2", Status::Failed)];
    assert_eq!(accounts(file(&rows)), ["111122223333", "111122223333"]);
    assert_eq!(accounts(earlier(&rows)), ["111122223333", "none"]);
    let emptied = file(&rows).replace(",111122223333,", ",,");
    assert_eq!(accounts(emptied), ["111122223333", "none"]);
}

#[test]
fn a_file_of_an_earlier_version_is_read_and_repaired_as_any_other() {
    let rows = [
        row("DEVICE_1", Status::Created),
        row(
            "has, a comma and a \"quote\"\nand a line end",
            Status::Exists,
        ),
        row("DEVICE_3", Status::Failed),
    ];
    let whole = earlier(&rows);
    let header = HEADER.replace("account,", "");
    let expected = rows.clone().map(|row| without_account(&row));
    for content in [
        whole.clone(),
        format!("\u{feff}{}", whole.replace('\n', "\r\n")),
        whole.replace('\n', ",,\n"),
    ] {
        // Line ends in a cell are the row's own.
        let ids = ids(&open(&with(&content)).unwrap().1).len();
        assert_eq!(ids, 3, "{content:?}");
    }
    for cut in 0..whole.len() {
        let disk = with(&whole[..cut]);
        let (mut journal, read) = open(&disk).unwrap();
        assert_eq!(text(&disk), whole[..cut], "reading alone changes nothing");
        journal.prepare().unwrap();
        assert_eq!(text(&disk), file(&expected[..read.len()]), "cut at {cut}");
        assert_eq!(disk.file_names(), ["batch.results.csv"], "cut at {cut}");
    }
    let damaged = header + &line(&rows[0]) + &line(&rows[2]);
    assert_eq!(
        open(&with(&damaged)).unwrap_err().to_string(),
        "batch.results.csv, line 2: the row has 12 fields where 11 are expected"
    );
}

#[test]
fn a_file_of_an_earlier_version_is_rewritten_before_anything_is_appended() {
    let rows = [row("D1", Status::Created), row("D,2", Status::Failed)];
    let before = rows.clone().map(|row| without_account(&row));
    let disk = TestDisk::default();
    disk.write_file(&path(), earlier(&rows).as_bytes());
    let (mut journal, read) = open(&disk).unwrap();
    disk.take_log();
    journal.prepare().unwrap();
    let mut log = disk.take_log();
    log.retain(|operation| !operation.starts_with("read ") && !operation.starts_with("length "));
    assert_eq!(
        log,
        [
            "create batch.results.csv.kvs-fleet-tmp",
            "mode ",
            "write ",
            "sync ",
            "names batch.results.csv",
            "rename batch.results.csv.kvs-fleet-tmp",
            "sync folder batch.results.csv",
            "open batch.results.csv",
        ]
    );
    assert_eq!(text(&disk), file(&before));
    journal.prepare().unwrap();
    assert!(disk.take_log().is_empty(), "once is enough");
    let third = row("D3", Status::Failed);
    let offset = journal.append(line(&third).as_bytes()).unwrap();
    let all = [&before[..], std::slice::from_ref(&third)].concat();
    assert_eq!(text(&disk), file(&all));
    // The places of the rows that were read are still theirs.
    let length = u32::try_from(line(&third).len()).unwrap();
    let appended = FinishRow::Kept(Place { offset, length });
    let [first, second] = &kept(&read, &[0, 1])[..] else {
        panic!("not two rows");
    };
    finish(journal, [appended, second.clone(), first.clone()]).unwrap();
    let reversed: Vec<Row> = all.into_iter().rev().collect();
    assert_eq!(text(&disk), file(&reversed));
}

#[test]
fn a_file_of_an_earlier_version_that_cannot_be_rewritten_stays_as_it_is() {
    let rows = [row("D1", Status::Created), row("D2", Status::Failed)];
    for operation in ["create", "mode", "write", "sync", "names", "rename"] {
        let disk = TestDisk::default();
        disk.write_file(&path(), earlier(&rows).as_bytes());
        let (mut journal, _) = open(&disk).unwrap();
        disk.fail(operation, io::ErrorKind::StorageFull);
        let error = journal.prepare().unwrap_err().to_string();
        assert!(
            error.starts_with("the results file batch.results.csv cannot be "),
            "{error}"
        );
        assert_eq!(text(&disk), earlier(&rows), "{operation}");
        assert_eq!(disk.file_names(), ["batch.results.csv"], "{operation}");
    }
}

#[test]
fn a_file_of_an_earlier_version_that_another_program_changes_is_left_alone() {
    let rows = [row("D1", Status::Created), row("D2", Status::Failed)];
    let replaced = earlier(&rows[..1]);
    let emptied = earlier(&rows).replacen("D2", "", 2);
    for (theirs, is_in_place) in [(&replaced, false), (&emptied, true), (&replaced, true)] {
        let disk = TestDisk::default();
        disk.write_file(&path(), earlier(&rows).as_bytes());
        let (mut journal, _) = open(&disk).unwrap();
        if is_in_place {
            let mut other = disk.open(&path(), Access::Write).unwrap().unwrap();
            other.set_length(0).unwrap();
            other.write_at(0, theirs.as_bytes()).unwrap();
        } else {
            disk.remove(&path()).unwrap();
            disk.write_file(&path(), theirs.as_bytes());
        }
        let error = journal.prepare().unwrap_err();
        assert!(matches!(error, JournalError::Changed { .. }), "{error}");
        assert_eq!(text(&disk), *theirs);
        assert_eq!(disk.file_names(), ["batch.results.csv"]);
    }
}
