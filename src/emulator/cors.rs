//! What a browser needs before a page of another origin may use the emulator (CORS, and access to private networks).
//! Like the service, the emulator allows every origin.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};

/// The answer headers that a page may read in addition to the default ones: those that the AWS SDKs read.
const EXPOSED: &str =
    "x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,x-amz-request-id,x-amz-id-2,Date";
/// Request headers that the AWS SDKs for JavaScript send (version 2, version 3). They are allowed if the browser names
/// none.
const SENT: &str = "authorization,content-type,x-amz-content-sha256,x-amz-date,x-amz-security-token,x-amz-target,\
                    x-amz-user-agent,amz-sdk-invocation-id,amz-sdk-request";
/// How long a browser may cache the permission, in seconds: the service's value, although browsers cap it.
const MAX_AGE: &str = "172800";

const ASKS_PRIVATE: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOWS_PRIVATE: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// The headers of every answer to a page. Faults have them too, since a page cannot read the status of an answer
/// without them.
pub(super) const OF_ANSWERS: [(&str, &str); 2] = [
    ("access-control-allow-origin", "*"),
    ("access-control-expose-headers", EXPOSED),
];

/// Whether the request comes from a page: other programs send no `Origin`.
pub(super) fn is_from_a_page(request: &Parts) -> bool {
    request.headers.contains_key(header::ORIGIN)
}

/// The answer to a preflight request. It is not an operation of the service, so no quota, fault or count applies.
pub(super) fn preflight(request: &Parts) -> Option<Response<Body>> {
    let asked = &request.headers;
    let is_preflight = request.method == Method::OPTIONS
        && is_from_a_page(request)
        && asked.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if !is_preflight {
        return None;
    }
    let sent = asked
        .get(header::ACCESS_CONTROL_REQUEST_HEADERS)
        .cloned()
        .unwrap_or(HeaderValue::from_static(SENT));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    for (name, value) in OF_ANSWERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, sent);
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if asked.contains_key(ASKS_PRIVATE) {
        headers.insert(ALLOWS_PRIVATE, HeaderValue::from_static("true"));
    }
    Some(response)
}
