//! The environment that the SDK gets: an empty variable counts as unset, white space around a value is removed, and an
//! unusable value is an error that names its variable. The SDK itself uses every value as it is, and panics on some.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::path::PathBuf;

use aws_sdk_kinesisvideo::config::Credentials;
use aws_types::os_shim_internal::Env;

use super::endpoint::{self, Endpoint};
use super::error::ConfigError;
use super::value::{switch_value, trimmed, unsendable};

pub(super) const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
/// Another name of the variable that the SDK also reads.
const SECRET_KEY: &str = "SECRET_ACCESS_KEY";
const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
const METADATA_DISABLED: &str = "AWS_EC2_METADATA_DISABLED";
const METADATA_ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
const METADATA_MODE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE";
pub(super) const IGNORE_ENDPOINTS: &str = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";
const ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";
const OUR_ENDPOINT: &str = "AWS_ENDPOINT_URL_KINESIS_VIDEO";

/// The endpoint variables of other services that receive requests for credentials or ICE servers, and the one for all
/// services.
const ENDPOINTS: [&str; 5] = [
    ENDPOINT_URL,
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_SSO",
    "AWS_ENDPOINT_URL_SSO_OIDC",
    "AWS_ENDPOINT_URL_KINESIS_VIDEO_SIGNALING",
];

/// Switches that decide where requests are sent; each is `true` or `false`.
const SWITCHES: [&str; 3] = [
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    IGNORE_ENDPOINTS,
];

/// The SDK reads these from the process itself, so that they cannot be cleaned. It sends the first one in a header.
const IN_HEADER: &str = "AWS_EXECUTION_ENV";
/// A file for the developers of the SDK. The SDK panics if the file does not exist.
const PARTITIONS: &str = "SMITHY_CLIENT_SDK_CUSTOM_PARTITION";

/// The cleaned environment.
#[derive(Debug, Clone, Default)]
pub(super) struct Environment {
    vars: HashMap<String, String>,
    /// AWS variables whose values are not UTF-8.
    unreadable: Vec<String>,
    has_partitions: bool,
    /// The value of `AWS_EXECUTION_ENV` as it is sent.
    sent: Option<String>,
}

/// What selects the profile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum SelectedBy {
    /// `--profile`
    Flag,
    /// A variable with this name.
    Variable(&'static str),
    /// Nothing: the profile is `default`.
    #[default]
    Nothing,
}

impl Environment {
    pub(super) fn from_vars(vars: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut environment = Self::default();
        for (name, value) in vars {
            if let Some(name) = name.to_str() {
                environment.add(name, &value);
            }
        }
        environment.unreadable.sort_unstable();
        environment
    }

    fn add(&mut self, name: &str, value: &OsStr) {
        // Windows ignores case in variable names, and the SDK asks for upper-case names.
        let name = if cfg!(windows) {
            name.to_ascii_uppercase()
        } else {
            name.to_owned()
        };
        let is_aws = name.starts_with("AWS_") || name == SECRET_KEY;
        self.has_partitions |= name == PARTITIONS;
        match value.to_str() {
            Some(text) => {
                if name == IN_HEADER {
                    self.sent = Some(text.to_owned());
                }
                let text = if is_aws { trimmed(text) } else { text };
                if !text.is_empty() {
                    self.vars.insert(name, text.to_owned());
                }
            }
            None if is_aws => self.unreadable.push(name),
            None => {}
        }
    }

