//! An answer of the emulator as bytes, and how it is delivered: whole, or changed by a fault.

use std::fmt::Write;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode};

use super::cors;
use super::error::ApiError;
use super::faults::FaultKind;
use super::shapes::ApiResponse;
use super::wire;

const JSON: &str = "application/json";
const XML: &str = "text/xml";
const HTML: &str = "text/html";

/// An answer, and how it is delivered.
pub(super) struct ServerReply {
    status: StatusCode,
    content_type: &'static str,
    error_code: Option<&'static str>,
    /// `x-amzn-RequestId` and `Date`; `None` for an answer that does not come from the service.
    stamp: Option<Stamp>,
    body: Vec<u8>,
    pub(super) delivery: Delivery,
    /// Whether the request comes from a page in a browser.
    pub(super) for_a_page: bool,
}

pub(super) struct Stamp {
    pub(super) request_id: String,
    pub(super) date: String,
}

/// How an answer reaches the client.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    Whole,
    /// Half of the body, then the connection ends.
    Truncated,
    /// No answer: the connection is reset.
    Reset,
    /// No answer: the client waits until it gives up or the emulator stops.
    Hang,
}

impl ServerReply {
    pub(super) fn new(stamp: Stamp, answer: Result<&ApiResponse, &ApiError>, is_sts: bool) -> Self {
        let id = &stamp.request_id;
        let (status, error_code, body) = match answer {
            Ok(response) => (200, None, wire::encode(response, id)),
            Err(error) => (
                error.http_status,
                // STS has the code in the body alone.
                Some(error.code).filter(|_| !is_sts),
                wire::encode_error(error, is_sts, id),
            ),
        };
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            content_type: if is_sts { XML } else { JSON },
            error_code,
            stamp: Some(stamp),
            body,
            delivery: Delivery::Whole,
            for_a_page: false,
        }
    }

    /// The answer of a fault that is not applied.
    pub(super) fn not_applied(kind: FaultKind, stamp: Stamp, is_sts: bool) -> Self {
        let error = match kind {
            FaultKind::Throttle => ApiError::throttled(),
            FaultKind::Error503 | FaultKind::Html503 => ApiError::unavailable(),
            _ => ApiError::internal(),
        };
        let mut reply = Self::new(stamp, Err(&error), is_sts);
        match kind {
            FaultKind::Html503 => {
                reply.content_type = HTML;
                reply.error_code = None;
                reply.stamp = None;
                reply.body = b"<html><head><title>503 Service Unavailable</title></head><body><h1>503 Service \
                    Unavailable</h1></body></html>\n"
                    .to_vec();
            }
            FaultKind::MalformedError => reply.body = b"upstream connect error".to_vec(),
            FaultKind::ResetBefore => reply.delivery = Delivery::Reset,
            FaultKind::HangBefore => reply.delivery = Delivery::Hang,
            _ => {}
        }
        reply
    }

    /// The answer changed by a fault that is applied.
    pub(super) fn applied(mut self, kind: FaultKind) -> Self {
        match kind {
            FaultKind::ResetAfter => self.delivery = Delivery::Reset,
            FaultKind::HangAfter => self.delivery = Delivery::Hang,
            FaultKind::Truncated => self.delivery = Delivery::Truncated,
            FaultKind::Malformed => self.replace_by_success(b"{\"ChannelARN\":\"arn:aws:kin"),
            FaultKind::Empty => self.replace_by_success(b"{}"),
            _ => {}
        }
        self
    }

    fn replace_by_success(&mut self, body: &[u8]) {
        self.status = StatusCode::OK;
        self.error_code = None;
        self.body = body.to_vec();
    }

    /// All headers except the length.
    fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let stamp = self.stamp.as_ref();
        [
            Some(("content-type", self.content_type)),
            self.error_code.map(|code| ("x-amzn-errortype", code)),
            stamp.map(|stamp| ("x-amzn-requestid", stamp.request_id.as_str())),
            stamp.map(|stamp| ("date", stamp.date.as_str())),
        ]
        .into_iter()
        .flatten()
        .chain(cors::OF_ANSWERS.into_iter().filter(|_| self.for_a_page))
    }

    pub(super) fn into_response(mut self) -> Response<Body> {
        let mut response = Response::new(Body::from(std::mem::take(&mut self.body)));
        *response.status_mut() = self.status;
        for (name, value) in self.headers() {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    /// The raw answer, cut in the middle of its body.
    pub(super) fn truncated(&self) -> Vec<u8> {
        let mut raw = format!("HTTP/1.1 {}\r\n", self.status);
        for (name, value) in self.headers() {
            // Writing to a string cannot fail.
            let _ = write!(raw, "{name}: {value}\r\n");
        }
        let _ = write!(raw, "content-length: {}\r\n\r\n", self.body.len());
        let mut raw = raw.into_bytes();
        raw.extend(self.body.iter().take(self.body.len() / 2));
        raw
    }
}
