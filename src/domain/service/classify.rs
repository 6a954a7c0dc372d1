//! The meaning of an answer or a broken connection: tables from status, code, headers and body to [`FailureKind`].
//!
//! This module knows HTTP and the service's error codes, but not the SDK, nor how a failure is handled. Sources of the
//! codes: the service model `kinesisvideo/2017-09-30`, AWS's common errors, and the codes that the AWS SDKs treat as
//! throttling.

use super::{Failure, FailureKind};

mod connection;
mod secrets;
#[cfg(test)]
mod tests;

pub use connection::{connection, timed_out};
pub(crate) use connection::{connection_code, is_unknown_name, no_such_host};

/// This tool's own code for an answer without a usable result.
pub(crate) const UNREADABLE_ANSWER: &str = "UnreadableAnswer";
/// This tool's own code for an attempt without an answer in time.
pub const TIMEOUT: &str = "Timeout";
/// This tool's own code for a connection that broke after the request may have been sent.
pub(crate) const CONNECTION_LOST: &str = "ConnectionLost";
/// This tool's own code for a connection that could not be established.
pub(crate) const CONNECTION_FAILED: &str = "ConnectionFailed";
/// This tool's own code for a host name that could not be looked up.
pub(crate) const DNS_FAILED: &str = "DnsFailed";
/// This tool's own code for a certificate or TLS handshake that failed.
pub(crate) const TLS_FAILED: &str = "TlsFailed";
/// This tool's own code for a proxy that cannot be reached or refuses the connection.
pub(crate) const PROXY_FAILED: &str = "ProxyFailed";
/// This tool's own code for a connection that could not be established because this process or this computer has too
/// many open files.
pub(crate) const TOO_MANY_OPEN_FILES: &str = "TooManyOpenFiles";
/// This tool's own code for credentials that could not be fetched from their source.
pub(crate) const CREDENTIALS_UNAVAILABLE: &str = "CredentialsUnavailable";
/// This tool's own code for a role that STS does not let be assumed.
pub(crate) const ROLE_REFUSED: &str = "RoleRefused";
/// This tool's own code for a request that could not be built.
pub(crate) const INVALID_REQUEST: &str = "InvalidRequest";

/// The longest message text that is kept, in characters.
const LONGEST_MESSAGE: usize = 500;
/// The longest text that is accepted as an error code, in bytes.
const LONGEST_CODE: usize = 100;
/// The largest error body that is parsed, in bytes: the service's own have a few hundred.
const LARGEST_ERROR_BODY: usize = 64 * 1024;

/// The parts of an answer that determine its meaning.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reply<'a> {
    /// The HTTP status.
    pub status: u16,
    pub error_type: Option<&'a str>,
    /// Whether the answer has an AWS request ID.
    pub has_request_id: bool,
    /// The body, or the part of it that arrived.
    pub body: &'a [u8],
    /// The explanation in the body, if the body is not JSON and the caller has parsed it.
    pub message: Option<&'a str>,
}

impl Reply<'_> {
    /// The meaning of an answer that is not a success.
    pub fn failure(&self) -> Failure {
        let mut body = ErrorBody::parse(self.body);
        let code = self.error_type.and_then(bare_code).or(body.code.take());
        if code.is_none() && self.status != 429 && !self.is_the_services() {
            return self.unreadable_saying("the answer is not one of the service's", &body);
        }
        let kind = match code.as_deref().and_then(kind_of_code) {
            Some(kind @ (FailureKind::Throttled | FailureKind::Credentials)) => kind,
            // With a server error, the code's statement about the request is not final.
            Some(_) if self.status >= 500 => FailureKind::ServerError,
            Some(kind) => kind,
            None if (200..400).contains(&self.status) => {
                return self.unreadable("the answer has no readable result");
            }
            None if code.is_none() && !is_telling(self.status) => {
                return self.unreadable_saying(
                    "the answer is an error without a readable error code",
                    &body,
                );
            }
            None => kind_of_status(self.status),
        };
        let code = code.unwrap_or_else(|| format!("Http{}", self.status).into());
        let message = self.said(&body).unwrap_or_else(|| {
            let status = self.status;
            format!("the answer has HTTP status {status} and no explanation").into()
        });
        Failure {
            kind,
            code,
            message: self.explained(&message),
            foreign: !self.has_request_id,
        }
    }

    /// A successful answer without a usable result: the request may have been executed.
    pub fn unreadable(&self, reason: &str) -> Failure {
        let reason = format!("{reason} (HTTP status {})", self.status);
        Failure {
            kind: FailureKind::ServerError,
            code: UNREADABLE_ANSWER.into(),
            message: self.explained(&reason),
            foreign: !self.has_request_id,
        }
    }

    /// The same, with the explanation in the body if there is one.
    fn unreadable_saying(&self, reason: &str, body: &ErrorBody) -> Failure {
        match self.said(body) {
            Some(said) => self.unreadable(&format!("{reason}: {said}")),
            None => self.unreadable(reason),
        }
    }

    /// The explanation, if it has a printable text.
    fn said(&self, body: &ErrorBody) -> Option<Box<str>> {
        [body.message.as_deref(), self.message]
            .into_iter()
            .flatten()
            .map(message_text)
            .find(|said| !said.is_empty())
    }

    fn explained(&self, message: &str) -> Box<str> {
        if self.has_request_id {
            return message_text(message);
        }
        message_text(&format!(
            "{}; it has no AWS request ID, so it comes from a proxy or another server in the service's place",
            message_text(message)
        ))
    }

    /// Whether an answer without an error code may come from the service: it has a request ID and is not a web page.
    fn is_the_services(&self) -> bool {
        let start = self.body.get(..256.min(self.body.len()));
        let start = String::from_utf8_lossy(start.unwrap_or_default()).to_ascii_lowercase();
        self.has_request_id && !start.contains("<html") && !start.contains("<!doctype html")
    }
}

