//! The operations of the KVS control plane, their quotas, and what an answer can mean. The trait that sends requests is
//! [`engine::Service`](crate::engine::Service).

pub mod classify;

use std::time::SystemTime;

use crate::domain::device::{AccountId, ChannelArn, ChannelName, MessageTtl, Region};

/// The operations of the service. Each has its own quota and limiter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `CreateSignalingChannel`
    Create,
    /// `DescribeSignalingChannel`
    Describe,
    /// `ListSignalingChannels`
    List,
    /// `DeleteSignalingChannel`
    Delete,
    /// `UpdateSignalingChannel`
    Update,
    /// `ListTagsForResource`
    ListTags,
    /// `TagResource`
    Tag,
    /// `UntagResource`
    Untag,
    /// `GetSignalingChannelEndpoint`
    Endpoint,
    /// `GetIceServerConfig`, at the channel's own endpoint
    Ice,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 10] = [
        Self::Create,
        Self::Describe,
        Self::List,
        Self::Delete,
        Self::Update,
        Self::ListTags,
        Self::Tag,
        Self::Untag,
        Self::Endpoint,
        Self::Ice,
    ];

    /// The name in the API reference.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "CreateSignalingChannel",
            Self::Describe => "DescribeSignalingChannel",
            Self::List => "ListSignalingChannels",
            Self::Delete => "DeleteSignalingChannel",
            Self::Update => "UpdateSignalingChannel",
            Self::ListTags => "ListTagsForResource",
            Self::Tag => "TagResource",
            Self::Untag => "UntagResource",
            Self::Endpoint => "GetSignalingChannelEndpoint",
            Self::Ice => "GetIceServerConfig",
        }
    }

    /// The quota for an account and Region, in requests a second (WebRTC developer guide, "quotas"). For
    /// `GetIceServerConfig`, only a quota for each channel is documented, so the lowest quota is used.
    pub fn quota(self) -> f64 {
        match self {
            Self::Describe | Self::Endpoint => 300.0,
            _ => 50.0,
        }
    }
}

/// The default limit of channels for an account and Region (WebRTC developer guide, "quotas").
pub(crate) fn channel_quota(region: &Region) -> u64 {
    match region.as_str() {
        "us-east-1" | "us-west-2" => 10_000,
        _ => 5_000,
    }
}

/// Regions in which Kinesis Video Streams is known to be offered (`endpoints.json` of botocore 1.44, November 2026).
/// AWS adds Regions, so the service may also be offered in a Region that is missing here.
const OFFERING: [&str; 24] = [
    "af-south-1",
    "ap-east-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-5",
    "ca-central-1",
    "cn-north-1",
    "eu-central-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-south-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-iso-east-1",
    "us-west-2",
];

/// Whether the service is known to be offered in a Region: if it cannot be reached there, the network is the cause.
pub(crate) fn is_known_to_offer(region: &Region) -> bool {
    OFFERING.contains(&region.as_str())
}

/// The result of an attempt, and its answer's headers.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    pub result: Result<T, Failure>,
    /// `x-amzn-RequestId`, if the answer has one.
    pub request_id: Option<Box<str>>,
    /// The answer's `Date` header: the service's clock in whole seconds.
    pub date: Option<SystemTime>,
}

impl<T> From<Failure> for Answer<T> {
    /// No answer came.
    fn from(failure: Failure) -> Self {
        Self {
            result: Err(failure),
            request_id: None,
            date: None,
        }
    }
}

impl<T> Answer<T> {
    /// Whether the request was granted or throttled. Server errors, silence and refused credentials say nothing about the
    /// rate.
    pub(crate) fn is_granted(&self) -> Option<bool> {
        match self.result.as_ref().err().map(|failure| failure.kind) {
            Some(FailureKind::Throttled) => Some(false),
            Some(
                FailureKind::ServerError
                | FailureKind::Lost
                | FailureKind::Unreachable
                | FailureKind::Credentials,
            ) => None,
            _ => Some(true),
        }
    }
}

/// The meaning of a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The quota is exceeded: slow the limiter and retry. The device does not fail.
    Throttled,
    /// The channel exists already, or it is not ACTIVE.
    InUse,
    /// The channel does not exist (or, from Describe, is not ACTIVE yet).
    NotFound,
    /// The request itself is wrong; a retry cannot succeed.
    Rejected,
    /// The caller is not authorized, perhaps only for this name.
    Denied,
    /// The account has reached its channel limit.
    AccountFull,
    /// The credentials have expired or were refused, or the clock is wrong. The device does not fail.
    Credentials,
    /// The service or a proxy answered without a result: 5xx, or an unreadable body. The request may have been
    /// executed.
    ServerError,
    /// The request may have been executed, but there was no answer: timeout, reset.
    Lost,
    /// The request was not sent: DNS, connection, certificate.
    Unreachable,
}

impl FailureKind {
    /// Whether the service answered, or a server in its place.
    pub fn is_answered(self) -> bool {
        !matches!(self, Self::Lost | Self::Unreachable)
    }

    /// Whether a retry of the same request may succeed.
    pub fn is_passing(self) -> bool {
        matches!(
            self,
            Self::Throttled | Self::ServerError | Self::Lost | Self::Unreachable
        )
    }

