//! Tests of STS over HTTP: `AssumeRole`, and requests that the session signs.

use super::*;

const ROLE: &str = "Action=AssumeRole&Version=2011-06-15&RoleSessionName=run&RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333\
                    %3Arole%2Fkvs-fleet";

fn member<'a>(answer: &'a Raw, name: &str) -> &'a str {
    let (_, rest) = answer.body.split_once(&format!("<{name}>")).unwrap();
    rest.split_once(&format!("</{name}>")).unwrap().0
}

/// The request, signed with the key that the answer contains.
fn signed_by(answer: &Raw, path: &str, body: &str) -> String {
    let key = format!("Credential={}/", member(answer, "AccessKeyId"));
    let token = member(answer, "SessionToken");
    let authorization = AUTHORIZATION.replace("Credential=AKID/", &key);
    request(
        path,
        &format!("Authorization: {authorization}\r\nX-Amz-Security-Token: {token}\r\n"),
        body,
    )
}

#[tokio::test]
async fn a_role_is_assumed_and_its_session_signs() {
    let emulator = start(quick()).await;
    let assumed = ask(&emulator, &signed("/", ROLE)).await;
    assert_eq!(
        (assumed.status, assumed.header("content-type")),
        (200, "text/xml"),
        "{assumed:?}"
    );
    let arn = "arn:aws:sts::111122223333:assumed-role/kvs-fleet/run";
    assert_eq!(member(&assumed, "Arn"), arn);
    let expiration = humantime::parse_rfc3339(member(&assumed, "Expiration")).unwrap();
    let date = httpdate::parse_http_date(assumed.header("date")).unwrap();
    assert_eq!(expiration.duration_since(date).unwrap().as_secs(), 3_600);

    let asked = signed_by(&assumed, "/", "Action=GetCallerIdentity&Version=2011-06-15");
    let identity = ask(&emulator, &asked).await;
    assert_eq!(member(&identity, "Account"), "111122223333");
    assert_eq!(member(&identity, "Arn"), arn);
    assert_eq!(
        member(&identity, "UserId"),
        member(&assumed, "AssumedRoleId")
    );

    let create = signed_by(
        &assumed,
        "/createSignalingChannel",
        r#"{"ChannelName":"a"}"#,
    );
    let created = ask(&emulator, &create).await;
    let arn = created.json()["ChannelARN"].as_str().unwrap().to_owned();
    assert!(arn.contains(":111122223333:channel/a/"), "{arn}");
    assert!(!exists(&emulator, "a").await);
    let counts = emulator.request_counts();
    assert_eq!(counts.of(ApiOperation::AssumeRole).answered, 1);
    assert_eq!(counts.of(ApiOperation::CallerIdentity).answered, 1);
}

#[tokio::test]
async fn a_refused_role_gets_the_error_of_sts() {
    let emulator = start(EmulatorSettings {
        deny_accounts: vec![crate::domain::device::AccountId::parse("444455556666").unwrap()],
        ..quick()
    })
    .await;
    for (body, status, code) in [
        (
            ROLE.replace("111122223333", "444455556666"),
            403,
            "AccessDenied",
        ),
        (ROLE.replace("111122223333", "1111"), 400, "ValidationError"),
        (
            ROLE.replace("&RoleSessionName=run", ""),
            400,
            "ValidationError",
        ),
        (format!("{ROLE}&DurationSeconds=60"), 400, "ValidationError"),
    ] {
        let answer = ask(&emulator, &signed("/", &body)).await;
        assert_eq!(
            (answer.status, member(&answer, "Code")),
            (status, code),
            "{body}"
        );
        assert!(answer.body.starts_with("<ErrorResponse "), "{answer:?}");
    }
    let counts = emulator.request_counts().of(ApiOperation::AssumeRole);
    assert_eq!((counts.answered, counts.refused), (0, 4));
}

#[tokio::test]
async fn only_a_fault_that_names_assume_role_affects_it() {
    for (fault, status, code) in [
        ("throttle", 400, "Throttling"),
        ("503", 503, "ServiceUnavailable"),
        ("500", 500, "InternalFailure"),
    ] {
        let emulator = with_faults(&[&format!("{fault}=1@assume-role")]).await;
        let answer = ask(&emulator, &signed("/", ROLE)).await;
        assert_eq!((answer.status, member(&answer, "Code")), (status, code));
        assert_eq!(ask(&emulator, &create("a")).await.status, 200);
        let emulator = with_faults(&[&format!("{fault}=1")]).await;
        assert_eq!(ask(&emulator, &signed("/", ROLE)).await.status, 200);
    }
}
