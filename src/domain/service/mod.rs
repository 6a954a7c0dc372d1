//! The operations of the KVS control plane, their quotas, and what an answer can mean. The trait that sends requests is
//! [`engine::Service`](crate::engine::Service).

pub mod classify;

use std::time::SystemTime;

use crate::domain::device::{AccountId, ChannelArn, ChannelName, MessageTtl, Region};

/// The operations of the service, each with a quota and so a limiter of its own.
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

    /// The quota for each account and Region, in requests a second (WebRTC developer guide, "quotas"). For
    /// `GetIceServerConfig` only a quota for each channel is known; it is asked as seldom as the slowest.
    #[must_use]
    pub fn quota(self) -> f64 {
        match self {
            Self::Describe | Self::Endpoint => 300.0,
            _ => 50.0,
        }
    }
}

/// Channels an account may have in a Region, before support raises it (WebRTC developer guide, "quotas").
#[must_use]
pub fn channel_quota(region: &Region) -> u64 {
    match region.as_str() {
        "us-east-1" | "us-west-2" => 10_000,
        _ => 5_000,
    }
}

/// Regions in which Kinesis Video Streams is offered for certain (`endpoints.json` of botocore 1.44, November 2026). AWS adds
/// Regions, so one that is missing here may offer it all the same.
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

/// Whether the service is offered in a Region for certain: where it cannot be reached there, something is in the way.
#[must_use]
pub fn is_known_to_offer(region: &Region) -> bool {
    OFFERING.contains(&region.as_str())
}

/// The answer to an attempt, with values from its headers.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// The operation's result.
    pub result: Result<T, Failure>,
    /// `x-amzn-RequestId`, where the answer had one.
    pub request_id: Option<Box<str>>,
    /// The service's clock: the answer's `Date` header (whole seconds).
    pub date: Option<SystemTime>,
}

impl<T> Answer<T> {
    /// Whether the request was granted or throttled. Server errors, silence and refused credentials say nothing about the
    /// rate.
    #[must_use]
    pub fn is_granted(&self) -> Option<bool> {
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

/// What a failed attempt means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// Over the quota: slow the limiter, try again, not the device's fault.
    Throttled,
    /// The channel exists already, or it is not ACTIVE.
    InUse,
    /// No such channel (or, from Describe, one that is not ACTIVE yet).
    NotFound,
    /// The request itself is wrong; trying again cannot help.
    Rejected,
    /// The caller is not allowed, perhaps only for this name.
    Denied,
    /// The account has as many channels as it may.
    AccountFull,
    /// Credentials expired, were refused, or the clock is wrong: no device's fault.
    Credentials,
    /// The service (or something before it) answered, but not with a result: 5xx, or a body that cannot be read.
    /// The request may have been carried out.
    ServerError,
    /// The request may have been sent and carried out, but no answer came: timeout, reset.
    Lost,
    /// The request was never sent: DNS, connection, certificate.
    Unreachable,
}

impl FailureKind {
    /// Whether the service, or something that speaks for it, answered at all.
    #[must_use]
    pub fn is_answered(self) -> bool {
        !matches!(self, Self::Lost | Self::Unreachable)
    }

    /// Whether the same request may succeed a little later.
    #[must_use]
    pub fn is_passing(self) -> bool {
        matches!(
            self,
            Self::Throttled | Self::ServerError | Self::Lost | Self::Unreachable
        )
    }

    /// Whether the request may have been carried out although it failed.
    #[must_use]
    pub fn is_ambiguous(self) -> bool {
        matches!(self, Self::ServerError | Self::Lost)
    }
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What it means.
    pub kind: FailureKind,
    /// The service's error code, or one of this tool's own (`Timeout`, `ConnectionFailed`, …), in `CamelCase`.
    pub code: Box<str>,
    /// The message of the service or the network. Never holds a secret.
    pub message: Box<str>,
    /// Whether the answer bears no AWS request ID: a proxy or another server spoke in the service's place.
    pub foreign: bool,
}

impl Failure {
    /// Whether the service itself answered. What a proxy says in its place is silence, whatever its status.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        let is_a_proxys = self.foreign && self.kind == FailureKind::ServerError;
        self.kind.is_answered() && !is_a_proxys
    }

