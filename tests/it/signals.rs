//! Signals during a run: requests in flight are recorded, a rerun creates only the missing channels, a third run
//! creates none.
#![cfg(unix)]

use std::time::Duration;

use crate::support::{Bench, Call, Cloud, Unread};

/// A service slow enough to be interrupted.
fn slow(latency: u64) -> Cloud {
    Cloud::with(|settings| settings.latency.median = Duration::from_millis(latency))
}

fn paced(bench: &Bench, cloud: &Cloud) -> Call {
    bench
        .call(&["provision", "d.csv", "--endpoint-url", cloud.url()])
        .args(&["--region", "eu-central-1", "--rate", "100", "--json"])
}

/// Sends the signal after a few rows, checks that every channel of the service is in the results, and reruns.
fn interrupted(signal: &str, code: i32) {
    let bench = Bench::of(60);
    let cloud = slow(50);
    let mut running = paced(&bench, &cloud).start();
    for _ in 0..5 {
        running.line();
    }
    running.signal(signal);
    let done = running
        .wait()
        .exits(code)
        .says("to continue: ")
        .says("provision d.csv");
    let rows = bench.rows("d.results.csv");
    assert!((5..60).contains(&rows.len()), "{}\n{done}", rows.len());
    assert_eq!(done.json_lines().len(), rows.len());
    let recorded: std::collections::BTreeMap<String, String> = rows
        .iter()
        .map(|row| {
            assert_eq!(row["status"], "created");
            (row["channel_name"].clone(), row["channel_arn"].clone())
        })
        .collect();
    assert_eq!(recorded, cloud.channels());
    // In manifest order, although the run was interrupted.
    let ids: Vec<&String> = rows.iter().map(|row| &row["device_id"]).collect();
    assert!(ids.is_sorted(), "{ids:?}");

    let creates = cloud.creates();
    assert_eq!(creates, rows.len() as u64);
    bench.provision(cloud.url()).run().exits(0);
    assert_eq!(cloud.creates(), 60);
    assert_eq!(bench.statuses().len(), 60);
    let requests = cloud.all_requests();
    bench.provision(cloud.url()).run().exits(0);
    assert_eq!(cloud.all_requests(), requests);
}

#[test]
fn an_interrupted_run_loses_nothing() {
    interrupted("INT", 130);
}

#[test]
fn a_stopped_run_reports_the_results_path() {
    let bench = Bench::of(60);
    let cloud = slow(50);
    let mut running = paced(&bench, &cloud).start();
    for _ in 0..5 {
        running.line();
    }
    std::fs::rename(bench.path("d.results.csv"), bench.path("moved.csv")).unwrap();
    running.signal("INT");
    running
        .wait()
        .exits(1)
        .says("interrupted")
        .says("d.results.saved-1.csv")
        .says("to continue: ");
    assert_eq!(
        bench.rows("d.results.saved-1.csv").len(),
        cloud.channels().len()
    );
}

