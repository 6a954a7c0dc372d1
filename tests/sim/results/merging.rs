//! The rules of merging: one row a device, whatever the order of the files.

use super::*;
use kvs_fleet::results::disk::{Access, DiskFile};
use kvs_fleet::results::merge::{FileRows, MergeRows, RowIndex};
use kvs_fleet::results::read::read_results;
use kvs_fleet::results::replace::{ReplaceError, Replacement};

/// Reads these files, each of these lines.
fn merge_rows(files: &[String]) -> MergeRows {
    let mut rows = MergeRows::default();
    for text in files {
        let disk = TestDisk::default();
        disk.write_file(&path(), text.as_bytes());
        let mut file = FileRows::default();
        let read = read_results(&disk, &path(), |entry| {
            file.push(&entry.record, entry.line);
            Ok::<(), ReadError>(())
        });
        read.unwrap();
        rows.add(file);
    }
    rows
}

fn lines(rows: &MergeRows, of: &[RowIndex]) -> Vec<String> {
    of.iter()
        .map(|index| String::from_utf8(rows.row(*index).line().to_vec()).unwrap())
        .collect()
}

/// The merged rows in every order of the files, which must be the same.
fn merged(files: &[String]) -> Vec<String> {
    let rows = merge_rows(files);
    let found = lines(&rows, &rows.merge().rows);
    let backwards: Vec<String> = files.iter().rev().cloned().collect();
    let rows = merge_rows(&backwards);
    assert_eq!(lines(&rows, &rows.merge().rows), found);
    found
}

/// A row with a channel that was created at this time.
fn channel(id: &str, status: Status, millis: u64) -> Row {
    let mut row = row(id, status);
    let arn = format!("arn:aws:kinesisvideo:eu-central-1:111122223333:channel/{id}/{millis}");
    row.channel_arn = Some(ChannelArn::parse(&arn).unwrap());
    row
}

/// A failed device that may have its channel. Its time is before that of other rows.
fn unknown(id: &str) -> Row {
    Row {
        error_code: "OutcomeUnknown".into(),
        finished_at: Some(SystemTime::UNIX_EPOCH),
        ..row(id, Status::Failed)
    }
}

fn invalid(id: &str, reason: &str) -> Row {
    Row {
        channel_name: "".into(),
        region: "".into(),
        attempts: 0,
        started_at: None,
        finished_at: None,
        error_message: reason.into(),
        ..row(id, Status::Invalid)
    }
}

#[test]
fn the_row_that_says_most_counts() {
    use Status::{Created, Deleted, Exists, Failed};
    let order = [
        invalid("A", "line 2: no"),
        row("A", Failed),
        unknown("A"),
        channel("A", Exists, 1),
        channel("A", Created, 1),
        channel("A", Deleted, 1),
        channel("A", Exists, 2),
        channel("A", Created, 2),
    ];
    for (place, greater) in order.iter().enumerate() {
        for less in &order[..=place] {
            let files = [
                file(std::slice::from_ref(less)),
                file(std::slice::from_ref(greater)),
            ];
            assert_eq!(merged(&files), [line(greater)]);
        }
    }
}

#[test]
fn a_later_outcome_counts_where_all_else_is_the_same() {
    let early = row("A", Status::Failed);
    let mut late = early.clone();
    late.finished_at = early.finished_at.map(|at| at + Duration::from_secs(1));
    late.error_code = "Abc".into();
    let files = [
        file(std::slice::from_ref(&early)),
        file(std::slice::from_ref(&late)),
    ];
    assert_eq!(merged(&files), [line(&late)]);
}

#[test]
fn the_last_row_of_a_file_counts_in_it() {
    let rows = [
        channel("A", Status::Created, 1),
        row("A", Status::Failed),
        invalid("A", "line 3: no"),
    ];
    // The device's row, then its invalid line.
    assert_eq!(merged(&[file(&rows)]), [line(&rows[1]), line(&rows[2])]);
    let other = channel("A", Status::Exists, 1);
    let both = [file(&rows), file(std::slice::from_ref(&other))];
    assert_eq!(merged(&both), [line(&other), line(&rows[2])]);
}

#[test]
fn invalid_lines_of_several_files_are_those_of_one() {
    let [one, two, edited] =
        ["line 2: no", "line 3: no", "line 4: no"].map(|reason| invalid("A", reason));
    let files = [file(&[two.clone(), one.clone()]), file(&[edited])];
    assert_eq!(merged(&files), [line(&one), line(&two)]);
    // Rows that name no device are different rows.
    let [one, two] = ["line 2: empty", "line 3: empty"].map(|reason| invalid("", reason));
    let files = [
        file(&[two.clone(), one.clone()]),
        file(std::slice::from_ref(&one)),
    ];
    assert_eq!(merged(&files), [line(&one), line(&two)]);
}

