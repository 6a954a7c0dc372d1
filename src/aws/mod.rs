//! The AWS SDK as an implementation of [`Service`](crate::engine::Service). Only this folder names the SDK.
//!
//! | module | owns |
//! | --- | --- |
//! | this one | [`Connection`]: settings, one client for each Region, identity, reload |
//! | `environment`, `config_file`, `value` | the AWS variables and files, cleaned before the SDK sees them |
//! | `endpoint` | where requests are sent |
//! | `probe` | the endpoint that environment and profile configure |
//! | `profiles`, `chain` | the selected profile, and the standard chain of Region and credentials |
//! | `sign_in`, `cached_credentials` | how a profile gets its credentials, and their cache |
//! | `role` | credentials of an assumed role |
//! | `reason` | why the SDK has no credentials, in plain words |
//! | `http` | connection pools, proxy, certificate authorities |
//! | `attempt` | one attempt: what is observed, and what a failure means |
//! | `operations`, `convert` | the trait's operations, and the conversion of shapes |
//! | `error` | why there is no usable connection |
//!
//! The SDK's retries are off: only the engine decides whether and when to retry.

mod attempt;
mod cached_credentials;
mod chain;
mod config_file;
mod convert;
mod endpoint;
mod environment;
mod error;
mod http;
mod identity;
mod operations;
mod presence;
mod probe;
mod profiles;
mod reason;
mod role;
mod sign_in;
mod value;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_kinesisvideo::Client;
use aws_sdk_kinesisvideo::config::SharedHttpClient;
use tokio::sync::Semaphore;

pub use endpoint::Endpoint;
pub use error::{ConfigError, ConfigErrorKind};
pub use http::Network;
pub use operations::AwsService;
pub use role::Role;

use crate::domain::device::Region;
use crate::domain::service::{Failure, Identity};
use attempt::Watched;
use profiles::Profiles;
use role::RoleSettings;

/// How to reach the service: the flags, and the environment's network settings.
#[derive(Debug, Clone)]
pub struct ConnectionSettings {
    /// `--region`; wins over environment and profile.
    pub region: Option<Region>,
    /// `--profile`; wins over `AWS_PROFILE` and `AWS_DEFAULT_PROFILE`, and over keys in the environment.
    pub profile: Option<String>,
    /// `--endpoint-url`; wins over `AWS_ENDPOINT_URL_KINESIS_VIDEO`, `AWS_ENDPOINT_URL` and the profile.
    pub endpoint_url: Option<String>,
    /// The timeout of one attempt.
    pub timeout: Duration,
    /// Proxy and certificates.
    pub network: Network,
}

impl Default for ConnectionSettings {
    /// No flags, 10 s an attempt, no proxy.
    fn default() -> Self {
        Self {
            region: None,
            profile: None,
            endpoint_url: None,
            timeout: Duration::from_secs(10),
            network: Network::default(),
        }
    }
}

/// The connection to the service: endpoint, credentials and connection pools for all Regions. Cheap to clone; clones
/// share everything.
#[derive(Clone)]
pub struct Connection(Arc<ConnectionShared>);

struct ConnectionShared {
    settings: ConnectionSettings,
    endpoint: Endpoint,
    default_region: Option<Region>,
    http: SharedHttpClient,
    /// The roles that are assumed one from another, beginning with the profile's credentials.
    roles: Vec<Role>,
    /// One permit for each request for a role. Connections made from this one share it.
    roles_at_once: Arc<Semaphore>,
    current: RwLock<Current>,
    /// The last reload. The lock is held during a reload, so that there is one at a time.
    reloaded: tokio::sync::Mutex<Option<Reload>>,
}

/// The part that a reload replaces.
struct Current {
    generation: u64,
    source: CredentialSource,
    clients: HashMap<Region, Client>,
}

/// Where credentials come from.
#[derive(Clone)]
struct CredentialSource {
    config: SdkConfig,
    profiles: Arc<Profiles>,
    /// The ARN of the role whose session the credentials are, where they are one's: of [`ConnectionShared::roles`].
    role: Option<Arc<str>>,
}

