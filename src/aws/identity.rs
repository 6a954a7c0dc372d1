//! The caller's identity, and why it may be unavailable.

use std::pin::pin;
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::future::ProvideCredentials as ProvideCredentialsFuture;
use aws_credential_types::provider::{self, ProvideCredentials as _};
use aws_sdk_kinesisvideo::config::Credentials;
use aws_sdk_sts::config::Builder;
use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityOutput;
use tracing::info;

use super::attempt::{NotSent, Seen, Watched, watched};
use super::endpoint::Endpoint;
use super::error::ConfigError;
use super::reason::Reason;
use super::sign_in::SignIn;
use super::{Connection, CredentialSource};
use crate::domain::device::{AccountId, Region, shown};
use crate::domain::service::classify;
use crate::domain::service::{Failure, FailureKind, Identity};

/// The timeout for a server that is not AWS and may not support this request.
const OTHERS_TIMEOUT: Duration = Duration::from_secs(3);

/// The operator waits this long for credentials before a message is printed.
const PATIENCE: Duration = Duration::from_secs(3);

impl Connection {
    /// The account and ARN of the credentials: `GetCallerIdentity`, which needs no permission.
    ///
    /// With AWS, STS in this Region is asked and must answer. A custom endpoint is asked itself and need not answer:
    /// `None` if it returns no valid answer.
    pub async fn identity(&self, region: &Region) -> Result<Option<Identity>, ConfigError> {
        self.identity_of(&self.source(), region).await
    }

    /// The identity where it must be known: also a custom endpoint must answer, and says why it does not.
    pub async fn required_identity(&self, region: &Region) -> Result<Identity, ConfigError> {
        let source = self.source();
        source.fetch(self.endpoint()).await?;
        self.asked_identity(&source, region).await
    }

    /// The identity for these credentials.
    pub(super) async fn identity_of(
        &self,
        source: &CredentialSource,
        region: &Region,
    ) -> Result<Option<Identity>, ConfigError> {
        source.fetch(self.endpoint()).await?;
        if self.endpoint().is_aws() {
            self.asked_identity(source, region).await.map(Some)
        } else {
            Ok(self.identity_at_endpoint(source, region).await)
        }
    }

    async fn asked_identity(
        &self,
        source: &CredentialSource,
        region: &Region,
    ) -> Result<Identity, ConfigError> {
        let mut config = source.sts(region).http_client(Watched(self.0.http.clone()));
        if !self.endpoint().is_aws() {
            config.set_endpoint_url(self.endpoint().url().map(str::to_owned));
        }
        let client = aws_sdk_sts::Client::from_conf(config.build());
        let (sent, seen) = watched(pin!(client.get_caller_identity().send())).await;
        match sent {
            Ok(output) => read(&output)
                .map_err(|reason| ConfigError::Unreachable(seen.reply(b"").unreadable(&reason))),
            Err(error) => Err(match seen.failure(&error, self.timeout()) {
                Ok(failure) => source.not_accepted(failure, &seen),
                Err(not_sent) => source.not_sent(not_sent),
            }),
        }
    }

    async fn identity_at_endpoint(
        &self,
        source: &CredentialSource,
        region: &Region,
    ) -> Option<Identity> {
        let mut builder = source.sts(region);
        builder.set_endpoint_url(self.endpoint().url().map(str::to_owned));
        let client = aws_sdk_sts::Client::from_conf(builder.build());
        let asked = client.get_caller_identity().send();
        let output = tokio::time::timeout(OTHERS_TIMEOUT, asked)
            .await
            .ok()?
            .ok()?;
        read(&output).ok()
    }
}

