//! The live page: what it shows while a run goes on and at its end, who may ask for it, and that it ends with the run. What a
//! browser makes of it is checked by `.ci/live.py`, what Prometheus makes of it by `.ci/prometheus.py`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::Value;

use crate::support::{Bench, Call, Cloud, REGION, Running};

/// An answer.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// The host and port of a URL.
fn authority(url: &str) -> &str {
    url.trim_start_matches("http://").trim_end_matches('/')
}

/// Sends a request with this line and these headers, and reads the answer to its end.
fn ask(url: &str, line: &str, headers: &str) -> Answer {
    let mut stream = TcpStream::connect(authority(url)).unwrap();
    let request = format!("{line} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

fn get(url: &str, path: &str) -> Answer {
    ask(
        url,
        &format!("GET {path}"),
        &format!("Host: {}\r\n", authority(url)),
    )
}

/// Starts a command with a live page, and gives its URL.
fn served(call: Call) -> (Running, String) {
    let mut running = call.args(&["--serve", "127.0.0.1:0"]).start();
    let url = running.until_it_names("live page: ");
    (running, url)
}

/// Waits until a run has ended and only its page stays.
fn lingering(call: Call) -> (Running, String) {
    let (mut running, url) = served(call.args(&["--serve-linger", "1h"]));
    running.until_it_says("the live page stays");
    (running, url)
}

/// Ends the page.
fn interrupted(running: Running) -> crate::support::Done {
    running.signal("INT");
    running.wait()
}

#[test]
fn at_the_end_the_status_is_the_summary() {
    let (bench, cloud) = (Bench::of(30), Cloud::new());
    let (running, url) = lingering(
        bench
            .provision(cloud.url())
            .args(&["--summary-json", "s.json"]),
    );
    let mut status = get(&url, "/status.json").json();
    assert_eq!(status["live"]["stage"], "ended");
    assert_eq!(status["live"]["done"], 30);
    status.as_object_mut().unwrap().remove("live");
    status["rate"].as_object_mut().unwrap().remove("now");
    assert_eq!(status, bench.json("s.json"));
    let page = get(&url, "/").body;
    assert!(page.contains("devices have their channel"), "{page}");
    assert!(page.contains("30 created, 0 existed, 0 failed"), "{page}");
    // Ctrl-C only ends the page.
    let done = interrupted(running).exits(0);
    done.does_not_say("requests in flight");
}

#[test]
fn while_a_run_goes_on_it_is_told_in_the_present_tense() {
    let (bench, cloud) = (Bench::of(50), Cloud::new());
    let call = bench.call(&["provision", "d.csv", "--endpoint-url", cloud.url()]);
    let call = call.args(&["--region", REGION, "--rate", "2"]);
    let (running, url) = served(call);
    let mut events = TcpStream::connect(authority(&url)).unwrap();
    let request = format!("GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", authority(&url));
    events.write_all(request.as_bytes()).unwrap();
    let status = get(&url, "/status.json").json();
    assert_eq!(status["reason"], "running");
    assert_eq!(status["exit_code"], Value::Null);
    assert_eq!(status["retryable"], Value::Null);
    assert_eq!(status["command"], "provision");
    // The stream ends with the result, also where the page does not stay.
    running.signal("INT");
    running.wait().exits(130);
    let lines = BufReader::new(events).lines().map_while(Result::ok);
    let data: Vec<Value> = lines
        .filter_map(|line| Some(serde_json::from_str(line.strip_prefix("data: ")?).unwrap()))
        .collect();
    let (first, last) = (&data[0], data.last().unwrap());
    assert_eq!(first["ended"], false);
    assert!(first["parts"]["regions"].as_str().unwrap().contains(REGION));
    assert_eq!(last["ended"], true, "{data:?}");
    let regions = data
        .iter()
        .rev()
        .find_map(|data| data["parts"]["regions"].as_str());
    assert!(regions.unwrap().contains(">stopped</td>"), "{regions:?}");
    let progress = last["parts"]["progress"].as_str().unwrap();
    assert!(progress.contains("Ended early: interrupted"), "{progress}");
}

#[test]
fn failures_are_shown_with_what_to_do_and_text_of_the_manifest_is_escaped() {
    let bench = Bench::with("device_id\nCAM-1\n<script>alert(1)</script>\nCAM-2\n");
    let cloud = Cloud::faulty(&["500=first:1@create"]);
    let call = bench.provision(cloud.url()).args(&["--max-attempts", "1"]);
    let (running, url) = lingering(call);
    let page = get(&url, "/").body;
    assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert!(!page.contains("<script>alert"), "{page}");
    assert!(page.contains("InvalidRow"), "{page}");
    assert!(
        page.contains("correct the manifest&#39;s row")
            || page.contains("correct the manifest's row"),
        "{page}"
    );
    assert!(page.contains("InternalFailure"), "{page}");
    let metrics = get(&url, "/metrics").body;
    let failed = "kvs_fleet_devices_finished_total{status=\"failed\"} 1";
    assert!(metrics.contains(failed), "{metrics}");
    assert!(metrics.contains("outcome=\"server_error\"} 1"), "{metrics}");
    interrupted(running).exits(3);
}

#[test]
fn a_region_that_ends_early_says_why() {
    let bench = Bench::with("device_id,region\nA,us-east-1\nB,\nC,\nD,\nE,\n");
    let cloud = Cloud::with(|settings| settings.channel_limit = 2);
    let (running, url) = lingering(bench.provision(cloud.url()));
    let page = get(&url, "/").body;
    assert!(page.contains("channel limit reached"), "{page}");
    assert!(page.contains(">done</td>"), "{page}");
    interrupted(running).exits(1);
}

#[test]
fn metrics_have_the_format_that_is_asked_for() {
    let (bench, cloud) = (Bench::of(3), Cloud::new());
    let (running, url) = lingering(bench.provision(cloud.url()));
    let host = format!("Host: {}\r\n", authority(&url));
    let accept =
        format!("{host}Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n");
    let open = ask(&url, "GET /metrics", &accept);
    assert!(
        open.head.contains("application/openmetrics-text"),
        "{}",
        open.head
    );
    assert!(
        open.body.contains("# TYPE kvs_fleet_run info\n"),
        "{}",
        open.body
    );
    assert!(open.body.ends_with("# EOF\n"), "{}", open.body);
    let plain = ask(&url, "GET /metrics", &format!("{host}Accept: */*\r\n"));
    assert!(
        plain.head.contains("text/plain; version=0.0.4"),
        "{}",
        plain.head
    );
    let counter = "# TYPE kvs_fleet_devices_finished_total counter\n";
    assert!(plain.body.contains(counter), "{}", plain.body);
    interrupted(running).exits(0);
}

#[test]
fn only_reading_by_a_name_of_this_computer_is_answered() {
    let (bench, cloud) = (Bench::of(3), Cloud::new());
    let (running, url) = lingering(bench.provision(cloud.url()));
    let port = authority(&url).rsplit(':').next().unwrap().to_owned();
    for (line, host, status) in [
        ("GET /", format!("localhost:{port}"), 200),
        ("HEAD /", format!("[::1]:{port}"), 200),
        ("GET /", format!("evil.example:{port}"), 421),
        ("GET http://evil.example/", format!("localhost:{port}"), 421),
        ("GET /status.json", String::new(), 421),
        ("POST /", format!("localhost:{port}"), 405),
        ("DELETE /events", format!("localhost:{port}"), 405),
        ("GET /etc/passwd", format!("localhost:{port}"), 404),
        ("GET /../d.csv", format!("localhost:{port}"), 404),
        ("GET /favicon.ico", format!("localhost:{port}"), 204),
    ] {
        let answer = ask(&url, line, &format!("Host: {host}\r\n"));
        assert_eq!(answer.status, status, "{line} {host}");
        for header in ["cache-control: no-store", "x-content-type-options: nosniff"] {
            assert!(answer.head.contains(header), "{line}: {}", answer.head);
        }
    }
    let page = get(&url, "/");
    let policy = page
        .head
        .lines()
        .find(|line| line.starts_with("content-security-policy"));
    let policy = policy.unwrap();
    for part in [
        "default-src 'none'",
        "script-src 'sha256-",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    for outside in ["https://", "src=\"", "@import", "url("] {
        assert!(!page.body.contains(outside), "{outside}");
    }
    interrupted(running).exits(0);
}

#[test]
fn an_address_that_cannot_be_served_is_refused_before_anything_is_sent() {
    let (bench, cloud) = (Bench::of(3), Cloud::new());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (address, expected) in [
        (taken.as_str(), "the port is in use"),
        ("0.0.0.0:0", "Give --allow-remote if that is intended"),
        ("[::]:0", "--allow-remote"),
        ("192.0.2.1:80", "--allow-remote"),
        ("no-such-host.invalid:80", "no-such-host.invalid:80"),
    ] {
        let call = bench
            .provision(cloud.url())
            .args(&["--summary-json", "s.json"]);
        let call = call.args(&["--serve", address, "--serve-linger", "1h"]);
        call.run().exits(2).says("--serve").says(expected);
        assert_eq!(bench.json("s.json")["reason"], "serve");
    }
    let nonsense = bench.provision(cloud.url()).args(&["--serve", "here"]);
    nonsense.run().exits(2).says("expected ADDRESS:PORT");
    assert_eq!(cloud.all_requests(), 0);
    assert!(!bench.has("d.results.csv"));
    // Without a page there is nothing that could stay.
    let alone = bench.provision(cloud.url()).args(&["--serve-linger", "1h"]);
    alone.run().exits(0).says("--serve-linger has no effect");
}

#[test]
fn a_run_that_is_refused_has_no_page_that_stays() {
    let (bench, cloud) = (Bench::with("no_id\nCAM-1\n"), Cloud::new());
    let call = bench.provision(cloud.url());
    let call = call.args(&["--serve", "127.0.0.1:0", "--serve-linger", "1h"]);
    call.run().exits(2).does_not_say("stays");
}

#[test]
fn a_rerun_with_nothing_to_do_has_its_page() {
    let (bench, cloud) = (Bench::of(3), Cloud::new());
    bench.provision(cloud.url()).run().exits(0);
    let mut call = bench
        .provision(cloud.url())
        .args(&["--serve", "127.0.0.1:0"]);
    call = call.args(&["--serve-linger", "1h"]);
    let mut running = call.start();
    let url = running.until_it_names("the live page stays for 1h 0m, or until Ctrl-C: ");
    let status = get(&url, "/status.json").json();
    assert_eq!(status["devices"]["done_before"], 3);
    assert_eq!(status["live"]["done"], 3);
    interrupted(running).exits(0);
}

#[test]
fn verify_and_rollback_have_a_page() {
    let (bench, cloud) = (Bench::of(3), Cloud::new());
    bench.provision(cloud.url()).run().exits(0);
    cloud.delete("CAM-0002");
    let on = |command: &[&str]| {
        let call = bench.call(command);
        call.args(&["d.results.csv", "--endpoint-url", cloud.url()])
    };
    let (running, url) = lingering(on(&["verify"]));
    let page = get(&url, "/").body;
    assert!(page.contains("Verifying signaling channels"), "{page}");
    assert!(
        page.contains("2 of 3 channels as the results say"),
        "{page}"
    );
    assert!(page.contains("CAM-0002"), "{page}");
    let status = get(&url, "/status.json").json();
    assert_eq!(status["exit_code"], 3);
    // Nothing is created by another run.
    assert_eq!(status["remaining"], 0);
    interrupted(running).exits(3);
    let (running, url) = lingering(on(&["rollback", "--yes"]));
    let status = get(&url, "/status.json").json();
    assert_eq!(status["command"], "rollback");
    assert_eq!(status["devices"]["deleted"], 3);
    assert_eq!(status["remaining"], 0);
    let page = get(&url, "/").body;
    assert!(page.contains("Deleting signaling channels"), "{page}");
    interrupted(running).exits(0);
}

#[test]
fn nothing_that_is_served_has_a_secret() {
    let (bench, cloud) = (Bench::of(3), Cloud::new());
    let mut call = bench.provision(cloud.url());
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "AKIASERVESERVESERVE1"),
        ("AWS_SECRET_ACCESS_KEY", "secret-of-the-key"),
        ("AWS_SESSION_TOKEN", "secret-of-the-session"),
        ("KVS_FLEET_EXTERNAL_ID", ""),
    ] {
        call = call.env(name, value);
    }
    let (running, url) = lingering(call);
    for path in ["/", "/status.json", "/metrics"] {
        let answer = get(&url, path);
        assert_eq!(answer.status, 200);
        assert!(!answer.body.contains("secret-of"), "{path}");
        assert!(!answer.body.contains("AKIASERVE"), "{path}");
    }
    interrupted(running).exits(0);
}

#[test]
fn answers_are_counted_once_and_repeated_requests_are_shown() {
    let (bench, cloud) = (Bench::of(20), Cloud::faulty(&["503=first:7@endpoint"]));
    bench.provision(cloud.url()).run().exits(0);
    let call = bench.call(&["verify", "d.results.csv", "--endpoint-url", cloud.url()]);
    let (running, url) = lingering(call.args(&["--endpoints"]));
    let status = get(&url, "/status.json").json();
    assert_eq!(status["live"]["done"], 20, "{status}");
    assert_eq!(status["live"]["total"], 20);
    assert_eq!(status["live"]["retries"], 7);
    let page = get(&url, "/").body;
    assert!(
        page.contains("GetSignalingChannelEndpoint in eu-central-1 is tried again"),
        "{page}"
    );
    interrupted(running).exits(0);
}

#[test]
fn many_requests_in_one_connection_are_all_answered() {
    let (bench, cloud) = (Bench::of(3), Cloud::new());
    let (running, url) = lingering(bench.provision(cloud.url()));
    let mut stream = TcpStream::connect(authority(&url)).unwrap();
    let host = authority(&url);
    let one = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let last = format!("GET /status.json HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream
        .write_all((one.repeat(20) + &last).as_bytes())
        .unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 21);
    interrupted(running).exits(0);
}
