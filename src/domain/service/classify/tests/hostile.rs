//! Answers without sense, and failures before any answer.

use super::*;

#[test]
fn an_explanation_without_printable_text_is_ignored() {
    for nothing in ["", " ", "\u{0}\u{0}", "\u{1b}\n"] {
        let body = serde_json::json!({ "message": nothing }).to_string();
        let failure = Reply {
            message: Some(nothing),
            ..known(400, "InvalidArgumentException", &body)
        }
        .failure();
        assert_eq!(
            &*failure.message,
            "the answer has HTTP status 400 and no explanation"
        );
        let failure = Reply {
            message: Some(nothing),
            ..Reply::default()
        }
        .failure();
        assert!(
            failure
                .message
                .starts_with("the answer is not one of the service's (HTTP status 0)"),
            "{}",
            failure.message
        );
    }
    // The body has no message; the caller's explanation is used.
    let failure = Reply {
        message: Some("no"),
        ..known(400, "InvalidArgumentException", r#"{"message":"\u0000"}"#)
    }
    .failure();
    assert_eq!(&*failure.message, "no");
}

#[test]
fn random_bytes_do_not_panic() {
    let seed = 20_u64;
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..2000 {
        let body: Vec<u8> = (0..random.usize(0..300)).map(|_| random.u8(..)).collect();
        let text = String::from_utf8_lossy(&body).into_owned();
        let reply = Reply {
            status: random.u16(..),
            error_type: Some(&text),
            has_request_id: random.bool(),
            body: &body,
            message: None,
        };
        let failure = reply.failure();
        assert!(!failure.code.is_empty());
    }
}

#[test]
fn too_many_open_files_is_not_a_failure_of_the_service() {
    for step in [
        "tcp open error: Too many open files (os error 24)",
        "dns error: failed to lookup address information: Too many open files (os error 24)",
        "tcp open error: Too many open files in system (os error 23)",
    ] {
        let causes = ["client error (Connect)".to_owned(), step.to_owned()];
        let failure = connection(&causes, Some("kvs.example"));
        assert_eq!(&*failure.code, TOO_MANY_OPEN_FILES, "{step}");
        assert_eq!(failure.kind, FailureKind::Unreachable);
        assert!(failure.is_of_open_files() && failure.message.contains("ulimit -n"));
    }
    let refused = ["client error (Connect)".to_owned()];
    assert!(!connection(&refused, None).is_of_open_files());
}

#[test]
fn a_missing_host_is_distinguished_from_a_failed_lookup() {
    let looked_up = |why: &str| no_such_host("kinesisvideo.us-west-1.amazonaws.com", why);
    let words = "failed to lookup address information";
    for missing in ["Name or service not known", "Name does not resolve"] {
        assert!(looked_up(&format!("{words}: {missing}")).is_of_a_missing_host());
    }
    let nobody = looked_up(&format!("{words}: Temporary failure in name resolution"));
    assert_eq!(&*nobody.code, DNS_FAILED);
    assert!(!nobody.is_of_a_missing_host());
}
