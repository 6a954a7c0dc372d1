//! `verify`: compares the results file with the service.

use kvs_fleet::emulator::operation::ApiOperation;

use crate::support::{Bench, Cloud, Done, Wire, answer, finished, forward, results};

/// A provisioned batch and its service.
fn provisioned(count: usize, more: &[&str]) -> (Bench, Cloud) {
    let (bench, cloud) = (Bench::of(count), Cloud::new());
    bench.provision(cloud.url()).args(more).run().exits(0);
    (bench, cloud)
}

fn verify(bench: &Bench, url: &str, more: &[&str]) -> Done {
    let before = bench.files();
    let call = bench.call(&["verify", "d.results.csv", "--endpoint-url", url]);
    let done = call.args(more).run();
    assert_eq!(bench.files(), before, "{done}");
    done
}

fn json(done: &Done) -> serde_json::Value {
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done}"))
}

#[test]
fn a_matching_service_is_listed_once_for_each_region() {
    let (bench, cloud) = provisioned(30, &[]);
    let before = cloud.all_requests();
    let done = verify(&bench, cloud.url(), &[]).exits(0);
    assert!(
        done.stdout.contains("30 of 30 channels as the results say"),
        "{done}"
    );
    // One identity request, and one page.
    assert!(
        cloud.all_requests() - before <= 2,
        "{}",
        cloud.all_requests() - before
    );
}

