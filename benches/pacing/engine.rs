//! A host that runs the tool's engine with its limiter and controller.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use kvs_fleet::domain::clock::WallClock;
use kvs_fleet::domain::device::DeviceIndex;
use kvs_fleet::domain::device::{ChannelName, Device};
use kvs_fleet::engine::event::{Event, Listener, Listeners};
use kvs_fleet::engine::pace::limiter::Limiter;
use kvs_fleet::engine::{
    Engine, EngineParts, EngineSettings, OnExists, RowSink, Stop, StopSignal, Work,
};
use kvs_fleet::fleet::known_devices::KnownDevices;
use kvs_fleet::results::record::Row;

use crate::host::Host;
use crate::scenario::HostPlan;
use crate::world::{World, region};

/// A row sink that discards rows.
#[derive(Debug)]
struct DiscardRows;

impl RowSink for DiscardRows {
    async fn record(&self, _: DeviceIndex, row: Row) -> Result<Row, String> {
        Ok(row)
    }

    async fn record_all(&self, rows: Vec<(DeviceIndex, Row)>) -> Result<Vec<Row>, String> {
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }
}

#[derive(Debug)]
struct Devices {
    host: usize,
    left: u32,
    /// All devices share one slot, since no row is kept.
    index: DeviceIndex,
}

impl Work for Devices {
    async fn next(&mut self) -> Option<(DeviceIndex, Device)> {
        let left = self.left.checked_sub(1)?;
        self.left = left;
        let name = format!("cam-{}-{left}", self.host);
        let device = Device {
            channel_name: ChannelName::parse(&name).expect("a valid name"),
            id: name.into(),
            account: None,
            region: region(),
            message_ttl: None,
            tags: Vec::new(),
        };
        Some((self.index, device))
    }

    fn take_if(&mut self, _: &dyn Fn(&str) -> bool) -> Vec<(DeviceIndex, Device)> {
        Vec::new()
    }

    fn may_want(&self, _: &str) -> bool {
        false
    }
}

/// The limiters of the hosts that have begun, for a trace of their rates.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limiters(Arc<Mutex<ByHost>>);

type ByHost = HashMap<usize, Arc<Limiter>>;

impl Limiters {
    /// The limiter of a host.
    pub(crate) fn of(&self, host: usize) -> Option<Arc<Limiter>> {
        let known = self.0.lock().expect("nothing panics under the lock");
        known.get(&host).cloned()
    }
}

struct Registers {
    host: usize,
    limiters: Limiters,
}

impl Listener for Registers {
    fn tell(&self, event: &Event<'_>) {
        if let Event::RegionStarted { limiter, .. } = event {
            let mut known = self.limiters.0.lock().expect("nothing panics under it");
            known.insert(self.host, Arc::clone(limiter));
        }
    }
}

/// Works through the host's devices. Returns why it stopped early, if it did. Adds its limiter to `limiters` if they
/// are given.
pub(crate) async fn run(
    world: &Arc<World>,
    number: usize,
    seed: u64,
    limiters: Option<Limiters>,
) -> Option<Stop> {
    let plan = world.scenario.hosts[number];
    let mut listeners = Listeners::default();
    if let Some(limiters) = limiters {
        listeners.add(Arc::new(Registers {
            host: number,
            limiters,
        }));
    }
    let clock = Arc::clone(world);
    let mut engine = Engine::new(EngineParts {
        settings: settings(plan, seed),
        sink: Arc::new(DiscardRows),
        listeners,
        stop: StopSignal::new(),
        clock: WallClock::new(move || UNIX_EPOCH + clock.wall()),
        quota_client: None,
    });
    let index = KnownDevices::new().insert("any", "any", &region().into());
    let host = Host {
        world: Arc::clone(world),
        number,
    };
    let devices = Devices {
        host: number,
        left: plan.devices,
        index,
    };
    engine.add_region(region().into(), plan.rate, host, devices);
    engine.run(None, false).await
}

/// The tool's defaults except for the attempts: ten seconds of server errors must not use up any device's attempts.
fn settings(plan: HostPlan, seed: u64) -> EngineSettings {
    EngineSettings {
        workers: plan.workers.into(),
        rate: plan.rate,
        max_attempts: 20,
        max_throttled: Duration::from_mins(5),
        max_offline: Duration::from_mins(15),
        timeout: Duration::from_secs(10),
        max_failures: None,
        on_exists: OnExists::Adopt,
        tag_keys: Vec::new(),
        account: None,
        has_common_credentials: false,
        seed,
    }
}
