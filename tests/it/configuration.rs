//! Values of the environment and the AWS files: every variable and every key that the AWS SDK reads, with values as
//! scripts, containers and editors write them. The run never panics, prints one message, and prints no byte of a file.

use std::fs;
use std::process;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kvs_fleet::cli::Cli;
use kvs_fleet::commands;
use kvs_fleet::domain::panics;

use crate::support::{Bench, Call, Cloud, Done, REGION, Wire, answer, finished, results};

/// The variables that `aws-config`, `aws-runtime` and the service's crate read, and those of the AWS CLI that this tool
/// also reads.
const VARIABLES: [&str; 50] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_ACCOUNT_ID",
    "AWS_ACCOUNT_ID_ENDPOINT_MODE",
    "AWS_AUTH_SCHEME_PREFERENCE",
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_PROFILE",
    "AWS_DEFAULT_REGION",
    "AWS_DISABLE_CLOCK_SKEW_CORRECTION",
    "AWS_DISABLE_REQUEST_COMPRESSION",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_KINESIS_VIDEO",
    "AWS_ENDPOINT_URL_KINESIS_VIDEO_SIGNALING",
    "AWS_ENDPOINT_URL_SSO",
    "AWS_ENDPOINT_URL_SSO_OIDC",
    "AWS_ENDPOINT_URL_STS",
    "AWS_EXECUTION_ENV",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LOGIN_CACHE_DIRECTORY",
    "AWS_MAX_ATTEMPTS",
    "AWS_NEW_RETRIES_2026",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_REQUEST_CHECKSUM_CALCULATION",
    "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES",
    "AWS_RESPONSE_CHECKSUM_VALIDATION",
    "AWS_RETRY_MODE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SDK_UA_APP_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_SIGV4A_SIGNING_REGION_SET",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SECRET_ACCESS_KEY",
    "SMITHY_CLIENT_SDK_CUSTOM_PARTITION",
    "_X_AMZN_TRACE_ID",
];

/// The keys of a profile that they read.
const KEYS: [&str; 40] = [
    "account_id_endpoint_mode",
    "auth_scheme_preference",
    "aws_access_key_id",
    "aws_account_id",
    "aws_secret_access_key",
    "aws_session_token",
    "ca_bundle",
    "credential_process",
    "credential_source",
    "disable_clock_skew_correction",
    "disable_request_compression",
    "duration_seconds",
    "ec2_metadata_service_endpoint",
    "ec2_metadata_service_endpoint_mode",
    "endpoint_url",
    "external_id",
    "ignore_configured_endpoint_urls",
    "login_session",
    "max_attempts",
    "mfa_serial",
    "region",
    "request_checksum_calculation",
    "request_min_compression_size_bytes",
    "response_checksum_validation",
    "retry_mode",
    "role_arn",
    "role_session_name",
    "sdk-ua-app-id",
    "services",
    "sigv4a_signing_region_set",
    "source_profile",
    "sso_account_id",
    "sso_region",
    "sso_role_name",
    "sso_session",
    "sso_start_url",
    "tls_verify",
    "use_fips_endpoint",
    "use_dualstack_endpoint",
    "web_identity_token_file",
];

/// A secret that must not be in any output.
const SECRET: &str = "hunter2hunter2hunter2";

/// The values of a variable or a key: empty, white space, a meaningless word, the same with a Windows line end, and
/// with a line end inside.
const VALUES: [&str; 5] = ["", " \t ", "n\u{f6}t %zz {\"a\": 1}", "value\r", "val\rue"];

/// An STS that refuses every request at once.
fn strict_sts() -> Wire {
    let body = "<ErrorResponse><Error><Code>InvalidClientTokenId</Code></Error></ErrorResponse>";
    Wire::new(move |_, _| answer(403, None, body))
}

