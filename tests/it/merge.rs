//! `merge`: what of several results files stays, and what is refused.

mod files;

use std::collections::BTreeMap;

use crate::support::{Bench, Call, Cloud, Done, HEADER, REGION, arn, earlier, finished, results};

const ACCOUNT: &str = "111122223333";

fn merge(bench: &Bench, files: &[&str]) -> Call {
    bench.call(&["merge", "-o", "all.csv"]).args(files)
}

fn failed(device: &str) -> String {
    format!(
        "{device},{device},,{REGION},failed,,8,2025-01-02T03:04:05.000Z,2025-01-02T03:04:06.000Z,Timeout,no answer,"
    )
}

fn invalid(device: &str, line: u32) -> String {
    format!("{device},,,,invalid,,0,,,InvalidRow,line {line}: too long,")
}

fn created(device: &str) -> String {
    finished(device, "created", ACCOUNT)
}

/// `device status` of each row of `all.csv`.
fn statuses(bench: &Bench) -> Vec<String> {
    let rows = bench.rows("all.csv");
    rows.iter()
        .map(|row| format!("{} {}", row["device_id"], row["status"]))
        .collect()
}

/// Asserts that nothing but the inputs is there.
#[track_caller]
fn is_refused(bench: &Bench, call: Call, text: &str) {
    let before = bench.files();
    call.run().exits(2).says(text);
    assert_eq!(bench.files(), before);
}

#[test]
fn each_device_has_one_row_whatever_the_order_of_the_files() {
    let bench = Bench::new();
    let exists = finished("CAM-1", "exists", ACCOUNT);
    bench.write(
        "a.csv",
        results(&[exists, failed("CAM-2"), invalid("CAM-3", 4), invalid("", 9)]),
    );
    bench.write(
        "b.csv",
        results(&[created("CAM-1"), created("CAM-2"), failed("CAM-3")]),
    );
    bench.write(
        "c.csv",
        results(&[finished("CAM-1", "deleted", ACCOUNT), created("CAM-0")]),
    );
    let mut outputs = Vec::new();
    for files in [
        ["a.csv", "b.csv", "c.csv"],
        ["c.csv", "a.csv", "b.csv"],
        ["b.csv", "c.csv", "a.csv"],
    ] {
        merge(&bench, &files)
            .run()
            .exits(3)
            .says("merged 3 files: 2 created, 0 existed, 1 failed, 1 invalid, 1 deleted");
        outputs.push(bench.read("all.csv"));
    }
    outputs.dedup();
    assert_eq!(outputs.len(), 1);
    let expected = [
        " invalid",
        "CAM-0 created",
        "CAM-1 deleted",
        "CAM-2 created",
        "CAM-3 failed",
    ];
    assert_eq!(statuses(&bench), expected);
    // Merging merged files, or a file twice, changes nothing.
    merge(&bench, &["all.csv", "b.csv", "b.csv", "./b.csv"])
        .run()
        .exits(3);
    assert_eq!(bench.read("all.csv"), outputs[0]);
}

#[test]
fn results_of_several_accounts_and_of_earlier_versions_are_merged() {
    let bench = Bench::new();
    let other = finished("CAM-1", "created", "444455556666").replacen("CAM-1", "CAM-2", 1);
    let rows = [created("CAM-1"), other, failed("CAM-3")];
    bench.write(
        "a.csv",
        earlier(&results(&[rows[0].clone(), rows[2].clone()])),
    );
    bench.write("b.csv", results(&rows[1..]));
    for files in [["a.csv", "b.csv"], ["b.csv", "a.csv"]] {
        let done = merge(&bench, &files).run().exits(3);
        done.says("merged 2 files: 2 created, 0 existed, 1 failed");
        assert_eq!(bench.read("all.csv"), results(&rows));
    }
    merge(&bench, &["all.csv", "a.csv"]).run().exits(3);
    assert_eq!(bench.read("all.csv"), results(&rows));
}

