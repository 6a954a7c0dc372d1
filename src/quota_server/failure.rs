//! What a failed call to the quota server means: whether it may succeed later, or only after the operator has changed
//! something. Errors of the client are shown without what was sent.

use super::address::PASSWORD;
use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::engine::pace::quota::QuotaError;

/// Codes with which the server refuses who or what asks.
const REFUSALS: [&str; 5] = ["WRONGPASS", "NOAUTH", "NOPERM", "DENIED", "CROSSSLOT"];
/// What it says where a script may not do something. The code of these is that of any error.
const REFUSALS_OF_SCRIPTS: [&str; 3] = [
    "can't run this command",
    "can't access at least one of the keys",
    "unknown command",
];

/// Whether the server has answered, and would answer again on the same connection.
pub(super) fn is_answer(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension)
        && error.code() != Some("READONLY")
}

/// What a failed call means.
pub(super) fn of(error: &RedisError) -> QuotaError {
    let code = error.code().unwrap_or_default();
    let detail = error.detail().unwrap_or_default();
    let is_refused_script = REFUSALS_OF_SCRIPTS.iter().any(|part| detail.contains(part));
    match error.kind() {
        ErrorKind::AuthenticationFailed => QuotaError::Refused(format!(
            "it refuses the user or the password in {} ({})",
            PASSWORD,
            detail_or(error, "authentication failed")
        )),
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask) => QuotaError::Refused(
            "it is a node of a cluster; use a server with cluster mode disabled".to_owned(),
        ),
        _ if code == "NOAUTH" => {
            QuotaError::Refused(format!("it wants a password; set {}", PASSWORD))
        }
        _ if REFUSALS.contains(&code) || is_refused_script => {
            QuotaError::Refused(format!("it refuses what a run needs ({code} {detail})"))
        }
        ErrorKind::Server(_) | ErrorKind::Extension => {
            QuotaError::Unavailable(format!("it answers with an error ({code} {detail})"))
        }
        ErrorKind::Io if error.is_timeout() => {
            QuotaError::Unavailable("it does not answer".to_owned())
        }
        ErrorKind::Io => QuotaError::Unavailable("the connection was lost".to_owned()),
        _ => QuotaError::Unavailable("its answer makes no sense".to_owned()),
    }
}

fn detail_or<'a>(error: &'a RedisError, otherwise: &'a str) -> &'a str {
    error.detail().unwrap_or(otherwise)
}
