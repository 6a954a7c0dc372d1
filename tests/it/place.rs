//! Another account, Region, name, service or process: the run is refused with exit code 2, without a create and without
//! a change of the results file.

use crate::support::{Bench, Call, Cloud, REGION, Wire, answer, finished, results};

const EMULATOR: &str = "000000000000";
const OTHER_ACCOUNT: &str = "123456789012";

/// A folder whose results have `CAM-0001` as created, with two devices to do.
fn half_done() -> (Bench, Cloud) {
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    bench.provision(cloud.url()).run().exits(0);
    bench.write("d.csv", crate::support::devices(1..=3));
    (bench, cloud)
}

/// Asserts that a run is refused with this message, creates no channel and changes no file.
#[track_caller]
fn refused(bench: &Bench, cloud: &Cloud, call: Call, reasons: &[&str]) {
    let (before, creates) = (bench.files(), cloud.creates());
    let mut done = call.run().exits(2);
    for reason in reasons {
        done = done.says(reason);
    }
    assert_eq!(cloud.creates(), creates);
    assert_eq!(bench.files(), before);
}

#[test]
fn results_of_another_region_are_refused() {
    let (bench, cloud) = half_done();
    let call = bench.call(&[
        "provision",
        "d.csv",
        "--endpoint-url",
        cloud.url(),
        "--region",
        "us-east-1",
    ]);
    refused(
        &bench,
        &cloud,
        call,
        &["'CAM-0001'", REGION, "us-east-1", "line 2"],
    );
}

#[test]
fn results_with_other_channel_names_are_refused() {
    let (bench, cloud) = half_done();
    let call = bench.provision(cloud.url()).args(&[
        "--channel-name",
        "cam-{device_id}",
        "--allow-changed",
    ]);
    refused(&bench, &cloud, call, &["'CAM-0001'", "'cam-CAM-0001'"]);
    bench.write(
        "d.csv",
        "device_id,channel_name\nCAM-0002,\nCAM-0001,gate\n",
    );
    let call = bench.provision(cloud.url());
    refused(&bench, &cloud, call, &["line 3", "'CAM-0001'", "'gate'"]);
}

#[test]
fn emulator_results_are_refused_for_aws() {
    let (bench, cloud) = half_done();
    let call = bench
        .call(&["provision", "d.csv", "--region", REGION])
        .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "secret");
    refused(&bench, &cloud, call, &["emulator", "d.results.csv"]);
}

#[test]
fn aws_results_are_refused_for_the_emulator() {
    let bench = Bench::of(2);
    bench.write(
        "d.results.csv",
        results(&[finished("CAM-0001", "created", OTHER_ACCOUNT)]),
    );
    let cloud = Cloud::new();
    let call = bench.call(&["provision", "d.csv", "--emulator", "-o", "d.results.csv"]);
    refused(&bench, &cloud, call, &[OTHER_ACCOUNT]);
    // A separate emulator returns its account.
    let call = bench.provision(cloud.url());
    refused(&bench, &cloud, call, &[OTHER_ACCOUNT, EMULATOR]);
}

/// The service behind an endpoint that does not return its account.
fn nameless(cloud: &Cloud) -> Wire {
    let url = cloud.url().to_owned();
    Wire::new(move |request, _| match request.path.as_str() {
        "/" => answer(404, Some("UnknownOperationException"), "{}"),
        _ => crate::support::forward(&url, request),
    })
}

#[test]
fn the_account_of_an_endpoint_without_identity_comes_from_its_first_arn() {
    let bench = Bench::of(2);
    bench.write(
        "d.results.csv",
        results(&[finished("CAM-0001", "created", OTHER_ACCOUNT)]),
    );
    let cloud = Cloud::new();
    cloud.make_all(["OTHER"]);
    let wire = nameless(&cloud);
    let before = bench.files();
    bench
        .provision(wire.url())
        .run()
        .exits(2)
        .says(OTHER_ACCOUNT)
        .says(EMULATOR);
    assert!(wire.creates().is_empty());
    assert_eq!(bench.files(), before);
}

