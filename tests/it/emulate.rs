//! `kvs-fleet emulator` as a separate process.

use crate::support::{Bench, Running};

/// A running emulator and its URL, the only line on standard output.
fn emulator(bench: &Bench, flags: &[&str]) -> (Running, String) {
    let mut running = bench
        .call(&["emulator", "--listen", "127.0.0.1:0", "--latency", "0ms"])
        .args(flags)
        .start();
    let url = running.line();
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    (running, url)
}

#[cfg(unix)]
#[test]
fn the_emulator_serves_until_it_is_interrupted() {
    for signal in ["INT", "TERM"] {
        let bench = Bench::of(3);
        let (running, url) = emulator(&bench, &["--rate", "1000"]);
        bench.provision(&url).run().exits(0);
        assert_eq!(bench.statuses().len(), 3);
        // Another run in another folder finds the same channels.
        let other = Bench::of(3);
        other.provision(&url).run().exits(0).says("3 existed");
        running.signal(signal);
        let done = running.wait().exits(0);
        assert_eq!(done.stdout.lines().count(), 1);
        done.says("EMULATOR")
            .says("CreateSignalingChannel 3 answered");
    }
}

#[test]
fn a_deleted_channel_keeps_its_name_for_the_time_that_a_flag_sets() {
    let bench = Bench::of(1);
    let (_running, url) = emulator(&bench, &["--deleting-for", "1h"]);
    bench.provision(&url).run().exits(0);
    let rollback = ["rollback", "d.results.csv", "--yes", "--endpoint-url"];
    bench.call(&rollback).args(&[&url]).run().exits(0);
    bench
        .provision(&url)
        .args(&["--recreate-deleted", "--max-attempts", "2"])
        .run()
        .exits(3);
    assert_eq!(bench.row("CAM-0001")["error_code"], "ChannelDeleting");
}

#[cfg(unix)]
#[test]
fn flags_set_quotas_latency_and_faults() {
    let bench = Bench::with("device_id\nCAM-1\nCAM-2\nOTHER\n");
    let (running, url) = emulator(
        &bench,
        &[
            "--seed",
            "7",
            "--rate",
            "1000",
            "--burst",
            "1",
            "--channel-limit",
            "5",
            "--active-after",
            "10ms",
            "--fault",
            "reset-after=first:1@create",
            "--fault",
            "500=first:1@list",
            "--deny-outside",
            "CAM-",
        ],
    );
    bench.provision(&url).run().exits(3);
    assert_eq!(
        bench.statuses(),
        ["CAM-1 created", "CAM-2 created", "OTHER failed"]
    );
    running.signal("INT");
    running
        .wait()
        .exits(0)
        .says("reset-after=first:1@")
        .says("seed 7")
        .says("with injected fault");
}

#[cfg(unix)]
#[test]
fn another_address_requires_allow_remote() {
    let bench = Bench::new();
    let call = || bench.call(&["emulator", "--listen", "0.0.0.0:0"]);
    call().run().exits(2).says("--allow-remote");
    let mut running = call().args(&["--allow-remote"]).start();
    assert!(running.line().starts_with("http://127.0.0.1:"));
    running.signal("TERM");
    running.wait().exits(0).says("OTHER COMPUTERS CAN REACH IT");
}

#[test]
fn the_emulator_listens_on_loopback_only_and_reports_invalid_flags() {
    let bench = Bench::new();
    for (flags, reason) in [
        (&["--listen", "0.0.0.0:0"][..], "loopback"),
        (&["--listen", "nonsense"], "127.0.0.1:4567"),
        (&["--fault", "sing=1"], "reset-after"),
        (&["--fault", "500=2"], "share"),
        (&["--fault", "500=1@sing"], "describe"),
        (&["--rate", "0"], "0.1"),
        (&["--latency", "1day"], "80ms"),
    ] {
        let done = bench.call(&["emulator"]).args(flags).run();
        done.exits(2).says(reason);
    }
}
