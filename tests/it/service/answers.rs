//! Each kind of answer, and each way to get none, and how the client classifies it.

use std::time::{Duration, SystemTime};

use kvs_fleet::aws::Connection;
use kvs_fleet::domain::device::{Device, Region};
use kvs_fleet::domain::service::{ChannelStatus, FailureKind, ListRequest};
use kvs_fleet::engine::Service as _;

use super::play::{Act, DATE, DATE_EPOCH, REQUEST_ID, Script, answer, bare_answer, start};
use super::{REGION, arn, device, name, permit, region, service, settings};

#[tokio::test]
async fn create_sends_name_type_ttl_and_tags_and_accepts_only_its_own_arn() {
    let body = format!(r#"{{"ChannelARN":"{}"}}"#, arn("DEVICE_1"));
    let script = Script::new(vec![answer("200 OK", "", &body)]);
    let service = service(&start(&script).await).await;

    let created = service.create(permit().await, &device()).await;
    assert_eq!(created.result.unwrap().as_str(), arn("DEVICE_1"));
    assert_eq!(created.request_id.as_deref(), Some(REQUEST_ID));
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(DATE_EPOCH);
    assert_eq!(created.date, Some(date));

    let plain = Device {
        message_ttl: None,
        tags: Vec::new(),
        ..device()
    };
    service.create(permit().await, &plain).await.result.unwrap();

    let requests = script.requests();
    assert!(requests[0].head.starts_with("POST /createSignalingChannel"));
    assert_eq!(
        requests[0].body,
        r#"{"ChannelName":"DEVICE_1","ChannelType":"SINGLE_MASTER","SingleMasterConfiguration":{"MessageTtlSeconds":90},"Tags":[{"Key":"StreamName","Value":"DEVICE_1"},{"Key":"Environment","Value":""}]}"#
    );
    assert_eq!(
        requests[1].body,
        r#"{"ChannelName":"DEVICE_1","ChannelType":"SINGLE_MASTER"}"#
    );
    let signed = requests[0].header("authorization").unwrap();
    assert!(
        signed.contains(&format!("/{REGION}/kinesisvideo/")),
        "{signed}"
    );
    assert!(
        requests[0]
            .header("user-agent")
            .unwrap()
            .contains("aws-sdk-rust")
    );
    let agent = requests[0].header("x-amz-user-agent").unwrap();
    assert!(agent.contains("app/kvs-fleet"), "{agent}");
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table, a case an entry")]
async fn every_failure_of_the_service_is_classified() {
    let page = "<html><body>503</body></html>";
    let text = "Content-Type: text/html\r\n";
    let elsewhere = arn("DEVICE_1").replace(REGION, "us-east-1");
    for (act, kind, code, foreign, part) in [
        (
            answer(
                "400 Bad Request",
                "x-amzn-ErrorType: ClientLimitExceededException:\r\n",
                r#"{"Message":"Rate exceeded"}"#,
            ),
            FailureKind::Throttled,
            "ClientLimitExceededException",
            false,
            "Rate exceeded",
        ),
        (
            answer(
                "400 Bad Request",
                "",
                r#"{"__type":"com.amazon.coral#ThrottlingException","message":"slow"}"#,
            ),
            FailureKind::Throttled,
            "ThrottlingException",
            false,
            "slow",
        ),
        (
            answer("429 Too Many Requests", "", ""),
            FailureKind::Throttled,
            "Http429",
            false,
            "429",
        ),
        (
            answer(
                "400 Bad Request",
                "x-amzn-ErrorType: ResourceInUseException\r\n",
                "{not json",
            ),
            FailureKind::InUse,
            "ResourceInUseException",
            false,
            "400",
        ),
        (
            answer(
                "404 Not Found",
                "x-amzn-ErrorType: ResourceNotFoundException\r\n",
                r#"{"Message":"none"}"#,
            ),
            FailureKind::NotFound,
            "ResourceNotFoundException",
            false,
            "none",
        ),
        (
            answer(
                "401 Unauthorized",
                "x-amzn-ErrorType: AccessDeniedException\r\n",
                r#"{"Message":"not authorized"}"#,
            ),
            FailureKind::Denied,
            "AccessDeniedException",
            false,
            "not authorized",
        ),
        (
            answer("403 Forbidden", "", "{}"),
            FailureKind::Denied,
            "Http403",
            false,
            "403",
        ),
        (
            answer(
                "400 Bad Request",
                "x-amzn-ErrorType: AccountChannelLimitExceededException\r\n",
                r#"{"Message":"full"}"#,
            ),
            FailureKind::AccountFull,
            "AccountChannelLimitExceededException",
            false,
            "full",
        ),
        (
            answer(
                "400 Bad Request",
                "x-amzn-ErrorType: InvalidArgumentException\r\n",
                r#"{"Message":"bad"}"#,
            ),
            FailureKind::Rejected,
            "InvalidArgumentException",
            false,
            "bad",
        ),
        (
            answer(
                "403 Forbidden",
                "x-amzn-ErrorType: ExpiredTokenException\r\n",
                r#"{"message":"expired"}"#,
            ),
            FailureKind::Credentials,
            "ExpiredTokenException",
            false,
            "expired",
        ),
        (
            answer(
                "500 Internal Server Error",
                "x-amzn-ErrorType: InternalFailure\r\n",
                "",
            ),
            FailureKind::ServerError,
            "InternalFailure",
            false,
            "500",
        ),
        (
            bare_answer("503 Service Unavailable", text, page),
            FailureKind::ServerError,
            "UnreadableAnswer",
            true,
            "proxy",
        ),
        (
            bare_answer("200 OK", text, page),
            FailureKind::ServerError,
            "UnreadableAnswer",
            true,
            "proxy",
        ),
        (
            bare_answer("302 Found", "Location: http://127.0.0.1:1/\r\n", ""),
            FailureKind::ServerError,
            "UnreadableAnswer",
            true,
            "302",
        ),
        (
            answer("200 OK", "", "{}"),
            FailureKind::ServerError,
            "UnreadableAnswer",
            false,
            "no ARN for DEVICE_1",
        ),
        (
            answer("200 OK", "", ""),
            FailureKind::ServerError,
            "UnreadableAnswer",
            false,
            "no ARN for DEVICE_1",
        ),
        (
            answer("200 OK", "", r#"{"ChannelARN": 7"#),
            FailureKind::ServerError,
            "UnreadableAnswer",
            false,
            "200",
        ),
        (
            answer(
                "200 OK",
                "",
                &format!(r#"{{"ChannelARN":"{}"}}"#, arn("DEVICE_2")),
            ),
            FailureKind::ServerError,
            "UnreadableAnswer",
            false,
            "ARN of another one",
        ),
        (
            answer("200 OK", "", &format!(r#"{{"ChannelARN":"{elsewhere}"}}"#)),
            FailureKind::ServerError,
            "UnreadableAnswer",
            false,
            "ARN of another one",
        ),
        (
            Act::SendAndClose(format!(
                "HTTP/1.1 200 OK\r\nx-amzn-RequestId: {REQUEST_ID}\r\nDate: {DATE}\r\nContent-Length: 500\r\n\r\n{{\"Chann"
            )),
            FailureKind::ServerError,
            "UnreadableAnswer",
            false,
            "broke off",
        ),
        (
            Act::SendAndClose("HTTP/1.1 20".to_owned()),
            FailureKind::Lost,
            "ConnectionLost",
            false,
            "broke",
        ),
        (
            Act::SendAndClose(String::new()),
            FailureKind::Lost,
            "ConnectionLost",
            false,
            "broke",
        ),
        (
            Act::SendAndClose("no HTTP at all\r\n\r\n".to_owned()),
            FailureKind::Lost,
            "ConnectionLost",
            false,
            "broke",
        ),
        (
            Act::Reset,
            FailureKind::Lost,
            "ConnectionLost",
            false,
            "broke",
        ),
    ] {
        let shown = format!("{act:?}");
        let script = Script::new(vec![act]);
        let answer = service(&start(&script).await)
            .await
            .create(permit().await, &device())
            .await;
        let failure = answer.result.expect_err(&shown);
        assert_eq!(
            (failure.kind, &*failure.code, failure.foreign),
            (kind, code, foreign),
            "{shown}\n{failure:?}"
        );
        assert!(failure.message.contains(part), "{shown}\n{failure:?}");
        if shown.contains(REQUEST_ID) {
            assert_eq!(answer.request_id.as_deref(), Some(REQUEST_ID), "{shown}");
            assert!(answer.date.is_some(), "{shown}");
        }
        // One call is one attempt, whatever the answer.
        assert_eq!(script.requests().len(), 1, "{shown}");
    }
}

#[tokio::test]
async fn a_missing_answer_is_ambiguous_and_a_closed_port_is_unreachable() {
    let script = Script::new(vec![Act::Hang]);
    let mut quick = settings(&start(&script).await);
    quick.timeout = Duration::from_millis(300);
    let connection = Connection::load(quick).await.unwrap();
    let failure = connection
        .region(&region())
        .create(permit().await, &device())
        .await
        .result
        .unwrap_err();
    assert_eq!(
        (failure.kind, &*failure.code),
        (FailureKind::Lost, "Timeout")
    );
    assert_eq!(&*failure.message, "no answer within 0.3 s");

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let service = service(&format!("http://{closed}")).await;
    let failure = service
        .create(permit().await, &device())
        .await
        .result
        .unwrap_err();
    assert_eq!(
        (failure.kind, &*failure.code),
        (FailureKind::Unreachable, "ConnectionFailed")
    );
    let said = &failure.message;
    assert!(
        said.contains(&closed.to_string()) && said.contains("refused"),
        "{said}"
    );
}

#[tokio::test]
async fn describe_and_list_return_channels() {
    let info = |name: &str, status: &str| {
        format!(
            r#"{{"ChannelName":"{name}","ChannelARN":"{}","ChannelType":"SINGLE_MASTER","ChannelStatus":"{status}","CreationTime":1700000000.123,"SingleMasterConfiguration":{{"MessageTtlSeconds":60}},"Version":"v"}}"#,
            arn(name)
        )
    };
    let script = Script::new(vec![
        answer(
            "200 OK",
            "",
            &format!(r#"{{"ChannelInfo":{}}}"#, info("DEVICE_1", "CREATING")),
        ),
        answer(
            "200 OK",
            "",
            &format!(r#"{{"ChannelInfo":{}}}"#, info("DEVICE_2", "ACTIVE")),
        ),
        answer(
            "200 OK",
            "",
            &format!(r#"{{"ChannelInfo":{}}}"#, info("DEVICE_1", "MELTED")),
        ),
        answer("200 OK", "", "{}"),
        answer(
            "200 OK",
            "",
            &format!(
                r#"{{"ChannelInfoList":[{},{},{{}}],"NextToken":"more"}}"#,
                info("A", "DELETING"),
                info("B", "MELTED")
            ),
        ),
        answer("200 OK", "", r#"{"ChannelInfoList":[],"NextToken":""}"#),
    ]);
    let service = service(&start(&script).await).await;

    let channel = service
        .describe(permit().await, &name())
        .await
        .result
        .unwrap();
    assert_eq!(channel.status, ChannelStatus::Creating);
    assert_eq!(channel.arn.as_str(), arn("DEVICE_1"));
    assert_eq!(channel.creation_millis, 1_700_000_000_123);
    assert_eq!(channel.message_ttl.unwrap().as_secs(), 60);
    for part in ["describes 'DEVICE_2'", "'MELTED'", "does not describe"] {
        let failure = service
            .describe(permit().await, &name())
            .await
            .result
            .unwrap_err();
        assert_eq!(
            (failure.kind, &*failure.code),
            (FailureKind::ServerError, "UnreadableAnswer")
        );
        assert!(failure.message.contains(part), "{failure:?}");
    }

    let request = ListRequest {
        name_prefix: Some("DEV".into()),
        next_token: Some("t".into()),
        max_results: 500,
    };
    let page = service.list(permit().await, &request).await.result.unwrap();
    assert_eq!(page.next_token.as_deref(), Some("more"));
    let names: Vec<&str> = page
        .channels
        .iter()
        .map(|channel| channel.name.as_str())
        .collect();
    assert_eq!(names, ["A"]);
    assert_eq!(page.channels[0].status, ChannelStatus::Deleting);
    let last = service
        .list(
            permit().await,
            &ListRequest {
                max_results: 1,
                ..ListRequest::default()
            },
        )
        .await;
    assert_eq!(last.result.unwrap().next_token, None);
    let requests = script.requests();
    assert_eq!(
        requests[4].body,
        r#"{"ChannelNameCondition":{"ComparisonOperator":"BEGINS_WITH","ComparisonValue":"DEV"},"MaxResults":500,"NextToken":"t"}"#
    );
    assert_eq!(requests[5].body, r#"{"MaxResults":1}"#);
}

#[tokio::test]
async fn a_custom_endpoint_may_return_its_account() {
    let identity = |account: &str| {
        answer(
            "200 OK",
            "Content-Type: text/xml\r\n",
            &format!(
                "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::{account}:root</Arn><UserId>u</UserId><Account>{account}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
            ),
        )
    };
    let script = Script::new(vec![
        identity("123456789012"),
        identity("none"),
        bare_answer("404 Not Found", "", ""),
        answer("200 OK", "", "{}"),
        Act::Reset,
    ]);
    let connection = Connection::load(settings(&start(&script).await))
        .await
        .unwrap();
    let found = connection.identity(&region()).await.unwrap().unwrap();
    assert_eq!(found.account.as_str(), "123456789012");
    assert_eq!(&*found.caller, "arn:aws:iam::123456789012:root");
    for _ in 0..4 {
        assert_eq!(connection.identity(&region()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn callers_with_the_same_expired_credentials_reload_once() {
    let script = Script::new(vec![bare_answer("404 Not Found", "", "")]);
    let connection = Connection::load(settings(&start(&script).await))
        .await
        .unwrap();
    let service = connection.region(&region());
    assert_eq!(service.credentials_generation(), 0);
    let reloads = (0..50).map(|_| {
        let service = service.clone();
        tokio::spawn(async move { service.reload_credentials(0).await })
    });
    for reload in reloads.collect::<Vec<_>>() {
        assert_eq!(reload.await.unwrap(), Ok(None));
    }
    assert_eq!(service.credentials_generation(), 1);
    assert_eq!(script.requests().len(), 1);
    assert_eq!(service.reload_credentials(0).await, Ok(None));
    assert_eq!(service.credentials_generation(), 1);
    assert_eq!(service.reload_credentials(1).await, Ok(None));
    assert_eq!(connection.generation(), 2);
}

#[tokio::test]
async fn connections_are_reused_and_requests_are_never_repeated() {
    let script = Script::new(vec![
        bare_answer("404 Not Found", "", "{}"),
        bare_answer("404 Not Found", "", "{}"),
        bare_answer("404 Not Found", "", "{}"),
        Act::SendAndClose(String::new()),
        Act::Hang,
    ]);
    let connection = Connection::load(settings(&start(&script).await))
        .await
        .unwrap();
    let other = Region::parse("us-east-1").unwrap();
    connection
        .region(&region())
        .describe(permit().await, &name())
        .await;
    connection
        .region(&other)
        .describe(permit().await, &name())
        .await;
    connection.reload(0, &other).await.unwrap();
    assert_eq!(script.connections(), 1);
    let requests = script.requests();
    let scope = |index: usize| requests[index].header("authorization").unwrap();
    assert!(scope(0).contains("/eu-central-1/kinesisvideo/"));
    assert!(scope(1).contains("/us-east-1/kinesisvideo/"));

    // The server closes the connection in use instead of answering. Whether the request was executed is unknown, so it
    // must not be sent again before a Describe.
    let failure = connection
        .region(&other)
        .create(permit().await, &device())
        .await
        .result;
    assert_eq!(failure.unwrap_err().kind, FailureKind::Lost);
    assert_eq!(script.requests().len(), 4);
    assert_eq!(script.connections(), 1);
}

#[tokio::test]
async fn an_endless_handshake_is_not_a_sent_request() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut quick = settings(&format!("https://{}", listener.local_addr().unwrap()));
    quick.timeout = Duration::from_millis(500);
    let connection = Connection::load(quick).await.unwrap();
    let answer = connection
        .region(&region())
        .create(permit().await, &device())
        .await;
    let failure = answer.result.unwrap_err();
    assert_eq!(
        (failure.kind, &*failure.code),
        (FailureKind::Unreachable, "ConnectionFailed")
    );
    let said = &failure.message;
    assert!(said.contains("connect timeout"), "{said}");
}