#[test]
fn rows_are_in_the_order_of_their_ids() {
    let rows = ["b", "a,\"1\"", "\u{e4}", "B", "a"].map(|id| row(id, Status::Failed));
    let [b, quoted, umlaut, upper, a] = &rows;
    let expected: Vec<String> = [upper, a, quoted, b, umlaut].map(line).to_vec();
    assert_eq!(merged(&[file(&rows[..2]), file(&rows[2..])]), expected);
}

#[test]
fn two_channels_of_a_device_are_reported_with_the_older_one() {
    let files = [1, 3, 2].map(|millis| file(&[channel("A", Status::Created, millis)]));
    let rows = merge_rows(&files);
    let [(kept, other)] = rows.merge().recreated[..] else {
        panic!("not one");
    };
    let ends_in = |index: RowIndex, end: &str| rows.row(index).arn().ends_with(end.as_bytes());
    assert!(ends_in(kept, "/A/3") && ends_in(other, "/A/2"));
}

#[test]
fn a_channel_that_was_deleted_is_no_second_one() {
    use Status::{Created, Deleted, Exists};
    let a = |status, millis| file(&[channel("A", status, millis)]);
    for (files, count) in [
        (vec![a(Deleted, 1), a(Created, 2)], 0),
        (vec![a(Created, 1), a(Created, 2), a(Deleted, 1)], 0),
        (vec![a(Exists, 1), a(Deleted, 2)], 1),
        (vec![a(Exists, 1), a(Created, 1)], 0),
    ] {
        for files in [files.clone(), files.into_iter().rev().collect()] {
            assert_eq!(merge_rows(&files).merge().recreated.len(), count);
        }
    }
}

#[test]
fn channels_that_differ_in_name_or_region_are_found() {
    use Status::{Created, Deleted, Exists};
    let a = |name: &str, status, millis| {
        let mut row = channel(name, status, millis);
        row.device_id = "A".into();
        file(&[row])
    };
    let mut elsewhere = channel("A", Exists, 2);
    let arn = "arn:aws:kinesisvideo:us-east-1:111122223333:channel/A/2";
    elsewhere.channel_arn = Some(ChannelArn::parse(arn).unwrap());
    elsewhere.region = "us-east-1".into();
    for (files, is_moved) in [
        (vec![a("A", Created, 1), a("B", Exists, 2)], true),
        (vec![a("A", Created, 1), file(&[elsewhere])], true),
        (vec![a("A", Created, 1), a("A", Exists, 2)], false),
        (vec![a("A", Deleted, 1), a("B", Exists, 2)], false),
        (
            vec![a("A", Created, 1), a("B", Exists, 2), a("A", Deleted, 1)],
            false,
        ),
        // A newer channel of the name was deleted, so the older one is gone, too.
        (
            vec![a("A", Created, 1), a("B", Exists, 3), a("A", Deleted, 2)],
            false,
        ),
    ] {
        for files in [files.clone(), files.into_iter().rev().collect()] {
            let rows = merge_rows(&files);
            assert_eq!(rows.merge().moved.is_some(), is_moved);
        }
    }
}

#[test]
fn a_file_that_another_program_changes_is_not_replaced() {
    let new = file(&[row("A", Status::Created)]);
    let lines = || [line(&row("A", Status::Created))];
    for before in [None, Some("")] {
        let disk = TestDisk::default();
        if let Some(text) = before {
            disk.write_file(&path(), text.as_bytes());
        }
        let replacement = Replacement::open(&disk, &path()).unwrap();
        disk.write_file(&path(), b"saved");
        let replaced = replacement.replace(lines().iter().map(String::as_bytes));
        assert!(matches!(replaced, Err(ReplaceError::Changed(_))));
        assert_eq!(disk.read_file(&path()).unwrap(), b"saved");
        assert_eq!(disk.file_names(), ["batch.results.csv"]);
    }
    // Saved in place.
    let disk = TestDisk::default();
    disk.write_file(&path(), b"old");
    let replacement = Replacement::open(&disk, &path()).unwrap();
    let mut other = disk.open(&path(), Access::Write).unwrap().unwrap();
    other.write_at(0, b"longer").unwrap();
    let replaced = replacement.replace(lines().iter().map(String::as_bytes));
    assert!(matches!(replaced, Err(ReplaceError::Changed(_))));
    // Nobody changes it.
    let replacement = Replacement::open(&disk, &path()).unwrap();
    replacement
        .replace(lines().iter().map(String::as_bytes))
        .unwrap();
    assert_eq!(disk.read_file(&path()).unwrap(), new.as_bytes());
}