#[test]
fn missing_and_recreated_channels_are_reported() {
    let (bench, cloud) = provisioned(5, &[]);
    cloud.delete("CAM-0002");
    cloud.delete("CAM-0004");
    cloud.make(r#"{"ChannelName":"CAM-0004"}"#);
    let done = verify(&bench, cloud.url(), &[]).exits(3);
    for part in [
        "'CAM-0002' in eu-central-1: missing",
        "'CAM-0004' in eu-central-1: recreated",
        "3 of 5 channels",
    ] {
        assert!(done.stdout.contains(part), "{part}: {done}");
    }
    let found = json(&verify(&bench, cloud.url(), &["--json"]).exits(3));
    assert_eq!(found["schema"], 1);
    assert_eq!(
        (&found["claimed"], &found["verified"]),
        (&5.into(), &3.into())
    );
    assert_eq!(found["account"], "000000000000");
    assert_eq!(found["results_sha256"].as_str().map(str::len), Some(64));
    let kinds: Vec<_> = found["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["kind"])
        .collect();
    assert_eq!(kinds, ["missing", "made-again"]);
    assert_eq!(found["differences"][0]["account"], "000000000000");
}

#[test]
fn ttl_and_tags_are_compared_with_the_manifest() {
    let (bench, cloud) = provisioned(3, &["--message-ttl", "30", "--tag", "Line=7"]);
    let manifest = ["--manifest", "d.csv", "--tags"];
    verify(&bench, cloud.url(), &manifest).exits(0);
    cloud.delete("CAM-0001");
    let arn = cloud.make(r#"{"ChannelName":"CAM-0001","Tags":[{"Key":"Line","Value":"8"}]}"#);
    let old = bench.row("CAM-0001")["channel_arn"].clone();
    let text = bench.read("d.results.csv").replace(&old, &arn);
    bench.write("d.results.csv", text);
    let done = verify(&bench, cloud.url(), &manifest).exits(3);
    for part in ["message TTL", "Line=7", "Line=8", "2 of 3 channels"] {
        assert!(done.stdout.contains(part), "{part}: {done}");
    }
    verify(&bench, cloud.url(), &[]).exits(0);
}

#[test]
fn channels_that_are_not_active_are_reported() {
    let (bench, cloud) = (
        Bench::of(2),
        Cloud::with(|settings| settings.active_after = std::time::Duration::from_hours(1)),
    );
    bench.provision(cloud.url()).run().exits(0);
    let done = verify(&bench, cloud.url(), &[]).exits(3);
    assert!(
        done.stdout.contains("not ACTIVE") && done.stdout.contains("CREATING"),
        "{done}"
    );
}

#[test]
fn throttles_and_errors_are_retried() {
    let (bench, cloud) = (
        Bench::of(20),
        Cloud::faulty(&[
            "throttle=30%@list",
            "503=each:2@describe",
            "reset-before=20%@list-tags",
        ]),
    );
    bench
        .provision(cloud.url())
        .args(&["--tag", "A=b"])
        .run()
        .exits(0);
    cloud.delete("CAM-0007");
    let done = verify(&bench, cloud.url(), &["--manifest", "d.csv", "--tags"]).exits(3);
    assert!(done.stdout.contains("19 of 20 channels"), "{done}");
    assert!(done.stdout.contains("'CAM-0007'"), "{done}");
}

#[test]
fn rows_without_a_channel_are_counted_without_a_request() {
    let bench = Bench::new();
    bench.write(
        "d.results.csv",
        results(&["CAM-1,CAM-1,,eu-central-1,failed,,1,,,Timeout,,".to_owned()]),
    );
    let done = verify(&bench, "http://127.0.0.1:9", &[]).exits(0);
    assert!(done.stdout.contains("1 row failed"), "{done}");
}

#[test]
fn other_files_are_refused() {
    let own = finished("CAM-0001", "created", "000000000000");
    let aws = finished("CAM-0001", "created", "123456789012");
    let cloud = Cloud::new();
    for (content, says) in [
        (None, "does not exist"),
        (Some(String::new()), "empty"),
        (Some("a,b,c\n1,2,3\n".to_owned()), "not a results file"),
        (
            Some(results(&[own.clone(), "x,y".to_owned(), own.clone()])),
            "line 3",
        ),
        (Some(results(&[aws])), "123456789012"),
    ] {
        let bench = Bench::new();
        if let Some(content) = content {
            bench.write("d.results.csv", content);
        }
        let done = verify(&bench, cloud.url(), &[]).exits(2);
        assert!(done.stderr.contains(says), "{says}: {done}");
        assert_eq!(done.stdout, "");
    }
    let bench = Bench::new();
    bench.write("d.results.csv", results(&[own]));
    let done = bench.call(&["verify", "d.results.csv"]).run().exits(2);
    assert!(done.stderr.contains("emulator"), "{done}");
}

#[test]
fn a_torn_tail_is_skipped_and_reported() {
    let (bench, cloud) = provisioned(2, &[]);
    bench.append("d.results.csv", "CAM-0009,CAM");
    let done = verify(&bench, cloud.url(), &[]).exits(0);
    assert!(done.stderr.contains("incomplete record"), "{done}");
    assert!(done.stdout.contains("2 of 2"), "{done}");
}

#[test]
fn an_unreachable_service_is_an_error() {
    let (bench, cloud) = provisioned(1, &[]);
    drop(cloud);
    let done = verify(&bench, "http://127.0.0.1:9", &[]).exits(1);
    assert_eq!(done.stdout, "");
}

#[test]
fn channels_are_described_one_by_one_if_the_listing_is_denied() {
    let (bench, cloud) = (
        Bench::of(3),
        Cloud::with(|settings| settings.deny_outside = Some("CAM-".to_owned())),
    );
    bench.provision(cloud.url()).run();
    let done = verify(&bench, cloud.url(), &[]);
    assert_eq!(done.code, Some(0), "{done}");
    assert!(done.stdout.contains("3 of 3"), "{done}");
}

#[test]
fn endpoints_and_ice_servers_can_be_checked() {
    let (bench, cloud) = provisioned(4, &[]);
    verify(&bench, cloud.url(), &["--endpoints"])
        .exits(0)
        .stdout
        .contains("4 channels with endpoints")
        .then_some(())
        .unwrap();
    assert_eq!(cloud.requests(ApiOperation::Endpoint), 4);
    assert_eq!(cloud.requests(ApiOperation::Ice), 0);
    let done = verify(&bench, cloud.url(), &["--ice", "--json"]).exits(0);
    let found = json(&done);
    let usable = found["usable"].as_array().unwrap();
    assert_eq!(usable.len(), 4);
    let first = &usable[0];
    assert_eq!(first["account"], "000000000000");
    assert_eq!(first["device_id"], "CAM-0001");
    assert!(first["wss"].as_str().unwrap().starts_with("ws://"));
    let servers = first["ice_servers"].to_string();
    assert!(
        servers.contains("stun:") && servers.contains("turn:"),
        "{servers}"
    );
    // The emulator's TURN credentials.
    for secret in ["not-a-secret", "Password", "Username"] {
        assert!(
            !done.stdout.contains(secret) && !done.stderr.contains(secret),
            "{done}"
        );
    }
    assert_eq!(cloud.requests(ApiOperation::Ice), 4);
}

#[test]
fn a_channel_without_usable_endpoints_is_reported() {
    let (bench, cloud) = provisioned(3, &[]);
    let url = cloud.url().to_owned();
    let wire = Wire::new(move |request, _| {
        let is_for = |device: &str| request.body.contains(device);
        match &*request.path {
            "/getSignalingChannelEndpoint" if is_for("CAM-0001") => {
                answer(403, Some("AccessDeniedException"), r#"{"Message":"no"}"#)
            }
            "/getSignalingChannelEndpoint" if is_for("CAM-0003") => answer(
                200,
                None,
                r#"{"ResourceEndpointList":[{"Protocol":"WSS","ResourceEndpoint":"wss://x"},{"Protocol":"HTTPS","ResourceEndpoint":"http://example.com"}]}"#,
            ),
            "/v1/get-ice-server-config" => answer(
                200,
                None,
                r#"{"IceServerList":[{"Uris":["stun:s"],"Password":"p"}]}"#,
            ),
            _ => forward(&url, request),
        }
    });
    let text = |flag: &str| verify(&bench, wire.url(), &[flag]).exits(3).stdout;
    let endpoints = text("--endpoints");
    assert!(
        endpoints.contains("'CAM-0001' in eu-central-1: no endpoints"),
        "{endpoints}"
    );
    assert!(
        endpoints.contains("AccessDeniedException: no"),
        "{endpoints}"
    );
    assert!(endpoints.contains("2 of 3 channels"), "{endpoints}");
    let ice = text("--ice");
    assert!(
        ice.contains("'CAM-0003' in eu-central-1: no TURN server"),
        "{ice}"
    );
    assert!(ice.contains("'http://example.com' is not used"), "{ice}");
    assert!(ice.contains("1 of 3 channels"), "{ice}");
}
