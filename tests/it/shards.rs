//! Shards: several processes, each with its part of a manifest, and their results merged.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::{Bench, Call, Cloud, REGION};

const SHARDS: usize = 4;

fn shard(bench: &Bench, cloud: &Cloud, shard: &str) -> Call {
    bench.provision(cloud.url()).args(&["--shard", shard])
}

fn results_of(number: usize) -> String {
    format!("d.{number}-of-{SHARDS}.results.csv")
}

/// Merges the results of all shards into `d.results.csv`.
fn merge(bench: &Bench) -> Call {
    let files: Vec<String> = (1..=SHARDS).map(results_of).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    bench
        .call(&["merge"])
        .args(&files)
        .args(&["-o", "d.results.csv", "--manifest", "d.csv"])
}

/// Asserts that the merged results are those of the manifest, and their ARNs those of the service.
fn is_complete(bench: &Bench, cloud: &Cloud) {
    let rows = bench.rows("d.results.csv");
    let recorded: Vec<_> = rows
        .iter()
        .map(|row| (row["device_id"].clone(), row["channel_arn"].clone()))
        .collect();
    // In the order of the manifest, which is the order of the names.
    let channels: Vec<_> = cloud.channels().into_iter().collect();
    assert_eq!(recorded, channels);
}

#[test]
fn shards_at_the_same_time_are_one_batch() {
    let (bench, cloud) = (Bench::of(400), Cloud::new());
    let running: Vec<_> = (1..=SHARDS)
        .map(|number| shard(&bench, &cloud, &format!("{number}/{SHARDS}")).start())
        .collect();
    let mut devices = 0;
    for (running, number) in running.into_iter().zip(1..) {
        running
            .wait()
            .exits(0)
            .says(&format!("shard {number}/{SHARDS}: "))
            .says("of 400 devices");
        let rows = bench.rows(&results_of(number));
        // Even within what chance allows.
        assert!((70..130).contains(&rows.len()), "{}", rows.len());
        devices += rows.len();
    }
    assert_eq!((devices, cloud.creates()), (400, 400));
    merge(&bench)
        .run()
        .exits(0)
        .says("merged 4 files: 400 created, 0 existed, 0 failed");
    is_complete(&bench, &cloud);
    // The merged file is a results file like any other.
    bench.has_nothing_to_do(&cloud);
    let with_url =
        |arguments: &[&str]| bench.call(arguments).args(&["--endpoint-url", cloud.url()]);
    with_url(&["verify", "d.results.csv"]).run().exits(0);
    let report = bench.call(&["report", "d.results.csv"]).run().exits(0);
    assert!(report.stdout.contains("400"), "{}", report.stdout);
    with_url(&["rollback", "d.results.csv", "--yes"])
        .run()
        .exits(0);
    assert_eq!(cloud.channels(), BTreeMap::new());
    // What was deleted stays so if the shards are merged again.
    merge(&bench)
        .run()
        .exits(2)
        .says("would lose what it knows of 'CAM-0001' (deleted)");
    merge(&bench).args(&["d.results.csv"]).run().exits(3);
    let rows = bench.rows("d.results.csv");
    assert!(rows.iter().all(|row| row["status"] == "deleted"));
}

#[cfg(unix)]
#[test]
fn killed_shards_are_run_again_with_and_without_their_file() {
    let bench = Bench::of(400);
    let cloud = Cloud::with(|settings| {
        settings.latency.median = Duration::from_millis(5);
    });
    let start = |number: usize| {
        let shard = shard(&bench, &cloud, &format!("{number}/{SHARDS}"));
        shard.args(&["--workers", "2", "--json"]).start()
    };
    for number in 1..=2 {
        let mut killed = start(number);
        for _ in 0..10 {
            killed.line();
        }
        killed.signal("KILL");
        assert_eq!(killed.wait().code, None);
    }
    // The second host is gone, and its disk with it.
    bench.remove(&results_of(2));
    for number in 1..=SHARDS {
        start(number).wait().exits(0);
    }
    merge(&bench).run().exits(0).says("merged 4 files");
    is_complete(&bench, &cloud);
    assert_eq!(cloud.channels().len(), 400);
    let statuses = |number| {
        let rows = bench.rows(&results_of(number));
        let count = |status: &str| rows.iter().filter(|row| row["status"] == status).count();
        (count("created") >= 10, count("exists") >= 10)
    };
    assert!(statuses(1).0);
    // Their channels were found, so that they are adopted.
    assert!(statuses(2).1);
}

