//! The standard AWS chain. It reads this process's environment, so each case runs in its own process: this test binary,
//! with [`report`] alone and a prepared environment.

use std::path::Path;
use std::time::Duration;

use kvs_fleet::aws::{ConfigError, Connection, ConnectionSettings, Network};
use kvs_fleet::domain::device::Region;
use kvs_fleet::engine::Service as _;
use tokio::process::Command;

use super::play::{Act, Script, answer, bare_answer, start};
use super::{name, permit};

const REPORT: &str = "KVS_FLEET_TEST_REPORT";
const PROFILE: &str = "KVS_FLEET_TEST_PROFILE";
const ENDPOINT: &str = "KVS_FLEET_TEST_ENDPOINT";
const DESCRIBE: &str = "KVS_FLEET_TEST_DESCRIBE";
/// A file to write before the credentials are reloaded, and its content.
const RELOAD_FILE: &str = "KVS_FLEET_TEST_RELOAD_FILE";
const RELOAD_TEXT: &str = "KVS_FLEET_TEST_RELOAD_TEXT";

/// The process of each case: it prints what the case checks.
#[tokio::test]
async fn report() {
    let var = |name: &str| std::env::var(name).ok();
    if var(REPORT).is_none() {
        return;
    }
    let settings = ConnectionSettings {
        profile: var(PROFILE),
        endpoint_url: var(ENDPOINT),
        timeout: Duration::from_secs(5),
        network: Network::from_environment(),
        ..ConnectionSettings::default()
    };
    let connection = match Connection::load(settings).await {
        Ok(connection) => connection,
        Err(error) => return println!("error {:?} {error}", error.kind()),
    };
    let endpoint = connection.endpoint();
    let region = connection.default_region().map_or("none", Region::as_str);
    println!(
        "endpoint {endpoint} aws {} region {region}",
        endpoint.is_aws()
    );
    let Some(region) = connection.default_region().cloned() else {
        let error = ConfigError::NoRegion;
        return println!("error {:?} {error}", error.kind());
    };
    if var(DESCRIBE).is_some() {
        match connection
            .region(&region)
            .describe(permit().await, &name())
            .await
            .result
        {
            Ok(channel) => println!("described {}", channel.arn),
            Err(failure) => println!(
                "failure {:?} {} {}",
                failure.kind, failure.code, failure.message
            ),
        }
        return;
    }
    match connection.identity(&region).await {
        Ok(Some(identity)) => println!("identity {} {}", identity.account, identity.caller),
        Ok(None) => println!("identity unknown"),
        Err(error) => println!("error {:?} {error}", error.kind()),
    }
    if let (Some(file), Some(text)) = (var(RELOAD_FILE), var(RELOAD_TEXT)) {
        std::fs::write(file, text).unwrap();
        match connection.reload(0, &region).await {
            Ok(identity) => println!("reloaded {}", identity.unwrap().account),
            Err(failure) => println!(
                "failure {:?} {} {}",
                failure.kind, failure.code, failure.message
            ),
        }
        println!("generation {}", connection.generation());
    }
}

/// The variables of a case, in an otherwise empty environment.
pub(super) struct Case {
    home: tempfile::TempDir,
    vars: Vec<(String, String)>,
}

impl Case {
    /// No credentials, no Region, and no server for either.
    pub(super) fn empty() -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().to_str().unwrap().to_owned();
        let case = Self {
            home,
            vars: Vec::new(),
        };
        case.with("HOME", &path)
            .with("USERPROFILE", &path)
            .with("AWS_EC2_METADATA_DISABLED", "true")
    }

    /// Keys and Region in the environment.
    pub(super) fn with_keys() -> Self {
        Self::empty()
            .with("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT")
            .with("AWS_SECRET_ACCESS_KEY", "secret")
            .with("AWS_REGION", "eu-west-1")
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.vars.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A file in `~/.aws`.
    pub(super) fn file(self, name: &str, text: &str) -> Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub(super) fn path(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join(".aws").join(name)
    }

    /// The output of [`report`] in this environment.
    pub(super) async fn run(&self) -> String {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["service::environment::report", "--exact", "--nocapture"])
            .env_clear()
            .env(REPORT, "1");
        // On Windows, a process without these has no network and no folder for temporary files.
        for name in ["SystemRoot", "TEMP", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(self.vars.iter().map(|(name, value)| (name, value)));
        let output = command.kill_on_drop(true).output().await.unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{said}");
        said
    }

    pub(super) async fn says(&self, parts: &[&str]) {
        let said = self.run().await;
        for part in parts {
            assert!(said.contains(part), "not said: {part}\n{said}");
        }
    }
}

