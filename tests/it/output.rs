//! Output for the operator and for scripts: data on standard output, everything else on standard error.

use serde_json::{Value, json};

use crate::support::{Bench, Call, Cloud, REGION, Wire, answer, forward};

/// Runs and returns the summary of this exit code.
#[track_caller]
fn summary(bench: &Bench, exit_code: i32) -> Value {
    let summary = bench.json("s.json");
    assert_eq!(summary["schema"], 1);
    assert_eq!(summary["exit_code"], exit_code);
    assert!(
        summary["reason"]
            .as_str()
            .is_some_and(|reason| !reason.is_empty())
    );
    assert!(summary["retryable"].is_boolean() && summary["remaining"].is_u64());
    summary
}

const SUMMARY: [&str; 2] = ["--summary-json", "s.json"];

#[test]
fn each_device_is_printed_after_its_row_is_on_disk() {
    let bench = Bench::with("device_id,message_ttl_seconds\nA,\nB,500\nC,\n");
    let cloud = Cloud::new();
    let done = bench
        .provision(cloud.url())
        .args(&["--json"])
        .run()
        .exits(3);
    let lines = done.json_lines();
    assert_eq!(lines.len(), 3);
    let columns: Vec<&str> = crate::support::HEADER.split(',').collect();
    for line in &lines {
        let row = bench.row(line["device_id"].as_str().unwrap());
        let mut names: Vec<&String> = line.as_object().unwrap().keys().collect();
        let mut expected = columns.clone();
        names.sort();
        expected.sort_unstable();
        assert_eq!(names, expected);
        for column in &columns {
            let said = match &line[column] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(said, row[*column], "{column}");
        }
    }
}

#[test]
fn without_json_nothing_is_on_standard_output() {
    let bench = Bench::of(2);
    let cloud = Cloud::new();
    let done = bench.provision(cloud.url()).run().exits(0);
    assert_eq!(done.stdout, "");
}

#[test]
fn a_closed_standard_output_does_not_stop_the_run() {
    let bench = Bench::of(40);
    let cloud = Cloud::new();
    let program = env!("CARGO_BIN_EXE_kvs-fleet");
    let shell = std::process::Command::new("sh")
        .arg("-c")
        .arg(format!(
            "{{ '{program}' provision d.csv --json --region {REGION} --endpoint-url {} 2>err; echo $? >code; }} | head -n 1",
            cloud.url()
        ))
        .current_dir(bench.folder())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", bench.folder())
        .output()
        .unwrap();
    assert!(shell.status.success());
    assert_eq!(bench.read("code").trim(), "0", "{}", bench.read("err"));
    assert_eq!(bench.statuses().len(), 40);
}

#[test]
fn the_summary_of_a_complete_run_has_its_counts() {
    let bench = Bench::of(3);
    let cloud = Cloud::new();
    cloud.make_all(["CAM-0003"]);
    bench.provision(cloud.url()).args(&SUMMARY).run().exits(0);
    let summary = summary(&bench, 0);
    assert_eq!(summary["reason"], "complete");
    assert_eq!(summary["retryable"], false);
    assert_eq!(summary["remaining"], 0);
    assert_eq!(summary["account"], "000000000000");
    assert_eq!(summary["regions"], json!([REGION]));
    assert_eq!(summary["endpoint"], cloud.url());
    assert_eq!(summary["results"], "d.results.csv");
    assert_eq!(summary["devices"]["listed"], 3);
    assert_eq!(summary["devices"]["created"], 2);
    assert_eq!(summary["devices"]["exists"], 1);
    assert_eq!(summary["requests"]["create"]["sent"], 2);
}

#[test]
fn the_summary_of_a_stopped_run_has_its_reason() {
    let bench = Bench::of(30);
    let cloud = Cloud::new();
    let url = cloud.url().to_owned();
    let wire = Wire::new(move |request, before| {
        if request.path == "/createSignalingChannel" && before > 10 {
            return answer(403, Some("ExpiredTokenException"), "{}");
        }
        forward(&url, request)
    });
    let call = bench.provision(wire.url()).args(&["--workers", "1"]);
    call.args(&SUMMARY).run().exits(1);
    let summary = summary(&bench, 1);
    assert_eq!(summary["reason"], "credentials");
    assert_eq!(summary["retryable"], true);
    let created = summary["devices"]["created"].as_u64().unwrap();
    assert_eq!(created, cloud.channels().len() as u64);
    assert_eq!(summary["remaining"], 30 - created);
    assert!(
        summary["resume"]
            .as_str()
            .unwrap()
            .contains("provision d.csv")
    );
}

