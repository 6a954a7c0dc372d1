//! The AWS profiles: which ones exist, which one is selected, and what it contains. The SDK decides what a profile
//! means for AWS.

mod check;

use std::borrow::Cow;
use std::path::PathBuf;

use aws_config::profile::{Profile, ProfileSet};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_sdk_kinesisvideo::config::Credentials;
use aws_types::os_shim_internal::Fs;

use super::attempt::causes;
use super::config_file::ConfigFile;
use super::environment::{self, Environment, SelectedBy};
use super::value::switch_value;
use crate::domain::device::{shown, visible};
use crate::domain::service::classify::message_text;

const IGNORE_ENDPOINTS: &str = "ignore_configured_endpoint_urls";

/// Profiles may refer to each other; a longer chain is treated as a cycle.
const LONGEST_CHAIN: usize = 10;

/// The profile files and the selected profile, with the environment that they are read in.
#[derive(Debug, Default)]
pub(super) struct Profiles {
    environment: Environment,
    files: Vec<ConfigFile>,
    set: ProfileSet,
    damage: Option<String>,
    selected: String,
    by: SelectedBy,
}

impl Profiles {
    /// Reads environment and files. An error is kept for [`Profiles::check`].
    pub(super) async fn load(flag: Option<&str>) -> Self {
        let environment = Environment::from_vars(std::env::vars_os());
        let (selected, by) = environment.profile(flag);
        let mut profiles = Self {
            environment,
            selected,
            by,
            ..Self::default()
        };
        if let Err(damage) = profiles.read().await {
            profiles.damage = Some(damage);
            profiles.files.clear();
            profiles.set = ProfileSet::default();
        }
        if profiles.ignores_endpoints() {
            profiles.forget_endpoints().await;
        }
        profiles
    }

    async fn read(&mut self) -> Result<(), String> {
        for kind in [EnvConfigFileKind::Config, EnvConfigFileKind::Credentials] {
            let mut file = ConfigFile::read(&self.environment, kind)?;
            self.parse(std::slice::from_ref(&file))
                .await
                .map_err(|error| format!("{} {}", file.path.display(), parse_error(&error)))?;
            if self.is_asked_by_flag()
                && let Some(keys) = self.environment.keys_as_properties()
            {
                file.resolve_environment(&keys);
            }
            self.files.push(file);
        }
        self.set = self.parse(&self.files).await?;
        Ok(())
    }

    async fn parse(&self, files: &[ConfigFile]) -> Result<ProfileSet, String> {
        aws_config::profile::load(
            &Fs::real(),
            &self.environment.for_sdk(),
            &contents(files),
            Some(Cow::Owned(self.selected.clone())),
        )
        .await
        .map_err(|error| causes(&error).pop().unwrap_or_default())
    }

    async fn forget_endpoints(&mut self) {
        self.environment.forget_endpoints();
        for file in &mut self.files {
            file.forget_endpoints();
        }
        if let Ok(set) = self.parse(&self.files).await {
            self.set = set;
        }
    }

    /// Whether endpoints in environment and profile are ignored.
    fn ignores_endpoints(&self) -> bool {
        // A variable that is set wins over the profile.
        let variable = self.environment.get(environment::IGNORE_ENDPOINTS);
        variable
            .or(self.get(IGNORE_ENDPOINTS))
            .and_then(switch_value)
            == Some(true)
    }

    /// Warnings about the files.
    pub(super) fn warnings(&self) -> Vec<String> {
        let missing = self.files.iter().filter_map(|file| {
            let variable = file.missing?;
            Some(format!(
                "{variable} names {}, which does not exist; no profile is read from it",
                file.path.display()
            ))
        });
        missing.chain(self.unused_endpoints()).collect()
    }

    /// Endpoints for this service in sections that no profile refers to.
    fn unused_endpoints(&self) -> impl Iterator<Item = String> {
        let in_files = self.files.iter().flat_map(|file| {
            let sections = file.sections_with_our_endpoint().into_iter();
            sections.map(|name| (&file.path, name))
        });
        in_files.filter_map(|(path, name)| {
            let mut profiles = self.set.profiles().filter_map(|profile| self.named(profile));
            let is_named = profiles.any(|profile| profile.get("services") == Some(name));
            (!is_named).then(|| {
                format!(
                    "{}: the section [services {name}] has an endpoint for this service, but no profile has \
                     'services = {name}'; it is not used",
                    path.display()
                )
            })
        })
    }

