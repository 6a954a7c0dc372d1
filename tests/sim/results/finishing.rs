//! The finished file: its order, that it takes the journal's place whole or not at all, and what it leaves alone.

use std::io;

use kvs_fleet::results::disk::{DiskFile, RealDisk};
use kvs_fleet::results::finish::{FinishError, Finished, finish, remove_leftover};
use kvs_fleet::results::record::HEADER;

use super::*;

fn batch(count: usize) -> Vec<Row> {
    (0..count)
        .map(|index| row(&format!("CAM,{index}"), Status::Created))
        .collect()
}

fn with(rows: &[Row]) -> TestDisk {
    let disk = TestDisk::default();
    disk.write_file(&path(), file(rows).as_bytes());
    disk
}

fn new(row: Row) -> FinishRow {
    FinishRow::New(Box::new(row))
}

#[test]
fn any_order_and_any_choice_of_rows_is_written() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let rows = batch(random.usize(1..40));
        let disk = with(&rows);
        let (journal, read) = open(&disk).unwrap();
        let mut order: Vec<usize> = (0..rows.len()).collect();
        if random.bool() {
            random.shuffle(&mut order);
        }
        order.truncate(random.usize(..=order.len()));
        let mut wanted = Vec::new();
        let mut expected = Vec::new();
        for &index in &order {
            if random.u8(..8) == 0 {
                let invalid = row(&format!("BAD {index}"), Status::Invalid);
                wanted.push(new(invalid.clone()));
                expected.push(invalid);
            }
            wanted.push(FinishRow::Kept(read[index].2));
            expected.push(rows[index].clone());
        }
        let finished = finish(journal, wanted).unwrap();
        assert_eq!(text(&disk), file(&expected), "seed {seed}");
        assert_eq!(
            finished == Finished::Unchanged,
            expected == rows,
            "seed {seed}"
        );
        assert_eq!(disk.file_names(), ["batch.results.csv"]);
    }
}

#[test]
fn a_file_that_is_as_it_should_be_is_not_written() {
    let rows = [
        row("D1", Status::Created),
        row("", Status::Invalid),
        row("D3", Status::Failed),
    ];
    let disk = with(&rows);
    let (journal, read) = open(&disk).unwrap();
    disk.take_log();
    let wanted = [
        FinishRow::Kept(read[0].2),
        new(rows[1].clone()),
        FinishRow::Kept(read[2].2),
    ];
    assert_eq!(finish(journal, wanted).unwrap(), Finished::Unchanged);
    let reads = ["read ", "length ", "names batch.results.csv"];
    assert!(
        disk.take_log()
            .iter()
            .all(|operation| reads.contains(&operation.as_str()))
    );
}

#[test]
fn a_changed_invalid_row_or_a_torn_tail_is_written() {
    let rows = [row("D1", Status::Created), row("", Status::Invalid)];
    let disk = with(&rows);
    let (journal, read) = open(&disk).unwrap();
    let changed = Row {
        error_message: "line 9".into(),
        ..rows[1].clone()
    };
    let wanted = [FinishRow::Kept(read[0].2), new(changed.clone())];
    assert_eq!(finish(journal, wanted).unwrap(), Finished::Replaced);
    assert_eq!(text(&disk), file(&[rows[0].clone(), changed]));

    disk.write_file(&path(), (file(&rows[..1]) + "D2,torn").as_bytes());
    let (journal, read) = open(&disk).unwrap();
    assert_eq!(
        finish(journal, kept(&read, &[0])).unwrap(),
        Finished::Replaced
    );
    assert_eq!(text(&disk), file(&rows[..1]));
}

#[test]
fn the_new_file_is_whole_on_disk_before_it_takes_the_name() {
    let disk = with(&batch(2));
    let (journal, read) = open(&disk).unwrap();
    disk.take_log();
    finish(journal, kept(&read, &[1, 0])).unwrap();
    let log = disk.take_log();
    let at = |operation: &str| {
        log.iter()
            .position(|done| done.starts_with(operation))
            .unwrap()
    };
    assert!(at("create batch.results.csv.kvs-fleet-tmp") < at("mode"));
    assert!(at("mode") < at("write"));
    assert!(at("write") < at("sync "));
    assert!(at("sync ") < at("names batch.results.csv"));
    assert!(at("names") < at("rename batch.results.csv.kvs-fleet-tmp"));
    assert!(at("rename") < at("sync folder"));
}

