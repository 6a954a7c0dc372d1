//! A whole run in a test: the engine between a simulated service, a sink in memory and a listener that records the
//! trace, on a runtime with a paused clock. `outcome` has the checks after every run.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::memory_sink::{MemorySink, TestWork};
use super::outcome::Outcome;
use crate::service::Sim;
use crate::world::{Act, Ask, World, WorldSettings, identity};
use kvs_fleet::domain::clock::WallClock;
use kvs_fleet::domain::device::{AccountId, ChannelName, Device, Region};
use kvs_fleet::emulator;
use kvs_fleet::engine::event::{Listener, Listeners};
use kvs_fleet::engine::pace::controller::RateRange;
use kvs_fleet::engine::{Arrival, Engine, EngineParts, EngineSettings, OnExists, Stop, StopSignal};
use kvs_fleet::fleet::known_devices::KnownDevices;

/// Longer than any run takes: a run that is not finished by then hangs.
const FOREVER: Duration = Duration::from_hours(48);

pub(crate) fn region(name: &str) -> Region {
    Region::parse(name).unwrap()
}

pub(crate) fn here() -> Region {
    region("eu-central-1")
}

pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Channels that exist before the run.
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

/// How devices are supplied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Supply {
    Listed,
    /// As a stream whose Regions appear during the run.
    Streamed,
}

/// The parameters of a run.
#[derive(Clone)]
pub(crate) struct Rig {
    pub(super) devices: Vec<Device>,
    pub(crate) settings: EngineSettings,
    pub(super) world_settings: WorldSettings,
    pub(super) premade: Vec<Premade>,
    pub(super) listing: bool,
    pub(super) supply: Supply,
    /// The pause between the listing and the first create.
    pub(super) dawdle: Duration,
    pub(super) interrupt_at: Option<Duration>,
    /// Kills the process at this time.
    pub(super) crash_at: Option<Duration>,
    pub(super) sink_takes: Duration,
    pub(super) sink_fails_after: Option<usize>,
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
    /// This many devices in one Region, a service without faults, the default settings.
    pub(crate) fn new(devices: usize) -> Self {
        Self {
            devices: (0..devices).map(|number| device(number, &here())).collect(),
            settings: EngineSettings {
                workers: 64,
                rate: RateRange::upto(50.0),
                max_attempts: 8,
                max_throttled: Duration::from_mins(5),
                max_offline: Duration::from_mins(15),
                timeout: Duration::from_secs(10),
                max_failures: None,
                on_exists: OnExists::Adopt,
                tag_keys: Vec::new(),
                account: None,
                seed: 1,
            },
            world_settings: WorldSettings {
                emulator: emulator::EmulatorSettings::default(),
                script: Arc::new(|_| None),
                reload: Arc::new(|_| Ok(Some(identity(AccountId::EMULATOR)))),
                reload_takes: Duration::from_millis(300),
                timeout: Duration::from_secs(10),
                jitters: true,
                ahead: Duration::ZERO,
                hidden_for: Duration::ZERO,
            },
            premade: Vec::new(),
            listing: false,
            supply: Supply::Listed,
            dawdle: Duration::ZERO,
            interrupt_at: None,
            crash_at: None,
            sink_takes: Duration::from_millis(3),
            sink_fails_after: None,
        }
    }

    pub(super) fn faults(mut self, faults: &[&str]) -> Self {
        let faults = faults.iter().map(|fault| fault.parse().unwrap());
        self.world_settings.emulator.faults = faults.collect();
        self
    }

    pub(super) fn script(
        mut self,
        script: impl Fn(&Ask) -> Option<Act> + Send + Sync + 'static,
    ) -> Self {
        self.world_settings.script = Arc::new(script);
        self
    }

    /// Runs to the end.
    pub(super) fn run(&self) -> Outcome {
        on_paused_clock(async {
            let world = self.world();
            self.run_in(&world).await
        })
    }

