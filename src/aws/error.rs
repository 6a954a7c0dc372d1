//! Why the service cannot be used: the configuration, the credentials or the network. Each message says what was found
//! and what to do next.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::domain::device::shown;
use crate::domain::service::classify;
use crate::domain::service::{Failure, FailureKind};

/// What must change before the command can succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigErrorKind {
    /// Flags, environment variables or files. No request was sent.
    Configuration,
    /// Credentials are missing, expired or refused.
    Credentials,
    /// AWS cannot be reached or has a problem: the same command may succeed later.
    Unreachable,
}

/// Why there is no usable connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The endpoint's URL is malformed or unsafe.
    #[error("{0}")]
    Endpoint(String),
    /// Neither file has the profile.
    #[error(
        "there is no AWS profile {}{}. Profiles are in ~/.aws/config and ~/.aws/credentials; known are: {}{}",
        shown(name), selected_by(*variable), known(profiles), hint.as_deref().unwrap_or_default()
    )]
    ProfileNotFound {
        name: String,
        /// The variable that selects the profile; `None` if `--profile` does.
        variable: Option<&'static str>,
        /// A suggestion that follows the message.
        hint: Option<String>,
        /// All profiles in the files.
        profiles: Vec<String>,
    },
    /// The profile files cannot be read.
    #[error(
        "the AWS configuration files cannot be read: {0}. They are ~/.aws/config and ~/.aws/credentials, unless AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE say otherwise"
    )]
    ProfileFiles(String),
    /// A variable's value cannot be used.
    #[error("the environment variable {variable} cannot be used: {reason}")]
    Variable {
        variable: String,
        /// What is wrong with the value, and what to do.
        reason: String,
    },
    /// A setting of the selected profile cannot be used.
    #[error(
        "{key} in the AWS profile {} {what}; correct it in ~/.aws/config",
        shown(profile)
    )]
    ProfileSetting {
        profile: String,
        key: String,
        what: String,
    },
    /// No Region is configured anywhere.
    #[error(
        "no AWS Region is set. Give --region, set AWS_REGION, or give the AWS profile one with: aws configure set region eu-central-1"
    )]
    NoRegion,
    /// The configured Region is not a valid Region name.
    #[error(
        "the configured AWS Region cannot be used (AWS_REGION, AWS_DEFAULT_REGION or the profile's): {0}"
    )]
    InvalidRegion(String),
    /// The file of CA certificates cannot be used.
    #[error("{setting} names {}, which cannot be used: {reason}. It must be a PEM file with the certificates to trust beside the system's", path.display())]
    CaBundle {
        /// The setting that names the file.
        setting: &'static str,
        path: PathBuf,
        reason: String,
    },
    /// A proxy variable cannot be used.
    #[error(
        "the environment variable {variable} cannot be used: {reason}. It must be like http://proxy.example.com:8080"
    )]
    Proxy {
        variable: &'static str,
        /// What is wrong with the value, without its password.
        reason: String,
    },
    /// The HTTP client cannot be set up on this system.
    #[error("secure connections cannot be set up on this computer: {0}")]
    Tls(String),
    /// No credentials are configured.
    #[error(
        "no AWS credentials were found. Looked in the environment (AWS_ACCESS_KEY_ID), in the profile {} of ~/.aws/config and ~/.aws/credentials, and at a web identity, container and EC2 instance role. \
         Run `aws configure`, or `aws sso login --profile NAME`, or choose a profile with --profile or AWS_PROFILE (known are: {})",
        shown(profile),
        known(profiles)
    )]
    CredentialsMissing {
        profile: String,
        /// All profiles in the files.
        profiles: Vec<String>,
    },
    /// The SSO session has expired or does not exist.
    #[error(
        "the AWS sign-in (SSO) of this profile has expired or is missing. Run: {command}\nThen run this command again. ({reason})"
    )]
    LoginNeeded {
        /// The command that signs in.
        command: String,
        /// The SDK's message.
        reason: String,
    },
    /// Credentials are configured but could not be fetched.
    #[error(
        "the AWS credentials {owner} could not be loaded: {reason}. The AWS CLI shows whether they work elsewhere: aws \
         sts get-caller-identity"
    )]
    CredentialsUnavailable {
        /// The owner in the message, such as `of the profile 'x'`.
        owner: String,
        /// The SDK's message in plain words.
        reason: String,
    },
    /// The profile uses a sign-in that only the AWS CLI supports.
    #[error(
        "the AWS profile {} has {setting}. Let the AWS CLI sign in: run '{before}' once, add another profile to \
         ~/.aws/config with the line\n  credential_process = {export}\nand choose that one with --profile",
        shown(profile)
    )]
    NeedsCli {
        profile: String,
        /// The setting, and what it means.
        setting: String,
        /// The command whose output can be used.
        export: String,
        /// The command that signs in, to be run before it.
        before: String,
    },
    /// The profile's `credential_process` returned no credentials.
    #[error(
        "the credential_process of the AWS profile {} returned no credentials: {what}. Run the command by itself: it must \
         print one JSON object with Version, AccessKeyId and SecretAccessKey, and nothing else",
        shown(profile)
    )]
    CredentialProcess { profile: String, what: String },
    /// AWS does not accept the credentials.
    #[error("AWS refused the credentials: {code}: {message}{hint}")]
    Refused {
        code: String,
        message: String,
        hint: String,
    },
    /// The caller identity could not be requested.
    #[error("AWS cannot be reached to check the credentials: {}", .0.message)]
    Unreachable(Failure),
}

