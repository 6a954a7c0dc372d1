mod hostile;

use super::*;

fn known<'a>(status: u16, error_type: &'a str, body: &'a str) -> Reply<'a> {
    Reply {
        status,
        error_type: (!error_type.is_empty()).then_some(error_type),
        has_request_id: true,
        body: body.as_bytes(),
        message: None,
    }
}

fn reply(status: u16, error_type: &str, body: &str) -> Failure {
    known(status, error_type, body).failure()
}

fn foreign(status: u16, body: &str) -> Failure {
    Reply {
        status,
        body: body.as_bytes(),
        ..Reply::default()
    }
    .failure()
}

/// The service's codes: (code, HTTP status, meaning).
const TABLE: [(&str, u16, FailureKind); 31] = [
    ("ClientLimitExceededException", 400, FailureKind::Throttled),
    ("ThrottlingException", 400, FailureKind::Throttled),
    ("Throttling", 400, FailureKind::Throttled),
    ("ThrottledException", 400, FailureKind::Throttled),
    ("RequestThrottled", 400, FailureKind::Throttled),
    ("RequestThrottledException", 400, FailureKind::Throttled),
    ("TooManyRequestsException", 429, FailureKind::Throttled),
    ("RequestLimitExceeded", 503, FailureKind::Throttled),
    ("LimitExceededException", 400, FailureKind::Throttled),
    ("SlowDown", 503, FailureKind::Throttled),
    ("ResourceInUseException", 400, FailureKind::InUse),
    ("ResourceNotFoundException", 404, FailureKind::NotFound),
    ("InvalidArgumentException", 400, FailureKind::Rejected),
    (
        "TagsPerResourceExceededLimitException",
        400,
        FailureKind::Rejected,
    ),
    ("ValidationException", 400, FailureKind::Rejected),
    ("AccessDeniedException", 401, FailureKind::Denied),
    ("AccessDeniedException", 403, FailureKind::Denied),
    ("NotAuthorizedException", 401, FailureKind::Denied),
    (
        "AccountChannelLimitExceededException",
        400,
        FailureKind::AccountFull,
    ),
    (
        "AccountStreamLimitExceededException",
        400,
        FailureKind::AccountFull,
    ),
    ("ExpiredTokenException", 403, FailureKind::Credentials),
    ("ExpiredToken", 403, FailureKind::Credentials),
    ("UnrecognizedClientException", 400, FailureKind::Credentials),
    ("InvalidSignatureException", 403, FailureKind::Credentials),
    ("InvalidClientTokenId", 403, FailureKind::Credentials),
    ("MissingAuthenticationToken", 403, FailureKind::Credentials),
    (
        "MissingAuthenticationTokenException",
        403,
        FailureKind::Credentials,
    ),
    ("RequestExpired", 400, FailureKind::Credentials),
    ("RequestTimeTooSkewed", 403, FailureKind::Credentials),
    ("SignatureDoesNotMatch", 403, FailureKind::Credentials),
    ("InternalFailure", 500, FailureKind::ServerError),
];