/// The meaning of an error code, if the code alone determines it. The code is bare: see [`bare_code`].
pub fn kind_of_code(code: &str) -> Option<FailureKind> {
    Some(match code {
        "ClientLimitExceededException"
        | "ThrottlingException"
        | "Throttling"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "SlowDown" => FailureKind::Throttled,
        "ResourceInUseException" => FailureKind::InUse,
        "ResourceNotFoundException" => FailureKind::NotFound,
        "InvalidArgumentException"
        | "TagsPerResourceExceededLimitException"
        | "ValidationException" => FailureKind::Rejected,
        "AccessDeniedException" | "AccessDenied" | "NotAuthorizedException" => FailureKind::Denied,
        "AccountChannelLimitExceededException" | "AccountStreamLimitExceededException" => {
            FailureKind::AccountFull
        }
        "ExpiredTokenException"
        | "ExpiredToken"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "InvalidClientTokenId"
        | "RequestExpired"
        | "RequestTimeTooSkewed"
        | "SignatureDoesNotMatch" => FailureKind::Credentials,
        _ if code.starts_with("MissingAuthenticationToken") => FailureKind::Credentials,
        _ => return None,
    })
}

/// Whether the clock alone is the cause: the signature is valid but from another time. (`SignatureDoesNotMatch` and
/// `InvalidSignatureException` may also mean a wrong key.)
pub fn blames_the_clock(failure: &Failure) -> bool {
    matches!(&*failure.code, "RequestTimeTooSkewed" | "RequestExpired")
        || ["Signature expired", "Signature not yet current"]
            .iter()
            .any(|text| failure.message.contains(text))
}

/// Whether the status alone determines the meaning. The service puts an error code into each error; if the code is
/// missing, the answer was damaged on its way.
fn is_telling(status: u16) -> bool {
    !(400..=499).contains(&status) || matches!(status, 401 | 403 | 408 | 413 | 429)
}

/// The meaning of a status if there is no known code.
fn kind_of_status(status: u16) -> FailureKind {
    match status {
        429 => FailureKind::Throttled,
        401 | 403 => FailureKind::Denied,
        408 => FailureKind::ServerError,
        400..=499 => FailureKind::Rejected,
        _ => FailureKind::ServerError,
    }
}

/// The code without the parts that some services add: a `namespace#` prefix and a `:suffix`.
///
/// `None` if the text cannot be a code (empty, too long, or with characters that no code has).
pub fn bare_code(text: &str) -> Option<Box<str>> {
    let text = text.split(':').next().unwrap_or_default();
    let text = text.rsplit('#').next().unwrap_or_default().trim();
    let plausible = !text.is_empty()
        && text.len() <= LONGEST_CODE
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    plausible.then(|| text.into())
}

/// One line of printable text from a message of a server or library, at most 500 characters.
///
/// AWS's explanation of a wrong signature is cut off, because its canonical request repeats the session token.
/// Credentials that another server repeats are withheld.
pub fn message_text(text: &str) -> Box<str> {
    // Fast path: request IDs are processed here for every answer.
    let is_plain_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if text.len() <= LONGEST_MESSAGE && text.bytes().all(is_plain_word) {
        return text.into();
    }
    let mut words: Vec<&str> = text
        .split(|character: char| character.is_whitespace() || character.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    secrets::withhold(&mut words);
    // Searched after the lines are joined, because the words may be on two lines.
    let line = words.join(" ");
    let line = line
        .split("The Canonical String")
        .next()
        .unwrap_or_default();
    let line = line.trim_end();
    match line.char_indices().nth(LONGEST_MESSAGE) {
        None => line.into(),
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()).into(),
    }
}

/// The code and message in a JSON error body.
#[derive(Default)]
struct ErrorBody {
    code: Option<Box<str>>,
    message: Option<String>,
}

impl ErrorBody {
    fn parse(body: &[u8]) -> Self {
        if body.len() > LARGEST_ERROR_BODY {
            return Self::default();
        }
        let Ok(serde_json::Value::Object(fields)) = serde_json::from_slice(body) else {
            return Self::default();
        };
        let text = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| fields.get(*name).and_then(serde_json::Value::as_str))
        };
        Self {
            code: text(&["__type", "code", "Code"]).and_then(bare_code),
            message: text(&["Message", "message", "errorMessage"]).map(str::to_owned),
        }
    }
}
