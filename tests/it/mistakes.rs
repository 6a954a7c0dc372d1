//! Manifests given by mistake: of another batch, incomplete, in another format, or with unintended rows.

use crate::support::{Bench, Cloud, Wire, devices, forward};

#[test]
fn manifests_with_different_names_have_separate_results() {
    let bench = Bench::new();
    let cloud = Cloud::new();
    for (name, device) in [("serials.2026-11-27", "A"), ("serials.2026-11-28", "B")] {
        bench.write(name, format!("device_id\n{device}\n"));
        bench.provision_file(name, cloud.url()).run().exits(0);
        let rows = bench.rows(&format!("{name}.results.csv"));
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0]["device_id"], device);
    }
}

#[test]
fn results_that_share_no_device_with_the_manifest_are_refused() {
    let bench = Bench::new();
    let cloud = Cloud::new();
    bench.write("shift.csv", "device_id\nA\n");
    bench.write("shift.txt", "device_id\nB\n");
    bench
        .provision_file("shift.csv", cloud.url())
        .run()
        .exits(0);
    let (before, creates) = (bench.files(), cloud.creates());
    let refused = || bench.provision_file("shift.txt", cloud.url());
    for _ in 0..2 {
        refused()
            .run()
            .exits(2)
            .says("'shift.csv'")
            .says("shift.txt lists not one device")
            .says("--results FILE");
    }
    let planned = bench
        .call(&["plan", "shift.txt", "--region", "eu-central-1"])
        .args(&["--endpoint-url", cloud.url()])
        .run();
    planned.exits(2).says("--results FILE");
    assert_eq!((bench.files(), cloud.creates()), (before, creates));
    // A pipe has no name; the same file may be given by another path, and all its devices may be new.
    bench
        .provision_file("-", cloud.url())
        .args(&["-o", "shift.results.csv"])
        .input("device_id\nC\n")
        .run()
        .exits(0);
    bench
        .provision_file("shift.csv", cloud.url())
        .run()
        .exits(0);
    bench.write("shift.csv", "device_id\nD\n");
    let absolute = bench.path("shift.csv");
    bench
        .provision_file(absolute.to_str().unwrap(), cloud.url())
        .run()
        .exits(0);
    // The operator confirms it with a flag; afterwards a device is shared.
    refused().args(&["--allow-changed"]).run().exits(0);
    bench.write("shift.csv", "device_id\nD\nE\n");
    bench
        .provision_file("shift.csv", cloud.url())
        .run()
        .exits(0);
    assert_eq!(bench.rows("shift.results.csv").len(), 5);
}

#[test]
fn verify_refuses_a_manifest_without_a_device_of_the_results() {
    let bench = Bench::of(2);
    let cloud = Cloud::new();
    bench.provision(cloud.url()).run().exits(0);
    bench.write("other.csv", "device_id\nX\n");
    let verify = |manifest: &str| {
        let flags = ["--endpoint-url", cloud.url(), "--manifest", manifest];
        bench.call(&["verify", "d.results.csv"]).args(&flags).run()
    };
    verify("other.csv")
        .exits(2)
        .says("other.csv lists not one device");
    verify("d.csv").exits(0);
}

#[test]
fn rollback_accepts_any_manifest() {
    let bench = Bench::of(3);
    let cloud = Cloud::new();
    bench.provision(cloud.url()).run().exits(0);
    bench.write(
        "some.csv",
        "\u{feff}line;device_id\r\n4;CAM-0001\r\n\u{feff}line;device_id\r\n5;CAM-0003\r\n",
    );
    bench.write("some.gz", b"\x1F\x8B\x08\x08");
    let preview = |from: &str| {
        bench
            .call(&[
                "rollback",
                "d.results.csv",
                "--dry-run",
                "--devices-from",
                from,
            ])
            .run()
    };
    let done = preview("some.csv").exits(0);
    assert_eq!(done.stdout.lines().count(), 2, "{done}");
    assert!(!done.stdout.contains("CAM-0002"), "{done}");
    preview("some.gz").exits(2).says("gzip");
}

#[test]
fn a_manifest_changed_before_the_first_create_is_refused() {
    let bench = Bench::of(2);
    let cloud = Cloud::new();
    let (url, manifest) = (cloud.url().to_owned(), bench.path("d.csv"));
    let wire = Wire::new(move |request, _| {
        if request.path == "/listSignalingChannels" {
            std::fs::write(&manifest, devices(1..=3)).unwrap();
        }
        forward(&url, request)
    });
    bench
        .provision(wire.url())
        .run()
        .exits(2)
        .says("d.csv changed after it was read");
    assert_eq!(wire.creates().len(), 0);
    assert_eq!(bench.files().into_keys().collect::<Vec<_>>(), ["d.csv"]);
    bench.provision(cloud.url()).run().exits(0);
    assert_eq!(bench.statuses().len(), 3);
}

#[test]
fn a_possibly_truncated_last_line_is_reported() {
    let cut = "device_id\nCAM-0001\nCAM-0002\nCAM-00";
    let bench = Bench::with(cut);
    let cloud = Cloud::new();
    let words = "'CAM-00' is shorter than all others";
    let planned = bench
        .call(&["plan", "d.csv", "--region", "eu-central-1"])
        .run();
    planned.exits(0).says(words).says("--expect N");
    bench.provision(cloud.url()).run().exits(0).says(words);
    let stream = |text: &str, results: &str| {
        let call = bench.provision_file("-", cloud.url());
        call.args(&["-o", results]).input(text).run()
    };
    stream(cut, "s.csv").exits(0).says(words);
    for whole in [
        format!("{cut}\n"),
        "device_id\nCAM-0001\nCAM-0002".to_owned(),
        "device_id\nCAM-1".to_owned(),
    ] {
        let results = format!("s{}.csv", whole.len());
        stream(&whole, &results).exits(0).does_not_say("shorter");
    }
}