#[test]
fn every_code_in_the_header_has_its_meaning() {
    for (code, status, kind) in TABLE {
        let failure = reply(status, code, r#"{"Message":"why"}"#);
        assert_eq!((failure.kind, &*failure.code), (kind, code));
        assert_eq!(&*failure.message, "why");
        assert!(!failure.foreign);
    }
}

#[test]
fn every_code_in_the_body_has_its_meaning() {
    for (code, status, kind) in TABLE {
        for field in ["__type", "code", "Code"] {
            let body =
                format!(r#"{{"{field}":"com.amazonaws.kinesisvideo#{code}","message":"m"}}"#);
            let failure = reply(status, "", &body);
            assert_eq!((failure.kind, &*failure.code), (kind, code), "{field}");
        }
    }
}

#[test]
fn a_known_code_wins_over_the_status() {
    for code in ["InvalidArgumentException", "ValidationException"] {
        assert_eq!(reply(403, code, "").kind, FailureKind::Rejected, "{code}");
    }
    for code in ["AccessDeniedException", "NotAuthorizedException"] {
        assert_eq!(reply(400, code, "").kind, FailureKind::Denied, "{code}");
    }
}

#[test]
fn a_code_is_found_between_namespace_and_suffix() {
    for text in [
        "ThrottlingException:http://internal.amazon.com/coral/com.amazon.coral.availability/",
        "com.amazon.coral.availability#ThrottlingException",
        "aws.protocoltests#ThrottlingException:more",
        " ThrottlingException ",
    ] {
        assert_eq!(bare_code(text).as_deref(), Some("ThrottlingException"));
    }
    for text in ["", ":x", "a b", "<html>", &"x".repeat(101)] {
        assert_eq!(bare_code(text), None, "{text}");
    }
}

#[test]
fn the_header_wins_over_the_body() {
    let failure = reply(400, "ResourceInUseException", r#"{"__type":"SlowDown"}"#);
    assert_eq!(failure.kind, FailureKind::InUse);
}

#[test]
fn the_status_decides_without_a_known_code() {
    for (status, kind, code) in [
        (429, FailureKind::Throttled, "Http429"),
        (401, FailureKind::Denied, "Http401"),
        (403, FailureKind::Denied, "Http403"),
        (408, FailureKind::ServerError, "Http408"),
        (400, FailureKind::ServerError, UNREADABLE_ANSWER),
        (404, FailureKind::ServerError, UNREADABLE_ANSWER),
        (413, FailureKind::Rejected, "Http413"),
        (500, FailureKind::ServerError, "Http500"),
        (502, FailureKind::ServerError, "Http502"),
        (503, FailureKind::ServerError, "Http503"),
        (504, FailureKind::ServerError, "Http504"),
        (600, FailureKind::ServerError, "Http600"),
        (200, FailureKind::ServerError, UNREADABLE_ANSWER),
        (302, FailureKind::ServerError, UNREADABLE_ANSWER),
    ] {
        for body in ["", "{}", "not json", r#"{"Message":7}"#, "[1,2"] {
            let failure = reply(status, "", body);
            assert_eq!((failure.kind, &*failure.code), (kind, code), "{body}");
            assert!(failure.message.contains(&status.to_string()));
        }
    }
    let unknown = reply(429, "SomethingNewException", "");
    assert_eq!(unknown.kind, FailureKind::Throttled);
    assert_eq!(&*unknown.code, "SomethingNewException");
}

#[test]
fn an_error_without_a_code_is_an_unreadable_answer() {
    for body in [
        "",
        "{",
        r#"{"__type":"InvalidArgumentExce"#,
        r#"{"Message":"The name is not"#,
        "upstream connect error",
        r#"{"__type":null,"code":7}"#,
    ] {
        let failure = reply(400, "", body);
        assert_eq!(failure.kind, FailureKind::ServerError, "{body}");
        assert_eq!(&*failure.code, UNREADABLE_ANSWER, "{body}");
        assert!(failure.is_answered() && failure.kind.is_passing(), "{body}");
        assert!(
            failure.message.contains("without a readable error code"),
            "{failure:?}"
        );
    }
    let explained = reply(400, "", r#"{"Message":"the name is taken"}"#);
    assert!(explained.message.contains("the name is taken"));
    // An unknown code is still a code.
    let unknown = reply(400, "SomethingNewException", "{");
    assert_eq!(unknown.kind, FailureKind::Rejected);
}

#[test]
fn a_server_error_wins_over_its_code() {
    for code in [
        "InvalidArgumentException",
        "AccessDeniedException",
        "ResourceNotFoundException",
        "ResourceInUseException",
        "AccountChannelLimitExceededException",
    ] {
        for status in [500, 503] {
            let failure = reply(status, code, r#"{"Message":"why"}"#);
            assert_eq!(failure.kind, FailureKind::ServerError, "{status} {code}");
            assert_eq!((&*failure.code, &*failure.message), (code, "why"));
        }
    }
    assert_eq!(reply(503, "SlowDown", "").kind, FailureKind::Throttled);
    let expired = reply(500, "ExpiredTokenException", "");
    assert_eq!(expired.kind, FailureKind::Credentials);
}

#[test]
fn an_answer_of_another_server_is_ambiguous() {
    for status in [200, 302, 400, 403, 404, 407, 503] {
        for body in [
            "<html><body>Access denied by policy</body></html>",
            "\n <!DOCTYPE html><title>x</title>",
            "<h1>Sign in</h1>",
            "Bad Request",
            "{}",
            r#"{"message":"no healthy upstream"}"#,
            "",
        ] {
            let failure = foreign(status, body);
            assert_eq!(failure.kind, FailureKind::ServerError, "{status} {body}");
            assert_eq!(&*failure.code, UNREADABLE_ANSWER);
            assert!(failure.foreign);
            assert!(failure.message.contains("proxy"), "{}", failure.message);
        }
    }
    assert_eq!(foreign(429, "<html>").kind, FailureKind::Throttled);
    let explained = foreign(400, r#"{"message":"no healthy upstream"}"#);
    assert!(explained.message.contains("no healthy upstream"));
    let aws_own = reply(503, "", "<html>Service Unavailable</html>");
    assert!(!aws_own.foreign);
    assert_eq!(aws_own.kind, FailureKind::ServerError);
}

#[test]
fn an_answer_without_request_id_is_foreign_but_its_code_is_used() {
    let failure = foreign(400, r#"{"__type":"ThrottlingException","message":"slow"}"#);
    assert_eq!(failure.kind, FailureKind::Throttled);
    assert!(failure.foreign);
    assert!(
        failure
            .message
            .starts_with("slow; it has no AWS request ID")
    );
}

#[test]
fn messages_are_one_bounded_line_without_the_session_token() {
    let text = message_text("one\r\n two\u{0}three\t");
    assert_eq!(&*text, "one two three");
    let long = message_text(&"ä".repeat(2000));
    assert_eq!(long.chars().count(), LONGEST_MESSAGE + 1);
    let body = r#"{"message":"The request signature does not match.\n\nThe Canonical String for this request should have been\n'POST\nx-amz-security-token:SECRET'"}"#;
    let failure = reply(403, "InvalidSignatureException", body);
    assert_eq!(&*failure.message, "The request signature does not match.");
    for blank in ["\\n", "  ", "\\u0019", "\u{a0}"] {
        let failure = reply(
            403,
            "InvalidSignatureException",
            &body.replace(
                "The Canonical String",
                &format!("The{blank}Canonical String"),
            ),
        );
        assert_eq!(
            &*failure.message, "The request signature does not match.",
            "{blank:?}"
        );
    }
}

#[test]
fn connection_failures_are_distinguished_by_their_causes() {
    let causes = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>()
    };
    for (texts, kind, code, part) in [
        (
            &[
                "dispatch failure",
                "io error",
                "client error (Connect)",
                "dns error",
                "failed to lookup address information: Name or service not known",
            ][..],
            FailureKind::Unreachable,
            DNS_FAILED,
            "cannot be looked up: dns error: failed to lookup",
        ),
        (
            &[
                "client error (Connect)",
                "TLS handshake failed",
                "invalid peer certificate: UnknownIssuer",
            ],
            FailureKind::Unreachable,
            TLS_FAILED,
            "AWS_CA_BUNDLE",
        ),
        (
            &[
                "client error (Connect)",
                "tunnel error: proxy authorization required",
            ],
            FailureKind::Unreachable,
            PROXY_FAILED,
            "HTTPS_PROXY",
        ),
        (
            &[
                "client error (Connect)",
                "tcp connect error",
                "Connection refused (os error 111)",
            ],
            FailureKind::Unreachable,
            CONNECTION_FAILED,
            "no connection to kvs.test: tcp connect error: Connection refused (os error 111)",
        ),
        (
            &[
                "timeout",
                "client error (Connect)",
                "HTTP connect timeout occurred after 3.1s",
                "timed out",
            ],
            FailureKind::Unreachable,
            CONNECTION_FAILED,
            "HTTP connect timeout occurred after 3.1s",
        ),
        (
            &[
                "io error",
                "client error (SendRequest)",
                "connection error",
                "Connection reset by peer (os error 104)",
            ],
            FailureKind::Lost,
            CONNECTION_LOST,
            "the connection broke with kvs.test: connection error: Connection reset",
        ),
        (
            &[],
            FailureKind::Lost,
            CONNECTION_LOST,
            "the cause is unknown",
        ),
    ] {
        let failure = connection(&causes(texts), Some("kvs.test"));
        assert_eq!((failure.kind, &*failure.code), (kind, code));
        assert!(failure.message.contains(part), "{}", failure.message);
    }
}
