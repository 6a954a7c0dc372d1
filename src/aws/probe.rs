//! Where the SDK would send a request, found out through the SDK: its rules (service-specific variables, the profile's
//! `services` section, dual-stack, FIPS) are not repeated here.

use std::sync::{Arc, Mutex};

use aws_config::SdkConfig;
use aws_sdk_kinesisvideo::Client;
use aws_sdk_kinesisvideo::config::http::HttpRequest;
use aws_sdk_kinesisvideo::config::{Builder, Credentials, Region, SharedHttpClient};
use aws_sdk_kinesisvideo::error::ConnectorError;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};

use super::attempt::causes;
use super::chain;
use super::endpoint::Endpoint;
use super::error::ConfigError;
use super::profiles::Profiles;
use crate::domain::panics::lock;
use crate::domain::service::classify::message_text;

/// The endpoint that environment and profile configure, else AWS's. No request is sent.
pub(super) async fn configured(profiles: &Profiles) -> Result<Endpoint, ConfigError> {
    if let Some((url, variable)) = profiles.environment().endpoint() {
        return Endpoint::parse(url, variable);
    }
    profiles.check_endpoint()?;
    let config = chain::loader(profiles, profiles.environment())
        .http_client(HostRecorder::default().client())
        .region(Some(Region::from_static("us-east-1")))
        .no_credentials()
        .load()
        .await;
    // An endpoint that is the same for two Regions is a configured one.
    let east = target(Builder::from(&config), "us-east-1").await?;
    let west = target(Builder::from(&config), "us-west-2").await?;
    if east == west {
        Endpoint::parse(&east, "the AWS profile (endpoint_url)")
    } else {
        Ok(Endpoint::aws())
    }
}

/// Whether the SDK accepts the endpoint together with the other settings (FIPS and dual-stack exclude some).
pub(super) async fn check(config: &SdkConfig, endpoint: &Endpoint) -> Result<(), ConfigError> {
    let mut builder = Builder::from(config);
    builder.set_endpoint_url(endpoint.url().map(str::to_owned));
    target(builder, "us-east-1").await.map(|_| ())
}

/// The scheme and authority of a request in this Region.
pub(super) async fn target(builder: Builder, region: &str) -> Result<String, ConfigError> {
    let recorder = HostRecorder::default();
    let config = builder
        .region(Region::new(region.to_owned()))
        .credentials_provider(Credentials::new("probe", "probe", None, None, "Probe"))
        .http_client(recorder.client())
        .build();
    let asked = Client::from_conf(config)
        .list_signaling_channels()
        .send()
        .await;
    recorder.take().ok_or_else(|| {
        // Only the last cause: those before it repeat the request in Rust's debug format.
        let reason = asked.err().and_then(|error| causes(&error).pop());
        ConfigError::Configuration(format!(
            "the configured endpoint cannot be used: {}",
            message_text(&reason.unwrap_or_default())
        ))
    })
}

/// Records where a request would be sent, and refuses to send it.
#[derive(Debug, Clone, Default)]
struct HostRecorder(Arc<Mutex<Option<String>>>);

impl HostRecorder {
    fn client(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }

    fn take(&self) -> Option<String> {
        lock(&self.0).take()
    }
}

impl HttpConnector for HostRecorder {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let base = request
            .uri()
            .trim_end_matches("/listSignalingChannels")
            .to_owned();
        *lock(&self.0) = Some(base);
        HttpConnectorFuture::ready(Err(ConnectorError::user("this request is not sent".into())))
    }
}