/// A call that does not reach AWS, whatever endpoints are configured.
fn at_aws(bench: &Bench, sts: &Wire) -> Call {
    bench
        .call(&["provision", "d.csv", "--summary-json", "s.json", "-vv"])
        .env("HTTPS_PROXY", "http://127.0.0.1:1")
        .env("RUST_LOG", "trace")
        .env("AWS_ENDPOINT_URL_STS", sts.url())
}

fn with_keys(call: Call) -> Call {
    call.env("AWS_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT")
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
}

/// Asserts: no panic, an exit code of the contract, at most one error, a summary, no message of a library.
#[track_caller]
fn is_orderly(case: &str, bench: &Bench, done: &Done) {
    let said = &done.stderr;
    assert!(matches!(done.code, Some(0..=2)), "{case}: {done}");
    for never in [
        "panicked", SECRET, "Error {", "Some(", "Err(", "source: ", "a defect",
    ] {
        assert!(!said.contains(never), "{case}: {never:?}\n{done}");
    }
    let errors = said.lines().filter(|line| line.starts_with("error: "));
    let expected = usize::from(done.code != Some(0));
    assert_eq!(errors.count(), expected, "{case}: {done}");
    let summary = bench.json("s.json");
    assert_eq!(summary["exit_code"], done.code.unwrap(), "{case}");
}

/// Runs the cases on a few threads: each is a process that mostly waits.
fn sweep<T: Sync>(cases: &[T], run: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    run(case);
                }
            });
        }
    });
}

fn cases<'a>(names: &[&'a str]) -> Vec<(&'a str, &'static str)> {
    let with_values = |name: &&'a str| VALUES.map(|value| (*name, value));
    names.iter().flat_map(with_values).collect()
}

#[test]
fn no_value_of_a_variable_causes_a_panic() {
    let (sts, cloud) = (strict_sts(), Cloud::new());
    sweep(&cases(&VARIABLES), |(name, value)| {
        let case = format!("{name}={value:?}");
        let bench = Bench::of(1);
        let done = with_keys(at_aws(&bench, &sts)).env(name, value).run();
        is_orderly(&case, &bench, &done);
        assert_ne!(done.code, Some(0), "{case}: {done}");

        let bench = Bench::of(1);
        let call = bench
            .provision(cloud.url())
            .args(&["--summary-json", "s.json", "-vv"]);
        let done = with_keys(call)
            .env(name, value)
            .env("RUST_LOG", "trace")
            .run();
        is_orderly(&case, &bench, &done);
    });
}

#[test]
fn no_value_of_a_profile_key_causes_a_panic() {
    let sts = strict_sts();
    sweep(&cases(&KEYS), |(key, value)| {
        let case = format!("{key}={value:?}");
        let bench = Bench::of(1);
        let folder = bench.path(".aws");
        fs::create_dir_all(&folder).unwrap();
        let base = format!(
            "[profile line]\nregion = {REGION}\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = {SECRET}\n"
        );
        fs::write(folder.join("config"), format!("{base}{key} = {value}\r\n")).unwrap();
        let done = at_aws(&bench, &sts).env("AWS_PROFILE", "line").run();
        is_orderly(&case, &bench, &done);
        assert_ne!(done.code, Some(0), "{case}: {done}");
    });
}

