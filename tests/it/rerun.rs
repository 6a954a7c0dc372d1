//! A rerun of the same command: which devices are skipped and retried, which edits are reported, and which channels are
//! adopted.

use kvs_fleet::emulator::operation::ApiOperation;

use crate::support::{Bench, Cloud, Wire, answer, devices, finished, forward, results};

const EMULATOR: &str = "000000000000";

#[test]
fn a_rerun_with_nothing_to_do_sends_no_request() {
    let bench = Bench::of(3);
    let cloud = Cloud::new();
    bench.provision(cloud.url()).run().exits(0);
    let before = bench.read("d.results.csv");
    bench.has_nothing_to_do(&cloud);
    assert_eq!(bench.read("d.results.csv"), before);
}

#[test]
fn a_rerun_with_nothing_to_do_needs_no_credentials() {
    let bench = Bench::of(1);
    let row = finished("CAM-0001", "created", "123456789012");
    bench.write("d.results.csv", results(&[row]));
    // Against AWS, without network and credentials.
    bench
        .call(&["provision", "d.csv", "--region", "eu-central-1"])
        .run()
        .exits(0)
        .says("nothing to do");
}

#[test]
fn new_devices_are_attempted_before_failed_ones() {
    let bench = Bench::with(&devices([1, 2, 3].into_iter()));
    let cloud = Cloud::new();
    let failed = |device: &str| {
        format!(
            "{device},{device},,eu-central-1,failed,,8,2025-01-02T03:04:05.000Z,2025-01-02T03:04:05.000Z,Timeout,no answer,"
        )
    };
    bench.write(
        "d.results.csv",
        results(&[
            failed("CAM-0001"),
            finished("CAM-0002", "created", EMULATOR),
        ]),
    );
    let wire = Wire::before(cloud.url());
    bench
        .provision(wire.url())
        .args(&["--workers", "1"])
        .run()
        .exits(0);
    let order: Vec<String> = wire
        .creates()
        .iter()
        .map(crate::support::Request::channel)
        .collect();
    assert_eq!(order, ["CAM-0003", "CAM-0001"]);
    assert_eq!(
        bench.statuses(),
        ["CAM-0001 created", "CAM-0002 created", "CAM-0003 created"]
    );
}

#[test]
fn a_device_with_an_unknown_outcome_keeps_its_channel_name() {
    let bench = Bench::with("device_id,channel_name\nA,new\nB,old\n");
    let cloud = Cloud::new();
    let open = |code: &str| {
        let row = "A,old,,eu-central-1,failed,,8,2025-01-02T03:04:05.000Z,2025-01-02T03:04:05.000Z";
        results(&[format!("{row},{code},no answer,")])
    };
    bench.write("d.results.csv", open("OutcomeUnknown"));
    bench
        .provision(cloud.url())
        .run()
        .exits(2)
        .says("line 2: the device 'A' may have its channel 'old'");
    bench.write("d.csv", "device_id,channel_name\nA,old\nB,old\n");
    bench.provision(cloud.url()).run().exits(3);
    assert_eq!(bench.statuses(), ["A created", "B invalid"]);
    // A device that has no channel for certain may change its name.
    bench.write("d.csv", "device_id,channel_name\nA,new\n");
    bench.write("d.results.csv", open("ValidationException"));
    bench.provision(cloud.url()).run().exits(0);
    assert_eq!(bench.row("A")["channel_name"], "new");
}

