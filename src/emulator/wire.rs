//! The formats on the wire: restJson1 bodies for KVS, the credential scope; [`super::sts`] has those of STS. It converts
//! bytes to values and back, without state.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::caller::ApiCaller;
use super::error::ApiError;
use super::operation::ApiOperation;
use super::shapes::{ApiRequest, ApiResponse, ChannelInfo};
use super::sts;
use crate::domain::device::Region;

/// Parses the Authorization header: `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …`. The
/// signature is not verified.
pub(super) fn caller(authorization: Option<&str>) -> Result<ApiCaller, ApiError> {
    let authorization = authorization.ok_or_else(ApiError::missing_token)?;
    let scope = authorization
        .strip_prefix("AWS4-HMAC-SHA256")
        .and_then(|rest| rest.split_once("Credential="))
        .map(|(_, rest)| rest.split([',', ' ']).next().unwrap_or_default())
        .ok_or_else(|| {
            ApiError::bad_signature(
                "Authorization header requires the form 'AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…'.",
            )
        })?;
    // Split from the right: an access key of another system may contain a slash.
    let mut parts = scope.rsplitn(5, '/');
    let (Some("aws4_request"), Some(_service), Some(region), Some(_date), Some(access_key)) = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    ) else {
        return Err(ApiError::bad_signature(
            "Credential should have the form KEY/DATE/REGION/SERVICE/aws4_request.",
        ));
    };
    let region = Region::parse(region)
        .map_err(|_| ApiError::bad_signature("Credential should be scoped to a valid Region."))?;
    Ok(ApiCaller::new(region, access_key))
}

/// Parses a request's body.
pub(super) fn decode(operation: ApiOperation, body: &[u8]) -> Result<ApiRequest, ApiError> {
    match operation {
        ApiOperation::Create => parsed(body).map(ApiRequest::Create),
        ApiOperation::Describe => parsed(body).map(ApiRequest::Describe),
        ApiOperation::List => parsed(body).map(ApiRequest::List),
        ApiOperation::Delete => parsed(body).map(ApiRequest::Delete),
        ApiOperation::Update => parsed(body).map(ApiRequest::Update),
        ApiOperation::Tag => parsed(body).map(ApiRequest::Tag),
        ApiOperation::Untag => parsed(body).map(ApiRequest::Untag),
        ApiOperation::ListTags => parsed(body).map(ApiRequest::ListTags),
        ApiOperation::Endpoint => parsed(body).map(ApiRequest::Endpoint),
        ApiOperation::Ice => parsed(body).map(ApiRequest::Ice),
        ApiOperation::CallerIdentity | ApiOperation::AssumeRole => sts::decode(operation, body),
    }
}

fn parsed<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, ApiError> {
    if body.is_empty() {
        return Ok(T::default());
    }
    // serde would accept an array as the members in their order; the service accepts objects only.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(ApiError::not_json(
            "The request's body is not a JSON object.",
        ));
    }
    serde_json::from_slice(body).map_err(|error| ApiError::not_json(&error.to_string()))
}

/// Serializes an answer's body.
pub(super) fn encode(response: &ApiResponse, request_id: &str) -> Vec<u8> {
    let body = match response {
        ApiResponse::Create(arn) => json!({ "ChannelARN": &**arn }),
        ApiResponse::Describe(info) => json!({ "ChannelInfo": channel(info) }),
        ApiResponse::List(page) => {
            let channels: Vec<Value> = page.channels.iter().map(channel).collect();
            present(json!({ "ChannelInfoList": channels, "NextToken": page.next_token }))
        }
        ApiResponse::Done => json!({}),
        ApiResponse::ListTags(tags) => json!({ "Tags": tags }),
        ApiResponse::Endpoint(endpoints) => {
            let endpoints = endpoints.iter().map(|(protocol, endpoint)| {
                json!({ "Protocol": protocol, "ResourceEndpoint": endpoint })
            });
            json!({ "ResourceEndpointList": endpoints.collect::<Vec<_>>() })
        }
        ApiResponse::Ice(servers) => {
            let servers = servers.iter().map(|server| {
                let (username, password) = server.credentials.clone().unzip();
                present(json!({
                    "Uris": server.uris, "Username": username, "Password": password, "Ttl": server.ttl,
                }))
            });
            json!({ "IceServerList": servers.collect::<Vec<_>>() })
        }
        ApiResponse::CallerIdentity(caller) => return sts::caller_identity(caller, request_id),
        ApiResponse::AssumeRole(assumed) => return sts::assumed_role(assumed, request_id),
    };
    body.to_string().into_bytes()
}

fn channel(info: &ChannelInfo) -> Value {
    json!({
        "ChannelName": &*info.name,
        "ChannelARN": &*info.arn,
        "ChannelType": "SINGLE_MASTER",
        "ChannelStatus": info.status.as_str(),
        // Seconds since the epoch, with milliseconds as the fraction.
        "CreationTime": Duration::from_millis(info.creation_millis).as_secs_f64(),
        "SingleMasterConfiguration": { "MessageTtlSeconds": info.message_ttl },
        "Version": info.version,
    })
}

/// The object without members that have no value.
fn present(mut object: Value) -> Value {
    if let Value::Object(members) = &mut object {
        members.retain(|_, value| !value.is_null());
    }
    object
}

/// Serializes an error's body: XML for STS, JSON for the others.
pub(super) fn encode_error(error: &ApiError, is_sts: bool, request_id: &str) -> Vec<u8> {
    if is_sts {
        return sts::encode_error(error, request_id);
    }
    json!({ "Message": error.message }).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_and_access_key_come_from_the_credential_scope() {
        let caller = caller(Some(
            "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-central-1/kinesisvideo/aws4_request, SignedHeaders=host, \
             Signature=00",
        ))
        .unwrap();
        assert_eq!(caller.region.as_str(), "eu-central-1");
        assert_eq!(&*caller.access_key, "AKID");
    }

    #[test]
    fn other_authorizations_are_refused() {
        for (header, code) in [
            (None, "MissingAuthenticationTokenException"),
            (Some("Basic dTpw"), "InvalidSignatureException"),
            (
                Some("AWS4-HMAC-SHA256 Signature=0"),
                "InvalidSignatureException",
            ),
            (
                Some("AWS4-HMAC-SHA256 Credential=AKID/eu-central-1/aws4_request"),
                "InvalidSignatureException",
            ),
            (
                Some("AWS4-HMAC-SHA256 Credential=A/20260101/Mars/kinesisvideo/aws4_request,"),
                "InvalidSignatureException",
            ),
        ] {
            let error = caller(header).unwrap_err();
            assert_eq!((error.http_status, error.code), (403, code), "{header:?}");
        }
    }

    #[test]
    fn only_objects_with_the_right_types_are_accepted() {
        for body in [
            &b"<html>"[..],
            b"[\"DEVICE_1\"]",
            b"{\"ChannelName\":7}",
            b"{\"ChannelName\":\"a\"",
            b"\xff",
        ] {
            let error = decode(ApiOperation::Create, body).unwrap_err();
            assert_eq!(
                (error.http_status, error.code),
                (400, "SerializationException")
            );
        }
        let unknown = b" {\"ChannelName\":null,\"Colour\":\"red\"}";
        let ApiRequest::Create(create) = decode(ApiOperation::Create, unknown).unwrap() else {
            panic!("another operation");
        };
        assert_eq!(create.channel_name, None);
        assert!(decode(ApiOperation::List, b"").is_ok());
    }
}
