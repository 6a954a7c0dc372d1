//! The runs log: the lock, what is kept of it, and what a crash leaves.

use std::collections::BTreeMap;
use std::io;

use kvs_fleet::results::disk::RealDisk;
use kvs_fleet::results::runs_line::{End, RunsLine, Settings, Start};
use kvs_fleet::results::runs_log::{EarlierRuns, RunsLog, RunsLogError, read_runs, runs_log_path};

use super::*;

fn start(version: &str) -> RunsLine {
    RunsLine::Start(Box::new(Start {
        at: "2023-11-14T22:13:20.123Z".into(),
        version: version.into(),
        arguments: vec!["provision".into(), "devices.csv".into()],
        settings: Some(Settings {
            channel_name: "{device_id}".into(),
            message_ttl_seconds: Some(60),
            ..Settings::default()
        }),
        ..Start::default()
    }))
}

fn end() -> RunsLine {
    RunsLine::End(Box::new(End {
        counts: BTreeMap::from([("created".into(), 3)]),
        exit_code: 130,
        ..End::default()
    }))
}

fn log_text(disk: &TestDisk) -> String {
    String::from_utf8(disk.read_file(&runs_log_path(&path())).unwrap()).unwrap()
}

#[test]
fn it_stands_beside_the_results() {
    for (results, log) in [
        ("a/devices.results.csv", "a/devices.results.runs.jsonl"),
        ("devices.CSV", "devices.runs.jsonl"),
        ("devices.txt", "devices.txt.runs.jsonl"),
        ("devices", "devices.runs.jsonl"),
    ] {
        assert_eq!(runs_log_path(Path::new(results)), Path::new(log));
    }
}

#[test]
fn a_second_process_is_refused_at_once_and_nothing_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("devices.results.csv");
    let mut first = RunsLog::lock(&RealDisk, &results).unwrap();
    first.append([start("1")]).unwrap();
    let error = RunsLog::lock(&RealDisk, &results).unwrap_err();
    assert!(matches!(error, RunsLogError::Held { .. }));
    assert!(
        error
            .to_string()
            .contains("devices.results.csv is being written by another process")
    );
    let log = std::fs::read_to_string(first.path()).unwrap();
    assert_eq!(log.lines().count(), 1);
    drop(first);
    let second = RunsLog::lock(&RealDisk, &results).unwrap();
    assert_eq!(second.earlier().last_start().unwrap().version, "1");
}

#[cfg(unix)]
#[test]
fn two_names_of_the_results_lead_to_one_lock() {
    let folder = tempfile::tempdir().unwrap();
    let folder = std::fs::canonicalize(folder.path()).unwrap();
    let (results, link) = (folder.join("real.csv"), folder.join("link.csv"));
    std::fs::write(&results, "").unwrap();
    std::os::unix::fs::symlink(&results, &link).unwrap();
    let held = RunsLog::lock(&RealDisk, &link).unwrap();
    assert_eq!(held.path(), folder.join("real.runs.jsonl"));
    assert!(matches!(
        RunsLog::lock(&RealDisk, &results),
        Err(RunsLogError::Held { .. })
    ));
}

#[test]
fn lines_are_synced_and_come_back() {
    let disk = TestDisk::default();
    let mut log = RunsLog::lock(&disk, &path()).unwrap();
    assert!(log.earlier().last_start().is_none());
    disk.take_log();
    log.append([start("1")]).unwrap();
    assert_eq!(disk.take_log(), ["write ", "sync "]);
    log.append([end(), start("2")]).unwrap();
    assert_eq!(disk.take_log(), ["write ", "write ", "sync "]);
    drop(log);
    let mut lines = Vec::new();
    assert!(read_runs(&disk, &path(), |line| lines.push(line)).unwrap());
    assert_eq!(lines, [start("1"), end(), start("2")]);
    assert!(
        log_text(&disk)
            .starts_with(r#"{"event":"start","at":"2023-11-14T22:13:20.123Z","version":"1","#)
    );
    assert_eq!(
        RunsLog::lock(&disk, &path())
            .unwrap()
            .earlier()
            .last_start()
            .unwrap()
            .version,
        "2"
    );
}

#[test]
fn what_cannot_be_read_is_skipped_and_a_torn_line_is_left_alone() {
    let disk = TestDisk::default();
    let whole = serde_json::to_string(&start("1")).unwrap();
    let future = r#"{"event":"start","version":"9","something_new":[1],"settings":{"other":2}}"#;
    let endless = "x".repeat(3 << 20);
    let content = format!(
        "{whole}\nnot JSON\n{{\"event\":\"new\"}}\n{endless}\n{future}\n{}",
        &whole[..40]
    );
    disk.write_file(&runs_log_path(&path()), content.as_bytes());
    let mut log = RunsLog::lock(&disk, &path()).unwrap();
    assert_eq!(log.earlier().last_start().unwrap().version, "9");
    log.append([start("3"), end()]).unwrap();
    assert!(log_text(&disk).starts_with(&(content + "\n{")));
    drop(log);
    let mut lines = Vec::new();
    assert!(read_runs(&disk, &path(), |line| lines.push(line)).unwrap());
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[2..], [start("3"), end()]);
}

