//! One attempt: what its answer's headers said, and what its failure means.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_sdk_kinesisvideo::config::http::HttpResponse;
use aws_sdk_kinesisvideo::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_kinesisvideo::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_kinesisvideo::error::{BoxError, ProvideErrorMetadata, SdkError};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use crate::service::classify::{self, Reply};
use crate::service::{Failure, FailureKind};

/// More causes than this behind one error are a circle.
const MOST_CAUSES: usize = 32;

/// What an attempt showed of itself, whatever became of it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Where the request went; none where it never got so far.
    pub(super) host: Option<Box<str>>,
    /// The answer's status; 0 without one.
    pub(super) status: u16,
    /// The answer's `x-amzn-RequestId`.
    pub(super) request_id: Option<Box<str>>,
    /// The answer's `Date`.
    pub(super) date: Option<SystemTime>,
    /// The answer's `x-amzn-ErrorType`.
    pub(super) error_type: Option<Box<str>>,
}

/// Fills a [`Seen`] while the SDK works: it forgets the headers where it cannot read the body, and the `Date` always.
#[derive(Debug, Clone, Default)]
pub(super) struct Capture(Arc<Mutex<Seen>>);

impl Capture {
    /// What was seen so far.
    pub(super) fn take(&self) -> Seen {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn with(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Intercept for Capture {
    fn name(&self) -> &'static str {
        "Capture"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let host = authority(context.request().uri());
        self.with(|seen| seen.host = Some(host.into()));
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        let header = |name: &str| response.headers().get(name);
        let request_id = header("x-amzn-requestid").or_else(|| header("x-amz-request-id"));
        let date = header("date").and_then(parse_date);
        self.with(|seen| {
            seen.status = response.status().as_u16();
            seen.request_id = request_id.map(classify::message_text);
            seen.date = date;
            seen.error_type = header("x-amzn-errortype").map(Into::into);
        });
        Ok(())
    }
}

impl Seen {
    /// The answer as the tables take it.
    pub(super) fn reply<'a>(&'a self, body: &'a [u8]) -> Reply<'a> {
        Reply {
            status: self.status,
            error_type: self.error_type.as_deref(),
            has_request_id: self.request_id.is_some(),
            body,
            message: None,
        }
    }

    /// What an error of the SDK means; the causes where the request never left, which is nearly always for want of
    /// credentials.
    pub(super) fn failure<E>(
        &self,
        error: &SdkError<E, HttpResponse>,
        limit: Duration,
    ) -> Result<Failure, Vec<String>>
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
            _ if self.host.is_none() => return Err(causes(error)),
            SdkError::TimeoutError(_) => classify::timed_out(limit),
            SdkError::DispatchFailure(dispatch) if dispatch.is_user() => invalid(error),
            _ => classify::connection(&causes(error), self.host.as_deref()),
        })
    }
}

fn invalid(error: &(dyn Error + 'static)) -> Failure {
    Failure {
        kind: FailureKind::Rejected,
        code: classify::INVALID_REQUEST.into(),
        message: classify::message_text(&causes(error).join(": ")),
        foreign: false,
    }
}

fn late_credentials(limit: Duration) -> Failure {
    let limit = limit.as_secs_f64();
    Failure {
        kind: FailureKind::Unreachable,
        code: classify::TIMEOUT.into(),
        message: format!("the AWS credentials did not arrive within {limit} s").into(),
        foreign: false,
    }
}

/// The texts of an error and all its causes, outermost first.
///
/// `io::Error` hides what it carries from `source()`, and TLS errors sit inside two of them.
pub(super) fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut texts = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        if texts.len() == MOST_CAUSES {
            break;
        }
        texts.push(error.to_string());
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