#[test]
fn no_value_in_a_services_or_sso_section_causes_a_panic() {
    let sts = strict_sts();
    let names = [
        "[services mine]\nkinesis_video =\n  endpoint_url",
        "[services mine]\nsts =\n  endpoint_url",
        "[sso-session mine]\nsso_start_url",
        "[sso-session mine]\nsso_region",
        "[sso-session mine]\nsso_registration_scopes",
    ];
    sweep(&cases(&names), |(name, value)| {
        let case = format!("{name}={value:?}");
        let bench = Bench::of(1);
        let folder = bench.path(".aws");
        fs::create_dir_all(&folder).unwrap();
        let config = format!(
            "[default]\nregion = {REGION}\nservices = mine\nsso_session = mine\nsso_account_id = 111122223333\n\
             sso_role_name = r\n[services mine]\n[sso-session mine]\n{name} = {value}\r\n"
        );
        fs::write(folder.join("config"), config).unwrap();
        let done = at_aws(&bench, &sts).run();
        is_orderly(&case, &bench, &done);
        assert_ne!(done.code, Some(0), "{case}: {done}");
    });
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let seen = Mutex::new(Vec::new());
    let sts = strict_sts();
    sweep(&["", " \r\n"], |value| {
        let bench = Bench::of(1);
        let mut call = at_aws(&bench, &sts);
        for name in VARIABLES {
            // The variables that the test itself sets, and the one that cannot be cleaned for the SDK.
            if !["HTTPS_PROXY", "AWS_ENDPOINT_URL_STS", "AWS_EXECUTION_ENV"].contains(&name)
                && !name.starts_with("SMITHY")
            {
                call = call.env(name, value);
            }
        }
        let done = with_keys(call)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .run();
        let done = done.exits(2).says("InvalidClientTokenId");
        seen.lock().unwrap().push(done.stderr);
    });
    assert_eq!(seen.lock().unwrap().len(), 2);
}

/// A folder with a manifest, results, and these AWS files.
fn bench_with(files: &[(&str, &[u8])]) -> Bench {
    let bench = Bench::of(1);
    let row = finished("CAM-0001", "created", "111122223333");
    bench.write("r.results.csv", results(&[row]));
    fs::create_dir_all(bench.path(".aws")).unwrap();
    for (name, bytes) in files {
        fs::write(bench.path(".aws").join(name), bytes).unwrap();
    }
    bench
}

/// Text in UTF-16 with a byte order mark.
fn utf16(text: &str) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

#[test]
fn no_byte_of_a_credentials_file_is_in_the_output() {
    let keys = format!(
        "[default]\r\naws_access_key_id = AKIDFILE\r\naws_secret_access_key = {SECRET}\r\n"
    );
    let latin = [b"# M\xfcnchen\r\n", keys.as_bytes()].concat();
    let damaged = format!("{keys}{SECRET}\r\n");
    let sound = keys.as_bytes();
    let sts = strict_sts();
    let commands: [&[&str]; 4] = [
        &["provision", "d.csv"],
        &["plan", "d.csv", "--online"],
        &["verify", "r.results.csv"],
        &["rollback", "r.results.csv", "--yes"],
    ];
    for (file, part) in [
        (&*utf16(&keys), "UTF-16"),
        (&latin, "line 1 has a character in another encoding"),
        (damaged.as_bytes(), "line 4: Expected an '=' sign"),
        (sound, "InvalidClientTokenId"),
    ] {
        for command in commands {
            let bench = bench_with(&[("credentials", file)]);
            let call = bench.call(command).args(&["-vv", "--region", REGION]);
            let done = call
                .env("RUST_LOG", "trace")
                .env("HTTPS_PROXY", "http://127.0.0.1:1")
                .env("AWS_ENDPOINT_URL_STS", sts.url())
                .run()
                .exits(2)
                .says(part);
            // The first bytes of the secret in Rust's debug format, and the key ID in the file.
            for never in [
                SECRET,
                "104, 117, 110",
                "AKIDFILE",
                "bytes:",
                "debug:",
                "trace:",
            ] {
                assert!(!done.stderr.contains(never), "{never}: {done}");
                assert!(!done.stdout.contains(never), "{never}: {done}");
            }
            if part != "InvalidClientTokenId" {
                done.says("credentials");
            }
        }
    }
}

/// A configuration whose profile sends requests to this URL through a `services` section.
fn services(url: &str, name: &str, setting: &str) -> String {
    format!(
        "[default]\nregion = {REGION}\nservices = mine\n{setting}\n[services mine]\n{name} =\n  endpoint_url = {url}\n"
    )
}

