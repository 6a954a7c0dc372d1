//! What a failed call to the quota server means: whether it may succeed later, or only after the operator has changed
//! something. Errors of the client are shown without what was sent.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::address::PASSWORD;
use crate::domain::device::visible;
use crate::engine::pace::quota::QuotaError;

/// Part of the place of an error in a script.
const SCRIPT_PLACE: &str = "@user_script";
/// The most characters of its words that are shown.
const LONGEST_DETAIL: usize = 200;
/// Codes with which the server refuses who or what asks.
const REFUSALS: [&str; 5] = ["WRONGPASS", "NOAUTH", "NOPERM", "DENIED", "CROSSSLOT"];
/// What it says where it refuses something else than the call itself, such as what a script does or a login needs. The code
/// of these is that of any error.
const REFUSALS_BY_TEXT: [&str; 7] = [
    "can't run this command",
    "can't access at least one of the keys",
    "has no permissions",
    "unknown command",
    "Unknown Redis command",
    "DB index is out of range",
    "SELECT is not allowed",
];
/// Without a login a call with so many arguments breaks the protocol, by what the server says.
const WITHOUT_LOGIN: &str = "unauthenticated";

/// Whether the server has answered, and would answer again on the same connection.
pub(super) fn is_answer(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension)
        && error.code() != Some("READONLY")
}

/// What a failed call means.
pub(super) fn of(error: &RedisError) -> QuotaError {
    let code = error.code().unwrap_or_default();
    let detail = error.detail().unwrap_or_default();
    // After an error in a script the server names the script by a number, and the line.
    let detail = match detail.rsplit_once(" script: ") {
        Some((detail, place)) if place.contains(SCRIPT_PLACE) => detail,
        _ => detail,
    };
    let detail: String = visible(detail).chars().take(LONGEST_DETAIL).collect();
    let is_refused = REFUSALS_BY_TEXT.iter().any(|part| detail.contains(part));
    match error.kind() {
        ErrorKind::AuthenticationFailed => QuotaError::Refused(format!(
            "it refuses the user or the password of {PASSWORD}; leave the variable out if it needs none"
        )),
        ErrorKind::Server(
            ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::ClusterDown,
        ) => QuotaError::Refused(
            "it is a node of a cluster; use a server with cluster mode disabled".to_owned(),
        ),
        _ if code == "NOAUTH" || detail.contains(WITHOUT_LOGIN) => {
            QuotaError::Refused(format!("it wants a password; set {PASSWORD}"))
        }
        _ if REFUSALS.contains(&code) || is_refused => {
            QuotaError::Refused(format!("it refuses what a run needs ({code} {detail})"))
        }
        ErrorKind::Server(_) | ErrorKind::Extension => {
            QuotaError::Unavailable(format!("it answers with an error ({code} {detail})"))
        }
        ErrorKind::Io if error.is_timeout() => {
            QuotaError::Unavailable("it does not answer".to_owned())
        }
        ErrorKind::Io => QuotaError::Unavailable("the connection was lost".to_owned()),
        _ => QuotaError::absurd(),
    }
}
