//! Snapshots of a terminal: `cargo insta review` shows what changed.

use std::sync::{Arc, Condvar, Mutex};

use insta::assert_snapshot;

use crate::support::terminal::Terminal;
use crate::support::{Bench, Call, Cloud, Wire, forward};

/// Narrow, usual and wide.
const WIDTHS: [u16; 3] = [60, 80, 200];

/// A manifest with an invalid row and a device whose channel exists.
fn batch() -> (Bench, Cloud) {
    let bench = Bench::with("device_id\nCAM-0001\nCAM-0002\nCAM 0003\nCAM-0004\n");
    let cloud = Cloud::new();
    cloud
        .make(r#"{"ChannelName":"CAM-0002","SingleMasterConfiguration":{"MessageTtlSeconds":60}}"#);
    (bench, cloud)
}

fn provision(bench: &Bench, url: &str) -> Call {
    let call = bench.call(&["provision", "d.csv", "--endpoint-url", url]);
    call.args(&["--region", "eu-central-1"])
        .env("TERM", "xterm")
}

fn seen(call: Call, columns: u16) -> String {
    let (code, view) = Terminal::start(call, columns).end();
    format!("{view}\n\nexit code: {code}")
}

#[test]
fn the_terminal_shows_a_finished_run() {
    for columns in WIDTHS {
        let (bench, cloud) = batch();
        let view = seen(provision(&bench, cloud.url()), columns);
        assert_snapshot!(format!("provision-{columns}"), view);
    }
}

#[test]
fn the_terminal_shows_a_run_in_progress() {
    for columns in WIDTHS {
        let (bench, cloud) = (Bench::of(8), Cloud::new());
        let gate = Arc::new((Mutex::new(0), Condvar::new()));
        let (url, held) = (cloud.url().to_owned(), Arc::clone(&gate));
        // Three channels are created at once, the others as the quota allows.
        let wire = Wire::new(move |request, _| {
            if request.path == "/createSignalingChannel" {
                let mut asked = held.0.lock().unwrap();
                *asked += 1;
                if *asked > 3 {
                    drop(held.1.wait_while(asked, |asked| *asked < 100).unwrap());
                }
            }
            forward(&url, request)
        });
        let terminal = Terminal::start(provision(&bench, wire.url()), columns);
        terminal.until_it_shows("3/8");
        let view = terminal.view();
        *gate.0.lock().unwrap() = 100;
        gate.1.notify_all();
        let (code, end) = terminal.end();
        assert_eq!(code, 0, "{end}");
        assert!(!end.contains("3/8"), "the bar is still there:\n{end}");
        // The second row is the rate.
        let first: Vec<&str> = view
            .lines()
            .take_while(|row| !row.contains(" of "))
            .collect();
        assert_snapshot!(format!("bar-{columns}"), first.join("\n"));
    }
}

#[test]
fn output_without_colour_without_a_terminal_quiet_and_verbose() {
    let run = |change: fn(Call) -> Call| {
        let (bench, cloud) = batch();
        seen(change(provision(&bench, cloud.url())), 80)
    };
    let plain = run(|call| call.env("NO_COLOR", "1"));
    assert_snapshot!("provision-no-color", plain);
    assert_snapshot!("provision-dumb", run(|call| call.env("TERM", "dumb")));
    assert_snapshot!("provision-quiet", run(|call| call.args(&["-q"])));
    assert_snapshot!("provision-verbose", run(|call| call.args(&["-v"])));
    let (bench, cloud) = batch();
    let done = provision(&bench, cloud.url()).run().exits(3);
    assert!(!done.stderr.contains('\u{1b}'), "{done}");
}

#[test]
fn the_terminal_shows_plan_verify_and_rollback() {
    for columns in WIDTHS {
        let (bench, cloud) = batch();
        let call = |arguments: &[&str]| bench.call(arguments).env("TERM", "xterm");
        let plan = call(&["plan", "d.csv", "--region", "eu-central-1"]);
        assert_snapshot!(format!("plan-{columns}"), seen(plan, columns));
        provision(&bench, cloud.url()).run().exits(3);
        cloud.delete("CAM-0004");
        let verify = call(&["verify", "d.results.csv", "--endpoint-url", cloud.url()]);
        assert_snapshot!(format!("verify-{columns}"), seen(verify, columns));
        let rollback = call(&["rollback", "d.results.csv", "--endpoint-url", cloud.url()]);
        let mut terminal = Terminal::start(rollback, columns);
        terminal.until_it_shows("number (2):");
        terminal.say("2\n");
        let (code, view) = terminal.end();
        assert_snapshot!(
            format!("rollback-{columns}"),
            format!("{view}\n\nexit code: {code}")
        );
        assert_eq!(cloud.channels().len(), 1);
    }
}

#[test]
fn a_rollback_that_is_not_confirmed_deletes_nothing() {
    let (bench, cloud) = batch();
    provision(&bench, cloud.url()).run().exits(3);
    let before = bench.files();
    let call = bench.call(&["rollback", "d.results.csv", "--endpoint-url", cloud.url()]);
    let mut terminal = Terminal::start(call, 80);
    terminal.until_it_shows("number (2):");
    terminal.say("yes\n");
    let (code, view) = terminal.end();
    assert_eq!(code, 2, "{view}");
    assert!(
        view.contains("'yes' is not 2: nothing was deleted"),
        "{view}"
    );
    assert_eq!(cloud.channels().len(), 3);
    assert_eq!(bench.files(), before);
}
