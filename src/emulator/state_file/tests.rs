use std::fs;

use super::*;

const FLAG: &str = "--emulator-state";

fn place(path: &Path) -> StatePath {
    StatePath::new(path, FLAG)
}

/// The names in a folder, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_state_is_beside_its_results() {
    for (results, state) in [
        ("a/d.emulator.results.csv", "a/d.emulator.state.json"),
        ("d.results.csv", "d.emulator.state.json"),
        ("d.csv", "d.emulator.state.json"),
        ("d.CSV", "d.emulator.state.json"),
        ("d", "d.emulator.state.json"),
        ("d.emulator.csv", "d.emulator.state.json"),
        ("d.results.emulator.csv", "d.results.emulator.state.json"),
        ("d.csv.csv", "d.csv.emulator.state.json"),
        (
            "d.03-of-16.emulator.results.csv",
            "d.03-of-16.emulator.state.json",
        ),
        ("results.csv", "results.emulator.state.json"),
        (
            "serials.2026-11-28",
            "serials.2026-11-28.emulator.state.json",
        ),
    ] {
        assert_eq!(beside(Path::new(results)), Path::new(state), "{results}");
    }
}

#[cfg(unix)]
#[test]
fn two_names_of_one_results_file_have_one_state() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (
        folder.path().join("d.results.csv"),
        folder.path().join("l.csv"),
    );
    fs::write(&file, "").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert_eq!(beside(&link).file_name(), beside(&file).file_name());
}

#[test]
fn a_state_is_saved_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(&folder.path().join("d.emulator.state.json"));
    assert!(place.read().unwrap().is_none());
    let (file, saved) = place.lock().unwrap();
    assert!(saved.is_none());
    assert_eq!(names(folder.path()), ["d.emulator.state.json.lock"]);
    for changes in 1..3 {
        let state = Snapshot {
            changes,
            ..Snapshot::default()
        };
        file.save(&state).unwrap();
        assert_eq!(place.read().unwrap().unwrap().changes, changes);
    }
    drop(file);
    // Neither the lock nor a temporary file is left.
    assert_eq!(names(folder.path()), ["d.emulator.state.json"]);
    assert_eq!(place.lock().unwrap().1.unwrap().changes, 2);
}

#[test]
fn one_process_at_a_time_writes_a_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d.emulator.state.json");
    let (first, _) = place(&path).lock().unwrap();
    let error = place(&path).lock().unwrap_err();
    assert!(matches!(error, StateFileError::Held { .. }));
    for part in ["d.emulator.state.json", "another process", FLAG] {
        assert!(error.to_string().contains(part), "{error}");
    }
    // It can still be read, and the refused attempt leaves the lock alone.
    assert!(place(&path).read().unwrap().is_none());
    assert!(place(&path).lock().is_err());
    drop(first);
    assert!(place(&path).lock().is_ok());
}

#[test]
fn a_leftover_of_a_killed_process_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d.emulator.state.json");
    fs::write(lock_path(&path), "").unwrap();
    fs::write(temporary_path(&path), "half").unwrap();
    let (file, _) = place(&path).lock().unwrap();
    file.save(&Snapshot::default()).unwrap();
    drop(file);
    assert_eq!(names(folder.path()), ["d.emulator.state.json"]);
}

#[test]
fn what_is_no_state_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.json");
    for content in [
        "",
        "device_id\nA\n",
        "{}",
        "{\"format\":\"kvs-fleet emulator state\",\"vers",
    ] {
        fs::write(&path, content).unwrap();
        for error in [
            place(&path).read().unwrap_err(),
            place(&path).lock().unwrap_err(),
        ] {
            for part in ["s.json", FLAG, "remove this one"] {
                assert!(error.to_string().contains(part), "{error}");
            }
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
        assert_eq!(names(folder.path()), ["s.json"]);
    }
}

#[test]
fn a_folder_is_no_state() {
    let folder = tempfile::tempdir().unwrap();
    let error = place(folder.path()).lock().unwrap_err().to_string();
    assert!(
        error.contains("cannot be read") && error.contains(FLAG),
        "{error}"
    );
    let error = place(&folder.path().join("none/s.json"))
        .lock()
        .unwrap_err();
    assert!(error.to_string().contains("cannot be locked"), "{error}");
}

#[test]
fn a_save_that_fails_leaves_the_state_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.json");
    let (file, _) = place(&path).lock().unwrap();
    file.save(&Snapshot::default()).unwrap();
    // A folder in place of the temporary file: as root, no permission stops a write.
    fs::create_dir(temporary_path(&path)).unwrap();
    let state = Snapshot {
        changes: 1,
        ..Snapshot::default()
    };
    let error = file.save(&state).unwrap_err().to_string();
    assert!(error.contains("cannot be written"), "{error}");
    assert_eq!(place(&path).read().unwrap().unwrap().changes, 0);
    fs::remove_dir(temporary_path(&path)).unwrap();
    file.save(&state).unwrap();
    assert_eq!(place(&path).read().unwrap().unwrap().changes, 1);
}

#[test]
fn a_file_that_is_no_lock_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.json");
    fs::write(lock_path(&path), "of another program").unwrap();
    drop(place(&path).lock().unwrap());
    assert_eq!(names(folder.path()), ["s.json.lock"]);
}