impl Current {
    fn new(source: CredentialSource) -> Self {
        Self {
            generation: 0,
            source,
            clients: HashMap::new(),
        }
    }
}

struct Reload {
    generation: u64,
    identity: Option<Identity>,
}

impl Connection {
    /// Finds the endpoint, the Region and the source of credentials. Credentials are not fetched, and no request is
    /// sent to AWS. Only the instance metadata service may be asked for the Region, if nothing else configures one and
    /// the endpoint is not on this computer.
    pub async fn load(settings: ConnectionSettings) -> Result<Self, ConfigError> {
        let profiles = Profiles::load(settings.profile.as_deref()).await;
        let endpoint = if let Some(url) = &settings.endpoint_url {
            Endpoint::parse(url, "--endpoint-url")?
        } else {
            profiles.check(false)?;
            profiles.check_ignores_endpoints()?;
            probe::configured(&profiles).await?
        };
        profiles.check(!endpoint.is_loopback())?;
        let network = settings.network.or_ca_bundle(profiles.ca_bundle());
        let http = http::client(&network, endpoint.is_https())?;
        let default_region = chain::region(&settings, &endpoint, &profiles, &http).await?;
        let region = default_region.as_ref();
        let config = chain::load(&settings, &endpoint, &profiles, region, &http).await;
        probe::check(&config, &endpoint).await?;
        let source = CredentialSource {
            config,
            profiles: Arc::new(profiles),
            role: None,
        };
        Ok(Self(Arc::new(ConnectionShared {
            settings,
            endpoint,
            default_region,
            http,
            roles: Vec::new(),
            roles_at_once: Arc::new(Semaphore::new(role::MOST_AT_ONCE)),
            current: RwLock::new(Current::new(source)),
            reloaded: tokio::sync::Mutex::new(None),
        })))
    }

    /// A connection with the credentials of a role, which this connection's credentials assume as soon as a request needs
    /// them. All else is the same.
    #[must_use]
    pub fn with_role(&self, role: Role) -> Self {
        let source = self.source().assuming(&role, self.role_settings());
        let mut roles = self.0.roles.clone();
        roles.push(role);
        self.with_source(source, self.0.settings.clone(), roles)
    }

    /// A connection with the credentials of another profile. All else is the same.
    pub async fn with_profile(&self, profile: &str) -> Result<Self, ConfigError> {
        let mut settings = self.0.settings.clone();
        settings.profile = Some(profile.to_owned());
        let source = self.configured(&settings).await?;
        Ok(self.with_source(source, settings, Vec::new()))
    }

    fn with_source(
        &self,
        source: CredentialSource,
        settings: ConnectionSettings,
        roles: Vec<Role>,
    ) -> Self {
        let shared = &*self.0;
        Self(Arc::new(ConnectionShared {
            settings,
            endpoint: shared.endpoint.clone(),
            default_region: shared.default_region.clone(),
            http: shared.http.clone(),
            roles,
            roles_at_once: Arc::clone(&shared.roles_at_once),
            current: RwLock::new(Current::new(source)),
            reloaded: tokio::sync::Mutex::new(None),
        }))
    }

    fn role_settings(&self) -> RoleSettings {
        let shared = &*self.0;
        RoleSettings {
            endpoint: shared.endpoint.clone(),
            default_region: shared.default_region.clone(),
            http: shared.http.clone(),
            timeout: shared.settings.timeout,
            at_once: Arc::clone(&shared.roles_at_once),
        }
    }

    /// The default Region: of the flag, the environment, the profile or the EC2 instance; `us-east-1` for a loopback
    /// endpoint without any of them.
    pub fn default_region(&self) -> Option<&Region> {
        self.0.default_region.as_ref()
    }

    /// The profile, or the setting that overrides it, that the credentials come from; `None` if the operator selected
    /// nothing.
    pub(crate) fn credentials_source(&self) -> Option<String> {
        let source = self.source();
        let matters = !self.0.endpoint.is_loopback() || source.profiles.is_selected();
        source.profiles.in_use().filter(|_| matters)
    }

    /// Warnings about the AWS configuration.
    pub fn warnings(&self) -> Vec<String> {
        if self.0.endpoint.is_loopback() {
            return Vec::new();
        }
        self.source().profiles.warnings()
    }

