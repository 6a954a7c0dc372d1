//! `report`: the outcome of a batch as text, as a page, and as a manifest of the failed rows.

use crate::support::{Bench, Call, Cloud, finished, results};

const AWS: &str = "123456789012";

fn report(bench: &Bench, more: &[&str]) -> Call {
    bench.call(&["report", "d.results.csv"]).args(more)
}

/// A failed row.
fn failed(device: &str, code: &str, message: &str) -> String {
    let times = "2025-01-02T03:04:05.000Z,2025-01-02T03:04:06.500Z";
    format!("{device},{device},,eu-central-1,failed,,8,{times},{code},{message},")
}

#[test]
fn the_text_reports_the_outcome_of_the_batch() {
    let cloud = Cloud::new();
    let bench = Bench::with("device_id\nA\nno space\nB\n");
    bench.provision(cloud.url()).run().exits(3);
    let (before, requests) = (bench.files(), cloud.all_requests());
    let done = report(&bench, &[]).run().exits(0);
    for part in [
        "d.results.csv: 3 rows, account 000000000000, eu-central-1",
        "REHEARSAL",
        "created          2",
        "invalid          1",
        "InvalidRow, 1: correct the manifest's row",
        "'no space'",
        "complete, exit code 3",
    ] {
        assert!(done.stdout.contains(part), "{part}: {done}");
    }
    assert_eq!((bench.files(), cloud.all_requests()), (before, requests));
    bench.remove("d.results.runs.jsonl");
    let done = report(&bench, &[]).run().exits(0);
    assert!(done.stdout.contains("there is no runs log"), "{done}");
}

#[test]
fn the_page_is_self_contained_and_escapes_text() {
    let bench = Bench::new();
    bench.write(
        "d.results.csv",
        results(&[
            finished("A", "created", AWS),
            failed("B", "Timeout", "\"<img src=x onerror=alert(1)>\""),
            "\"</script><script>alert(1)</script>\",,,,invalid,,0,,,InvalidRow,\"line 4: \u{202e}\",".to_owned(),
        ]),
    );
    report(&bench, &["--html", "r.html"]).run().exits(0);
    let page = bench.read("r.html");
    assert_eq!(page.matches("<script").count(), 2, "the data and the code");
    assert!(!page.contains("<img"));
    assert!(!page.contains('\u{202e}'));
    assert!(page.contains("Content-Security-Policy"));
    for outside in [
        "http://www.w3.org/2000/svg",
        "src=\"http",
        "href=",
        "@import",
        "url(",
    ] {
        let allowed = outside.ends_with("svg");
        assert_eq!(page.contains(outside), allowed, "{outside}");
    }
    // A wide and a narrow drawing of the times and of the attempts.
    assert_eq!(page.matches("<svg").count(), 2 * 2);
    assert!(page.contains("1 of 3 devices has its channel"), "{page}");
    assert!(page.contains("There is no runs log"));
    assert!(!page.contains("could not be drawn"));
    assert!(!page.contains("NaN") && !page.contains("inf\""));
}

#[test]
fn the_page_can_be_written_for_any_rows() {
    let bench = Bench::new();
    let odd_times = finished("A", "created", AWS)
        .replace("2025", "never")
        .replace("2026", "soon");
    let backwards = failed("B", "X", "y").replace(
        "2025-01-02T03:04:05.000Z,2025-01-02T03:04:06.500Z",
        "2025-01-02T03:04:06.000Z,1969-01-02T03:04:05.000Z",
    );
    let years_apart = [
        failed("C", "X", "y").replace("2025-01-02", "1971-01-02"),
        failed("D", "X", "y").replace("2025-01-02", "9999-01-02"),
    ];
    for rows in [
        vec![],
        vec![odd_times],
        vec![backwards],
        years_apart.to_vec(),
        vec![",,,,invalid,,0,,,InvalidRow,line 2: no ID,".to_owned()],
        vec![finished("A", "deleted", AWS), finished("B", "exists", AWS)],
        vec![
            failed("E", "", ""),
            failed("F", "x".repeat(200).as_str(), ""),
        ],
    ] {
        bench.write("d.results.csv", results(&rows));
        report(&bench, &["--html", "r.html"]).run().exits(0);
        let page = bench.read("r.html");
        assert!(!page.contains("could not be drawn"), "{rows:?}");
        assert!(!page.contains("NaN") && !page.contains("inf\""), "{rows:?}");
    }
}