    /// Whether the host does not exist, as far as name servers or the proxy say.
    #[must_use]
    pub fn is_of_a_missing_host(&self) -> bool {
        match &*self.code {
            // A proxy that requires a password has not looked for the host.
            classify::PROXY_FAILED => !self.message.contains("authorization required"),
            classify::DNS_FAILED => classify::is_unknown_name(&self.message),
            _ => false,
        }
    }

    /// Whether this process could not send the request, for want of file descriptors: it says nothing of the service or
    /// the network.
    #[must_use]
    pub fn is_of_open_files(&self) -> bool {
        &*self.code == classify::TOO_MANY_OPEN_FILES
    }
}

/// A channel's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChannelStatus {
    /// Accepted, not usable yet.
    Creating,
    /// Usable.
    Active,
    /// Usable, a change is under way.
    Updating,
    /// About to be gone.
    Deleting,
}

impl ChannelStatus {
    /// As the service spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "CREATING",
            Self::Active => "ACTIVE",
            Self::Updating => "UPDATING",
            Self::Deleting => "DELETING",
        }
    }
}

/// A channel as Describe or List shows it. Tags are not among what they tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub name: ChannelName,
    /// Its ARN.
    pub arn: ChannelArn,
    /// Where it is in its life.
    pub status: ChannelStatus,
    /// `SINGLE_MASTER` for all channels that this tool creates.
    pub channel_type: Box<str>,
    /// Its message TTL, where the service says so (`SINGLE_MASTER` only).
    pub message_ttl: Option<MessageTtl>,
    /// When it was made, in milliseconds since the Unix epoch: from the ARN.
    pub creation_millis: u64,
    /// What an update must name, so that it meets the channel as it was seen.
    pub version: Box<str>,
}

/// One page of a listing.
#[derive(Debug, Clone, Default)]
pub struct ChannelPage {
    /// The page's channels.
    pub channels: Vec<Channel>,
    /// Where the next page starts; none after the last.
    pub next_token: Option<Box<str>>,
}

/// Which page of which listing.
#[derive(Debug, Clone, Default)]
pub struct ListRequest {
    /// Only names that begin with this.
    pub name_prefix: Option<Box<str>>,
    /// From an earlier page.
    pub next_token: Option<Box<str>>,
    /// The most channels a page: 1 to 10,000.
    pub max_results: u16,
}

impl ListRequest {
    /// Goes on to the next page; says whether there is one. A page that leads to itself would never end.
    pub fn follow(&mut self, next_token: Option<Box<str>>) -> Result<bool, Failure> {
        if next_token.is_some() && next_token == self.next_token {
            return Err(Failure {
                kind: FailureKind::ServerError,
                code: classify::UNREADABLE_ANSWER.into(),
                message: "a page of the listing names itself as the next one".into(),
                foreign: false,
            });
        }
        self.next_token = next_token;
        Ok(self.next_token.is_some())
    }
}

/// One page of a channel's tags.
#[derive(Debug, Clone, Default)]
pub struct TagPage {
    /// Keys and values, as the service has them.
    pub tags: Vec<(Box<str>, Box<str>)>,
    /// Where the next page starts; none after the last.
    pub next_token: Option<Box<str>>,
}

/// Who the credentials say we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub account: AccountId,
    /// The caller's ARN.
    pub caller: Box<str>,
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
    fn a_page_that_names_itself_ends_the_listing() {
        let mut request = ListRequest::default();
        assert_eq!(request.follow(Some("a".into())), Ok(true));
        assert_eq!(request.follow(Some("b".into())), Ok(true));
        assert!(request.follow(Some("b".into())).is_err());
        assert_eq!(request.follow(None), Ok(false));
    }
}
