//! The results file: its path, its content, its repair, and the runs log.

use crate::support::{
    Bench, Cloud, HEADER, REGION, Row, Wire, answer, arn, devices, earlier, finished, results,
};

const EMULATOR: &str = "000000000000";

/// Whether the text is a time in the documented format: RFC 3339, UTC, milliseconds.
fn is_time(text: &str) -> bool {
    let form: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    form == "0000-00-00T00:00:00.000Z"
}

/// Adopts the devices `CAM-0001` to `CAM-000n` from a service that has their channels, for tests of the file's content.
fn recorded(count: usize) -> (Bench, Cloud) {
    let bench = Bench::of(count);
    let cloud = Cloud::new();
    bench.provision(cloud.url()).run().exits(0);
    (bench, cloud)
}

#[test]
fn results_are_next_to_the_manifest() {
    let (bench, _cloud) = recorded(1);
    let names: Vec<String> = bench.files().into_keys().collect();
    assert_eq!(names, ["d.csv", "d.results.csv", "d.results.runs.jsonl"]);
}

#[test]
fn results_of_the_embedded_emulator_have_their_own_name() {
    let bench = Bench::of(1);
    let done = bench.call(&["provision", "d.csv", "--emulator"]).run();
    done.exits(0).says("EMULATOR").says(EMULATOR);
    let names: Vec<String> = bench.files().into_keys().collect();
    assert_eq!(
        names,
        [
            "d.csv",
            "d.emulator.results.csv",
            "d.emulator.results.runs.jsonl",
            "d.emulator.state.json"
        ]
    );
    let rows = bench.rows("d.emulator.results.csv");
    assert_eq!(rows[0]["status"], "created");
    assert!(rows[0]["channel_arn"].contains(EMULATOR));
}

#[test]
fn the_results_path_can_be_set() {
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    std::fs::create_dir(bench.path("out")).unwrap();
    for (flag, name, log) in [
        ("-o", "out/line7.csv", "out/line7.runs.jsonl"),
        ("--results", "out/line8", "out/line8.runs.jsonl"),
    ] {
        bench
            .provision(cloud.url())
            .args(&[flag, name])
            .run()
            .exits(0);
        assert_eq!(bench.rows(name).len(), 1);
        assert!(bench.has(log));
    }
    assert!(!bench.has("d.results.csv"));
}

#[test]
fn a_missing_folder_is_reported_before_the_first_create() {
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    let call = bench.provision(cloud.url()).args(&["-o", "nowhere/r.csv"]);
    call.run().exits(2).says("nowhere");
    assert_eq!(cloud.creates(), 0);
}

#[test]
fn a_row_has_the_outcome_of_its_device() {
    let bench = Bench::with("device_id,channel_name\n\"CAM \"\"1\"\", left\",gate\n");
    let cloud = Cloud::new();
    bench.provision(cloud.url()).run().exits(0);
    let text = bench.read("d.results.csv");
    assert_eq!(text.lines().next(), Some(HEADER));
    assert!(!text.contains('\r'));
    let row: Row = bench.rows("d.results.csv").remove(0);
    assert_eq!(row["device_id"], "CAM \"1\", left");
    assert_eq!(row["channel_name"], "gate");
    assert_eq!(row["region"], REGION);
    assert_eq!(row["status"], "created");
    assert_eq!(row["channel_arn"], cloud.channels()["gate"]);
    assert_eq!(row["attempts"], "1");
    assert!(
        is_time(&row["started_at"]) && is_time(&row["finished_at"]),
        "{row:?}"
    );
    assert!(row["started_at"] <= row["finished_at"]);
    assert_eq!(row["error_code"], "");
    assert_eq!(row["error_message"], "");
    assert_ne!(row["request_id"], "");
}

