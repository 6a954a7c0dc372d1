//! The service model's shapes: requests and answers. All members of requests are optional here, as in the request body;
//! `validate` reports the missing ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::access_key::AccountNumber;
use super::assume_role::{AssumeRole, AssumedRole};
use super::operation::ApiOperation;
use crate::domain::device::ArnParts;
use crate::domain::service::ChannelStatus;

/// A request.
#[derive(Debug, Clone)]
pub enum ApiRequest {
    Create(CreateChannel),
    Describe(DescribeChannel),
    List(ListChannels),
    Delete(DeleteChannel),
    Update(UpdateChannel),
    Tag(TagResource),
    Untag(UntagResource),
    ListTags(ListTags),
    Endpoint(GetEndpoint),
    Ice(GetIceServers),
    CallerIdentity,
    AssumeRole(AssumeRole),
}

impl ApiRequest {
    pub fn operation(&self) -> ApiOperation {
        match self {
            Self::Create(_) => ApiOperation::Create,
            Self::Describe(_) => ApiOperation::Describe,
            Self::List(_) => ApiOperation::List,
            Self::Delete(_) => ApiOperation::Delete,
            Self::Update(_) => ApiOperation::Update,
            Self::Tag(_) => ApiOperation::Tag,
            Self::Untag(_) => ApiOperation::Untag,
            Self::ListTags(_) => ApiOperation::ListTags,
            Self::Endpoint(_) => ApiOperation::Endpoint,
            Self::Ice(_) => ApiOperation::Ice,
            Self::CallerIdentity => ApiOperation::CallerIdentity,
            Self::AssumeRole(_) => ApiOperation::AssumeRole,
        }
    }

    /// The name of the channel that the request is about, valid or not; `None` if it is about no channel.
    pub fn channel_name(&self) -> Option<&str> {
        match self {
            Self::Create(request) => request.channel_name.as_deref(),
            Self::Describe(request) if request.channel_arn.is_none() => {
                request.channel_name.as_deref()
            }
            _ => Some(self.channel_arn()?.channel_name),
        }
    }

    /// The ARN that the request names, if it is the ARN of a channel.
    pub(super) fn channel_arn(&self) -> Option<ArnParts<'_>> {
        let arn = match self {
            Self::Create(_) | Self::List(_) | Self::CallerIdentity | Self::AssumeRole(_) => {
                return None;
            }
            Self::Describe(request) => &request.channel_arn,
            Self::Delete(request) => &request.channel_arn,
            Self::Update(request) => &request.channel_arn,
            Self::Tag(request) => &request.resource_arn,
            Self::Untag(request) => &request.resource_arn,
            Self::ListTags(request) => &request.resource_arn,
            Self::Endpoint(request) => &request.channel_arn,
            Self::Ice(request) => &request.channel_arn,
        };
        ArnParts::parse(arn.as_deref()?).ok()
    }
}

/// The request `CreateSignalingChannel`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CreateChannel {
    /// 1 to 256 of `[a-zA-Z0-9_.-]`.
    pub channel_name: Option<String>,
    /// `SINGLE_MASTER` if absent.
    pub channel_type: Option<String>,
    /// The TTL; absent for the default.
    pub single_master_configuration: Option<SingleMaster>,
    /// At most 50.
    pub tags: Option<Vec<WireTag>>,
}

/// `SingleMasterConfiguration`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SingleMaster {
    /// 5 to 120.
    pub message_ttl_seconds: Option<i32>,
}

/// A tag on the wire.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WireTag {
    /// 1 to 128 characters.
    pub key: Option<String>,
    /// 0 to 256 characters.
    pub value: Option<String>,
}

/// The request `DescribeSignalingChannel`: the ARN or the name; the ARN wins.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DescribeChannel {
    pub channel_name: Option<String>,
    #[serde(rename = "ChannelARN")]
    pub channel_arn: Option<String>,
}

