//! `--emulator`: a rehearsal whose channels outlive each command, from the plan to the rollback.

use std::collections::BTreeMap;

use crate::support::{Bench, Call, Done};

const RESULTS: &str = "d.emulator.results.csv";
const STATE: &str = "d.emulator.state.json";

/// Flags of an emulator that takes no time.
const QUICK: [&str; 4] = [
    "--emulator",
    "--emulator-rate=1000000",
    "--emulator-burst=1000000",
    "--emulator-latency=0ms",
];

fn quick(bench: &Bench, arguments: &[&str]) -> Call {
    bench.call(arguments).args(&QUICK)
}

fn provision(bench: &Bench) -> Call {
    quick(bench, &["provision", "d.csv", "--rate", "20000"])
}

fn verify(bench: &Bench) -> Call {
    quick(bench, &["verify", RESULTS])
}

fn rollback(bench: &Bench) -> Call {
    quick(bench, &["rollback", RESULTS, "--yes"])
}

/// The channels of a state: name and ARN.
fn channels(bench: &Bench, state: &str) -> BTreeMap<String, String> {
    let state = bench.json(state);
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let list = |value: &serde_json::Value, key: &str| value[key].as_array().unwrap().clone();
    let accounts = list(&state, "accounts").into_iter();
    let regions = accounts.flat_map(|account| list(&account, "regions"));
    let channels = regions.flat_map(|region| list(&region, "channels"));
    channels
        .map(|channel| (text(&channel["name"]), text(&channel["arn"])))
        .collect()
}

/// The channels that a results file claims: device and ARN.
fn claims(bench: &Bench) -> BTreeMap<String, String> {
    let rows = bench.rows(RESULTS).into_iter();
    let claims = rows.filter(|row| ["created", "exists"].contains(&&*row["status"]));
    claims
        .map(|row| (row["device_id"].clone(), row["channel_arn"].clone()))
        .collect()
}

/// Asserts that a call changes no file and is refused for its state.
#[track_caller]
fn refused(bench: &Bench, call: Call, parts: &[&str]) -> Done {
    let before = bench.files();
    let mut done = call.run().exits(2);
    for part in parts {
        done = done.says(part);
    }
    assert_eq!(bench.files(), before);
    done
}