    /// The value of a variable that is set and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str)
    }

    /// Refuses values that break every request, wherever it is sent.
    pub(super) fn check_sendable(&self) -> Result<(), ConfigError> {
        if self.has_partitions {
            return Err(unusable(
                PARTITIONS,
                "it is for the developers of the AWS SDK alone; unset it",
            ));
        }
        match &self.sent {
            Some(value) if value.chars().any(char::is_control) => Err(unusable(
                IN_HEADER,
                "it holds a line end or another control character, and is sent in a header; unset it, or set it \
                 without",
            )),
            _ => Ok(()),
        }
    }

    /// Refuses values without a meaning. `with_keys` is true if the keys in the environment are used.
    pub(super) fn check(&self, with_keys: bool) -> Result<(), ConfigError> {
        if let Some(name) = self.unreadable.first() {
            return Err(unusable(
                name,
                "its value is not text in UTF-8; set it again, or unset it",
            ));
        }
        for name in SWITCHES {
            self.check_switch(name)?;
        }
        if let Some(mode) = self.get(METADATA_MODE)
            && !["ipv4", "ipv6"].contains(&&*mode.to_ascii_lowercase())
        {
            return Err(unusable(METADATA_MODE, "it must be IPv4 or IPv6"));
        }
        if let Some(url) = self.get(METADATA_ENDPOINT) {
            endpoint::check_metadata_url(url)
                .map_err(|reason| unusable(METADATA_ENDPOINT, reason))?;
        }
        self.check_endpoints()?;
        if with_keys { self.check_keys() } else { Ok(()) }
    }

    /// Refuses a switch that is neither `true` nor `false`.
    pub(super) fn check_switch(&self, name: &str) -> Result<(), ConfigError> {
        match self.get(name) {
            Some(value) if switch_value(value).is_none() => {
                Err(unusable(name, "it must be true or false"))
            }
            _ => Ok(()),
        }
    }

    /// Refuses unusable endpoints, and variables that look like this service's endpoint but that the SDK ignores.
    fn check_endpoints(&self) -> Result<(), ConfigError> {
        if self.ignores_endpoints() {
            return Ok(());
        }
        for name in ENDPOINTS {
            if let Some(url) = self.get(name) {
                Endpoint::parse(url, name)?;
            }
        }
        let misspelt = self.vars.keys().find(|name| {
            let service = name.strip_prefix("AWS_ENDPOINT_URL_").unwrap_or_default();
            *name != OUR_ENDPOINT && endpoint::is_our_service(service)
        });
        match misspelt {
            Some(name) => Err(unusable(
                name,
                format!("nothing reads it; its name must be {OUR_ENDPOINT}"),
            )),
            None => Ok(()),
        }
    }

    /// Refuses keys that cannot be sent, and one key without the other.
    pub(super) fn check_keys(&self) -> Result<(), ConfigError> {
        for name in [ACCESS_KEY_ID, SECRET_ACCESS_KEY, SECRET_KEY, SESSION_TOKEN] {
            if let Some(what) = self.get(name).and_then(unsendable) {
                return Err(unusable(
                    name,
                    format!("it holds {what}; set it again without"),
                ));
            }
        }
        if self.get(ACCESS_KEY_ID).is_some() && self.secret().is_none() {
            return Err(unusable(
                ACCESS_KEY_ID,
                format!("{SECRET_ACCESS_KEY} is not set; set both, or unset both"),
            ));
        }
        Ok(())
    }

    fn secret(&self) -> Option<&str> {
        self.get(SECRET_ACCESS_KEY).or_else(|| self.get(SECRET_KEY))
    }

    /// Whether both keys are set.
    pub(super) fn has_keys(&self) -> bool {
        self.credentials().is_some()
    }

    /// The keys, if both are set.
    pub(super) fn credentials(&self) -> Option<Credentials> {
        let token = self.get(SESSION_TOKEN).map(str::to_owned);
        let (id, secret) = (self.get(ACCESS_KEY_ID)?, self.secret()?);
        Some(Credentials::new(id, secret, token, None, "Environment"))
    }

    /// The keys as the properties of a profile, if they are usable.
    pub(super) fn keys_as_properties(&self) -> Option<String> {
        self.check_keys().ok()?;
        let (id, secret) = (self.get(ACCESS_KEY_ID)?, self.secret()?);
        let mut text = format!("aws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
        if let Some(token) = self.get(SESSION_TOKEN) {
            text = text + "aws_session_token = " + token + "\n";
        }
        Some(text)
    }

    /// The selected profile: the flag's, else the one that the AWS CLI would read from the environment.
    pub(super) fn profile(&self, flag: Option<&str>) -> (String, SelectedBy) {
        if let Some(name) = flag {
            return (name.to_owned(), SelectedBy::Flag);
        }
        for variable in ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"] {
            if let Some(name) = self.get(variable) {
                return (name.to_owned(), SelectedBy::Variable(variable));
            }
        }
        ("default".to_owned(), SelectedBy::Nothing)
    }

    /// The endpoint that a variable sets for this service, and the variable.
    pub(super) fn endpoint(&self) -> Option<(&str, &'static str)> {
        [OUR_ENDPOINT, ENDPOINT_URL]
            .into_iter()
            .find_map(|name| Some((self.get(name)?, name)))
    }

    /// Whether endpoints in the environment and in the profile are ignored.
    pub(super) fn ignores_endpoints(&self) -> bool {
        self.get(IGNORE_ENDPOINTS).and_then(switch_value) == Some(true)
    }

    /// Removes the endpoints.
    pub(super) fn forget_endpoints(&mut self) {
        self.vars.retain(|name, _| !name.starts_with(ENDPOINT_URL));
    }

    /// Removes the variables that make the SDK look for credentials elsewhere before it looks in the profile. As with
    /// the AWS CLI, a profile given by a flag wins over keys in the environment: the operator has named an account and
    /// must not use another one without notice.
    pub(super) fn forget_keys(&mut self) {
        for name in [
            ACCESS_KEY_ID,
            SECRET_ACCESS_KEY,
            SECRET_KEY,
            SESSION_TOKEN,
            "AWS_WEB_IDENTITY_TOKEN_FILE",
        ] {
            self.vars.remove(name);
        }
    }

    /// Disables requests to the EC2 instance metadata service.
    pub(super) fn forget_instance(&mut self) {
        self.vars
            .insert(METADATA_DISABLED.to_owned(), "true".to_owned());
    }

    /// The folder that `~` means.
    fn home(&self) -> Option<PathBuf> {
        if let Some(home) = self.get("HOME") {
            return Some(home.into());
        }
        if !cfg!(windows) {
            return None;
        }
        self.get("USERPROFILE")
            .map(PathBuf::from)
            .or_else(|| Some(format!("{}{}", self.get("HOMEDRIVE")?, self.get("HOMEPATH")?).into()))
    }

    /// A path with its `~` resolved.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        let rest = path
            .strip_prefix('~')
            .filter(|rest| rest.is_empty() || rest.starts_with(['/', '\\']));
        match (rest, self.home()) {
            (Some(rest), Some(home)) => home.join(rest.trim_start_matches(['/', '\\'])),
            _ => path.into(),
        }
    }

    /// The environment in the SDK's type.
    pub(super) fn for_sdk(&self) -> Env {
        Env::from(self.vars.clone())
    }
}

fn unusable(variable: &str, reason: impl Display) -> ConfigError {
    ConfigError::Configuration(format!(
        "the environment variable {variable} cannot be used: {reason}"
    ))
}

#[cfg(test)]
mod tests;
