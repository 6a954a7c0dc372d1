//! One request to the simulated service: its latency, its fault, its answer; and the check that no device has two in
//! flight.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use super::world::{Act, Ask, World, caller};
use kvs_fleet::domain::device::{ChannelArn, ChannelName, Device, MessageTtl, Region, Tag};
use kvs_fleet::domain::service::classify::{self, Reply};
use kvs_fleet::domain::service::{
    Answer, Channel, ChannelPage, Failure, Identity, ListRequest, Operation, SignalingEndpoints,
    TagPage,
};
use kvs_fleet::emulator::faults::FaultKind;
use kvs_fleet::emulator::operation::ApiOperation;
use kvs_fleet::emulator::shapes::{
    self, ApiRequest, ApiResponse, ChannelInfo, CreateChannel, DeleteChannel, DescribeChannel,
    ListChannels, ListTags, NameCondition, SingleMaster, TagResource, UntagResource, UpdateChannel,
};
use kvs_fleet::engine::Service;
use kvs_fleet::engine::pace::limiter::Permit;

/// More requests than any simulation needs: more means an endless loop.
const TOO_MANY: usize = 200_000;

/// The simulated service in one Region.
#[derive(Debug)]
pub(super) struct Sim {
    pub(super) world: Arc<World>,
    pub(super) region: Region,
}

/// A request in flight, until it is dropped.
struct InFlight<'a> {
    world: &'a World,
    name: String,
    /// A listing belongs to no device and needs no worker.
    is_for_device: bool,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let mut core = self.world.core();
        core.in_flight -= u32::from(self.is_for_device);
        *core.by_device.get_mut(&self.name).unwrap() -= 1;
    }
}

/// The decisions about a request when it is sent.
struct Decision {
    act: Option<Act>,
    latency: Duration,
    key: u64,
}

impl Sim {
    fn begin(
        &self,
        operation: Operation,
        name: &str,
        request: &ApiRequest,
    ) -> (Decision, InFlight<'_>) {
        let world = &*self.world;
        let mut core = world.core();
        let nth = core
            .counts
            .entry((operation, format!("{}/{name}", self.region)))
            .or_default();
        *nth += 1;
        let ask = Ask {
            operation,
            name: name.to_owned(),
            nth: *nth,
            at: world.elapsed(),
            region: self.region.clone(),
            generation: core.generation,
        };
        assert!(core.asked.len() < TOO_MANY, "a loop without end: {ask:?}");
        core.asked.push(ask.clone());
        let key = format!("{}/{name}", self.region);
        let of_device = core.by_device.entry(key.clone()).or_default();
        *of_device += 1;
        assert_eq!(
            *of_device, 1,
            "two requests in in_flight for one device: {ask:?}"
        );
        let is_for_device = !name.is_empty();
        core.in_flight += u32::from(is_for_device);
        core.peak = core.peak.max(core.in_flight);
        let spread = if world.settings.jitters {
            0.5 + core.random.f64()
        } else {
            1.0
        };
        let decision = Decision {
            act: if core.is_calm {
                None
            } else {
                (world.settings.script)(&ask).or_else(|| {
                    core.faults
                        .draw(emulated(operation), Some(request))
                        .map(Act::Fault)
                })
            },
            latency: world.settings.emulator.latency.median.mul_f64(spread),
            key: core.first_key + core.generation,
        };
        let in_flight = InFlight {
            world,
            name: key,
            is_for_device,
        };
        (decision, in_flight)
    }

    /// The service handles a request that has reached it.
    fn work(&self, decision: &Decision, request: &ApiRequest) -> Result<ApiResponse, Failure> {
        self.world.catch_up();
        let now = self.world.service_now();
        let caller = caller(&self.region, decision.key);
        let mut core = self.world.core();
        let process = core.process;
        let answer = core.answer(now, &caller, request, (process, false));
        let mut answer = answer.map_err(|error| refusal(error.http_status, error.code));
        let is_hidden = |channel: &ChannelInfo| {
            let made = Duration::from_millis(channel.creation_millis);
            made + self.world.settings.hidden_for > now
        };
        match &mut answer {
            Ok(ApiResponse::Describe(channel)) if is_hidden(channel) => {
                return Err(refusal(404, "ResourceNotFoundException"));
            }
            Ok(ApiResponse::List(page)) => page.channels.retain(|channel| !is_hidden(channel)),
            _ => {}
        }
        answer
    }