#[test]
fn failed_devices_are_retried_until_they_succeed() {
    let bench = Bench::of(3);
    let cloud = Cloud::new();
    let url = cloud.url().to_owned();
    let wire = Wire::new(move |request, _| {
        if request.path == "/createSignalingChannel" && request.channel() == "CAM-0002" {
            return answer(400, Some("InvalidArgumentException"), r#"{"Message":"no"}"#);
        }
        forward(&url, request)
    });
    bench.provision(wire.url()).run().exits(3);
    assert_eq!(bench.row("CAM-0002")["status"], "failed");
    bench.provision(cloud.url()).run().exits(0);
    assert_eq!(bench.row("CAM-0002")["status"], "created");
    assert_eq!(bench.row("CAM-0002")["error_code"], "");
    assert_eq!(cloud.creates(), 3);
}

#[test]
fn lost_results_are_restored_by_a_listing() {
    let bench = Bench::of(2_000);
    let cloud = Cloud::new();
    bench.provision(cloud.url()).run().exits(0);
    let channels = cloud.channels();
    assert_eq!(channels.len(), 2_000);
    bench.remove("d.results.csv");
    let before = (cloud.creates(), cloud.requests(ApiOperation::Describe));
    bench
        .provision(cloud.url())
        .run()
        .exits(0)
        .says("2000 existed");
    assert_eq!(
        (cloud.creates(), cloud.requests(ApiOperation::Describe)),
        before
    );
    let rows = bench.rows("d.results.csv");
    assert_eq!(rows.len(), 2_000);
    for row in rows {
        assert_eq!(row["status"], "exists");
        assert_eq!(row["channel_arn"], channels[&row["channel_name"]]);
        assert_eq!(row["attempts"], "0");
    }
}

#[test]
fn the_csv_alone_is_enough_to_resume() {
    let bench = Bench::of(2);
    let cloud = Cloud::new();
    bench.provision(cloud.url()).run().exits(0);
    let other = Bench::of(3);
    other.write("d.results.csv", bench.read("d.results.csv"));
    let creates = cloud.creates();
    other.provision(cloud.url()).run().exits(0);
    assert_eq!(cloud.creates() - creates, 1);
    assert_eq!(
        other.statuses(),
        ["CAM-0001 created", "CAM-0002 created", "CAM-0003 created"]
    );
}

#[test]
fn finished_devices_that_now_ask_for_something_else_are_reported_and_left_alone() {
    let bench = Bench::with("device_id,message_ttl_seconds,tag:T\nA,30,x\nB,30,x\nC,30,x\n");
    let cloud = Cloud::new();
    bench.provision(cloud.url()).run().exits(0);
    bench.write(
        "d.csv",
        "device_id,message_ttl_seconds,tag:T\nA,60,x\nB,30,y\nC,30,x\n",
    );
    let requests = cloud.all_requests();
    bench
        .provision(cloud.url())
        .run()
        .exits(0)
        .says("finished channels keep their TTL and tags")
        .says("kvs-fleet verify d.results.csv --manifest d.csv --tags");
    assert_eq!(cloud.all_requests(), requests);
    assert_eq!(cloud.tags("B")["T"], "x");
}

#[test]
fn rows_removed_from_the_manifest_are_counted_and_kept() {
    let bench = Bench::of(4);
    let cloud = Cloud::new();
    bench.provision(cloud.url()).run().exits(0);
    bench.write("d.csv", devices(4..=4));
    bench
        .provision(cloud.url())
        .run()
        .exits(0)
        .says("3 devices in the results have no valid row in the manifest");
    assert_eq!(
        bench.statuses(),
        [
            "CAM-0004 created",
            "CAM-0001 created",
            "CAM-0002 created",
            "CAM-0003 created"
        ]
    );
}

#[test]
fn changed_templates_tags_or_ttl_are_refused_unless_allowed() {
    for (before, flags) in [
        (&[][..], &["--channel-name", "cam-{device_id}"][..]),
        (&["--tag", "T=x"], &["--tag", "T=y"]),
        (&["--tag", "T=x"], &[]),
        (&["--message-ttl", "30"], &["--message-ttl", "60"]),
    ] {
        let bench = Bench::of(1);
        let cloud = Cloud::new();
        bench.provision(cloud.url()).args(before).run().exits(0);
        // The new devices would be created differently; the finished one is no longer listed.
        bench.write("d.csv", devices(2..=2));
        let (requests, files) = (cloud.all_requests(), bench.files());
        bench
            .provision(cloud.url())
            .args(flags)
            .run()
            .exits(2)
            .says("--allow-changed")
            .says(flags.first().or(before.first()).unwrap());
        assert_eq!(cloud.all_requests(), requests);
        assert_eq!(bench.files(), files);
        bench
            .provision(cloud.url())
            .args(flags)
            .args(&["--allow-changed"])
            .run()
            .exits(0);
        assert_eq!(bench.statuses().len(), 2);
    }
}

#[test]
fn a_changed_manifest_is_reported_where_finished_devices_may_ask_for_something_else() {
    let bench = Bench::with("device_id,message_ttl_seconds\nA,30\n");
    let cloud = Cloud::new();
    bench.provision(cloud.url()).run().exits(0);
    bench.write("d.csv", "device_id,message_ttl_seconds\nA,60\nB,60\nC,60\n");
    // The manifest stays the same from here on, but the first device was made with another.
    for code in [1, 0, 0] {
        bench
            .provision(cloud.url())
            .args(&["--limit", "1"])
            .run()
            .exits(code)
            .says("finished channels keep their TTL and tags");
    }
    let runs = bench.json_lines("d.results.runs.jsonl");
    let ends = runs.iter().filter(|line| line["event"] == "end");
    let changed: Vec<_> = ends.map(|end| end["changed"].as_u64()).collect();
    assert_eq!(changed, [Some(0), None, None]);
}

#[test]
fn rate_and_workers_may_change_between_runs() {
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    bench.provision(cloud.url()).run().exits(0);
    bench.write("d.csv", devices(1..=2));
    bench
        .call(&["provision", "d.csv", "--endpoint-url", cloud.url()])
        .args(&["--region", "eu-central-1", "--rate", "30", "--workers", "3"])
        .args(&["--max-attempts", "2"])
        .run()
        .exits(0);
}

#[test]
fn deleted_devices_stay_deleted_without_recreate_deleted() {
    let bench = Bench::of(2);
    let cloud = Cloud::new();
    bench.provision(cloud.url()).run().exits(0);
    // Results as `rollback` writes them.
    cloud.delete("CAM-0001");
    let text = bench.read("d.results.csv");
    bench.write("d.results.csv", text.replacen(",created,", ",deleted,", 1));
    let requests = cloud.all_requests();
    let done = bench.provision(cloud.url()).run().exits(3);
    done.says("1 deleted").says("--recreate-deleted");
    assert_eq!(cloud.all_requests(), requests);
    assert_eq!(bench.statuses(), ["CAM-0001 deleted", "CAM-0002 created"]);
    bench
        .provision(cloud.url())
        .args(&["--recreate-deleted"])
        .run()
        .exits(0);
    assert_eq!(bench.statuses(), ["CAM-0001 created", "CAM-0002 created"]);
    assert_eq!(
        bench.row("CAM-0001")["channel_arn"],
        cloud.channels()["CAM-0001"]
    );
    assert_eq!(cloud.creates(), 3);
}

#[test]
fn without_reconcile_existing_channels_are_adopted_without_a_listing() {
    let bench = Bench::of(3);
    let cloud = Cloud::new();
    cloud.make_all(["CAM-0002"]);
    let wire = Wire::before(cloud.url());
    bench
        .provision(wire.url())
        .args(&["--no-reconcile"])
        .run()
        .exits(0);
    assert_eq!(
        bench.statuses(),
        ["CAM-0001 created", "CAM-0002 exists", "CAM-0003 created"]
    );
    assert_eq!(
        bench.row("CAM-0002")["channel_arn"],
        cloud.channels()["CAM-0002"]
    );
    assert_eq!(wire.creates().len(), 3);
}

#[test]
fn a_caller_without_permission_to_list_is_warned() {
    let bench = Bench::of(3);
    let cloud = Cloud::new();
    cloud.make_all(["CAM-0002"]);
    let url = cloud.url().to_owned();
    let wire = Wire::new(move |request, _| match request.path.as_str() {
        "/listSignalingChannels" => answer(
            403,
            Some("AccessDeniedException"),
            r#"{"Message":"not authorized to perform kinesisvideo:ListSignalingChannels"}"#,
        ),
        _ => forward(&url, request),
    });
    bench
        .provision(wire.url())
        .run()
        .exits(0)
        .says("warning: ")
        .says("ListSignalingChannels");
    assert_eq!(
        bench.statuses(),
        ["CAM-0001 created", "CAM-0002 exists", "CAM-0003 created"]
    );
}

#[test]
fn the_listing_reads_all_pages() {
    let bench = Bench::of(3);
    let cloud = Cloud::new();
    cloud.make_all(["CAM-0001", "CAM-0002", "CAM-0003"]);
    let url = cloud.url().to_owned();
    let channels = ["CAM-0001", "CAM-0002", "CAM-0003"].map(|name| cloud.describe(name));
    // A service with one channel on a page, and an empty page between them.
    let wire = Wire::new(move |request, _| {
        if request.path != "/listSignalingChannels" {
            return forward(&url, request);
        }
        let token = request.json()["NextToken"]
            .as_str()
            .map_or(0, |token| token.parse().unwrap());
        let (page, next): (_, Option<u8>) = match token {
            0 => (&channels[..1], Some(1)),
            1 => (&channels[..0], Some(2)),
            2 => (&channels[1..2], Some(3)),
            _ => (&channels[2..], None),
        };
        let mut body = serde_json::json!({"ChannelInfoList": page});
        if let Some(next) = next {
            body["NextToken"] = next.to_string().into();
        }
        answer(200, None, &body.to_string())
    });
    bench.provision(wire.url()).run().exits(0);
    assert_eq!(
        bench.statuses(),
        ["CAM-0001 exists", "CAM-0002 exists", "CAM-0003 exists"]
    );
    assert!(wire.creates().is_empty());
}

#[test]
fn adopted_channels_that_differ_are_counted_and_not_changed() {
    let bench = Bench::with("device_id,message_ttl_seconds\nA,30\nB,60\nC,\n");
    let cloud = Cloud::new();
    cloud.make_all(["A", "B", "C"]);
    bench
        .provision(cloud.url())
        .run()
        .exits(0)
        .says("3 existed")
        .says("1 of the adopted channels have another type or TTL");
    assert_eq!(
        cloud.describe("A")["SingleMasterConfiguration"]["MessageTtlSeconds"],
        60
    );
}

#[test]
fn an_existing_channel_fails_with_on_exists_fail() {
    for flags in [
        &["--on-exists", "fail"][..],
        &["--on-exists", "fail", "--no-reconcile"],
    ] {
        let bench = Bench::of(2);
        let cloud = Cloud::new();
        cloud.make_all(["CAM-0001"]);
        let done = bench.provision(cloud.url()).args(flags).run().exits(3);
        assert_eq!(bench.statuses(), ["CAM-0001 failed", "CAM-0002 created"]);
        let row = bench.row("CAM-0001");
        assert_eq!(row["error_code"], "ChannelExists");
        // The next step if a killed run may have created it.
        assert!(row["error_message"].contains("--on-exists adopt"));
        done.says("--on-exists adopt");
        bench.provision(cloud.url()).run().exits(0);
        assert_eq!(bench.statuses(), ["CAM-0001 exists", "CAM-0002 created"]);
    }
}

#[test]
fn recheck_recreates_missing_channels() {
    let bench = Bench::of(5);
    let cloud = Cloud::new();
    bench.provision(cloud.url()).run().exits(0);
    cloud.delete("CAM-0002");
    cloud.delete("CAM-0004");
    let arn = cloud.make(r#"{"ChannelName":"CAM-0004"}"#);
    bench
        .provision(cloud.url())
        .run()
        .exits(0)
        .says("nothing to do");
    let recheck = |bench: &Bench| {
        let call = bench.provision(cloud.url());
        call.args(&["--recheck"]).run()
    };
    let done = recheck(&bench)
        .exits(0)
        .says("2 of 5 channels no longer there");
    assert_eq!(
        done.stderr.matches("account 000000000000").count(),
        1,
        "{done}"
    );
    assert_eq!(cloud.channels().len(), 5);
    assert_eq!(bench.row("CAM-0002")["status"], "created");
    assert_eq!(bench.row("CAM-0004")["status"], "exists");
    assert_eq!(bench.row("CAM-0004")["channel_arn"], arn);
    for row in bench.rows("d.results.csv") {
        assert_eq!(row["channel_arn"], cloud.channels()[&row["device_id"]]);
    }
    recheck(&bench)
        .exits(0)
        .says("0 of 5 channels no longer there")
        .says("nothing to do");
    assert_eq!(cloud.creates(), 7);
}

#[test]
fn recheck_works_for_a_stream_and_without_results() {
    let bench = Bench::of(2);
    let cloud = Cloud::new();
    let recheck = || {
        bench
            .provision_file("-", cloud.url())
            .args(&["-o", "d.results.csv", "--recheck"])
            .input(devices(1..=2))
            .run()
            .exits(0)
    };
    recheck();
    cloud.delete("CAM-0001");
    recheck();
    assert_eq!(bench.statuses(), ["CAM-0001 created", "CAM-0002 created"]);
    assert_eq!(cloud.channels().len(), 2);
}
