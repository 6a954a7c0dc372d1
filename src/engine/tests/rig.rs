//! A whole run in a test: the engine between a simulated service, a ledger in memory and a listener that keeps the
//! trace, on a runtime of its own whose clock is paused. [`Outcome::check`] holds what must be true after every run.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use super::world::{Act, Ask, EPOCH, Nature, World, identity};
use crate::clock::WallClock;
use crate::device::{AccountId, ChannelName, Device, Region};
use crate::emulator;
use crate::engine::{Arrival, Engine, Ledger, OnExists, Parts, Settings, Stop, StopSignal, Work};
use crate::event::{Event, Listener, Listeners};
use crate::results::record::{Row, Status};
use crate::roster::{DeviceIndex, Roster};
use crate::service::Operation;

/// Longer than any run takes: what is not over by then never will be.
const FOREVER: Duration = Duration::from_hours(48);

pub(super) fn region(name: &str) -> Region {
    Region::parse(name).unwrap()
}

pub(super) fn here() -> Region {
    region("eu-central-1")
}

pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Channels that are there before the run.
#[derive(Debug, Clone)]
pub(super) struct Premade {
    pub(super) region: Region,
    pub(super) name: String,
    pub(super) ago: Duration,
    pub(super) deleting: bool,
    pub(super) ttl: Option<i32>,
}

impl Premade {
    pub(super) fn new(name: impl Into<String>, ago: f64) -> Self {
        Self {
            region: here(),
            name: name.into(),
            ago: seconds(ago),
            deleting: false,
            ttl: None,
        }
    }
}

/// How the devices come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Supply {
    Listed,
    /// As a stream whose Regions arrive while it runs.
    Streamed,
}

/// Everything that a run depends on.
#[derive(Clone)]
pub(super) struct Rig {
    pub(super) devices: Vec<Device>,
    pub(super) settings: Settings,
    pub(super) nature: Nature,
    pub(super) premade: Vec<Premade>,
    pub(super) census: bool,
    pub(super) supply: Supply,
    /// Between the census and the first create.
    pub(super) dawdle: Duration,
    pub(super) interrupt_at: Option<Duration>,
    /// The process is gone at once.
    pub(super) crash_at: Option<Duration>,
    pub(super) ledger_takes: Duration,
    pub(super) ledger_fails_after: Option<usize>,
}

pub(super) fn device(number: usize, region: &Region) -> Device {
    let name = format!("CAM-{number:05}");
    Device {
        channel_name: ChannelName::parse(&name).unwrap(),
        id: name.into(),
        region: region.clone(),
        message_ttl: None,
        tags: Vec::new(),
    }
}

impl Rig {
    /// So many devices in one Region, a service that behaves, the default settings.
    pub(super) fn new(devices: usize) -> Self {
        Self {
            devices: (0..devices).map(|number| device(number, &here())).collect(),
            settings: Settings {
                workers: 64,
                ceiling: Some(50.0),
                max_attempts: 8,
                max_throttled: Duration::from_mins(5),
                max_offline: Duration::from_mins(15),
                timeout: Duration::from_secs(10),
                max_failures: None,
                on_exists: OnExists::Adopt,
                account: None,
                seed: 1,
            },
            nature: Nature {
                emulator: emulator::Settings::default(),
                script: Arc::new(|_| None),
                reload: Arc::new(|_| Ok(Some(identity(AccountId::EMULATOR)))),
                reload_takes: Duration::from_millis(300),
                timeout: Duration::from_secs(10),
                jitters: true,
                ahead: Duration::ZERO,
            },
            premade: Vec::new(),
            census: false,
            supply: Supply::Listed,
            dawdle: Duration::ZERO,
            interrupt_at: None,
            crash_at: None,
            ledger_takes: Duration::from_millis(3),
            ledger_fails_after: None,
        }
    }

    pub(super) fn faults(mut self, faults: &[&str]) -> Self {
        let faults = faults.iter().map(|fault| fault.parse().unwrap());
        self.nature.emulator.faults = faults.collect();
        self
    }

    pub(super) fn script(
        mut self,
        script: impl Fn(&Ask) -> Option<Act> + Send + Sync + 'static,
    ) -> Self {
        self.nature.script = Arc::new(script);
        self
    }

