//! `rollback`: exactly the created channels are deleted, and the remaining ones are reported.

use std::time::Duration;

use kvs_fleet::emulator::operation::ApiOperation;

use crate::support::{Bench, Call, Cloud, Wire, answer, finished, forward, results};

const AWS: &str = "123456789012";

fn rollback(bench: &Bench, url: &str, more: &[&str]) -> Call {
    bench
        .call(&["rollback", "d.results.csv", "--endpoint-url", url])
        .args(more)
}

#[test]
fn created_channels_are_deleted_and_adopted_ones_are_kept() {
    let cloud = Cloud::new();
    let bench = Bench::with("device_id\nA\nB\nno space\nC\nD\n");
    cloud.make(r#"{"ChannelName":"B"}"#);
    let tag = ["--tag", "Line=7"];
    bench.provision(cloud.url()).args(&tag).run().exits(3);
    assert_eq!(
        bench.statuses(),
        [
            "A created",
            "B exists",
            "no space invalid",
            "C created",
            "D created"
        ]
    );
    rollback(&bench, cloud.url(), &["--yes"])
        .run()
        .exits(0)
        .says("to be deleted: 3 channels")
        .says("1 channel adopted ('exists'): left")
        .says("3 of 3 deleted");
    let names: Vec<String> = cloud.channels().into_keys().collect();
    assert_eq!(names, ["B"]);
    assert_eq!(
        bench.statuses(),
        [
            "A deleted",
            "B exists",
            "no space invalid",
            "C deleted",
            "D deleted"
        ]
    );
    let row = bench.row("A");
    assert!(row["channel_arn"].contains(":channel/A/"), "{row:?}");
    assert!(!row["request_id"].is_empty(), "{row:?}");
    let log = bench.json_lines("d.results.runs.jsonl");
    let last: Vec<_> = log.iter().rev().take(2).collect();
    assert_eq!(last[1]["command"], "rollback");
    assert_eq!(last[0]["counts"]["deleted"], 3);
    assert_eq!(last[0]["exit_code"], 0);
    // A second rollback has nothing to delete and sends no request.
    let before = (cloud.all_requests(), bench.files());
    rollback(&bench, cloud.url(), &["--yes"])
        .run()
        .exits(0)
        .says("nothing to delete");
    assert_eq!((cloud.all_requests(), bench.files()), before);
    // Deleted devices stay deleted, and the flags of the last run are still known.
    bench
        .provision(cloud.url())
        .run()
        .exits(2)
        .says("--tag Line was '7'");
    bench.provision(cloud.url()).args(&tag).run().exits(3);
    bench
        .provision(cloud.url())
        .args(&tag)
        .args(&["--recreate-deleted"])
        .run()
        .exits(3);
    assert_eq!(cloud.channels().len(), 4);
}

#[test]
fn a_recreated_channel_is_kept_and_a_missing_one_counts_as_deleted() {
    for may_list in [true, false] {
        let cloud = Cloud::new();
        let bench = Bench::of(4);
        bench.provision(cloud.url()).run().exits(0);
        cloud.delete("CAM-0002");
        cloud.delete("CAM-0003");
        let arn = cloud.make(r#"{"ChannelName":"CAM-0003"}"#);
        let url = cloud.url().to_owned();
        let wire = Wire::new(move |request, _| {
            if request.path == "/listSignalingChannels" && !may_list {
                return answer(403, Some("AccessDeniedException"), r#"{"Message":"no"}"#);
            }
            forward(&url, request)
        });
        rollback(&bench, wire.url(), &["--yes"])
            .run()
            .exits(3)
            .says("3 of 4 deleted")
            .says("1 left with ChannelMadeAgain");
        assert_eq!(
            bench.statuses(),
            [
                "CAM-0001 deleted",
                "CAM-0002 deleted",
                "CAM-0003 created",
                "CAM-0004 deleted"
            ]
        );
        let row = bench.row("CAM-0003");
        assert_eq!(row["error_code"], "ChannelMadeAgain");
        assert!(row["error_message"].contains(&arn), "{row:?}");
        assert_eq!(cloud.channels().len(), 1);
    }
}

#[test]
fn rollback_requires_yes_without_a_terminal() {
    let cloud = Cloud::new();
    let bench = Bench::of(2);
    bench.provision(cloud.url()).run().exits(0);
    let before = (cloud.all_requests(), bench.files());
    rollback(&bench, cloud.url(), &[])
        .input("2\n")
        .run()
        .exits(2)
        .says("--yes");
    let preview = rollback(&bench, cloud.url(), &["--dry-run"])
        .run()
        .exits(0)
        .says("would delete 2 channels");
    assert_eq!(preview.stdout.lines().count(), 2);
    assert!(
        preview.stdout.starts_with("'CAM-0001' arn:aws:"),
        "{preview}"
    );
    assert_eq!((cloud.all_requests(), bench.files()), before);
}

#[test]
fn rollback_can_be_limited_to_some_devices() {
    let cloud = Cloud::new();
    let bench = Bench::of(6);
    bench.provision(cloud.url()).run().exits(0);
    let call = |more: &[&str]| rollback(&bench, cloud.url(), more).args(&["--yes"]).run();
    call(&["--device", "CAM-0001", "--device", "nobody"])
        .exits(2)
        .says("'nobody'");
    call(&["--devices-from", "missing.csv"])
        .exits(2)
        .says("missing.csv");
    assert_eq!(cloud.requests(ApiOperation::Delete), 0);
    call(&["--device", "CAM-0001"]).exits(0);
    bench.write("lines.txt", "CAM-0002\r\n\r\n");
    call(&["--devices-from", "lines.txt"]).exits(0);
    bench.write("some.csv", "hall,device_id\n4,CAM-0003\n4,CAM-0001\n");
    call(&["--devices-from", "some.csv"])
        .exits(0)
        .says("1 channel deleted before");
    call(&["--since", "2100-01-01"])
        .exits(0)
        .says("nothing to delete");
    assert_eq!(cloud.channels().len(), 3);
    let finished = |device: &str, at: &str| {
        let row = bench.row(device);
        let text = bench.read("d.results.csv");
        let line = text.lines().find(|line| line.starts_with(device)).unwrap();
        let other = line.replace(&format!(",{},,,", row["finished_at"]), &format!(",{at},,,"));
        assert_ne!(line, other);
        bench.write("d.results.csv", text.replace(line, &other));
    };
    finished("CAM-0004", "2020-01-01T00:00:00.000Z");
    finished("CAM-0005", "2090-01-01T00:00:00.000Z");
    call(&["--since", "2080-01-01T00:00:00Z"]).exits(0);
    assert_eq!(bench.row("CAM-0005")["status"], "deleted");
    assert_eq!(bench.row("CAM-0004")["status"], "created");
    call(&["--since", "2h"]).exits(0);
    assert_eq!(bench.row("CAM-0006")["status"], "deleted");
    assert_eq!(cloud.channels().len(), 1);
    let text = bench.read("d.results.csv");
    bench.write(
        "d.results.csv",
        text.replace("2020-01-01T00:00:00.000Z", "01.01.20"),
    );
    call(&["--since", "2h"])
        .exits(2)
        .says("'01.01.20'")
        .says("line 5");
}

#[test]
fn a_named_adopted_channel_is_kept_and_the_exit_code_is_not_0() {
    let cloud = Cloud::new();
    cloud.make(r#"{"ChannelName":"CAM-0001"}"#);
    let bench = Bench::of(1);
    bench.provision(cloud.url()).run().exits(0);
    rollback(&bench, cloud.url(), &["--yes", "--device", "CAM-0001"])
        .run()
        .exits(3)
        .says("1 channel adopted");
    rollback(&bench, cloud.url(), &["--yes"]).run().exits(0);
    assert_eq!(cloud.channels().len(), 1);
}

#[test]
fn a_refused_deletion_keeps_the_row_with_the_error() {
    let cloud = Cloud::new();
    let bench = Bench::of(3);
    bench.provision(cloud.url()).run().exits(0);
    let before = bench.row("CAM-0002");
    let url = cloud.url().to_owned();
    let wire = Wire::new(move |request, _| {
        if request.path == "/deleteSignalingChannel" && request.body.contains("CAM-0002") {
            return answer(
                403,
                Some("AccessDeniedException"),
                r#"{"Message":"not this"}"#,
            );
        }
        forward(&url, request)
    });
    rollback(&bench, wire.url(), &["--yes"])
        .run()
        .exits(3)
        .says("2 of 3 deleted")
        .says("1 left with AccessDeniedException");
    let row = bench.row("CAM-0002");
    assert_eq!(row["error_code"], "AccessDeniedException");
    assert_eq!(row["error_message"], "rollback: not this");
    for kept in [
        "status",
        "channel_arn",
        "attempts",
        "started_at",
        "finished_at",
    ] {
        assert_eq!(row[kept], before[kept], "{kept}");
    }
    // The device still has its channel.
    bench
        .provision(cloud.url())
        .run()
        .exits(3)
        .says("2 deleted");
    rollback(&bench, cloud.url(), &["--yes"]).run().exits(0);
    assert!(cloud.channels().is_empty());
    assert_eq!(bench.row("CAM-0002")["error_code"], "");
}

#[test]
fn twenty_authorization_errors_in_a_row_stop_the_rollback() {
    let cloud = Cloud::new();
    let bench = Bench::of(60);
    bench.provision(cloud.url()).run().exits(0);
    let url = cloud.url().to_owned();
    let wire = Wire::new(move |request, _| {
        if request.path == "/deleteSignalingChannel" {
            return answer(403, Some("AccessDeniedException"), r#"{"Message":"no"}"#);
        }
        forward(&url, request)
    });
    rollback(&bench, wire.url(), &["--yes", "--workers", "1"])
        .run()
        .exits(1)
        .says("not attempted: the same command continues");
    assert_eq!(cloud.channels().len(), 60);
    rollback(&bench, cloud.url(), &["--yes"]).run().exits(0);
    assert!(cloud.channels().is_empty());
}

#[test]
fn lost_answers_throttles_and_server_errors_are_retried() {
    let cloud = Cloud::faulty(&[
        "reset-after=each:1@delete",
        "503=first:5@delete",
        "throttle=first:3@delete",
    ]);
    let bench = Bench::of(20);
    bench.provision(cloud.url()).run().exits(0);
    rollback(&bench, cloud.url(), &["--yes"])
        .run()
        .exits(0)
        .says("20 of 20 deleted");
    assert!(cloud.channels().is_empty());
}

#[test]
fn an_interrupted_rollback_can_be_continued() {
    let cloud = Cloud::new();
    let bench = Bench::of(200);
    bench.provision(cloud.url()).run().exits(0);
    let running = rollback(&bench, cloud.url(), &["--yes", "--workers", "2"]).start();
    while cloud.channels().len() > 190 {
        std::thread::sleep(Duration::from_millis(5));
    }
    running.signal("INT");
    running.wait().exits(130);
    let left = cloud.channels();
    let created = || {
        let rows = bench.rows("d.results.csv");
        let created = rows.into_iter().filter(|row| row["status"] == "created");
        created
            .map(|row| row["device_id"].clone())
            .collect::<Vec<_>>()
    };
    assert!(!left.is_empty());
    assert_eq!(created(), left.into_keys().collect::<Vec<_>>());
    assert_eq!(bench.rows("d.results.csv").len(), 200);
    rollback(&bench, cloud.url(), &["--yes"]).run().exits(0);
    assert!(cloud.channels().is_empty());
    assert!(created().is_empty());
}

#[test]
fn an_interrupted_rollback_records_the_deletions_in_flight() {
    let cloud = Cloud::with(|settings| settings.latency.median = Duration::from_millis(400));
    let bench = Bench::of(40);
    bench.provision(cloud.url()).run().exits(0);
    let running = rollback(&bench, cloud.url(), &["--yes", "--workers", "64"]).start();
    while cloud.requests(ApiOperation::Delete) < 20 {
        std::thread::sleep(Duration::from_millis(5));
    }
    running.signal("INT");
    let done = running.wait();
    assert!(matches!(done.code, Some(0 | 130)), "{done}");
    let rows = bench.rows("d.results.csv");
    let created = rows.iter().filter(|row| row["status"] == "created");
    let created: Vec<_> = created.map(|row| row["device_id"].clone()).collect();
    assert_eq!(created, cloud.channels().into_keys().collect::<Vec<_>>());
}

#[test]
fn files_that_cannot_be_rolled_back_are_refused_unchanged() {
    let bench = Bench::new();
    let cloud = Cloud::new();
    let refused = |text: Option<&str>, says: &str, more: &[&str]| {
        if let Some(text) = text {
            bench.write("d.results.csv", text);
        }
        let before = bench.files();
        rollback(&bench, cloud.url(), more)
            .args(&["--yes"])
            .run()
            .exits(2)
            .says(says);
        assert_eq!(bench.files(), before);
        assert_eq!(cloud.requests(ApiOperation::Delete), 0);
    };
    refused(None, "does not exist", &[]);
    refused(Some("device_id\nA\n"), "not a results file", &[]);
    let row = finished("A", "created", AWS);
    refused(
        Some(&results(std::slice::from_ref(&row))),
        AWS,
        &["--account", "111111111111"],
    );
    // Another account than that of the credentials.
    refused(Some(&results(std::slice::from_ref(&row))), AWS, &[]);
    let damaged = results(&[row.replace("created", "made"), row]);
    refused(Some(&damaged), "line 2", &[]);
}

#[test]
fn the_order_is_restored_after_a_killed_rollback() {
    let cloud = Cloud::new();
    let bench = Bench::with("device_id\nA\nB\nno space\nC\nD\n");
    bench.provision(cloud.url()).run().exits(3);
    let deleted = |device: &str| {
        let text = bench.read("d.results.csv");
        let line = text.lines().find(|line| line.starts_with(device)).unwrap();
        cloud.delete(device.trim_end_matches(','));
        bench.append(
            "d.results.csv",
            format!("{}\n", line.replace("created", "deleted")),
        );
    };
    deleted("C,");
    deleted("A,");
    rollback(&bench, cloud.url(), &["--yes"]).run().exits(0);
    assert_eq!(
        bench.statuses(),
        [
            "A deleted",
            "B deleted",
            "no space invalid",
            "C deleted",
            "D deleted"
        ]
    );
}

#[test]
fn a_torn_tail_is_repaired() {
    let cloud = Cloud::new();
    let bench = Bench::of(3);
    bench.provision(cloud.url()).run().exits(0);
    bench.append("d.results.csv", "CAM-0004,CAM-0");
    rollback(&bench, cloud.url(), &["--yes"])
        .run()
        .exits(0)
        .says("incomplete record")
        .says("3 of 3 deleted");
    assert_eq!(bench.rows("d.results.csv").len(), 3);
}

#[test]
fn results_of_a_rehearsal_are_not_rolled_back_at_aws() {
    let bench = Bench::new();
    let row = finished("A", "created", "000000000000");
    bench.write("d.results.csv", results(&[row]));
    let before = bench.files();
    for command in [&["rollback", "--yes"][..], &["verify"]] {
        // The rows name their Region, so no default Region is looked up.
        bench
            .call(command)
            .args(&["d.results.csv"])
            .run()
            .exits(2)
            .says("were made with the emulator")
            .does_not_say("Region");
    }
    assert_eq!(bench.files(), before);
}
