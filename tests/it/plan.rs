//! `plan`: reports what a run would do.

use crate::support::{Bench, Cloud, arn, devices, finished, results};

const REGION: [&str; 2] = ["--region", "eu-central-1"];

fn plan(bench: &Bench, more: &[&str]) -> crate::support::Done {
    let done = bench
        .call(&["plan", "d.csv"])
        .args(&REGION)
        .args(more)
        .run();
    assert!(!done.stdout.contains("panicked"), "{done}");
    done
}

fn json(bench: &Bench, more: &[&str]) -> serde_json::Value {
    let done = plan(bench, &[&["--json"], more].concat());
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done}"))
}

#[test]
fn invalid_rows_are_reported_with_their_lines_and_no_file_is_written() {
    let mut rows: Vec<String> = (1..=1_000)
        .map(|number| format!("CAM-{number:04}"))
        .collect();
    rows[10] = "CAM 11".into();
    rows[500] = "CAM!".into();
    rows[900] = "x".repeat(257);
    let bench = Bench::with(&format!("device_id\n{}\nCAM-0001\n", rows.join("\n")));
    let before = bench.files();
    let done = plan(&bench, &["--tag", "Line=7"]);
    assert_eq!(done.code, Some(3), "{done}");
    for part in [
        "line 12:",
        "line 502:",
        "line 902:",
        "to create      997",
        "about 20s",
        "29.91 USD",
        "\"Tags\":[{\"Key\":\"Line\",\"Value\":\"7\"}]",
        "kinesisvideo:TagResource",
        "an account may have 5000",
        "repeated       1 ",
    ] {
        assert!(done.stdout.contains(part), "{part}: {done}");
    }
    assert_eq!(bench.files(), before);
    let dry = bench
        .call(&["provision", "d.csv", "--dry-run", "--tag", "Line=7"])
        .args(&REGION)
        .run();
    assert_eq!((dry.code, dry.stdout), (Some(3), done.stdout));
}

#[test]
fn the_first_twenty_invalid_rows_are_shown_by_default() {
    let rows: Vec<String> = (0..25).map(|number| format!("CAM {number}")).collect();
    let bench = Bench::with(&format!("device_id\n{}\n", rows.join("\n")));
    let done = plan(&bench, &[]);
    assert!(
        done.stdout.contains("line 21:") && !done.stdout.contains("line 22:"),
        "{done}"
    );
    assert!(done.stdout.contains("and 5 more"), "{done}");
    let all = plan(&bench, &["-v"]);
    assert!(
        all.stdout.contains("line 26:") && !all.stdout.contains("more; -v"),
        "{all}"
    );
}

#[test]
fn devices_in_the_results_are_counted() {
    let bench = Bench::of(6);
    let failed = "CAM-0004,CAM-0004,,eu-central-1,failed,,1,,,Timeout,,".to_owned();
    let deleted = format!(
        "CAM-0005,CAM-0005,,eu-central-1,deleted,{},0,,,,,",
        arn("CAM-0005", "123456789012")
    );
    let rows = [
        finished("CAM-0001", "created", "123456789012"),
        finished("CAM-0002", "exists", "123456789012"),
        failed,
        deleted,
        finished("CAM-0099", "created", "123456789012"),
    ];
    bench.write("d.results.csv", results(&rows));
    let before = bench.files();
    let plan_of = |more: &[&str]| json(&bench, more);
    let plan = plan_of(&[]);
    for (field, expected) in [
        ("listed", 6),
        ("done", 2),
        ("to_create", 2),
        ("to_try_again", 1),
        ("deleted", 1),
        ("unlisted", 1),
        ("schema", 1),
        ("behind_limit", 0),
    ] {
        assert_eq!(plan[field], expected, "{field}: {plan}");
    }
    assert_eq!(plan["regions"]["eu-central-1"]["to_do"], 3);
    assert_eq!(plan["example"]["device_id"], "CAM-0003");
    let limited = plan_of(&["--limit", "1", "--recreate-deleted"]);
    assert_eq!(
        (&limited["to_create"], &limited["behind_limit"]),
        (&1.into(), &3.into())
    );
    assert_eq!(bench.files(), before);
}