    /// The file of certificates in the selected profile.
    pub(super) fn ca_bundle(&self) -> Option<PathBuf> {
        self.get("ca_bundle")
            .map(|path| self.environment.path(path))
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The files in the SDK's type.
    pub(super) fn contents(&self) -> EnvConfigFiles {
        contents(&self.files)
    }

    /// Whether `--profile` selects the profile.
    pub(super) fn is_asked_by_flag(&self) -> bool {
        self.by == SelectedBy::Flag
    }

    /// Whether the operator selected the profile.
    pub(super) fn is_selected(&self) -> bool {
        self.by != SelectedBy::Nothing
    }

    /// Whether the credentials come from the environment, not from the profile.
    pub(super) fn uses_keys_of_environment(&self) -> bool {
        !self.is_asked_by_flag() && self.environment.has_keys()
    }

    /// The selected profile's name, even if no file has it.
    pub(super) fn selected(&self) -> &str {
        &self.selected
    }

    /// Where the credentials come from, for the first line of a run: the profile, or keys in the environment that
    /// override the selected one.
    pub(super) fn in_use(&self) -> Option<String> {
        let profile = self.profile()?.name();
        match self.by {
            SelectedBy::Nothing if self.uses_keys_of_environment() => None,
            _ if self.uses_keys_of_environment() => Some(format!(
                "keys of AWS_ACCESS_KEY_ID (not of profile {profile})"
            )),
            SelectedBy::Variable(variable @ "AWS_DEFAULT_PROFILE") => {
                Some(format!("profile {profile} ({variable})"))
            }
            _ => Some(format!("profile {profile}")),
        }
    }

    /// The owner of the credentials in an error: the profile, unless it has no credentials and a variable does.
    pub(super) fn credentials_owner(&self) -> String {
        const OF_PROFILE: [&str; 6] = [
            "aws_access_key_id",
            "role_arn",
            "sso_session",
            "sso_start_url",
            "sso_account_id",
            "credential_process",
        ];
        const OTHERS: [&str; 3] = [
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ];
        let is_of_profile = OF_PROFILE.iter().any(|key| self.get(key).is_some());
        let variable = OTHERS
            .into_iter()
            .find(|name| self.environment.get(name).is_some());
        let variable = variable.filter(|_| !is_of_profile && !self.is_asked_by_flag());
        if let Some(variable) = variable {
            let place = self.environment.get(variable).unwrap_or_default();
            return format!("that {variable} points to ({})", visible(place));
        }
        let file = self
            .chain()
            .find_map(|profile| profile.get("web_identity_token_file"));
        let file = file.map_or(String::new(), |file| {
            format!(" (web_identity_token_file {})", visible(file))
        });
        format!("of the profile {}{file}", shown(&self.selected))
    }

    /// The names of all profiles, for a message: the first ones, and how many more there are.
    pub(super) fn names(&self) -> String {
        let mut names: Vec<&str> = self.set.profiles().collect();
        names.sort_unstable();
        listed(&names)
    }

    /// The keys in the selected profile itself.
    pub(super) fn static_credentials(&self) -> Option<Credentials> {
        let profile = self.profile()?;
        Some(Credentials::new(
            profile.get("aws_access_key_id")?,
            profile.get("aws_secret_access_key")?,
            profile.get("aws_session_token").map(str::to_owned),
            None,
            "Profile",
        ))
    }

    /// The selected profile, followed by the profiles that it takes its credentials from.
    pub(super) fn chain(&self) -> impl Iterator<Item = &Profile> {
        let source = |profile: &&Profile| self.named(source_of(profile)?);
        std::iter::successors(self.profile(), source).take(LONGEST_CHAIN)
    }

    /// A property of the selected profile.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.profile()?.get(key)
    }

    pub(super) fn profile(&self) -> Option<&Profile> {
        self.named(&self.selected)
    }

    pub(super) fn named(&self, name: &str) -> Option<&Profile> {
        self.set.get_profile(name)
    }
}

fn listed(names: &[&str]) -> String {
    const MOST: usize = 20;
    match names.split_at_checked(MOST) {
        Some((first, rest)) if !rest.is_empty() => {
            format!("{} and {} more", first.join(", "), rest.len())
        }
        _ if names.is_empty() => "none".to_owned(),
        _ => names.join(", "),
    }
}

/// The profile that this one takes its credentials from.
pub(super) fn source_of(profile: &Profile) -> Option<&str> {
    let source = profile
        .get("source_profile")
        .filter(|_| assumes_role(profile))?;
    (source != profile.name()).then_some(source)
}

pub(super) fn assumes_role(profile: &Profile) -> bool {
    profile.get("role_arn").is_some() && profile.get("web_identity_token_file").is_none()
}

fn contents(files: &[ConfigFile]) -> EnvConfigFiles {
    // The builder panics without any file.
    let builder = EnvConfigFiles::builder().with_contents(EnvConfigFileKind::Config, "");
    files
        .iter()
        .fold(builder, |builder, file| {
            builder.with_contents(file.kind, &*file.text)
        })
        .build()
}

/// The SDK's message about a file that it got without its name: the line, and what is wrong with it.
fn parse_error(error: &str) -> String {
    let error = message_text(error);
    let line = error.split_once("on line ").map(|(_, rest)| rest);
    line.map_or_else(|| error.to_string(), |line| format!("line {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_listed_up_to_a_limit() {
        assert_eq!(listed(&[]), "none");
        assert_eq!(listed(&["line-7", "line-8"]), "line-7, line-8");
        assert!(listed(&["p"; 20]).ends_with("p, p"));
        assert!(listed(&["p"; 30]).ends_with("p, p and 10 more"));
    }
}