#[test]
fn the_summary_of_a_refused_run_has_its_reason() {
    let cloud = Cloud::new();
    let bench = Bench::with("serial\nA\n");
    bench.provision(cloud.url()).args(&SUMMARY).run().exits(2);
    assert_eq!(summary(&bench, 2)["retryable"], false);
    assert!(
        summary(&bench, 2)["message"]
            .as_str()
            .unwrap()
            .contains("d.csv")
    );
    // At every exit, also if flags or paths are wrong.
    for flags in [
        &["--account", "123456789012"][..],
        &["--expect", "7"],
        &["--channel-name", "{nowhere}"],
        &["-o", "-"],
        &["--profile", "nobody"],
    ] {
        let bench = Bench::of(2);
        let call = bench.provision(cloud.url()).args(flags);
        call.args(&SUMMARY).run().exits(2);
        summary(&bench, 2);
    }
    let bench = Bench::new();
    bench.provision(cloud.url()).args(&SUMMARY).run().exits(2);
    summary(&bench, 2);
}

#[test]
fn the_summary_counts_failed_and_invalid_rows() {
    let bench = Bench::with("device_id\nA\nHalle 3\nB\n");
    let cloud = Cloud::new();
    let url = cloud.url().to_owned();
    let wire = Wire::new(move |request, _| {
        if request.path == "/createSignalingChannel" && request.channel() == "B" {
            return answer(400, Some("InvalidArgumentException"), "{}");
        }
        forward(&url, request)
    });
    let call = bench.provision(wire.url()).args(&SUMMARY);
    call.run().exits(3);
    let summary = summary(&bench, 3);
    assert_eq!(summary["reason"], "complete");
    assert_eq!(summary["retryable"], true);
    assert_eq!(summary["remaining"], 1);
    assert_eq!(summary["devices"]["invalid"], 1);
    assert_eq!(summary["devices"]["failed"], 1);
    assert_eq!(summary["failures"][0]["code"], "InvalidArgumentException");
    assert_eq!(summary["failures"][0]["count"], 1);
    assert!(summary["failures"][0]["hint"].is_string());
}

#[test]
fn the_pace_is_in_the_summary_and_in_the_runs_log() {
    let bench = Bench::of(160);
    let cloud = Cloud::with(|settings| {
        settings.rate = 50.0;
        settings.burst = 1;
    });
    let call = bench.call(&["provision", "d.csv", "--endpoint-url", cloud.url()]);
    let done = call
        .args(&["--region", REGION, "--rate", "100"])
        .args(&SUMMARY)
        .run()
        .exits(0)
        .says("at most 100");
    let summary = summary(&bench, 0);
    let rate = &summary["rate"];
    for field in ["achieved", "creating_seconds", "in_force"] {
        assert!(
            rate[field].as_f64().is_some_and(|value| value > 0.0),
            "{field}: {rate}"
        );
    }
    // On a slow machine nothing may be throttled.
    let is_measured = rate["granted"].is_f64();
    assert_eq!(
        done.stderr.contains("/s granted at the end, at most 100"),
        is_measured
    );
    // A share of the requests sent, not of the channels created.
    let share = &rate["throttled_share"];
    let [throttled, sent] = [cloud.throttled(), cloud.creates()].map(|count| count.to_string());
    let expected = throttled.parse::<f64>().unwrap() / sent.parse::<f64>().unwrap();
    // JSON parsing may change the last bit.
    let difference = (share.as_f64().unwrap() - expected).abs();
    assert!(difference < 1e-12, "{share} is not {expected}");
    let region = &rate["regions"][0];
    assert_eq!(region["region"], REGION);
    let end = bench.json_lines("d.results.runs.jsonl").pop().unwrap();
    assert_eq!(end["achieved_per_second"], rate["achieved"]);
    assert_eq!(end["throttled_share"], *share);
    let lane = &end["lanes"][0];
    for (in_log, in_summary) in [
        ("achieved_per_second", "achieved"),
        ("in_force_per_second", "in_force"),
        ("granted_per_second", "granted"),
        ("throttled_share", "throttled_share"),
    ] {
        assert_eq!(lane[in_log], region[in_summary], "{in_log}\n{done}");
        assert_eq!(rate[in_summary], region[in_summary], "{in_summary}\n{done}");
    }
}

