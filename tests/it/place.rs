//! The wrong place: another account, Region, name, service or process. Refused with exit 2, no create sent, and the
//! results file as it was.

use crate::support::{Bench, Call, Cloud, REGION, Wire, answer, finished, results};

const EMULATOR: &str = "000000000000";
const SOMEBODY: &str = "123456789012";

/// A folder whose results say that `CAM-0001` is done, with two devices to do.
fn half_done() -> (Bench, Cloud) {
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    bench.provision(cloud.url()).run().exits(0);
    bench.write("d.csv", crate::support::devices(1..=3));
    (bench, cloud)
}

/// Runs it and checks that it is refused in these words, that no channel was made, and that no file changed.
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
fn another_region() {
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
fn renamed_channels() {
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
fn the_emulators_results_against_aws() {
    let (bench, cloud) = half_done();
    let call = bench
        .call(&["provision", "d.csv", "--region", REGION])
        .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "secret");
    refused(&bench, &cloud, call, &["emulator", "d.results.csv"]);
}

#[test]
fn results_of_aws_against_the_emulator() {
    let bench = Bench::of(2);
    bench.write(
        "d.results.csv",
        results(&[finished("CAM-0001", "created", SOMEBODY)]),
    );
    let cloud = Cloud::new();
    let call = bench.call(&["provision", "d.csv", "--emulator", "-o", "d.results.csv"]);
    refused(&bench, &cloud, call, &[SOMEBODY]);
    // An emulator in another process says who it is.
    let call = bench.provision(cloud.url());
    refused(&bench, &cloud, call, &[SOMEBODY, EMULATOR]);
}

/// The service behind an endpoint that does not say whose account it works for.
fn nameless(cloud: &Cloud) -> Wire {
    let url = cloud.url().to_owned();
    Wire::new(move |request, _| match request.path.as_str() {
        "/" => answer(404, Some("UnknownOperationException"), "{}"),
        _ => crate::support::forward(&url, request),
    })
}

#[test]
fn an_endpoint_that_does_not_say_who_it_is_is_known_by_its_first_arn() {
    let bench = Bench::of(2);
    bench.write(
        "d.results.csv",
        results(&[finished("CAM-0001", "created", SOMEBODY)]),
    );
    let cloud = Cloud::new();
    cloud.make_all(["OTHER"]);
    let wire = nameless(&cloud);
    let before = bench.files();
    bench
        .provision(wire.url())
        .run()
        .exits(2)
        .says(SOMEBODY)
        .says(EMULATOR);
    assert!(wire.creates().is_empty());
    assert_eq!(bench.files(), before);
}

#[test]
fn a_guard_that_cannot_be_checked_refuses() {
    let bench = Bench::of(2);
    let cloud = Cloud::new();
    let wire = nameless(&cloud);
    for account in [SOMEBODY, EMULATOR] {
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
    // What is listed tells.
    cloud.make_all(["OTHER"]);
    let call = || bench.provision(wire.url());
    call().args(&["--account", SOMEBODY]).run().exits(2);
    assert_eq!(cloud.creates(), 1);
    call().args(&["--account", EMULATOR]).run().exits(0);
}

#[test]
fn channels_made_in_another_account_are_said_with_what_to_do() {
    let bench = Bench::of(4);
    bench.write(
        "d.results.csv",
        results(&[finished("CAM-0001", "created", SOMEBODY)]),
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
fn another_account_than_the_one_that_was_meant() {
    let (bench, cloud) = half_done();
    let call = bench.provision(cloud.url()).args(&["--account", SOMEBODY]);
    refused(&bench, &cloud, call, &[SOMEBODY, EMULATOR]);
    let fresh = Bench::of(2);
    let call = fresh.provision(cloud.url()).args(&["--account", SOMEBODY]);
    refused(&fresh, &cloud, call, &[SOMEBODY, EMULATOR]);
    assert!(!fresh.has("d.results.csv"));
    bench
        .provision(cloud.url())
        .args(&["--account", EMULATOR])
        .run()
        .exits(0);
}

#[test]
fn results_that_another_process_is_writing() {
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
        // By another name as well.
        std::os::unix::fs::symlink("d.results.csv", bench.path("link.csv")).unwrap();
        let call = bench.provision(cloud.url()).args(&["-o", "link.csv"]);
        refused(&bench, &cloud, call, &["another process"]);
    }
    first.say("CAM-0002\n");
    first.wait().exits(0);
    // Then it is free.
    bench
        .provision(cloud.url())
        .run()
        .exits(0)
        .says("nothing to do");
}

#[test]
fn the_first_line_says_where_the_run_is() {
    let (bench, cloud) = half_done();
    let done = bench.provision(cloud.url()).run().exits(0);
    let first = done.stderr.lines().next().unwrap();
    for part in ["NOT AWS", EMULATOR, "arn:aws:sts::", REGION, cloud.url()] {
        assert!(first.contains(part), "{part} not in {first}");
    }
}