#[test]
fn failed_rows_can_be_corrected_and_provisioned() {
    let bench = Bench::with(
        "hall;device_id;tag:Line\n4;A;1\n4;B;2\n4;no space;3\n5;\"C;x\";\n5;D;4\n5;D;4\n5;D;5\n",
    );
    bench.write(
        "d.results.csv",
        results(&[
            finished("A", "created", AWS),
            failed("B", "Timeout", "no answer within 10 s"),
        ]),
    );
    let args = ["--failed", "fix.csv", "--manifest", "d.csv"];
    report(&bench, &args).run().exits(0).says("4 rows");
    let fix = bench.read("fix.csv");
    let lines: Vec<&str> = fix.lines().collect();
    assert_eq!(lines[0], "hall;device_id;tag:Line;reason");
    assert_eq!(lines[1], "4;B;2;Timeout: no answer within 10 s");
    for (line, cells, reason) in [
        (2, "4;no space;3;", "InvalidRow: line 4: "),
        (3, "5;\"C;x\";;", "InvalidRow: line 5: "),
        (4, "5;D;5;", "InvalidRow: line 8: "),
    ] {
        let rest = lines[line].strip_prefix(cells);
        let rest = rest.map(|rest| rest.trim_start_matches('"'));
        assert!(rest.is_some_and(|rest| rest.starts_with(reason)), "{fix}");
    }
    // It is a manifest: with corrected IDs it can be provisioned.
    let fixed = fix
        .replace("no space", "no-space")
        .replace("\"C;x\"", "C-x");
    bench.write("fixed.csv", fixed);
    let cloud = Cloud::new();
    bench
        .provision_file("fixed.csv", cloud.url())
        .run()
        .exits(0);
    assert_eq!(cloud.channels().len(), 4);
    // A second time, the new reasons replace the old ones.
    let row = failed("B", "ConnectionLost", "reset");
    bench.write("d.results.csv", results(&[row]));
    report(&bench, &["--failed", "2.csv", "--manifest", "fixed.csv"])
        .run()
        .exits(0);
    assert_eq!(
        bench.read("2.csv"),
        "hall;device_id;tag:Line;reason\n4;B;2;ConnectionLost: reset\n"
    );
}

#[test]
fn report_does_not_replace_a_file_that_it_reads() {
    let bench = Bench::of(1);
    bench.write(
        "d.results.csv",
        results(&[finished("CAM-0001", "created", AWS)]),
    );
    bench.write("d.results.runs.jsonl", "");
    let before = bench.files();
    for more in [
        &["--html", "d.results.csv"][..],
        &["--html", "d.results.runs.jsonl"],
        &["--html", "no/such/folder/r.html"],
        &["--failed", "d.csv", "--manifest", "d.csv"],
        &["--failed", "x.csv"],
        &["--failed", "x", "--html", "x", "--manifest", "d.csv"],
        &["--failed", "x.csv", "--manifest", "missing.csv"],
    ] {
        report(&bench, more).run().exits(2);
        assert_eq!(bench.files(), before, "{more:?}");
    }
    let cloud = Cloud::new();
    for own in ["d.csv", "d.results.csv", "s.json"] {
        bench
            .provision(cloud.url())
            .args(&["--report", own, "--summary-json", "s.json"])
            .run()
            .exits(2)
            .says("--report");
        bench.remove("s.json");
    }
    assert_eq!(bench.files(), before);
}

#[test]
fn report_refuses_other_files() {
    let bench = Bench::new();
    report(&bench, &[]).run().exits(2).says("does not exist");
    for (text, says) in [("", "is empty"), ("device_id\nA\n", "not a results file")] {
        bench.write("d.results.csv", text);
        report(&bench, &["--html", "r.html"])
            .run()
            .exits(2)
            .says(says);
        assert!(!bench.has("r.html"));
    }
    let row = finished("A", "created", AWS);
    bench.write(
        "d.results.csv",
        results(&[row.replace("created", "made"), row.clone()]),
    );
    report(&bench, &[]).run().exits(2).says("line 2");
    bench.write("d.results.csv", results(&[row]));
    bench.append("d.results.csv", "B,B,eu-");
    report(&bench, &["--html", "r.html"])
        .run()
        .exits(0)
        .says("incomplete record");
    assert!(bench.read("r.html").contains("incomplete record at line 3"));
}

#[test]
fn provision_writes_its_report_at_the_end() {
    let (bench, cloud) = (Bench::of(3), Cloud::new());
    bench
        .provision(cloud.url())
        .args(&["--report", "r.html"])
        .run()
        .exits(0)
        .says("report: r.html");
    let page = bench.read("r.html");
    assert!(page.contains("3 of 3 devices have their channel"));
    assert!(page.contains("complete, exit code 0"));
    // A refused run leaves the old report.
    bench
        .provision(cloud.url())
        .args(&["--report", "r.html", "--account", "111111111111"])
        .run()
        .exits(2);
    assert_eq!(bench.read("r.html"), page);
}

