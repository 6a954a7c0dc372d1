//! Errors that affect all devices: the run stops, nothing is lost, the message says what to do, and a rerun continues.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use kvs_fleet::emulator::operation::ApiOperation;

use crate::support::{Act, Bench, Call, Cloud, Done, Wire, answer, bare, devices, forward};

/// Reruns against a working service, and checks that only missing channels are created.
#[track_caller]
fn rerun_completes(bench: &Bench, cloud: &Cloud, count: usize) {
    let there = cloud.channels().len() as u64;
    let well = Wire::before(cloud.url());
    bench.provision(well.url()).run().exits(0);
    assert_eq!(well.creates().len() as u64, count as u64 - there);
    assert_eq!(bench.statuses().len(), count);
    assert_eq!(cloud.channels().len(), count);
}

#[test]
fn twenty_refused_in_a_row_stop_the_run() {
    let bench = Bench::of(200);
    let cloud = Cloud::new();
    let wire = denying(&cloud);
    bench
        .provision(wire.url())
        .args(&["--workers", "4"])
        .run()
        .exits(1)
        .says("20 devices in a row")
        .says("AccessDeniedException")
        .says("docs/security.md");
    // Requests in flight are recorded; the other devices have no row.
    let rows = bench.rows("d.results.csv");
    assert!((20..=24).contains(&rows.len()), "{}", rows.len());
    assert_eq!(wire.creates().len(), rows.len());
    assert!(
        rows.iter()
            .all(|row| row["error_code"] == "AccessDeniedException")
    );
    rerun_completes(&bench, &cloud, 200);
}

/// A service whose caller may list and nothing else.
fn denying(cloud: &Cloud) -> Wire {
    let url = cloud.url().to_owned();
    Wire::new(move |request, _| match request.path.as_str() {
        "/createSignalingChannel" => answer(
            401,
            Some("AccessDeniedException"),
            r#"{"Message":"User is not authorized to perform kinesisvideo:CreateSignalingChannel"}"#,
        ),
        _ => forward(&url, request),
    })
}

#[test]
fn one_success_resets_the_count_of_authorization_errors() {
    // 19 outside the prefix, one inside, 19 outside.
    let others = |from: usize| {
        (from..from + 19)
            .map(|n| format!("X-{n}\n"))
            .collect::<Vec<_>>()
            .concat()
    };
    let bench = Bench::with(&format!("device_id\n{}CAM-1\n{}", others(1), others(30)));
    let cloud = Cloud::with(|settings| settings.deny_outside = Some("CAM-".into()));
    bench
        .provision(cloud.url())
        .args(&["--workers", "1"])
        .run()
        .exits(3);
    assert_eq!(bench.statuses().len(), 39);
}

#[test]
fn expired_credentials_stop_the_run_without_a_failed_device() {
    let bench = Bench::of(60);
    let cloud = Cloud::with(|settings| settings.expire_after = Some(20));
    let call = || {
        bench
            .provision(cloud.url())
            .env("AWS_ACCESS_KEY_ID", "AKIAFIRST")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
    };
    call()
        .args(&["--workers", "2"])
        .run()
        .exits(1)
        .says("ExpiredToken")
        .says("to continue: ");
    let statuses = bench.statuses();
    assert!(!statuses.is_empty() && statuses.len() < 60);
    assert!(
        statuses.iter().all(|row| row.ends_with(" created")),
        "{statuses:?}"
    );
    assert_eq!(statuses.len(), cloud.channels().len());
    let there = cloud.channels().len();
    // Another key is valid for as many requests as the first one.
    for key in ["AKIASECOND", "AKIATHIRD", "AKIAFOURTH", "AKIAFIFTH"] {
        let done = call().env("AWS_ACCESS_KEY_ID", key).run();
        if done.code == Some(0) {
            break;
        }
        done.exits(1);
    }
    assert!(there < 60);
    assert_eq!(bench.statuses().len(), 60);
    assert!(bench.statuses().iter().all(|row| !row.ends_with("failed")));
    assert_eq!(cloud.channels().len(), 60);
}

