//! Appending: what is synced before what, group commit, and disks that refuse.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

use kvs_fleet::results::disk::{Access, DiskFile};
use kvs_fleet::results::journal::JournalError;
use kvs_fleet::results::read::TORN_TAIL_BYTES;
use kvs_fleet::results::record::HEADER;
use kvs_fleet::results::writer::{Closed, RecordError, recorder};

use super::*;

/// Runs the writer beside these tasks until all are done.
async fn commit<F, T>(
    disk: &TestDisk,
    work: impl FnOnce(kvs_fleet::results::writer::Recorder) -> F,
) -> (T, Closed<TestDisk>)
where
    F: Future<Output = T>,
{
    let (journal, _) = open(disk).unwrap();
    let (recorder, writer) = recorder(disk, journal);
    tokio::join!(work(recorder), writer.run())
}

#[test]
fn a_new_file_has_its_header_and_its_name_on_disk_before_the_first_row() {
    let disk = TestDisk::default();
    let (mut journal, _) = open(&disk).unwrap();
    disk.take_log();
    journal.prepare().unwrap();
    assert_eq!(
        disk.take_log(),
        [
            "create batch.results.csv",
            "length ",
            "write ",
            "sync ",
            "sync folder batch.results.csv"
        ]
    );
    assert_eq!(text(&disk), HEADER);
    journal.prepare().unwrap();
    assert!(disk.take_log().is_empty(), "once is enough");
}

