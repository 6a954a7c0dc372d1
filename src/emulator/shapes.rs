//! The service model's shapes: what the operations take and what they give. Members of requests are optional here even
//! where the service requires them, as on the wire; `validate` says what is missing.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::operation::Operation;
use crate::domain::device::ArnParts;
use crate::domain::service::ChannelStatus;

/// A request.
#[derive(Debug, Clone)]
pub enum Request {
    /// `CreateSignalingChannel`
    Create(CreateChannel),
    /// `DescribeSignalingChannel`
    Describe(DescribeChannel),
    /// `ListSignalingChannels`
    List(ListChannels),
    /// `DeleteSignalingChannel`
    Delete(DeleteChannel),
    /// `UpdateSignalingChannel`
    Update(UpdateChannel),
    /// `TagResource`
    Tag(TagResource),
    /// `UntagResource`
    Untag(UntagResource),
    /// `ListTagsForResource`
    ListTags(ListTags),
    /// `GetSignalingChannelEndpoint`
    Endpoint(GetEndpoint),
    /// `GetIceServerConfig`
    Ice(GetIceServers),
    /// `GetCallerIdentity`
    CallerIdentity,
}

impl Request {
    /// Which operation it asks for.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self {
            Self::Create(_) => Operation::Create,
            Self::Describe(_) => Operation::Describe,
            Self::List(_) => Operation::List,
            Self::Delete(_) => Operation::Delete,
            Self::Update(_) => Operation::Update,
            Self::Tag(_) => Operation::Tag,
            Self::Untag(_) => Operation::Untag,
            Self::ListTags(_) => Operation::ListTags,
            Self::Endpoint(_) => Operation::Endpoint,
            Self::Ice(_) => Operation::Ice,
            Self::CallerIdentity => Operation::CallerIdentity,
        }
    }

    /// The name of the channel that it is about, valid or not, where it is about one.
    #[must_use]
    pub fn channel_name(&self) -> Option<&str> {
        let arn = match self {
            Self::Create(request) => return request.channel_name.as_deref(),
            Self::List(_) | Self::CallerIdentity => return None,
            Self::Describe(request) => {
                if request.channel_arn.is_none() {
                    return request.channel_name.as_deref();
                }
                &request.channel_arn
            }
            Self::Delete(request) => &request.channel_arn,
            Self::Update(request) => &request.channel_arn,
            Self::Tag(request) => &request.resource_arn,
            Self::Untag(request) => &request.resource_arn,
            Self::ListTags(request) => &request.resource_arn,
            Self::Endpoint(request) => &request.channel_arn,
            Self::Ice(request) => &request.channel_arn,
        };
        let parts = ArnParts::parse(arn.as_deref()?).ok()?;
        Some(parts.channel_name)
    }
}

/// What `CreateSignalingChannel` takes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CreateChannel {
    /// 1 to 256 of `[a-zA-Z0-9_.-]`.
    pub channel_name: Option<String>,
    /// `SINGLE_MASTER`, also when absent.
    pub channel_type: Option<String>,
    /// The TTL, when it is not the default.
    pub single_master_configuration: Option<SingleMaster>,
    /// At most 50.
    pub tags: Option<Vec<Tag>>,
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
pub struct Tag {
    /// 1 to 128 characters.
    pub key: Option<String>,
    /// 0 to 256 characters.
    pub value: Option<String>,
}

/// What `DescribeSignalingChannel` takes: one of both; the ARN goes first.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct DescribeChannel {
    /// The channel's name.
    #[serde(rename = "ChannelName")]
    pub channel_name: Option<String>,
    /// The channel's ARN.
    #[serde(rename = "ChannelARN")]
    pub channel_arn: Option<String>,
}

/// What `ListSignalingChannels` takes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListChannels {
    /// 1 to 10,000; 500 when absent.
    pub max_results: Option<i32>,
    /// From an earlier page.
    pub next_token: Option<String>,
    /// Only these.
    pub channel_name_condition: Option<NameCondition>,
}

/// `ChannelNameCondition`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NameCondition {
    /// `BEGINS_WITH`
    pub comparison_operator: Option<String>,
    /// What names begin with.
    pub comparison_value: Option<String>,
}

