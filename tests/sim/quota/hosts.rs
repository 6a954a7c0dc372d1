//! Several hosts with an engine each, at one service, with one quota server.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kvs_fleet::domain::clock::WallClock;
use kvs_fleet::domain::device::{ChannelName, Device, DeviceIndex};
use kvs_fleet::domain::service::Operation;
use kvs_fleet::engine::event::{Event, Listener, Listeners, Outcome as Answered};
use kvs_fleet::engine::pace::controller::RateRange;
use kvs_fleet::engine::pace::quota_client::QuotaClient;
use kvs_fleet::engine::{Engine, EngineParts, RowSink, StopSignal, Work};
use kvs_fleet::fleet::known_devices::KnownDevices;
use kvs_fleet::results::record::Row;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::server::{HostLine, SimServer};
use crate::engine::rig::{Rig, here};
use crate::service::Sim;
use crate::world::World;

/// Longer than any run takes.
const FOREVER: Duration = Duration::from_hours(2);

/// What a host does.
#[derive(Debug, Clone)]
pub(super) struct HostPlan {
    pub(super) devices: usize,
    /// When it starts, in seconds.
    pub(super) begins: f64,
    /// When it is killed.
    pub(super) dies: Option<f64>,
    pub(super) rate: RateRange,
    /// A round trip to the quota server, in milliseconds; none where it uses none.
    pub(super) round_trip: Option<u64>,
}

impl HostPlan {
    /// One that knows the quota, and is half a millisecond away from the quota server.
    pub(super) fn new(devices: usize) -> Self {
        Self {
            devices,
            begins: 0.0,
            dies: None,
            rate: RateRange::upto(50.0),
            round_trip: Some(1),
        }
    }
}

/// What became of a host. Times are in seconds.
#[derive(Debug, Default)]
pub(super) struct HostOutcome {
    pub(super) sent: Vec<f64>,
    pub(super) created: Vec<f64>,
    pub(super) throttled: Vec<f64>,
}

/// What became of all.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) hosts: Vec<HostOutcome>,
    pub(super) calls: usize,
}

/// A host's devices.
#[derive(Debug)]
struct Devices(VecDeque<(DeviceIndex, Device)>);

impl Work for Devices {
    async fn next(&mut self) -> Option<(DeviceIndex, Device)> {
        self.0.pop_front()
    }

    fn take_if(&mut self, _wanted: &dyn Fn(&str) -> bool) -> Vec<(DeviceIndex, Device)> {
        Vec::new()
    }

    fn may_want(&self, _name: &str) -> bool {
        false
    }
}

/// Records what happens and when.
#[derive(Debug)]
struct Recorder {
    origin: Instant,
    outcome: Mutex<HostOutcome>,
}

impl RowSink for Recorder {
    async fn record(&self, _device: DeviceIndex, row: Row) -> Result<Row, String> {
        let now = self.origin.elapsed().as_secs_f64();
        self.outcome.lock().unwrap().created.push(now);
        Ok(row)
    }

    async fn record_all(&self, rows: Vec<(DeviceIndex, Row)>) -> Result<Vec<Row>, String> {
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }
}

impl Listener for Recorder {
    fn tell(&self, event: &Event<'_>) {
        let now = self.origin.elapsed().as_secs_f64();
        let mut outcome = self.outcome.lock().unwrap();
        match event {
            Event::Sent {
                operation: Operation::Create,
                ..
            } => outcome.sent.push(now),
            Event::Answered {
                operation: Operation::Create,
                outcome: Answered::Throttled,
                ..
            } => outcome.throttled.push(now),
            _ => {}
        }
    }
}

/// Runs the hosts to their end. `change` changes the service.
pub(super) fn run(
    seed: u64,
    plans: &[HostPlan],
    server: impl FnOnce() -> SimServer,
    change: impl FnOnce(&mut Rig),
) -> Outcome {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut rig = Rig::new(0);
        rig.world_settings.emulator.seed = seed;
        change(&mut rig);
        let world = World::new(rig.world_settings.clone());
        let server = Arc::new(server());
        let origin = Instant::now();
        let mut hosts = JoinSet::new();
        let mut recorders = Vec::new();
        for (number, plan) in plans.iter().enumerate() {
            let recorder = Arc::new(Recorder {
                origin,
                outcome: Mutex::default(),
            });
            recorders.push(Arc::clone(&recorder));
            let parts = parts(&rig, seed, number, plan, &server, &world, recorder);
            hosts.spawn(live(number, plan.clone(), parts, Arc::clone(&world)));
        }
        let ended = tokio::time::timeout(FOREVER, hosts.join_all()).await;
        assert!(ended.is_ok(), "some hosts never end");
        let take = |recorder: Arc<Recorder>| std::mem::take(&mut *recorder.outcome.lock().unwrap());
        Outcome {
            hosts: recorders.into_iter().map(take).collect(),
            calls: server.calls(),
        }
    })
}