#[test]
fn devices_of_a_shard_that_never_ran_are_missing() {
    let (bench, cloud) = (Bench::of(40), Cloud::new());
    for number in [1, 2, 4] {
        shard(&bench, &cloud, &format!("{number}/{SHARDS}"))
            .run()
            .exits(0);
    }
    let there = cloud.channels().len();
    let arguments = [1, 2, 4].map(results_of);
    let call = bench.call(&[
        "merge",
        "-o",
        "d.results.csv",
        "--manifest",
        "d.csv",
        "--json",
    ]);
    let done = arguments
        .iter()
        .fold(call, |call, file| call.args(&[file]))
        .run()
        .exits(1)
        .says(&format!(
            "{} devices of the manifest have no row: 'CAM-",
            40 - there
        ))
        .says(&format!("they belong to the shards 3/4 ({})", 40 - there));
    let json: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(json["missing"], 40 - there);
    assert_eq!(json["missing_shards"][0]["shard"], "3/4");
    assert_eq!(json["devices"]["created"], there);
    assert_eq!(json["exit_code"], 1);
    // A run without shards attempts them.
    bench.provision(cloud.url()).run().exits(0);
    is_complete(&bench, &cloud);
}

#[test]
fn two_devices_with_one_name_are_refused_in_whatever_shards_they_are() {
    let lines = (0..40).map(|n| format!("CAM-{n},name-{}\n", n / 2));
    let lines = lines.collect::<Vec<_>>().concat();
    let bench = Bench::with(&format!("device_id,channel_name\n{lines},x\n,y\n"));
    let cloud = Cloud::new();
    let mut invalid = 0;
    for number in 1..=SHARDS {
        let shard = format!("{number}/{SHARDS}");
        let call = self::shard(&bench, &cloud, &shard).args(&["--summary-json", "s.json"]);
        call.run().exits(3).says("is already that of the device");
        let summary = bench.json("s.json");
        assert_eq!(summary["shard"], shard.as_str());
        assert_eq!(summary["remaining"], 0);
        let devices = &summary["devices"];
        let count = |name: &str| devices[name].as_u64().unwrap();
        assert_eq!(count("listed") + count("other_shards"), 20);
        invalid += count("invalid");
    }
    // Each in one shard, the rows without an ID too.
    assert_eq!(invalid, 22);
    assert_eq!(cloud.channels().len(), 20);
    merge(&bench)
        .run()
        .exits(3)
        .says("20 created, 0 existed, 0 failed, 22 invalid");
    assert_eq!(bench.rows("d.results.csv").len(), 42);
    let strict = shard(&bench, &cloud, "1/4").args(&["--strict", "-o", "s.csv"]);
    strict.run().exits(2).says("22 invalid rows");
}

#[test]
fn invalid_rows_of_other_shards_are_reported() {
    let bench = Bench::with("device_id\nCAM-1\nCAM-2\nCAM-3\nCAM-4\nnot valid\n");
    let cloud = Cloud::new();
    let mut own = 0;
    for number in 1..=SHARDS {
        let done = shard(&bench, &cloud, &format!("{number}/{SHARDS}")).run();
        let (other, any) = ("invalid row of another shard: line 6", "line 6: ");
        assert_eq!(done.stderr.matches(any).count(), 1, "{done}");
        own += usize::from(!done.stderr.contains(other));
        assert_eq!(
            done.code,
            Some(if done.stderr.contains(other) { 0 } else { 3 })
        );
        // With nothing to do, and in a stream.
        let manifest = bench.read("d.csv");
        let call = bench
            .provision_file("-", cloud.url())
            .args(&["-o", &results_of(number)]);
        let call = call.args(&["--shard", &format!("{number}/{SHARDS}")]);
        let again = call.input(manifest).run();
        assert_eq!(
            again.stderr.contains(other),
            done.stderr.contains(other),
            "{again}"
        );
    }
    assert_eq!(own, 1);
    // The first are named.
    let lines = (0..9).map(|n| format!("not valid {n}\n"));
    let lines = lines.collect::<Vec<_>>().concat();
    bench.write("d.csv", format!("device_id\nCAM-1\n{lines}"));
    let call = shard(&bench, &cloud, "1/100000").args(&["-o", "x.csv"]);
    call.run()
        .exits(0)
        .says("6 more rows of other shards are invalid");
}

