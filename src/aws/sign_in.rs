//! How the selected profile gets its credentials, for messages: the command that signs in again, and the settings that
//! this tool does not support.

use aws_config::profile::Profile;

use super::error::ConfigError;
use super::profiles::{Profiles, assumes_role, source_of};
use super::reason::without_output;
use crate::domain::device::shown;
use crate::domain::service::classify::message_text;

/// The source at the end of the chain of profiles.
#[derive(Debug, Clone, Copy)]
pub(super) enum SignIn<'a> {
    /// A session that `aws sso login` opens.
    Sso(&'a Profile),
    /// A session that `aws login` opens.
    Login(&'a Profile),
    /// A command that prints credentials.
    Process(&'a Profile),
    /// A role that requires an MFA code.
    Mfa(&'a Profile),
    /// Anything else.
    Other,
}

impl SignIn<'_> {
    /// The source of the selected profile, or of keys in the environment if those win.
    pub(super) fn of(profiles: &Profiles) -> SignIn<'_> {
        if profiles.uses_keys_of_environment() {
            return SignIn::Other;
        }
        let mut last = None;
        for (depth, profile) in profiles.chain().enumerate() {
            let is_set = |key: &str| profile.get(key).is_some();
            if depth > 0 && is_set("aws_access_key_id") && is_set("aws_secret_access_key") {
                return SignIn::Other;
            }
            if assumes_role(profile) && is_set("mfa_serial") {
                return SignIn::Mfa(profile);
            }
            last = Some(profile);
        }
        // The SDK reports a missing source and a cycle.
        let is_end = |profile: &&Profile| source_of(profile).is_none();
        last.filter(is_end).map_or(SignIn::Other, SignIn::base)
    }

    /// The order is the SDK's.
    fn base(profile: &Profile) -> SignIn<'_> {
        let is_set = |key: &&str| profile.get(key).is_some();
        if ["credential_source", "web_identity_token_file"]
            .iter()
            .any(is_set)
        {
            SignIn::Other
        } else if ["sso_session", "sso_start_url", "sso_account_id"]
            .iter()
            .any(is_set)
        {
            SignIn::Sso(profile)
        } else if is_set(&"login_session") {
            SignIn::Login(profile)
        } else if is_set(&"credential_process") {
            SignIn::Process(profile)
        } else {
            SignIn::Other
        }
    }

    /// The command that signs in again, if there is one.
    pub(super) fn command(&self) -> Option<String> {
        match self {
            Self::Sso(profile) => Some(format!("aws sso login{}", flag(profile))),
            _ => None,
        }
    }

    /// The owner of the credentials, at the end of a sentence.
    pub(super) fn whose(&self) -> String {
        match self {
            Self::Process(profile) => {
                format!(
                    " from the credential_process of the profile '{}'",
                    profile.name()
                )
            }
            _ => String::new(),
        }
    }

    /// Refuses settings that this tool does not support, because the SDK's error would not help.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let (profile, setting) = match self {
            Self::Mfa(profile) => (
                profile,
                "mfa_serial: its role requires a code of an MFA device, which this tool cannot ask for",
            ),
            Self::Login(profile) => (
                profile,
                "login_session: 'aws login' created it, and this tool does not read those sessions",
            ),
            _ => return Ok(()),
        };
        let flag = flag(profile);
        let before = match self {
            Self::Login(_) => "aws login",
            _ => "aws sts get-caller-identity",
        };
        Err(ConfigError::Credentials(format!(
            "the AWS profile {} has {setting}. Let the AWS CLI sign in: run '{before}{flag}' once, add another profile to \
             ~/.aws/config with the line\n  credential_process = aws configure export-credentials{flag} --format process\nand \
             choose that one with --profile",
            shown(profile.name())
        )))
    }

    /// A message of this tool's own, for errors that only a developer of the SDK understands.
    pub(super) fn failure(&self, reason: &str) -> Option<ConfigError> {
        let Self::Process(profile) = self else {
            return None;
        };
        let field = || reason.split('`').nth(1).unwrap_or_default();
        let what = if reason.contains("could not parse response: Expected field") {
            format!("what it prints has no {}", field())
        } else if reason.contains("could not parse response: Invalid field") {
            format!("{} in what it prints cannot be used", field())
        } else if reason.contains("could not parse response") || reason.contains("decode output") {
            "what it prints is not JSON, or not JSON alone".to_owned()
        } else if let Some((_, end)) = reason.split_once("exited with code ") {
            format!(
                "it failed ({})",
                message_text(without_output(end)).trim_end_matches([' ', '.'])
            )
        } else if let Some((_, end)) = reason.split_once("from external process: ") {
            end.to_owned()
        } else {
            return None;
        };
        Some(ConfigError::Credentials(format!(
            "the credential_process of the AWS profile {} returned no credentials: {what}. Run the command by itself: it must \
             print one JSON object with Version, AccessKeyId and SecretAccessKey, and nothing else",
            shown(profile.name())
        )))
    }
}

/// The flag that names a profile in the AWS CLI, quoted if necessary.
fn flag(profile: &Profile) -> String {
    match profile.name() {
        "default" => String::new(),
        name if name.contains([' ', '"', '\'']) => format!(" --profile \"{name}\""),
        name => format!(" --profile {name}"),
    }
}