/// The request `ListSignalingChannels`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListChannels {
    /// 1 to 10,000; 500 if absent.
    pub max_results: Option<i32>,
    /// The token from an earlier page.
    pub next_token: Option<String>,
    /// Limits the listing to these names.
    pub channel_name_condition: Option<NameCondition>,
}

/// `ChannelNameCondition`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NameCondition {
    /// `BEGINS_WITH`
    pub comparison_operator: Option<String>,
    /// The prefix of the names.
    pub comparison_value: Option<String>,
}

/// The request `DeleteSignalingChannel`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeleteChannel {
    #[serde(rename = "ChannelARN")]
    pub channel_arn: Option<String>,
    /// If present, only this version is deleted.
    pub current_version: Option<String>,
}

/// The request `UpdateSignalingChannel`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UpdateChannel {
    #[serde(rename = "ChannelARN")]
    pub channel_arn: Option<String>,
    /// The version that the caller has read.
    pub current_version: Option<String>,
    pub single_master_configuration: Option<SingleMaster>,
}

/// The request `TagResource`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TagResource {
    #[serde(rename = "ResourceARN")]
    pub resource_arn: Option<String>,
    /// 1 to 50.
    pub tags: Option<Vec<WireTag>>,
}

/// The request `UntagResource`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UntagResource {
    #[serde(rename = "ResourceARN")]
    pub resource_arn: Option<String>,
    /// 1 to 50.
    pub tag_key_list: Option<Vec<String>>,
}

/// The request `ListTagsForResource`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListTags {
    #[serde(rename = "ResourceARN")]
    pub resource_arn: Option<String>,
    /// The emulator never returns one: a channel's tags fit on a page.
    pub next_token: Option<String>,
}

/// The request `GetSignalingChannelEndpoint`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GetEndpoint {
    #[serde(rename = "ChannelARN")]
    pub channel_arn: Option<String>,
    /// Which endpoints, and for which role.
    #[serde(rename = "SingleMasterChannelEndpointConfiguration")]
    pub configuration: Option<EndpointConfiguration>,
}

/// `SingleMasterChannelEndpointConfiguration`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EndpointConfiguration {
    /// `WSS`, `HTTPS`; both if absent.
    pub protocols: Option<Vec<String>>,
    /// `MASTER` or `VIEWER`.
    pub role: Option<String>,
}

/// The request `GetIceServerConfig`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct GetIceServers {
    #[serde(rename = "ChannelARN")]
    pub channel_arn: Option<String>,
    pub client_id: Option<String>,
    /// `TURN`
    pub service: Option<String>,
    /// An ID for the credentials.
    pub username: Option<String>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub enum ApiResponse {
    /// The new channel's ARN.
    Create(Arc<str>),
    Describe(ChannelInfo),
    List(ChannelInfoPage),
    /// The empty answer of `DeleteSignalingChannel`, `UpdateSignalingChannel`, `TagResource` and `UntagResource`.
    Done,
    ListTags(BTreeMap<String, String>),
    Endpoint(Vec<(&'static str, String)>),
    Ice(Vec<IceServer>),
    CallerIdentity(CallerIdentity),
    AssumeRole(AssumedRole),
}

/// The answer of `GetCallerIdentity`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerIdentity {
    pub account: AccountNumber,
    /// The ARN of the session.
    pub arn: String,
    pub session_name: String,
}

/// `ChannelInfo`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelInfo {
    pub name: Arc<str>,
    pub arn: Arc<str>,
    pub status: ChannelStatus,
    /// Milliseconds since the Unix epoch.
    pub creation_millis: u64,
    /// In seconds.
    pub message_ttl: i32,
    pub version: String,
}

/// A page of `ListSignalingChannels`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelInfoPage {
    pub channels: Vec<ChannelInfo>,
    /// The token of the next page; `None` on the last page.
    pub next_token: Option<String>,
}

/// `IceServer`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:`, `turn:` and `turns:` URIs.
    pub uris: Vec<String>,
    /// For TURN.
    pub credentials: Option<(String, String)>,
    /// The lifetime of the credentials in seconds.
    pub ttl: u32,
}