impl ConfigError {
    pub fn kind(&self) -> ConfigErrorKind {
        match self {
            Self::CredentialsMissing { .. }
            | Self::LoginNeeded { .. }
            | Self::CredentialsUnavailable { .. }
            | Self::NeedsCli { .. }
            | Self::CredentialProcess { .. }
            | Self::Refused { .. } => ConfigErrorKind::Credentials,
            Self::Unreachable(_) => ConfigErrorKind::Unreachable,
            _ => ConfigErrorKind::Configuration,
        }
    }

    /// Whether a retry may succeed: there was no answer, or a server error.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable(failure) if failure.kind.is_passing())
    }

    /// The same error as the failure of an attempt in the middle of a run.
    pub(crate) fn into_failure(self) -> Failure {
        match self {
            Self::Unreachable(failure) => failure,
            Self::Refused {
                code,
                message,
                hint,
            } => Failure::new(FailureKind::Credentials, &code, message + &hint),
            other => Failure::new(
                FailureKind::Credentials,
                classify::CREDENTIALS_UNAVAILABLE,
                other.to_string(),
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

fn selected_by(variable: Option<&str>) -> String {
    variable.map_or_else(String::new, |variable| format!(" (selected by {variable})"))
}

/// The first names, and how many more there are.
fn known(names: &[String]) -> String {
    const MOST: usize = 20;
    if names.is_empty() {
        return "none".to_owned();
    }
    match names.split_at_checked(MOST) {
        Some((first, rest)) if !rest.is_empty() => {
            format!("{} and {} more", first.join(", "), rest.len())
        }
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: &str) -> Failure {
        Failure {
            kind: FailureKind::Credentials,
            code: code.into(),
            message: "AWS's words.".into(),
            foreign: false,
        }
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

    #[test]
    fn profiles_are_listed_up_to_a_limit() {
        let profiles: Vec<String> = (0..30).map(|n| format!("p{n}")).collect();
        let error = ConfigError::ProfileNotFound {
            name: "line-7".to_owned(),
            variable: Some("AWS_PROFILE"),
            hint: None,
            profiles,
        };
        let text = error.to_string();
        assert!(text.contains("no AWS profile 'line-7' (selected by AWS_PROFILE)"));
        assert!(text.ends_with("p18, p19 and 10 more"), "{text}");
    }
}