    /// Runs it to its end.
    pub(super) fn run(&self) -> Outcome {
        on_paused_clock(async {
            let world = self.world();
            self.run_in(&world).await
        })
    }

    /// Runs it, and three minutes later what has no channel yet, as a rerun does, under these circumstances.
    pub(super) fn run_twice(&self, again: impl FnOnce(&Outcome) -> Self) -> (Outcome, Outcome) {
        on_paused_clock(async {
            let world = self.world();
            let first = self.run_in(&world).await;
            tokio::time::sleep(seconds(180.0)).await;
            let mut rig = again(&first);
            rig.devices.retain(|device| !first.has_channel(&device.id));
            let second = rig.run_in(&world).await;
            (first, second)
        })
    }

    fn world(&self) -> Arc<World> {
        let world = World::new(self.nature.clone());
        // One after the other, no faster than the slowest quota.
        let mut earlier =
            seconds(0.5).mul_f64(f64::from(u32::try_from(self.premade.len()).unwrap()));
        for made in &self.premade {
            earlier -= seconds(0.5);
            world.premake(&made.region, &made.name, made.ago + earlier, made.ttl);
            if made.deleting {
                world.delete(&made.region, &made.name);
            }
        }
        world
    }

    /// The devices of each Region, in the order in which Regions appear.
    fn lanes(&self) -> Vec<(Region, Supplied)> {
        let mut roster = Roster::new();
        let mut lanes: Vec<(Region, Supplied)> = Vec::new();
        for device in &self.devices {
            let index = roster.insert(&device.id, device.channel_name.as_str(), &device.region);
            let item = (index.unwrap(), device.clone());
            match lanes
                .iter_mut()
                .find(|(region, _)| *region == device.region)
            {
                Some((_, supplied)) => supplied.devices.push_back(item),
                None => lanes.push((device.region.clone(), Supplied::new(item, self.supply))),
            }
        }
        lanes
    }

    async fn run_in(&self, world: &Arc<World>) -> Outcome {
        let began = world.elapsed();
        let book = Arc::new(Book {
            world: Arc::clone(world),
            takes: self.ledger_takes,
            fails_after: self.ledger_fails_after,
            rows: Mutex::default(),
            trace: Mutex::default(),
        });
        let mut listeners = Listeners::default();
        listeners.add(Arc::clone(&book) as Arc<dyn Listener>);
        let stop = StopSignal::new();
        let clock = Arc::clone(world);
        let parts = Parts {
            settings: self.settings.clone(),
            ledger: Arc::clone(&book),
            listeners,
            stop: stop.clone(),
            clock: WallClock::new(move || clock.wall()),
        };
        let interruption = self.interrupt_at.map(|at| {
            tokio::spawn(async move {
                tokio::time::sleep(at).await;
                stop.give(Stop::Interrupted);
            })
        });
        let patience = self.crash_at.unwrap_or(FOREVER);
        let ended = tokio::time::timeout(patience, self.engine(world, parts)).await;
        assert!(
            ended.is_ok() || self.crash_at.is_some(),
            "the run never ends; its last words:\n{}",
            book.tail()
        );
        if let Some(interruption) = interruption {
            interruption.abort();
        }
        // The dropped tasks of a crash are gone with the next turn of the runtime.
        tokio::task::yield_now().await;
        let outcome = Outcome {
            rig: self.clone(),
            stop: ended.ok().flatten(),
            rows: book.rows.lock().unwrap().clone(),
            trace: book.trace.lock().unwrap().clone(),
            took: world.elapsed().saturating_sub(began),
            asked: world.asked(),
            began,
            world: Arc::clone(world),
        };
        outcome.check();
        outcome
    }

