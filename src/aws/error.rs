//! Why the service cannot be used: the configuration, the credentials or the network. Each message says what was found
//! and what to do next.

use std::time::{Duration, SystemTime};

use crate::domain::service::classify;
use crate::domain::service::{Failure, FailureKind};

/// What must change before the command can succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigErrorKind {
    /// Flags, environment variables or files. No request was sent.
    Configuration,
    /// Credentials are missing, expired or refused.
    Credentials,
    /// A role cannot be assumed: its account is unusable, others may not be.
    Role,
    /// AWS cannot be reached or has a problem: the same command may succeed later.
    Unreachable,
}

/// Why there is no usable connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A flag, an environment variable or a file must change.
    #[error("{0}")]
    Configuration(String),
    /// No Region is configured anywhere.
    #[error(
        "no AWS Region is set. Give --region, set AWS_REGION, or give the AWS profile one with: aws configure set region eu-central-1"
    )]
    NoRegion,
    /// Credentials are missing, or cannot be fetched.
    #[error("{0}")]
    Credentials(String),
    /// AWS does not accept the credentials.
    #[error("AWS refused the credentials: {code}: {message}{hint}")]
    Refused {
        code: String,
        message: String,
        hint: String,
    },
    /// STS refuses the role, and not the credentials that would assume it.
    #[error(
        "the role {arn} cannot be assumed: {}: {}. Allow sts:AssumeRole on it for the run's caller, let the role's trust \
         policy name the caller, and check the external ID",
        .failure.code,
        .failure.message.trim_end_matches('.')
    )]
    Role { arn: String, failure: Failure },
    /// A session of the role is refused: those of other roles, from the same credentials, may not be.
    #[error(
        "the session of the role {arn} is refused: {}: {}. Perhaps the Region is not enabled in that account",
        .failure.code,
        .failure.message.trim_end_matches('.')
    )]
    Session { arn: String, failure: Failure },
    /// The caller identity could not be requested.
    #[error("AWS cannot be reached to check the credentials: {}", .0.message)]
    Unreachable(Failure),
}

impl ConfigError {
    pub fn kind(&self) -> ConfigErrorKind {
        match self {
            Self::Configuration(_) | Self::NoRegion => ConfigErrorKind::Configuration,
            Self::Credentials(_) | Self::Refused { .. } => ConfigErrorKind::Credentials,
            Self::Role { .. } | Self::Session { .. } => ConfigErrorKind::Role,
            Self::Unreachable(_) => ConfigErrorKind::Unreachable,
        }
    }

    /// Whether a retry may succeed: there was no answer, or a server error.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable(failure) if failure.kind.is_passing())
    }

    /// The same error as the failure of an attempt in the middle of a run.
    pub(crate) fn into_failure(self) -> Failure {
        let text = self.to_string();
        match self {
            Self::Unreachable(failure) => failure,
            // New credentials are requested, and if the role is refused again the account ends; no device has failed.
            Self::Role { .. } | Self::Session { .. } => {
                Failure::new(FailureKind::Credentials, classify::ROLE_REFUSED, text)
            }
            Self::Refused {
                code,
                message,
                hint,
            } => Failure::new(FailureKind::Credentials, &code, message + &hint),
            _ => Failure::new(
                FailureKind::Credentials,
                classify::CREDENTIALS_UNAVAILABLE,
                text,
            ),
        }
    }

    /// AWS refused the credentials with this failure. `date` is AWS's time, `now` this computer's; `login` is the
    /// command that signs in again, for a profile with SSO.
    pub(super) fn refused(
        failure: &Failure,
        date: Option<SystemTime>,
        now: SystemTime,
        login: Option<&str>,
    ) -> Self {
        let hint = match &*failure.code {
            "ExpiredToken" | "ExpiredTokenException" => match login {
                Some(login) => format!(". Run: {login}"),
                None => ". They have expired: fetch new ones".to_owned(),
            },
            "SignatureDoesNotMatch"
            | "InvalidSignatureException"
            | "RequestExpired"
            | "RequestTimeTooSkewed" => match date.and_then(|date| clock_error(date, now)) {
                Some(error) => format!(". {error}"),
                None if classify::blames_the_clock(failure) => {
                    ". Check this computer's clock".to_owned()
                }
                None => {
                    ". Check the secret access key, and that this computer's clock is right"
                        .to_owned()
                }
            },
            "InvalidClientTokenId" | "UnrecognizedClientException" => {
                ". Check the access key ID; it may have been deleted or deactivated, or the Region may not be enabled \
                 for the account"
                    .to_owned()
            }
            _ => String::new(),
        };
        Self::Refused {
            code: failure.code.to_string(),
            message: failure.message.trim_end_matches('.').to_owned(),
            hint,
        }
    }
}

/// AWS rejects signatures whose time differs by more than this.
const CLOCK_TOLERANCE: Duration = Duration::from_mins(4);

/// Reports the error of this computer's clock, if it is large enough to make signatures invalid.
fn clock_error(aws: SystemTime, here: SystemTime) -> Option<String> {
    let (direction, by) = match here.duration_since(aws) {
        Ok(by) => ("ahead of", by),
        Err(error) => ("behind", error.duration()),
    };
    (by > CLOCK_TOLERANCE).then(|| {
        format!(
            "This computer's clock is {} minutes {direction} AWS's: set it right",
            by.as_secs() / 60
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: &str) -> Failure {
        Failure::new(FailureKind::Credentials, code, "AWS's words.")
    }

    fn refused(code: &str, aws_ahead_secs: u64, login: Option<&str>) -> String {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let date = now + Duration::from_secs(aws_ahead_secs);
        ConfigError::refused(&failure(code), Some(date), now, login).to_string()
    }

    #[test]
    fn a_wrong_clock_is_reported() {
        let error = refused("SignatureDoesNotMatch", 3_600, None);
        assert_eq!(
            error,
            "AWS refused the credentials: SignatureDoesNotMatch: AWS's words. This computer's clock is 60 minutes \
             behind AWS's: set it right"
        );
        let error = refused("SignatureDoesNotMatch", 10, None);
        assert!(error.contains("Check the secret access key"), "{error}");
        let mut skewed = failure("InvalidSignatureException");
        skewed.message = "Signature expired: 2025 is now earlier than 2026".into();
        let error = ConfigError::refused(&skewed, None, SystemTime::UNIX_EPOCH, None);
        assert!(error.to_string().ends_with(". Check this computer's clock"));
        let failure = error.into_failure();
        assert!(failure.message.starts_with("Signature expired"));
        assert!(classify::blames_the_clock(&failure));
    }

    #[test]
    fn an_expired_session_is_reported_with_its_login_command() {
        let error = refused("ExpiredToken", 0, Some("aws sso login --profile line"));
        assert!(error.ends_with("Run: aws sso login --profile line"));
        assert!(refused("ExpiredToken", 0, None).contains("fetch new ones"));
    }

    #[test]
    fn each_error_has_its_kind() {
        let unreachable = classify::timed_out(Duration::from_secs(10));
        assert_eq!(
            ConfigError::Unreachable(unreachable).kind(),
            ConfigErrorKind::Unreachable
        );
        assert_eq!(ConfigError::NoRegion.kind(), ConfigErrorKind::Configuration);
        let refused = ConfigError::refused(&failure("X"), None, SystemTime::UNIX_EPOCH, None);
        assert_eq!(refused.kind(), ConfigErrorKind::Credentials);
        assert_eq!(&*refused.into_failure().code, "X");
    }
}
