//! The operations of the service through the SDK: one call is one attempt.

use std::error::Error;
use std::future::Future;
use std::pin::{Pin, pin};

use aws_sdk_kinesisvideo::Client;
use aws_sdk_kinesisvideo::config::http::HttpResponse;
use aws_sdk_kinesisvideo::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesisvideo::types::{
    ChannelInfo, ChannelProtocol, ChannelRole, ChannelType,
    SingleMasterChannelEndpointConfiguration,
};
use aws_sdk_kinesisvideosignaling::types::IceServer;

use super::attempt::{Seen, invalid, watched};
use super::endpoint::Endpoint;
use super::{Connection, convert};
use crate::domain::device::{ChannelArn, ChannelName, Device, MessageTtl, Region, Tag, shown};
use crate::domain::service::{
    Answer, Channel, ChannelPage, Failure, FailureKind, Identity, ListRequest, SignalingEndpoints,
    TagPage, classify,
};
use crate::engine::Service;
use crate::engine::pace::limiter::Permit;

/// The control plane in one Region, through a [`Connection`]. Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub struct AwsService {
    connection: Connection,
    region: Region,
}

impl AwsService {
    pub(super) fn new(connection: Connection, region: Region) -> Self {
        Self { connection, region }
    }

    fn client(&self) -> Client {
        self.connection.client(&self.region)
    }

    /// Sends one request, pinned by the caller, and reads its answer. `read` returns the reason if it cannot read the answer.
    async fn attempt<T, O, E>(
        &self,
        request: Pin<&mut impl Future<Output = Result<O, SdkError<E, HttpResponse>>>>,
        read: impl FnOnce(O, &Seen) -> Result<T, String>,
    ) -> Answer<T>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let (outcome, seen) = watched(request).await;
        let result = match outcome {
            Ok(output) => read(output, &seen).map_err(|reason| seen.reply(b"").unreadable(&reason)),
            Err(error) => Err(seen
                .failure(&error, self.connection.timeout())
                .unwrap_or_else(|not_sent| {
                    let failure = self.connection.source().not_sent(not_sent).into_failure();
                    of_unsent(failure)
                })),
        };
        Answer {
            result,
            request_id: seen.request_id,
            date: seen.date,
        }
    }
}

/// The failure of a request that was not sent, since its credentials were not to be had: whatever STS answered for them, the
/// service has neither throttled the request nor executed it.
pub(super) fn of_unsent(failure: Failure) -> Failure {
    match failure.kind {
        kind if kind.is_passing() => Failure {
            kind: FailureKind::Unreachable,
            ..failure
        },
        _ => failure,
    }
}

impl Service for AwsService {
    async fn create(&self, _: Permit, device: &Device) -> Answer<ChannelArn> {
        let tags: Vec<_> = match device.tags.iter().map(convert::tag).collect() {
            Ok(tags) => tags,
            Err(error) => return invalid(&error).into(),
        };
        let request = self
            .client()
            .create_signaling_channel()
            .channel_name(device.channel_name.as_str())
            .channel_type(ChannelType::SingleMaster)
            .set_single_master_configuration(convert::configuration(device.message_ttl))
            // An empty list would be sent as a list.
            .set_tags(Some(tags).filter(|tags| !tags.is_empty()));
        self.attempt(pin!(request.send()), |output, _| {
            convert::arn(output.channel_arn(), &device.channel_name, &self.region)
        })
        .await
    }

    async fn describe(&self, _: Permit, name: &ChannelName) -> Answer<Channel> {
        let request = self.client().describe_signaling_channel();
        let request = request.channel_name(name.as_str());
        self.attempt(pin!(request.send()), |output, _| {
            convert::described(output.channel_info(), name, &self.region)
        })
        .await
    }

    async fn list(&self, _: Permit, request: &ListRequest) -> Answer<ChannelPage> {
        let prefix = request.name_prefix.as_deref();
        let request = self
            .client()
            .list_signaling_channels()
            .max_results(i32::from(request.max_results))
            .set_next_token(request.next_token.as_deref().map(str::to_owned))
            .set_channel_name_condition(prefix.map(convert::begins_with));
        self.attempt(pin!(request.send()), |output, seen| {
            // `{}` is also the answer of servers that do not support channels.
            if output.channel_info_list.is_none() && seen.request_id.is_none() {
                return Err("the answer to a listing holds no list".to_owned());
            }
            Ok(ChannelPage {
                next_token: token(output.next_token()),
                channels: self.understood(output.channel_info_list()),
            })
        })
        .await
    }

    async fn delete(&self, _: Permit, arn: &ChannelArn) -> Answer<()> {
        let request = self.client().delete_signaling_channel();
        let request = request.channel_arn(arn.as_str());
        self.attempt(pin!(request.send()), |_, _| Ok(())).await
    }