#[test]
fn the_endpoint_of_the_profile_is_used_or_refused() {
    let sts = strict_sts();
    let run = |config: &str| {
        let bench = bench_with(&[("config", config.as_bytes())]);
        let call = bench.call(&["provision", "d.csv", "--rate", "20000"]);
        call.env("AWS_ENDPOINT_URL_STS", sts.url())
            .env("HTTPS_PROXY", "http://127.0.0.1:1")
            .env("AWS_ACCESS_KEY_ID", "AKID")
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .run()
    };
    for name in ["kinesis_video", "kinesis-video", "Kinesis_Video"] {
        let cloud = Cloud::new();
        run(&services(cloud.url(), name, ""))
            .exits(0)
            .says("NOT AWS");
        assert_eq!(cloud.channels().len(), 1, "{name}");
    }
    let cloud = Cloud::new();
    let ignored = services(
        cloud.url(),
        "kinesis_video",
        "ignore_configured_endpoint_urls = true",
    );
    // The endpoint is ignored, and so is that of STS: AWS itself cannot be reached from here.
    run(&ignored).exits(1).says("AWS cannot be reached");
    let misspelt = services(cloud.url(), "kinesisvideo", "");
    run(&misspelt).exits(2).says("line 7").says("kinesis_video");
    let missing = "[default]\nregion = eu-central-1\nservices = mine\n";
    run(missing).exits(2).says("[services mine]");
    assert_eq!(cloud.all_requests(), 0);
}

#[test]
fn ignored_settings_are_reported() {
    let (sts, cloud) = (strict_sts(), Cloud::new());
    let keys =
        "[default]\naws_access_key_id = AKID\naws_secret_access_key = s\nregion = eu-central-1\n";
    let run = |config: &str| {
        let bench = bench_with(&[("config", config.as_bytes())]);
        let call = bench.call(&["provision", "d.csv"]);
        call.env("AWS_ENDPOINT_URL_STS", sts.url()).run().exits(2)
    };
    let unused = format!("{keys}[services mine]\nkinesis_video =\n  endpoint_url = https://h\n");
    run(&unused).says("[services mine] has an endpoint for this service, but no profile");
    run(&format!("{unused}[profile x]\nservices = mine\n")).does_not_say("services");
    run(&format!("{keys}ca_bundle = ~/no.pem\n"))
        .says("ca_bundle of the AWS profile names")
        .says("no.pem");
    let of_web = "[default]\nregion = eu-central-1\nrole_arn = arn:aws:iam::111122223333:role/x\n\
                  web_identity_token_file = /no/token\n";
    run(of_web).says("web_identity_token_file /no/token");

    let unclear = format!("{keys}ignore_configured_endpoint_urls = yes\n");
    let bench = bench_with(&[("config", unclear.as_bytes())]);
    let call = bench.call(&["provision", "d.csv"]);
    call.env("AWS_ENDPOINT_URL", cloud.url())
        .run()
        .exits(2)
        .says("ignore_configured_endpoint_urls in the AWS profile 'default' must be true or false");
    assert_eq!(cloud.all_requests(), 0);
}

#[test]
fn keys_of_source_profiles_and_the_environment_are_checked() {
    let chain = "[profile line]\nrole_arn = arn:aws:iam::111122223333:role/x\nsource_profile = base\n\
                 [profile base]\naws_access_key_id = AK\u{7}ID\naws_secret_access_key = s\n";
    let source = "[profile line]\nrole_arn = arn:aws:iam::111122223333:role/x\n\
                  credential_source = Environment\n";
    let sts = strict_sts();
    for (config, parts) in [
        (
            chain,
            [
                "aws_access_key_id in the AWS profile 'base'",
                "a control character",
            ],
        ),
        (source, ["AWS_ACCESS_KEY_ID", "a line end"]),
    ] {
        let bench = bench_with(&[("config", config.as_bytes())]);
        let done = provision_as_line(&bench)
            .env("AWS_ENDPOINT_URL_STS", sts.url())
            .env("AWS_ACCESS_KEY_ID", "AKID\nrole_arn = x")
            .env("AWS_SECRET_ACCESS_KEY", "s")
            .run()
            .exits(2);
        for part in parts {
            assert!(done.stderr.contains(part), "{part}: {done}");
        }
    }
    assert!(sts.requests().is_empty());
}