    async fn call<T>(
        &self,
        operation: Operation,
        name: &str,
        request: ApiRequest,
        read: impl Fn(ApiResponse) -> T,
    ) -> Answer<T> {
        let (decision, _in_flight) = self.begin(operation, name, &request);
        let limit = self.world.settings.timeout;
        let answered = tokio::time::timeout(limit, self.carry(&decision, &request)).await;
        let result = answered.unwrap_or_else(|_| Err(classify::timed_out(limit)));
        let is_answered = result
            .as_ref()
            .err()
            .is_none_or(|failure| failure.kind.is_answered());
        let seconds = Duration::from_secs(self.world.service_now().as_secs());
        Answer {
            result: result.map(read),
            request_id: is_answered.then(|| "request".into()),
            date: is_answered.then(|| UNIX_EPOCH + seconds),
        }
    }

    async fn carry(
        &self,
        decision: &Decision,
        request: &ApiRequest,
    ) -> Result<ApiResponse, Failure> {
        let latency = decision.latency;
        let fault = match decision.act {
            Some(Act::NoWay) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
                return Err(no_way());
            }
            Some(Act::Refuse(status, code)) => {
                tokio::time::sleep(latency).await;
                return Err(refusal(status, code));
            }
            Some(Act::Late(by)) => {
                let caller = caller(&self.region, decision.key);
                self.world.postpone(by, caller, request.clone());
                return std::future::pending().await;
            }
            Some(Act::Fault(kind)) => Some(kind),
            None => None,
        };
        tokio::time::sleep(latency / 2).await;
        self.world.reach().await;
        if fault == Some(FaultKind::HangBefore) {
            std::future::pending::<()>().await;
        }
        let answer = match fault {
            Some(kind) if !kind.is_applied() => Err(broken(kind)),
            _ => self.work(decision, request),
        };
        self.world.reach().await;
        if fault == Some(FaultKind::HangAfter) {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(latency / 2).await;
        match fault {
            Some(kind) => Err(broken(kind)),
            None => answer,
        }
    }
}

fn emulated(operation: Operation) -> ApiOperation {
    match operation {
        Operation::Create => ApiOperation::Create,
        Operation::Describe => ApiOperation::Describe,
        Operation::List => ApiOperation::List,
        Operation::Delete => ApiOperation::Delete,
        Operation::Update => ApiOperation::Update,
        Operation::ListTags => ApiOperation::ListTags,
        Operation::Tag => ApiOperation::Tag,
        Operation::Untag => ApiOperation::Untag,
        Operation::Endpoint => ApiOperation::Endpoint,
        Operation::Ice => ApiOperation::Ice,
    }
}

fn refusal(status: u16, code: &str) -> Failure {
    let reply = Reply {
        status,
        error_type: Some(code),
        has_request_id: true,
        body: br#"{"Message":"as scripted"}"#,
        message: None,
    };
    reply.failure()
}

fn no_way() -> Failure {
    let causes = ["client error (Connect)", "dns error"].map(str::to_owned);
    classify::connection(&causes, Some("kinesisvideo"))
}

/// How the client sees a fault.
fn broken(kind: FaultKind) -> Failure {
    let reply = |status, has_request_id, body| Reply {
        status,
        has_request_id,
        body,
        ..Reply::default()
    };
    match kind {
        FaultKind::Throttle => refusal(400, "ClientLimitExceededException"),
        FaultKind::Error500 => refusal(500, "InternalFailure"),
        FaultKind::Error503 => refusal(503, "ServiceUnavailableException"),
        FaultKind::Html503 => reply(503, false, b"<html>" as &[u8]).failure(),
        FaultKind::MalformedError => reply(500, true, b"no JSON").failure(),
        FaultKind::Malformed | FaultKind::Empty => reply(200, true, b"{}").unreadable("no result"),
        FaultKind::ResetBefore
        | FaultKind::HangBefore
        | FaultKind::ResetAfter
        | FaultKind::HangAfter
        | FaultKind::Truncated => classify::connection(&["connection reset".to_owned()], None),
    }
}

impl Service for Sim {
    async fn create(&self, _: Permit, device: &Device) -> Answer<ChannelArn> {
        let name = device.channel_name.as_str();
        let request = ApiRequest::Create(CreateChannel {
            channel_name: Some(name.to_owned()),
            single_master_configuration: device.message_ttl.map(|ttl| SingleMaster {
                message_ttl_seconds: Some(i32::from(ttl.as_secs())),
            }),
            ..CreateChannel::default()
        });
        self.call(
            Operation::Create,
            name,
            request,
            |response| match response {
                ApiResponse::Create(arn) => ChannelArn::parse(&arn).unwrap(),
                other => panic!("{other:?}"),
            },
        )
        .await
    }

    async fn describe(&self, _: Permit, name: &ChannelName) -> Answer<Channel> {
        let request = ApiRequest::Describe(DescribeChannel {
            channel_name: Some(name.as_str().to_owned()),
            channel_arn: None,
        });
        let read = |response| match response {
            ApiResponse::Describe(info) => channel(&info),
            other => panic!("{other:?}"),
        };
        self.call(Operation::Describe, name.as_str(), request, read)
            .await
    }