    async fn update(&self, _: Permit, channel: &Channel, message_ttl: MessageTtl) -> Answer<()> {
        let request = self
            .client()
            .update_signaling_channel()
            .channel_arn(channel.arn.as_str())
            .current_version(&*channel.version)
            .set_single_master_configuration(convert::configuration(Some(message_ttl)));
        self.attempt(pin!(request.send()), |_, _| Ok(())).await
    }

    async fn list_tags(
        &self,
        _: Permit,
        arn: &ChannelArn,
        next_token: Option<&str>,
    ) -> Answer<TagPage> {
        let request = self
            .client()
            .list_tags_for_resource()
            .resource_arn(arn.as_str())
            .set_next_token(next_token.map(str::to_owned));
        self.attempt(pin!(request.send()), |output, seen| {
            let next_token = token(output.next_token());
            let Some(tags) = output.tags else {
                // `{}` is also the answer of servers that do not support tags.
                return match seen.request_id {
                    Some(_) => Ok(TagPage::default()),
                    None => Err("the answer to a listing of tags holds no tags".to_owned()),
                };
            };
            let tags = tags
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()));
            Ok(TagPage {
                tags: tags.collect(),
                next_token,
            })
        })
        .await
    }

    async fn tag(&self, _: Permit, arn: &ChannelArn, tags: &[Tag]) -> Answer<()> {
        let tags = match tags.iter().map(convert::tag).collect() {
            Ok(tags) => tags,
            Err(error) => return invalid(&error).into(),
        };
        let request = self.client().tag_resource();
        let request = request.resource_arn(arn.as_str()).set_tags(Some(tags));
        self.attempt(pin!(request.send()), |_, _| Ok(())).await
    }

    async fn untag(&self, _: Permit, arn: &ChannelArn, keys: &[&str]) -> Answer<()> {
        let keys = keys.iter().map(|&key| key.to_owned()).collect();
        let request = self.client().untag_resource();
        let request = request
            .resource_arn(arn.as_str())
            .set_tag_key_list(Some(keys));
        self.attempt(pin!(request.send()), |_, _| Ok(())).await
    }

    async fn signaling_endpoints(&self, _: Permit, arn: &ChannelArn) -> Answer<SignalingEndpoints> {
        let configuration = SingleMasterChannelEndpointConfiguration::builder()
            .protocols(ChannelProtocol::Wss)
            .protocols(ChannelProtocol::Https)
            .role(ChannelRole::Master)
            .build();
        let request = self
            .client()
            .get_signaling_channel_endpoint()
            .channel_arn(arn.as_str())
            .single_master_channel_endpoint_configuration(configuration);
        self.attempt(pin!(request.send()), |output, _| {
            let of = |protocol: &ChannelProtocol| {
                let list = output.resource_endpoint_list();
                list.iter()
                    .find(|endpoint| endpoint.protocol() == Some(protocol))
                    .and_then(|endpoint| endpoint.resource_endpoint())
                    .map(Into::into)
                    .ok_or_else(|| format!("the answer holds no {protocol} endpoint"))
            };
            Ok(SignalingEndpoints {
                wss: of(&ChannelProtocol::Wss)?,
                https: of(&ChannelProtocol::Https)?,
            })
        })
        .await
    }

    /// The servers' credentials are not read.
    async fn ice_servers(&self, _: Permit, arn: &ChannelArn, https: &str) -> Answer<Vec<Box<str>>> {
        // Credentials are sent there, so the endpoint must meet the rules for a configured endpoint.
        if let Err(error) = Endpoint::parse(https, "the channel's HTTPS endpoint") {
            let why = format!("the endpoint {} is not used: {error}", shown(https));
            let code = classify::UNREADABLE_ANSWER;
            return Failure::new(FailureKind::Rejected, code, why).into();
        }
        let client = self.connection.signaling_client(&self.region, https);
        let request = client.get_ice_server_config().channel_arn(arn.as_str());
        self.attempt(pin!(request.send()), |output, _| {
            let uris = output.ice_server_list().iter().flat_map(IceServer::uris);
            Ok(uris.map(|uri| classify::message_text(uri)).collect())
        })
        .await
    }

    fn credentials_generation(&self) -> u64 {
        self.connection.generation()
    }

    async fn reload_credentials(&self, seen: u64) -> Result<Option<Identity>, Failure> {
        // Rarely called, and as large as the requests that it sends.
        Box::pin(self.connection.reload(seen, &self.region)).await
    }
}

impl AwsService {
    /// The channels that can be read. An unreadable one is left out so that the rest of the page can be used;
    /// `Describe` asks for it again when the run creates it.
    fn understood(&self, list: &[ChannelInfo]) -> Vec<Channel> {
        list.iter()
            .filter_map(|info| match convert::listed(info, &self.region) {
                Ok(channel) => Some(channel),
                Err(reason) => {
                    tracing::warn!(
                        "a channel in {}'s listing is left out: {reason}",
                        self.region
                    );
                    None
                }
            })
            .collect()
    }
}

/// The token of the next page, if there is one.
fn token(text: Option<&str>) -> Option<Box<str>> {
    text.filter(|token| !token.is_empty()).map(Into::into)
}
