//! Several accounts in one run.

use kvs_fleet::domain::device::AccountId;

use crate::support::{Bench, Call, Cloud};

const ROLE: [&str; 2] = ["--role-arn", "arn:aws:iam::{account}:role/kvs-fleet"];
const ACCOUNTS: [&str; 3] = ["111122223333", "444455556666", "777788889999"];

/// Two devices in each of three accounts, in two Regions.
fn manifest() -> String {
    let rows = ACCOUNTS.map(|account| {
        format!("{account}-a,{account},eu-central-1\n{account}-b,{account},us-east-1\n")
    });
    format!("device_id,account,region\n{}", rows.concat())
}

fn call(bench: &Bench, cloud: &Cloud, arguments: &[&str]) -> Call {
    bench.call(arguments).args(&["--endpoint-url", cloud.url()])
}

fn provision(bench: &Bench, cloud: &Cloud) -> Call {
    bench.provision(cloud.url()).args(&ROLE)
}

/// The rows, each of which is of a created channel.
fn created(bench: &Bench) -> usize {
    let statuses = bench.statuses();
    let is_created = |row: &String| row.ends_with(" created");
    assert!(statuses.iter().all(is_created), "{statuses:?}");
    statuses.len()
}

fn deny(account: &str) -> Cloud {
    Cloud::with(|settings| settings.deny_accounts = vec![AccountId::parse(account).unwrap()])
}

#[test]
fn each_device_gets_its_channel_in_its_account() {
    let bench = Bench::with(&(manifest() + "own,,us-east-1\n"));
    let cloud = Cloud::new();
    provision(&bench, &cloud)
        .args(&["--summary-json", "s.json"])
        .run()
        .exits(0)
        .says("4 accounts");
    for account in ACCOUNTS.into_iter().chain(["000000000000"]) {
        let device = match account {
            "000000000000" => "own".to_owned(),
            account => format!("{account}-b"),
        };
        let arn = bench.row(&device)["channel_arn"].clone();
        let expected = format!("arn:aws:kinesisvideo:us-east-1:{account}:channel/{device}/");
        assert!(arn.starts_with(&expected), "{arn}");
    }
    assert_eq!(
        bench.json("s.json")["accounts"].as_array().unwrap().len(),
        4
    );
    let done = provision(&bench, &cloud).run().exits(0);
    done.says("nothing to do");
    let results = |command: &str| call(&bench, &cloud, &[command, "d.results.csv"]).args(&ROLE);
    let verified = results("verify").run().exits(0);
    assert!(verified.stdout.contains("7 of 7 channels"), "{verified}");
    results("rollback")
        .args(&["--yes"])
        .run()
        .exits(0)
        .says("7 of 7 deleted");
    let verified = results("verify").run().exits(0);
    assert!(verified.stdout.contains("7 rows deleted"), "{verified}");
}

#[test]
fn an_account_that_cannot_be_used_ends_alone() {
    let bench = Bench::with(&manifest());
    let denying = deny(ACCOUNTS[1]);
    provision(&bench, &denying)
        .args(&["--summary-json", "s.json"])
        .run()
        .exits(1)
        .says("account 444455556666: the role arn:aws:iam::444455556666:role/kvs-fleet cannot be assumed")
        .says("2 to go in account 444455556666 (role-denied)");
    let summary = bench.json("s.json");
    let of_each = summary["accounts"].as_array().unwrap().iter();
    let reasons: Vec<_> = of_each
        .map(|account| (account["reason"].as_str().unwrap(), &account["remaining"]))
        .collect();
    let (none, two) = (0.into(), 2.into());
    assert_eq!(
        reasons,
        [
            ("complete", &none),
            ("role-denied", &two),
            ("complete", &none)
        ]
    );
    assert_eq!(created(&bench), 4);
    // The cause is removed: the same command goes on.
    let cloud = Cloud::new();
    provision(&bench, &cloud).run().exits(0);
    assert_eq!(created(&bench), 6);
}