#[test]
fn a_burst_has_no_rate_and_there_is_no_advice_without_throttles() {
    let bench = Bench::of(3);
    let cloud = Cloud::new();
    let call = bench.provision(cloud.url()).args(&SUMMARY);
    call.run()
        .exits(0)
        .says("3 created in ")
        .says("at most 20000; 0 % of creates throttled")
        .does_not_say("a second")
        .does_not_say("granted")
        .does_not_say("quota");
    let rate = &summary(&bench, 0)["rate"];
    assert_eq!(
        (&rate["achieved"], &rate["granted"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(rate["in_force"], 20_000.0);
}

#[test]
fn the_summary_has_the_pace_of_each_region() {
    let bench = Bench::with("device_id,region\nA,eu-central-1\nB,us-east-1\nC,us-east-1\n");
    let cloud = Cloud::new();
    let call = bench.provision(cloud.url()).args(&SUMMARY);
    call.run()
        .exits(0)
        .says("in 2 Regions, at most 20000 in each")
        .says("    eu-central-1: 0 % of creates throttled")
        .says("    us-east-1: 0 % of creates throttled");
    let regions = summary(&bench, 0)["rate"]["regions"].clone();
    assert_eq!(regions.as_array().map(Vec::len), Some(2));
}

#[cfg(unix)]
#[test]
fn the_summary_of_an_interrupted_run_has_the_remaining_devices() {
    let bench = Bench::of(500);
    let cloud = Cloud::new();
    let mut running = bench
        .call(&["provision", "d.csv", "--endpoint-url", cloud.url()])
        .args(&["--region", REGION, "--json"])
        .args(&SUMMARY)
        .start();
    running.line();
    running.signal("INT");
    running.wait().exits(130);
    let summary = summary(&bench, 130);
    assert_eq!(summary["reason"], "interrupted");
    assert_eq!(summary["retryable"], true);
    let created = summary["devices"]["created"].as_u64().unwrap();
    assert_eq!(summary["remaining"], 500 - created);
}

#[test]
fn the_text_summary_reports_the_outcome_and_the_next_command() {
    let bench = Bench::with("device_id\nA\nHalle 3\nB\n");
    let cloud = Cloud::new();
    cloud.make_all(["B"]);
    bench
        .provision(cloud.url())
        .run()
        .exits(3)
        .says("1 created")
        .says("1 existed")
        .says("1 invalid")
        .says("throttled")
        .says("results: d.results.csv");
}

#[test]
fn quiet_shows_errors_only() {
    let bench = Bench::of(2);
    let cloud = Cloud::new();
    let done = bench.provision(cloud.url()).args(&["-q"]).run().exits(0);
    assert_eq!(done.stderr, "");
    bench.write("d.csv", "nothing\n");
    bench
        .provision(cloud.url())
        .args(&["-q"])
        .run()
        .exits(2)
        .says("error: ");
}

#[test]
fn verbose_shows_each_retry() {
    let bench = Bench::of(1);
    let cloud = Cloud::faulty(&["500=first:1@create"]);
    let done = bench.provision(cloud.url()).args(&["-v"]).run().exits(0);
    done.says("'CAM-0001' will be tried again");
    let bench = Bench::of(1);
    let cloud = Cloud::faulty(&["500=first:1@create"]);
    let done = bench.provision(cloud.url()).run().exits(0);
    done.does_not_say("tried again");
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    let done = bench.provision(cloud.url()).args(&["-vv"]).run().exits(0);
    done.says("'CAM-0001' created arn:aws:kinesisvideo:");
}

#[test]
fn log_format_json_writes_json() {
    let bench = Bench::with("device_id\nA\nHalle 3\n");
    let cloud = Cloud::new();
    let done = bench
        .provision(cloud.url())
        .args(&["--log-format", "json"])
        .run()
        .exits(3);
    for line in done.stderr.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(line["message"].is_string() && line["level"].is_string());
    }
    assert!(done.stderr.lines().count() > 1);
}

#[test]
fn output_without_a_terminal_has_no_colour_and_no_bar() {
    for flags in [&[][..], &["--progress", "plain"], &["--progress", "none"]] {
        let bench = Bench::of(2);
        let cloud = Cloud::new();
        let done = bench.provision(cloud.url()).args(flags).run().exits(0);
        assert!(
            !done.stderr.contains('\x1b') && !done.stderr.contains('\r'),
            "{done}"
        );
    }
}

#[test]
fn progress_as_json_can_be_told_apart_from_messages() {
    let (bench, cloud) = (Bench::with("device_id\nA\nHalle 3\nB\n"), Cloud::new());
    let run = |call: Call, code| {
        let flags = ["--progress", "json", "--log-format", "json"];
        let done = call.args(&flags).run().exits(code);
        let lines = done.stderr.lines().map(|line| {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
            assert_ne!(line["event"].is_string(), line["message"].is_string());
            line
        });
        let mut progress: Vec<Value> = lines.filter(|line| line["event"] == "progress").collect();
        let last = progress.pop().unwrap();
        assert!(progress.iter().all(|line| line["is_last"] == false));
        assert_eq!(
            (&last["schema"], &last["is_last"]),
            (&1.into(), &true.into())
        );
        last
    };
    let last = run(bench.provision(cloud.url()), 3);
    for (field, value) in [
        ("subject", Value::from("devices")),
        ("done", 2.into()),
        ("total", 2.into()),
        ("created", 2.into()),
        ("invalid", 1.into()),
        ("failed", 0.into()),
        ("requests", 2.into()),
        ("throttled", 0.into()),
        ("eta_seconds", Value::Null),
        ("offline_seconds", Value::Null),
        ("accounts", Value::Null),
        ("hosts", Value::Null),
    ] {
        assert_eq!(last[field], value, "{field}: {last}");
    }
    assert!(last["rate"]["now"].is_number() && last["rate"]["granted"].is_null());
    let on = ["d.results.csv", "--endpoint-url", cloud.url()];
    let verify = bench.call(&["verify", "--endpoints"]).args(&on);
    let last = run(verify, 0);
    assert_eq!(
        (&last["subject"], &last["done"]),
        (&"answers".into(), &2.into())
    );
    let rollback = bench.call(&["rollback", "--yes"]).args(&on);
    let last = run(rollback, 0);
    assert_eq!(
        (&last["subject"], &last["deleted"]),
        (&"deletions".into(), &2.into())
    );
}

#[test]
fn quiet_leaves_the_progress_as_json() {
    let (bench, cloud) = (Bench::of(1), Cloud::new());
    let flags = ["-q", "--progress", "json"];
    let done = bench.provision(cloud.url()).args(&flags).run().exits(0);
    let lines: Vec<&str> = done.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{done}");
    assert!(lines[0].contains("\"is_last\":true"), "{done}");
}

#[test]
fn flags_can_be_set_in_the_environment() {
    let bench = Bench::of(4);
    let cloud = Cloud::new();
    bench
        .call(&["provision", "d.csv"])
        .env("KVS_FLEET_ENDPOINT_URL", cloud.url())
        .env("KVS_FLEET_REGION", "ap-south-1")
        .env("KVS_FLEET_RATE", "20000")
        .env("KVS_FLEET_RESULTS", "r.csv")
        .env("KVS_FLEET_CHANNEL_NAME", "cam-{device_id}")
        .env("KVS_FLEET_TAG", "Site=Graz,Line=7")
        .env("KVS_FLEET_LIMIT", "2")
        .env("KVS_FLEET_JSON", "1")
        .env("KVS_FLEET_SUMMARY_JSON", "s.json")
        .run()
        .exits(1);
    assert_eq!(bench.rows("r.csv").len(), 2);
    assert!(cloud.channels_in("ap-south-1").contains_key("cam-CAM-0001"));
    assert_eq!(bench.json("s.json")["exit_code"], 1);
    // The command line wins, and a switch can be turned off.
    let done = bench
        .call(&["provision", "d.csv", "-o", "q.csv", "--region", REGION])
        .env("KVS_FLEET_ENDPOINT_URL", cloud.url())
        .env("KVS_FLEET_REGION", "ap-south-1")
        .env("KVS_FLEET_JSON", "0")
        .env("KVS_FLEET_QUIET", "false")
        .run()
        .exits(0);
    assert_eq!(done.stdout, "");
    assert_ne!(done.stderr, "");
    assert_eq!(cloud.channels().len(), 4);
}

#[cfg(unix)]
#[test]
fn every_flag_of_the_help_can_be_set_in_the_environment() {
    let bench = Bench::of(1);
    for command in ["provision", "emulator"] {
        let help = bench.call(&[command, "--help"]).run().exits(0).stdout;
        assert!(help.contains("KVS_FLEET_"), "{help}");
        // The lines that introduce a flag: `-o, --results <FILE>`.
        let flags: Vec<&str> = help
            .lines()
            .map(str::trim_start)
            .filter(|line| line.starts_with('-'))
            .filter_map(|line| line.split("--").nth(1)?.split([' ', '.']).next())
            .filter(|flag| !["help", "version"].contains(flag))
            .collect();
        assert!(flags.len() > 8, "{flags:?}");
        for flag in flags {
            let is_path = [
                "results",
                "summary-json",
                "report",
                "quotas",
                "quota-server-ca",
                "emulator-state",
                "state",
            ]
            .contains(&flag);
            if is_path {
                continue;
            }
            // Not UTF-8: refused for every flag except paths.
            let variable = format!("KVS_FLEET_{}", flag.to_uppercase().replace('-', "_"));
            let mut call = bench.call(&[command]).env_bytes(&variable, b"\xff\xfe");
            if flag.starts_with("emulator-") {
                call = call.env("KVS_FLEET_EMULATOR", "1");
            }
            let done = call
                .args(if command == "emulator" {
                    &[]
                } else {
                    &["nowhere.csv"]
                })
                .run();
            let is_read = done.stderr.contains("UTF-8") || done.stderr.contains("invalid value");
            assert!(is_read, "{variable} is not read: {done}");
            done.exits(2);
        }
    }
}

#[test]
fn the_help_explains_the_exit_codes_and_shows_examples() {
    let bench = Bench::new();
    let help = bench.call(&["--help"]).run().exits(0).stdout;
    for code in ["0 ", "1 ", "2 ", "3 ", "130", "143"] {
        assert!(help.contains(&format!("\n  {code}")), "{code}");
    }
    for command in [
        "provision",
        "plan",
        "verify",
        "rollback",
        "report",
        "emulator",
        "completions",
        "man",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "{command}");
    }
    let help = bench.call(&["provision", "--help"]).run().exits(0).stdout;
    assert!(help.contains("kvs-fleet provision devices.csv --emulator"));
    assert!(!help.contains("--online"), "it is another command's");
    let version = bench.call(&["--version"]).run().exits(0).stdout;
    assert_eq!(
        version,
        format!("kvs-fleet {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn no_output_contains_a_secret() {
    let bench = Bench::of(3);
    let cloud = Cloud::faulty(&["500=first:2", "reset-before=first:2"]);
    let done = bench
        .provision(cloud.url())
        .args(&["-vv", "--json", "--summary-json", "s.json"])
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMIsecret")
        .env("AWS_SESSION_TOKEN", "IQoJb3JpZ2luX2VjEtoken")
        .env("RUST_LOG", "trace")
        .run()
        .exits(0);
    let mut everything = format!("{}{}", done.stdout, done.stderr);
    for bytes in bench.files().into_values() {
        everything.push_str(&String::from_utf8(bytes).unwrap());
    }
    for secret in [
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMIsecret",
        "IQoJb3JpZ2luX2VjEtoken",
    ] {
        assert!(!everything.contains(secret), "{secret}");
    }
}

#[test]
fn an_unwritable_summary_is_found_before_the_first_create() {
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    std::fs::create_dir(bench.path("folder")).unwrap();
    let before = bench.files();
    for place in ["nowhere/s.json", "folder", "d.csv/s.json"] {
        let call = bench.provision(cloud.url());
        let done = call.args(&["--summary-json", place]).run().exits(2);
        done.says(place).says("--summary-json");
    }
    assert_eq!(cloud.all_requests(), 0);
    assert_eq!(bench.files(), before);
}

#[test]
fn a_summary_that_became_unwritable_is_reported_at_the_end() {
    let bench = Bench::new();
    let cloud = Cloud::new();
    std::fs::create_dir(bench.path("folder")).unwrap();
    let mut running = bench
        .provision_file("-", cloud.url())
        .args(&["-o", "d.results.csv", "--json"])
        .args(&["--summary-json", "folder/s.json"])
        .start();
    running.say("device_id\nA\n");
    running.line();
    std::fs::remove_dir(bench.path("folder")).unwrap();
    running.wait().says("folder/s.json");
    assert_eq!(bench.statuses(), ["A created"]);
}

#[test]
fn a_switch_turned_off_by_the_environment_causes_no_conflict() {
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    bench
        .provision(cloud.url())
        .args(&["-v"])
        .env("KVS_FLEET_EMULATOR", "0")
        .env("KVS_FLEET_QUIET", "false")
        .env("KVS_FLEET_TAG", "Line=7,Hall=3")
        .run()
        .exits(0);
    assert_eq!(cloud.tags("CAM-0001").len(), 2);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_standard_output_is_an_error() {
    use std::process::Stdio;

    // The device whose writes all fail with a full disk.
    let full = || {
        Stdio::from(
            std::fs::File::options()
                .write(true)
                .open("/dev/full")
                .unwrap(),
        )
    };
    let bench = Bench::of(30);
    let cloud = Cloud::new();
    let call = || {
        let call = bench.provision(cloud.url());
        call.args(&["--json", "--workers", "2", "--summary-json", "s.json"])
    };
    let errors = || Stdio::from(std::fs::File::create(bench.path("err")).unwrap());
    let mut child = call().on([Stdio::null(), full(), errors()]);
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let said = bench.read("err");
    assert!(
        said.contains("standard output cannot be written to"),
        "{said}"
    );
    assert!(!said.contains("is closed"), "{said}");
    assert_eq!(bench.json("s.json")["reason"], "output-not-written");
    assert_eq!(bench.rows("d.results.csv").len(), cloud.channels().len());
    call().run().exits(0);
    let plan = bench.call(&["plan", "d.csv", "--region", REGION, "-o", "other.csv"]);
    let mut child = plan.on([Stdio::null(), full(), errors()]);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[cfg(unix)]
#[test]
fn the_printed_resume_command_works() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::process::Command;

    let names: [&[u8]; 6] = [
        b"two words.csv",
        b"it's \"the\" $(one) `now`!.csv",
        b"-leading.csv",
        b"=zsh.csv",
        b"new\nline.csv",
        b"caf\xe9 \x1b[1m.csv",
    ];
    for name in names {
        let bench = Bench::new();
        let file = bench.folder().join(OsStr::from_bytes(name));
        if std::fs::write(&file, "device_id\nCAM-1\nCAM-2\n").is_err() {
            // Some systems only accept UTF-8.
            continue;
        }
        let cloud = Cloud::new();
        let command = |program: &str| {
            let mut command = Command::new(program);
            command.current_dir(bench.folder()).env_clear();
            command.env("HOME", bench.folder());
            command
        };
        let mut first = command(env!("CARGO_BIN_EXE_kvs-fleet"));
        first.args(["provision", "--limit", "1", "--region", REGION]);
        first.args(["--endpoint-url", cloud.url(), "-o", "r.csv", "--"]);
        let said = first.arg(OsStr::from_bytes(name)).output().unwrap();
        let said = String::from_utf8(said.stderr).unwrap();
        let resume = said
            .lines()
            .find_map(|line| line.strip_prefix("  to continue: "))
            .unwrap_or_else(|| panic!("{said}"));
        let again = command("sh").args(["-c", resume]).output().unwrap();
        assert_eq!(again.status.code(), Some(0), "{resume}\n{again:?}");
        assert_eq!(bench.rows("r.csv").len(), 2, "{resume}");
    }
}

#[test]
fn no_resume_command_is_printed_for_a_pipe() {
    let bench = Bench::new();
    let cloud = Cloud::new();
    bench
        .provision_file("-", cloud.url())
        .args(&["-o", "r.csv", "--limit", "1", "--summary-json", "s.json"])
        .input("device_id\nCAM-1\nCAM-2\n")
        .run()
        .exits(1)
        .says("to continue: send the same manifest")
        .does_not_say("provision -");
    assert_eq!(bench.json("s.json")["resume"], Value::Null);
}
