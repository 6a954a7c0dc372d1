//! The standard AWS chain: from flags, environment and profile files to the SDK's configuration.

use std::time::Duration;

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::{
    EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider,
};
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, ConfigLoader, SdkConfig};
use aws_sdk_kinesisvideo::config::{Credentials, SharedHttpClient};

use super::Settings;
use super::endpoint::Endpoint;
use super::error::ConfigError;
use super::profiles::Profiles;
use crate::device::Region;

/// The SDK's own limit for making a connection (`aws-smithy-runtime`, `default_timeout_config_plugin`).
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3_100);

/// Signs towards a loopback endpoint where nothing else is configured. Not a secret.
const STAND_IN_KEY: &str = "KVSFLEETLOOPBACKONLY";

/// A loader with what holds for every configuration. Nothing here asks the network.
pub(super) fn loader(profile: Option<&str>) -> ConfigLoader {
    let loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    match profile {
        Some(profile) => loader.profile_name(profile),
        None => loader,
    }
}

/// The Region: the flag's, the environment's, the profile's; towards AWS at last that of the EC2 instance.
pub(super) async fn region(
    settings: &Settings,
    endpoint: &Endpoint,
    http: &SharedHttpClient,
) -> Result<Option<Region>, ConfigError> {
    if let Some(region) = &settings.region {
        return Ok(Some(region.clone()));
    }
    let mut profile = ProfileFileRegionProvider::builder();
    if let Some(name) = &settings.profile {
        profile = profile.profile_name(name);
    }
    let configured = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(profile.build())
        .region()
        .await;
    let found = match configured {
        Some(region) => Some(region),
        None if endpoint.is_loopback() => return Ok(Region::parse("us-east-1").ok()),
        None => {
            ImdsRegionProvider::builder()
                .configure(&provider_config(http))
                .build()
                .region()
                .await
        }
    };
    found
        .map(|region| {
            Region::parse(region.as_ref())
                .map_err(|error| ConfigError::InvalidRegion(error.to_string()))
        })
        .transpose()
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
    let mut loader = loader(settings.profile.as_deref())
        .http_client(http.clone())
        .region(region.clone())
        .timeout_config(timeouts(settings.timeout));
    if let Ok(name) = AppName::new("kvs-fleet") {
        loader = loader.app_name(name);
    }
    if endpoint.is_loopback() {
        loader = loader.credentials_provider(loopback_credentials(settings, profiles));
    } else if let Some(profile) = &settings.profile {
        let config = provider_config(http)
            .with_region(region)
            .with_retry_config(RetryConfig::disabled())
            .with_timeout_config(timeouts(settings.timeout));
        loader = loader.credentials_provider(profile_credentials(profile, &config));
    }
    loader.load().await
}

fn timeouts(attempt: Duration) -> TimeoutConfig {
    // A little less than the attempt, so that a connection that is never made is told from an answer that never comes.
    let connect = CONNECT_TIMEOUT.min(attempt.mul_f64(0.8));
    TimeoutConfig::builder()
        .connect_timeout(connect)
        .operation_attempt_timeout(attempt)
        .build()
}

fn provider_config(http: &SharedHttpClient) -> ProviderConfig {
    ProviderConfig::without_region()
        .with_behavior_version(Some(BehaviorVersion::v2026_01_12()))
        .with_http_client(http.clone())
}

/// What a profile named by a flag gives. As with the AWS CLI, it then wins over keys in the environment: the person
/// has named an account, and must not silently get another.
fn profile_credentials(profile: &str, config: &ProviderConfig) -> CredentialsProviderChain {
    let of_profile = ProfileFileCredentialsProvider::builder()
        .configure(config)
        .profile_name(profile)
        .build();
    let of_container = EcsCredentialsProvider::builder().configure(config).build();
    let of_instance = ImdsCredentialsProvider::builder().configure(config).build();
    CredentialsProviderChain::first_try("Profile", of_profile)
        .or_else("EcsContainer", of_container)
        .or_else("Ec2InstanceMetadata", of_instance)
}

/// Keys from the environment or the profile where they stand there in plain, else stand-ins: an emulator may tell
/// accounts apart by key, but nothing on this computer is worth a call over the network.
fn loopback_credentials(settings: &Settings, profiles: &Profiles) -> CredentialsProviderChain {
    let stand_in = Credentials::new(STAND_IN_KEY, STAND_IN_KEY, None, None, "Loopback");
    let of_profile = profiles.static_credentials().unwrap_or(stand_in);
    if settings.profile.is_some() {
        return CredentialsProviderChain::first_try("Profile", of_profile);
    }
    CredentialsProviderChain::first_try(
        "Environment",
        EnvironmentVariableCredentialsProvider::new(),
    )
    .or_else("Profile", of_profile)
}
