//! Tests of the cleaned environment.

use super::*;

fn environment(vars: &[(&str, &str)]) -> Environment {
    let vars = vars.iter().map(|(name, value)| (name.into(), value.into()));
    Environment::from_vars(vars)
}

#[test]
fn an_empty_variable_is_unset_and_values_are_trimmed() {
    let found = environment(&[
        ("AWS_REGION", " \r\n"),
        ("AWS_ENDPOINT_URL", ""),
        ("AWS_ACCESS_KEY_ID", "\tAKID\r\n"),
        ("AWS_PROFILE", "\u{feff}line \r"),
    ]);
    assert_eq!(found.get("AWS_REGION"), None);
    assert_eq!(found.endpoint(), None);
    assert_eq!(found.get(ACCESS_KEY_ID), Some("AKID"));
    assert_eq!(found.get("AWS_PROFILE"), Some("line"));
}

#[test]
fn an_unsendable_value_is_reported_by_variable_without_the_value() {
    for (vars, parts) in [
        (
            &[
                ("AWS_ACCESS_KEY_ID", "AK\rID"),
                ("AWS_SECRET_ACCESS_KEY", "s"),
            ][..],
            ["AWS_ACCESS_KEY_ID", "a line end"],
        ),
        (
            &[
                ("AWS_ACCESS_KEY_ID", "AKID"),
                ("AWS_SECRET_ACCESS_KEY", "\"hunter2\""),
            ],
            ["AWS_SECRET_ACCESS_KEY", "a quotation mark"],
        ),
        (
            &[("AWS_SESSION_TOKEN", "hunt\u{fc}r2")],
            ["AWS_SESSION_TOKEN", "not ASCII"],
        ),
        (
            &[("AWS_ACCESS_KEY_ID", "AKID")],
            ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY is not set"],
        ),
    ] {
        let found = environment(vars);
        let error = found.check(true).expect_err(parts[0]).to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        assert!(!error.contains("hunt"), "{error}");
        assert!(found.check(false).is_ok());
    }
}

#[test]
fn unusable_endpoint_variables_are_refused() {
    for (name, value, part) in [
        ("AWS_USE_FIPS_ENDPOINT", "yes", "true or false"),
        ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "1", "true or false"),
        (
            "AWS_ENDPOINT_URL_STS",
            "sts.test",
            "must start with https://",
        ),
        (
            "AWS_ENDPOINT_URL_KINESISVIDEO",
            "https://kvs.test",
            "AWS_ENDPOINT_URL_KINESIS_VIDEO",
        ),
        (
            "AWS_ENDPOINT_URL_KINESIS-VIDEO",
            "https://kvs.test",
            "AWS_ENDPOINT_URL_KINESIS_VIDEO",
        ),
        (
            "AWS_EC2_METADATA_SERVICE_ENDPOINT",
            "not a url",
            "must be like",
        ),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "5", "IPv4"),
    ] {
        let error = environment(&[(name, value)]).check(true).expect_err(name);
        let error = error.to_string();
        assert!(error.contains(name) && error.contains(part), "{error}");
    }
    let sound = environment(&[
        ("AWS_USE_FIPS_ENDPOINT", "False"),
        ("AWS_ENDPOINT_URL_S3", "whatever"),
        ("AWS_ENDPOINT_URL_STS", "http://localhost:4566"),
    ]);
    assert!(sound.check(true).is_ok());
}

#[test]
fn profiles_are_selected_as_by_the_aws_cli() {
    let both = [("AWS_DEFAULT_PROFILE", "old"), ("AWS_PROFILE", "new")];
    let selected = |vars: &[(&str, &str)], flag| environment(vars).profile(flag);
    assert_eq!(
        selected(&both, Some("flag")),
        ("flag".to_owned(), SelectedBy::Flag)
    );
    assert_eq!(selected(&both, None).0, "new");
    let (name, by) = selected(&[("AWS_PROFILE", ""), both[0]], None);
    assert_eq!(
        (&*name, by),
        ("old", SelectedBy::Variable("AWS_DEFAULT_PROFILE"))
    );
    assert_eq!(
        selected(&[], None),
        ("default".to_owned(), SelectedBy::Nothing)
    );
}

#[test]
fn variables_on_which_the_sdk_would_panic_are_refused() {
    for (name, value, part) in [
        ("AWS_EXECUTION_ENV", "CodeBuild\r", "header"),
        ("SMITHY_CLIENT_SDK_CUSTOM_PARTITION", "", "unset it"),
    ] {
        let error = environment(&[(name, value)])
            .check_sendable()
            .expect_err(name);
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(
        environment(&[("AWS_EXECUTION_ENV", "")])
            .check_sendable()
            .is_ok()
    );
}