    /// Whether the request may have been executed although it failed.
    pub fn is_ambiguous(self) -> bool {
        matches!(self, Self::ServerError | Self::Lost)
    }
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub kind: FailureKind,
    /// The service's error code, or one of this tool's own (`Timeout`, `ConnectionFailed`, …), in `CamelCase`.
    pub code: Box<str>,
    /// The message of the service or the network. It never contains a secret.
    pub message: Box<str>,
    /// Whether the answer has no AWS request ID: a proxy or another server sent it.
    pub foreign: bool,
}

impl Failure {
    /// A failure that is not the answer of a proxy.
    pub(crate) fn new(kind: FailureKind, code: &str, message: impl Into<Box<str>>) -> Self {
        Self {
            kind,
            code: code.into(),
            message: message.into(),
            foreign: false,
        }
    }

    /// Whether the service itself answered. An answer of a proxy counts as none, whatever its status.
    pub fn is_answered(&self) -> bool {
        let is_a_proxys = self.foreign && self.kind == FailureKind::ServerError;
        self.kind.is_answered() && !is_a_proxys
    }

    /// Whether the host does not exist, according to name servers or the proxy.
    pub(crate) fn is_of_a_missing_host(&self) -> bool {
        match &*self.code {
            // A proxy that requires a password has not looked up the host.
            classify::PROXY_FAILED => !self.message.contains("authorization required"),
            classify::DNS_FAILED => classify::is_unknown_name(&self.message),
            _ => false,
        }
    }

    /// Whether this process had no file descriptor to send the request: this says nothing about the service or the
    /// network.
    pub(crate) fn is_of_open_files(&self) -> bool {
        &*self.code == classify::TOO_MANY_OPEN_FILES
    }
}

/// The status of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChannelStatus {
    /// The request is accepted; the channel is not usable yet.
    Creating,
    /// Usable.
    Active,
    /// Usable; an update is in progress.
    Updating,
    /// The channel is being deleted.
    Deleting,
}

impl ChannelStatus {
    /// The service's name of the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::Active => "ACTIVE",
            Self::Updating => "UPDATING",
            Self::Deleting => "DELETING",
        }
    }
}

/// A channel in an answer of Describe or List. These answers do not contain tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    pub name: ChannelName,
    pub arn: ChannelArn,
    pub status: ChannelStatus,
    /// `SINGLE_MASTER` unless the channel was created with another type.
    pub channel_type: Box<str>,
    /// The message TTL, if the service returns it (`SINGLE_MASTER` only).
    pub message_ttl: Option<MessageTtl>,
    /// In milliseconds since the Unix epoch, from the ARN.
    pub creation_millis: u64,
    /// The version that an update must name, so that it changes the channel only if it is unchanged.
    pub version: Box<str>,
}

/// One page of a listing.
#[derive(Debug, Clone, Default)]
pub struct ChannelPage {
    pub channels: Vec<Channel>,
    /// The token of the next page; `None` on the last page.
    pub next_token: Option<Box<str>>,
}

/// A page of a listing.
#[derive(Debug, Clone, Default)]
pub struct ListRequest {
    /// The prefix of the listed names.
    pub name_prefix: Option<Box<str>>,
    /// The token of the previous page.
    pub next_token: Option<Box<str>>,
    /// The most channels on a page: 1 to 10,000.
    pub max_results: u16,
}

impl ListRequest {
    /// Continues with the next page; returns whether there is one. A page with its own token as the next one would
    /// never end.
    pub fn follow(&mut self, next_token: Option<Box<str>>) -> Result<bool, Failure> {
        if next_token.is_some() && next_token == self.next_token {
            return Err(Failure::new(
                FailureKind::ServerError,
                classify::UNREADABLE_ANSWER,
                "a page of the listing names itself as the next one",
            ));
        }
        self.next_token = next_token;
        Ok(self.next_token.is_some())
    }
}

/// One page of a channel's tags.
#[derive(Debug, Clone, Default)]
pub struct TagPage {
    /// Keys and values.
    pub tags: Vec<(Box<str>, Box<str>)>,
    /// The token of the next page; `None` on the last page.
    pub next_token: Option<Box<str>>,
}

/// The identity of the credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub account: AccountId,
    pub caller: Box<str>,
}

impl Identity {
    /// The role and the session's name of callers of the emulator that have not assumed a role.
    pub(crate) const EMULATOR: (&'static str, &'static str) = ("emulator", "kvs-fleet");

    /// Whether the emulator has answered.
    pub(crate) fn is_of_emulator(&self) -> bool {
        let (role, session) = Self::EMULATOR;
        let who = self.caller.rsplit(':').next().unwrap_or_default();
        who.split('/').eq(["assumed-role", role, session])
    }
}

/// Where the signaling of a channel is, for its master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalingEndpoints {
    /// For the lasting connection.
    pub wss: Box<str>,
    /// For single requests.
    pub https: Box<str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_with_its_own_token_ends_the_listing() {
        let mut request = ListRequest::default();
        assert_eq!(request.follow(Some("a".into())), Ok(true));
        assert_eq!(request.follow(Some("b".into())), Ok(true));
        assert!(request.follow(Some("b".into())).is_err());
        assert_eq!(request.follow(None), Ok(false));
    }
}