#[test]
fn a_line_that_could_not_be_written_leaves_no_trace() {
    for operation in ["write", "sync"] {
        let disk = TestDisk::default();
        let mut log = RunsLog::lock(&disk, &path()).unwrap();
        log.append([start("1")]).unwrap();
        let before = log_text(&disk);
        disk.fail(operation, std::io::ErrorKind::StorageFull);
        let error = log.append([start("2")]).unwrap_err().to_string();
        assert!(
            error.starts_with("the runs log batch.results.runs.jsonl cannot be written: "),
            "{error}"
        );
        assert_eq!(log_text(&disk), before, "{operation}");
        log.append([end()]).unwrap();
        assert!(log_text(&disk).ends_with("\"exit_code\":130}\n"));
    }
}

#[test]
fn no_line_is_lost_while_a_log_is_replaced() {
    let lines = |numbers: &[u32]| -> Vec<Vec<u8>> {
        let line = |n: &u32| format!("{{\"n\":{n},\"text\":\"{}\"}}", "x".repeat(300)).into_bytes();
        numbers.iter().map(line).collect()
    };
    let mut random = fastrand::Rng::with_seed(1);
    for (old, new) in [
        (vec![3, 5], vec![1, 2, 3, 4, 5]),
        (vec![3, 5], vec![3, 5]),
        (vec![], vec![1]),
    ] {
        let (old, new) = (lines(&old), lines(&new));
        let old_text: Vec<u8> = old
            .iter()
            .flat_map(|line| [line, &b"\n"[..]].concat())
            .collect();
        for operations in 1..=7 {
            let disk = TestDisk::default();
            // Blank lines and a torn one.
            disk.write_file(
                &runs_log_path(&path()),
                &[&b"\n\n"[..], &old_text, b"{\"torn"].concat(),
            );
            let mut log = RunsLog::lock(&disk, &path()).unwrap();
            disk.crash_after(operations);
            let replaced = log.replace(&new);
            for _ in 0..20 {
                let disk = disk.after_crash(&mut random);
                let text = disk.read_file(&runs_log_path(&path())).unwrap();
                let has =
                    |line: &Vec<u8>| text.split(|byte| *byte == b'\n').any(|found| found == line);
                assert!(old.iter().all(has), "{operations}");
                assert!(replaced.is_err() || new.iter().all(has));
            }
            assert_eq!(replaced.is_ok(), operations == 7);
        }
    }
}

#[test]
fn a_log_that_cannot_be_replaced_is_as_before() {
    for operation in ["write", "sync"] {
        let disk = TestDisk::default();
        disk.write_file(&runs_log_path(&path()), b"{\"n\":1}\n");
        let mut log = RunsLog::lock(&disk, &path()).unwrap();
        disk.fail(operation, io::ErrorKind::StorageFull);
        log.replace(&[b"{\"n\":0}".to_vec(), b"{\"n\":1}".to_vec()])
            .unwrap_err();
        assert_eq!(log_text(&disk), "{\"n\":1}\n");
        log.replace(&[b"{\"n\":0}".to_vec(), b"{\"n\":1}".to_vec()])
            .unwrap();
        assert_eq!(log_text(&disk), "{\"n\":0}\n{\"n\":1}\n");
    }
}

#[test]
fn a_log_made_for_nothing_goes_again() {
    let disk = TestDisk::default();
    drop(RunsLog::lock(&disk, &path()).unwrap());
    assert!(disk.file_names().is_empty(), "{:?}", disk.file_names());
    // One that was there stays, though it is empty, and so does one with a line.
    disk.write_file(&runs_log_path(&path()), b"");
    drop(RunsLog::lock(&disk, &path()).unwrap());
    assert_eq!(log_text(&disk), "");
    let disk = TestDisk::default();
    let mut log = RunsLog::lock(&disk, &path()).unwrap();
    log.append([start("1")]).unwrap();
    drop(log);
    assert_eq!(log_text(&disk).lines().count(), 1);
}

#[test]
fn a_log_that_cannot_be_removed_is_as_good_as_empty() {
    let disk = TestDisk::default();
    let log = RunsLog::lock(&disk, &path()).unwrap();
    disk.fail("remove", std::io::ErrorKind::PermissionDenied);
    drop(log);
    let mut log = RunsLog::lock(&disk, &path()).unwrap();
    assert!(log.earlier().last_start().is_none());
    log.append([start("1")]).unwrap();
    drop(log);
    let mut lines = Vec::new();
    assert!(read_runs(&disk, &path(), |line| lines.push(line)).unwrap());
    assert_eq!(lines, [start("1")]);
}