    async fn engine(&self, world: &Arc<World>, parts: Parts<Book>) -> Option<Stop> {
        let mut engine = Engine::new(parts);
        if self.supply == Supply::Listed {
            for (region, work) in self.lanes() {
                let service = world.service(&region);
                engine.add_lane(region, service, work);
            }
            if self.census {
                engine.take_census().await;
                tokio::time::sleep(self.dawdle).await;
            }
            return engine.run(None, self.census).await;
        }
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        let (lanes, world) = (self.lanes(), Arc::clone(world));
        tokio::spawn(async move {
            for (region, work) in lanes {
                let service = world.service(&region);
                let arrival = Arrival {
                    region,
                    service,
                    work,
                };
                if sender.send(arrival).await.is_err() {
                    break;
                }
            }
        });
        engine.run(Some(receiver), self.census).await
    }
}

fn on_paused_clock<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(future)
}

/// A lane's devices.
#[derive(Debug)]
struct Supplied {
    devices: VecDeque<(DeviceIndex, Device)>,
    supply: Supply,
}

impl Supplied {
    fn new(first: (DeviceIndex, Device), supply: Supply) -> Self {
        Self {
            devices: VecDeque::from([first]),
            supply,
        }
    }
}

impl Work for Supplied {
    async fn next(&mut self) -> Option<(DeviceIndex, Device)> {
        if self.supply == Supply::Streamed {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.devices.pop_front()
    }

    fn take_if(&mut self, wanted: &dyn Fn(&str) -> bool) -> Vec<(DeviceIndex, Device)> {
        if self.supply == Supply::Streamed {
            return Vec::new();
        }
        let (taken, left) = std::mem::take(&mut self.devices)
            .into_iter()
            .partition(|(_, device)| wanted(device.channel_name.as_str()));
        self.devices = left;
        Vec::from(taken)
    }

    fn may_want(&self, name: &str) -> bool {
        name.starts_with("CAM-")
    }
}

/// The ledger and the listener: what was recorded, what was told.
#[derive(Debug)]
pub(super) struct Book {
    world: Arc<World>,
    takes: Duration,
    fails_after: Option<usize>,
    rows: Mutex<Vec<Row>>,
    trace: Mutex<Vec<String>>,
}

impl Book {
    fn tail(&self) -> String {
        let trace = self.trace.lock().unwrap();
        trace[trace.len().saturating_sub(20)..].join("\n")
    }
}

impl Ledger for Book {
    async fn record(&self, rows: Vec<(DeviceIndex, Row)>) -> Result<(), String> {
        tokio::time::sleep(self.takes).await;
        let mut kept = self.rows.lock().unwrap();
        if self
            .fails_after
            .is_some_and(|most| kept.len() + rows.len() > most)
        {
            return Err("the disk is full".to_owned());
        }
        kept.extend(rows.into_iter().map(|(_, row)| row));
        Ok(())
    }
}

impl Listener for Book {
    fn tell(&self, event: &Event<'_>) {
        if let Event::Recorded { row } = event {
            let is_kept = self.rows.lock().unwrap().iter().any(|kept| kept == *row);
            assert!(is_kept, "told before it is on disk: {row:?}");
        }
        let mut line = format!("{:>12} ", self.world.elapsed().as_micros());
        // Writing to a string cannot fail.
        let _ = match event {
            Event::LaneStarted { region, .. } => write!(line, "LaneStarted {region}"),
            other => write!(line, "{other:?}"),
        };
        self.trace.lock().unwrap().push(line);
    }
}

/// What came of a run.
pub(super) struct Outcome {
    rig: Rig,
    pub(super) stop: Option<Stop>,
    /// In the order in which they were recorded.
    pub(super) rows: Vec<Row>,
    pub(super) trace: Vec<String>,
    pub(super) took: Duration,
    began: Duration,
    asked: Vec<Ask>,
    pub(super) world: Arc<World>,
}

impl Outcome {
    /// The device's row.
    pub(super) fn row(&self, number: usize) -> &Row {
        let id = format!("CAM-{number:05}");
        let found = self.rows.iter().find(|row| *row.device_id == *id);
        found.unwrap_or_else(|| panic!("no row for {id}"))
    }

    /// How many rows have this status and, if they failed, which code.
    pub(super) fn tally(&self) -> BTreeMap<String, usize> {
        let mut tally = BTreeMap::new();
        for row in &self.rows {
            let key = match row.status {
                Status::Failed => row.error_code.to_string(),
                other => other.as_str().to_owned(),
            };
            *tally.entry(key).or_default() += 1;
        }
        tally
    }