#[test]
fn an_account_flag_that_cannot_be_checked_is_refused() {
    let bench = Bench::of(2);
    let cloud = Cloud::new();
    let wire = nameless(&cloud);
    for account in [OTHER_ACCOUNT, EMULATOR] {
        let guarded = |call: Call| call.args(&["--account", account]);
        let file = bench.provision(wire.url());
        let stream = || {
            bench
                .call(&["provision", "-", "-o", "d.results.csv"])
                .args(&["--endpoint-url", wire.url()])
                .input("device_id,region\nA,eu-central-1\n")
        };
        for call in [
            file,
            bench.provision(wire.url()).args(&["--no-reconcile"]),
            stream().args(&["--region", REGION]),
            stream(),
        ] {
            let done = guarded(call).run().exits(2);
            done.says("--account").says("cannot be checked");
        }
    }
    assert_eq!(cloud.creates(), 0);
    // The listing shows the account.
    cloud.make_all(["OTHER"]);
    let call = || bench.provision(wire.url());
    call().args(&["--account", OTHER_ACCOUNT]).run().exits(2);
    assert_eq!(cloud.creates(), 1);
    call().args(&["--account", EMULATOR]).run().exits(0);
}

#[test]
fn channels_created_in_another_account_are_reported_with_instructions() {
    let bench = Bench::of(4);
    bench.write(
        "d.results.csv",
        results(&[finished("CAM-0001", "created", OTHER_ACCOUNT)]),
    );
    let cloud = Cloud::new();
    let wire = nameless(&cloud);
    bench
        .provision(wire.url())
        .args(&["--workers", "1"])
        .run()
        .exits(1)
        .says("rows of this run whose channel_arn names the account 000000000000")
        .says("delete their rows");
    assert!(cloud.creates() > 0);
    bench.provision(wire.url()).run().exits(2);
}

#[test]
fn a_run_in_another_account_than_account_names_is_refused() {
    let (bench, cloud) = half_done();
    let call = bench
        .provision(cloud.url())
        .args(&["--account", OTHER_ACCOUNT]);
    refused(&bench, &cloud, call, &[OTHER_ACCOUNT, EMULATOR]);
    let fresh = Bench::of(2);
    let call = fresh
        .provision(cloud.url())
        .args(&["--account", OTHER_ACCOUNT]);
    refused(&fresh, &cloud, call, &[OTHER_ACCOUNT, EMULATOR]);
    assert!(!fresh.has("d.results.csv"));
    bench
        .provision(cloud.url())
        .args(&["--account", EMULATOR])
        .run()
        .exits(0);
}

#[test]
fn results_locked_by_another_process_are_refused() {
    let bench = Bench::of(2);
    let cloud = Cloud::new();
    let mut first = bench
        .provision_file("-", cloud.url())
        .args(&["-o", "d.results.csv", "--json"])
        .start();
    first.say("device_id\nCAM-0001\n");
    first.line();
    let call = bench.provision(cloud.url());
    refused(&bench, &cloud, call, &["d.results.csv", "another process"]);
    #[cfg(unix)]
    {
        // Also by another path of the same file.
        std::os::unix::fs::symlink("d.results.csv", bench.path("link.csv")).unwrap();
        let call = bench.provision(cloud.url()).args(&["-o", "link.csv"]);
        refused(&bench, &cloud, call, &["another process"]);
    }
    first.say("CAM-0002\n");
    first.wait().exits(0);
    // Then the lock is free.
    bench
        .provision(cloud.url())
        .run()
        .exits(0)
        .says("nothing to do");
}

#[test]
fn the_first_line_reports_account_region_and_endpoint() {
    let (bench, cloud) = half_done();
    let done = bench.provision(cloud.url()).run().exits(0);
    let first = done.stderr.lines().next().unwrap();
    for part in ["NOT AWS", EMULATOR, "arn:aws:sts::", REGION, cloud.url()] {
        assert!(first.contains(part), "{part} not in {first}");
    }
}