#[test]
fn what_a_spreadsheet_saved_becomes_canonical() {
    let rows = batch(3);
    for content in [
        format!("\u{feff}{}", file(&rows)),
        file(&rows).replace('\n', "\r\n"),
        file(&rows).replace('\n', "\r\n").trim_end().to_owned(),
        file(&rows).replace('\n', ",,\n"),
        file(&rows) + "\n",
        file(&rows).replace("device_id", "\"device_id\""),
    ] {
        let disk = TestDisk::default();
        disk.write_file(&path(), content.as_bytes());
        let (mut journal, mut read) = open(&disk).unwrap();
        let fourth = row("D4", Status::Exists);
        let fourth_line = line(&fourth);
        let offset = journal.append(fourth_line.as_bytes()).unwrap();
        let length = u32::try_from(fourth_line.len()).unwrap();
        read.push(("D4".into(), Status::Exists, Place { offset, length }));
        assert_eq!(
            finish(journal, kept(&read, &[0, 1, 2, 3])).unwrap(),
            Finished::Replaced
        );
        let expected = [rows.as_slice(), &[fourth]].concat();
        assert_eq!(text(&disk), file(&expected), "{content:?}");
    }
}

#[test]
fn a_run_without_a_journal_writes_what_it_has() {
    let disk = TestDisk::default();
    let (journal, _) = open(&disk).unwrap();
    let invalid = row("", Status::Invalid);
    assert_eq!(
        finish(journal, [new(invalid.clone())]).unwrap(),
        Finished::Replaced
    );
    assert_eq!(text(&disk), file(&[invalid]));
}

#[test]
fn a_disk_that_refuses_leaves_the_journal_and_nothing_else() {
    for operation in ["create", "mode", "write", "sync", "rename"] {
        let rows = batch(2);
        let disk = with(&rows);
        let (journal, read) = open(&disk).unwrap();
        disk.fail(operation, io::ErrorKind::StorageFull);
        let error = finish(journal, kept(&read, &[1, 0]))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("holds every row and resumes as it is"),
            "{error}"
        );
        assert_eq!(text(&disk), file(&rows), "{operation}");
        assert_eq!(disk.file_names(), ["batch.results.csv"], "{operation}");
    }
}

#[test]
fn results_that_were_renamed_deleted_or_replaced_are_saved_beside() {
    let rows = batch(2);
    for theirs in [None, Some("something else")] {
        let disk = with(&rows);
        let (journal, read) = open(&disk).unwrap();
        disk.rename(&path(), Path::new("moved.csv")).unwrap();
        if let Some(theirs) = theirs {
            disk.write_file(&path(), theirs.as_bytes());
        }
        disk.write_file(Path::new("batch.results.saved-1.csv"), b"from last time");
        let beside = PathBuf::from("batch.results.saved-2.csv");
        let finished = finish(journal, kept(&read, &[1, 0])).unwrap();
        assert_eq!(finished, Finished::SavedBeside(beside.clone()));
        let saved = String::from_utf8(disk.read_file(&beside).unwrap()).unwrap();
        assert_eq!(saved, file(&[rows[1].clone(), rows[0].clone()]));
        assert_eq!(
            disk.read_file(&path()),
            theirs.map(|text| text.as_bytes().to_vec())
        );
    }
}

#[test]
fn a_copy_that_may_be_the_only_one_is_kept_whatever_fails() {
    const TEMPORARY: &str = "batch.results.csv.kvs-fleet-tmp";
    let rows = batch(2);
    let whole = file(&[rows[1].clone(), rows[0].clone()]);
    for (operation, left) in [
        ("names", TEMPORARY),
        ("rename", TEMPORARY),
        ("sync folder", "batch.results.saved-1.csv"),
    ] {
        let disk = with(&rows);
        let (journal, read) = open(&disk).unwrap();
        disk.remove(&path()).unwrap();
        disk.fail(operation, io::ErrorKind::StorageFull);
        let error = finish(journal, kept(&read, &[1, 0])).unwrap_err();
        assert!(error.to_string().contains(left), "{operation}: {error}");
        // Nor is there an empty file whose name says that something was saved.
        assert_eq!(disk.file_names(), [left], "{operation}");
        let copy = disk.read_file(Path::new(left)).unwrap();
        assert_eq!(String::from_utf8(copy).unwrap(), whole, "{operation}");
        if left == TEMPORARY {
            let error = remove_leftover(&disk, &path()).unwrap_err().to_string();
            assert!(error.contains("only copy"), "{error}");
            assert_eq!(disk.file_names(), [left], "{operation}");
        }
    }
}

#[test]
fn what_another_program_appends_is_not_lost() {
    let rows = batch(2);
    let disk = with(&rows);
    let (journal, read) = open(&disk).unwrap();
    let theirs = line(&row("D9", Status::Created));
    let mut file_there = disk
        .open(&path(), kvs_fleet::results::disk::Access::Write)
        .unwrap()
        .unwrap();
    let end = file_there.length().unwrap();
    file_there.write_at(end, theirs.as_bytes()).unwrap();
    let error = finish(journal, kept(&read, &[1, 0])).unwrap_err();
    assert!(matches!(error, FinishError::Changed { .. }), "{error}");
    assert_eq!(text(&disk), file(&rows) + &theirs);
}