#[test]
fn a_device_listed_twice_is_counted() {
    let bench = Bench::with("device_id\nCAM-1\nCAM-2\nCAM-1\n");
    let cloud = Cloud::new();
    let call = bench
        .provision(cloud.url())
        .args(&["--summary-json", "s.json"]);
    let done = call.run().exits(0);
    done.says("line 4: 'CAM-1'").says("  1 line repeated");
    assert_eq!(bench.json("s.json")["devices"]["repeated"], 1);
    assert_eq!(bench.json("s.json")["devices"]["listed"], 2);
}

#[test]
fn ids_changed_by_another_program_cause_one_warning() {
    let bench = Bench::with(
        "device_id;line\nCAM-0001;4\n1.23457E+11;4\n02. Jan;4\n2-Jan;4\n45658;4\nNULL;4\nSumme;4\n",
    );
    let cloud = Cloud::new();
    let done = bench.provision(cloud.url()).run().exits(3);
    let done = done
        .says("4 rows have a device ID or channel name that is perhaps not meant")
        .says("line 5: '2-Jan'")
        .says("line 6: '45658'")
        .says("line 7: 'NULL'")
        .says("line 8: 'Summe'");
    assert_eq!(
        done.stderr.matches("perhaps not meant").count(),
        1,
        "{done}"
    );
    for (device, reason) in [("1.23457E+11", "shortened"), ("02. Jan", "date")] {
        let row = bench.row(device);
        assert_eq!(row["status"], "invalid");
        assert!(
            row["error_message"].contains("spreadsheet program"),
            "{row:?}"
        );
        assert!(row["error_message"].contains(reason), "{row:?}");
    }
    // The pattern from the warning finds them.
    let flags = ["--id-pattern", r"CAM-\d+", "--strict"];
    bench.provision(cloud.url()).args(&flags).run().exits(2);
}

#[test]
fn a_manifest_without_a_usable_row_is_refused_with_the_filter_for_mac_addresses() {
    let macs = "device_id\n02:00:5E:00:53:01\n02:00:5E:00:53:02\n";
    let bench = Bench::with(macs);
    let cloud = Cloud::new();
    let before = bench.files();
    let flag = "--channel-name '{device_id|delete(:)}'";
    let call = bench
        .provision(cloud.url())
        .args(&["--summary-json", "s.json"]);
    call.run()
        .exits(2)
        .says(flag)
        .says("not one of the 2 rows can be used");
    let summary = bench.json("s.json");
    assert_eq!(summary["reason"], "invalid-rows");
    assert_eq!(summary["devices"]["invalid"], 2);
    bench.remove("s.json");
    assert_eq!(cloud.all_requests(), 0);
    assert_eq!(bench.files(), before);
    let planned = bench
        .call(&["plan", "d.csv", "--region", "eu-central-1"])
        .run();
    assert!(planned.stdout.contains(flag), "{planned}");
    planned.exits(2).says("not one of the 2 rows");
    // The rows of a stream are recorded as they arrive.
    let call = bench.provision_file("-", cloud.url());
    let call = call.args(&["-o", "s.csv", "--summary-json", "s.json"]);
    call.input(macs)
        .run()
        .exits(2)
        .says("not one of the 2 rows");
    assert_eq!(bench.rows("s.csv").len(), 2);
    assert_eq!(bench.json("s.json")["exit_code"], 2);
    let log = bench.json_lines("s.runs.jsonl");
    assert_eq!(log.last().unwrap()["exit_code"], 2);
    assert_eq!(cloud.creates(), 0);
    let flags = ["--channel-name", "{device_id|delete(:)|lower}"];
    bench.provision(cloud.url()).args(&flags).run().exits(0);
    assert_eq!(
        bench.row("02:00:5E:00:53:01")["channel_name"],
        "02005e005301"
    );
}

#[test]
fn the_header_of_a_concatenated_file_with_a_byte_order_mark_is_not_a_device() {
    let file = |device: &str| format!("\u{feff}serial,device_id\r\nS,{device}\r\n");
    let bench = Bench::with(&(file("CAM-1") + &file("CAM-2")));
    let cloud = Cloud::new();
    let done = bench.provision(cloud.url()).run().exits(3);
    done.says("line 3: the header is repeated here");
    assert_eq!(
        cloud.channels().into_keys().collect::<Vec<_>>(),
        ["CAM-1", "CAM-2"]
    );
    let appended = Bench::with("\u{feff}device_id,line\r\nCAM-3,4\r\n\u{feff}CAM-4,4\r\n\u{1a}");
    appended.provision(cloud.url()).run().exits(0);
    assert_eq!(appended.statuses(), ["CAM-3 created", "CAM-4 created"]);
}

#[test]
fn other_formats_are_refused_with_instructions() {
    let cloud = Cloud::new();
    for (name, bytes, words) in [
        (
            "d.csv.gz",
            &b"\x1F\x8B\x08\x08\xBCabc"[..],
            "gzip -dc d.csv.gz | kvs-fleet provision - --results FILE",
        ),
        ("d.xls", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\0\0", "Excel 97"),
        ("d.json", b"[{\"device_id\": \"A\"}]", "JSON"),
        (
            "d.csv",
            b"<!DOCTYPE html><title>Sign in</title>",
            "sign-in page",
        ),
    ] {
        let bench = Bench::new();
        bench.write(name, bytes);
        let before = bench.files();
        let done = bench.provision_file(name, cloud.url()).run().exits(2);
        done.says(words).does_not_say("WINDOWS-1252");
        assert_eq!(bench.files(), before);
    }
    assert_eq!(cloud.all_requests(), 0);
}