#[test]
fn rows_refused_by_a_flag_are_in_the_failed_manifest() {
    let (bench, cloud) = (
        Bench::with("device_id\nCAM-1\nODD\nno space\n"),
        Cloud::new(),
    );
    let pattern = ["--id-pattern", "CAM-.*"];
    bench.provision(cloud.url()).args(&pattern).run().exits(3);
    let args = ["--failed", "fix.csv", "--manifest", "d.csv"];
    report(&bench, &args).run().exits(0).says("2 rows");
    let fix = bench.read("fix.csv");
    assert!(fix.contains("ODD,") && fix.contains("no space,"), "{fix}");
    // A manifest with only invalid rows has no Region.
    let bench = Bench::with("device_id\nno space\n");
    let streamed = bench.provision_file("-", cloud.url());
    let streamed = streamed.args(&["-o", "d.results.csv"]);
    streamed.input(bench.read("d.csv")).run().exits(2);
    report(&bench, &args).run().exits(0).says("1 row");
}

#[test]
fn several_accounts_are_reported_each_with_its_regions() {
    const OTHER: &str = "444455556666";
    let bench = Bench::new();
    let in_another_region =
        finished("C", "exists", OTHER).replace("eu-central-1", "ap-southeast-2");
    bench.write(
        "d.results.csv",
        results(&[
            finished("A", "created", AWS),
            finished("B", "deleted", OTHER),
            in_another_region,
            failed("D", "Timeout", "no answer").replace("D,D,,", &format!("D,D,{OTHER},")),
            failed("E", "Timeout", "no answer"),
        ]),
    );
    let done = report(&bench, &["--html", "r.html"]).run().exits(0);
    let lines: Vec<Vec<&str>> = done
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    for line in [
        [
            "account", "Region", "created", "exists", "failed", "deleted",
        ],
        ["unknown", "eu-central-1", "0", "0", "1", "0"],
        [AWS, "eu-central-1", "1", "0", "0", "0"],
        [OTHER, "ap-southeast-2", "0", "1", "0", "0"],
        [OTHER, "eu-central-1", "0", "0", "1", "1"],
    ] {
        assert!(lines.contains(&line.to_vec()), "{line:?}: {done}");
    }
    let page = bench.read("r.html");
    assert!(page.contains("Accounts and Regions"));
    assert_eq!(page.matches("<td class=\"bar\"").count(), 4);
}

#[test]
fn throttles_are_in_the_runs_log_and_in_the_chart_of_the_rate() {
    let (bench, cloud) = (
        Bench::of(40),
        Cloud::with(|settings| (settings.rate, settings.burst) = (8.0, 1)),
    );
    let run = bench.call(&["provision", "d.csv", "--endpoint-url", cloud.url()]);
    let flags = [
        "--region",
        "eu-central-1",
        "--rate",
        "20",
        "--report",
        "r.html",
    ];
    run.args(&flags).run().exits(0);
    let log = bench.read("d.results.runs.jsonl");
    let end: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    let times = &end["throttled_over_time"];
    let throttled = times["throttled"].as_array().unwrap();
    let all: u64 = throttled.iter().filter_map(serde_json::Value::as_u64).sum();
    assert_eq!(all, cloud.throttled());
    let granted = times["granted_per_second"].as_array().unwrap();
    assert_eq!(granted.len(), throttled.len());
    let page = bench.read("r.html");
    for part in [
        "throttled requests, on top of them",
        "quota 20",
        "The service throttled",
    ] {
        assert!(page.contains(part), "{part}");
    }
    // A quota that would hide everything is not drawn.
    let far = log.replace(
        "\"ceiling_per_second\":20.0",
        "\"ceiling_per_second\":900.0",
    );
    bench.write("d.results.runs.jsonl", far);
    report(&bench, &["--html", "far.html"]).run().exits(0);
    let page = bench.read("far.html");
    assert!(page.contains("The quota of 900 a second is far above"));
    assert!(!page.contains("quota 900"));
    // A log of an older version has the numbers of throttles, and no times.
    let old = log.replace("throttled_over_time", "unknown");
    bench.write("d.results.runs.jsonl", old);
    report(&bench, &["--html", "old.html"]).run().exits(0);
    let page = bench.read("old.html");
    assert!(!page.contains("on top of them"));
    assert!(page.contains(&format!("{all} throttled")), "{all}");
}