#[test]
fn a_journal_that_was_rewritten_in_place_is_not_replaced() {
    let rows = ["CAM0", "CAM1", "CAM2"].map(|id| row(id, Status::Created));
    // The last two have the same length, and rows that are sound, but not where ours were.
    let shifted = [row("CAM", Status::Created), row("CAM11", Status::Created)];
    let plain = row("D", Status::Created);
    let length = line(&rows[0]).len() + line(&rows[1]).len();
    let merged = Row {
        error_message: "x".repeat(length - line(&plain).len()).into(),
        ..plain
    };
    for (theirs, order) in [
        (file(&rows[..1]), &[2, 1][..]),
        (file(&rows).replace(',', ";"), &[2, 1]),
        ("x".repeat(5000), &[2, 1]),
        (file(&shifted) + &line(&rows[2]), &[2, 1]),
        (file(&[merged]) + &line(&rows[2]), &[2, 0, 1]),
    ] {
        let disk = with(&rows);
        let (journal, read) = open(&disk).unwrap();
        let mut file = disk
            .open(&path(), kvs_fleet::results::disk::Access::Write)
            .unwrap()
            .unwrap();
        file.set_length(0).unwrap();
        file.write_at(0, theirs.as_bytes()).unwrap();
        let error = finish(journal, kept(&read, order)).unwrap_err();
        assert!(matches!(error, FinishError::Changed { .. }), "{error}");
        assert_eq!(text(&disk), theirs);
        assert_eq!(disk.file_names(), ["batch.results.csv"]);
    }
}

#[test]
fn what_a_killed_run_left_is_removed_and_nothing_else() {
    let disk = with(&batch(1));
    for name in [
        "batch.results.csv.kvs-fleet-tmp",
        "other.csv.kvs-fleet-tmp",
        "batch.results.csv.tmp",
    ] {
        disk.write_file(Path::new(name), b"left");
    }
    remove_leftover(&disk, &path()).unwrap();
    assert_eq!(
        disk.file_names(),
        [
            "batch.results.csv",
            "batch.results.csv.tmp",
            "other.csv.kvs-fleet-tmp"
        ]
    );
    remove_leftover(&disk, &path()).unwrap();
}

#[test]
fn a_leftover_does_not_stop_the_finish() {
    let rows = batch(2);
    let disk = with(&rows);
    let (journal, read) = open(&disk).unwrap();
    disk.write_file(Path::new("batch.results.csv.kvs-fleet-tmp"), &[b'x'; 9000]);
    finish(journal, kept(&read, &[1, 0])).unwrap();
    assert_eq!(text(&disk), file(&[rows[1].clone(), rows[0].clone()]));
}

#[test]
fn many_shuffled_rows_on_a_real_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("batch.results.csv");
    let rows = batch(20_000);
    std::fs::write(&path, file(&rows)).unwrap();
    let (journal, read) = open_at(&RealDisk, &path).unwrap();
    let mut order: Vec<usize> = (0..rows.len()).collect();
    fastrand::Rng::with_seed(7).shuffle(&mut order);
    assert_eq!(
        finish(journal, kept(&read, &order)).unwrap(),
        Finished::Replaced
    );
    let expected: Vec<Row> = order.iter().map(|&index| rows[index].clone()).collect();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), file(&expected));
}

#[cfg(unix)]
#[test]
fn the_mode_and_a_link_are_kept() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (original, link) = (
        folder.path().join("real.csv"),
        folder.path().join("link.csv"),
    );
    let rows = batch(2);
    std::fs::write(&original, file(&rows)).unwrap();
    std::fs::set_permissions(&original, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&original, &link).unwrap();
    let (journal, read) = open_at(&RealDisk, &link).unwrap();
    assert_eq!(
        finish(journal, kept(&read, &[1, 0])).unwrap(),
        Finished::Replaced
    );
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(
        std::fs::metadata(&original).unwrap().permissions().mode() & 0o777,
        0o640
    );
    assert!(std::fs::read_to_string(&link).unwrap().starts_with(HEADER));
}

#[test]
fn results_deleted_on_a_real_disk_are_saved_beside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("batch.results.csv");
    let rows = batch(2);
    std::fs::write(&path, file(&rows)).unwrap();
    let (journal, read) = open_at(&RealDisk, &path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let beside = folder.path().join("batch.results.saved-1.csv");
    let finished = finish(journal, kept(&read, &[0, 1])).unwrap();
    assert_eq!(finished, Finished::SavedBeside(beside.clone()));
    assert_eq!(std::fs::read_to_string(beside).unwrap(), file(&rows));
}
