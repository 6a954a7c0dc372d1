//! The simulated service: the emulator's state and a network, under tokio's paused clock, with its other user. It logs
//! its answers to our hosts, and does not know how they pace themselves.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kvs_fleet::domain::device::Region;
use kvs_fleet::emulator::caller::ApiCaller;
use kvs_fleet::emulator::shapes::{ApiRequest, ApiResponse, CreateChannel};
use kvs_fleet::emulator::state::ServiceState;
use tokio::time::Instant;

use crate::scenario::{Neighbour, Scenario};

/// 2023-11-14, a whole minute: a Unix time that ARNs can have.
const EPOCH: Duration = Duration::from_mins(28_333_333);
const MINUTE: f64 = 60.0;

pub(crate) fn region() -> Region {
    Region::parse("eu-central-1").expect("a Region's name")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Granted,
    Throttled,
    /// A server error.
    Failed,
}

/// An answer to a host's create, with the time at which the host receives it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered {
    pub(crate) at: f64,
    pub(crate) host: usize,
    pub(crate) outcome: Outcome,
}

/// The events in order of time.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) answers: Vec<Answered>,
    /// When each host was done.
    pub(crate) finishes: Vec<Option<f64>>,
    /// Hosts that stopped before their devices were done, and why.
    pub(crate) stops: Vec<String>,
}

/// The service's decision on a create; a granted one has an ARN.
#[derive(Debug)]
pub(crate) enum Decision {
    Granted(Arc<str>),
    Throttled,
    Failed,
}

/// The service and its users.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    core: Mutex<Core>,
    caller: ApiCaller,
    began: Instant,
    /// The Unix time at the start.
    wall: Duration,
}

#[derive(Debug)]
struct Core {
    state: ServiceState,
    random: fastrand::Rng,
    to_come: BinaryHeap<Reverse<Coming>>,
    decided: HashMap<u64, Decision>,
    numbered: u64,
    log: Log,
}

/// An event at the service or on the network. The simulated clock has whole milliseconds, like timers; events are
/// handled at their exact time and in exact order.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Coming {
    at: Duration,
    number: u64,
    what: What,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    NeighbourSends,
    NeighbourArrives,
    /// A host's create with this name arrives.
    Arrives(String),
}

impl World {
    pub(crate) fn new(scenario: &Scenario, seed: u64) -> Arc<Self> {
        let mut random = fastrand::Rng::with_seed(seed);
        let wall = EPOCH + Duration::from_secs_f64(MINUTE * random.f64());
        let mut core = Core {
            state: ServiceState::new(&scenario.settings(), "localhost"),
            random,
            to_come: BinaryHeap::new(),
            decided: HashMap::new(),
            numbered: 0,
            log: Log {
                answers: Vec::new(),
                finishes: vec![None; scenario.hosts.len()],
                stops: Vec::new(),
            },
        };
        if let Some(neighbour) = scenario.neighbour {
            core.neighbour_sends_after(neighbour, neighbour.from);
        }
        Arc::new(Self {
            core: Mutex::new(core),
            scenario: scenario.clone(),
            caller: ApiCaller::new(region(), "SIMULATED"),
            began: Instant::now(),
            wall,
        })
    }

    /// Takes the log.
    pub(crate) fn take_log(&self) -> Log {
        std::mem::take(&mut self.core().log)
    }

    /// Time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Time since the Unix epoch, on every host's clock.
    pub(crate) fn wall(&self) -> Duration {
        self.wall + self.elapsed()
    }

    pub(crate) async fn sleep_until(&self, time: Duration) {
        tokio::time::sleep_until(self.began + time).await;
    }

    /// A number of the world's random sequence, from 0 to 1.
    pub(crate) fn random(&self) -> f64 {
        self.core().random.f64()
    }

    /// A host has no devices left.
    pub(crate) fn finished(&self, host: usize) {
        let now = self.elapsed().as_secs_f64();
        self.core().log.finishes[host] = Some(now);
    }

