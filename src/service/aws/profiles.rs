//! The AWS profile files, as far as messages and a loopback endpoint need them: which profiles there are, which one is
//! selected, how it signs in. What a profile means for AWS itself is the SDK's business.

use std::borrow::Cow;

use aws_config::profile::{Profile, ProfileSet};
use aws_sdk_kinesisvideo::config::Credentials;

use super::error::ConfigError;

/// Profiles may name each other; more than this many in a row is a circle.
const LONGEST_CHAIN: usize = 10;

/// The profile files and the selected profile.
#[derive(Debug, Default)]
pub(super) struct Profiles {
    set: ProfileSet,
    damage: Option<String>,
    asked_by_flag: bool,
}

impl Profiles {
    /// Reads the files. Damage is kept, for [`Profiles::check`].
    #[expect(
        clippy::default_trait_access,
        reason = "the SDK does not export the parameters' types"
    )]
    pub(super) async fn load(flag: Option<&str>) -> Self {
        let selected = flag.map(|name| Cow::Owned(name.to_owned()));
        let loaded = aws_config::profile::load(
            &Default::default(),
            &Default::default(),
            &Default::default(),
            selected,
        )
        .await;
        let (set, damage) = match loaded {
            Ok(set) => (set, None),
            Err(error) => (ProfileSet::default(), Some(error.to_string())),
        };
        Self {
            set,
            damage,
            asked_by_flag: flag.is_some(),
        }
    }

    /// Whether the files can be read and hold the selected profile, where one was asked for. Towards a loopback
    /// endpoint (not `strict`) only what a flag asks for matters.
    pub(super) fn check(&self, strict: bool) -> Result<(), ConfigError> {
        if !(strict || self.asked_by_flag) {
            return Ok(());
        }
        if let Some(damage) = &self.damage {
            return Err(ConfigError::ProfileFiles(damage.clone()));
        }
        let is_asked_for = self.asked_by_flag || self.selected() != "default";
        if is_asked_for && self.profile().is_none() {
            return Err(ConfigError::ProfileNotFound {
                name: self.selected().to_owned(),
                from_environment: !self.asked_by_flag,
                profiles: self.names(),
            });
        }
        Ok(())
    }

    /// The selected profile's name, whether or not there is one.
    pub(super) fn selected(&self) -> &str {
        match self.set.selected_profile() {
            "" => "default",
            name => name,
        }
    }

    /// All profiles' names, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.set.profiles().map(str::to_owned).collect();
        names.sort_unstable();
        names
    }

    /// The keys that the selected profile holds itself.
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

    /// The command that signs in anew, where the selected profile, or one that it builds on, uses SSO.
    pub(super) fn login_command(&self) -> Option<String> {
        let mut profile = self.profile()?;
        for _ in 0..LONGEST_CHAIN {
            if ["sso_session", "sso_start_url", "sso_account_id"]
                .iter()
                .any(|key| profile.get(key).is_some())
            {
                return Some(match profile.name() {
                    "default" => "aws sso login".to_owned(),
                    name if name.contains([' ', '"', '\'']) => {
                        format!("aws sso login --profile \"{name}\"")
                    }
                    name => format!("aws sso login --profile {name}"),
                });
            }
            profile = self.set.get_profile(profile.get("source_profile")?)?;
        }
        None
    }

    fn profile(&self) -> Option<&Profile> {
        self.set.get_profile(self.selected())
    }
}
