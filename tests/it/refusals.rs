//! Invalid manifests, flags and configurations: one clear error, exit code 2, no request sent and no file written.

use crate::support::{Bench, Call, Cloud, REGION};

/// Asserts that the run is refused for this reason, without a request or a changed file.
#[track_caller]
fn refused(bench: &Bench, cloud: &Cloud, call: Call, reasons: &[&str]) {
    let before = bench.files();
    let mut done = call.run().exits(2);
    for reason in reasons {
        done = done.says(reason);
    }
    assert_eq!(done.stdout, "");
    assert_eq!(cloud.all_requests(), 0);
    assert_eq!(bench.files(), before);
}

/// Asserts that this manifest is refused with the file's name and these words.
#[track_caller]
fn unreadable(manifest: impl AsRef<[u8]>, reasons: &[&str]) {
    let bench = Bench::new();
    bench.write("d.csv", manifest);
    let cloud = Cloud::new();
    refused(&bench, &cloud, bench.provision(cloud.url()), &["d.csv"]);
    refused(&bench, &cloud, bench.provision(cloud.url()), reasons);
}

/// Asserts that these flags are refused with a valid manifest.
#[track_caller]
fn refuses_flags(flags: &[&str], reasons: &[&str]) {
    let bench = Bench::with("device_id,line\nCAM-1,7\n");
    let cloud = Cloud::new();
    let call = bench.provision(cloud.url()).args(flags);
    refused(&bench, &cloud, call, reasons);
}

#[test]
fn utf_16_is_refused_with_instructions() {
    let text = "device_id\r\nCAM-1\r\n";
    let little: Vec<u8> = std::iter::once(0xfeff)
        .chain(text.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let big: Vec<u8> = std::iter::once(0xfeff)
        .chain(text.encode_utf16())
        .flat_map(u16::to_be_bytes)
        .collect();
    let bare: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for bytes in [little, big, bare] {
        unreadable(bytes, &["UTF-16", "UTF-8"]);
    }
}

#[test]
fn other_encodings_and_binary_files_are_refused() {
    unreadable(b"device_id\nGer\xe4t\n", &["line 2", "UTF-8"]);
    unreadable("device_id\nCAM-1\nCAM\0-2\n", &["line 3", "NUL"]);
    unreadable(b"PK\x03\x04\x14\0\x06\0", &["workbook"]);
}

#[test]
fn a_file_without_header_column_or_row_is_refused() {
    unreadable("", &["empty"]);
    unreadable("\u{feff}", &["empty"]);
    unreadable("device_id\n", &["no row"]);
    unreadable("CAM-1\nCAM-2\n", &["line 1", "device_id"]);
    unreadable(
        "serial,name\nCAM-1,x\n",
        &["line 1", "device_id", "--id-column"],
    );
    unreadable(
        "device_id,region,region\nCAM-1,,\n",
        &["line 1", "'region'"],
    );
}

#[test]
fn an_unclosed_quote_is_refused() {
    unreadable(
        "device_id,note\nCAM-1,a\nCAM-2,\"b\nCAM-3,c\nCAM-4,d\n",
        &["line 3", "quote"],
    );
}

#[test]
fn a_directory_and_a_missing_file_are_refused() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("d.csv")).unwrap();
    let cloud = Cloud::new();
    let call = bench.provision(cloud.url());
    refused(&bench, &cloud, call, &["d.csv", "directory"]);
    let call = bench.provision_file("nowhere.csv", cloud.url());
    refused(&bench, &cloud, call, &["nowhere.csv"]);
    assert!(!bench.has("nowhere.results.csv"));
}

#[test]
fn an_invalid_tag_key_in_the_header_is_refused() {
    for key in ["tag:aws:x", "tag:a,b"] {
        let bench = Bench::with(&format!("device_id,\"{key}\"\nCAM-1,x\n"));
        let cloud = Cloud::new();
        let done = bench.provision(cloud.url()).run();
        assert!(matches!(done.code, Some(2 | 3)), "{done}");
        assert_eq!(cloud.creates(), 0);
    }
}

#[test]
fn templates_with_unknown_columns_are_refused() {
    refuses_flags(
        &["--channel-name", "{nowhere}"],
        &["--channel-name", "nowhere"],
    );
    refuses_flags(&["--channel-name", "x{line"], &["--channel-name"]);
    refuses_flags(&["--tag", "T={nowhere}"], &["--tag", "nowhere"]);
    refuses_flags(&["--tag", "aws:T=x"], &["aws:"]);
    refuses_flags(&["--tag", "T"], &["--tag"]);
}