#[test]
fn a_device_that_is_listed_twice_has_a_row_for_each_line() {
    let bench =
        Bench::with("device_id,message_ttl_seconds\nCAM-1,30\nCAM-1,40\nCAM-2,3\nCAM-2,4\n");
    let cloud = Cloud::new();
    for number in 1..=SHARDS {
        shard(&bench, &cloud, &format!("{number}/{SHARDS}")).run();
    }
    merge(&bench).run().exits(3);
    let merged = bench.rows("d.results.csv");
    bench
        .provision(cloud.url())
        .args(&["-o", "all.csv"])
        .run()
        .exits(3);
    let whole = bench.rows("all.csv");
    let of = |rows: &[crate::support::Row]| {
        let mut rows: Vec<_> = rows
            .iter()
            .map(|row| (row["device_id"].clone(), row["error_message"].clone()))
            .collect();
        rows.sort();
        rows
    };
    assert_eq!(of(&merged), of(&whole));
}

#[test]
fn a_shard_without_devices_has_an_empty_results_file() {
    let (bench, cloud) = (Bench::of(1), Cloud::new());
    let mut files = 0;
    for number in 1..=SHARDS {
        let shard = shard(&bench, &cloud, &format!("{number}/{SHARDS}"));
        shard.run().exits(0);
        files += bench.rows(&results_of(number)).len();
    }
    assert_eq!((files, cloud.creates()), (1, 1));
    merge(&bench).run().exits(0);
    is_complete(&bench, &cloud);
}

#[test]
fn a_scheduler_gives_the_index() {
    let (bench, cloud) = (Bench::of(40), Cloud::new());
    for (variable, index) in [
        ("JOB_COMPLETION_INDEX", "0"),
        ("AWS_BATCH_JOB_ARRAY_INDEX", "1"),
        ("SLURM_ARRAY_TASK_ID", "2"),
        ("NOMAD_ALLOC_INDEX", "3"),
    ] {
        let call = bench
            .provision(cloud.url())
            .env("KVS_FLEET_SHARD", "auto/4");
        call.env(variable, index).run().exits(0);
    }
    merge(&bench).run().exits(0);
    is_complete(&bench, &cloud);
}

#[test]
fn a_shard_that_cannot_be_is_refused() {
    let (bench, cloud) = (Bench::of(4), Cloud::new());
    let refused = |call: Call, text: &str| {
        let done = call.run().exits(2).says(text);
        let errors = done.stderr.lines().filter(|line| line.starts_with("error"));
        assert_eq!(errors.count(), 1, "{done}");
    };
    for text in ["0/4", "5/4", "a/4", "1/0", "", "1"] {
        for command in ["provision", "plan"] {
            let arguments = [command, "d.csv", "--shard", text];
            refused(bench.call(&arguments), "--shard");
        }
        if !text.is_empty() {
            refused(
                bench.provision(cloud.url()).env("KVS_FLEET_SHARD", text),
                "--shard",
            );
        }
    }
    let auto = || shard(&bench, &cloud, "auto/4");
    refused(auto(), "no index is in the environment");
    let two = auto()
        .env("SLURM_ARRAY_TASK_ID", "1")
        .env("NOMAD_ALLOC_INDEX", "1");
    refused(
        two,
        "SLURM_ARRAY_TASK_ID and NOMAD_ALLOC_INDEX are both set",
    );
    for index in ["4", "-1", "one"] {
        refused(auto().env("JOB_COMPLETION_INDEX", index), "from 0 to 3");
    }
    assert_eq!(cloud.all_requests(), 0);
    assert_eq!(bench.files().len(), 1);
}

#[test]
fn results_of_other_devices_are_refused() {
    let (bench, cloud) = (Bench::of(40), Cloud::new());
    shard(&bench, &cloud, "1/4").run().exits(0);
    let requests = cloud.all_requests();
    let file = results_of(1);
    for other in ["2/4", "1/16"] {
        let call = shard(&bench, &cloud, other).args(&["-o", &file, "--summary-json", "s.json"]);
        call.run()
            .exits(2)
            .says(&format!("than those of shard {other}: 'CAM-"));
        assert_eq!(bench.json("s.json")["reason"], "other-shard");
        let plan = [
            "plan", "d.csv", "--shard", other, "-o", &file, "--region", REGION,
        ];
        bench.call(&plan).run().exits(2).says("kvs-fleet merge");
    }
    assert_eq!(cloud.all_requests(), requests);
    // Those of a run without shards too.
    bench
        .provision(cloud.url())
        .args(&["-o", "all.csv"])
        .run()
        .exits(0);
    let call = shard(&bench, &cloud, "1/4").args(&["-o", "all.csv"]);
    call.run().exits(2).says("Give each shard its own results");
    shard(&bench, &cloud, "1/1")
        .args(&["-o", "all.csv"])
        .run()
        .exits(0);
}

