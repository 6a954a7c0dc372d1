//! The operations of the service through the SDK: one call is one attempt.

use std::error::Error;
use std::future::Future;
use std::pin::{Pin, pin};

use aws_sdk_kinesisvideo::Client;
use aws_sdk_kinesisvideo::config::http::HttpResponse;
use aws_sdk_kinesisvideo::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesisvideo::types::ChannelType;

use super::attempt::{Seen, Watched, invalid, watched};
use super::{Connection, convert};
use crate::domain::device::{ChannelArn, ChannelName, Device, MessageTtl, Region, Tag};
use crate::domain::service::{
    Answer, Channel, ChannelPage, Failure, Identity, ListRequest, SignalingEndpoints, TagPage,
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

    /// The Region.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// The configuration for a client of another service with the same credentials and network.
    pub(super) fn signaling_config(&self) -> (aws_config::SdkConfig, Watched) {
        self.connection.signaling_config()
    }

    /// Sends one request and reads its answer. `read` returns the reason if it cannot read the answer.
    pub(super) async fn attempt<T, O, E, F>(
        &self,
        send: impl FnOnce(Client) -> F,
        read: impl FnOnce(O, &Seen) -> Result<T, String>,
    ) -> Answer<T>
    where
        F: Future<Output = Result<O, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + Error + 'static,
    {
        let request = pin!(send(self.connection.client(&self.region)));
        self.attempt_by(request, read).await
    }

    /// Sends a request of any client, pinned by the caller.
    pub(super) async fn attempt_by<T, O, E>(
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
                .unwrap_or_else(|causes| self.connection.not_sent(&causes).into_failure())),
        };
        Answer {
            result,
            request_id: seen.request_id,
            date: seen.date,
        }
    }
}

impl Service for AwsService {
    async fn create(&self, _: Permit, device: &Device) -> Answer<ChannelArn> {
        let tags = match convert::tags(device) {
            Ok(tags) => tags,
            Err(error) => return invalid(&error).into(),
        };
        self.attempt(
            |client| {
                client
                    .create_signaling_channel()
                    .channel_name(device.channel_name.as_str())
                    .channel_type(ChannelType::SingleMaster)
                    .set_single_master_configuration(convert::configuration(device.message_ttl))
                    .set_tags(tags)
                    .send()
            },
            |output, _| convert::arn(output.channel_arn(), &device.channel_name, &self.region),
        )
        .await
    }

    async fn describe(&self, _: Permit, name: &ChannelName) -> Answer<Channel> {
        self.attempt(
            |client| {
                client
                    .describe_signaling_channel()
                    .channel_name(name.as_str())
                    .send()
            },
            |output, _| convert::described(output.channel_info(), name, &self.region),
        )
        .await
    }

    async fn list(&self, _: Permit, request: &ListRequest) -> Answer<ChannelPage> {
        let prefix = request.name_prefix.as_deref();
        self.attempt(
            |client| {
                client
                    .list_signaling_channels()
                    .max_results(i32::from(request.max_results))
                    .set_next_token(request.next_token.as_deref().map(str::to_owned))
                    .set_channel_name_condition(prefix.map(convert::begins_with))
                    .send()
            },
            |output, seen| {
                // `{}` is also the answer of servers that do not support channels.
                if output.channel_info_list.is_none() && seen.request_id.is_none() {
                    return Err("the answer to a listing holds no list".to_owned());
                }
                let token = output.next_token().filter(|token| !token.is_empty());
                Ok(ChannelPage {
                    next_token: token.map(Into::into),
                    channels: self.understood(output.channel_info_list()),
                })
            },
        )
        .await
    }

    async fn delete(&self, _: Permit, arn: &ChannelArn) -> Answer<()> {
        self.attempt(
            |client| {
                client
                    .delete_signaling_channel()
                    .channel_arn(arn.as_str())
                    .send()
            },
            |_, _| Ok(()),
        )
        .await
    }

    async fn update(&self, _: Permit, channel: &Channel, message_ttl: MessageTtl) -> Answer<()> {
        self.attempt(
            |client| {
                client
                    .update_signaling_channel()
                    .channel_arn(channel.arn.as_str())
                    .current_version(&*channel.version)
                    .set_single_master_configuration(convert::configuration(Some(message_ttl)))
                    .send()
            },
            |_, _| Ok(()),
        )
        .await
    }

    async fn list_tags(
        &self,
        _: Permit,
        arn: &ChannelArn,
        next_token: Option<&str>,
    ) -> Answer<TagPage> {
        self.attempt(
            |client| {
                client
                    .list_tags_for_resource()
                    .resource_arn(arn.as_str())
                    .set_next_token(next_token.map(str::to_owned))
                    .send()
            },
            |output, seen| {
                let token = output.next_token().filter(|token| !token.is_empty());
                let next_token = token.map(Into::into);
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
            },
        )
        .await
    }

    async fn tag(&self, _: Permit, arn: &ChannelArn, tags: &[Tag]) -> Answer<()> {
        let tags = match tags.iter().map(convert::tag).collect() {
            Ok(tags) => tags,
            Err(error) => return invalid(&error).into(),
        };
        self.attempt(
            |client| {
                client
                    .tag_resource()
                    .resource_arn(arn.as_str())
                    .set_tags(Some(tags))
                    .send()
            },
            |_, _| Ok(()),
        )
        .await
    }

    async fn untag(&self, _: Permit, arn: &ChannelArn, keys: &[&str]) -> Answer<()> {
        let keys = keys.iter().map(|&key| key.to_owned()).collect();
        self.attempt(
            |client| {
                client
                    .untag_resource()
                    .resource_arn(arn.as_str())
                    .set_tag_key_list(Some(keys))
                    .send()
            },
            |_, _| Ok(()),
        )
        .await
    }

    async fn signaling_endpoints(&self, _: Permit, arn: &ChannelArn) -> Answer<SignalingEndpoints> {
        self.endpoints(arn).await
    }

    async fn ice_servers(&self, _: Permit, arn: &ChannelArn, https: &str) -> Answer<Vec<Box<str>>> {
        self.servers(arn, https).await
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
    fn understood(&self, list: &[aws_sdk_kinesisvideo::types::ChannelInfo]) -> Vec<Channel> {
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