#[test]
fn a_run_of_which_no_account_can_be_used_attempts_nothing() {
    let bench = Bench::with("device_id,account\na,444455556666\n");
    provision(&bench, &deny(ACCOUNTS[1]))
        .run()
        .exits(2)
        .says("cannot be assumed");
    assert!(!bench.has("d.results.csv"));
}

#[test]
fn a_stream_may_name_accounts() {
    let bench = Bench::new();
    let cloud = Cloud::new();
    bench
        .provision_file("-", cloud.url())
        .args(&ROLE)
        .args(&["--results", "d.results.csv"])
        .input(manifest() + "own,,us-east-1\n")
        .run()
        .exits(0);
    assert_eq!(created(&bench), 7);
    let arn = &bench.row("own")["channel_arn"];
    assert!(arn.contains(":000000000000:"), "{arn}");
}

#[test]
fn the_embedded_emulator_lets_every_role_be_assumed() {
    let bench = Bench::with(&manifest());
    let emulate = || bench.call(&["provision", "d.csv", "--emulator"]);
    emulate().run().exits(0).says("6 created");
    // The runs log says that its results are not those of AWS.
    emulate().run().exits(0).says("nothing to do");
}

#[test]
fn a_channel_name_is_unique_in_its_account_only() {
    let bench = Bench::with(
        "device_id,account,channel_name\na,111122223333,x\nb,444455556666,x\nc,111122223333,x\n",
    );
    provision(&bench, &Cloud::new()).run().exits(3);
    assert_eq!(bench.statuses(), ["a created", "b created", "c invalid"]);
    assert_eq!(bench.row("c")["error_code"], "DuplicateChannelName");
}

#[test]
fn a_device_cannot_change_its_account() {
    let bench = Bench::with(&manifest());
    let cloud = Cloud::new();
    provision(&bench, &cloud).run().exits(0);
    let moved = manifest().replace("111122223333-a,111122223333", "111122223333-a,444455556666");
    bench.write("d.csv", moved);
    provision(&bench, &cloud)
        .run()
        .exits(2)
        .says("eu-central-1 (account 111122223333)")
        .says("eu-central-1 (account 444455556666)");
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_sent() {
    let bench = Bench::with(&manifest());
    let cloud = Cloud::new();
    let run = |arguments: &[&str]| bench.provision(cloud.url()).args(arguments).run().exits(2);
    run(&[]).says("3 accounts (111122223333").says("--role-arn");
    run(&["--role-arn", "arn:aws:iam::111122223333:role/x"]).says("write {account}");
    run(&["--role-arn", "arn:aws:iam::{line}:role/x"]).says("{line}");
    run(&[&ROLE[..], &["--account", "111122223333"]].concat())
        .says("line 4")
        .says("444455556666");
    bench.write("d.csv", "device_id,account\na,12345678901\n");
    run(&ROLE).says("line 2").says("012345678901");
    assert_eq!(cloud.all_requests(), 0);
    assert!(!bench.has("d.results.csv"));
}

#[test]
fn each_account_may_have_a_profile() {
    let bench = Bench::with("device_id,account\na,111122223333\nb,444455556666\n");
    let cloud = Cloud::new();
    bench.write(
        "config",
        "[profile fleet-111122223333]\naws_access_key_id = 111122223333\naws_secret_access_key = x\n\
         [profile fleet-444455556666]\naws_access_key_id = 111122223333\naws_secret_access_key = x\n",
    );
    let config = bench.path("config").display().to_string();
    bench
        .provision(cloud.url())
        .args(&["--profile", "fleet-{account}"])
        .env("AWS_CONFIG_FILE", &config)
        .run()
        .exits(1)
        // Its profile leads into another account.
        .says("account 444455556666: the service answered from account 111122223333");
    assert_eq!(created(&bench), 1);
}