#[test]
fn plan_and_runs_log_name_the_shard() {
    let (bench, cloud) = (Bench::of(40), Cloud::new());
    let plan = |arguments: &[&str]| {
        let call = bench.call(&["plan", "d.csv", "--region", REGION, "--shard", "2/4"]);
        call.args(arguments).run().exits(0).stdout
    };
    let json: serde_json::Value = serde_json::from_str(&plan(&["--json"])).unwrap();
    assert_eq!(json["shard"], "2/4");
    let part = json["listed"].as_u64().unwrap();
    assert_eq!(json["other_shards"], 40 - part);
    assert_eq!(json["to_create"], part);
    assert!(
        json["results"]
            .as_str()
            .unwrap()
            .ends_with("d.2-of-4.results.csv")
    );
    let text = plan(&[]);
    assert!(
        text.contains(&format!("2/4: {part} of 40 devices")),
        "{text}"
    );
    // The limit leaves a part, and the command to go on names the shard.
    let call = bench.provision(cloud.url()).env("KVS_FLEET_SHARD", "2/4");
    let done = call.args(&["--limit", "1"]).run().exits(1);
    done.says("shard 2/4: stopped at --limit")
        .says("provision --shard 2/4 d.csv");
    let lines = bench.json_lines("d.2-of-4.results.runs.jsonl");
    assert_eq!(lines[0]["shard"], "2/4");
    assert!(lines[0]["run"].is_string());
    assert_eq!(lines[0]["run"], lines[1]["run"]);
    shard(&bench, &cloud, "2/4").run().exits(0);
    assert_eq!(cloud.creates(), part);
    bench
        .provision(cloud.url())
        .args(&["-o", "all.csv"])
        .run()
        .exits(0);
    assert_eq!(
        bench.json_lines("all.runs.jsonl")[0]["shard"],
        serde_json::Value::Null
    );
}

#[test]
fn a_stream_is_sharded_as_well() {
    let (bench, cloud) = (Bench::of(40), Cloud::new());
    let call = bench
        .provision_file("-", cloud.url())
        .env("KVS_FLEET_SHARD", "1/4");
    let call = call.args(&["--limit", "1", "-o", &results_of(1)]);
    let done = call.input(bench.read("d.csv")).run().exits(1);
    done.says("send the same manifest to the same command, with --shard 1/4");
    for number in 1..=SHARDS {
        let call = bench.provision_file("-", cloud.url());
        let shard = format!("{number}/{SHARDS}");
        let call = call.args(&[
            "--expect",
            "40",
            "-o",
            &results_of(number),
            "--shard",
            &shard,
        ]);
        call.input(bench.read("d.csv")).run().exits(0);
    }
    merge(&bench).run().exits(0);
    is_complete(&bench, &cloud);
}

#[test]
fn results_that_are_held_are_waited_for() {
    let (bench, cloud) = (Bench::of(3), Cloud::new());
    let stream = || {
        bench
            .provision_file("-", cloud.url())
            .args(&["-o", "d.results.csv"])
    };
    let mut holder = stream().start();
    while !bench.has("d.results.runs.jsonl") {
        std::thread::sleep(Duration::from_millis(10));
    }
    let wait = |time: &str| {
        bench
            .provision(cloud.url())
            .args(&["--wait-for-results", time])
    };
    // As soon as the holder has the lock, which is shortly after the file is created.
    let mut last = wait("10ms").run();
    while !last.stderr.contains("is being written") {
        last = wait("10ms").run();
    }
    last.exits(2)
        .says("waiting up to 1s")
        .says("work with another results file");
    let mut waiting = wait("50s").start();
    waiting.until_it_says("waiting up to 50s");
    let mut interrupted = wait("50s").start();
    interrupted.until_it_says("waiting up to 50s");
    #[cfg(unix)]
    {
        interrupted.signal("INT");
        interrupted.wait().exits(130);
    }
    holder.say("device_id\nCAM-0001\n");
    holder.wait().exits(0);
    waiting.wait().exits(0);
    assert_eq!(
        bench.statuses(),
        ["CAM-0001 created", "CAM-0002 created", "CAM-0003 created"]
    );
}