#[test]
fn flags_out_of_range_are_refused_with_the_range() {
    for (flag, value, reason) in [
        ("--message-ttl", "4", "5 to 120"),
        ("--message-ttl", "121", "5 to 120"),
        ("--rate", "0", "0.1"),
        ("--rate", "0.09", "0.1"),
        ("--rate", "1000001", "1000000"),
        ("--rate", "fast", "auto"),
        ("--workers", "0", "1"),
        ("--max-attempts", "0", "1"),
        ("--timeout", "soon", "10s"),
        ("--max-throttled", "-1s", "max-throttled"),
        ("--max-offline", "0s", "more than nothing"),
        ("--max-offline", "soon", "such as 500ms"),
        ("--max-failures", "101%", "percentage"),
        ("--id-pattern", "(", "--id-pattern"),
        ("--delimiter", "||", "delimiter"),
        ("--region", "Frankfurt", "'Frankfurt'"),
        ("--account", "123", "12 digits"),
        ("--limit", "0", "limit"),
        ("--on-exists", "sing", "adopt"),
        ("--progress", "fancy", "plain"),
        ("--log-format", "xml", "json"),
    ] {
        let bench = Bench::of(1);
        let cloud = Cloud::new();
        let flag = format!("{flag}={value}");
        // Without the helper `provision`, which sets a Region and a rate.
        let call = bench.call(&["provision", "d.csv", "--endpoint-url", cloud.url(), &flag]);
        refused(&bench, &cloud, call, &[reason]);
    }
}

/// Invalid rates and numbers of workers, and the allowed values in the message.
const NO_PACE: [(&str, &str, &str); 10] = [
    ("rate", "0", "0.1 to 1000000"),
    ("rate", "-1", "0.1 to 1000000"),
    ("rate", "nan", "0.1 to 1000000"),
    ("rate", "inf", "0.1 to 1000000"),
    ("rate", "1e9", "0.1 to 1000000"),
    ("rate", "fast", "0.1 to 1000000"),
    ("rate", "", "0.1 to 1000000"),
    ("workers", "0", "1 to 10000"),
    ("workers", "-3", "1 to 10000"),
    ("workers", "1e99", "1 to 10000"),
];

#[test]
fn an_invalid_rate_is_refused_with_the_value_and_the_range() {
    for (flag, value, range) in NO_PACE {
        let bench = Bench::of(1);
        let cloud = Cloud::new();
        let call = || bench.call(&["provision", "d.csv", "--endpoint-url", cloud.url()]);
        let (flag, given) = (format!("--{flag}"), format!("'{value}'"));
        refused(
            &bench,
            &cloud,
            call().args(&[&flag, value]),
            &[&flag, &given, range],
        );
        refused(
            &bench,
            &cloud,
            call().args(&[&format!("{flag}={value}")]),
            &[&flag, &given, range],
        );
    }
}

#[test]
fn an_invalid_rate_in_the_environment_is_refused_with_the_variable() {
    // An empty variable counts as unset.
    let not_empty = |(_, value, _): &(&str, &str, &str)| !value.is_empty();
    for (flag, value, range) in NO_PACE.into_iter().filter(not_empty) {
        let bench = Bench::of(1);
        let cloud = Cloud::new();
        let variable = format!("KVS_FLEET_{}", flag.to_uppercase());
        let call = bench
            .call(&["provision", "d.csv", "--endpoint-url", cloud.url()])
            .env(&variable, value);
        let (flag, given) = (format!("--{flag}"), format!("'{value}'"));
        refused(&bench, &cloud, call, &[&flag, &given, range, &variable]);
    }
    // The value on the command line wins and is the one that the message reports.
    let bench = Bench::of(1);
    let call = bench.call(&["provision", "d.csv", "--emulator", "--rate", "0"]);
    let done = call.env("KVS_FLEET_RATE", "50").run().exits(2);
    done.says("'0'").does_not_say("KVS_FLEET_RATE");
}

#[test]
fn conflicting_variables_are_reported_by_name() {
    let bench = Bench::of(1);
    bench
        .call(&["provision", "d.csv"])
        .args(&["--summary-json", "s.json"])
        .env("KVS_FLEET_EMULATOR", "1")
        .env("KVS_FLEET_PROFILE", "factory")
        .env("KVS_FLEET_ENDPOINT_URL", "http://127.0.0.1:1")
        .run()
        .exits(2)
        .says("--emulator")
        .says("--profile is set by KVS_FLEET_PROFILE in the environment")
        .says("--endpoint-url is set by KVS_FLEET_ENDPOINT_URL in the environment");
    let message = bench.json("s.json")["message"].to_string();
    assert!(message.contains("KVS_FLEET_PROFILE"), "{message}");
    // A flag that contradicts the environment does not turn a rehearsal into a real run.
    bench
        .call(&["provision", "d.csv", "--profile", "factory"])
        .env("KVS_FLEET_EMULATOR", "1")
        .run()
        .exits(2)
        .says("--emulator is set by KVS_FLEET_EMULATOR")
        .does_not_say("KVS_FLEET_PROFILE");
    bench
        .call(&["provision", "d.csv", "--profile", "x", "--emulator"])
        .run()
        .exits(2)
        .does_not_say("environment");
}