#[cfg(unix)]
#[test]
fn a_proxy_url_that_is_not_utf_8_is_refused() {
    let bench = Bench::of(1);
    let call = with_keys(bench.call(&["provision", "d.csv"]));
    call.env_bytes("HTTPS_PROXY", b"http://pr\xfcfer:1")
        .run()
        .exits(2)
        .says("HTTPS_PROXY");
}

#[test]
fn aws_default_profile_is_used_and_reported() {
    let keys = "[default]\naws_access_key_id = AKIDSANDBOX\naws_secret_access_key = s\n[factory]\n\
                aws_access_key_id = AKIDFACTORY\naws_secret_access_key = s\n";
    let cloud = Cloud::new();
    let wire = Wire::before(cloud.url());
    let bench = bench_with(&[("credentials", keys.as_bytes())]);
    let call = bench.provision(wire.url());
    call.env("AWS_DEFAULT_PROFILE", "factory")
        .env("AWS_PROFILE", "")
        .run()
        .exits(0)
        .says("profile factory (AWS_DEFAULT_PROFILE)");
    let creates = wire.creates();
    assert!(creates[0].head.contains("Credential=AKIDFACTORY/"));
}

/// `provision` with the profile `line`.
fn provision_as_line(bench: &Bench) -> Call {
    bench.call(&[
        "provision",
        "d.csv",
        "--profile",
        "line",
        "--region",
        REGION,
    ])
}

#[test]
fn an_unsupported_sign_in_is_reported_with_an_alternative() {
    let mfa = "[default]\naws_access_key_id = AKID\naws_secret_access_key = s\n[profile line]\nsource_profile = default\n\
               role_arn = arn:aws:iam::111122223333:role/kvs\nmfa_serial = arn:aws:iam::111122223333:mfa/me\n";
    let chained = mfa.replace("[profile line]", "[profile role]")
        + "[profile line]\nrole_arn = arn:aws:iam::111122223333:role/other\nsource_profile = role\n";
    let login = "[profile line]\nlogin_session = arn:aws:iam::111122223333:user/me\n";
    for (config, setting, export) in [
        (mfa, "mfa_serial", "--profile line --format process"),
        (&chained, "mfa_serial", "--profile role --format process"),
        (login, "login_session", "run 'aws login --profile line'"),
    ] {
        let bench = bench_with(&[("config", config.as_bytes())]);
        let sts = strict_sts();
        let call = provision_as_line(&bench);
        let done = call.env("AWS_ENDPOINT_URL_STS", sts.url()).run();
        let done = done.exits(2).says(setting).says(export);
        assert_eq!(done.stderr.matches("error: ").count(), 1, "{done}");
        assert!(sts.requests().is_empty());
    }
}

#[cfg(unix)]
#[test]
fn a_failing_credential_process_is_reported_once() {
    for (command, part) in [
        (
            "echo Opening the browser; echo '{\"Version\":1}'",
            "not JSON alone",
        ),
        (
            "echo '{\"Version\":1,\"AccessKeyId\":\"a\"}'",
            "has no SecretAccessKey",
        ),
        ("echo sign in first >&2; exit 3", "exit status: 3"),
        (&format!("echo SecretAccessKey={SECRET}"), "not JSON"),
    ] {
        let config = format!("[profile line]\ncredential_process = {command}\n");
        let bench = bench_with(&[("config", config.as_bytes())]);
        let call = provision_as_line(&bench);
        let done = call.args(&["-vv"]).run().exits(2).says(part).says("'line'");
        assert_eq!(done.stderr.lines().count(), 1, "{done}");
        assert!(!done.stderr.contains(SECRET), "{done}");
    }
}