/// What `DeleteSignalingChannel` takes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct DeleteChannel {
    /// The channel's ARN.
    #[serde(rename = "ChannelARN")]
    pub channel_arn: Option<String>,
    /// Delete only this version.
    #[serde(rename = "CurrentVersion")]
    pub current_version: Option<String>,
}

/// What `UpdateSignalingChannel` takes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct UpdateChannel {
    /// The channel's ARN.
    #[serde(rename = "ChannelARN")]
    pub channel_arn: Option<String>,
    /// The version that is to be changed.
    #[serde(rename = "CurrentVersion")]
    pub current_version: Option<String>,
    /// The new TTL.
    #[serde(rename = "SingleMasterConfiguration")]
    pub single_master_configuration: Option<SingleMaster>,
}

/// What `TagResource` takes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct TagResource {
    /// The channel's ARN.
    #[serde(rename = "ResourceARN")]
    pub resource_arn: Option<String>,
    /// 1 to 50.
    #[serde(rename = "Tags")]
    pub tags: Option<Vec<Tag>>,
}

/// What `UntagResource` takes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct UntagResource {
    /// The channel's ARN.
    #[serde(rename = "ResourceARN")]
    pub resource_arn: Option<String>,
    /// 1 to 50.
    #[serde(rename = "TagKeyList")]
    pub tag_key_list: Option<Vec<String>>,
}

/// What `ListTagsForResource` takes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ListTags {
    /// The channel's ARN.
    #[serde(rename = "ResourceARN")]
    pub resource_arn: Option<String>,
    /// Never given out: a channel's tags fit on a page.
    #[serde(rename = "NextToken")]
    pub next_token: Option<String>,
}

/// What `GetSignalingChannelEndpoint` takes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct GetEndpoint {
    /// The channel's ARN.
    #[serde(rename = "ChannelARN")]
    pub channel_arn: Option<String>,
    /// Which endpoints, and for whom.
    #[serde(rename = "SingleMasterChannelEndpointConfiguration")]
    pub configuration: Option<EndpointConfiguration>,
}

/// `SingleMasterChannelEndpointConfiguration`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EndpointConfiguration {
    /// `WSS`, `HTTPS`; both when absent.
    pub protocols: Option<Vec<String>>,
    /// `MASTER` or `VIEWER`.
    pub role: Option<String>,
}

/// What `GetIceServerConfig` takes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct GetIceServers {
    /// The channel's ARN.
    #[serde(rename = "ChannelARN")]
    pub channel_arn: Option<String>,
    /// The viewer.
    #[serde(rename = "ClientId")]
    pub client_id: Option<String>,
    /// `TURN`
    #[serde(rename = "Service")]
    pub service: Option<String>,
    /// An ID for the credentials.
    #[serde(rename = "Username")]
    pub username: Option<String>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Response {
    /// The new channel's ARN.
    Create(Arc<str>),
    /// The channel.
    Describe(ChannelInfo),
    /// A page of channels.
    List(ChannelInfoPage),
    /// To `DeleteSignalingChannel`, `UpdateSignalingChannel`, `TagResource`, `UntagResource`: nothing to tell.
    Done,
    /// The channel's tags.
    ListTags(BTreeMap<String, String>),
    /// Protocols and endpoints.
    Endpoint(Vec<(&'static str, String)>),
    /// STUN and TURN servers.
    Ice(Vec<IceServer>),
    /// Who calls.
    CallerIdentity {
        /// The caller's ARN.
        arn: String,
    },
}

/// `ChannelInfo`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelInfo {
    /// The channel's name.
    pub name: Arc<str>,
    /// Its ARN.
    pub arn: Arc<str>,
    /// Where it is in its life.
    pub status: ChannelStatus,
    /// When it was made, in milliseconds since the Unix epoch.
    pub creation_millis: u64,
    /// Its message TTL in seconds.
    pub message_ttl: i32,
    /// Its version.
    pub version: String,
}

/// A page of `ListSignalingChannels`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelInfoPage {
    /// The page's channels.
    pub channels: Vec<ChannelInfo>,
    /// Where the next page starts; none after the last.
    pub next_token: Option<String>,
}

/// `IceServer`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:`, `turn:` and `turns:` URIs.
    pub uris: Vec<String>,
    /// For TURN.
    pub credentials: Option<(String, String)>,
    /// How long they hold, in seconds.
    pub ttl: u32,
}