#[test]
fn the_command_line_wins_over_conflicting_variables() {
    let bench = Bench::of(1);
    bench
        .call(&["provision", "d.csv", "--emulator"])
        .env("KVS_FLEET_PROFILE", "factory")
        .env("KVS_FLEET_ENDPOINT_URL", "http://127.0.0.1:1")
        .run()
        .exits(0)
        .says("KVS_FLEET_PROFILE in the environment is not used, since --emulator was given")
        .says("KVS_FLEET_ENDPOINT_URL in the environment is not used");
    let cloud = Cloud::new();
    let call = || bench.provision(cloud.url());
    let done = call().args(&["-vv"]).env("KVS_FLEET_QUIET", "1").run();
    done.exits(0)
        .says("KVS_FLEET_QUIET in the environment is not used")
        .says("'CAM-0001' created");
    let done = call().args(&["-q"]).env("KVS_FLEET_VERBOSE", "2").run();
    assert_eq!(done.exits(0).stderr, "");
    let report = bench.call(&["report", "d.results.csv", "-v"]);
    report
        .env("KVS_FLEET_QUIET", "1")
        .run()
        .exits(0)
        .says("KVS_FLEET_QUIET in the environment is not used");
    // A switch that is off contradicts nothing.
    let done = call().env("KVS_FLEET_EMULATOR", "off").run().exits(0);
    done.does_not_say("KVS_FLEET_EMULATOR");
    bench
        .call(&["emulator", "--listen", "192.0.2.1:1", "--window"])
        .env("KVS_FLEET_BURST", "3")
        .run()
        .exits(2)
        .says("KVS_FLEET_BURST in the environment is not used")
        .does_not_say("cannot be used with");
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    let variables = [
        "REGION",
        "LIMIT",
        "ID_PATTERN",
        "CHANNEL_NAME",
        "TAG",
        "RATE",
        "EMULATOR",
        "PROFILE",
        "ACCOUNT",
        "RESULTS",
        "SUMMARY_JSON",
        "VERBOSE",
        "ON_EXISTS",
        "TIMEOUT",
    ];
    let call = bench.call(&["provision", "d.csv", "--endpoint-url", cloud.url()]);
    let call = variables.iter().fold(call, |call, name| {
        call.env(&format!("KVS_FLEET_{name}"), "")
    });
    call.env("AWS_REGION", REGION).run().exits(0);
    assert_eq!(bench.statuses(), ["CAM-0001 created"]);
    // On the command line it is an error.
    refuses_flags(&["--limit", ""], &["--limit"]);
}

#[test]
fn a_variable_with_a_line_end_is_refused_and_a_blank_one_counts_as_unset() {
    let (bench, cloud) = (Bench::of(1), Cloud::new());
    for (name, value) in [
        ("RESULTS", "out.csv\r"),
        ("RATE", "10\r"),
        ("ID_COLUMN", "a\nb"),
    ] {
        let name = format!("KVS_FLEET_{name}");
        let call = bench.provision(cloud.url()).env(&name, value);
        let done = call.run().exits(2).says(&name).says("control character");
        assert!(!done.stderr.contains('\r'), "{done}");
    }
    assert!(!bench.path("out.csv\r").exists());
    let call = bench.provision(cloud.url()).env("KVS_FLEET_WORKERS", "  ");
    call.run().exits(0);
}

#[test]
fn a_misspelled_variable_is_reported() {
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    bench
        .provision(cloud.url())
        .env("KVS_FLEET_MAX_ATEMPTS", "3")
        .env("KVS_FLEET_MOOD", "good")
        .env("KVS_FLEET_LISTEN", "127.0.0.1:0")
        .run()
        .exits(0)
        .says("'KVS_FLEET_MAX_ATEMPTS' is not used; if KVS_FLEET_MAX_ATTEMPTS is meant")
        .says("'KVS_FLEET_MOOD' is not used")
        .does_not_say("good")
        .does_not_say("KVS_FLEET_LISTEN");
    bench
        .call(&["emulator", "--listen", "192.0.2.1:1"])
        .env("KVS_FLEET_LATENCI", "1ms")
        .run()
        .exits(2)
        .says("if KVS_FLEET_LATENCY is meant");
}