#[test]
fn kubernetes_service_variables_are_not_flags() {
    let (bench, cloud) = (Bench::of(1), Cloud::new());
    let call = bench.provision(cloud.url());
    call.env("KVS_FLEET_PORT", "tcp://10.0.0.9:80")
        .env("KVS_FLEET_SERVICE_HOST", "10.0.0.9")
        .env("KVS_FLEET_SERVICE_PORT_HTTP", "80")
        .env("KVS_FLEET_PORT_80_TCP_ADDR", "10.0.0.9")
        .run()
        .exits(0)
        .does_not_say("KVS_FLEET_");
}

/// The process of the following test: an unobserved thread panics in the middle of a run.
#[test]
fn broken_run() {
    let Some(url) = std::env::var_os(BREAK) else {
        return;
    };
    panics::install();
    let url = url.to_str().unwrap();
    let cli = Cli::from_arguments([
        "kvs-fleet",
        "provision",
        "d.csv",
        "--endpoint-url",
        url,
        "--workers",
        "4",
        "--summary-json",
        "s.json",
    ]);
    let command = cli.unwrap().command;
    std::thread::spawn(|| {
        while fs::read_to_string("d.results.csv").map_or(0, |text| text.lines().count()) < 10 {
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the roof fell in: {SECRET}");
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let code = runtime.block_on(commands::run(command, &[]));
    std::process::exit(i32::from(code));
}

#[test]
fn a_panic_during_a_run_is_one_message_and_an_orderly_exit() {
    let (bench, cloud) = (Bench::of(300), Cloud::new());
    let mut command = process::Command::new(std::env::current_exe().unwrap());
    command.args(["configuration::broken_run", "--exact", "--nocapture"]);
    let command = command.current_dir(bench.folder()).env(BREAK, cloud.url());
    let output = command.env("KVS_FLEET_REGION", REGION).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.matches("error: ").count(), 1, "{said}");
    assert!(
        said.contains("a defect of this program ended the run: the roof fell in"),
        "{said}"
    );
    assert!(
        !said.contains(SECRET) && !said.contains("panicked"),
        "{said}"
    );
    let summary = bench.json("s.json");
    assert_eq!(
        (&summary["reason"], &summary["exit_code"]),
        (&"internal".into(), &1.into())
    );
    let rows = bench.statuses();
    assert!(
        rows.len() < 300 && rows.len() == cloud.channels().len(),
        "{rows:?}"
    );
    let log = bench.read("d.results.runs.jsonl");
    assert_eq!(log.matches("\"internal\"").count(), 1, "{log}");
    // The lock on the results is free, and no row is missing.
    bench.provision(cloud.url()).run().exits(0);
    assert_eq!(cloud.creates(), 300);
}

const BREAK: &str = "KVS_FLEET_TEST_BREAK";

/// The process of the following test: an unobserved thread panics.
#[test]
fn broken() {
    if std::env::var_os(BREAK).is_none() {
        return;
    }
    panics::install();
    panics::listen(|what| println!("reported: {what}"));
    let thread = std::thread::spawn(|| panic!("the roof fell in: {SECRET}"));
    assert!(thread.join().is_err());
    assert!(panics::expecting(|| panic!("expected")).is_err());
    println!("first: {}", panics::first().unwrap());
}

#[test]
fn a_panic_is_reported_to_the_listener_and_not_printed() {
    let binary = std::env::current_exe().unwrap();
    let mut command = process::Command::new(binary);
    command.args(["configuration::broken", "--exact", "--nocapture"]);
    let output = command.env(BREAK, "1").output().unwrap();
    let (out, err) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(output.status.success(), "{out}{err}");
    let place = "the roof fell in (tests/it/configuration.rs:";
    assert_eq!(
        out.matches(&format!("reported: {place}")).count(),
        1,
        "{out}"
    );
    assert_eq!(out.matches("reported: ").count(), 1, "{out}");
    assert!(out.contains(&format!("first: {place}")), "{out}");
    assert!(
        !err.contains("panicked") && !out.contains(SECRET),
        "{out}{err}"
    );
}