    /// Runs, and three minutes later reruns the remaining devices with these parameters.
    pub(super) fn run_twice(&self, again: impl FnOnce(&Outcome) -> Self) -> (Outcome, Outcome) {
        on_paused_clock(async {
            let world = self.world();
            let first = self.run_in(&world).await;
            tokio::time::sleep(seconds(180.0)).await;
            world.restart();
            let mut rig = again(&first);
            rig.devices.retain(|device| !first.has_channel(&device.id));
            let second = rig.run_in(&world).await;
            (first, second)
        })
    }

    fn world(&self) -> Arc<World> {
        let world = World::new(self.world_settings.clone());
        // One after the other, no faster than the lowest quota.
        let all = u32::try_from(self.premade.len()).unwrap();
        for (made, number) in self.premade.iter().zip(1..) {
            let earlier = Duration::from_millis(500) * (all - number);
            world.premake(&made.region, &made.name, made.ago + earlier, made.ttl);
            if made.deleting {
                world.delete(&made.region, &made.name);
            }
        }
        world
    }

    /// The devices of each Region, in the order in which Regions appear.
    pub(super) fn regions(&self) -> Vec<(Region, TestWork)> {
        let mut known_devices = KnownDevices::new();
        let mut regions: Vec<(Region, TestWork)> = Vec::new();
        for device in &self.devices {
            let index =
                known_devices.insert(&device.id, device.channel_name.as_str(), &device.region);
            let item = (index, device.clone());
            match regions
                .iter_mut()
                .find(|(region, _)| *region == device.region)
            {
                Some((_, supplied)) => supplied.devices.push_back(item),
                None => regions.push((device.region.clone(), TestWork::new(item, self.supply))),
            }
        }
        regions
    }

    async fn run_in(&self, world: &Arc<World>) -> Outcome {
        let began = world.elapsed();
        let sink = Arc::new(MemorySink {
            world: Arc::clone(world),
            takes: self.sink_takes,
            fails_after: self.sink_fails_after,
            rows: Mutex::default(),
            trace: Mutex::default(),
        });
        let mut listeners = Listeners::default();
        listeners.add(Arc::clone(&sink) as Arc<dyn Listener>);
        let stop = StopSignal::new();
        let clock = Arc::clone(world);
        let parts = EngineParts {
            settings: self.settings.clone(),
            sink: Arc::clone(&sink),
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
            sink.tail()
        );
        if let Some(interruption) = interruption {
            interruption.abort();
        }
        // The runtime drops the tasks of a killed run at its next turn.
        tokio::task::yield_now().await;
        let outcome = Outcome {
            rig: self.clone(),
            stop: ended.ok().flatten(),
            rows: sink.rows.lock().unwrap().clone(),
            trace: sink.trace.lock().unwrap().clone(),
            took: world.elapsed().saturating_sub(began),
            asked: world.asked(),
            began,
            world: Arc::clone(world),
        };
        outcome.check();
        outcome
    }

    async fn engine(&self, world: &Arc<World>, parts: EngineParts<MemorySink>) -> Option<Stop> {
        let mut engine = Engine::new(parts);
        if self.supply == Supply::Listed {
            for (region, work) in self.regions() {
                let service = service(world, &region);
                engine.add_region(region, service, work);
            }
            if self.listing {
                engine.list_existing().await;
                tokio::time::sleep(self.dawdle).await;
            }
            return engine.run(None, self.listing).await;
        }
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        let (regions, world) = (self.regions(), Arc::clone(world));
        tokio::spawn(async move {
            for (region, work) in regions {
                let service = service(&world, &region);
                let arrival = Arrival {
                    region,
                    service,
                    work,
                    not_offered: None,
                };
                if sender.send(arrival).await.is_err() {
                    break;
                }
            }
        });
        engine.run(Some(receiver), self.listing).await
    }
}

fn service(world: &Arc<World>, region: &Region) -> Sim {
    Sim {
        world: Arc::clone(world),
        region: region.clone(),
    }
}

fn on_paused_clock<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(future)
}
