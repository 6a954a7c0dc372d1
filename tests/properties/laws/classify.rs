//! Answers and broken connections: each has a meaning, a code and a message that can be recorded.

use kvs_fleet::domain::service::classify::{
    Reply, bare_code, blames_the_clock, connection, kind_of_code, message_text,
};
use kvs_fleet::domain::service::{Failure, FailureKind};

/// The longest message: 500 characters and the ellipsis.
const LONGEST: usize = 501;

/// Any answer: the first line is `STATUS REQUEST-ID ERROR-TYPE`, the rest is the body. The same text is used as the
/// causes of a broken connection, one per line.
pub(crate) fn holds(input: &[u8]) {
    let (line, body) = super::first_line(input);
    let mut words = line.splitn(3, ' ');
    let status = words
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(200);
    let has_request_id = words.next().is_some_and(|word| !word.is_empty());
    let error_type = words.next();
    let text = String::from_utf8_lossy(body);
    for message in [None, Some(&*text)] {
        is_meaningful(&Reply {
            status,
            error_type,
            has_request_id,
            body,
            message,
        });
    }
    is_a_code(&line);
    let causes: Vec<String> = text.lines().map(str::to_owned).collect();
    for host in [None, Some(line.as_str())] {
        let failure = connection(&causes, host);
        is_recordable(&failure);
        let kinds = [FailureKind::Lost, FailureKind::Unreachable];
        assert!(kinds.contains(&failure.kind), "{failure:?}");
    }
}

fn is_meaningful(reply: &Reply<'_>) {
    let failure = reply.failure();
    is_recordable(&failure);
    assert_eq!(failure.foreign, !reply.has_request_id, "{failure:?}");
    assert_eq!(failure, reply.failure());
    let not_answered = [FailureKind::Lost, FailureKind::Unreachable];
    assert!(!not_answered.contains(&failure.kind), "{failure:?}");
    let known = reply.error_type.and_then(bare_code);
    let known = known.as_deref().and_then(kind_of_code);
    if known == Some(FailureKind::Throttled) {
        assert_eq!(failure.kind, FailureKind::Throttled, "{failure:?}");
    }
    // A server error is retried, whatever its code: it does not decide the outcome of a device.
    if reply.status >= 500 {
        let passing = failure.kind.is_passing() || failure.kind == FailureKind::Credentials;
        assert!(passing, "{failure:?} of {reply:?}");
    }
    let unreadable = reply.unreadable("no result");
    is_recordable(&unreadable);
    assert!(unreadable.kind.is_ambiguous());
}

fn is_recordable(failure: &Failure) {
    assert_eq!(bare_code(&failure.code).as_deref(), Some(&*failure.code));
    super::is_a_message(&failure.message);
    assert!(failure.message.chars().count() <= LONGEST, "{failure:?}");
    assert!(
        !failure.message.contains("The Canonical String"),
        "{failure:?}"
    );
    assert_eq!(message_text(&failure.message), failure.message);
    let _ = blames_the_clock(failure);
}

fn is_a_code(text: &str) {
    if let Some(code) = bare_code(text) {
        assert!(text.contains(&*code) && !code.is_empty());
        assert_eq!(bare_code(&code), Some(code));
    }
}
