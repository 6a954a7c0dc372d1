//! Several accounts in one run.

use kvs_fleet::domain::device::AccountId;

use crate::support::{Bench, Call, Cloud, finished, results};

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
    let on_results = |command: &str| call(&bench, &cloud, &[command, "d.results.csv"]).args(&ROLE);
    let verified = on_results("verify").run().exits(0);
    assert!(verified.stdout.contains("7 of 7 channels"), "{verified}");
    on_results("rollback")
        .args(&["--yes"])
        .run()
        .exits(0)
        .says("7 of 7 deleted");
    let verified = on_results("verify").run().exits(0);
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
    // Again, although nothing else is left to do.
    let again = provision(&bench, &denying).run().exits(1);
    again.says("2 to go in account 444455556666 (role-denied)");
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

#[test]
fn a_way_into_accounts_that_no_row_names_is_refused() {
    let cloud = Cloud::new();
    let bench = Bench::with("device_id\na\n");
    for flag in [ROLE, ["--profile", "fleet-{account}"]] {
        for arguments in [&["provision", "d.csv"], &["plan", "d.csv"]] {
            let done = call(&bench, &cloud, arguments).args(&flag).run().exits(2);
            done.says("the manifest has no column 'account'");
        }
        bench
            .provision_file("-", cloud.url())
            .args(&flag)
            .args(&["--results", "d.results.csv"])
            .input("device_id\na\n")
            .run()
            .exits(2)
            .says("the manifest has no column 'account'");
    }
    bench.write("d.csv", "device_id,account\na,\n");
    bench
        .provision(cloud.url())
        .args(&["--profile", "fleet-{account}"])
        .run()
        .exits(2)
        .says("no row has a number in the column 'account'");
    // With a role all rows may be of the account of the run's own credentials.
    provision(&bench, &cloud).run().exits(0);
    assert_eq!(cloud.channels().len(), 1);
}

#[test]
fn a_service_that_cannot_be_reached_is_worth_a_retry() {
    let bench = Bench::with("device_id,account\na,444455556666\n");
    let cloud = Cloud::faulty(&["503=100%@assume-role"]);
    provision(&bench, &cloud)
        .args(&["--summary-json", "s.json"])
        .run()
        .exits(1);
    let summary = bench.json("s.json");
    assert_eq!(summary["reason"], "unreachable");
    assert_eq!(summary["retryable"], true);
    assert_eq!(summary["accounts"][0]["reason"], "unreachable");
    assert!(!bench.has("d.results.csv"));
}

#[test]
fn an_account_that_ends_in_the_middle_ends_alone() {
    // The service denies names that do not begin with "cam".
    let cloud = Cloud::with(|settings| settings.deny_outside = Some("cam".to_owned()));
    let denied = (0..40).map(|n| format!("no-{n},{}\n", ACCOUNTS[0]));
    let allowed = (0..40).map(|n| format!("cam-{n},{}\n", ACCOUNTS[1]));
    let rows: String = denied.chain(allowed).collect();
    let bench = Bench::with(&format!("device_id,account\n{rows}"));
    provision(&bench, &cloud)
        .args(&["--workers", "4", "--summary-json", "s.json"])
        .run()
        .exits(1)
        .says("the other accounts continue");
    let summary = bench.json("s.json");
    let [denied, allowed] = summary["accounts"].as_array().unwrap().as_slice() else {
        panic!("{summary}");
    };
    assert_eq!(denied["reason"], "access-denied");
    assert_eq!(denied["remaining"], 40);
    assert!(denied["failed"].as_u64().unwrap() >= 20);
    assert!(denied["failed"].as_u64().unwrap() < 40, "{denied}");
    assert_eq!(
        (&allowed["reason"], &allowed["created"]),
        (&"complete".into(), &40.into())
    );
}

#[test]
fn a_rehearsal_in_several_accounts_is_never_taken_for_channels_of_aws() {
    let bench = Bench::with(&manifest());
    let emulate = bench.call(&["provision", "d.csv", "--emulator"]);
    emulate.run().exits(0).says("6 created");
    // Without the runs log, only the rows tell.
    bench.write("d.results.csv", bench.read("d.emulator.results.csv"));
    let rerun = ["provision", "d.csv", "--region", "eu-central-1"];
    bench
        .call(&rerun)
        .args(&ROLE)
        .run()
        .exits(2)
        .says("were made with the emulator");
    let done = bench.call(&["report", "d.results.csv"]).run().exits(0);
    assert!(done.stdout.contains("REHEARSAL"), "{done}");
    let aws = bench.read("d.results.csv").replace("/0", "/1");
    bench.write("aws.results.csv", aws);
    let merge = ["merge", "d.results.csv", "aws.results.csv", "-o", "m.csv"];
    bench
        .call(&merge)
        .run()
        .exits(2)
        .says("the emulator those before");
    // Its own rows and those of other accounts are of one emulator.
    bench.write("e.csv", manifest() + "own,,us-east-1\n");
    bench
        .call(&["provision", "e.csv", "--emulator"])
        .run()
        .exits(0);
    bench
        .call(&["merge", "e.emulator.results.csv", "-o", "m.csv"])
        .run()
        .exits(0);
}