#[test]
fn the_order_is_that_of_the_manifest() {
    let bench = Bench::with("serial;device_id\n1;CAM-3\n2;CAM-1\n3;CAM-1\n4;\n5;CAM-2\n");
    bench.write(
        "a.csv",
        results(&[created("CAM-1"), created("OLD-2"), created("OLD-1")]),
    );
    bench.write("b.csv", results(&[created("CAM-2"), created("CAM-3")]));
    let call = merge(&bench, &["a.csv", "b.csv"]).args(&["--manifest", "d.csv"]);
    call.run().exits(0);
    let expected = ["CAM-3", "CAM-1", "CAM-2", "OLD-1", "OLD-2"].map(|id| format!("{id} created"));
    assert_eq!(statuses(&bench), expected);
    // Without it: that of the IDs, whatever it was before.
    merge(&bench, &["all.csv"]).run().exits(0);
    let mut by_id = expected;
    by_id.sort();
    assert_eq!(statuses(&bench), by_id);
}

#[test]
fn missing_devices_are_counted_and_the_first_are_named() {
    let bench = Bench::of(30);
    bench.write("a.csv", results(&[created("CAM-0001"), failed("CAM-0030")]));
    let call = merge(&bench, &["a.csv"]).args(&["--manifest", "d.csv"]);
    let done = call.run().exits(1);
    done.says("28 devices of the manifest have no row: 'CAM-0002', ")
        .says("'CAM-0011' and 18 more")
        .says("'provision' with these results attempts them")
        .does_not_say("CAM-0012");
    assert_eq!(bench.rows("all.csv").len(), 2);
}

#[test]
fn of_two_channels_the_newer_counts() {
    let bench = Bench::new();
    bench.write(
        "a.csv",
        results(&[created("CAM-1").replace("1735787045000", "1735787045001")]),
    );
    bench.write("b.csv", results(&[finished("CAM-1", "exists", ACCOUNT)]));
    let done = merge(&bench, &["b.csv", "a.csv"])
        .args(&["--json"])
        .run()
        .exits(0);
    let done = done.says("the device 'CAM-1' has two channels");
    let json: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(json["recreated"][0]["device_id"], "CAM-1");
    assert_eq!(
        json["recreated"][0]["older_channel_arn"],
        arn("CAM-1", ACCOUNT)
    );
    assert_eq!(statuses(&bench), ["CAM-1 created"]);
    // A deleted one does not count.
    bench.write("b.csv", results(&[finished("CAM-1", "deleted", ACCOUNT)]));
    merge(&bench, &["b.csv", "a.csv"])
        .run()
        .exits(0)
        .does_not_say("two channels");
    assert_eq!(statuses(&bench), ["CAM-1 created"]);
}

#[test]
fn a_device_that_was_moved_is_refused_with_files_and_lines() {
    let bench = Bench::new();
    let moved = |status| finished("OTHER", status, ACCOUNT).replacen("OTHER", "CAM-1", 1);
    bench.write("a.csv", results(&[created("CAM-0"), created("CAM-1")]));
    bench.write("b.csv", results(&[moved("exists")]));
    let call = merge(&bench, &["b.csv", "a.csv"]);
    let done = call.run().exits(2);
    done.says("the device 'CAM-1' has two channels that differ in name, account or Region")
        .says(&format!("{} (a.csv, line 3)", arn("CAM-1", ACCOUNT)))
        .says(&format!("{} (b.csv, line 2)", arn("OTHER", ACCOUNT)))
        .says("Delete the channel that the manifest does not give");
    assert!(!bench.has("all.csv"));
    // A file that is replaced would lose such a channel.
    let call = bench.call(&["merge", "a.csv", "-o", "b.csv"]);
    is_refused(&bench, call, "would lose what it knows of 'CAM-1' (exists)");
    bench.write("b.csv", results(&[moved("deleted")]));
    merge(&bench, &["b.csv", "a.csv"]).run();
}

