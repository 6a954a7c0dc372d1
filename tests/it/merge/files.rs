//! The files of a merge: locks, runs logs, and what the system refuses.

use super::*;

/// The account of a [`Cloud`].
const EMULATED: &str = "000000000000";

#[test]
fn a_file_without_a_header_is_refused() {
    let bench = Bench::new();
    bench.write("a.csv", results(&[created("CAM-1")]));
    bench.write("b.csv", "");
    is_refused(&bench, merge(&bench, &["a.csv", "b.csv"]), "b.csv is empty");
    // As an output it has nothing to lose.
    bench
        .call(&["merge", "a.csv", "-o", "b.csv"])
        .run()
        .exits(0);
    assert_eq!(bench.read("b.csv"), bench.read("a.csv"));
}

#[test]
fn a_file_without_a_run_leaves_the_shards_named() {
    let (bench, cloud) = (Bench::of(40), Cloud::new());
    let call = bench.provision(cloud.url());
    call.args(&["--shard", "1/2"]).run().exits(0);
    bench.write(
        "old.csv",
        results(&[finished("OLD-1", "created", EMULATED)]),
    );
    let files = ["old.csv", "d.1-of-2.results.csv"];
    let call = merge(&bench, &files).args(&["--manifest", "d.csv"]);
    call.run().exits(1).says("they belong to the shards 2/2 (");
}

#[test]
fn runs_that_are_not_logged_are_unknown() {
    let (bench, cloud) = (Bench::of(2), Cloud::new());
    bench.provision(cloud.url()).run().exits(0);
    let changed = |results: &str| {
        let plan = ["--dry-run", "--json", "-o", results];
        let done = bench.provision(cloud.url()).args(&plan).run().exits(0);
        let json: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
        json["changed"].clone()
    };
    merge(&bench, &["d.results.csv"]).run().exits(0);
    assert_eq!(changed("all.csv"), 0);
    bench.write(
        "old.csv",
        results(&[finished("OLD-1", "created", EMULATED)]),
    );
    // Merging again keeps the note.
    for _ in 0..2 {
        let call = merge(&bench, &["d.results.csv", "old.csv", "all.csv"]);
        call.run().exits(0);
        assert_eq!(changed("all.csv"), serde_json::Value::Null);
        assert_eq!(bench.json_lines("all.runs.jsonl").len(), 3);
    }
}

#[test]
fn a_line_that_is_too_long_is_left_out() {
    let bench = Bench::new();
    bench.write("a.csv", results(&[created("CAM-1")]));
    let start = r#"{"event":"start","at":"2026-01-01T00:00:00.000Z"}"#;
    let long = format!(
        "{{\"event\":\"start\",\"version\":\"{}\"}}",
        "x".repeat(3 << 20)
    );
    bench.write("a.runs.jsonl", format!("{long}\n{start}\n"));
    merge(&bench, &["a.csv"]).run().exits(0);
    assert_eq!(bench.read("all.runs.jsonl"), format!("{start}\n"));
}

/// A runs log that no user can open or create.
#[cfg(unix)]
fn without_log(bench: &Bench, log: &str) {
    std::os::unix::fs::symlink("none/x", bench.path(log)).unwrap();
}

#[cfg(unix)]
#[test]
fn an_input_that_cannot_be_locked_is_reported_and_is_no_output() {
    let bench = Bench::new();
    bench.write("a.csv", results(&[created("CAM-1")]));
    bench.write("b.csv", results(&[created("CAM-2")]));
    without_log(&bench, "a.runs.jsonl");
    let call = merge(&bench, &["a.csv", "b.csv"]);
    call.run()
        .exits(0)
        .says("cannot be locked, so that a run may be writing while it is read: a.csv;");
    let call = bench.call(&["merge", "b.csv", "a.csv", "-o", "a.csv"]);
    is_refused(&bench, call, "the output a.csv cannot be replaced");
    merge(&bench, &["b.csv"])
        .run()
        .exits(2)
        .says("would lose what it knows of 'CAM-1'");
}

#[cfg(unix)]
#[test]
fn more_files_than_may_be_open_are_refused_with_what_to_do() {
    let bench = Bench::new();
    let names: Vec<String> = (0..60).map(|n| format!("{n}.csv")).collect();
    for name in &names {
        bench.write(name, results(&[created(&format!("CAM-{name}"))]));
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let call = merge(&bench, &names).with_open_files("-n 64");
    is_refused(&bench, call, "merging 60 files needs");
    let call = merge(&bench, &names)
        .with_open_files("-n 64")
        .run()
        .exits(2);
    call.says("only 64 (ulimit -n)")
        .says("merge the files in groups");
    // A soft limit is raised.
    let call = merge(&bench, &names).with_open_files("-S -n 64");
    call.run().exits(0);
    assert_eq!(bench.rows("all.csv").len(), 60);
}

#[cfg(unix)]
#[test]
fn results_that_are_in_place_are_reported_if_the_runs_log_cannot_be_written() {
    let bench = Bench::new();
    bench.write("a.csv", results(&[created("CAM-1")]));
    let line = |n: u32| format!("{{\"event\":\"start\",\"at\":\"2026-01-01T00:00:00.{n:03}Z\"}}\n");
    let lines: Vec<String> = (0..999).map(line).collect();
    bench.write("a.runs.jsonl", lines.concat());
    bench.write("b.csv", results(&[created("CAM-2")]));
    bench.write("b.runs.jsonl", line(999));
    let call = bench.call(&["merge", "a.csv", "b.csv", "-o", "b.csv"]);
    call.with_largest_file(16 * 1024)
        .ignoring_file_size_signal()
        .run()
        .exits(1)
        .says("the merged results are in b.csv, but the runs log b.runs.jsonl cannot be written")
        .does_not_say("no file was changed");
    assert_eq!(bench.rows("b.csv").len(), 2);
    assert_eq!(bench.read("b.runs.jsonl"), line(999));
    let call = bench.call(&["merge", "a.csv", "b.csv", "-o", "b.csv"]);
    call.run().exits(0);
    assert_eq!(bench.read("b.runs.jsonl").lines().count(), 1000);
}
