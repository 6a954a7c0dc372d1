//! Several Regions, one of which does not answer.

use crate::support::{Act, Bench, Cloud, Wire, bare, forward};

const MANIFEST: &str =
    "device_id,region\nCAM-1,eu-central-1\nCAM-2,us-west-2\nCAM-3,eu-central-1\n";

/// A service that gives this answer to every request in one Region.
fn without(region: &'static str, cloud: &Cloud, act: Act) -> Wire {
    let url = cloud.url().to_owned();
    Wire::new(move |request, _| {
        let scope = request.header("Authorization").unwrap_or_default();
        if scope.contains(region) && request.path != "/" {
            return act.clone();
        }
        forward(&url, request)
    })
}

/// The answer of a proxy for an unreachable host.
fn bad_gateway() -> Act {
    bare(
        502,
        "Content-Type: text/html\r\n",
        "<html>no such host</html>",
    )
}

#[test]
fn the_other_regions_finish_and_the_remaining_devices_are_reported() {
    let bench = Bench::with(MANIFEST);
    let cloud = Cloud::new();
    let wire = without("us-west-2", &cloud, bad_gateway());
    bench
        .provision(wire.url())
        .args(&["--summary-json", "s.json"])
        .run()
        .exits(1)
        .says("the service in us-west-2 cannot be reached")
        .says("the other Regions continue")
        .says("1 to go in us-west-2")
        .does_not_say("to go in eu-central-1");
    assert_eq!(bench.statuses(), ["CAM-1 created", "CAM-3 created"]);
    let summary = bench.json("s.json");
    assert_eq!(summary["reason"], "unreachable");
    assert_eq!(summary["retryable"], true);
    assert_eq!(summary["remaining"], 1);
    assert_eq!(summary["remaining_by_region"]["us-west-2"], 1);
    assert_eq!(summary["remaining_by_region"]["eu-central-1"], 0);
    // A rerun creates the remaining channels.
    bench.provision(cloud.url()).run().exits(0);
    assert_eq!(bench.statuses().len(), 3);
}

#[test]
fn verify_and_recheck_continue_in_the_other_regions() {
    let bench = Bench::with(MANIFEST);
    let cloud = Cloud::new();
    bench.provision(cloud.url()).run().exits(0);
    cloud.delete("CAM-3");
    let wire = without("us-west-2", &cloud, bad_gateway());
    let verify = ["verify", "d.results.csv", "--endpoint-url", wire.url()];
    let done = bench.call(&verify).run().exits(1);
    let done = done.says("the service in us-west-2 cannot be reached");
    for part in [
        "'CAM-2' in us-west-2: unverified",
        "'CAM-3' in eu-central-1: missing",
        "1 of 3 channels",
    ] {
        assert!(done.stdout.contains(part), "{part}: {done}");
    }
    let call = bench
        .provision(wire.url())
        .args(&["--recheck", "--summary-json", "s.json"]);
    call.run().exits(1).says("1 of 3 channels no longer there");
    assert_eq!(bench.json("s.json")["reason"], "unreachable");
    assert_eq!(cloud.creates(), 4);
    // Nothing is left to do, but one Region was not checked.
    let call = bench.provision(wire.url()).args(&["--recheck"]);
    call.run().exits(1).says("0 of 3 channels no longer there");
    bench
        .provision(cloud.url())
        .args(&["--recheck"])
        .run()
        .exits(0);
}

#[test]
fn plan_reports_the_region_that_does_not_answer() {
    let bench = Bench::with(MANIFEST);
    let cloud = Cloud::new();
    let wire = without("us-west-2", &cloud, bad_gateway());
    let done = bench
        .call(&["plan", "d.csv", "--online", "--json"])
        .args(&["--endpoint-url", wire.url()])
        .run()
        .exits(1);
    let plan: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    let trouble = plan["regions"]["us-west-2"]["trouble"].as_str().unwrap();
    assert!(trouble.contains("cannot be reached"), "{trouble}");
    assert_eq!(plan["regions"]["eu-central-1"]["existing"], 0);
}
