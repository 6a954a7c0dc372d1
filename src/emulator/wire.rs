//! The formats on the wire: restJson1 bodies for KVS, query and XML for STS, the credential scope. It converts bytes to
//! values and back, without state.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ApiError;
use super::operation::ApiOperation;
use super::shapes::{ApiRequest, ApiResponse, ChannelInfo};
use super::state::ApiCaller;
use crate::domain::device::{AccountId, Region};
use crate::domain::service::ChannelStatus;

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
    Ok(ApiCaller {
        region,
        access_key: access_key.into(),
    })
}

/// Parses a request's body.
pub(super) fn decode(operation: ApiOperation, body: &[u8]) -> Result<ApiRequest, ApiError> {
    match operation {
        ApiOperation::Create => json(body).map(ApiRequest::Create),
        ApiOperation::Describe => json(body).map(ApiRequest::Describe),
        ApiOperation::List => json(body).map(ApiRequest::List),
        ApiOperation::Delete => json(body).map(ApiRequest::Delete),
        ApiOperation::Update => json(body).map(ApiRequest::Update),
        ApiOperation::Tag => json(body).map(ApiRequest::Tag),
        ApiOperation::Untag => json(body).map(ApiRequest::Untag),
        ApiOperation::ListTags => json(body).map(ApiRequest::ListTags),
        ApiOperation::Endpoint => json(body).map(ApiRequest::Endpoint),
        ApiOperation::Ice => json(body).map(ApiRequest::Ice),
        ApiOperation::CallerIdentity => {
            let asks = body
                .split(|byte| *byte == b'&')
                .any(|pair| pair == b"Action=GetCallerIdentity");
            if asks {
                Ok(ApiRequest::CallerIdentity)
            } else {
                Err(ApiError::unknown_operation())
            }
        }
    }
}

fn json<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, ApiError> {
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
    let encoded = match response {
        ApiResponse::Create(arn) => serde_json::to_vec(&BTreeMap::from([("ChannelARN", &**arn)])),
        ApiResponse::Describe(info) => {
            serde_json::to_vec(&BTreeMap::from([("ChannelInfo", WireChannel::from(info))]))
        }
        ApiResponse::List(page) => serde_json::to_vec(&WirePage {
            channels: page.channels.iter().map(WireChannel::from).collect(),
            next_token: page.next_token.as_deref(),
        }),
        ApiResponse::Done => return b"{}".to_vec(),
        ApiResponse::ListTags(tags) => serde_json::to_vec(&BTreeMap::from([("Tags", tags)])),
        ApiResponse::Endpoint(endpoints) => {
            let list: Vec<WireEndpoint> = endpoints
                .iter()
                .map(|(protocol, endpoint)| WireEndpoint { protocol, endpoint })
                .collect();
            serde_json::to_vec(&BTreeMap::from([("ResourceEndpointList", list)]))
        }
        ApiResponse::Ice(servers) => {
            let list: Vec<WireIceServer> = servers
                .iter()
                .map(|server| WireIceServer {
                    uris: &server.uris,
                    username: server.credentials.as_ref().map(|(user, _)| user.as_str()),
                    password: server.credentials.as_ref().map(|(_, word)| word.as_str()),
                    ttl: server.ttl,
                })
                .collect();
            serde_json::to_vec(&BTreeMap::from([("IceServerList", list)]))
        }
        ApiResponse::CallerIdentity { arn } => return caller_identity(arn, request_id),
    };
    // Maps with text keys can always be serialized; an empty body would fail in every client.
    encoded.unwrap_or_default()
}

/// Serializes an error's body: XML for STS, JSON for the others.
pub(super) fn encode_error(error: &ApiError, is_sts: bool, request_id: &str) -> Vec<u8> {
    if !is_sts {
        return serde_json::to_vec(&BTreeMap::from([("Message", &error.message)]))
            .unwrap_or_default();
    }
    // STS has other names for the same errors.
    let code = match error.code {
        "ExpiredTokenException" => "ExpiredToken",
        "UnrecognizedClientException" => "InvalidClientTokenId",
        "MissingAuthenticationTokenException" => "MissingAuthenticationToken",
        "UnknownOperationException" => "InvalidAction",
        other => other,
    };
    format!(
        "<ErrorResponse xmlns=\"{STS_NAMESPACE}\"><Error><Type>Sender</Type><Code>{code}</Code><Message>{}</Message>\
         </Error><RequestId>{request_id}</RequestId></ErrorResponse>",
        error.message
    )
    .into_bytes()
}

const STS_NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

fn caller_identity(arn: &str, request_id: &str) -> Vec<u8> {
    format!(
        "<GetCallerIdentityResponse xmlns=\"{STS_NAMESPACE}\"><GetCallerIdentityResult><Arn>{arn}</Arn>\
         <UserId>AROAEMULATOR:kvs-fleet</UserId><Account>{}</Account></GetCallerIdentityResult><ResponseMetadata>\
         <RequestId>{request_id}</RequestId></ResponseMetadata></GetCallerIdentityResponse>",
        AccountId::EMULATOR
    )
    .into_bytes()
}

#[derive(Serialize)]
struct WirePage<'a> {
    #[serde(rename = "ChannelInfoList")]
    channels: Vec<WireChannel<'a>>,
    #[serde(rename = "NextToken", skip_serializing_if = "Option::is_none")]
    next_token: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WireChannel<'a> {
    channel_name: &'a str,
    #[serde(rename = "ChannelARN")]
    channel_arn: &'a str,
    channel_type: &'static str,
    channel_status: &'static str,
    /// Seconds since the epoch, with milliseconds as the fraction.
    creation_time: f64,
    single_master_configuration: WireSingleMaster,
    version: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WireSingleMaster {
    message_ttl_seconds: i32,
}

impl<'a> From<&'a ChannelInfo> for WireChannel<'a> {
    fn from(info: &'a ChannelInfo) -> Self {
        Self {
            channel_name: &info.name,
            channel_arn: &info.arn,
            channel_type: "SINGLE_MASTER",
            channel_status: match info.status {
                ChannelStatus::Creating => "CREATING",
                ChannelStatus::Active => "ACTIVE",
                ChannelStatus::Updating => "UPDATING",
                ChannelStatus::Deleting => "DELETING",
            },
            creation_time: Duration::from_millis(info.creation_millis).as_secs_f64(),
            single_master_configuration: WireSingleMaster {
                message_ttl_seconds: info.message_ttl,
            },
            version: &info.version,
        }
    }
}

#[derive(Serialize)]
struct WireEndpoint<'a> {
    #[serde(rename = "Protocol")]
    protocol: &'static str,
    #[serde(rename = "ResourceEndpoint")]
    endpoint: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WireIceServer<'a> {
    uris: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    ttl: u32,
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