#[test]
fn a_full_account_stops_its_region_only() {
    let rows: String = (1..=12)
        .map(|n| format!("A-{n},eu-central-1\n"))
        .chain((1..=5).map(|n| format!("B-{n},us-east-1\n")))
        .collect();
    let bench = Bench::with(&format!("device_id,region\n{rows}"));
    let cloud = Cloud::with(|settings| settings.channel_limit = 5);
    bench
        .provision(cloud.url())
        .args(&["--workers", "2"])
        .run()
        .exits(1)
        .says("channel limit")
        .says("eu-central-1")
        .says("AccountChannelLimitExceededException");
    assert_eq!(cloud.channels_in("us-east-1").len(), 5);
    assert_eq!(cloud.channels_in("eu-central-1").len(), 5);
    let created = bench.statuses();
    let created = created.iter().filter(|row| row.ends_with(" created"));
    assert_eq!(created.count(), 10);
    // The Region is stopped; its other devices are not attempted.
    assert!(cloud.creates() < 17, "{}", cloud.creates());
}

/// A run of two new devices with three channels and a limit of four.
fn foretold(bench: &Bench, cloud: &Cloud) {
    bench
        .provision(cloud.url())
        .args(&["--channel-quota", "4"])
        .run()
        .exits(0)
        .says("--channel-quota")
        .says("3 channels")
        .says("2 are to be created");
}

#[test]
fn the_channel_limit_is_reported_before_the_first_create() {
    let bench = Bench::of(3);
    let cloud = Cloud::new();
    cloud.make_all(["X-1", "X-2", "CAM-0001"]);
    foretold(&bench, &cloud);
    let bench = Bench::of(3);
    bench
        .provision(cloud.url())
        .args(&["--channel-quota", "5"])
        .run()
        .exits(0)
        .does_not_say("--channel-quota");
}

#[test]
fn the_channel_limit_is_reported_to_a_rerun() {
    let bench = Bench::of(3);
    let cloud = Cloud::new();
    bench.provision(cloud.url()).run().exits(0);
    bench.write("d.csv", devices(1..=5));
    foretold(&bench, &cloud);
}

#[test]
fn too_many_failures_stop_the_run() {
    let bench = Bench::of(100);
    let cloud = Cloud::new();
    let wire = refusing(&cloud, |_| true);
    bench
        .provision(wire.url())
        .args(&["--max-failures", "5", "--workers", "2"])
        .run()
        .exits(1)
        .says("--max-failures 5");
    let rows = bench.rows("d.results.csv");
    // Rows that are being written at that time are recorded too.
    assert!((6..50).contains(&rows.len()), "{}", rows.len());
    rerun_completes(&bench, &cloud, 100);
}

#[test]
fn max_failures_is_the_number_of_allowed_failures() {
    let bench = Bench::of(30);
    let cloud = Cloud::new();
    let wire = refusing(&cloud, |number| number % 6 == 0);
    bench
        .provision(wire.url())
        .args(&["--max-failures", "5"])
        .run()
        .exits(3)
        .says("5 failed");
    assert_eq!(bench.statuses().len(), 30);
}

#[test]
fn a_share_of_failures_is_judged_from_100_devices_on() {
    // Of the first 50 devices all fail; of 100 devices half fail, more than 40 %.
    let bench = Bench::of(1_000);
    let cloud = Cloud::new();
    let wire = refusing(&cloud, |number| number <= 50);
    bench
        .provision(wire.url())
        .args(&["--max-failures", "40%", "--workers", "1"])
        .run()
        .exits(1)
        .says("--max-failures 40");
    let rows = bench.rows("d.results.csv").len();
    // A device counts when its row is on disk; meanwhile at most 256 others have been attempted.
    assert!((100..400).contains(&rows), "{rows}");
    // The share is not judged for a smaller batch.
    let bench = Bench::of(60);
    bench
        .provision(refusing(&Cloud::new(), |number| number <= 50).url())
        .args(&["--max-failures", "40%"])
        .run();
    assert_eq!(bench.statuses().len(), 60);
}