fn parts(
    rig: &Rig,
    seed: u64,
    number: usize,
    plan: &HostPlan,
    server: &Arc<SimServer>,
    world: &Arc<World>,
    recorder: Arc<Recorder>,
) -> EngineParts<Recorder> {
    let mut settings = rig.settings.clone();
    settings.seed = seed * 1_000 + number as u64;
    let mut listeners = Listeners::default();
    listeners.add(Arc::clone(&recorder) as Arc<dyn Listener>);
    let clock = Arc::clone(world);
    let quota_client = plan.round_trip.map(|milliseconds| {
        let line = HostLine {
            server: Arc::clone(server),
            host: number,
            round_trip: Duration::from_millis(milliseconds),
        };
        let name = format!("host-{number}");
        Arc::new(QuotaClient::new(
            Arc::new(line),
            &name,
            false,
            Box::new(|_| {}),
        ))
    });
    EngineParts {
        settings,
        sink: recorder,
        listeners,
        stop: StopSignal::new(),
        clock: WallClock::new(move || clock.wall()),
        quota_client,
    }
}

async fn live(number: usize, plan: HostPlan, parts: EngineParts<Recorder>, world: Arc<World>) {
    tokio::time::sleep(Duration::from_secs_f64(plan.begins)).await;
    let mut known_devices = KnownDevices::new();
    let devices = (0..plan.devices).map(|device| {
        let name = format!("H{number:02}-{device:05}");
        let device = Device {
            channel_name: ChannelName::parse(&name).unwrap(),
            id: name.as_str().into(),
            account: None,
            region: here(),
            message_ttl: None,
            tags: Vec::new(),
        };
        (known_devices.insert(&name, &name, &here().into()), device)
    });
    let devices = Devices(devices.collect());
    let mut engine = Engine::new(parts);
    let service = Sim {
        world,
        region: here(),
    };
    engine.add_region(here().into(), plan.rate, service, devices);
    let life = plan.dies.map_or(FOREVER, |dies| {
        Duration::from_secs_f64((dies - plan.begins).max(0.0))
    });
    let _killed = tokio::time::timeout(life, engine.run(None, false)).await;
}

impl Outcome {
    pub(super) fn sent(&self) -> usize {
        self.hosts.iter().map(|host| host.sent.len()).sum()
    }

    pub(super) fn created(&self) -> usize {
        self.hosts.iter().map(|host| host.created.len()).sum()
    }

    /// When the last device was done, in seconds.
    pub(super) fn end(&self) -> f64 {
        let ends = self.hosts.iter().filter_map(|host| host.created.last());
        ends.fold(0.0, |latest, end| end.max(latest))
    }

    /// The share of all requests that were throttled.
    pub(super) fn throttled_share(&self) -> f64 {
        let throttled: usize = self.hosts.iter().map(|host| host.throttled.len()).sum();
        throttled as f64 / self.sent().max(1) as f64
    }

    /// Devices done from then to then, in seconds, a second.
    pub(super) fn rate(&self, from: f64, to: f64) -> f64 {
        let count = |host: &HostOutcome| count(&host.created, from, to);
        self.hosts.iter().map(count).sum::<usize>() as f64 / (to - from)
    }

    /// The same of one host.
    pub(super) fn rate_of(&self, host: usize, from: f64, to: f64) -> f64 {
        count(&self.hosts[host].created, from, to) as f64 / (to - from)
    }

    /// The lowest of Jain's index over any ten seconds in which all hosts work, from then on.
    pub(super) fn fairness(&self, from: f64) -> f64 {
        let ends = self.hosts.iter().filter_map(|host| host.created.last());
        let end = ends.fold(f64::INFINITY, |first, end| end.min(first));
        let starts = (0..).map(|half| from + f64::from(half) * 0.5);
        let windows = starts.take_while(|start| start + 10.0 <= end);
        windows
            .map(|start| {
                let parts = self
                    .hosts
                    .iter()
                    .map(|host| count(&host.created, start, start + 10.0));
                let parts: Vec<f64> = parts.map(|part| part as f64).collect();
                let sum: f64 = parts.iter().sum();
                let squares: f64 = parts.iter().map(|part| part * part).sum();
                sum * sum / (parts.len() as f64 * squares)
            })
            .fold(1.0, f64::min)
    }
}

fn count(times: &[f64], from: f64, to: f64) -> usize {
    times.iter().filter(|at| (from..to).contains(*at)).count()
}