#[test]
fn what_cannot_be_merged_is_refused_with_file_and_line() {
    let bench = Bench::of(2);
    bench.write("a.csv", results(&[created("CAM-1"), created("CAM-2")]));
    for (content, text) in [
        (
            bench.read("d.csv"),
            "b.csv is not a results file of kvs-fleet: its first line is 'device_id'",
        ),
        (
            format!(
                "{HEADER}\n{}\n{}",
                created("CAM-3"),
                &created("CAM-4")[..20]
            ),
            "b.csv, line 3: the file ends in an incomplete record",
        ),
        (
            results(&[created("CAM-3"), "CAM-4,CAM-4".to_owned(), created("CAM-5")]),
            "b.csv, line 3: the row has 2 fields",
        ),
        (
            results(&[
                failed("CAM-3"),
                finished("CAM-4", "created", "000000000000"),
            ]),
            "b.csv, line 3: the emulator made this channel, and AWS those before, in a.csv",
        ),
        (
            results(&[finished("CAM-2", "created", "444455556666")]),
            "the device 'CAM-2' has two channels that differ in name, account or Region",
        ),
        (
            results(&[created("CAM-3").replacen(ACCOUNT, "11112222333", 1)]),
            "b.csv, line 2: the row of the device 'CAM-3' gives the account '11112222333', its channel_arn says",
        ),
        (
            results(&[created("CAM-2").replacen("CAM-2", "CAM-9", 1)]),
            "'CAM-2' (a.csv, line 3) and 'CAM-9' (b.csv, line 2) have the same channel arn:",
        ),
    ] {
        bench.write("b.csv", content);
        is_refused(&bench, merge(&bench, &["a.csv", "b.csv"]), text);
    }
    is_refused(
        &bench,
        merge(&bench, &["a.csv", "none.csv"]),
        "none.csv does not exist",
    );
    is_refused(&bench, merge(&bench, &[]), "<RESULTS>");
    is_refused(&bench, bench.call(&["merge", "a.csv"]), "--output");
}

#[test]
fn an_input_that_a_run_writes_is_refused() {
    let (bench, cloud) = (Bench::new(), Cloud::new());
    let call = bench
        .provision_file("-", cloud.url())
        .args(&["-o", "a.csv", "--json"]);
    let mut running = call.start();
    running.say("device_id\nCAM-1\n");
    running.line();
    merge(&bench, &["a.csv"])
        .run()
        .exits(2)
        .says("a.csv is being written by another process");
    bench.write("b.csv", results(&[]));
    // So is an output.
    let call = bench.call(&["merge", "b.csv", "-o", "a.csv"]);
    call.run()
        .exits(2)
        .says("a.csv is being written by another process");
    assert!(!bench.has("all.csv"));
    running.wait().exits(0);
    merge(&bench, &["a.csv"]).run().exits(0);
}

#[test]
fn an_output_that_is_no_results_file_is_left() {
    let bench = Bench::of(2);
    bench.write(
        "a.csv",
        results(&[created("CAM-0001"), created("CAM-0002")]),
    );
    std::fs::create_dir(bench.path("x")).unwrap();
    let to = |output: &str| bench.call(&["merge", "a.csv", "-o", output]);
    for (output, text) in [
        ("d.csv", "d.csv is not a results file"),
        ("x", "this is a directory"),
        ("none/r.csv", "its directory does not exist"),
        ("-", "must be a file"),
    ] {
        is_refused(&bench, to(output), text);
    }
    is_refused(
        &bench,
        to("./d.csv").args(&["--manifest", "d.csv"]),
        "this is the manifest",
    );
    bench.write(
        "old.csv",
        results(&[created("CAM-0001"), created("CAM-7"), failed("CAM-8")]),
    );
    is_refused(
        &bench,
        to("old.csv"),
        "would lose what it knows of 'CAM-7' (created)",
    );
    // Given as an input too, it loses nothing.
    bench
        .call(&["merge", "a.csv", "old.csv", "-o", "old.csv"])
        .run()
        .exits(3);
    assert_eq!(bench.rows("old.csv").len(), 4);
}

