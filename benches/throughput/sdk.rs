//! The SDK's client without the engine: in a bare loop, and with the SDK's own retry modes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_kinesisvideo::Client;
use aws_sdk_kinesisvideo::config::retry::{
    ClassifyRetry, RetryAction, RetryConfig, RetryPartition,
};
use aws_sdk_kinesisvideo::config::timeout::TimeoutConfig;
use aws_sdk_kinesisvideo::config::{
    AppName, BehaviorVersion, Builder, Credentials, Region, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{
    HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_types::retry::ErrorKind;
use tokio::task::JoinSet;

use super::{IN_FLIGHT, Outcome, SDK_ATTEMPTS, name, region};

const CONNECT_TIMEOUT: Duration = Duration::from_millis(3_100);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_CONNECTION: Duration = Duration::from_secs(20);

/// What retries a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The SDK's default.
    Standard,
    /// The SDK's mode that slows down when it is throttled.
    Adaptive,
    /// The same, told which error is a throttle here.
    AdaptiveTold,
}

/// Creates the channels of so many devices, each with one request, from as many tasks as may be in flight. An answer
/// that is no ARN ends it.
pub(crate) async fn bare_loop(url: &str, devices: usize) -> Outcome<()> {
    let config = config(url)?.retry_config(RetryConfig::disabled());
    let failed = each(&Client::from_conf(config.build()), devices).await?;
    if failed == 0 {
        Ok(())
    } else {
        Err(format!("{failed} of {devices} requests failed").into())
    }
}

/// The same with one of the SDK's retry modes. Devices may be lost.
pub(crate) async fn retries(url: String, devices: usize, mode: Mode) -> Outcome<()> {
    let retries = match mode {
        Mode::Standard => RetryConfig::standard(),
        Mode::Adaptive | Mode::AdaptiveTold => RetryConfig::adaptive(),
    };
    let mut config = config(&url)?
        .retry_config(retries.with_max_attempts(SDK_ATTEMPTS))
        // Clients of one partition share what they have learnt of the service.
        .retry_partition(RetryPartition::new(format!("{mode:?}")));
    if mode == Mode::AdaptiveTold {
        config = config.retry_classifier(IsThrottle);
    }
    each(&Client::from_conf(config.build()), devices).await?;
    Ok(())
}

/// Says how many got no ARN.
async fn each(client: &Client, devices: usize) -> Outcome<usize> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (client, next) = (client.clone(), Arc::clone(&next));
        tasks.spawn(async move {
            let mut failed = 0;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= devices {
                    return failed;
                }
                let made = client
                    .create_signaling_channel()
                    .channel_name(name(number))
                    .channel_type(aws_sdk_kinesisvideo::types::ChannelType::SingleMaster)
                    .send()
                    .await;
                let has_arn = made.is_ok_and(|made| made.channel_arn().is_some());
                failed += usize::from(!has_arn);
            }
        });
    }
    let mut failed = 0;
    while let Some(ended) = tasks.join_next().await {
        failed += ended?;
    }
    Ok(failed)
}

/// What the engine's own client is configured with.
fn config(url: &str) -> Outcome<Builder> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build();
    Ok(aws_sdk_kinesisvideo::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .endpoint_url(url)
        .region(Region::new(region()?.as_str().to_owned()))
        .credentials_provider(Credentials::new("BENCH", "BENCH", None, None, "bench"))
        .app_name(AppName::new("kvs-fleet")?)
        .http_client(http_client()?)
        .timeout_config(timeouts)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled()))
}

fn http_client() -> Outcome<SharedHttpClient> {
    let tls = TlsContext::builder()
        .with_trust_store(TrustStore::empty())
        .build()?;
    let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_TIMEOUT);
    let connector = Connector::builder()
        .connector_settings(settings.build())
        .enable_tcp_nodelay(true)
        .pool_idle_timeout(IDLE_CONNECTION)
        .proxy_config(ProxyConfig::disabled())
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(tls)
        .build();
    let connector = SharedHttpConnector::new(connector);
    Ok(http_client_fn(move |_, _| connector.clone()))
}

/// Adds the error that no list of the SDK's holds.
#[derive(Debug)]
struct IsThrottle;

impl ClassifyRetry for IsThrottle {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let error = context
            .response()
            .and_then(|response| response.headers().get("x-amzn-errortype"));
        if error.is_some_and(|error| error.starts_with("ClientLimitExceededException")) {
            RetryAction::retryable_error(ErrorKind::ThrottlingError)
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "IsThrottle"
    }
}