fn identity() -> Act {
    answer(
        "200 OK",
        "",
        "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/line</Arn><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>",
    )
}

fn refusal(code: &str) -> Act {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>No.</Message></Error></ErrorResponse>"
    );
    answer("403 Forbidden", "", &body)
}

/// STS as the script answers; the service itself is AWS.
async fn sts(script: &Script) -> Case {
    Case::with_keys().with("AWS_ENDPOINT_URL_STS", &start(script).await)
}

fn key_of(script: &Script, index: usize) -> String {
    let signed = script.requests()[index]
        .header("authorization")
        .unwrap()
        .to_owned();
    let (_, rest) = signed.split_once("Credential=").unwrap();
    rest.split('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn keys_in_the_environment_have_an_identity() {
    let script = Script::new(vec![identity()]);
    sts(&script)
        .await
        .says(&[
            "endpoint AWS aws true region eu-west-1",
            "identity 123456789012 arn:aws:iam::123456789012:user/line",
        ])
        .await;
    assert_eq!(key_of(&script, 0), "AKIDENVIRONMENT");
    assert!(script.requests()[0].body.contains("GetCallerIdentity"));
}

#[tokio::test]
async fn missing_credentials_are_one_clear_error() {
    Case::empty()
        .with("AWS_REGION", "eu-west-1")
        .file(
            "config",
            "[profile line-a]\nregion=eu-west-1\n[profile line-b]\n",
        )
        .says(&[
            "error Credentials no AWS credentials were found",
            "aws configure",
            "known are: line-a, line-b",
        ])
        .await;
}

#[tokio::test]
async fn an_sso_profile_without_a_session_is_reported_with_the_login_command() {
    let config = "[sso-session corp]\nsso_region=eu-west-1\nsso_start_url=https://corp.test/start\n\
        [profile line]\nsso_session=corp\nsso_account_id=123456789012\nsso_role_name=r\nregion=eu-west-1\n\
        [profile old]\nsso_region=eu-west-1\nsso_start_url=https://corp.test/start\nsso_account_id=123456789012\nsso_role_name=r\n\
        [profile role]\nrole_arn=arn:aws:iam::123456789012:role/r\nsource_profile=line\n";
    for (variable, profile, command) in [
        (PROFILE, "line", "Run: aws sso login --profile line\n"),
        ("AWS_PROFILE", "line", "Run: aws sso login --profile line\n"),
        (PROFILE, "old", "Run: aws sso login --profile old\n"),
        (PROFILE, "role", "Run: aws sso login --profile line\n"),
    ] {
        Case::empty()
            .file("config", config)
            .with("AWS_REGION", "eu-west-1")
            .with(variable, profile)
            .says(&["error Credentials the AWS sign-in (SSO)", command])
            .await;
    }
}

#[tokio::test]
async fn a_missing_profile_is_reported_with_the_existing_ones() {
    for (variable, by) in [
        (PROFILE, "'line'. Profiles"),
        ("AWS_PROFILE", "AWS_PROFILE"),
    ] {
        Case::with_keys()
            .file(
                "credentials",
                "[live]\naws_access_key_id=a\naws_secret_access_key=b\n",
            )
            .with(variable, "line")
            .says(&[
                "error Configuration there is no AWS profile 'line'",
                by,
                "known are: live",
            ])
            .await;
    }
    Case::with_keys()
        .file("config", "[profile x\n")
        .says(&["error Configuration the AWS configuration files cannot be read"])
        .await;
}

#[tokio::test]
async fn a_profile_given_by_a_flag_wins_over_keys_in_the_environment() {
    let file = "[line]\naws_access_key_id=AKIDPROFILE\naws_secret_access_key=b\n";
    let script = Script::new(vec![identity()]);
    let case = sts(&script)
        .await
        .file("credentials", file)
        .with(PROFILE, "line");
    case.says(&["identity 123456789012"]).await;
    assert_eq!(key_of(&script, 0), "AKIDPROFILE");
}

#[tokio::test]
async fn the_answer_of_sts_decides() {
    for (act, parts) in [
        (
            refusal("ExpiredToken"),
            [
                "error Credentials AWS refused the credentials: ExpiredToken: No.",
                "fetch new ones",
            ],
        ),
        (
            refusal("InvalidClientTokenId"),
            ["error Credentials", "Check the access key ID"],
        ),
        // The server's date is long past.
        (
            refusal("SignatureDoesNotMatch"),
            ["error Credentials", "minutes ahead of AWS's"],
        ),
        (
            answer("503 Service Unavailable", "", ""),
            ["error Unreachable AWS cannot be reached", "503"],
        ),
        (
            bare_answer("403 Forbidden", "", "<html>Blocked by policy</html>"),
            ["error Unreachable", "comes from a proxy"],
        ),
        (
            answer("200 OK", "", "<x/>"),
            ["error Unreachable", "no readable result"],
        ),
        (Act::Reset, ["error Unreachable", "the connection broke"]),
    ] {
        sts(&Script::new(vec![act])).await.says(&parts).await;
    }
    Case::with_keys()
        .with("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
        .says(&["error Unreachable", "no connection to 127.0.0.1:1"])
        .await;
}

#[tokio::test]
async fn the_endpoint_comes_from_flag_variables_and_profile_in_this_order() {
    let services = "[default]\nservices=mine\n[services mine]\nkinesis-video =\n  endpoint_url = https://of-services.test\n";
    let global = "[default]\nendpoint_url = https://of-profile.test\n";
    let specific = "AWS_ENDPOINT_URL_KINESIS_VIDEO";
    for (vars, config, expected) in [
        (&[][..], "", "endpoint AWS aws true"),
        (
            &[
                (ENDPOINT, "https://of-flag.test"),
                (specific, "https://specific.test"),
            ],
            "",
            "endpoint https://of-flag.test aws false",
        ),
        (
            &[
                (specific, "https://specific.test"),
                ("AWS_ENDPOINT_URL", "https://global.test"),
            ],
            services,
            "endpoint https://specific.test",
        ),
        (
            &[("AWS_ENDPOINT_URL", "https://global.test/")],
            services,
            "endpoint https://global.test aws false",
        ),
        (&[], services, "endpoint https://of-services.test aws false"),
        (&[], global, "endpoint https://of-profile.test aws false"),
        (
            &[
                ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"),
                ("AWS_ENDPOINT_URL", "https://global.test"),
            ],
            services,
            "endpoint AWS aws true",
        ),
        (
            &[(
                specific,
                "https://vpce-1.kinesisvideo.eu-west-1.vpce.amazonaws.com",
            )],
            "",
            "amazonaws.com aws true",
        ),
        (
            &[("AWS_USE_DUALSTACK_ENDPOINT", "true")],
            "",
            "endpoint AWS aws true",
        ),
        (
            &[(specific, "http://kvs.test")],
            "",
            "error Configuration the endpoint URL of AWS_ENDPOINT_URL_KINESIS_VIDEO is 'http://kvs.test'; plain http://",
        ),
        (
            &[("AWS_ENDPOINT_URL", "kvs.test")],
            "",
            "error Configuration the endpoint URL of AWS_ENDPOINT_URL is",
        ),
        (
            &[],
            "[default]\nendpoint_url = http://kvs.test\n",
            "error Configuration the endpoint URL of the AWS profile",
        ),
        (
            &[
                (ENDPOINT, "https://kvs.test"),
                ("AWS_USE_FIPS_ENDPOINT", "true"),
            ],
            "",
            "error Configuration the configured endpoint cannot be used",
        ),
    ] {
        let mut case = Case::with_keys().file("config", config).with(DESCRIBE, "1");
        // Nothing may leave this computer, whatever is configured.
        case = case.with("HTTPS_PROXY", "http://127.0.0.1:1");
        for (name, value) in vars {
            case = case.with(name, value);
        }
        case.says(&[expected]).await;
    }
}

#[tokio::test]
async fn the_region_comes_from_the_environment_then_the_profile() {
    let config = "[default]\nregion = ap-south-1\n[profile line]\nregion = sa-east-1\n";
    for (vars, expected) in [
        (&[][..], "region ap-south-1"),
        (&[(PROFILE, "line")], "region sa-east-1"),
        (
            &[("AWS_REGION", "us-west-2"), (PROFILE, "line")],
            "region us-west-2",
        ),
        (
            &[("AWS_REGION", "Frankfurt")],
            "error Configuration the configured AWS Region cannot be used",
        ),
    ] {
        let mut case = Case::empty().file("config", config);
        for (name, value) in vars {
            case = case.with(name, value);
        }
        case.says(&[expected]).await;
    }
    Case::empty()
        .says(&["region none", "error Configuration no AWS Region is set"])
        .await;
}

#[tokio::test]
async fn an_ec2_instance_provides_region_and_credentials() {
    let token = || {
        bare_answer(
            "200 OK",
            "x-aws-ec2-metadata-token-ttl-seconds: 21600\r\n",
            "token",
        )
    };
    let credentials = r#"{"Code":"Success","LastUpdated":"2020-01-01T00:00:00Z","Type":"AWS-HMAC","AccessKeyId":"AKIDINSTANCE","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"}"#;
    let instance = Script::new(vec![
        token(),
        bare_answer("200 OK", "", "eu-north-1"),
        token(),
        bare_answer("200 OK", "", "role"),
        bare_answer("200 OK", "", credentials),
    ]);
    let script = Script::new(vec![identity()]);
    Case::empty()
        .with("AWS_EC2_METADATA_DISABLED", "false")
        .with("AWS_EC2_METADATA_SERVICE_ENDPOINT", &start(&instance).await)
        .with("AWS_ENDPOINT_URL_STS", &start(&script).await)
        .says(&["region eu-north-1", "identity 123456789012"])
        .await;
    assert_eq!(key_of(&script, 0), "AKIDINSTANCE");
}

#[tokio::test]
async fn a_loopback_endpoint_needs_no_configuration() {
    let instance = Script::new(vec![Act::Hang]);
    let script = Script::new(vec![bare_answer("404 Not Found", "", "")]);
    let url = start(&script).await;
    let alone = Case::empty()
        .with("AWS_EC2_METADATA_DISABLED", "false")
        .with("AWS_EC2_METADATA_SERVICE_ENDPOINT", &start(&instance).await)
        .with("AWS_PROFILE", "not-there")
        .with("AWS_CA_BUNDLE", "/not/there")
        .with("HTTP_PROXY", "http://127.0.0.1:1")
        .with("ALL_PROXY", "http://127.0.0.1:1")
        .file("config", "[damaged\n")
        .with(ENDPOINT, &url);
    alone
        .says(&[
            &format!("endpoint {url} aws false region us-east-1"),
            "identity unknown",
        ])
        .await;
    assert!(instance.requests().is_empty());
    assert_eq!(key_of(&script, 0), "KVSFLEETLOOPBACKONLY");

    let file = "[line]\naws_access_key_id=AKIDPROFILE\naws_secret_access_key=b\n";
    for (variable, value, key) in [
        ("AWS_PROFILE", "line", "AKIDENVIRONMENT"),
        (PROFILE, "line", "AKIDPROFILE"),
    ] {
        let script = Script::new(vec![bare_answer("404 Not Found", "", "")]);
        let case = Case::with_keys()
            .file("credentials", file)
            .with(variable, value);
        case.with(ENDPOINT, &start(&script).await)
            .says(&["identity unknown"])
            .await;
        assert_eq!(key_of(&script, 0), key);
    }
    Case::empty()
        .with(ENDPOINT, &url)
        .with(PROFILE, "not-there")
        .says(&["error Configuration there is no AWS profile 'not-there'"])
        .await;
}

#[tokio::test]
async fn a_reload_reads_the_files_and_the_identity_again() {
    let text = |key: &str| format!("[default]\naws_access_key_id={key}\naws_secret_access_key=b\n");
    // Credentials without an identity are not used.
    for (second, expected) in [
        (identity(), ["reloaded 123456789012", "generation 1"]),
        (
            refusal("ExpiredToken"),
            [
                "failure Credentials ExpiredToken No. They have expired",
                "generation 0",
            ],
        ),
        (
            answer("503 Service Unavailable", "", ""),
            ["failure ServerError Http503", "generation 0"],
        ),
    ] {
        let script = Script::new(vec![identity(), second]);
        let case = Case::empty()
            .file("credentials", &text("AKIDOLD"))
            .with("AWS_REGION", "eu-west-1")
            .with("AWS_ENDPOINT_URL_STS", &start(&script).await)
            .with(RELOAD_TEXT, &text("AKIDNEW"));
        let file = case.path("credentials");
        let file: &Path = &file;
        case.with(RELOAD_FILE, file.to_str().unwrap())
            .says(&expected)
            .await;
        assert_eq!(
            (key_of(&script, 0).as_str(), key_of(&script, 1).as_str()),
            ("AKIDOLD", "AKIDNEW")
        );
    }
}

/// A case that sends one Describe to an endpoint through the case's network.
pub(super) fn describing(endpoint: &str) -> Case {
    Case::with_keys()
        .with(DESCRIBE, "1")
        .with(ENDPOINT, endpoint)
}