    /// A host stops before its devices are done.
    pub(crate) fn stopped(&self, cause: String) {
        self.core().log.stops.push(cause);
    }

    /// One create of a host: sent, decided, and answered.
    pub(crate) async fn create(&self, host: usize, name: &str) -> Decision {
        let now = self.elapsed();
        let (number, back) = {
            let core = &mut *self.core();
            let (there, back) = self.scenario.network.draw(&mut core.random);
            let what = What::Arrives(name.to_owned());
            (core.comes(now + there, what), now + there + back)
        };
        self.sleep_until(back).await;
        let now = self.elapsed();
        let core = &mut *self.core();
        self.decide_until(core, now);
        let decision = core.decided.remove(&number).expect("it arrived before");
        core.log.answers.push(Answered {
            at: now.as_secs_f64(),
            host,
            outcome: match decision {
                Decision::Granted(_) => Outcome::Granted,
                Decision::Throttled => Outcome::Throttled,
                Decision::Failed => Outcome::Failed,
            },
        });
        decision
    }

    /// The time of a request that uses no quota, with its answer.
    pub(crate) async fn round_trip(&self) {
        let (there, back) = {
            let core = &mut *self.core();
            self.scenario.network.draw(&mut core.random)
        };
        tokio::time::sleep(there + back).await;
    }

    /// Handles everything that has arrived. Requests that were sent by now but are not known yet arrive later.
    fn decide_until(&self, core: &mut Core, now: Duration) {
        while core.to_come.peek().is_some_and(|next| next.0.at <= now) {
            let Some(Reverse(Coming { at, number, what })) = core.to_come.pop() else {
                break;
            };
            match what {
                What::NeighbourSends => self.neighbour_sends(core, at),
                What::NeighbourArrives => {
                    self.decide(core, at, format!("other-{number}"));
                }
                What::Arrives(name) => {
                    let decision = self.decide(core, at, name);
                    core.decided.insert(number, decision);
                }
            }
        }
    }

    fn neighbour_sends(&self, core: &mut Core, at: Duration) {
        let (there, _) = self.scenario.network.draw(&mut core.random);
        core.comes(at + there, What::NeighbourArrives);
        if let Some(neighbour) = self.scenario.neighbour {
            core.neighbour_sends_after(neighbour, at.as_secs_f64());
        }
    }

    fn decide(&self, core: &mut Core, at: Duration, name: String) -> Decision {
        if core.happens(self.scenario.failing.at(at.as_secs_f64())) {
            return Decision::Failed;
        }
        if core.happens(self.scenario.throttled.at(at.as_secs_f64())) {
            return Decision::Throttled;
        }
        let request = ApiRequest::Create(CreateChannel {
            channel_name: Some(name),
            ..CreateChannel::default()
        });
        let now = self.wall + at;
        match core.state.answer(now, &self.caller, &request) {
            Ok(ApiResponse::Create(arn)) => Decision::Granted(arn),
            Err(error) if error.is_throttle() => Decision::Throttled,
            other => panic!("a create of a fresh name brought {other:?}"),
        }
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().expect("nothing panics under the lock")
    }
}

impl Core {
    /// Schedules an event; returns its number.
    fn comes(&mut self, at: Duration, what: What) -> u64 {
        self.numbered += 1;
        let number = self.numbered;
        self.to_come.push(Reverse(Coming { at, number, what }));
        number
    }

    /// The neighbour's next create after this time or after its start.
    fn neighbour_sends_after(&mut self, neighbour: Neighbour, last: f64) {
        let period = 1.0 / neighbour.rate;
        let is_first = last <= neighbour.from;
        let next = match (neighbour.is_even, is_first) {
            (true, true) => last + period * self.random.f64(),
            (true, false) => last + period,
            // 1 - f64() is never 0.
            (false, _) => last - period * (1.0 - self.random.f64()).ln(),
        };
        if next < neighbour.until {
            self.comes(Duration::from_secs_f64(next), What::NeighbourSends);
        }
    }

    fn happens(&mut self, share: f64) -> bool {
        share > 0.0 && self.random.f64() < share
    }
}
