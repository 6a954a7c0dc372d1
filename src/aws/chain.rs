//! The standard AWS chain: from flags, environment and profile files to the SDK's configuration.

use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, ConfigLoader, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_kinesisvideo::config::{Credentials, SharedHttpClient};

use super::ConnectionSettings;
use super::cached_credentials::{CachedCredentials, LONGEST_SIGN_IN};
use super::endpoint::Endpoint;
use super::environment::Environment;
use super::error::ConfigError;
use super::profiles::Profiles;
use crate::domain::device::Region;

/// The SDK's own limit for making a connection (`aws-smithy-runtime`, `default_timeout_config_plugin`).
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3_100);

/// Keys that sign requests to a loopback endpoint if no credentials are configured. Not a secret.
const STAND_IN_KEY: &str = "KVSFLEETLOOPBACKONLY";

/// A loader with the settings that every configuration shares. It sends no request.
///
/// The SDK gets the environment and the files after they are cleaned, never the originals.
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

/// The Region of the flag, the environment or the profile, in this order; for AWS, finally that of the EC2 instance.
pub(super) async fn region(
    settings: &ConnectionSettings,
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
            .map_err(|error| {
                ConfigError::Configuration(format!(
                    "the configured AWS Region cannot be used (AWS_REGION, AWS_DEFAULT_REGION or the profile's): {error}"
                ))
            }),
    }
}

/// The configuration for all clients: credentials, timeouts, the HTTP client.
pub(super) async fn load(
    settings: &ConnectionSettings,
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
            let kept = SharedCredentialsProvider::new(CachedCredentials::new(source));
            config.into_builder().credentials_provider(kept).build()
        }
        None => config,
    }
}

fn timeouts(attempt: Duration) -> TimeoutConfig {
    // Slightly less than the attempt's timeout, so that a failed connection is distinguished from a missing answer.
    let connect = CONNECT_TIMEOUT.min(attempt.mul_f64(0.8));
    TimeoutConfig::builder()
        .connect_timeout(connect)
        .operation_attempt_timeout(attempt)
        .build()
}

/// The keys from the environment or the profile if they are given in plain text, else placeholder keys: an emulator may
/// distinguish accounts by key, but a request on this computer is not worth a network call for credentials.
fn loopback_credentials(profiles: &Profiles) -> Credentials {
    let of_environment = || profiles.environment().credentials();
    let of_environment = (!profiles.is_asked_by_flag())
        .then(of_environment)
        .flatten();
    of_environment
        .or_else(|| profiles.static_credentials())
        .unwrap_or_else(|| Credentials::new(STAND_IN_KEY, STAND_IN_KEY, None, None, "Loopback"))
}
