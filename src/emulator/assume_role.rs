//! `AssumeRole`: the validation that STS does, and the session of a role. The role itself is not looked for: every role of
//! an account that may be used exists, and trusts every caller.

use std::time::Duration;

use super::access_key::AccountNumber;
use super::error::ApiError;
use crate::domain::service::Identity;

/// The sessions that STS gives, in seconds.
const SHORTEST: u64 = 900;
const LONGEST: u64 = 43_200;
const DEFAULT_DURATION: u64 = 3_600;

/// The lengths of parameters, in characters.
const ROLE_ARN: (usize, usize) = (20, 2_048);
const SESSION_NAME: (usize, usize) = (2, 64);
const EXTERNAL_ID: (usize, usize) = (2, 1_224);
const LONGEST_ROLE_NAME: usize = 64;

/// The parameters as they were sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AssumeRole {
    pub role_arn: Option<String>,
    pub session_name: Option<String>,
    pub external_id: Option<String>,
    pub duration_seconds: Option<String>,
}

/// A valid request for a session.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RoleRequest<'a> {
    pub(super) role_arn: &'a str,
    pub(super) account: AccountNumber,
    pub(super) session: RoleSession<'a>,
    pub(super) lifetime: Duration,
}

/// The role of a session, and the session's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RoleSession<'a> {
    /// Without a path.
    pub(super) role: &'a str,
    pub(super) name: &'a str,
}

/// The answer of `AssumeRole`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumedRole {
    pub access_key: String,
    pub session_token: String,
    /// The time since the Unix epoch.
    pub expires_at: Duration,
    /// The ARN of the session.
    pub arn: String,
    pub session_name: String,
}

impl AssumeRole {
    /// Checks the parameters as STS does.
    pub(super) fn check(&self) -> Result<RoleRequest<'_>, ApiError> {
        let role_arn = required("roleArn", self.role_arn.as_deref(), ROLE_ARN)?;
        let name = required(
            "roleSessionName",
            self.session_name.as_deref(),
            SESSION_NAME,
        )?;
        if !is_name(name) {
            return Err(violation(
                "roleSessionName",
                name,
                r"Member must satisfy regular expression pattern: [\w+=,.@-]*",
            ));
        }
        if let Some(external_id) = &self.external_id {
            required("externalId", Some(external_id), EXTERNAL_ID)?;
            if !external_id
                .bytes()
                .all(|byte| is_of_name(byte) || b":/".contains(&byte))
            {
                return Err(violation(
                    "externalId",
                    external_id,
                    r"Member must satisfy regular expression pattern: [\w+=,.@:\/-]*",
                ));
            }
        }
        let seconds = self
            .duration_seconds
            .as_deref()
            .map_or(Ok(DEFAULT_DURATION), duration)?;
        let (account, role) = role_of(role_arn)
            .ok_or_else(|| ApiError::validation(format!("{role_arn} is invalid")))?;
        Ok(RoleRequest {
            role_arn,
            account,
            session: RoleSession { role, name },
            lifetime: Duration::from_secs(seconds),
        })
    }
}

impl<'a> RoleSession<'a> {
    /// The session of a caller of which nothing else is known.
    pub(super) const UNNAMED: RoleSession<'static> = RoleSession {
        role: Identity::EMULATOR.0,
        name: Identity::EMULATOR.1,
    };

    const TOKEN_PREFIX: &'static str = "emulator-session";

    /// A session token that holds the session, so that another emulator knows it too.
    pub(super) fn token(self) -> String {
        format!("{}/{}/{}", Self::TOKEN_PREFIX, self.role, self.name)
    }

    /// The session that a token holds.
    pub(super) fn of_token(token: &'a str) -> Option<Self> {
        let rest = token.strip_prefix(Self::TOKEN_PREFIX)?.strip_prefix('/')?;
        let (role, name) = rest.split_once('/')?;
        let is_valid = is_role_name(role)
            && is_name(name)
            && (SESSION_NAME.0..=SESSION_NAME.1).contains(&name.len());
        is_valid.then_some(Self { role, name })
    }
}

fn duration(text: &str) -> Result<u64, ApiError> {
    match text.parse() {
        Ok(seconds @ SHORTEST..=LONGEST) => Ok(seconds),
        Ok(..SHORTEST) => {
            let constraint = format!("Member must have value greater than or equal to {SHORTEST}");
            Err(violation("durationSeconds", text, &constraint))
        }
        // Negative numbers and numbers with a fraction too: no client of AWS sends them.
        _ => {
            let constraint = format!("Member must have value less than or equal to {LONGEST}");
            Err(violation("durationSeconds", text, &constraint))
        }
    }
}

/// A parameter that is present and has a valid length.
fn required<'a>(
    at: &str,
    value: Option<&'a str>,
    (shortest, longest): (usize, usize),
) -> Result<&'a str, ApiError> {
    let Some(value) = value else {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value null at '{at}' failed to satisfy constraint: Member must not be null"
        )));
    };
    let length = value.chars().count();
    if length < shortest {
        let constraint = format!("Member must have length greater than or equal to {shortest}");
        return Err(violation(at, value, &constraint));
    }
    if length > longest {
        let constraint = format!("Member must have length less than or equal to {longest}");
        return Err(violation(at, value, &constraint));
    }
    Ok(value)
}