#[test]
fn a_failed_row_has_the_message_of_the_service() {
    let bench = Bench::of(1);
    let wire = Wire::new(|request, _| match request.path.as_str() {
        "/createSignalingChannel" => answer(
            400,
            Some("InvalidArgumentException:http://internal"),
            r#"{"Message":"=SUM(A1), \"no\"\nreally"}"#,
        ),
        _ => answer(200, None, r#"{"ChannelInfoList":[]}"#),
    });
    bench
        .provision(wire.url())
        .run()
        .exits(3)
        .says("1 failed with InvalidArgumentException");
    let row = bench.row("CAM-0001");
    assert_eq!(row["status"], "failed");
    assert_eq!(row["attempts"], "1");
    assert_eq!(row["error_code"], "InvalidArgumentException");
    // On one line, and not a formula for a spreadsheet program.
    assert_eq!(row["error_message"], "'=SUM(A1), \"no\" really");
    assert_eq!(row["request_id"], "1f9a8d52");
    assert_eq!(wire.creates().len(), 1);
}

#[test]
fn attempts_are_the_creates_of_this_run() {
    let bench = Bench::of(1);
    let cloud = Cloud::faulty(&["500=first:2@create"]);
    bench.provision(cloud.url()).run().exits(0);
    assert_eq!(
        bench.row("CAM-0001")["attempts"],
        cloud.creates().to_string()
    );
}

#[test]
fn the_finished_file_is_in_manifest_order() {
    let bench = Bench::with(&devices((1..=60).rev()));
    let cloud = Cloud::new();
    bench.provision(cloud.url()).run().exits(0);
    let ids: Vec<String> = bench
        .rows("d.results.csv")
        .iter()
        .map(|row| row["device_id"].clone())
        .collect();
    let listed = bench.read("d.csv");
    assert_eq!(ids, listed.lines().skip(1).collect::<Vec<_>>());
    // Reordered and extended; a device that was removed comes last.
    bench.write("d.csv", devices([5, 61, 7].into_iter()));
    bench
        .provision(cloud.url())
        .run()
        .exits(0)
        .says("58 devices");
    let statuses = bench.statuses();
    assert_eq!(
        statuses[..4],
        [
            "CAM-0005 created",
            "CAM-0061 created",
            "CAM-0007 created",
            "CAM-0060 created"
        ]
    );
    assert_eq!(statuses.len(), 61);
}

#[test]
fn a_torn_tail_is_repaired_and_reported() {
    for tail in [
        &b"CAM-0003,CAM-0003,eu-central-1,crea"[..],
        b"\"CAM-0003",
        b"\0\0\0\0\0\0",
        b"CAM-0003,CAM-0003\0\0\0\n\0\0",
    ] {
        let (bench, cloud) = recorded(3);
        let text = bench.read("d.results.csv");
        let sound: String = text.split_inclusive('\n').take(3).collect();
        bench.write("d.results.csv", &sound);
        bench.append("d.results.csv", tail);
        let creates = cloud.creates();
        bench
            .provision(cloud.url())
            .run()
            .exits(0)
            .says("line 4")
            .says("cut off");
        assert_eq!(
            bench.statuses(),
            ["CAM-0001 created", "CAM-0002 created", "CAM-0003 exists"]
        );
        assert_eq!(cloud.creates(), creates);
    }
}

#[test]
fn a_file_with_a_torn_header_is_a_new_file() {
    let bench = Bench::of(1);
    bench.write("d.results.csv", &HEADER[..30]);
    let cloud = Cloud::new();
    bench.provision(cloud.url()).run().exits(0);
    assert_eq!(bench.statuses(), ["CAM-0001 created"]);
}

/// Asserts that a results file is refused at this line with this message, and is unchanged.
#[track_caller]
fn damaged(content: impl AsRef<[u8]>, reasons: &[&str]) {
    let bench = Bench::of(3);
    bench.write("d.results.csv", content);
    let cloud = Cloud::new();
    let before = bench.files();
    let mut done = bench
        .provision(cloud.url())
        .run()
        .exits(2)
        .says("d.results.csv");
    for reason in reasons {
        done = done.says(reason);
    }
    assert_eq!(cloud.all_requests(), 0);
    assert_eq!(bench.files(), before);
}

#[test]
fn other_damage_is_refused_with_its_line() {
    let row = |device: &str| finished(device, "created", EMULATOR);
    damaged(
        results(&[
            row("CAM-0001"),
            "CAM-0002,CAM-0002,eu".into(),
            row("CAM-0003"),
        ]),
        &["line 3", "fields"],
    );
    damaged(
        results(&[row("CAM-0001").replace("created", "done"), row("CAM-0002")]),
        &["line 2", "'done'"],
    );
    damaged(
        results(&[
            finished("CAM-0001", "created", EMULATOR).replace(&arn("CAM-0001", EMULATOR), ""),
            row("CAM-0002"),
        ]),
        &["line 2", "channel_arn"],
    );
    damaged(
        results(&[row("CAM-0001").replace(",1,", ",many,"), row("CAM-0002")]),
        &["line 2", "'many'"],
    );
    let far: Vec<String> = (1..=600).map(|n| row(&format!("CAM-{n:04}"))).collect();
    damaged(
        results(&far).replacen("CAM-0002,", "CAM\x00002,", 1),
        &["line 3", "NUL"],
    );
    let mut bytes = results(&[row("CAM-0001"), row("CAM-0002")]).into_bytes();
    let at = bytes.iter().position(|b| *b == b'M').unwrap();
    bytes[at] = 0xe4;
    damaged(bytes, &["line 2", "UTF-8"]);
}

#[test]
fn a_file_with_another_header_is_refused() {
    damaged(
        "device_id,status\nCAM-0001,created\n",
        &["not a results file"],
    );
    damaged("device_id\nCAM-0001\n", &["not a results file"]);
    damaged(
        format!(
            "{}\n",
            HEADER.replace("status,channel_arn", "channel_arn,status")
        ),
        &["not a results file"],
    );
    damaged("some other text\n", &["not a results file"]);
}

#[test]
fn a_row_that_contradicts_its_arn_is_refused() {
    let bench_row = finished("0007", "created", EMULATOR);
    damaged(
        results(&[bench_row.replacen("0007,0007", "7,7", 1)]),
        &["line 2", "'7'", "'0007'"],
    );
    damaged(
        results(&[finished("CAM-0001", "exists", EMULATOR).replacen(
            ",eu-central-1,",
            ",eu-west-1,",
            1,
        )]),
        &["line 2", "'eu-west-1'", "'eu-central-1'"],
    );
}

#[test]
fn arns_of_two_accounts_are_refused() {
    damaged(
        results(&[
            finished("CAM-0001", "created", EMULATOR),
            finished("CAM-0002", "created", "123456789012"),
        ]),
        &["several accounts", "123456789012", "--role-arn"],
    );
}

#[test]
fn an_account_that_a_spreadsheet_program_changed_is_refused() {
    let row = finished("CAM-0001", "created", "012345678901");
    for (eaten, reason) in [
        (
            row.replacen("012345678901", "12345678901", 1),
            "gives the account '12345678901', its channel_arn says '012345678901'",
        ),
        (
            format!("CAM-0001,CAM-0001,1.2E+10,{REGION},failed,,1,,,Timeout,,"),
            "the account of the device 'CAM-0001' is '1.2E+10'; expected are 12 digits",
        ),
    ] {
        damaged(results(&[eaten]), &["line 2", reason, "leading zeros"]);
    }
}

#[test]
fn a_file_of_an_earlier_version_is_read_by_all_and_rewritten_by_those_that_write() {
    let (bench, cloud) = recorded(2);
    let whole = bench.read("d.results.csv");
    assert_eq!(bench.row("CAM-0001")["account"], EMULATOR);
    let old = earlier(&whole);
    bench.write("d.results.csv", &old);
    let url = ["--endpoint-url", cloud.url(), "--region", REGION];
    for command in ["verify d.results.csv", "report d.results.csv", "plan d.csv"] {
        let command: Vec<&str> = command.split(' ').collect();
        let more = if command[0] == "report" {
            &[][..]
        } else {
            &url
        };
        bench.call(&command).args(more).run().exits(0);
        assert_eq!(bench.read("d.results.csv"), old, "{command:?}");
    }
    // Nothing to do, and yet it is rewritten.
    bench.has_nothing_to_do(&cloud);
    assert_eq!(bench.read("d.results.csv"), whole);
    // A run that adds a row.
    bench.write("d.results.csv", &old);
    bench.write("d.csv", devices(1..=3));
    bench.provision(cloud.url()).run().exits(0);
    let after = bench.read("d.results.csv");
    assert!(after.starts_with(&whole), "{after}");
    assert_eq!(bench.row("CAM-0003")["account"], EMULATOR);
    // A rollback.
    bench.write("d.results.csv", earlier(&after));
    let call = bench.call(&["rollback", "d.results.csv", "--device", "CAM-0002", "--yes"]);
    call.args(&url).run().exits(0);
    let expected = ["CAM-0001 created", "CAM-0002 deleted", "CAM-0003 created"];
    assert_eq!(bench.statuses(), expected);
    assert!(
        bench
            .rows("d.results.csv")
            .iter()
            .all(|row| row["account"] == EMULATOR)
    );
    assert!(!bench.has("d.results.csv.kvs-fleet-tmp"));
}

#[test]
fn files_saved_by_a_spreadsheet_program_are_read() {
    let (bench, cloud) = recorded(2);
    let text = bench.read("d.results.csv");
    let lines: Vec<String> = text
        .lines()
        .map(|line| format!("\"{}\"\r\n", line.replace(',', "\",\"")))
        .collect();
    bench.write("d.results.csv", format!("\u{feff}{}", lines.concat()));
    bench.write("d.csv", devices(1..=3));
    let creates = cloud.creates();
    bench.provision(cloud.url()).run().exits(0);
    assert_eq!(cloud.creates() - creates, 1);
    let after = bench.read("d.results.csv");
    assert!(after.starts_with(&text), "{after}");
    assert_eq!(bench.statuses().len(), 3);
}

#[test]
fn the_last_row_of_a_device_wins() {
    let (bench, cloud) = recorded(1);
    let created = bench
        .read("d.results.csv")
        .lines()
        .nth(1)
        .unwrap()
        .to_owned();
    let failed = format!(
        "CAM-0001,CAM-0001,,{REGION},failed,,8,2025-01-02T03:04:05.000Z,2025-01-02T03:04:05.000Z,Timeout,no answer,"
    );
    bench.write("d.results.csv", results(&[failed.clone(), created.clone()]));
    let requests = cloud.all_requests();
    bench.provision(cloud.url()).run().exits(0);
    assert_eq!(cloud.all_requests(), requests);
    assert_eq!(bench.statuses(), ["CAM-0001 created"]);
    bench.write("d.results.csv", results(&[created, failed]));
    bench.provision(cloud.url()).run().exits(0);
    assert_eq!(bench.statuses(), ["CAM-0001 exists"]);
}

#[test]
fn invalid_rows_are_rebuilt_and_never_hide_a_channel() {
    let bench = Bench::with("device_id,message_ttl_seconds\nCAM-1,30\nCAM-2,500\n");
    let cloud = Cloud::new();
    bench.provision(cloud.url()).run().exits(3);
    assert_eq!(bench.statuses(), ["CAM-1 created", "CAM-2 invalid"]);
    let created = bench.row("CAM-1");
    // Now the finished device's row is the invalid one, and the other is valid.
    bench.write(
        "d.csv",
        "device_id,message_ttl_seconds\nCAM-1,500\nCAM-2,30\n",
    );
    bench.provision(cloud.url()).run().exits(3);
    let rows = bench.rows("d.results.csv");
    let of = |device: &str| {
        let rows = rows.iter().filter(|row| row["device_id"] == device);
        rows.map(|row| row["status"].as_str()).collect::<Vec<_>>()
    };
    assert_eq!(of("CAM-1"), ["invalid", "created"]);
    assert_eq!(of("CAM-2"), ["created"]);
    assert!(rows.contains(&created));
    // A further run still knows it.
    bench.write(
        "d.csv",
        "device_id,message_ttl_seconds\nCAM-1,30\nCAM-2,30\n",
    );
    let before = cloud.creates();
    bench.provision(cloud.url()).run().exits(0);
    assert_eq!(cloud.creates(), before);
    assert_eq!(bench.statuses(), ["CAM-1 created", "CAM-2 created"]);
    assert_eq!(bench.row("CAM-1"), created);
}

#[test]
fn an_invalid_row_has_one_line_after_several_runs() {
    let bench = Bench::with("device_id\nHalle 3\nCAM-1\n");
    let cloud = Cloud::new();
    for _ in 0..3 {
        bench.provision(cloud.url()).run().exits(3);
        assert_eq!(bench.statuses(), ["Halle 3 invalid", "CAM-1 created"]);
    }
    assert_eq!(cloud.creates(), 1);
}

#[test]
fn the_runs_log_has_the_start_and_end_of_each_run() {
    let (bench, cloud) = recorded(2);
    bench.write("d.csv", devices(1..=3));
    bench.provision(cloud.url()).run().exits(0);
    let lines = bench.json_lines("d.results.runs.jsonl");
    let of = |event: &str| {
        let lines = lines.iter().filter(|line| line["event"] == event);
        lines.cloned().collect::<Vec<_>>()
    };
    let (starts, ends) = (of("start"), of("end"));
    assert_eq!((starts.len(), ends.len()), (2, 2));
    let start = &starts[1];
    assert!(is_time(start["at"].as_str().unwrap()));
    assert_eq!(start["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(start["arguments"][0], "provision");
    assert_eq!(start["manifest_sha256"].as_str().unwrap().len(), 64);
    assert_ne!(start["manifest_sha256"], starts[0]["manifest_sha256"]);
    assert_eq!(start["account"], EMULATOR);
    assert!(start["caller"].as_str().unwrap().starts_with("arn:"));
    assert_eq!(start["regions"], serde_json::json!([REGION]));
    assert_eq!(start["endpoint"], cloud.url());
    assert_eq!(start["settings"]["channel_name"], "{device_id}");
    let end = &ends[1];
    assert_eq!(end["counts"]["created"], 1);
    assert_eq!(end["throttles"], 0);
    assert_eq!(end["reason"], "complete");
    assert_eq!(end["exit_code"], 0);
    assert!(end["duration_ms"].is_u64() && end["creating_ms"].is_u64());
    assert_eq!(end["lanes"][0]["creates"], 1);
}

#[test]
fn results_moved_during_the_run_are_saved_in_a_new_file() {
    let bench = Bench::of(40);
    let cloud = Cloud::with(|settings| settings.rate = 1_000_000.0);
    let mut running = bench
        .provision_file("-", cloud.url())
        .args(&["-o", "d.results.csv", "--json"])
        .start();
    running.say("device_id\nCAM-0001\n");
    running.line();
    std::fs::rename(bench.path("d.results.csv"), bench.path("moved.csv")).unwrap();
    running.say("CAM-0002\n");
    running.wait().exits(1).says("d.results.csv");
    let saved: Vec<String> = bench
        .files()
        .into_iter()
        .filter(|(name, bytes)| {
            name != "moved.csv" && String::from_utf8_lossy(bytes).starts_with(HEADER)
        })
        .map(|(name, _)| name)
        .collect();
    assert_eq!(saved.len(), 1, "{saved:?}");
    assert_ne!(saved[0], "d.results.csv");
    let rows = bench.rows(&saved[0]);
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row["status"] == "created"));
}

#[test]
fn results_changed_by_another_program_are_reported() {
    let bench = Bench::new();
    let cloud = Cloud::new();
    let stream = || {
        bench
            .provision_file("-", cloud.url())
            .args(&["-o", "d.results.csv", "--json"])
    };
    let mut running = stream().start();
    running.say("device_id\nA\n");
    running.line();
    bench.append("d.results.csv", "junk\n");
    running.say("B\n");
    running
        .wait()
        .exits(1)
        .says("changed by another program")
        .says("remove what that program added")
        .does_not_say("is sound");
    let rerun = || stream().input("device_id\nA\nB\n").run();
    rerun().exits(2).says("line 3");
    // The instruction works.
    let text = bench.read("d.results.csv");
    bench.write("d.results.csv", text.replace("junk\n", ""));
    rerun().exits(0);
    assert_eq!(bench.statuses(), ["A created", "B exists"]);
}

#[test]
fn a_journal_that_cannot_be_rewritten_can_be_resumed() {
    let bench = Bench::new();
    let cloud = Cloud::new();
    // A row that another one supersedes: the finished file differs from the journal.
    let failed = finished("CAM-0002", "failed", EMULATOR).replace(&arn("CAM-0002", EMULATOR), "");
    bench.write("d.results.csv", results(&[failed]));
    let mut running = bench
        .provision_file("-", cloud.url())
        .args(&["-o", "d.results.csv", "--json"])
        .start();
    running.say("device_id\nCAM-0001\n");
    running.line();
    // Another file is in the place of the finished file.
    let in_the_way = "d.results.csv.kvs-fleet-tmp";
    std::fs::create_dir(bench.path(in_the_way)).unwrap();
    running.say("Halle 3\nCAM-0002\n");
    running.wait().exits(1).says("d.results.csv");
    let journal = bench.read("d.results.csv");
    assert!(
        journal.contains("CAM-0001") && journal.contains("CAM-0002"),
        "{journal}"
    );
    std::fs::remove_dir(bench.path(in_the_way)).unwrap();
    bench.write("d.csv", devices(1..=3));
    let creates = cloud.creates();
    bench.provision(cloud.url()).run().exits(0);
    assert_eq!(cloud.creates() - creates, 1);
    assert_eq!(
        bench.statuses(),
        ["CAM-0001 created", "CAM-0002 created", "CAM-0003 created"]
    );
}
