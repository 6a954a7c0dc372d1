//! A limit of open files below the number of requests in flight.
#![cfg(unix)]

use std::time::Duration;

use crate::support::{Bench, Cloud, Done};

/// 120 devices with 100 workers against a service with this latency in milliseconds.
fn run(limit: &str, latency: u64) -> (Bench, Done) {
    let bench = Bench::of(120);
    let cloud = Cloud::with(|settings| settings.latency.median = Duration::from_millis(latency));
    let call = bench.provision(cloud.url()).args(&["--workers", "100"]);
    let done = call.with_open_files(limit).run();
    let done = done
        .exits(0)
        .does_not_say("no answer from the service")
        .does_not_say("cannot be");
    assert_eq!(bench.statuses().len(), 120);
    assert_eq!(cloud.channels().len(), 120);
    (bench, done)
}

#[test]
fn the_soft_limit_is_raised() {
    let (_, done) = run("-S -n 64", 300);
    done.does_not_say("ulimit");
}

#[test]
fn a_hard_limit_reduces_the_requests_in_flight() {
    let (_, done) = run("-n 64", 300);
    let done = done.says("100 requests in flight (--workers)").says("64");
    assert_eq!(done.stderr.matches("ulimit -n").count(), 1, "{done}");
}

#[test]
fn a_limit_without_room_for_a_request_is_reported() {
    let bench = Bench::of(1);
    let call = bench.provision("http://127.0.0.1:1");
    let done = call.with_open_files("-n 20").run().exits(2);
    let done = done
        .says("only 20 files open at once")
        .says("ulimit -n 1024");
    assert_eq!(done.stderr.lines().count(), 1, "{done}");
    assert_eq!(bench.files().len(), 1);
}

#[test]
fn a_run_can_finish_its_files_under_any_limit() {
    let (bench, done) = run("-n 40", 20);
    done.does_not_say("results could not");
    let ids: Vec<String> = bench.statuses();
    assert!(ids.is_sorted());
}
