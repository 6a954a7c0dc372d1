//! The standard AWS chain: from flags, environment and profile files to the SDK's configuration.

use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, ConfigLoader, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_kinesisvideo::config::{Credentials, SharedHttpClient};

use super::Settings;
use super::endpoint::Endpoint;
use super::environment::Environment;
use super::error::ConfigError;
use super::kept::{Kept, LONGEST_SIGN_IN};
use super::profiles::Profiles;
use crate::domain::device::Region;

/// The SDK's own limit for making a connection (`aws-smithy-runtime`, `default_timeout_config_plugin`).
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3_100);

/// Signs towards a loopback endpoint where nothing else is configured. Not a secret.
const STAND_IN_KEY: &str = "KVSFLEETLOOPBACKONLY";

/// A loader with what holds for every configuration. Nothing here asks the network.
///
/// The SDK sees the environment and the files as they were read and cleaned, never the originals.
pub(super) fn loader(profiles: &Profiles, environment: &Environment) -> ConfigLoader {
    let loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .env(environment.for_sdk())
        .profile_files(profiles.contents());
    if profiles.is_selected() {
        loader.profile_name(profiles.selected())
    } else {
        loader
    }
}

/// The Region: the flag's, the environment's, the profile's; towards AWS at last that of the EC2 instance.
pub(super) async fn region(
    settings: &Settings,
    endpoint: &Endpoint,
    profiles: &Profiles,
    http: &SharedHttpClient,
) -> Result<Option<Region>, ConfigError> {
    if let Some(region) = &settings.region {
        return Ok(Some(region.clone()));
    }
    let mut environment = profiles.environment().clone();
    if endpoint.is_loopback() {
        environment.forget_instance();
    }
    let config = loader(profiles, &environment)
        .http_client(http.clone())
        .no_credentials()
        .load()
        .await;
    match config.region() {
        None if endpoint.is_loopback() => Ok(Region::parse("us-east-1").ok()),
        None => Ok(None),
        Some(region) => Region::parse(region.as_ref())
            .map(Some)
            .map_err(|error| ConfigError::InvalidRegion(error.to_string())),
    }
}

/// The configuration for all clients: credentials, timeouts, the HTTP client.
pub(super) async fn load(
    settings: &Settings,
    endpoint: &Endpoint,
    profiles: &Profiles,
    region: Option<&Region>,
    http: &SharedHttpClient,
) -> SdkConfig {
    let region = region.map(|region| aws_config::Region::new(region.as_str().to_owned()));
    let mut environment = profiles.environment().clone();
    if profiles.is_asked_by_flag() {
        environment.forget_keys();
    }
    let cache = IdentityCache::lazy().load_timeout(LONGEST_SIGN_IN + CONNECT_TIMEOUT);
    let mut loader = loader(profiles, &environment)
        .http_client(http.clone())
        .region(region)
        .identity_cache(cache.build())
        .timeout_config(timeouts(settings.timeout));
    if let Ok(name) = AppName::new("kvs-fleet") {
        loader = loader.app_name(name);
    }
    if endpoint.is_loopback() {
        loader = loader.credentials_provider(loopback_credentials(profiles));
    }
    let config = loader.load().await;
    match config.credentials_provider() {
        Some(source) => {
            let kept = SharedCredentialsProvider::new(Kept::new(source));
            config.into_builder().credentials_provider(kept).build()
        }
        None => config,
    }
}

fn timeouts(attempt: Duration) -> TimeoutConfig {
    // A little less than the attempt, so that a connection that is never made is told from an answer that never comes.
    let connect = CONNECT_TIMEOUT.min(attempt.mul_f64(0.8));
    TimeoutConfig::builder()
        .connect_timeout(connect)
        .operation_attempt_timeout(attempt)
        .build()
}

/// Keys from the environment or the profile where they are there in plain, else stand-ins: an emulator may tell
/// accounts apart by key, but nothing on this computer is worth a call over the network.
fn loopback_credentials(profiles: &Profiles) -> Credentials {
    let of_environment = || profiles.environment().credentials();
    let of_environment = (!profiles.is_asked_by_flag())
        .then(of_environment)
        .flatten();
    of_environment
        .or_else(|| profiles.static_credentials())
        .unwrap_or_else(|| Credentials::new(STAND_IN_KEY, STAND_IN_KEY, None, None, "Loopback"))
}