#[test]
fn a_repair_is_on_disk_before_anything_is_appended() {
    // Else a crash could mix what was torn with what was appended, in a row that looks whole.
    let disk = TestDisk::default();
    disk.write_file(&path(), (HEADER.to_owned() + "D1,to").as_bytes());
    let (mut journal, _) = open(&disk).unwrap();
    disk.take_log();
    journal.prepare().unwrap();
    assert_eq!(
        disk.take_log(),
        [
            "length ",
            "set length ",
            "sync ",
            "sync folder batch.results.csv"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_single_row_is_written_and_synced_at_once() {
    let disk = TestDisk::default();
    let ((given_back, place), closed) = commit(&disk, |recorder| async move {
        recorder.record(row("D1", Status::Created)).await.unwrap()
    })
    .await;
    assert_eq!(given_back, row("D1", Status::Created));
    assert_eq!(place.offset, HEADER.len() as u64);
    assert_eq!(text(&disk), file(&[row("D1", Status::Created)]));
    assert!(closed.failure.is_none() && closed.unsaved.is_empty() && closed.unclaimed.is_empty());
    let log = disk.take_log();
    assert_eq!(log[log.len() - 3..], ["length ", "write ", "sync "]);
}

#[tokio::test(start_paused = true)]
async fn rows_that_have_gathered_share_a_sync() {
    let disk = TestDisk::default();
    let rows: Vec<Row> = (0..100)
        .map(|index| row(&format!("D{index}"), Status::Exists))
        .collect();
    let (places, _) = commit(&disk, |recorder| recorder_all(recorder, rows.clone())).await;
    let content = text(&disk);
    assert_eq!(content, file(&rows));
    for (place, row) in places.iter().zip(&rows) {
        let (given_back, place) = place.as_ref().unwrap();
        assert_eq!(given_back, row);
        assert_eq!(
            content[place.offset as usize..place.end() as usize],
            line(row)
        );
    }
    let syncs = disk
        .take_log()
        .iter()
        .filter(|operation| *operation == "sync ")
        .count();
    assert_eq!(syncs, 2, "one for the header, one for all rows");
}

#[tokio::test(start_paused = true)]
async fn rows_that_come_in_quick_succession_share_a_sync() {
    let disk = TestDisk::default();
    let ((), closed) = commit(&disk, |recorder| async move {
        let mut waiting = tokio::task::JoinSet::new();
        for millis in [0, 1, 2, 4, 20, 21] {
            let recorder = recorder.clone();
            waiting.spawn(async move {
                tokio::time::sleep(Duration::from_millis(millis)).await;
                let row = row(&format!("D{millis}"), Status::Created);
                recorder.record(row).await.unwrap();
                Instant::now()
            });
        }
        drop(recorder);
        let begun = Instant::now();
        let mut took = Vec::new();
        while let Some(at) = waiting.join_next().await {
            took.push((at.unwrap() - begun).as_millis());
        }
        // The first of each burst does not wait; those that follow it wait for up to ten milliseconds.
        assert_eq!(took, [0, 10, 10, 10, 20, 30]);
    })
    .await;
    assert!(closed.failure.is_none());
    let log = disk.take_log();
    assert_eq!(
        log.iter()
            .filter(|operation| *operation == "write ")
            .count(),
        1 + 4
    );
}

async fn recorder_all(
    recorder: kvs_fleet::results::writer::Recorder,
    rows: Vec<Row>,
) -> Vec<Result<(Row, Place), RecordError>> {
    recorder.record_all(rows).await
}

#[tokio::test(start_paused = true)]
async fn no_batch_outgrows_what_repair_may_cut_off() {
    let disk = TestDisk::default();
    let rows: Vec<Row> = (0..1_000)
        .map(|index| Row {
            error_message: "é".repeat(500).into(),
            ..row(&format!("D{index}"), Status::Exists)
        })
        .collect();
    let mut largest = 0;
    let mut before = 0;
    let (places, _) = commit(&disk, |recorder| recorder_all(recorder, rows.clone())).await;
    assert!(places.iter().all(Result::is_ok));
    assert_eq!(text(&disk), file(&rows));
    for (offset, length) in disk.writes() {
        largest = largest.max(length);
        assert!(offset >= before, "written in order");
        before = offset;
    }
    assert!(largest <= TORN_TAIL_BYTES, "{largest}");
    assert!(largest > TORN_TAIL_BYTES / 2, "rows are committed together");
}

#[tokio::test(start_paused = true)]
async fn a_row_that_nobody_waits_for_is_written_all_the_same() {
    let disk = TestDisk::default();
    let ((), closed) = commit(&disk, |recorder| async move {
        let mut waiting = Box::pin(recorder.record(row("D1", Status::Created)));
        let first_poll =
            std::future::poll_fn(|context| std::task::Poll::Ready(waiting.as_mut().poll(context)));
        assert!(first_poll.await.is_pending());
        drop(waiting);
    })
    .await;
    assert_eq!(text(&disk), file(&[row("D1", Status::Created)]));
    assert_eq!(closed.unclaimed[0].0, row("D1", Status::Created));
    assert_eq!(closed.unclaimed[0].1.offset, HEADER.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_refuses_costs_only_what_it_refused_and_that_is_told() {
    for operation in ["write", "sync"] {
        let disk = TestDisk::default();
        disk.write_file(&path(), file(&[row("D0", Status::Created)]).as_bytes());
        let ((), closed) = commit(&disk, |recorder| {
            let disk = disk.clone();
            async move {
                recorder.record(row("D1", Status::Created)).await.unwrap();
                disk.fail(operation, io::ErrorKind::StorageFull);
                for id in ["D2", "D3"] {
                    let error = recorder.record(row(id, Status::Created)).await.unwrap_err();
                    assert!(
                        error.to_string().contains("batch.results.csv cannot be "),
                        "{error}"
                    );
                }
            }
        })
        .await;
        let unsaved: Vec<&str> = closed.unsaved.iter().map(|row| &*row.device_id).collect();
        assert_eq!(unsaved, ["D2", "D3"], "{operation}");
        assert!(closed.unsaved[0].channel_arn.is_some());
        assert!(matches!(*closed.failure.unwrap(), JournalError::Io { .. }));
        let saved = file(&[row("D0", Status::Created), row("D1", Status::Created)]);
        assert_eq!(text(&disk), saved, "{operation}: the rest is cut off");
        let mut journal = closed.journal;
        assert!(matches!(
            journal.append(b"x\n"),
            Err(JournalError::Sealed { .. })
        ));
    }
}

#[test]
fn a_sync_that_failed_is_not_tried_again_for_the_same_rows() {
    let disk = TestDisk::default();
    let (mut journal, _) = open(&disk).unwrap();
    journal.prepare().unwrap();
    disk.take_log();
    disk.fail("sync", io::ErrorKind::Other);
    journal
        .append(line(&row("D1", Status::Created)).as_bytes())
        .unwrap_err();
    assert_eq!(
        disk.take_log(),
        ["length ", "write ", "sync ", "set length ", "sync "]
    );
    assert_eq!(text(&disk), HEADER);
}

#[test]
fn a_file_that_somebody_else_writes_to_is_left_alone() {
    let disk = TestDisk::default();
    let (mut journal, _) = open(&disk).unwrap();
    journal.prepare().unwrap();
    let theirs = disk
        .open(&path(), kvs_fleet::results::disk::Access::Write)
        .unwrap()
        .unwrap();
    let mut theirs = theirs;
    kvs_fleet::results::disk::DiskFile::write_at(&mut theirs, 0, &[b'x'; 500]).unwrap();
    let error = journal
        .append(line(&row("D1", Status::Created)).as_bytes())
        .unwrap_err();
    assert!(matches!(error, JournalError::Changed { .. }));
    assert_eq!(text(&disk), "x".repeat(500));
}

#[test]
fn a_file_that_appeared_meanwhile_is_not_overwritten() {
    let disk = TestDisk::default();
    let (mut journal, _) = open(&disk).unwrap();
    disk.write_file(&path(), b"theirs");
    assert!(matches!(
        journal.prepare(),
        Err(JournalError::Changed { .. })
    ));
    assert_eq!(text(&disk), "theirs");
}

#[test]
fn a_file_that_cannot_be_made_is_said_to_be_that() {
    let disk = TestDisk::default();
    let (mut journal, _) = open(&disk).unwrap();
    disk.fail("create", io::ErrorKind::PermissionDenied);
    let error = journal.prepare().unwrap_err();
    assert!(error.to_string().contains("cannot be created"), "{error}");
}

#[test]
fn a_file_that_cannot_be_made_ready_is_not_left_behind() {
    for operation in ["write", "sync", "sync folder"] {
        let disk = TestDisk::default();
        let (mut journal, _) = open(&disk).unwrap();
        disk.fail(operation, io::ErrorKind::StorageFull);
        journal.prepare().unwrap_err();
        assert_eq!(disk.file_names(), [""; 0], "{operation}");
    }
    // One that was there stays.
    let disk = TestDisk::default();
    disk.write_file(&path(), file(&[row("D1", Status::Created)]).as_bytes());
    let (mut journal, _) = open(&disk).unwrap();
    disk.fail("sync", io::ErrorKind::StorageFull);
    journal.prepare().unwrap_err();
    assert_eq!(text(&disk), file(&[row("D1", Status::Created)]));
}

#[test]
fn what_is_prepared_through_the_writer_is_on_disk_before_it_runs() {
    let disk = TestDisk::default();
    let (journal, _) = open(&disk).unwrap();
    let (_recorder, mut writer) = recorder(&disk, journal);
    writer.prepare().unwrap();
    assert_eq!(text(&disk), HEADER);
}

#[test]
fn what_a_killed_run_did_not_sync_survives_once_it_is_read_and_prepared() {
    for seed in 0..100 {
        let disk = TestDisk::default();
        disk.write_file(&path(), file(&[]).as_bytes());
        let rows = [row("CAM-1", Status::Created), row("CAM-2", Status::Failed)];
        let text = file(&rows);
        let mut killed = disk.open(&path(), Access::Write).unwrap().unwrap();
        killed.write_at(0, text.as_bytes()).unwrap();
        drop(killed);
        let (mut journal, found) = open(&disk).unwrap();
        assert_eq!(ids(&found), ["CAM-1", "CAM-2"]);
        journal.prepare().unwrap();
        let disk = disk.after_crash(&mut fastrand::Rng::with_seed(seed));
        assert_eq!(super::text(&disk), text);
    }
}
