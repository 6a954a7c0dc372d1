//! The simulated service: the emulator's pure state behind a network of random latency, under tokio's paused clock. Counts
//! what it grants and throttles; knows nothing of how a client paces itself.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, UNIX_EPOCH};

use kvs_fleet::device::{AccountId, ChannelArn, ChannelName, Device, MessageTtl, Region, Tag};
use kvs_fleet::emulator::shapes::{CreateChannel, Request, Response};
use kvs_fleet::emulator::state::{Caller, State};
use kvs_fleet::service::{
    Answer, Channel, ChannelPage, Failure, FailureKind, Identity, ListRequest, Service, TagPage,
};
use tokio::time::Instant;

use crate::scenario::{Neighbour, Scenario};

/// 2023-11-14, a Unix time that ARNs can bear.
const EPOCH: Duration = Duration::from_secs(1_700_000_000);

pub(crate) fn region() -> Region {
    Region::parse("eu-central-1").expect("a Region's name")
}

/// What each host got, second by second.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub(crate) granted: Vec<u32>,
    pub(crate) throttled: Vec<u32>,
}

/// The service with its callers' counts. The neighbour is the last of them.
#[derive(Debug)]
pub(crate) struct World {
    core: Mutex<Core>,
    scenario: Scenario,
    caller: Caller,
    began: Instant,
}

#[derive(Debug)]
struct Core {
    state: State,
    random: fastrand::Rng,
    counts: Vec<Counts>,
    named: u64,
}

impl World {
    pub(crate) fn new(scenario: &Scenario, seed: u64) -> Arc<Self> {
        let seconds = usize::try_from(scenario.lasts.as_secs()).expect("a job of minutes");
        let counts = Counts {
            granted: vec![0; seconds],
            throttled: vec![0; seconds],
        };
        Arc::new(Self {
            core: Mutex::new(Core {
                state: State::new(&scenario.settings(), "localhost"),
                random: fastrand::Rng::with_seed(seed),
                counts: vec![counts; scenario.hosts + 1],
                named: 0,
            }),
            scenario: scenario.clone(),
            caller: Caller {
                region: region(),
                access_key: "SIMULATED".into(),
            },
            began: Instant::now(),
        })
    }

    pub(crate) fn counts(&self) -> Vec<Counts> {
        self.core().counts.clone()
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().expect("nothing panics under the lock")
    }

    /// A name that was never used.
    pub(crate) fn fresh_name(&self) -> String {
        let mut core = self.core();
        core.named += 1;
        format!("cam-{}", core.named)
    }

    /// One create: there, decided on, and back. None when it was throttled.
    pub(crate) async fn create(&self, host: usize, name: &str) -> Option<Arc<str>> {
        let latency = {
            let core = &mut *self.core();
            self.scenario.latency.draw(&mut core.random)
        };
        tokio::time::sleep(latency / 2).await;
        let answer = self.decide(host, name);
        tokio::time::sleep(latency / 2).await;
        answer
    }

    fn decide(&self, host: usize, name: &str) -> Option<Arc<str>> {
        let request = Request::Create(CreateChannel {
            channel_name: Some(name.to_owned()),
            ..CreateChannel::default()
        });
        let at = self.elapsed();
        let mut core = self.core();
        let answer = core.state.answer(EPOCH + at, &self.caller, &request);
        let second = usize::try_from(at.as_secs()).unwrap_or(usize::MAX);
        let counts = &mut core.counts[host];
        let (counts, arn) = match answer {
            Ok(Response::Create(arn)) => (&mut counts.granted, Some(arn)),
            Err(error) if error.is_throttle() => (&mut counts.throttled, None),
            other => panic!("a create of a fresh name brought {other:?}"),
        };
        // What comes after the job's end is not counted.
        if let Some(count) = counts.get_mut(second) {
            *count += 1;
        }
        arn
    }

    /// Sends the neighbour's requests, whatever comes of them.
    pub(crate) async fn play(self: Arc<Self>, neighbour: Neighbour) {
        let host = self.scenario.hosts;
        let period = Duration::from_secs_f64(1.0 / neighbour.rate);
        let mut due = self.began + neighbour.from;
        while due < self.began + neighbour.until {
            tokio::time::sleep_until(due).await;
            let name = self.fresh_name();
            self.decide(host, &name);
            due += period;
        }
    }
}

/// The service as one host's engine sees it.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) world: Arc<World>,
    pub(crate) number: usize,
}

impl Service for Host {
    async fn create(&self, device: &Device) -> Answer<ChannelArn> {
        let name = device.channel_name.as_str();
        let result = match self.world.create(self.number, name).await {
            Some(arn) => Ok(ChannelArn::parse(&arn).expect("the emulator's ARN")),
            None => Err(throttled()),
        };
        let date = UNIX_EPOCH + Duration::from_secs((EPOCH + self.world.elapsed()).as_secs());
        Answer {
            result,
            request_id: None,
            date: Some(date),
        }
    }

    async fn describe(&self, _: &ChannelName) -> Answer<Channel> {
        unreachable!("every outcome is known")
    }

    async fn list(&self, _: &ListRequest) -> Answer<ChannelPage> {
        unreachable!("nothing is reconciled")
    }

    async fn delete(&self, _: &ChannelArn) -> Answer<()> {
        unreachable!("nothing is deleted")
    }

    async fn update(&self, _: &Channel, _: MessageTtl) -> Answer<()> {
        unreachable!("nothing is changed")
    }

    async fn list_tags(&self, _: &ChannelArn, _: Option<&str>) -> Answer<TagPage> {
        unreachable!("no tags are looked at")
    }

    async fn tag(&self, _: &ChannelArn, _: &[Tag]) -> Answer<()> {
        unreachable!("nothing is changed")
    }

    async fn untag(&self, _: &ChannelArn, _: &[&str]) -> Answer<()> {
        unreachable!("nothing is changed")
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

fn throttled() -> Failure {
    Failure {
        kind: FailureKind::Throttled,
        code: "ClientLimitExceededException".into(),
        message: "too many".into(),
        foreign: false,
    }
}
