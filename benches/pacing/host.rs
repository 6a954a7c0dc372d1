//! The service for the engine of one host.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use kvs_fleet::domain::device::{AccountId, ChannelArn, ChannelName, Device, MessageTtl, Tag};
use kvs_fleet::domain::service::{
    Answer, Channel, ChannelPage, Failure, FailureKind, Identity, ListRequest, SignalingEndpoints,
    TagPage,
};
use kvs_fleet::engine::Service;
use kvs_fleet::engine::pace::limiter::Permit;

use crate::world::{Decision, World};

#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) world: Arc<World>,
    pub(crate) number: usize,
}

impl Host {
    fn answer<T>(&self, result: Result<T, Failure>) -> Answer<T> {
        let seconds = Duration::from_secs(self.world.wall().as_secs());
        Answer {
            result,
            request_id: None,
            date: Some(UNIX_EPOCH + seconds),
        }
    }
}

impl Service for Host {
    async fn create(&self, _: Permit, device: &Device) -> Answer<ChannelArn> {
        let name = device.channel_name.as_str();
        self.answer(match self.world.create(self.number, name).await {
            Decision::Granted(arn) => Ok(ChannelArn::parse(&arn).expect("the emulator's ARN")),
            Decision::Throttled => Err(failure(
                FailureKind::Throttled,
                "ClientLimitExceededException",
            )),
            Decision::Failed => Err(failure(FailureKind::ServerError, "ServiceUnavailable")),
        })
    }

    /// Only devices whose creates all failed are described, and no failed create has created a channel.
    async fn describe(&self, _: Permit, _: &ChannelName) -> Answer<Channel> {
        self.world.round_trip().await;
        self.answer(Err(failure(
            FailureKind::NotFound,
            "ResourceNotFoundException",
        )))
    }

    async fn list(&self, _: Permit, _: &ListRequest) -> Answer<ChannelPage> {
        self.world.round_trip().await;
        self.answer(Ok(ChannelPage {
            channels: Vec::new(),
            next_token: None,
        }))
    }

    async fn delete(&self, _: Permit, _: &ChannelArn) -> Answer<()> {
        unreachable!("nothing is deleted")
    }

    async fn update(&self, _: Permit, _: &Channel, _: MessageTtl) -> Answer<()> {
        unreachable!("nothing is changed")
    }

    async fn list_tags(&self, _: Permit, _: &ChannelArn, _: Option<&str>) -> Answer<TagPage> {
        unreachable!("no tags are looked at")
    }

    async fn tag(&self, _: Permit, _: &ChannelArn, _: &[Tag]) -> Answer<()> {
        unreachable!("nothing is changed")
    }

    async fn untag(&self, _: Permit, _: &ChannelArn, _: &[&str]) -> Answer<()> {
        unreachable!("nothing is changed")
    }

    async fn signaling_endpoints(&self, _: Permit, _: &ChannelArn) -> Answer<SignalingEndpoints> {
        unreachable!("no endpoints are asked for")
    }

    async fn ice_servers(&self, _: Permit, _: &ChannelArn, _: &str) -> Answer<Vec<Box<str>>> {
        unreachable!("no servers are asked for")
    }

    fn credentials_generation(&self) -> u64 {
        0
    }

    async fn reload_credentials(&self, _: u64) -> Result<Option<Identity>, Failure> {
        Ok(Some(Identity {
            account: AccountId::parse(AccountId::EMULATOR).expect("the emulator's account"),
            caller: "simulated".into(),
        }))
    }
}

fn failure(kind: FailureKind, code: &str) -> Failure {
    Failure {
        kind,
        code: code.into(),
        message: "simulated".into(),
        foreign: false,
    }
}
