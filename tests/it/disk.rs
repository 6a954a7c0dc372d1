//! A disk that is full, read-only, or changed by others during a run.
#![cfg(unix)]

use std::time::Duration;

use crate::support::{Bench, Cloud, REGION};

/// Enough devices that the results exceed 64 KiB.
const DEVICES: usize = 600;

#[test]
fn a_full_disk_stops_the_run_and_unsaved_channels_are_reported() {
    let bench = Bench::of(DEVICES);
    let cloud = Cloud::with(|settings| settings.latency.median = Duration::from_millis(20));
    let done = bench
        .provision(cloud.url())
        .with_largest_file(64 * 1024)
        .run()
        .exits(1)
        .says("d.results.csv cannot be written")
        .says("make room");
    // Every created channel is in the file or in the message.
    let saved = bench.read("d.results.csv");
    assert!(saved.len() <= 64 * 1024);
    for (name, arn) in cloud.channels() {
        let is_said = done
            .stderr
            .lines()
            .any(|line| line.contains(&format!("not saved: '{name}' created {arn}")));
        assert!(saved.contains(&arn) || is_said, "{name}\n{done}");
    }
    assert!(done.stderr.contains("not saved: "), "{done}");
    let made = cloud.channels().len();
    assert!((200..DEVICES).contains(&made), "{made}");
    // With free space, the rest is created, and the unsaved channels are found.
    bench.provision(cloud.url()).run().exits(0);
    let rows = bench.rows("d.results.csv");
    assert_eq!(rows.len(), DEVICES);
    let channels = cloud.channels();
    assert_eq!(channels.len(), DEVICES);
    for row in rows {
        assert_eq!(row["channel_arn"], channels[&row["channel_name"]]);
    }
}

#[test]
fn a_disk_that_is_full_from_the_start_creates_nothing() {
    let bench = Bench::of(3);
    let cloud = Cloud::new();
    bench
        .provision(cloud.url())
        .with_largest_file(0)
        .run()
        .exits(2)
        .says("d.results");
    assert_eq!(cloud.creates(), 0);
    bench.provision(cloud.url()).run().exits(0);
    assert_eq!(bench.statuses().len(), 3);
}

#[cfg(target_os = "linux")]
#[test]
fn an_unwritable_folder_is_found_before_the_first_create() {
    let bench = Bench::of(3);
    let cloud = Cloud::new();
    // No user, root included, can create a file there.
    let results = "/proc/d.results.csv";
    bench
        .provision(cloud.url())
        .args(&["-o", results])
        .run()
        .exits(2)
        .says("/proc/d.results");
    assert_eq!(cloud.all_requests(), 0);
}

#[test]
fn results_deleted_during_the_run_are_saved_in_a_new_file() {
    let bench = Bench::of(40);
    let cloud = Cloud::with(|settings| settings.latency.median = Duration::from_millis(50));
    let mut running = bench
        .call(&["provision", "d.csv", "--endpoint-url", cloud.url()])
        .args(&["--region", REGION, "--rate", "100", "--json"])
        .start();
    running.line();
    bench.remove("d.results.csv");
    running
        .wait()
        .exits(1)
        .says("deleted")
        .says("d.results.saved-1.csv");
    assert_eq!(bench.rows("d.results.saved-1.csv").len(), 40);
    std::fs::rename(
        bench.path("d.results.saved-1.csv"),
        bench.path("d.results.csv"),
    )
    .unwrap();
    let requests = cloud.all_requests();
    bench.provision(cloud.url()).run().exits(0);
    assert_eq!(cloud.all_requests(), requests);
}

#[test]
fn a_folder_deleted_during_the_run_stops_it_within_seconds() {
    let bench = Bench::of(40);
    let cloud = Cloud::with(|settings| settings.latency.median = Duration::from_millis(50));
    std::fs::create_dir(bench.path("out")).unwrap();
    let call = || {
        bench
            .call(&["provision", "d.csv", "--endpoint-url", cloud.url()])
            .args(&["--region", REGION, "--rate", "100", "--json"])
            .args(&["-o", "out/r.csv"])
    };
    let mut running = call().start();
    running.line();
    std::fs::remove_dir_all(bench.path("out")).unwrap();
    let done = running.wait().exits(1).says("r.csv");
    // Each device was reported.
    assert_eq!(done.json_lines().len(), cloud.channels().len());
    std::fs::create_dir(bench.path("out")).unwrap();
    call().run().exits(0);
    assert_eq!(cloud.channels().len(), 40);
    assert_eq!(bench.rows("out/r.csv").len(), 40);
}

#[test]
fn the_file_mode_of_the_results_is_kept() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::of(4);
    let cloud = Cloud::new();
    bench
        .provision(cloud.url())
        .args(&["--limit", "2"])
        .run()
        .exits(1);
    let results = bench.path("d.results.csv");
    let mode = |mode| std::fs::set_permissions(&results, std::fs::Permissions::from_mode(mode));
    mode(0o640).unwrap();
    // A row in another order, so that the file is rewritten.
    bench.write("d.csv", crate::support::devices([4, 3, 2, 1].into_iter()));
    bench.provision(cloud.url()).run().exits(0);
    assert_eq!(bench.statuses()[0], "CAM-0004 created");
    let kept = std::fs::metadata(&results).unwrap().permissions().mode();
    assert_eq!(kept & 0o777, 0o640);
}