#[test]
fn a_plan_without_a_request_keeps_rows_of_the_own_account_apart() {
    let bench = Bench::with(
        "device_id,account,channel_name\na,111122223333,x\nb,444455556666,x\nc,,x\nd,,x\n",
    );
    let cloud = Cloud::new();
    let plan = call(&bench, &cloud, &["plan", "d.csv", "--json"]).args(&ROLE);
    let done = plan.run().exits(3);
    let plan: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(plan["invalid"].as_array().unwrap().len(), 1, "{plan}");
    assert_eq!(plan["invalid"][0]["device_id"], "d");
    let accounts = plan["accounts"].as_array().unwrap();
    let accounts: Vec<_> = accounts
        .iter()
        .map(|account| (&account["account"], &account["to_do"]))
        .collect();
    assert_eq!(
        accounts,
        [
            (&serde_json::Value::Null, &1.into()),
            (&ACCOUNTS[0].into(), &1.into()),
            (&ACCOUNTS[1].into(), &1.into()),
        ]
    );
    // The same device in several accounts is no repeated line.
    bench.write(
        "d.csv",
        "device_id,account\np,\np,111122223333\np,444455556666\np,\n",
    );
    let plan = call(&bench, &cloud, &["plan", "d.csv"]).args(&ROLE);
    let done = plan.run().exits(3);
    assert!(done.stdout.contains("invalid        2"), "{done}");
    assert!(done.stdout.contains("repeated       1"), "{done}");
    assert_eq!(cloud.all_requests(), 0);
}

#[test]
fn rows_may_be_of_the_own_account_beside_results_of_others() {
    let bench = Bench::with(&manifest());
    let cloud = Cloud::new();
    provision(&bench, &cloud).run().exits(0);
    bench.write("d.csv", "device_id,account\nown,\n");
    provision(&bench, &cloud)
        .args(&["--allow-changed"])
        .run()
        .exits(0)
        .says("1 created");
    let arn = &bench.row("own")["channel_arn"];
    assert!(arn.contains(":000000000000:"), "{arn}");
    // The runs log tells a plan whose the rows without an account are.
    bench.write(
        "d.csv",
        "device_id,account,channel_name\nother,,own\nb,111122223333,own\n",
    );
    let plan = call(
        &bench,
        &cloud,
        &[
            "plan",
            "d.csv",
            "--allow-changed",
            "--region",
            "eu-central-1",
        ],
    )
    .args(&ROLE);
    let done = plan.run().exits(3);
    assert!(
        done.stdout.contains("line 2: the channel name 'own'"),
        "{done}"
    );
    assert!(!done.stdout.contains("line 3"), "{done}");
}

#[test]
fn a_recheck_goes_on_without_an_account_that_cannot_be_used() {
    let bench = Bench::with(&manifest());
    let cloud = Cloud::new();
    provision(&bench, &cloud).run().exits(0);
    bench.write(
        "d.csv",
        manifest() + &format!("more,{},eu-central-1\n", ACCOUNTS[1]),
    );
    let recheck = |cloud: &Cloud| provision(&bench, cloud).args(&["--recheck"]).run();
    let deny_all = Cloud::with(|settings| {
        settings.deny_accounts = ACCOUNTS
            .map(|account| AccountId::parse(account).unwrap())
            .into();
    });
    let done = recheck(&deny_all).exits(1);
    done.says("1 to go in account 444455556666 (role-denied)");
    // The channels of the others are not there: they are made again.
    let done = recheck(&deny(ACCOUNTS[1])).exits(1);
    done.says("4 of 6 channels no longer there")
        .says("4 created");
}

#[test]
fn a_row_that_cannot_be_worked_in_stops_a_stream_that_has_begun() {
    let bench = Bench::new();
    let cloud = Cloud::new();
    bench
        .provision_file("-", cloud.url())
        .args(&["--role-arn", "arn:aws:iam::111122223333:role/x"])
        .args(&["--results", "d.results.csv", "--summary-json", "s.json"])
        .input("device_id,account\na,111122223333\nb,444455556666\n")
        .run()
        .exits(1)
        .says("write {account} in place of the number");
    let summary = bench.json("s.json");
    assert_eq!(summary["reason"], "manifest-damaged");
    // Whether the first device was still created is open.
    let created = summary["devices"]["created"].as_u64().unwrap();
    assert_eq!(summary["remaining"], 2 - created);
}