    async fn list(&self, _: Permit, list: &ListRequest) -> Answer<ChannelPage> {
        let prefix = list.name_prefix.as_deref();
        let request = ApiRequest::List(ListChannels {
            max_results: Some(i32::from(list.max_results)),
            next_token: list.next_token.as_deref().map(str::to_owned),
            channel_name_condition: prefix.map(|prefix| NameCondition {
                comparison_operator: Some("BEGINS_WITH".to_owned()),
                comparison_value: Some(prefix.to_owned()),
            }),
        });
        let read = |response| match response {
            ApiResponse::List(page) => ChannelPage {
                channels: page.channels.iter().map(channel).collect(),
                next_token: page.next_token.map(Into::into),
            },
            other => panic!("{other:?}"),
        };
        self.call(Operation::List, prefix.unwrap_or(""), request, read)
            .await
    }

    async fn delete(&self, _: Permit, arn: &ChannelArn) -> Answer<()> {
        let request = ApiRequest::Delete(DeleteChannel {
            channel_arn: Some(arn.as_str().to_owned()),
            current_version: None,
        });
        self.call(Operation::Delete, name_in(arn), request, done)
            .await
    }

    async fn update(&self, _: Permit, channel: &Channel, message_ttl: MessageTtl) -> Answer<()> {
        let request = ApiRequest::Update(UpdateChannel {
            channel_arn: Some(channel.arn.as_str().to_owned()),
            current_version: Some(channel.version.clone().into()),
            single_master_configuration: Some(SingleMaster {
                message_ttl_seconds: Some(i32::from(message_ttl.as_secs())),
            }),
        });
        self.call(Operation::Update, channel.name.as_str(), request, done)
            .await
    }

    async fn list_tags(
        &self,
        _: Permit,
        arn: &ChannelArn,
        next_token: Option<&str>,
    ) -> Answer<TagPage> {
        let request = ApiRequest::ListTags(ListTags {
            resource_arn: Some(arn.as_str().to_owned()),
            next_token: next_token.map(str::to_owned),
        });
        let read = |response| match response {
            ApiResponse::ListTags(tags) => TagPage {
                tags: tags
                    .into_iter()
                    .map(|(key, value)| (key.into(), value.into()))
                    .collect(),
                next_token: None,
            },
            other => panic!("{other:?}"),
        };
        self.call(Operation::ListTags, name_in(arn), request, read)
            .await
    }

    async fn tag(&self, _: Permit, arn: &ChannelArn, tags: &[Tag]) -> Answer<()> {
        let tags = tags.iter().map(|tag| shapes::WireTag {
            key: Some(tag.key().to_owned()),
            value: Some(tag.value().to_owned()),
        });
        let request = ApiRequest::Tag(TagResource {
            resource_arn: Some(arn.as_str().to_owned()),
            tags: Some(tags.collect()),
        });
        self.call(Operation::Tag, name_in(arn), request, done).await
    }

    async fn untag(&self, _: Permit, arn: &ChannelArn, keys: &[&str]) -> Answer<()> {
        let request = ApiRequest::Untag(UntagResource {
            resource_arn: Some(arn.as_str().to_owned()),
            tag_key_list: Some(keys.iter().map(|&key| key.to_owned()).collect()),
        });
        self.call(Operation::Untag, name_in(arn), request, done)
            .await
    }

    async fn signaling_endpoints(&self, _: Permit, _: &ChannelArn) -> Answer<SignalingEndpoints> {
        unreachable!("the engine asks for no endpoints")
    }

    async fn ice_servers(&self, _: Permit, _: &ChannelArn, _: &str) -> Answer<Vec<Box<str>>> {
        unreachable!("the engine asks for no servers")
    }

    fn credentials_generation(&self) -> u64 {
        self.world.core().generation
    }

    async fn reload_credentials(&self, seen: u64) -> Result<Option<Identity>, Failure> {
        self.world.core().reloads += 1;
        tokio::time::sleep(self.world.settings.reload_takes).await;
        let identity = (self.world.settings.reload)(seen)?;
        self.world.core().generation += 1;
        Ok(identity)
    }
}

fn name_in(arn: &ChannelArn) -> &str {
    arn.parts().channel_name
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a reader of answers, as the others"
)]
fn done(response: ApiResponse) {
    assert_eq!(response, ApiResponse::Done);
}

fn channel(info: &ChannelInfo) -> Channel {
    Channel {
        name: ChannelName::parse(&info.name).unwrap(),
        arn: ChannelArn::parse(&info.arn).unwrap(),
        status: info.status,
        channel_type: "SINGLE_MASTER".into(),
        message_ttl: MessageTtl::from_secs(i64::from(info.message_ttl)).ok(),
        creation_millis: info.creation_millis,
        version: info.version.as_str().into(),
    }
}