    pub(super) fn count(&self, key: &str) -> usize {
        self.tally().get(key).copied().unwrap_or_default()
    }

    pub(super) fn has_channel(&self, id: &str) -> bool {
        let mut rows = self.rows.iter();
        rows.any(|row| *row.device_id == *id && row.status.has_arn())
    }

    /// Requests of this run for an operation.
    pub(super) fn asked(&self, operation: Operation) -> Vec<Ask> {
        let mut asked = self.asked.clone();
        asked.retain(|ask| ask.operation == operation && ask.at >= self.began);
        asked
    }

    /// How many events of the trace contain this.
    pub(super) fn told(&self, what: &str) -> usize {
        self.trace.iter().filter(|line| line.contains(what)).count()
    }

    /// What must be true after every run, whatever happened in it.
    fn check(&self) {
        let ids: HashSet<_> = self.rows.iter().map(|row| &row.device_id).collect();
        assert_eq!(ids.len(), self.rows.len(), "a device has two rows");
        assert_eq!(self.told("Recorded"), self.rows.len());
        self.check_rows();
        if self.rig.crash_at.is_none() && self.rig.ledger_fails_after.is_none() {
            self.check_nothing_is_lost();
        }
        self.check_pace();
        let (peak, workers) = (self.world.peak(), self.rig.settings.workers);
        assert!(peak <= workers, "{peak} requests at once");
    }

    /// `created` and `exists` rows tell the truth.
    fn check_rows(&self) {
        let born = UNIX_EPOCH + EPOCH + self.rig.nature.ahead + self.began;
        for row in self.rows.iter().filter(|row| row.status.has_arn()) {
            let channels = self.world.channels(&region(&row.region));
            let arn = row.channel_arn.as_ref().unwrap();
            assert_eq!(channels[&*row.channel_name], arn.as_str(), "{row:?}");
            let made = UNIX_EPOCH + Duration::from_millis(arn.parts().creation_millis);
            // The service's clock is known to a second, and an ARN cuts off what is below a millisecond.
            let is_new = made + Duration::from_millis(1) > born;
            let is_open = !is_new && made + seconds(1.5) > born;
            assert!(
                is_open || is_new == (row.status == Status::Created),
                "{row:?}"
            );
        }
    }

    /// Every channel that this run made has a row that names it, or says that nobody knows.
    fn check_nothing_is_lost(&self) {
        for (region, _) in self.rig.lanes() {
            for (name, arn) in self.world.channels(&region) {
                let row = self.rows.iter().find(|row| *row.channel_name == *name);
                let tried = self
                    .asked(Operation::Create)
                    .iter()
                    .any(|ask| ask.name == name);
                let told = row.is_some_and(|row| {
                    row.status.has_arn()
                        || matches!(
                            &*row.error_code,
                            "OutcomeUnknown" | "ChannelExists" | "ChannelDeleting"
                        )
                });
                let excused = self.rig.premade.iter().any(|made| made.name == name);
                assert!(
                    told || !tried || excused,
                    "{arn} was made, but its row is {row:?}"
                );
            }
        }
    }

    /// No operation is asked for faster than its rate, in any stretch of time. Two may come at once.
    fn check_pace(&self) {
        for operation in [Operation::Create, Operation::Describe, Operation::List] {
            let rate = match operation {
                Operation::Create => self.rig.settings.ceiling,
                other => Some(other.quota()),
            };
            let Some(rate) = rate else { continue };
            for (region, _) in self.rig.lanes() {
                let asked = self.asked(operation);
                let times = asked.iter().filter(|ask| ask.region == region);
                check_bucket(times.map(|ask| ask.at), rate);
            }
        }
    }
}

fn check_bucket(times: impl Iterator<Item = Duration>, rate: f64) {
    let burst = (rate * 0.002).ceil().max(2.0);
    let (mut level, mut last) = (0.0_f64, Duration::ZERO);
    for at in times {
        level = (level - rate * at.saturating_sub(last).as_secs_f64()).max(0.0) + 1.0;
        last = at;
        assert!(
            level <= burst + 1e-6,
            "{level} at {at:?}, faster than {rate}/s"
        );
    }
}
