//! Credentials of an assumed role: STS `AssumeRole`, with the credentials of another source.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use aws_config::SdkConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_kinesisvideo::config::{Credentials, SharedHttpClient};
use aws_sdk_kinesisvideo::error::SdkError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use tokio::sync::Semaphore;

use super::CredentialSource;
use super::attempt::{Seen, Watched, cause, watched};
use super::cached_credentials::CachedCredentials;
use super::endpoint::Endpoint;
use super::error::ConfigError;
use crate::domain::device::Region;
use crate::domain::service::FailureKind;

/// The most requests for a role at once, of all connections that were made from one.
pub(super) const MOST_AT_ONCE: usize = 16;

/// A role, and how it is assumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    pub arn: String,
    pub external_id: Option<String>,
    pub session_name: String,
}

/// What all roles of a connection have in common.
#[derive(Clone)]
pub(super) struct RoleSettings {
    pub(super) endpoint: Endpoint,
    pub(super) default_region: Option<Region>,
    pub(super) http: SharedHttpClient,
    pub(super) timeout: std::time::Duration,
    pub(super) at_once: Arc<Semaphore>,
}

impl CredentialSource {
    /// The credentials of a role that these assume. No request is sent before credentials are needed.
    pub(super) fn assuming(self, role: &Role, settings: RoleSettings) -> Self {
        let profiles = Arc::clone(&self.profiles);
        let config = self.config.clone();
        let provider = CachedCredentials::new(SharedCredentialsProvider::new(RoleCredentials {
            role: role.clone(),
            base: self,
            settings,
        }));
        let provider = SharedCredentialsProvider::new(provider);
        Self {
            config: config.into_builder().credentials_provider(provider).build(),
            profiles,
            role: Some(role.arn.as_str().into()),
        }
    }
}

/// Assumes the role whenever it is asked: a [`CachedCredentials`] asks it shortly before the session expires.
struct RoleCredentials {
    role: Role,
    base: CredentialSource,
    settings: RoleSettings,
}

impl RoleCredentials {
    async fn assume(&self) -> Result<Credentials, ConfigError> {
        // Before the permit: a sign-in may take minutes, and the base may need a permit for a role of its own.
        let signing = self.base.fetch(&self.settings.endpoint).await?;
        let _permit = self.settings.at_once.acquire().await;
        let mut provider = AssumeRoleProvider::builder(&self.role.arn)
            .session_name(&self.role.session_name)
            .configure(&self.config());
        if let Some(external_id) = &self.role.external_id {
            provider = provider.external_id(external_id);
        }
        let provider = match signing {
            Some(credentials) => provider.build_from_provider(credentials).await,
            None => provider.build().await,
        };
        let (assumed, seen) = watched(pin!(provider.provide_credentials())).await;
        assumed.map_err(|error| self.failure(&error, &seen))
    }

    /// The configuration of a client of AWS's STS in one Region, or of the custom endpoint.
    fn config(&self) -> SdkConfig {
        let settings = &self.settings;
        let region = settings.default_region.as_ref().map(Region::as_str);
        let region = region.unwrap_or_else(|| region_of_partition(&self.role.arn));
        let mut builder = self.base.config.clone().into_builder();
        builder.set_region(aws_config::Region::new(region.to_owned()));
        builder.set_http_client(Some(SharedHttpClient::new(Watched(settings.http.clone()))));
        if !settings.endpoint.is_aws() {
            builder.set_endpoint_url(settings.endpoint.url().map(str::to_owned));
        }
        builder.build()
    }

    fn failure(&self, error: &CredentialsError, seen: &Seen) -> ConfigError {
        let of_request = cause::<SdkError<AssumeRoleError, HttpResponse>>(error);
        let Some(of_request) = of_request else {
            return ConfigError::Unreachable(
                seen.reply(b"")
                    .unreadable("the answer of AssumeRole has no credentials"),
            );
        };
        match seen.failure(of_request, self.settings.timeout) {
            Ok(failure) => match failure.kind {
                FailureKind::Credentials => self.base.not_accepted(failure, seen),
                kind if kind.is_passing() => ConfigError::Unreachable(failure),
                _ => ConfigError::Role {
                    arn: self.role.arn.clone(),
                    failure,
                },
            },
            Err(not_sent) => self.base.not_sent(not_sent),
        }
    }
}

/// A Region of the role's partition, for a connection without a default Region. Each STS knows all roles of its partition.
fn region_of_partition(arn: &str) -> &'static str {
    match arn.split(':').nth(1) {
        Some("aws-cn") => "cn-north-1",
        Some("aws-us-gov") => "us-gov-west-1",
        _ => "us-east-1",
    }
}

impl ProvideCredentials for RoleCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        // `attempt::NotSent` finds this error among the causes of the SDK's.
        future::ProvideCredentials::new(async {
            self.assume()
                .await
                .map_err(CredentialsError::provider_error)
        })
    }
}

impl fmt::Debug for RoleCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoleCredentials")
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