    /// Where requests are sent.
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// The service in a Region.
    pub fn region(&self, region: &Region) -> AwsService {
        AwsService::new(self.clone(), region.clone())
    }

    /// The generation of the credentials in use: 0 at first, increased by every reload.
    pub fn generation(&self) -> u64 {
        self.read(|current| current.generation)
    }

    /// Fetches the credentials again, requests their identity from STS in this Region, and only then replaces the old
    /// ones. If one of these steps fails, the old credentials stay in use.
    ///
    /// `seen` is the generation that failed. If it has been replaced already, or another reload is running, that
    /// reload's result is returned.
    pub async fn reload(&self, seen: u64, region: &Region) -> Result<Option<Identity>, Failure> {
        let mut reloaded = self.0.reloaded.lock().await;
        if let Some(last) = reloaded.as_ref().filter(|last| last.generation > seen) {
            return Ok(last.identity.clone());
        }
        let fetched = self.fetch(region).await;
        let (source, identity) = fetched.map_err(ConfigError::into_failure)?;
        *reloaded = Some(Reload {
            generation: self.replace(source),
            identity: identity.clone(),
        });
        Ok(identity)
    }

    /// Fetches the credentials that are configured now, and their identity.
    async fn fetch(
        &self,
        region: &Region,
    ) -> Result<(CredentialSource, Option<Identity>), ConfigError> {
        let configured = self.configured(&self.0.settings).await?;
        let source = self.0.roles.iter().fold(configured, |source, role| {
            source.assuming(role, self.role_settings())
        });
        let identity = self.identity_of(&source, region).await?;
        Ok((source, identity))
    }

    /// Reads the environment and the profile files again.
    async fn configured(
        &self,
        settings: &ConnectionSettings,
    ) -> Result<CredentialSource, ConfigError> {
        let shared = &*self.0;
        let profiles = Profiles::load(settings.profile.as_deref()).await;
        profiles.check(!shared.endpoint.is_loopback())?;
        let config = chain::load(
            settings,
            &shared.endpoint,
            &profiles,
            shared.default_region.as_ref(),
            &shared.http,
        )
        .await;
        Ok(CredentialSource {
            config,
            profiles: Arc::new(profiles),
            role: None,
        })
    }

    fn replace(&self, source: CredentialSource) -> u64 {
        let mut current = self.write();
        current.generation += 1;
        current.source = source;
        current.clients.clear();
        current.generation
    }

    fn source(&self) -> CredentialSource {
        self.read(|current| current.source.clone())
    }

    fn client(&self, region: &Region) -> Client {
        if let Some(client) = self.read(|current| current.clients.get(region).cloned()) {
            return client;
        }
        let mut current = self.write();
        let mut builder = aws_sdk_kinesisvideo::config::Builder::from(&current.source.config)
            .region(aws_config::Region::new(region.as_str().to_owned()))
            .http_client(Watched(self.0.http.clone()));
        builder.set_endpoint_url(self.0.endpoint.url().map(str::to_owned));
        current
            .clients
            .entry(region.clone())
            .or_insert_with(|| Client::from_conf(builder.build()))
            .clone()
    }

    /// A client of a channel's own endpoint.
    fn signaling_client(
        &self,
        region: &Region,
        https: &str,
    ) -> aws_sdk_kinesisvideosignaling::Client {
        let config = aws_sdk_kinesisvideosignaling::config::Builder::from(&self.source().config)
            .region(aws_config::Region::new(region.as_str().to_owned()))
            .http_client(Watched(self.0.http.clone()))
            .endpoint_url(https);
        aws_sdk_kinesisvideosignaling::Client::from_conf(config.build())
    }

    fn timeout(&self) -> Duration {
        self.0.settings.timeout
    }

    fn read<T>(&self, look: impl FnOnce(&Current) -> T) -> T {
        let current = self.0.current.read();
        look(&current.unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self) -> RwLockWriteGuard<'_, Current> {
        let current = self.0.current.write();
        current.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Prints neither credentials nor the proxy's password.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("endpoint", &self.0.endpoint)
            .field("default_region", &self.0.default_region)
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}