#[test]
fn a_failure_tells_whether_the_file_was_replaced() {
    for operation in ["create", "write", "sync", "rename", "sync folder"] {
        let disk = TestDisk::default();
        disk.write_file(&path(), b"old");
        let replacement = Replacement::open(&disk, &path()).unwrap();
        disk.fail(operation, std::io::ErrorKind::StorageFull);
        let error = replacement.replace([&b"new\n"[..]]).unwrap_err();
        let is_old = disk.read_file(&path()).unwrap() == b"old";
        assert_eq!(is_old, operation != "sync folder");
        assert_eq!(is_old, matches!(error, ReplaceError::NotReplaced { .. }));
        assert_eq!(is_old, error.to_string().ends_with("no file was changed"));
        assert_eq!(disk.file_names(), ["batch.results.csv"]);
    }
}

/// A row with a channel of another account.
fn elsewhere(id: &str, status: Status, millis: u64) -> Row {
    let mut row = channel(id, status, millis);
    let arn = format!("arn:aws:kinesisvideo:eu-central-1:444455556666:channel/{id}/{millis}");
    row.channel_arn = Some(ChannelArn::parse(&arn).unwrap());
    row
}

#[test]
fn two_accounts_may_use_one_name() {
    use Status::{Created, Deleted, Exists};
    let named = |mut row: Row, device: &str| {
        row.device_id = device.into();
        row
    };
    let one = named(channel("gate", Created, 1), "A");
    let other = named(elsewhere("gate", Created, 2), "B");
    let files = [&one, &other].map(|row| file(std::slice::from_ref(row)));
    let rows = merge_rows(&files);
    let merged = rows.merge();
    assert_eq!(rows.shared_channel(&merged.rows), None);
    assert_eq!(lines(&rows, &merged.rows), [line(&one), line(&other)]);
    // A device that has a channel in both was moved.
    let is_moved = |first: Status| {
        let files = [
            file(&[channel("gate", first, 1)]),
            file(&[elsewhere("gate", Exists, 2)]),
        ];
        merge_rows(&files).merge().moved.is_some()
    };
    assert!(is_moved(Created));
    assert!(!is_moved(Deleted));
}

#[test]
fn files_of_an_earlier_version_give_the_same_rows() {
    let rows = [
        row("A", Status::Created),
        without_account(&row("B", Status::Failed)),
        row("C", Status::Deleted),
    ];
    let expected: Vec<String> = rows.iter().map(line).collect();
    let others = [row("A", Status::Exists), row("C", Status::Created)];
    for files in [
        vec![earlier(&rows)],
        vec![earlier(&rows), file(&others)],
        vec![file(&rows), earlier(&others)],
        vec![earlier(&rows), file(&rows)],
    ] {
        assert_eq!(merged(&files), expected);
    }
}

#[test]
fn two_devices_on_one_channel_are_found() {
    let shared = |rows: &[Row]| {
        let rows = merge_rows(&[file(rows)]);
        let (one, other) = rows.shared_channel(&rows.merge().rows)?;
        let ids = [one, other].map(|index| rows.row(index).device_id().to_vec());
        Some(ids.map(|id| String::from_utf8(id).unwrap()))
    };
    let mut second = channel("A", Status::Exists, 1);
    second.device_id = "Z".into();
    let others = (0..100).map(|n| row(&format!("D{n}"), Status::Created));
    let mut rows: Vec<Row> = others.collect();
    rows.push(channel("A", Status::Created, 1));
    assert_eq!(shared(&rows), None);
    rows.push(second.clone());
    let both = Some(["A".to_owned(), "Z".to_owned()]);
    assert_eq!(shared(&rows), both);
    // A name has one channel at a time: of two live ones, one is gone.
    let newer = channel("A", Status::Created, 2).channel_arn;
    rows.last_mut().unwrap().channel_arn = newer.clone();
    assert_eq!(shared(&rows), both);
    rows.last_mut().unwrap().status = Status::Deleted;
    assert_eq!(shared(&rows), None);
}

#[test]
fn what_a_replaced_file_would_lose_is_found() {
    use Status::{Created, Deleted, Exists, Failed};
    let lost = |before: Row, after: Option<Row>| {
        let files = [file(after.as_slice()), file(&[before])];
        let rows = merge_rows(&files);
        let (new, earlier) = (rows.merge_files(0..1), rows.merge_files(1..2));
        rows.lost(&earlier, &new).len() == 1
    };
    let a = |status| channel("A", status, 1);
    assert!(lost(a(Created), None));
    assert!(lost(a(Created), Some(channel("B", Created, 1))));
    assert!(lost(a(Deleted), Some(a(Created))));
    assert!(lost(a(Created), Some(a(Exists))));
    assert!(lost(a(Exists), Some(row("A", Failed))));
    assert!(lost(channel("A", Exists, 2), Some(a(Created))));
    assert!(!lost(a(Created), Some(a(Created))));
    assert!(!lost(a(Exists), Some(a(Created))));
    assert!(!lost(a(Deleted), Some(channel("A", Created, 2))));
    assert!(!lost(row("A", Failed), None));
}
