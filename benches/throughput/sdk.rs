//! The SDK's client without the engine: in a bare loop, and with the SDK's own retry modes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_sdk_kinesisvideo::Client;
use aws_sdk_kinesisvideo::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_kinesisvideo::config::retry::{
    ClassifyRetry, RetryAction, RetryConfig, RetryPartition,
};
use aws_sdk_kinesisvideo::config::timeout::TimeoutConfig;
use aws_sdk_kinesisvideo::config::{
    AppName, BehaviorVersion, Builder, ConfigBag, Credentials, Intercept, Region,
    RuntimeComponents, StalledStreamProtectionConfig,
};
use aws_sdk_kinesisvideo::error::BoxError;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{
    HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::retry::ErrorKind;
use tokio::task::JoinSet;

use super::{IN_FLIGHT, Outcome, SDK_ATTEMPTS, name, region};

const CONNECT_TIMEOUT: Duration = Duration::from_millis(3_100);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_CONNECTION: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The SDK's default.
    Standard,
    /// The SDK's mode that slows down when it is throttled.
    Adaptive,
    /// The adaptive mode, configured with the throttling error of this service.
    AdaptiveTold,
}

/// Creates the channels of this many devices, each with one request, from as many tasks as may be in flight. An answer
/// without an ARN ends it.
pub(crate) async fn bare_loop(url: &str, devices: usize) -> Outcome<()> {
    let config = config(url)?.retry_config(RetryConfig::disabled());
    let failed = each(&Client::from_conf(config.build()), devices, name).await?;
    if failed == 0 {
        Ok(())
    } else {
        Err(format!("{failed} of {devices} requests failed").into())
    }
}

/// Creates channels with one of the SDK's retry modes. Devices may be lost.
pub(crate) async fn retries(url: String, devices: usize, mode: Mode) -> Outcome<()> {
    let config = retrying(&url, mode)?;
    each(&Client::from_conf(config.build()), devices, name).await?;
    Ok(())
}

/// Creates the channels of this many devices, whose names begin with `prefix`, in adaptive mode with the throttling
/// error. Prints one JSON object at the end or on SIGINT: devices created and lost, answers, throttled answers,
/// seconds, and when each device was created, in seconds since the Unix epoch.
pub(crate) async fn client(url: &str, prefix: &str, devices: usize) -> Outcome<()> {
    let answers = Arc::new(Answers::default());
    let config = retrying(url, Mode::AdaptiveTold)?.interceptor(CountAnswers(Arc::clone(&answers)));
    let client = Client::from_conf(config.build());
    let name = {
        let prefix = prefix.to_owned();
        move |number| format!("{prefix}{number:06}")
    };
    let began = Instant::now();
    let lost = tokio::select! {
        lost = each(&client, devices, name) => Some(lost?),
        stopped = tokio::signal::ctrl_c() => stopped.map(|()| None)?,
    };
    let seconds = began.elapsed().as_secs_f64();
    let created_at = answers
        .created_at
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    println!(
        "{}",
        serde_json::json!({
            "created": created_at.len(),
            "lost": lost,
            "answers": answers.all.load(Ordering::Relaxed),
            "throttled": answers.throttled.load(Ordering::Relaxed),
            "seconds": seconds,
            "created_at": *created_at,
        })
    );
    Ok(())
}

/// The configuration of one of the SDK's retry modes.
fn retrying(url: &str, mode: Mode) -> Outcome<Builder> {
    let retries = match mode {
        Mode::Standard => RetryConfig::standard(),
        Mode::Adaptive | Mode::AdaptiveTold => RetryConfig::adaptive(),
    };
    let mut config = config(url)?
        .retry_config(retries.with_max_attempts(SDK_ATTEMPTS))
        // Clients of one partition share what they have learned about the service.
        .retry_partition(RetryPartition::new(format!("{mode:?}")));
    if mode == Mode::AdaptiveTold {
        config = config.retry_classifier(IsThrottle);
    }
    Ok(config)
}

/// Prints how many devices got no ARN.
async fn each(
    client: &Client,
    devices: usize,
    name: impl Fn(usize) -> String + Clone + Send + 'static,
) -> Outcome<usize> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (client, next, name) = (client.clone(), Arc::clone(&next), name.clone());
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

/// The same configuration as the engine's client.
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

/// Adds the error that is not in the SDK's lists.
#[derive(Debug)]
struct IsThrottle;

impl ClassifyRetry for IsThrottle {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        if context.response().is_some_and(is_throttle) {
            RetryAction::retryable_error(ErrorKind::ThrottlingError)
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "IsThrottle"
    }
}

fn is_throttle(response: &HttpResponse) -> bool {
    let error = response.headers().get("x-amzn-errortype");
    error.is_some_and(|error| error.starts_with("ClientLimitExceededException"))
}

/// The number of answers to first attempts and retries.
#[derive(Debug, Default)]
struct Answers {
    all: AtomicUsize,
    throttled: AtomicUsize,
    /// Times of the successful ones, in seconds since the Unix epoch.
    created_at: Mutex<Vec<f64>>,
}

/// Counts answers. An interceptor, because the SDK calls a retry classifier twice for each answer.
#[derive(Debug)]
struct CountAnswers(Arc<Answers>);

impl Intercept for CountAnswers {
    fn name(&self) -> &'static str {
        "CountAnswers"
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.all.fetch_add(1, Ordering::Relaxed);
        let response = context.response();
        if is_throttle(response) {
            self.0.throttled.fetch_add(1, Ordering::Relaxed);
        }
        if response.status().is_success() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
            let mut created_at = self
                .0
                .created_at
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            created_at.push(now);
        }
        Ok(())
    }
}
