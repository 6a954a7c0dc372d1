//! The KVS control plane as a trait. Implementations are the AWS SDK and, in simulations, the emulator's state.
//!
//! Each call is one attempt: no retry, no waiting for a rate. An implementation sorts each answer into a
//! [`FailureKind`](crate::domain::service::FailureKind) and decides nothing. A call takes a [`Permit`] and uses it up. Only a
//! [`Limiter`](super::pace::limiter::Limiter) makes permits, and in the engine only [`scope`](super::scope) has the limiters
//! and the service: nothing is sent past the limiter.

use std::future::Future;

use super::pace::limiter::Permit;
use crate::domain::device::{ChannelArn, ChannelName, Device, MessageTtl, Tag};
use crate::domain::service::{
    Answer, Channel, ChannelPage, Failure, Identity, ListRequest, SignalingEndpoints, TagPage,
};

/// The control plane in one Region.
pub trait Service: Send + Sync + 'static {
    /// `CreateSignalingChannel` for the device: its name, TTL and tags, type `SINGLE_MASTER`.
    fn create(
        &self,
        permit: Permit,
        device: &Device,
    ) -> impl Future<Output = Answer<ChannelArn>> + Send;

    /// `DescribeSignalingChannel` by name.
    fn describe(
        &self,
        permit: Permit,
        name: &ChannelName,
    ) -> impl Future<Output = Answer<Channel>> + Send;

    /// `ListSignalingChannels`, one page.
    fn list(
        &self,
        permit: Permit,
        request: &ListRequest,
    ) -> impl Future<Output = Answer<ChannelPage>> + Send;

    /// `DeleteSignalingChannel` by ARN, whatever the channel's version.
    fn delete(&self, permit: Permit, arn: &ChannelArn) -> impl Future<Output = Answer<()>> + Send;

    /// `UpdateSignalingChannel`: another message TTL, if the channel still has the version that was seen.
    fn update(
        &self,
        permit: Permit,
        channel: &Channel,
        message_ttl: MessageTtl,
    ) -> impl Future<Output = Answer<()>> + Send;

    /// `ListTagsForResource`, one page.
    fn list_tags(
        &self,
        permit: Permit,
        arn: &ChannelArn,
        next_token: Option<&str>,
    ) -> impl Future<Output = Answer<TagPage>> + Send;

    /// `TagResource`: adds tags, or changes the values of existing ones.
    fn tag(
        &self,
        permit: Permit,
        arn: &ChannelArn,
        tags: &[Tag],
    ) -> impl Future<Output = Answer<()>> + Send;

    /// `UntagResource`: removes the tags of these keys.
    fn untag(
        &self,
        permit: Permit,
        arn: &ChannelArn,
        keys: &[&str],
    ) -> impl Future<Output = Answer<()>> + Send;

    /// `GetSignalingChannelEndpoint`, for WSS and HTTPS as MASTER.
    fn signaling_endpoints(
        &self,
        permit: Permit,
        arn: &ChannelArn,
    ) -> impl Future<Output = Answer<SignalingEndpoints>> + Send;

    /// `GetIceServerConfig` at the channel's HTTPS endpoint: the servers' URIs.
    fn ice_servers(
        &self,
        permit: Permit,
        arn: &ChannelArn,
        https: &str,
    ) -> impl Future<Output = Answer<Vec<Box<str>>>> + Send;

    /// Which credentials later attempts use: grows with every reload. Read it before an attempt, and give it to
    /// [`Service::reload_credentials`] if the attempt was refused for its credentials.
    fn credentials_generation(&self) -> u64;

    /// Fetches the credentials again from their source, asks STS for their identity where possible, and only then puts
    /// them in place. Later attempts use the new ones; attempts in flight, and all if this fails, keep the old ones.
    ///
    /// `seen` is the generation whose credentials were refused: of many callers with the same one, one reloads and the
    /// others get its result.
    fn reload_credentials(
        &self,
        seen: u64,
    ) -> impl Future<Output = Result<Option<Identity>, Failure>> + Send;
}
