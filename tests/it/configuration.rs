//! What the environment and the AWS files may hold: every variable and every key that the AWS SDK reads, set to what
//! scripts, containers and editors make of them. No panic, one message, and no byte of a file in it.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{Bench, Call, Cloud, Done, REGION, Wire, answer};

/// The variables that `aws-config`, `aws-runtime` and the service's crate read, and those of the AWS CLI that this tool
/// reads besides.
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
const KEYS: [&str; 35] = [
    "account_id_endpoint_mode",
    "auth_scheme_preference",
    "aws_access_key_id",
    "aws_account_id",
    "aws_secret_access_key",
    "aws_session_token",
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
    "sso_session",
    "sso_start_url",
    "use_dualstack_endpoint",
    "web_identity_token_file",
];

/// A secret that must be in no output.
const SECRET: &str = "hunter2hunter2hunter2";

/// What a variable or a key is set to: nothing, white space, what cannot mean anything, that with the line end of
/// Windows, and with a line end inside.
const VALUES: [&str; 5] = ["", " \t ", "n\u{f6}t %zz {\"a\": 1}", "value\r", "val\rue"];

/// STS, which refuses everybody at once.
fn strict_sts() -> Wire {
    let body = "<ErrorResponse><Error><Code>InvalidClientTokenId</Code></Error></ErrorResponse>";
    Wire::new(move |_, _| answer(403, None, body))
}

/// A call that does not reach AWS, whatever it is told of endpoints.
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

/// It ended as promised: no panic, a code of the contract, at most one error, a summary, nothing of a library's.
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

/// Runs each case on one of a few threads, since each is a process that mostly waits.
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
fn no_value_of_a_variable_ends_in_a_panic() {
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
fn no_value_of_a_profiles_key_ends_in_a_panic() {
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
fn an_empty_variable_is_as_good_as_none() {
    let seen = Mutex::new(Vec::new());
    let sts = strict_sts();
    sweep(&["", " \r\n"], |value| {
        let bench = Bench::of(1);
        let mut call = at_aws(&bench, &sts);
        for name in VARIABLES {
            // Those of the stand-ins, and the one that cannot be cleaned for the SDK.
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