/// A service that refuses the devices with these numbers.
fn refusing(cloud: &Cloud, refuses: impl Fn(usize) -> bool + Send + Sync + 'static) -> Wire {
    let url = cloud.url().to_owned();
    Wire::new(move |request, _| {
        let number = |name: &str| name.rsplit('-').next().unwrap().parse().unwrap();
        if request.path == "/createSignalingChannel" && refuses(number(&request.channel())) {
            return answer(400, Some("InvalidArgumentException"), r#"{"Message":"no"}"#);
        }
        forward(&url, request)
    })
}

#[test]
fn max_throttled_ends_the_run_without_a_failed_device() {
    let bench = Bench::of(5);
    let cloud = Cloud::new();
    let throttling = Cloud::faulty(&["throttle=1@create"]);
    let done = bench
        .provision(throttling.url())
        .args(&["--max-throttled", "1s", "--summary-json", "s.json"])
        .run()
        .exits(1)
        .says("the service in eu-central-1 has granted nothing since 20")
        .says("quota")
        .says("5 to go")
        .says("100.00 % of creates throttled")
        .says("to continue: ");
    assert_eq!(bench.statuses(), [] as [&str; 0]);
    // The message has the number of requests and the last rate.
    let summary = bench.json("s.json");
    assert_eq!(summary["reason"], "throttled");
    assert_eq!(summary["retryable"], true);
    assert_eq!(summary["remaining"], 5);
    let requests = &summary["requests"]["create"];
    assert_eq!(requests["sent"], requests["throttled"]);
    let in_force = summary["rate"]["in_force"].as_f64().unwrap();
    assert!((0.5..20_000.0).contains(&in_force), "{in_force}");
    assert_eq!(summary["rate"]["granted"], serde_json::Value::Null);
    assert_eq!(summary["rate"]["throttled_share"], 1.0);
    assert_eq!(
        summary["message"]
            .as_str()
            .map(|message| done.stderr.contains(message)),
        Some(true)
    );
    let end = bench.json_lines("d.results.runs.jsonl").pop().unwrap();
    assert_eq!(
        (&end["reason"], &end["throttled_share"]),
        (&"throttled".into(), &1.0.into())
    );
    rerun_completes(&bench, &cloud, 5);
}

#[test]
fn max_throttled_ends_a_throttled_listing_before_the_first_create() {
    let bench = Bench::of(5);
    let cloud = Cloud::faulty(&["throttle=1@list"]);
    bench
        .provision(cloud.url())
        .args(&["--max-throttled", "1s"])
        .run()
        .exits(1)
        .says("has granted nothing since 20");
    assert_eq!(cloud.creates(), 0);
    assert!(!bench.has("d.results.csv") && !bench.has("d.results.runs.jsonl"));
}

/// Asserts that an unreachable service is found before the first attempt.
#[track_caller]
fn unreachable(bench: &Bench, done: Done, reason: &str) {
    // There are no attempted devices.
    let done = done.does_not_say("results: ");
    done.exits(1).says("cannot be reached").says(reason);
    assert!(!bench.has("d.results.csv"));
}

#[test]
fn a_closed_port_is_found_by_the_first_request() {
    let bench = Bench::of(5);
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let done = bench.provision(&format!("http://127.0.0.1:{port}")).run();
    unreachable(&bench, done, "refused");
}

#[test]
fn the_identity_request_is_retried_for_a_few_seconds() {
    let identity = "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::222222222222:user/u</Arn>\
                    <Account>222222222222</Account></GetCallerIdentityResult></GetCallerIdentityResponse>";
    let sts = Wire::new(move |_, before| match before {
        0 => Act::Close,
        1 => answer(503, None, ""),
        2 => answer(400, Some("Throttling"), ""),
        _ => answer(200, None, identity),
    });
    let bench = Bench::of(1);
    let call = || {
        bench
            .call(&["provision", "d.csv", "--region", "eu-central-1"])
            .env("AWS_ACCESS_KEY_ID", "AKIDSOMEBODY")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
    };
    call()
        .args(&["--account", "111111111111"])
        .env("AWS_ENDPOINT_URL_STS", sts.url())
        .run()
        .exits(2)
        .says("222222222222");
    assert_eq!(sts.requests().len(), 4);
    // A refused identity request is not repeated.
    let sts = Wire::new(|_, _| answer(403, Some("ExpiredToken"), "{}"));
    call().env("AWS_ENDPOINT_URL_STS", sts.url()).run().exits(2);
    assert_eq!(sts.requests().len(), 1);
}

/// A server in the service's place that answers every request with a page.
fn portal(status: u16) -> Wire {
    Wire::new(move |_, _| {
        bare(
            status,
            "Content-Type: text/html\r\n",
            "<html><h1>Please sign in to the company network</h1></html>",
        )
    })
}

#[test]
fn a_page_of_a_proxy_is_reported_as_one() {
    let bench = Bench::of(3);
    let wire = portal(403);
    let done = bench.provision(wire.url()).run();
    unreachable(&bench, done, "proxy");
    assert!(wire.creates().is_empty());
}

#[test]
fn an_empty_answer_of_another_server_is_not_an_empty_account() {
    let bench = Bench::of(3);
    let wire = Wire::new(|_, _| bare(200, "Content-Type: application/json\r\n", "{}"));
    let done = bench.provision(wire.url()).run();
    unreachable(&bench, done, "holds no list");
    assert!(wire.creates().is_empty());
}

#[test]
fn a_page_of_a_proxy_does_not_fail_a_device() {
    let bench = Bench::of(3);
    bench
        .provision(portal(200).url())
        .args(&["--no-reconcile"])
        .run()
        .exits(1)
        .says("cannot be reached")
        .says("proxy");
    // A page with status 200 may hide a created channel.
    for row in bench.rows("d.results.csv") {
        assert_eq!(row["error_code"], "OutcomeUnknown");
    }
}

#[test]
fn a_stopped_run_can_be_continued() {
    let bench = Bench::of(40);
    let cloud = Cloud::new();
    let url = cloud.url().to_owned();
    // After 10 creates the service only answers that the credentials are refused.
    let wire = Wire::new(move |request, before| {
        if request.path == "/createSignalingChannel" && before > 12 {
            return answer(
                403,
                Some("ExpiredTokenException"),
                r#"{"Message":"expired"}"#,
            );
        }
        forward(&url, request)
    });
    bench
        .provision(wire.url())
        .args(&["--workers", "1"])
        .run()
        .exits(1)
        .says("ExpiredTokenException");
    let done = bench.statuses().len();
    assert!((1..40).contains(&done));
    rerun_completes(&bench, &cloud, 40);
}

/// After a few creates, every request gets this fault until the run has reported the outage.
#[track_caller]
fn is_waited_out(trouble: Act, reason: &str) {
    let bench = Bench::of(30);
    let cloud = Cloud::new();
    let url = cloud.url().to_owned();
    let is_well_again = Arc::new(AtomicBool::new(false));
    let is_well = Arc::clone(&is_well_again);
    let good = AtomicUsize::new(0);
    let wire = Wire::new(move |request, before| {
        if before < 12 || is_well.load(Ordering::SeqCst) {
            let answer = forward(&url, request);
            good.fetch_add(1, Ordering::SeqCst);
            return answer;
        }
        // The fault begins for all requests at once: while good answers still arrive, it would count for the device.
        while good.load(Ordering::SeqCst) < 12 {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(100));
        trouble.clone()
    });
    let mut running = bench
        .provision(wire.url())
        .args(&["--max-attempts", "2", "--workers", "8"])
        .start();
    running.until_it_says("no answer from the service");
    // By then, two attempts and the wait between them are over.
    std::thread::sleep(Duration::from_millis(1_500));
    is_well_again.store(true, Ordering::SeqCst);
    running.wait().exits(0).says(reason).says("answers again");
    let statuses = bench.statuses();
    assert_eq!(statuses.len(), 30);
    assert!(
        statuses.iter().all(|row| row.ends_with(" created")),
        "{statuses:?}"
    );
}

#[test]
fn a_temporary_outage_costs_no_attempt() {
    is_waited_out(Act::Close, "connection");
}

#[test]
fn pages_of_a_proxy_during_a_run_count_as_an_outage() {
    let page = bare(200, "Content-Type: text/html\r\n", "<html>Sign in</html>");
    is_waited_out(page, "proxy");
}

#[test]
fn errors_of_a_gateway_during_a_run_count_as_an_outage() {
    let refusal = bare(400, "Content-Type: text/plain\r\n", "Bad Request");
    is_waited_out(refusal, "proxy");
}

#[test]
fn a_permanent_outage_ends_the_run_after_max_offline() {
    let bench = Bench::of(30);
    let cloud = Cloud::new();
    let url = cloud.url().to_owned();
    let wire = Wire::new(move |request, before| {
        if before < 12 {
            return forward(&url, request);
        }
        Act::Close
    });
    bench
        .provision(wire.url())
        .args(&[
            "--max-offline",
            "2s",
            "--max-attempts",
            "2",
            "--workers",
            "2",
        ])
        .args(&["--summary-json", "s.json"])
        .run()
        .exits(1)
        .says("no answer from the service in eu-central-1 for")
        .says("--max-offline")
        .says("to continue: ");
    let summary = bench.json("s.json");
    assert_eq!(summary["reason"], "offline");
    assert_eq!(summary["retryable"], true);
    for row in bench.rows("d.results.csv") {
        // Devices in flight at that time have an unknown outcome.
        let is_open = row["error_code"] == "OutcomeUnknown";
        assert!(row["status"] == "created" || is_open, "{row:?}");
    }
    rerun_completes(&bench, &cloud, 30);
}

#[test]
fn an_unknown_host_is_found_by_the_first_request() {
    let bench = Bench::of(5);
    let done = bench
        .provision("https://kvs.fleet.invalid")
        .env("AWS_ACCESS_KEY_ID", "AKIASOMEBODY")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .run();
    unreachable(&bench, done, "cannot be looked up");
}

/// The service creates a hundred channels, and after the last one answers every create with this.
fn for_a_hundred(cloud: &Cloud, status: u16, code: &'static str) -> Wire {
    let (url, creates, made) = (
        cloud.url().to_owned(),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    Wire::new(move |request, _| {
        if request.path != "/createSignalingChannel" {
            return forward(&url, request);
        }
        if creates.fetch_add(1, Ordering::SeqCst) >= 100 {
            while made.load(Ordering::SeqCst) < 100 {
                std::thread::sleep(Duration::from_millis(1));
            }
            return answer(status, Some(code), r#"{"Message":"no more"}"#);
        }
        let answer = forward(&url, request);
        made.fetch_add(1, Ordering::SeqCst);
        answer
    })
}

/// Asserts that a run stops after a hundred devices, with at most this many further creates, and that the other rows
/// have this code.
#[track_caller]
fn stops_after_a_hundred(bench: &Bench, call: Call, sent: impl Fn() -> u64, more: u64) {
    let done = call.args(&["--workers", "16"]).run().exits(1);
    let statuses = bench.statuses();
    let created = statuses.iter().filter(|row| row.ends_with(" created"));
    assert_eq!(created.count(), 100, "{done}");
    assert!(sent() <= 100 + more, "{} creates\n{done}", sent());
}

#[test]
fn access_denied_during_a_run_stops_it() {
    let (bench, cloud) = (Bench::of(200), Cloud::new());
    let wire = for_a_hundred(&cloud, 401, "AccessDeniedException");
    let creates = || wire.creates().len() as u64;
    // Twenty in a row, requests in flight at that time, and those refused before the last of the hundred was answered.
    stops_after_a_hundred(&bench, bench.provision(wire.url()), creates, 20 + 2 * 16);
    rerun_completes(&bench, &cloud, 200);
}

#[test]
fn reaching_the_channel_limit_during_a_run_stops_it() {
    let (bench, cloud) = (Bench::of(200), Cloud::new());
    let wire = for_a_hundred(&cloud, 400, "AccountChannelLimitExceededException");
    let creates = || wire.creates().len() as u64;
    stops_after_a_hundred(&bench, bench.provision(wire.url()), creates, 16);
    rerun_completes(&bench, &cloud, 200);
}

#[test]
fn credentials_that_expire_during_a_run_stop_it() {
    let bench = Bench::of(150);
    // One identity request and one listing.
    let cloud = Cloud::with(|settings| settings.expire_after = Some(102));
    let call = |key: &str| {
        let call = bench.provision(cloud.url());
        call.env("AWS_ACCESS_KEY_ID", key)
            .env("AWS_SECRET_ACCESS_KEY", "secret")
    };
    // Requests in flight, and a few sent before the first refusal was handled; not as many again with the reloaded
    // credentials.
    stops_after_a_hundred(&bench, call("AKIAFIRST"), || cloud.creates(), 16 + 8);
    assert_eq!(bench.statuses().len(), 100, "no failed row");
    call("AKIASECOND").run().exits(0);
    assert_eq!(bench.statuses().len(), 150);
    assert_eq!(cloud.channels().len(), 150);
}

#[test]
fn the_listing_has_its_own_pace() {
    let bench = Bench::of(1);
    let cloud = Cloud::faulty(&["throttle=first:3@list"]);
    bench.provision(cloud.url()).run().exits(0);
    assert_eq!(cloud.requests(ApiOperation::List), 4);
    assert_eq!(bench.statuses(), ["CAM-0001 created"]);
}

#[test]
fn regions_run_and_stop_independently() {
    let manifest = devices(1..=3).replace("device_id\n", "device_id,region\n");
    let manifest = manifest.replace("CAM-0001\n", "CAM-0001,eu-central-1\n");
    let manifest = manifest.replace("CAM-0002\n", "CAM-0002,us-west-2\n");
    let manifest = manifest.replace("CAM-0003\n", "CAM-0003,ap-south-1\n");
    let bench = Bench::with(&manifest);
    let cloud = Cloud::new();
    let url = cloud.url().to_owned();
    // Creates in one Region hang until the others are complete.
    let wire = Wire::new(move |request, _| {
        if request.path == "/createSignalingChannel" && request.channel() == "CAM-0001" {
            let others = ["us-west-2", "ap-south-1"];
            while others
                .iter()
                .any(|region| crate::support::count_channels(&url, region) == 0)
            {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        forward(&url, request)
    });
    bench.provision(wire.url()).run().exits(0);
}