#[test]
fn plan_refuses_what_provision_refuses() {
    let moved =
        finished("CAM-0001", "created", "123456789012").replace("eu-central-1", "eu-west-1");
    let emulators = finished("CAM-0001", "created", "000000000000");
    for (rows, more, says) in [
        (None, &["--expect", "7"][..], "--expect 7"),
        (None, &["--account", "x"], "--account"),
        (None, &["--results", "d.csv"], "the manifest itself"),
        (None, &["--id-column", "serial"], "serial"),
        (Some("a,b\n".to_owned()), &[], "d.results.csv"),
        (Some(results(&[moved])), &[], "eu-west-1"),
        (Some(results(&[emulators])), &[], "emulator"),
    ] {
        let bench = Bench::of(2);
        if let Some(rows) = rows {
            bench.write("d.results.csv", rows);
        }
        let before = bench.files();
        let done = plan(&bench, more);
        assert_eq!(done.code, Some(2), "{more:?}: {done}");
        assert!(done.stderr.contains(says), "{says}: {done}");
        assert_eq!(bench.files(), before);
    }
    let bench = Bench::with("device_id\nCAM 1\n");
    assert_eq!(plan(&bench, &["--strict"]).code, Some(2));
    let nowhere = bench.call(&["plan", "d.csv"]).run();
    assert_eq!(nowhere.code, Some(2));
    assert!(nowhere.stderr.contains("Region"), "{nowhere}");
}

#[test]
fn plan_refuses_changed_settings_like_provision() {
    let (bench, cloud) = (Bench::of(2), Cloud::new());
    assert_eq!(bench.provision(cloud.url()).run().code, Some(0));
    let before = bench.files();
    let url = ["--endpoint-url", cloud.url()];
    let done = plan(&bench, &[&url[..], &["--tag", "A=b"]].concat());
    assert_eq!(done.code, Some(2), "{done}");
    assert!(done.stderr.contains("--allow-changed"), "{done}");
    let same = plan(&bench, &url);
    assert_eq!(same.code, Some(0), "{same}");
    assert!(same.stdout.contains("done already   2"), "{same}");
    assert_eq!(bench.files(), before);
}

#[test]
fn plan_sends_no_request_without_online() {
    let (bench, cloud) = (Bench::of(3), Cloud::new());
    cloud.make_all(["CAM-0002", "OTHER"]);
    let made = cloud.all_requests();
    let url = ["--endpoint-url", cloud.url()];
    assert_eq!(plan(&bench, &url).code, Some(0));
    assert_eq!(cloud.all_requests(), made);
    let online = json(&bench, &[&url[..], &["--online"]].concat());
    assert_eq!(online["account"], "000000000000", "{online}");
    let region = &online["regions"]["eu-central-1"];
    assert_eq!(
        (&region["existing"], &region["to_adopt"]),
        (&2.into(), &1.into()),
        "{region}"
    );
    assert_eq!(online["monthly_usd"]["most"], 0.06);
    assert_eq!(cloud.creates(), 2);
    let full = plan(
        &bench,
        &[&url[..], &["--online", "--channel-quota", "3"]].concat(),
    );
    assert!(
        full.stdout
            .contains("4 channels are more than the account's 3"),
        "{full}"
    );
    assert_eq!(bench.files().len(), 1);
}

#[test]
fn an_unreachable_service_ends_an_online_plan() {
    let bench = Bench::of(1);
    let done = plan(
        &bench,
        &["--online", "--endpoint-url", "http://127.0.0.1:9"],
    );
    assert_eq!(done.code, Some(1), "{done}");
    assert_eq!(done.stdout, "");
}

#[test]
fn plan_reads_all_of_standard_input() {
    let bench = Bench::new();
    let call = bench.call(&["plan", "-", "-o", "r.csv"]).args(&REGION);
    let done = call.input(devices(1..=5)).run();
    assert_eq!(done.code, Some(0), "{done}");
    assert!(done.stdout.contains("to create      5"), "{done}");
    assert!(bench.files().is_empty());
}

#[test]
fn a_torn_tail_is_reported_and_not_repaired() {
    let bench = Bench::of(2);
    let whole = results(&[finished("CAM-0001", "created", "123456789012")]);
    bench.write("d.results.csv", format!("{whole}CAM-0002,CAM-00"));
    let before = bench.files();
    let done = plan(&bench, &[]);
    assert_eq!(done.code, Some(0), "{done}");
    assert!(
        done.stderr.contains("incomplete record at line 3"),
        "{done}"
    );
    assert!(done.stdout.contains("to create      1"), "{done}");
    assert_eq!(bench.files(), before);
}
