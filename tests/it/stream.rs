//! The manifest on standard input.

use crate::support::{Bench, Cloud, Wire, answer, devices};

#[test]
fn a_stream_is_provisioned_in_order_of_arrival() {
    let bench = Bench::new();
    let cloud = Cloud::new();
    bench
        .provision_file("-", cloud.url())
        .args(&["-o", "d.results.csv"])
        .input("device_id,region\nB,\nC,us-east-1\nHalle 3,\nA,\nB,\n")
        .run()
        .exits(3);
    assert_eq!(
        bench.statuses(),
        ["B created", "C created", "Halle 3 invalid", "A created"]
    );
    assert_eq!(cloud.creates(), 3);
}

#[test]
fn devices_of_a_stream_are_created_before_it_ends() {
    let bench = Bench::new();
    let cloud = Cloud::new();
    let mut running = bench
        .provision_file("-", cloud.url())
        .args(&["-o", "d.results.csv", "--json"])
        .start();
    running.say("device_id\nA\n");
    assert!(running.line().contains(r#""device_id":"A""#));
    running.say("B\n");
    assert!(running.line().contains(r#""device_id":"B""#));
    running.wait().exits(0);
    assert_eq!(bench.statuses(), ["A created", "B created"]);
}

#[test]
fn a_stream_is_resumed_like_a_file() {
    let bench = Bench::new();
    let cloud = Cloud::new();
    let run = |count| {
        bench
            .provision_file("-", cloud.url())
            .args(&["-o", "d.results.csv"])
            .input(devices(1..=count))
            .run()
    };
    run(3).exits(0);
    run(5).exits(0);
    assert_eq!(cloud.creates(), 5);
    assert_eq!(bench.statuses().len(), 5);
    run(5).exits(0);
    assert_eq!(cloud.creates(), 5);
}

#[test]
fn a_resumed_stream_adopts_what_exists() {
    let bench = Bench::new();
    let cloud = Cloud::new();
    cloud.make_all(["CAM-0001", "CAM-0002"]);
    let creates = cloud.creates();
    bench
        .provision_file("-", cloud.url())
        .args(&["-o", "d.results.csv"])
        .input(devices(1..=3))
        .run()
        .exits(0);
    assert_eq!(
        bench.statuses(),
        ["CAM-0001 exists", "CAM-0002 exists", "CAM-0003 created"]
    );
    assert_eq!(cloud.creates() - creates, 1);
}

#[test]
fn damage_in_a_stream_stops_the_run_and_earlier_rows_are_kept() {
    for (damage, reason) in [
        (&b"C\0D\n"[..], "NUL"),
        (b"Ger\xe4t\n", "UTF-8"),
        (b"\"C\nD\nE\n", "quote"),
    ] {
        let bench = Bench::new();
        let cloud = Cloud::new();
        let mut input = b"device_id\nA\nB\n".to_vec();
        input.extend_from_slice(damage);
        bench
            .provision_file("-", cloud.url())
            .args(&["-o", "d.results.csv"])
            .input(input)
            .run()
            .exits(1)
            .says("line 4")
            .says(reason);
        for row in bench.rows("d.results.csv") {
            assert_eq!(row["status"], "created");
        }
        assert_eq!(bench.statuses().len(), cloud.channels().len());
    }
}

#[test]
fn a_stream_without_a_header_attempts_nothing() {
    let bench = Bench::new();
    let cloud = Cloud::new();
    for input in ["", "serial\nA\n"] {
        bench
            .provision_file("-", cloud.url())
            .args(&["-o", "d.results.csv"])
            .input(input)
            .run()
            .exits(2)
            .says("standard input");
        assert!(!bench.has("d.results.csv"));
        assert_eq!(cloud.all_requests(), 0);
    }
}

#[test]
fn a_stream_without_a_row_leaves_no_file() {
    let bench = Bench::new();
    let cloud = Cloud::new();
    let run = |input: &str| {
        bench
            .provision_file("-", cloud.url())
            .args(&["-o", "d.results.csv", "--summary-json", "s.json"])
            .input(input)
            .run()
    };
    run("device_id
")
    .exits(2)
    .says("no row");
    let summary = bench.json("s.json");
    assert_eq!(summary["reason"], "manifest");
    assert_eq!(summary["retryable"], false);
    assert!(!bench.has("d.results.csv"));
    assert!(!bench.has("d.results.runs.jsonl"));
    // Existing results stay unchanged.
    run("device_id
A
")
    .exits(0);
    bench.remove("s.json");
    let before = bench.files();
    run("device_id
")
    .exits(2);
    bench.remove("s.json");
    assert_eq!(bench.files(), before);
    assert_eq!(cloud.creates(), 1);
}

#[test]
fn a_stream_with_fewer_devices_than_expected_is_reported() {
    let bench = Bench::new();
    let cloud = Cloud::new();
    bench
        .provision_file("-", cloud.url())
        .args(&["-o", "d.results.csv", "--expect", "3"])
        .args(&["--summary-json", "s.json"])
        .input(devices(1..=2))
        .run()
        .exits(1)
        .says("listed 2 devices, but --expect 3");
    let summary = bench.json("s.json");
    assert_eq!(summary["reason"], "unexpected-count");
}

#[test]
fn limit_works_for_a_stream() {
    let bench = Bench::of(5);
    let cloud = Cloud::new();
    for (manifest, results) in [("-", "stream.csv"), ("d.csv", "file.csv")] {
        bench
            .provision_file(manifest, cloud.url())
            .args(&["-o", results, "--limit", "2", "--expect", "5"])
            .args(&["--summary-json", "s.json"])
            .input(devices(1..=5))
            .run()
            .exits(1)
            .says("--limit");
        let rows = bench.rows(results);
        let ids: Vec<&String> = rows.iter().map(|row| &row["device_id"]).collect();
        assert_eq!(ids, ["CAM-0001", "CAM-0002"]);
        let summary = bench.json("s.json");
        assert_eq!(summary["reason"], "limit", "{manifest}");
        assert_eq!(summary["retryable"], true, "{manifest}");
    }
}

#[test]
fn the_account_is_checked_before_a_stream_without_a_region() {
    let identity = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::222222222222:user/u</Arn>\
                    <Account>222222222222</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
    let sts = Wire::new(move |_, _| answer(200, None, identity));
    let bench = Bench::new();
    bench
        .call(&["provision", "-", "-o", "d.results.csv"])
        .args(&["--account", "111111111111", "--no-reconcile"])
        .env("AWS_ACCESS_KEY_ID", "AKIDSOMEBODY")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_ENDPOINT_URL_STS", sts.url())
        // AWS cannot be reached.
        .env("HTTPS_PROXY", "http://127.0.0.1:1")
        // The invalid row is not written either.
        .input("device_id,region\nno space,eu-central-1\nA,eu-central-1\n")
        .run()
        .exits(2)
        .says("222222222222")
        .says("111111111111");
    assert_eq!(sts.requests().len(), 1);
    assert!(!bench.has("d.results.csv"));
    assert!(!bench.has("d.results.runs.jsonl"));
}

#[test]
fn an_interrupted_stream_does_not_wait_for_its_input() {
    let bench = Bench::new();
    let cloud = Cloud::new();
    let mut running = bench
        .provision_file("-", cloud.url())
        .args(&["-o", "d.results.csv", "--json"])
        .start();
    running.say("device_id\nA\n");
    running.line();
    running.signal("INT");
    running.wait_open().exits(130);
    assert_eq!(bench.statuses(), ["A created"]);
}