#[test]
fn runs_logs_are_merged_by_time() {
    let (bench, cloud) = (Bench::of(40), Cloud::new());
    for shard in ["2/2", "1/2"] {
        bench
            .provision(cloud.url())
            .args(&["--shard", shard])
            .run()
            .exits(0);
    }
    let files = ["d.1-of-2.results.csv", "d.2-of-2.results.csv"];
    merge(&bench, &files).run().exits(0);
    let lines = bench.json_lines("all.runs.jsonl");
    let times: Vec<&str> = lines
        .iter()
        .map(|line| line["at"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted() && times.len() == 4, "{times:?}");
    assert_eq!(lines[0]["shard"], "2/2");
    let before = bench.read("all.runs.jsonl");
    merge(&bench, &["all.csv", files[1]]).run().exits(0);
    assert_eq!(bench.read("all.runs.jsonl"), before);
    // Both runs have their end, and the settings are known to the next run.
    let report = bench.call(&["report", "all.csv"]).run().exits(0);
    assert!(!report.stdout.contains("killed"), "{}", report.stdout);
    let call = bench
        .provision(cloud.url())
        .args(&["-o", "all.csv", "--message-ttl", "30"]);
    call.run().exits(2).says("--message-ttl");
}

#[test]
fn runs_that_overlapped_keep_their_ends() {
    let bench = Bench::new();
    for (name, start, end) in [("a", "05", "07"), ("b", "06", "08")] {
        bench.write(&format!("{name}.csv"), results(&[created(name)]));
        let line = |event: &str, second: &str| {
            format!(r#"{{"event":"{event}","at":"2025-01-02T03:04:{second}.000Z","run":"{name}"}}"#)
        };
        let lines = [line("start", start), line("end", end)].join("\n") + "\n";
        bench.write(&format!("{name}.runs.jsonl"), lines);
    }
    merge(&bench, &["a.csv", "b.csv"]).run().exits(0);
    let report = bench.call(&["report", "all.csv"]).run().exits(0);
    assert!(!report.stdout.contains("killed"), "{}", report.stdout);
}

#[test]
fn a_manifest_is_read_as_the_runs_have_read_it() {
    let bench = Bench::with("serial;site\nCAM-1;x\nCAM-2;y\n");
    let cloud = Cloud::new();
    let call = bench.provision(cloud.url());
    call.args(&["--id-column", "serial", "--limit", "1"])
        .run()
        .exits(1);
    let call = merge(&bench, &["d.results.csv"]).args(&["--manifest", "d.csv"]);
    call.run()
        .exits(1)
        .says("1 device of the manifest has no row: 'CAM-2'");
}

#[cfg(unix)]
#[test]
fn inputs_may_be_in_a_folder_that_is_read_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::new();
    std::fs::create_dir(bench.path("x")).unwrap();
    bench.write("x/a.csv", results(&[created("CAM-1")]));
    let mode = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(bench.path("x"), mode(0o555)).unwrap();
    let done = merge(&bench, &["x/a.csv"]).run();
    std::fs::set_permissions(bench.path("x"), mode(0o755)).unwrap();
    done.exits(0);
    let names: Vec<String> = bench.files().into_keys().collect();
    assert_eq!(names, ["all.csv"]);
}

#[test]
fn a_file_as_a_killed_run_leaves_it_is_merged() {
    let bench = Bench::new();
    // The last row of a device counts, and what a spreadsheet program has changed is restored.
    let rows = [
        created("CAM-1"),
        failed("CAM-2"),
        created("CAM-2"),
        failed("CAM-1"),
    ];
    let saved = results(&rows).replace('\n', "\r\n");
    bench.write("a.csv", saved);
    let done: Done = merge(&bench, &["a.csv"]).run();
    done.exits(3);
    assert_eq!(
        bench.read("all.csv"),
        results(&[failed("CAM-1"), created("CAM-2")])
    );
    let left: BTreeMap<_, _> = bench.files();
    assert_eq!(left.len(), 2, "{:?}", left.keys());
}