#[test]
fn a_terminated_run_loses_nothing() {
    interrupted("TERM", 143);
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_that_loses_its_terminal_loses_nothing() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    if ignored
        .unwrap()
        .trim()
        .ends_with(['1', '3', '5', '7', '9', 'b', 'd', 'f'])
    {
        // The tests themselves may have been started by `nohup`, which child processes inherit.
        return;
    }
    interrupted("HUP", 143);
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_started_by_nohup_continues_without_its_terminal() {
    let bench = Bench::of(40);
    let cloud = slow(50);
    let mut running = paced(&bench, &cloud).ignoring_hangup().start();
    for _ in 0..3 {
        running.line();
    }
    running.signal("HUP");
    running.wait().exits(0);
    assert_eq!(bench.statuses().len(), 40);
}

#[test]
fn two_simultaneous_signals_count_as_one() {
    let bench = Bench::of(30);
    let cloud = slow(300);
    let running = paced(&bench, &cloud).start();
    while cloud.creates() < 5 {
        std::thread::sleep(Duration::from_millis(10));
    }
    // As `timeout` does: to the process, and to its group.
    let pid = running.pid();
    let both = format!("kill -TERM {pid}; kill -INT {pid}; kill -TERM {pid}");
    let sent = std::process::Command::new("sh")
        .args(["-c", &both])
        .status();
    assert!(sent.unwrap().success());
    let done = running.wait().says("to continue: ");
    assert!(matches!(done.code, Some(130 | 143)), "{done}");
    // Requests in flight are recorded.
    assert_eq!(bench.statuses().len(), cloud.channels().len());
}

#[test]
fn a_second_signal_ends_the_run_at_once() {
    for (first, second, code) in [("INT", "INT", 130), ("TERM", "INT", 143)] {
        let bench = Bench::of(10);
        // Creates hang for longer than the test may take.
        let cloud = Cloud::faulty(&["hang-before=1@create"]);
        let mut running = bench
            .provision(cloud.url())
            .args(&["--timeout", "1h", "--summary-json", "s.json"])
            .start();
        while cloud.creates() == 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
        running.signal(first);
        // The first signal is handled before the second one is sent.
        running.until_it_says("a second signal leaves at once");
        // One within 100 ms would be taken for the same signal.
        std::thread::sleep(Duration::from_millis(150));
        running.signal(second);
        running.wait().exits(code);
        // The process's last message.
        let summary = bench.json("s.json");
        assert_eq!(summary["exit_code"], code);
        assert_eq!(summary["remaining"], 10);
        assert!(summary["resume"].is_string());
        let end = bench.json_lines("d.results.runs.jsonl").pop().unwrap();
        assert_eq!(
            (&end["event"], &end["exit_code"]),
            (&"end".into(), &code.into())
        );
        // The results can be resumed.
        let well = Cloud::new();
        bench.provision(well.url()).run().exits(0);
        assert_eq!(bench.statuses().len(), 10);
    }
}

/// A run of many devices that writes more than a pipe holds, to a reader that does not read. Returns when the run is
/// blocked by that.
fn unread(bench: &Bench, cloud: &Cloud, arguments: &[&str]) -> Unread {
    let running = bench.provision(cloud.url()).args(arguments).start_unread();
    let mut before = 0;
    // The run creates a thousand channels between two checks.
    while before == 0 || cloud.creates() > before {
        before = cloud.creates();
        std::thread::sleep(Duration::from_millis(500));
    }
    running
}

#[test]
fn a_stalled_reader_does_not_keep_a_finished_run_from_ending() {
    // More than a pipe holds, and fewer than wait for it before new creates do.
    let (bench, cloud) = (Bench::of(600), Cloud::new());
    let call = bench.provision(cloud.url());
    let mut running = call.args(&["--json", "--timeout", "1s"]).start_unread();
    assert_eq!(running.wait(), Some(0));
    assert_eq!(bench.statuses().len(), 600);
}

#[test]
fn a_stalled_reader_does_not_keep_a_run_from_ending() {
    let bench = Bench::of(8_000);
    let cloud = Cloud::new();
    let mut running = unread(&bench, &cloud, &["--json", "--timeout", "1s"]);
    let creates = cloud.creates();
    assert!((1_000..8_000).contains(&creates), "{creates}");
    running.signal("INT");
    assert_eq!(running.wait(), Some(130));
    // Every created channel is in the results.
    assert_eq!(bench.statuses().len(), cloud.channels().len());
}

#[test]
fn a_second_signal_ends_a_run_with_a_stalled_reader() {
    for arguments in [&["--json"][..], &["-vv", "--log-format", "json"]] {
        let bench = Bench::of(8_000);
        let cloud = Cloud::new();
        let arguments = [arguments, &["--timeout", "1h"]].concat();
        let mut running = unread(&bench, &cloud, &arguments);
        assert!(cloud.creates() < 8_000, "{arguments:?}");
        running.signal("TERM");
        std::thread::sleep(Duration::from_millis(300));
        running.signal("TERM");
        assert_eq!(running.wait(), Some(143), "{arguments:?}");
    }
}

#[test]
fn a_run_that_waits_for_its_manifest_holds_the_lock_and_can_be_interrupted() {
    let bench = Bench::new();
    let cloud = Cloud::new();
    let stream = || {
        bench
            .provision_file("-", cloud.url())
            .args(&["-o", "d.results.csv"])
    };
    let running = stream().start();
    while !bench.has("d.results.runs.jsonl") {
        std::thread::sleep(Duration::from_millis(10));
    }
    // Until the lock is held, which is taken shortly after the file is created. A test that tried the lock could take it.
    std::thread::sleep(Duration::from_millis(300));
    stream().run().exits(2).says("being written by another");
    running.signal("INT");
    running.wait_open().exits(130);
    assert!(!bench.has("d.results.csv"));
}

#[test]
fn requests_in_flight_may_finish_within_their_timeout() {
    let bench = Bench::of(4);
    let cloud = slow(300);
    let running = bench.provision(cloud.url()).start();
    while cloud.creates() < 4 {
        std::thread::sleep(Duration::from_millis(10));
    }
    running.signal("INT");
    running.wait().exits(130);
    // All requests were sent, so all are recorded.
    assert_eq!(bench.statuses().len(), 4);
    assert_eq!(cloud.channels().len(), 4);
}

#[test]
fn a_killed_run_is_resumed_from_its_journal() {
    let bench = Bench::of(60);
    let cloud = slow(20);
    let mut running = paced(&bench, &cloud).start();
    let reported: Vec<serde_json::Value> = (0..7)
        .map(|_| serde_json::from_str(&running.line()).unwrap())
        .collect();
    running.signal("KILL");
    assert_eq!(running.wait().code, None);
    // Reported rows are on disk.
    let journal = bench.read("d.results.csv");
    for row in &reported {
        let arn = row["channel_arn"].as_str().unwrap();
        assert!(journal.contains(arn), "{arn}\n{journal}");
    }
    let there = cloud.channels().len();
    let creates = cloud.creates();
    bench.provision(cloud.url()).run().exits(0);
    assert_eq!(cloud.creates() - creates, (60 - there) as u64);
    let rows = bench.rows("d.results.csv");
    assert_eq!(rows.len(), 60);
    let channels = cloud.channels();
    for row in rows {
        assert_eq!(row["channel_arn"], channels[&row["channel_name"]]);
    }
}

#[test]
fn a_run_interrupted_during_the_listing_attempts_nothing() {
    let bench = Bench::of(4);
    let cloud = Cloud::faulty(&["hang-before=1@list"]);
    let running = bench
        .provision(cloud.url())
        .args(&["--timeout", "1s"])
        .start();
    while cloud.requests(kvs_fleet::emulator::operation::ApiOperation::List) == 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    running.signal("INT");
    running.wait().exits(130);
    assert_eq!(cloud.creates(), 0);
}

#[test]
fn a_run_suspended_for_longer_than_its_timeouts_continues() {
    let bench = Bench::of(60);
    let cloud = slow(100);
    let mut running = paced(&bench, &cloud).args(&["--timeout", "1s"]).start();
    for _ in 0..5 {
        running.line();
    }
    running.signal("STOP");
    // Longer than the timeout, even on a busy machine.
    std::thread::sleep(Duration::from_millis(2_500));
    running.signal("CONT");
    running.wait().exits(0);
    let channels = cloud.channels();
    let rows = bench.rows("d.results.csv");
    assert_eq!(rows.len(), 60);
    for row in rows {
        assert_eq!(row["status"], "created");
        assert_eq!(row["channel_arn"], channels[&row["channel_name"]]);
    }
}

#[test]
fn a_closed_standard_error_does_not_stop_the_run() {
    for closed in ["2>&-", "2>&1 >/dev/null | true", ">&- 2>&- <&-"] {
        let bench = Bench::of(40);
        let cloud = slow(20);
        let program = env!("CARGO_BIN_EXE_kvs-fleet");
        let line = format!(
            "{{ '{program}' provision d.csv -v --rate 1000 --region eu-central-1 --endpoint-url {}; echo $? >code; }} {closed}",
            cloud.url()
        );
        let shell = std::process::Command::new("sh")
            .args(["-c", &line])
            .current_dir(bench.folder())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", bench.folder())
            .status();
        assert!(shell.unwrap().success(), "{closed}");
        assert_eq!(bench.read("code").trim(), "0", "{closed}");
        assert_eq!(bench.statuses().len(), 40, "{closed}");
    }
}

#[test]
fn a_terminated_run_ends_before_a_scheduler_kills_it() {
    let bench = Bench::of(4);
    let cloud = Cloud::faulty(&["hang-before=1@create", "hang-before=1@describe"]);
    let running = bench
        .provision(cloud.url())
        .args(&["--timeout", "1h", "--summary-json", "s.json"])
        .start();
    while cloud.creates() < 4 {
        std::thread::sleep(Duration::from_millis(10));
    }
    running.signal("TERM");
    // A run that takes an hour would be killed and have no exit code.
    running.wait().exits(143);
    assert_eq!(bench.json("s.json")["reason"], "terminated");
    assert_eq!(bench.row("CAM-0001")["error_code"], "OutcomeUnknown");
}

#[test]
fn a_plan_can_be_interrupted_at_any_point() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        // As PID 1 of a container, a process has only the handlers that it installs; the exit code shows that it has
        // them.
        let bench = Bench::of(2);
        let cloud = Cloud::faulty(&["hang-before=1@list"]);
        let call = bench.call(&["plan", "d.csv", "--online", "--region", "eu-central-1"]);
        let running = call.args(&["--endpoint-url", cloud.url()]).start();
        while cloud.requests(kvs_fleet::emulator::operation::ApiOperation::List) == 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
        running.signal(signal);
        running.wait().exits(code);

        let call = bench.call(&["plan", "-", "-o", "r.csv", "--region", "eu-central-1"]);
        let mut running = call.start();
        running.say("device_id\nCAM-1\n");
        std::thread::sleep(Duration::from_millis(500));
        running.signal(signal);
        running.wait_open().exits(code);
    }
}

#[test]
fn a_terminated_run_with_a_stalled_reader_ends() {
    let bench = Bench::of(8_000);
    let cloud = Cloud::new();
    let flags = ["-vv", "--log-format", "json", "--timeout", "1h"];
    let mut running = unread(&bench, &cloud, &flags);
    running.signal("TERM");
    assert_eq!(running.wait(), Some(143));
}
