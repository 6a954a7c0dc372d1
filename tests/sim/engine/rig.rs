//! The parameters of a whole run in a test: the engine between a simulated service, a sink in memory and a listener that
//! records the trace. `run` carries it out, `outcome` has the checks after every run.

use std::sync::Arc;
use std::time::Duration;

use super::memory_sink::{Supply, TestWork};
use crate::world::{Act, Ask, World, WorldSettings, identity};
use kvs_fleet::domain::device::{AccountId, ChannelName, Device, Region};
use kvs_fleet::emulator;
use kvs_fleet::engine::pace::controller::RateRange;
use kvs_fleet::engine::{EngineSettings, OnExists};
use kvs_fleet::fleet::known_devices::KnownDevices;

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

/// The parameters of a run.
#[derive(Clone)]
pub(crate) struct Rig {
    pub(super) devices: Vec<Device>,
    pub(crate) settings: EngineSettings,
    pub(crate) world_settings: WorldSettings,
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
        account: None,
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
                has_common_credentials: false,
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

    /// The service before the run.
    pub(super) fn world(&self) -> Arc<World> {
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
            let index = known_devices.insert(
                &device.id,
                device.channel_name.as_str(),
                &device.region.clone().into(),
            );
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
}