#[test]
fn a_rehearsal_goes_from_the_plan_to_the_rollback() {
    let bench = Bench::of(20);
    quick(&bench, &["plan", "d.csv"]).run().exits(0);
    assert!(!bench.has(STATE));
    let limited = provision(&bench).args(&["--limit", "8"]).run();
    limited.exits(1).says("8 created");
    assert_eq!(channels(&bench, STATE), claims(&bench));
    let plan = quick(&bench, &["plan", "d.csv", "--online", "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&plan.run().exits(0).stdout).unwrap();
    assert_eq!(plan["regions"]["us-east-1"]["existing"], 8, "{plan}");
    provision(&bench).run().exits(0).says("12 created");
    provision(&bench).run().exits(0).says("nothing to do");
    let done = verify(&bench).run().exits(0);
    assert!(done.stdout.contains("20 of 20 channels"), "{done}");
    assert_eq!(channels(&bench, STATE), claims(&bench));
    bench.call(&["report", RESULTS]).run().exits(0);
    rollback(&bench).run().exits(0).says("20 of 20 deleted");
    let rows = bench.rows(RESULTS);
    assert!(
        rows.iter().all(|row| row["status"] == "deleted"),
        "{rows:?}"
    );
    assert!(channels(&bench, STATE).is_empty());
    verify(&bench).run().exits(0).says("nothing to verify");
    provision(&bench).run().exits(3);
    provision(&bench)
        .args(&["--recreate-deleted"])
        .run()
        .exits(0);
    verify(&bench).run().exits(0);
    let names: Vec<String> = bench.files().into_keys().collect();
    let log = "d.emulator.results.runs.jsonl";
    assert_eq!(names, ["d.csv", RESULTS, log, STATE]);
}

#[test]
fn what_is_only_read_is_not_locked_and_not_written() {
    let bench = Bench::of(3);
    provision(&bench).run().exits(0);
    let server = ["emulator", "--listen", "127.0.0.1:0", "--state", STATE];
    let mut server = bench.call(&server).start();
    server.line();
    let before = bench.files();
    verify(&bench).run().exits(0);
    quick(&bench, &["plan", "d.csv", "--online"]).run().exits(0);
    assert_eq!(bench.files(), before);
    drop(server);
}

#[cfg(unix)]
#[test]
fn killed_rehearsals_lose_no_channel() {
    const DEVICES: usize = 150;
    let bench = Bench::of(DEVICES);
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let call = || {
        let flags = [
            "--emulator-rate=1500",
            "--emulator-burst=5",
            "--emulator-latency=5ms",
        ];
        let faults = ["--emulator-fault=reset-after=3%@create,503=2%", "--json"];
        bench
            .call(&["provision", "d.csv", "--emulator", "--rate", "2000"])
            .args(&flags)
            .args(&faults)
    };
    let mut reported = BTreeMap::new();
    for _ in 0..8 {
        let running = call().start();
        std::thread::sleep(std::time::Duration::from_millis(random.u64(20..250)));
        running.signal("KILL");
        let done = running.wait();
        for line in done.stdout.lines().filter(|line| line.ends_with('}')) {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            if let Some(arn) = row["channel_arn"].as_str() {
                reported.insert(
                    row["device_id"].as_str().unwrap().to_owned(),
                    arn.to_owned(),
                );
            }
        }
        if !reported.is_empty() {
            let there = channels(&bench, STATE);
            for (device, arn) in &reported {
                assert_eq!(there.get(device), Some(arn), "seed {seed}\n{done}");
            }
        }
    }
    call().run().exits(0);
    let claims = claims(&bench);
    assert_eq!(claims.len(), DEVICES);
    assert_eq!(channels(&bench, STATE), claims, "seed {seed}");
    verify(&bench).run().exits(0);
}

#[cfg(unix)]
#[test]
fn an_interrupted_rehearsal_continues() {
    let bench = Bench::of(30);
    let flags = ["--emulator", "--emulator-rate=20", "--emulator-burst=5"];
    let provision = || bench.call(&["provision", "d.csv"]).args(&flags);
    let mut running = provision().args(&["--json"]).start();
    running.line();
    running.signal("INT");
    running.wait().exits(130).says("to continue");
    assert_eq!(channels(&bench, STATE), claims(&bench));
    provision().run().exits(0);
    assert_eq!(channels(&bench, STATE), claims(&bench));
    assert_eq!(claims(&bench).len(), 30);
}

#[test]
fn recheck_makes_a_channel_again_that_the_state_no_longer_has() {
    let bench = Bench::of(5);
    provision(&bench).run().exits(0);
    let before = claims(&bench);
    // By a copy of the results, which the original does not know of.
    bench.write("copy.results.csv", bench.read(RESULTS));
    quick(&bench, &["rollback", "copy.results.csv", "--yes"])
        .args(&["--device", "CAM-0003", "--emulator-state", STATE])
        .run()
        .exits(0);
    let done = verify(&bench).run().exits(3);
    assert!(
        done.stdout.contains("'CAM-0003' in us-east-1: missing"),
        "{done}"
    );
    provision(&bench).run().exits(0).says("nothing to do");
    let recheck = provision(&bench).args(&["--recheck"]).run();
    recheck.exits(0).says("1 created");
    verify(&bench).run().exits(0);
    let after = claims(&bench);
    for (device, arn) in &before {
        assert_eq!(after[device] == *arn, device != "CAM-0003", "{device}");
    }
}

#[test]
fn a_lost_state_is_reported_and_recheck_makes_the_channels_again() {
    let bench = Bench::of(4);
    // As an earlier version left it, too.
    provision(&bench).run().exits(0);
    let before = claims(&bench);
    bench.remove(STATE);
    let parts = [
        STATE,
        "does not exist",
        RESULTS,
        "--recheck",
        "--emulator-state",
    ];
    for call in [
        provision(&bench),
        verify(&bench),
        rollback(&bench),
        quick(&bench, &["plan", "d.csv"]),
        quick(&bench, &["plan", "d.csv", "--online"]),
    ] {
        refused(&bench, call, &parts);
    }
    let plan = quick(&bench, &["plan", "d.csv", "--recheck"]);
    plan.run().exits(0);
    let recheck = provision(&bench).args(&["--recheck"]).run();
    recheck
        .exits(0)
        .says("4 of 4 channels no longer there")
        .says("4 created");
    assert_eq!(channels(&bench, STATE), claims(&bench));
    assert_ne!(claims(&bench), before);
    // Without channels nothing is lost.
    rollback(&bench).run().exits(0);
    bench.remove(STATE);
    provision(&bench).run().exits(3);
    let again = provision(&bench).args(&["--recreate-deleted"]).run();
    again.exits(0);
}

#[test]
fn a_file_that_is_no_state_is_refused_and_left_alone() {
    let bench = Bench::of(2);
    provision(&bench).run().exits(0);
    let state = bench.read(STATE);
    let torn = &state[..state.len() / 2];
    let newer = state.replace("\"version\":1,\"time", "\"version\":2,\"time");
    let twice = state.replace("CAM-0002", "CAM-0001");
    let results = bench.read(RESULTS);
    for (content, expected) in [
        ("", "an empty file"),
        (&*results, "not a state of the emulator"),
        ("{\"a\":1}", "JSON of something else"),
        (torn, "damaged"),
        (&*newer, "has version 2"),
        (&*twice, "'CAM-0001' of the account 000000000000"),
    ] {
        bench.write(STATE, content);
        let parts = [STATE, expected, "--emulator-state", "remove this one"];
        for call in [
            provision(&bench),
            verify(&bench),
            rollback(&bench),
            quick(&bench, &["plan", "d.csv"]),
        ] {
            refused(&bench, call, &parts);
        }
        let server = ["emulator", "--listen", "127.0.0.1:0", "--state", STATE];
        refused(&bench, bench.call(&server), &[STATE, expected, "--state"]);
    }
    bench.remove(STATE);
    std::fs::create_dir(bench.path(STATE)).unwrap();
    refused(&bench, provision(&bench), &[STATE, "cannot be read"]);
}

#[test]
fn a_state_takes_no_file_of_the_run() {
    let bench = Bench::of(1);
    let log = "d.emulator.results.runs.jsonl";
    for (state, what) in [
        ("d.csv", "the manifest"),
        (RESULTS, "the results file"),
        (log, "the runs log"),
    ] {
        let call = provision(&bench).args(&["--emulator-state", state]);
        refused(&bench, call, &["--emulator-state names", what]);
    }
    for flag in ["--summary-json", "--report"] {
        let call = provision(&bench).args(&[flag, STATE]);
        refused(&bench, call, &[flag, "the emulator's state"]);
    }
    provision(&bench).run().exits(0);
    let call = rollback(&bench).args(&["--emulator-state", RESULTS]);
    refused(&bench, call, &["--emulator-state names the results file"]);
    let html = bench.call(&["report", RESULTS, "--html", STATE]);
    refused(&bench, html, &["the emulator's state"]);
}

#[test]
fn two_processes_never_write_one_state() {
    let bench = Bench::of(2);
    let server = ["emulator", "--listen", "127.0.0.1:0", "--state", STATE];
    let mut server = bench.call(&server).start();
    server.line();
    let parts = [
        STATE,
        "another process",
        "--emulator-state",
        "kvs-fleet emulator --state",
    ];
    refused(&bench, provision(&bench), &parts);
    refused(
        &bench,
        bench.call(&["emulator", "--state", STATE]),
        &["another process", "--state"],
    );
    // A run that may wait does.
    let waiting = provision(&bench).args(&["--wait-for-results", "50s"]);
    let mut waiting = waiting.start();
    waiting.until_it_says("waiting up to 50");
    drop(server);
    waiting.wait().exits(0);
}

#[cfg(unix)]
#[test]
fn a_server_keeps_its_channels_as_well() {
    let bench = Bench::of(3);
    let flags = [
        "emulator",
        "--listen",
        "127.0.0.1:0",
        "--latency",
        "0ms",
        "--state",
        "s.json",
    ];
    let server = |signal: &str| {
        let mut running = bench.call(&flags).start();
        let url = running.line();
        bench.provision(&url).run().exits(0);
        running.signal(signal);
        running.wait()
    };
    server("KILL");
    assert_eq!(channels(&bench, "s.json").len(), 3);
    let rows = bench.read("d.results.csv");
    bench.remove("d.results.csv");
    server("INT").exits(0).says("channels in s.json");
    let statuses = bench.statuses();
    assert!(
        statuses.iter().all(|row| row.ends_with("exists")),
        "{statuses:?}"
    );
    // What a command in one process made, another finds: a state is a state.
    bench.write("d.results.csv", rows);
    let verify = quick(
        &bench,
        &["verify", "d.results.csv", "--emulator-state", "s.json"],
    );
    verify.run().exits(0);
    assert!(!bench.has("s.json.lock"), "{:?}", bench.files().keys());
}

#[test]
fn several_accounts_are_rehearsed_without_a_flag() {
    let bench = Bench::with(
        "device_id,account,region\na,111122223333,eu-central-1\nb,111122223333,us-east-1\nc,444455556666,eu-central-1\nd,,\n",
    );
    provision(&bench).run().exits(0);
    provision(&bench).run().exits(0).says("nothing to do");
    let done = verify(&bench).run().exits(0);
    assert!(done.stdout.contains("4 of 4 channels"), "{done}");
    // One account that refuses is rehearsed as well.
    let denied = verify(&bench).args(&["--emulator-deny-account", "444455556666"]);
    denied.run().exits(1);
    let wrong = rollback(&bench).args(&["--account", "111122223333"]);
    refused(&bench, wrong, &["--account"]);
    rollback(&bench).run().exits(0);
    assert!(channels(&bench, STATE).is_empty());
}

#[test]
fn a_rollback_deletes_only_what_its_results_created() {
    let bench = Bench::of(4);
    bench.write("first.csv", "device_id\nCAM-0001\nOTHER\n");
    let shared = ["--emulator-state", STATE];
    quick(&bench, &["provision", "first.csv"])
        .args(&shared)
        .run()
        .exits(0);
    provision(&bench).run().exits(0).says("1 existed");
    rollback(&bench).run().exits(0);
    let left: Vec<String> = channels(&bench, STATE).into_keys().collect();
    assert_eq!(left, ["CAM-0001", "OTHER"]);
}

#[test]
fn shards_share_a_state_one_after_the_other() {
    let bench = Bench::of(9);
    for shard in ["1/2", "2/2"] {
        let one = provision(&bench).args(&["--shard", shard, "--emulator-state", STATE]);
        one.run().exits(0);
    }
    let parts = [
        "d.1-of-2.emulator.results.csv",
        "d.2-of-2.emulator.results.csv",
    ];
    let merge = bench.call(&["merge"]).args(&parts).args(&["-o", RESULTS]);
    merge.args(&["--manifest", "d.csv"]).run().exits(0);
    verify(&bench).run().exits(0);
    assert_eq!(channels(&bench, STATE), claims(&bench));
    rollback(&bench).run().exits(0);
    // Each has a state of its own otherwise.
    let alone = provision(&bench).args(&["--shard", "1/2", "-o", "one.csv"]);
    alone.run().exits(0);
    assert!(bench.has("one.emulator.state.json"));
}

#[test]
fn a_clock_that_was_ahead_breaks_nothing() {
    let bench = Bench::of(6);
    provision(&bench).args(&["--limit", "3"]).run().exits(1);
    let state = bench.read(STATE);
    let (start, rest) = state.split_once("\"time_ms\":").unwrap();
    let (_, rest) = rest.split_once(',').unwrap();
    bench.write(STATE, format!("{start}\"time_ms\":3992000000000,{rest}"));
    // An answer that is lost is decided by the emulator's clock.
    let lost = ["--emulator-fault", "reset-after=each:1@create"];
    provision(&bench)
        .args(&lost)
        .run()
        .exits(0)
        .says("3 created");
    verify(&bench).run().exits(0);
    rollback(&bench).run().exits(0);
}

#[test]
fn a_state_that_cannot_be_written_stops_the_run() {
    let bench = Bench::of(3);
    let temporary = format!("{STATE}.kvs-fleet-tmp");
    std::fs::create_dir(bench.path(&temporary)).unwrap();
    let stopped = provision(&bench).args(&["--max-attempts", "2"]).run();
    stopped.exits(1).says(STATE).says("cannot be written");
    assert!(claims(&bench).is_empty());
    std::fs::remove_dir(bench.path(&temporary)).unwrap();
    provision(&bench).run().exits(0);
    assert_eq!(channels(&bench, STATE), claims(&bench));
}

#[test]
fn a_server_whose_state_cannot_be_written_does_not_end_well() {
    let bench = Bench::of(3);
    std::fs::create_dir(bench.path("s.json.kvs-fleet-tmp")).unwrap();
    let flags = ["emulator", "--listen", "127.0.0.1:0", "--latency", "0ms"];
    let mut running = bench.call(&flags).args(&["--state", "s.json"]).start();
    let url = running.line();
    // What is not saved has no answer.
    let call = bench.provision(&url).args(&["--max-offline", "1s"]);
    call.run().exits(1);
    running.signal("INT");
    let done = running.wait().exits(1).says("s.json");
    // The same cause is reported when it comes, and at the end.
    assert_eq!(
        done.stderr.matches("cannot be written").count(),
        2,
        "{done}"
    );
}

#[test]
fn the_emulator_in_the_process_behaves_as_its_flags_say() {
    let bench = Bench::of(3);
    let fault = [
        "--emulator-fault",
        "500=100%@create",
        "--emulator-seed",
        "7",
    ];
    let failing = provision(&bench)
        .args(&["--max-attempts", "1"])
        .args(&fault);
    failing.run().exits(3).says("seed is 7");
    let rows = bench.rows(RESULTS);
    assert!(rows.iter().all(|row| row["status"] == "failed"), "{rows:?}");
    let full = provision(&bench)
        .env("KVS_FLEET_EMULATOR_CHANNEL_LIMIT", "2")
        .run();
    full.exits(1).says("channel limit");
    let several = provision(&bench)
        .env(
            "KVS_FLEET_EMULATOR_FAULT",
            "500=first:1@create,503=first:2@create",
        )
        .run();
    several.exits(0).does_not_say("seed is");
}

#[test]
fn flags_of_the_emulator_require_it() {
    let bench = Bench::of(1);
    bench.write("r.results.csv", "");
    for command in [
        &["provision", "d.csv"][..],
        &["plan", "d.csv"],
        &["verify", "r"],
        &["rollback", "r"],
    ] {
        for flag in [
            "--emulator-state=s.json",
            "--emulator-rate=5",
            "--emulator-window",
        ] {
            let done = bench.call(command).args(&[flag]).run().exits(2);
            done.says("required").says("--emulator");
            let endpoint = ["--endpoint-url", "http://127.0.0.1:1", flag];
            let done = bench.call(command).args(&endpoint).run().exits(2);
            done.says("is for the emulator of --emulator, which is not given");
        }
        let call = bench.call(&["plan", "d.csv", "--region", "eu-central-1"]);
        let ignored = call.env("KVS_FLEET_EMULATOR_RATE", "5").run().exits(0);
        ignored.says("KVS_FLEET_EMULATOR_RATE in the environment is not used");
        let both = ["--emulator", "--emulator-window", "--emulator-burst=3"];
        let done = bench.call(command).args(&both).run().exits(2);
        done.says("'--emulator-window'")
            .says("'--emulator-burst <N>'");
        let endpoint = ["--emulator", "--endpoint-url", "http://127.0.0.1:1"];
        let done = bench.call(command).args(&endpoint).run().exits(2);
        done.says("cannot be used with");
        let wrong = ["--emulator", "--emulator-fault", "sing=1"];
        let done = bench.call(command).args(&wrong).run().exits(2);
        done.says("--emulator-fault").says("reset-after");
        let help = bench.call(&[command[0], "--help"]).run().exits(0);
        assert!(help.stdout.contains("--emulator-latency gives"), "{help}");
    }
}
