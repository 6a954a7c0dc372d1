//! One attempt: the headers of its answer, and the meaning of its failure.

use std::cell::RefCell;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use aws_sdk_kinesisvideo::config::RuntimeComponents;
use aws_sdk_kinesisvideo::config::http::{HttpRequest, HttpResponse};
use aws_sdk_kinesisvideo::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use aws_smithy_types::error::ErrorMetadata;

use super::error::ConfigError;
use crate::domain::service::classify::{self, Reply};
use crate::domain::service::{Failure, FailureKind};

/// A chain of more causes than this is treated as a cycle.
const MOST_CAUSES: usize = 32;

/// What was observed during an attempt, whether it succeeded or failed.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Where the request was sent. `None` if it was not sent.
    pub(super) host: Option<Box<str>>,
    /// The answer's status; 0 if there was no answer.
    pub(super) status: u16,
    /// The answer's `x-amzn-RequestId`.
    pub(super) request_id: Option<Box<str>>,
    /// The answer's `Date`.
    pub(super) date: Option<SystemTime>,
    /// The answer's `x-amzn-ErrorType`.
    pub(super) error_type: Option<Box<str>>,
}

tokio::task_local! {
    /// What is observed of the request that runs inside [`watched`].
    static SEEN: RefCell<Seen>;
}

/// Sends a request of a client whose HTTP client is [`Watched`], and returns what was observed of it.
///
/// The SDK's futures are many kilobytes large: pin the future where it is created, and pass the pin.
pub(super) async fn watched<T>(request: Pin<&mut impl Future<Output = T>>) -> (T, Seen) {
    let noting = async {
        let outcome = request.await;
        (outcome, SEEN.with(RefCell::take))
    };
    SEEN.scope(RefCell::default(), noting).await
}

/// Records something about the current request. Requests of the credential providers are not recorded.
fn note(change: impl FnOnce(&mut Seen)) {
    let _not_watched = SEEN.try_with(|seen| change(&mut seen.borrow_mut()));
}

/// An HTTP client that records the host of a request and the headers of its answer: the SDK drops the headers if it
/// cannot read the body, and always drops `Date`. Only clients of the service use it: requests of the credential
/// providers must not be mistaken for the request that waits for them.
///
/// An interceptor would see the same, but would cost a tenth of the whole request.
#[derive(Debug)]
pub(super) struct Watched(pub(super) SharedHttpClient);

impl HttpClient for Watched {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(WatchedConnector(
            self.0.http_connector(settings, components),
        ))
    }
}

#[derive(Debug)]
struct WatchedConnector(SharedHttpConnector);

impl HttpConnector for WatchedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        note(|seen| seen.host = Some(authority(request.uri()).into()));
        let answering = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let answer = answering.await;
            if let Ok(response) = &answer {
                note(|seen| seen.read(response));
            }
            answer
        })
    }
}

impl Seen {
    fn read(&mut self, response: &HttpResponse) {
        let header = |name: &str| response.headers().get(name);
        let request_id = header("x-amzn-requestid").or_else(|| header("x-amz-request-id"));
        self.status = response.status().as_u16();
        self.request_id = request_id.map(classify::message_text);
        self.date = header("date").and_then(parse_date);
        self.error_type = header("x-amzn-errortype").map(Into::into);
    }

    /// The answer in the form that the classification tables take.
    pub(super) fn reply<'a>(&'a self, body: &'a [u8]) -> Reply<'a> {
        Reply {
            status: self.status,
            error_type: self.error_type.as_deref(),
            has_request_id: self.request_id.is_some(),
            body,
            message: None,
        }
    }

    /// The meaning of an SDK error, or why the request was not sent, which nearly always means that credentials are
    /// missing.
    pub(super) fn failure<E>(
        &self,
        error: &SdkError<E, HttpResponse>,
        limit: Duration,
    ) -> Result<Failure, NotSent>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let body = error
            .raw_response()
            .and_then(|response| response.body().bytes())
            .unwrap_or_default();
        Ok(match error {
            SdkError::ServiceError(service) => {
                let meta = service.err().meta();
                let mut reply = self.reply(body);
                reply.error_type = reply.error_type.or(meta.code());
                reply.message = meta.message();
                reply.failure()
            }
            SdkError::ResponseError(_) if (200..300).contains(&self.status) => self
                .reply(body)
                .unreadable("the answer broke off before its end"),
            SdkError::ResponseError(_) => self.reply(body).failure(),
            SdkError::ConstructionFailure(_) => invalid(error),
            SdkError::TimeoutError(_) if self.host.is_none() => late_credentials(limit),
            _ if self.host.is_none() => return Err(NotSent::of(error)),
            SdkError::TimeoutError(_) => classify::timed_out(limit),
            SdkError::DispatchFailure(dispatch) if dispatch.is_user() => invalid(error),
            _ => classify::connection(&causes(error), self.host.as_deref()),
        })
    }
}

/// Why a request was not sent.
#[derive(Debug)]
pub(super) enum NotSent {
    /// This tool's own source of credentials reports why.
    Known(ConfigError),
    /// The texts of the SDK's error and its causes, outermost first.
    Causes(Vec<String>),
}

impl NotSent {
    pub(super) fn of(error: &(dyn Error + 'static)) -> Self {
        match cause::<ConfigError>(error) {
            Some(known) => Self::Known(known.clone()),
            None => Self::Causes(causes(error)),
        }
    }
}

/// The first error of this type: the error itself or one of its causes.
pub(super) fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    for _ in 0..MOST_CAUSES {
        let error = next?;
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The failure of a request that could not be built.
pub(super) fn invalid(error: &(dyn Error + 'static)) -> Failure {
    let message = classify::message_text(&causes(error).join(": "));
    Failure::new(FailureKind::Rejected, classify::INVALID_REQUEST, message)
}

fn late_credentials(limit: Duration) -> Failure {
    let limit = limit.as_secs_f64();
    let message = format!("the AWS credentials did not arrive within {limit} s");
    Failure::new(FailureKind::Unreachable, classify::TIMEOUT, message)
}

/// The texts of an error and all its causes, outermost first.
///
/// `io::Error` does not return the error that it wraps from `source()`, and TLS errors are inside two of them.
pub(super) fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut texts = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        if texts.len() == MOST_CAUSES {
            break;
        }
        texts.push(match error.downcast_ref::<ErrorMetadata>() {
            // The error's own text is Rust's debug format.
            Some(meta) => {
                let known = [meta.code(), meta.message()].into_iter().flatten();
                known.collect::<Vec<_>>().join(": ")
            }
            None => error.to_string(),
        });
        next = match error.downcast_ref::<std::io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    texts
}

fn parse_date(text: &str) -> Option<SystemTime> {
    let date = DateTime::from_str(text, Format::HttpDate).ok()?;
    SystemTime::try_from(date).ok()
}

fn authority(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}
