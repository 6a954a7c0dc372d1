//! Why the service cannot be used at all: the configuration, the credentials, or the way to it. Each text says what
//! was found and what to do next.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::domain::device::shown;
use crate::domain::service::classify;
use crate::domain::service::{Failure, FailureKind};

/// What has to change before a [`ConfigError`] goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigErrorKind {
    /// Flags, environment variables or files: nothing was sent.
    Configuration,
    /// Credentials are missing, expired or refused.
    Credentials,
    /// Nobody could be reached, or AWS is in trouble: the same command may work later.
    Unreachable,
}

/// Why there is no connection to work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The endpoint's URL is malformed or unsafe.
    #[error("{0}")]
    Endpoint(String),
    /// The profile is in neither file.
    #[error(
        "there is no AWS profile {}{}. Profiles are in ~/.aws/config and ~/.aws/credentials; known are: {}{}",
        shown(name), selected_by(*variable), known(profiles), hint.as_deref().unwrap_or_default()
    )]
    ProfileNotFound {
        /// The profile asked for.
        name: String,
        /// The variable that asked for it, rather than `--profile`.
        variable: Option<&'static str>,
        /// What may have been meant, to follow the message.
        hint: Option<String>,
        /// The profiles there are.
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
        /// The variable's name.
        variable: String,
        /// What is wrong with its value, and what to do.
        reason: String,
    },
    /// A setting of the selected profile cannot be used.
    #[error(
        "{key} in the AWS profile {} {what}; correct it in ~/.aws/config",
        shown(profile)
    )]
    ProfileSetting {
        /// The selected profile.
        profile: String,
        /// The setting.
        key: String,
        /// What is wrong with it.
        what: String,
    },
    /// No Region is configured anywhere.
    #[error(
        "no AWS Region is set. Give --region, set AWS_REGION, or give the AWS profile one with: aws configure set region eu-central-1"
    )]
    NoRegion,
    /// The configured Region has not the form of one.
    #[error(
        "the configured AWS Region cannot be used (AWS_REGION, AWS_DEFAULT_REGION or the profile's): {0}"
    )]
    InvalidRegion(String),
    /// The file of CA certificates cannot be used.
    #[error("{setting} names {}, which cannot be used: {reason}. It must be a PEM file with the certificates to trust beside the system's", path.display())]
    CaBundle {
        /// What names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A proxy variable cannot be used.
    #[error(
        "the environment variable {variable} cannot be used: {reason}. It must be like http://proxy.example.com:8080"
    )]
    Proxy {
        /// The variable's name.
        variable: &'static str,
        /// What is wrong with it (without its password).
        reason: String,
    },
    /// The HTTP client cannot be set up on this system.
    #[error("secure connections cannot be set up on this computer: {0}")]
    Tls(String),
    /// No credentials anywhere.
    #[error(
        "no AWS credentials were found. Looked in the environment (AWS_ACCESS_KEY_ID), in the profile {} of ~/.aws/config and ~/.aws/credentials, and at a web identity, container and EC2 instance role. \
         Run `aws configure`, or `aws sso login --profile NAME`, or choose a profile with --profile or AWS_PROFILE (known are: {})",
        shown(profile),
        known(profiles)
    )]
    CredentialsMissing {
        /// The profile that was selected.
        profile: String,
        /// The profiles there are.
        profiles: Vec<String>,
    },
    /// The SSO session has ended, or never began.
    #[error(
        "the AWS sign-in (SSO) of this profile has expired or is missing. Run: {command}\nThen run this command again. ({reason})"
    )]
    LoginNeeded {
        /// What to run.
        command: String,
        /// What the SDK said.
        reason: String,
    },
    /// Credentials are configured but could not be fetched.
    #[error(
        "the AWS credentials {owner} could not be loaded: {reason}. The AWS CLI shows whether they work elsewhere: aws \
         sts get-caller-identity"
    )]
    CredentialsUnavailable {
        /// Whose they are, such as `of the profile 'x'`.
        owner: String,
        /// What the SDK said, in plain words.
        reason: String,
    },
    /// The profile signs in in a way that only the AWS CLI can.
    #[error(
        "the AWS profile {} has {setting}. Let the AWS CLI sign in: run '{before}' once, add another profile to \
         ~/.aws/config with the line\n  credential_process = {export}\nand choose that one with --profile",
        shown(profile)
    )]
    NeedsCli {
        /// The profile with the setting.
        profile: String,
        /// The setting, and what it means.
        setting: String,
        /// The command whose output can be used.
        export: String,
        /// What to run before it, to be signed in.
        before: String,
    },
    /// The profile's `credential_process` gave no credentials.
    #[error(
        "the credential_process of the AWS profile {} gave no credentials: {what}. Run the command by itself: it must \
         print one JSON object with Version, AccessKeyId and SecretAccessKey, and nothing else",
        shown(profile)
    )]
    CredentialProcess {
        /// The profile with the command.
        profile: String,
        /// What went wrong.
        what: String,
    },
    /// AWS does not accept the credentials.
    #[error("AWS refused the credentials: {code}: {message}{hint}")]
    Refused {
        /// AWS's code.
        code: String,
        /// AWS's words.
        message: String,
        /// What to do.
        hint: String,
    },
    /// Who we are could not be asked.
    #[error("AWS cannot be reached to check the credentials: {}", .0.message)]
    Unreachable(Failure),
}

impl ConfigError {
    /// What has to change before it goes away.
    #[must_use]
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

    /// Whether asking again may help: nobody answered, or somebody who was in trouble.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable(failure) if failure.kind.is_passing())
    }

    /// The same as the failure of an attempt, for what happens in the middle of a run.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        let (code, message) = match self {
            Self::Unreachable(failure) => return failure,
            Self::Refused {
                code,
                message,
                hint,
            } => (code.as_str().into(), message + &hint),
            other => (classify::CREDENTIALS_UNAVAILABLE.into(), other.to_string()),
        };
        Failure {
            kind: FailureKind::Credentials,
            code,
            message: message.into(),
            foreign: false,
        }
    }

    /// AWS refused the credentials with this failure. `date` is AWS's clock, `now` this computer's; `login` is the
    /// command that signs in anew, for a profile with SSO.
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

/// AWS rejects signatures that are off by more than this.
const CLOCK_TOLERANCE: Duration = Duration::from_mins(4);

/// Says by how much this computer's clock is wrong, when it is so wrong that signatures fail.
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

/// The names, or at least how many more there are: a message is not a listing.
fn known(names: &[String]) -> String {
    const MOST: usize = 20;
    if names.is_empty() {
        return "none".to_owned();
    }
    let mut text = String::new();
    for (index, name) in names.iter().take(MOST).enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}{name}");
    }
    if names.len() > MOST {
        let _ = write!(text, " and {} more", names.len() - MOST);
    }
    text
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
    fn a_wrong_clock_is_named() {
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
    fn an_expired_session_gets_its_login_command() {
        let error = refused("ExpiredToken", 0, Some("aws sso login --profile line"));
        assert!(error.ends_with("Run: aws sso login --profile line"));
        assert!(refused("ExpiredToken", 0, None).contains("fetch new ones"));
    }

    #[test]
    fn kinds_tell_the_exit_code() {
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