#[test]
fn a_refused_run_leaves_no_runs_log() {
    let bench = Bench::of(2);
    let cloud = Cloud::new();
    // Found when the results are locked already.
    let call = || bench.provision(cloud.url()).args(&["--expect", "7"]);
    call().run().exits(2).says("--expect 7");
    assert!(!bench.has("d.results.runs.jsonl"));
    // An existing one stays.
    bench.write("d.results.runs.jsonl", "");
    call().run().exits(2);
    assert_eq!(bench.read("d.results.runs.jsonl"), "");
    bench.provision(cloud.url()).run().exits(0);
    let log = bench.read("d.results.runs.jsonl");
    call().run().exits(2);
    assert_eq!(bench.read("d.results.runs.jsonl"), log);
}

#[test]
fn http_is_for_loopback_only() {
    for url in [
        "http://kinesisvideo.example.com",
        "http://192.0.2.1:4567",
        "http://localhost.example.com",
        "http://127.0.0.1@example.com",
        "ftp://127.0.0.1",
        "nonsense",
    ] {
        let bench = Bench::of(1);
        let cloud = Cloud::new();
        refused(&bench, &cloud, bench.provision(url), &[]);
        assert!(!bench.has("d.results.csv"));
    }
}

#[test]
fn endpoints_in_the_environment_must_also_be_loopback_for_http() {
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KINESIS_VIDEO"] {
        let bench = Bench::of(1);
        let cloud = Cloud::new();
        let call = bench
            .call(&["provision", "d.csv", "--region", REGION])
            .env(name, "http://192.0.2.1:4567");
        refused(&bench, &cloud, call, &["http"]);
    }
}

#[test]
fn without_credentials_no_request_is_sent_to_aws() {
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    let call = bench.call(&["provision", "d.csv", "--region", REGION]);
    refused(&bench, &cloud, call, &["credentials"]);
    assert!(!bench.has("d.results.csv"));
}

#[test]
fn a_missing_profile_is_refused() {
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    let call = bench.call(&[
        "provision",
        "d.csv",
        "--region",
        REGION,
        "--profile",
        "factory",
    ]);
    refused(&bench, &cloud, call, &["factory"]);
}

#[test]
fn standard_input_requires_results_and_results_cannot_be_standard_output() {
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    let call = bench
        .provision_file("-", cloud.url())
        .input("device_id\nA\n");
    refused(&bench, &cloud, call, &["--results"]);
    let call = bench.provision(cloud.url()).args(&["-o", "-"]);
    refused(&bench, &cloud, call, &["--results"]);
    let call = bench
        .provision_file("-", cloud.url())
        .args(&["-o", "r.csv", "--strict"])
        .input("device_id\nA\n");
    refused(&bench, &cloud, call, &["--strict"]);
}

#[cfg(unix)]
#[test]
fn a_pipe_as_manifest_requires_results() {
    let bench = Bench::new();
    let cloud = Cloud::new();
    let pipe = || {
        bench
            .provision_file("/dev/stdin", cloud.url())
            .input("device_id\nA\n")
    };
    refused(&bench, &cloud, pipe(), &["/dev/stdin", "--results FILE"]);
    pipe().args(&["-o", "d.results.csv"]).run().exits(0);
    assert_eq!(bench.statuses(), ["A created"]);
}

#[test]
fn results_do_not_replace_the_manifest() {
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    for same in ["d.csv", "./d.csv"] {
        let call = bench.provision(cloud.url()).args(&["-o", same]);
        refused(&bench, &cloud, call, &["d.csv"]);
    }
}

#[test]
fn an_unknown_flag_or_command_is_refused() {
    let bench = Bench::of(1);
    bench
        .call(&["provision", "d.csv", "--sing"])
        .run()
        .exits(2)
        .says("--sing");
    bench.call(&["sing"]).run().exits(2).says("sing");
    bench.call(&["provision"]).run().exits(2).says("MANIFEST");
    for later in ["plan", "verify", "rollback", "report", "completions", "man"] {
        bench.call(&[later, "d.csv"]).run().exits(2);
    }
}

#[test]
fn a_summary_does_not_replace_a_file_of_the_run() {
    let reason = &["--summary-json names"][..];
    refuses_flags(&["--summary-json", "d.csv"], reason);
    refuses_flags(&["--summary-json", "./d.results.csv"], reason);
    refuses_flags(&["--summary-json", "d.results.runs.jsonl"], reason);
    refuses_flags(&["--summary-json", "d.csv", "-o", "d.csv"], reason);
    refuses_flags(&["--summary-json", "d.csv", "--oops"], &["--oops"]);
}