#[test]
fn a_stream_counts_the_devices_of_an_account_that_cannot_be_used() {
    let bench = Bench::new();
    let cloud = deny(ACCOUNTS[1]);
    bench
        .provision_file("-", cloud.url())
        .args(&ROLE)
        .args(&["--results", "d.results.csv", "--summary-json", "s.json"])
        .input(manifest())
        .run()
        .exits(1)
        .says("2 to go in account 444455556666 (role-denied)");
    let summary = bench.json("s.json");
    let denied = &summary["accounts"][1];
    assert_eq!(denied["account"], ACCOUNTS[1]);
    assert_eq!(
        (&denied["reason"], &denied["remaining"]),
        (&"role-denied".into(), &2.into())
    );
}

#[test]
fn a_limit_leaves_devices_to_their_accounts() {
    let bench = Bench::with(&manifest());
    provision(&bench, &Cloud::new())
        .args(&["--limit", "1", "--summary-json", "s.json"])
        .run()
        .exits(1);
    let summary = bench.json("s.json");
    let accounts = summary["accounts"].as_array().unwrap().iter();
    let accounts: Vec<_> = accounts
        .map(|account| {
            (
                account["reason"].as_str().unwrap(),
                account["remaining"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(accounts, [("limit", 1), ("limit", 2), ("limit", 2)]);
    assert_eq!(summary["remaining"], 5);
}

#[test]
fn many_accounts_that_cannot_be_used_are_not_all_named_in_one_line() {
    let accounts = (1..=9).map(|n| format!("{n:012}"));
    let rows = accounts.clone().map(|account| {
        format!("{account}-a,{account},eu-central-1\n{account}-b,{account},us-east-1\n")
    });
    let bench = Bench::with(&format!(
        "device_id,account,region\n{}",
        rows.collect::<String>()
    ));
    let cloud = Cloud::with(|settings| {
        let parse = |account: String| AccountId::parse(&account).unwrap();
        settings.deny_accounts = accounts.map(parse).collect();
    });
    let done = provision(&bench, &cloud)
        .args(&["--summary-json", "s.json"])
        .run()
        .exits(2)
        .says("and 6 more");
    assert!(!done.stderr.contains("000000000009:"), "{done}");
    let summary = bench.json("s.json");
    for account in summary["accounts"].as_array().unwrap() {
        let message = account["message"].as_str().unwrap();
        assert_eq!(account["reason"], "role-denied");
        assert_eq!(message.matches("cannot be assumed").count(), 1, "{message}");
    }
}

#[test]
fn a_quota_of_an_account_holds_there() {
    let bench = Bench::with(&manifest());
    bench.write(
        "quotas.csv",
        format!("account,region,rate,channels\n{},,7,1\n,,9,\n", ACCOUNTS[0]),
    );
    let cloud = Cloud::new();
    provision(&bench, &cloud)
        .args(&["--quotas", "quotas.csv", "--summary-json", "s.json"])
        .run()
        .exits(0);
    let summary = bench.json("s.json");
    let regions = summary["rate"]["regions"].as_array().unwrap();
    for region in regions {
        let expected = if region["account"] == ACCOUNTS[0] {
            7.0
        } else {
            9.0
        };
        assert_eq!(region["in_force"], expected, "{region}");
    }
    assert_eq!(regions.len(), 6);
}

#[test]
fn channels_of_aws_are_not_looked_for_in_an_emulator() {
    let cloud = Cloud::new();
    let bench = Bench::new();
    let rows = [ACCOUNTS[0], ACCOUNTS[1]].map(|account| finished(account, "created", account));
    bench.write("d.results.csv", results(&rows));
    let before = bench.read("d.results.csv");
    for command in [
        &["verify", "d.results.csv"][..],
        &["rollback", "d.results.csv", "--yes"],
    ] {
        let done = call(&bench, &cloud, command).args(&ROLE).run().exits(2);
        done.says("were made with the account 111122223333, but this run is against the emulator");
    }
    assert_eq!(bench.read("d.results.csv"), before);
}

#[test]
fn an_endpoint_that_cannot_be_reached_is_not_taken_for_one_without_sts() {
    let bench = Bench::with("device_id,account\na,111122223333\nown,\n");
    let nobody = "http://127.0.0.1:9";
    bench
        .provision(nobody)
        .args(&ROLE)
        .args(&["--summary-json", "s.json"])
        .run()
        .exits(1);
    assert_eq!(bench.json("s.json")["reason"], "unreachable");
    let stream = bench.provision_file("-", nobody).args(&ROLE);
    stream
        .args(&["--results", "d.results.csv", "--summary-json", "s.json"])
        .input("device_id,account\nown,\n")
        .run()
        .exits(1);
    assert_eq!(bench.json("s.json")["reason"], "unreachable");
}
