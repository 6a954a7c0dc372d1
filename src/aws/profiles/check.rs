//! Refuses damaged files and unusable settings of the selected profile.

use super::IGNORE_ENDPOINTS;
use super::Profiles;
use crate::aws::endpoint::Endpoint;
use crate::aws::environment::{self, SelectedBy};
use crate::aws::error::ConfigError;
use crate::aws::value::{switch_value, unsendable};
use crate::domain::device::shown;

/// Switches of a profile that decide where requests are sent; each is `true` or `false`.
const SWITCHES: [&str; 3] = [
    "use_fips_endpoint",
    "use_dualstack_endpoint",
    IGNORE_ENDPOINTS,
];

impl Profiles {
    /// Checks that environment and files can be read, are valid, and contain the selected profile. For a loopback
    /// endpoint (not `strict`) only a profile given by a flag is checked.
    pub(in crate::aws) fn check(&self, strict: bool) -> Result<(), ConfigError> {
        self.environment.check_sendable()?;
        if strict {
            self.environment.check(!self.is_asked_by_flag())?;
        }
        if !(strict || self.is_asked_by_flag()) {
            return Ok(());
        }
        if let Some(damage) = &self.damage {
            return Err(ConfigError::Configuration(format!(
                "the AWS configuration files cannot be read: {damage}. They are ~/.aws/config and ~/.aws/credentials, unless \
                 AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE say otherwise"
            )));
        }
        let is_asked_for = self.is_asked_by_flag() || self.selected != "default";
        if is_asked_for && self.profile().is_none() {
            return Err(self.not_found());
        }
        if strict { self.check_profile() } else { Ok(()) }
    }

    fn not_found(&self) -> ConfigError {
        let name = &self.selected;
        let selected_by = match self.by {
            SelectedBy::Variable(variable) => format!(" (selected by {variable})"),
            _ => String::new(),
        };
        let mut files = self.files.iter();
        let bare = files.find(|file| file.has_bare_section(name));
        let hint = bare.map_or(String::new(), |file| {
            let file = file.path.display();
            format!(". {file} has [{name}], which must be written [profile {name}]")
        });
        ConfigError::Configuration(format!(
            "there is no AWS profile {}{selected_by}. Profiles are in ~/.aws/config and ~/.aws/credentials; known are: {}{hint}",
            shown(name),
            self.names()
        ))
    }

    /// Refuses keys that cannot be sent, of the selected profile and of each profile that it takes credentials from:
    /// the SDK panics when it signs with them.
    fn check_keys(&self) -> Result<(), ConfigError> {
        if self.uses_keys_of_environment() {
            return Ok(());
        }
        for profile in self.chain() {
            for key in [
                "aws_access_key_id",
                "aws_secret_access_key",
                "aws_session_token",
            ] {
                if let Some(what) = profile.get(key).and_then(unsendable) {
                    return Err(setting(profile.name(), key, &format!("holds {what}")));
                }
            }
            let source = profile.get("credential_source").unwrap_or_default();
            if source.eq_ignore_ascii_case("environment") {
                self.environment.check_keys()?;
            }
        }
        Ok(())
    }

    /// Refuses a switch that decides whether configured endpoints are used and is neither `true` nor `false`.
    pub(in crate::aws) fn check_ignores_endpoints(&self) -> Result<(), ConfigError> {
        self.environment
            .check_switch(environment::IGNORE_ENDPOINTS)?;
        self.check_switch(IGNORE_ENDPOINTS)
    }

    fn check_switch(&self, key: &str) -> Result<(), ConfigError> {
        match self.get(key) {
            Some(value) if switch_value(value).is_none() => {
                Err(setting(&self.selected, key, "must be true or false"))
            }
            _ => Ok(()),
        }
    }

    /// Refuses endpoint settings of the selected profile that cannot be used.
    fn check_profile(&self) -> Result<(), ConfigError> {
        for key in SWITCHES {
            self.check_switch(key)?;
        }
        self.check_keys()?;
        self.check_endpoint()?;
        let Some(services) = self.get("services") else {
            return Ok(());
        };
        let header = format!("services {services}");
        let has_services = self.files.iter().any(|file| file.has_bare_section(&header));
        if self.ignores_endpoints() || has_services {
            return Ok(());
        }
        Err(setting(
            &self.selected,
            "services",
            &format!("names a section [{header}] that is not in the configuration file"),
        ))
    }

    /// Refuses an unusable endpoint.
    pub(in crate::aws) fn check_endpoint(&self) -> Result<(), ConfigError> {
        match self.get("endpoint_url") {
            Some(url) => Endpoint::parse(url, "the AWS profile (endpoint_url)").map(drop),
            None => Ok(()),
        }
    }
}

fn setting(profile: &str, key: &str, what: &str) -> ConfigError {
    let profile = shown(profile);
    ConfigError::Configuration(format!(
        "{key} in the AWS profile {profile} {what}; correct it in ~/.aws/config"
    ))
}