impl CredentialSource {
    /// Fetches the credentials before a request whose timeout is shorter than a sign-in takes. `None` if the request does
    /// without: there is no source, or the endpoint is on this computer, where only a role is fetched.
    pub(super) async fn fetch(
        &self,
        endpoint: &Endpoint,
    ) -> Result<Option<Credentials>, ConfigError> {
        let Some(provider) = self.config.credentials_provider() else {
            return Ok(None);
        };
        let fetching = provider.provide_credentials();
        let fetched = if self.role.is_some() {
            // The source of a role reports itself what it waits for.
            fetching.await
        } else if endpoint.is_loopback() {
            return Ok(None);
        } else {
            let sign_in = SignIn::of(&self.profiles);
            sign_in.check()?;
            patiently(fetching, &sign_in).await
        };
        match fetched {
            Ok(credentials) => Ok(Some(credentials)),
            Err(error) => Err(self.not_sent(NotSent::of(&error))),
        }
    }

    fn sts(&self, region: &Region) -> Builder {
        Builder::from(&self.config).region(aws_config::Region::new(region.as_str().to_owned()))
    }

    /// Evaluates an answer of STS, of another server, or a missing answer.
    pub(super) fn not_accepted(&self, failure: Failure, seen: &Seen) -> ConfigError {
        match failure.kind {
            FailureKind::Credentials | FailureKind::Denied | FailureKind::Rejected => {
                if let Some(role) = &self.role {
                    return ConfigError::Session {
                        arn: role.to_string(),
                        failure,
                    };
                }
                let login = SignIn::of(&self.profiles).command();
                ConfigError::refused(&failure, seen.date, SystemTime::now(), login.as_deref())
            }
            _ => ConfigError::Unreachable(failure),
        }
    }

    /// Why a request was not sent: there are no credentials to sign it, or their source did not answer.
    pub(super) fn not_sent(&self, why: NotSent) -> ConfigError {
        let causes = match why {
            NotSent::Known(error) => return error,
            NotSent::Causes(causes) => causes,
        };
        let reason = Reason::of(&causes);
        let profiles = &self.profiles;
        if reason.is_nothing_found() {
            return ConfigError::Credentials(format!(
                "no AWS credentials were found. Looked in the environment (AWS_ACCESS_KEY_ID), in the profile {} of \
                 ~/.aws/config and ~/.aws/credentials, and at a web identity, container and EC2 instance role. Run `aws \
                 configure`, or `aws sso login --profile NAME`, or choose a profile with --profile or AWS_PROFILE (known are: {})",
                shown(profiles.selected()),
                profiles.names()
            ));
        }
        if classify::connection_code(reason.causes()).is_some() {
            return ConfigError::Unreachable(classify::connection(
                reason.causes(),
                Some("where the AWS credentials come from"),
            ));
        }
        let text = reason.in_words();
        let sign_in = SignIn::of(profiles);
        if let Some(failure) = sign_in.failure(&text) {
            return failure;
        }
        let login = sign_in.command().filter(|_| !reason.is_configuration());
        ConfigError::Credentials(match login {
            Some(command) => format!(
                "the AWS sign-in (SSO) of this profile has expired or is missing. Run: {command}\nThen run this command \
                 again. ({text})"
            ),
            None => format!(
                "the AWS credentials {} could not be loaded: {text}. The AWS CLI shows whether they work elsewhere: aws sts \
                 get-caller-identity",
                profiles.credentials_owner()
            ),
        })
    }
}

/// Prints a message if the credentials take long.
async fn patiently(
    fetching: ProvideCredentialsFuture<'_>,
    sign_in: &SignIn<'_>,
) -> provider::Result {
    tokio::pin!(fetching);
    tokio::select! {
        fetched = &mut fetching => fetched,
        () = tokio::time::sleep(PATIENCE) => {
            info!("waiting for the AWS credentials{}", sign_in.whose());
            fetching.await
        }
    }
}

fn read(output: &GetCallerIdentityOutput) -> Result<Identity, String> {
    let account = output.account().unwrap_or_default();
    Ok(Identity {
        account: AccountId::parse(account).map_err(|error| error.to_string())?,
        caller: output.arn().unwrap_or_default().into(),
    })
}