fn violation(at: &str, value: &str, constraint: &str) -> ApiError {
    // The service repeats the whole value.
    const LONGEST_SHOWN: usize = 512;
    let shown: String = value.chars().take(LONGEST_SHOWN).collect();
    ApiError::validation(format!(
        "1 validation error detected: Value '{shown}' at '{at}' failed to satisfy constraint: {constraint}"
    ))
}

/// The account and the name of the role: `arn:PARTITION:iam::ACCOUNT:role/PATH/NAME`.
fn role_of(arn: &str) -> Option<(AccountNumber, &str)> {
    let mut parts = arn.splitn(6, ':');
    let (Some("arn"), Some(partition), Some("iam"), Some(""), Some(account), Some(resource)) = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    ) else {
        return None;
    };
    let is_partition = partition.starts_with("aws")
        && partition
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let path = resource.strip_prefix("role/")?;
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_valid =
        is_partition && is_role_name(name) && path.bytes().all(|byte| byte.is_ascii_graphic());
    Some((AccountNumber::parse(account)?, name)).filter(|_| is_valid)
}

fn is_role_name(text: &str) -> bool {
    (1..=LONGEST_ROLE_NAME).contains(&text.len()) && is_name(text)
}

fn is_name(text: &str) -> bool {
    text.bytes().all(is_of_name)
}

/// Whether a byte matches `[\w+=,.@-]`.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "arn:aws:iam::111122223333:role/kvs-fleet";

    fn request(role_arn: &str, name: &str) -> AssumeRole {
        AssumeRole {
            role_arn: Some(role_arn.to_owned()),
            session_name: Some(name.to_owned()),
            ..AssumeRole::default()
        }
    }

    fn refusal(request: &AssumeRole) -> String {
        let error = request.check().unwrap_err();
        assert_eq!((error.http_status, error.code), (400, "ValidationError"));
        error.message
    }

    #[test]
    fn a_valid_request_names_account_role_and_session() {
        let mut request = request(
            "arn:aws-cn:iam::111122223333:role/line/4/kvs-fleet",
            "run@4",
        );
        request.external_id = Some("a:b/c".to_owned());
        let checked = request.check().unwrap();
        assert_eq!(checked.account.to_string(), "111122223333");
        assert_eq!(
            (checked.session.role, checked.session.name),
            ("kvs-fleet", "run@4")
        );
        assert_eq!(checked.lifetime.as_secs(), 3_600);
        for (text, seconds) in [("900", 900), ("43200", 43_200)] {
            request.duration_seconds = Some(text.to_owned());
            assert_eq!(request.check().unwrap().lifetime.as_secs(), seconds);
        }
    }

    #[test]
    fn an_arn_that_is_not_of_a_role_is_refused() {
        for arn in [
            "arn:aws:iam::1111222233334:role/kvs-fleet",
            "arn:aws:iam::11112222333:role/kvs-fleet",
            "arn:aws:iam::111122223333:user/kvs-fleet",
            "arn:aws:iam::111122223333:role/line/4/",
            "arn:aws:iam::111122223333:role/a role",
            "arn:aws:iam:eu-west-1:111122223333:role/a",
            "arn:aws:sts::111122223333:assumed-role/a/b",
            "urn:aws:iam::111122223333:role/kvs-fleet",
        ] {
            assert!(refusal(&request(arn, "run")).contains(arn), "{arn}");
        }
        assert!(refusal(&request("kvs-fleet", "run")).contains("greater than or equal to 20"));
    }

    #[test]
    fn each_parameter_is_checked_as_sts_does() {
        let long = "n".repeat(65);
        for (name, part) in [
            ("a", "greater than or equal to 2"),
            (long.as_str(), "less than or equal to 64"),
            ("a b", r"pattern: [\w+=,.@-]*"),
            ("a/b", "at 'roleSessionName'"),
        ] {
            let message = refusal(&request(ROLE, name));
            assert!(message.contains(part), "{message}");
        }
        for (seconds, part) in [
            ("899", "greater than or equal to 900"),
            ("43201", "less than or equal to 43200"),
            ("1h", "at 'durationSeconds'"),
        ] {
            let mut request = request(ROLE, "run");
            request.duration_seconds = Some(seconds.to_owned());
            let message = refusal(&request);
            assert!(message.contains(part), "{message}");
        }
        let mut with_id = request(ROLE, "run");
        for (external_id, part) in [("a", "equal to 2"), ("a b", "at 'externalId'")] {
            with_id.external_id = Some(external_id.to_owned());
            let message = refusal(&with_id);
            assert!(message.contains(part), "{message}");
        }
        let message = refusal(&AssumeRole::default());
        assert!(
            message.contains("'roleArn' failed to satisfy constraint: Member must not be null")
        );
    }

    #[test]
    fn a_token_holds_role_and_session() {
        let session = RoleSession {
            role: "kvs-fleet",
            name: "run@4",
        };
        assert_eq!(RoleSession::of_token(&session.token()), Some(session));
        for token in [
            "",
            "IQoJb3JpZ2luX2Vj",
            "emulator-session/a",
            "emulator-session/a/b c",
            "emulator-session//bc",
            "emulator-session/a/b/c",
            "emulator-session/<a>/bc",
        ] {
            assert_eq!(RoleSession::of_token(token), None, "{token}");
        }
    }
}
