//! `report`: what became of a batch, as text, as a page, and as a manifest of what failed.

use crate::support::{Bench, Call, Cloud, finished, results};

const AWS: &str = "123456789012";

fn report(bench: &Bench, more: &[&str]) -> Call {
    bench.call(&["report", "d.results.csv"]).args(more)
}

/// A row that failed.
fn failed(device: &str, code: &str, message: &str) -> String {
    let times = "2025-01-02T03:04:05.000Z,2025-01-02T03:04:06.500Z";
    format!("{device},{device},eu-central-1,failed,,8,{times},{code},{message},")
}

#[test]
fn the_summary_says_what_became_of_the_batch() {
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
fn the_page_stands_alone_and_shows_texts_as_texts() {
    let bench = Bench::new();
    bench.write(
        "d.results.csv",
        results(&[
            finished("A", "created", AWS),
            failed("B", "Timeout", "\"<img src=x onerror=alert(1)>\""),
            "\"</script><script>alert(1)</script>\",,,invalid,,0,,,InvalidRow,\"line 4: \u{202e}\",".to_owned(),
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
    assert_eq!(page.matches("<svg").count(), 5);
    assert!(page.contains("There is no runs log"));
    assert!(!page.contains("could not be drawn"));
    assert!(!page.contains("NaN") && !page.contains("inf\""));
}

#[test]
fn whatever_the_rows_hold_there_is_a_page() {
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
        vec![",,,invalid,,0,,,InvalidRow,line 2: no ID,".to_owned()],
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
fn what_failed_can_be_mended_and_fed_back() {
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
    let args = ["--failed", "mend.csv", "--manifest", "d.csv"];
    report(&bench, &args).run().exits(0).says("4 rows");
    let mend = bench.read("mend.csv");
    let lines: Vec<&str> = mend.lines().collect();
    assert_eq!(lines[0], "hall;device_id;tag:Line;reason");
    assert_eq!(lines[1], "4;B;2;Timeout: no answer within 10 s");
    for (line, cells, reason) in [
        (2, "4;no space;3;", "InvalidRow: line 4: "),
        (3, "5;\"C;x\";;", "InvalidRow: line 5: "),
        (4, "5;D;5;", "InvalidRow: line 8: "),
    ] {
        let rest = lines[line].strip_prefix(cells);
        let rest = rest.map(|rest| rest.trim_start_matches('"'));
        assert!(rest.is_some_and(|rest| rest.starts_with(reason)), "{mend}");
    }
    // It is a manifest: with the IDs mended it can be given to a run.
    let mended = mend
        .replace("no space", "no-space")
        .replace("\"C;x\"", "C-x");
    bench.write("mended.csv", mended);
    let cloud = Cloud::new();
    bench
        .provision_file("mended.csv", cloud.url())
        .run()
        .exits(0);
    assert_eq!(cloud.channels().len(), 4);
    // And again: the old reasons make room for new ones.
    let row = failed("B", "ConnectionLost", "reset");
    bench.write("d.results.csv", results(&[row]));
    report(&bench, &["--failed", "2.csv", "--manifest", "mended.csv"])
        .run()
        .exits(0);
    assert_eq!(
        bench.read("2.csv"),
        "hall;device_id;tag:Line;reason\n4;B;2;ConnectionLost: reset\n"
    );
}

#[test]
fn nothing_that_is_read_is_written_over() {
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
fn what_is_no_results_file_is_refused() {
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
fn a_run_writes_its_report_at_its_end() {
    let (bench, cloud) = (Bench::of(3), Cloud::new());
    bench
        .provision(cloud.url())
        .args(&["--report", "r.html"])
        .run()
        .exits(0)
        .says("report: r.html");
    let page = bench.read("r.html");
    assert!(page.contains("quota (dashed)"));
    assert!(page.contains("complete, exit code 0"));
    // Refused, it leaves the old one.
    bench
        .provision(cloud.url())
        .args(&["--report", "r.html", "--account", "111111111111"])
        .run()
        .exits(2);
    assert_eq!(bench.read("r.html"), page);
}

#[test]
fn rows_that_a_flag_of_the_run_refused_are_among_those_to_mend() {
    let (bench, cloud) = (
        Bench::with("device_id\nCAM-1\nODD\nno space\n"),
        Cloud::new(),
    );
    let pattern = ["--id-pattern", "CAM-.*"];
    bench.provision(cloud.url()).args(&pattern).run().exits(3);
    let args = ["--failed", "mend.csv", "--manifest", "d.csv"];
    report(&bench, &args).run().exits(0).says("2 rows");
    let mend = bench.read("mend.csv");
    assert!(
        mend.contains("ODD,") && mend.contains("no space,"),
        "{mend}"
    );
    // Nothing but invalid rows tells of no Region.
    let bench = Bench::with("device_id\nno space\n");
    let streamed = bench.provision_file("-", cloud.url());
    let streamed = streamed.args(&["-o", "d.results.csv"]);
    streamed.input(bench.read("d.csv")).run().exits(2);
    report(&bench, &args).run().exits(0).says("1 row");
}