#[test]
fn a_lock_on_a_log_that_was_removed_is_none() {
    let disk = TestDisk::default();
    let log = runs_log_path(&path());
    let removed = RunsLog::lock(&disk, &path()).unwrap();
    // Between opening the file and locking it, its owner goes.
    disk.before_lock(move || drop(removed));
    let held = RunsLog::lock(&disk, &path()).unwrap();
    assert_eq!(disk.read_file(&log).unwrap(), b"");
    assert!(matches!(
        RunsLog::lock(&disk, &path()),
        Err(RunsLogError::Held { .. })
    ));
    drop(held);
    assert!(disk.read_file(&log).is_none());
}

#[test]
fn no_log_is_no_error_for_a_report() {
    assert!(!read_runs(&TestDisk::default(), &path(), |_| ()).unwrap());
}

#[test]
fn differing_settings_are_named() {
    let settings = |name: &str, ttl, tags: &[(&str, &str)]| Settings {
        channel_name: name.into(),
        message_ttl_seconds: ttl,
        tags: tags
            .iter()
            .map(|&(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        ..Settings::default()
    };
    let then = settings("{device_id}", None, &[("Line", "3"), ("Site", "A")]);
    let now = Settings {
        workers: 9,
        ..settings(
            "cam-{device_id}",
            Some(30),
            &[("Line", "4"), ("Lot", "{lot}")],
        )
    };
    assert!(then.differences(&then).is_empty());
    assert_eq!(
        now.differences(&then),
        [
            "--channel-name was '{device_id}', is 'cam-{device_id}'",
            "--message-ttl was not given, is '30'",
            "--tag Line was '3', is '4'",
            "--tag Lot was not given, is '{lot}'",
            "--tag Site was 'A', is not given",
        ]
    );
}

#[test]
fn a_folder_without_locks_is_refused_with_the_way_out_and_left_as_it_was() {
    for (operation, kind) in [
        ("create", io::ErrorKind::ReadOnlyFilesystem),
        ("lock", io::ErrorKind::Unsupported),
        ("names", io::ErrorKind::TimedOut),
        ("sync folder", io::ErrorKind::PermissionDenied),
    ] {
        let disk = TestDisk::default();
        disk.fail(operation, kind);
        let error = RunsLog::lock(&disk, &path()).unwrap_err().to_string();
        assert!(
            error.contains("batch.results.runs.jsonl cannot be"),
            "{error}"
        );
        assert!(error.contains("--results FILE"), "{operation}: {error}");
        assert_eq!(disk.file_names(), [""; 0], "{operation}");
        // A log that was there stays.
        let log = runs_log_path(&path());
        disk.write_file(&log, b"{}\n");
        disk.fail(operation, kind);
        if operation != "create" {
            RunsLog::lock(&disk, &path()).unwrap_err();
        }
        assert_eq!(disk.read_file(&log).unwrap(), b"{}\n", "{operation}");
    }
}

#[test]
fn runs_of_one_manifest_and_one_set_of_settings_ask_alike() {
    let start = |manifest: Option<&str>, ttl| {
        RunsLine::Start(Box::new(Start {
            manifest_sha256: manifest.map(str::to_owned),
            settings: Some(settings(ttl)),
            ..Start::default()
        }))
    };
    let rollback = RunsLine::Start(Box::new(Start {
        command: "rollback".into(),
        ..Start::default()
    }));
    let (one, other) = (Some("1"), Some("2"));
    for (lines, alike) in [
        (vec![], None),
        (vec![start(one, 30)], Some(true)),
        (vec![start(one, 30), rollback, start(one, 30)], Some(true)),
        (vec![start(other, 30)], Some(false)),
        (vec![start(one, 60)], Some(false)),
        (
            vec![start(one, 30), start(other, 30), start(one, 30)],
            Some(false),
        ),
        (vec![start(None, 30)], None),
        (vec![start(None, 60)], Some(false)),
        (vec![start(None, 30), start(one, 30)], None),
    ] {
        let disk = TestDisk::default();
        RunsLog::lock(&disk, &path())
            .unwrap()
            .append(lines)
            .unwrap();
        let runs = EarlierRuns::read(&disk, &path()).unwrap();
        assert_eq!(runs.ask_alike(one, &settings(30)), alike);
    }
}

fn settings(message_ttl_seconds: u8) -> Settings {
    Settings {
        message_ttl_seconds: Some(message_ttl_seconds),
        ..Settings::default()
    }
}
