//! Who sends: the real engine with its limiter and controller, or a plain loop under a policy to compare with.

use std::sync::Arc;
use std::time::Duration;

use kvs_fleet::clock::WallClock;
use kvs_fleet::device::{ChannelName, Device};
use kvs_fleet::engine::Stop;
use kvs_fleet::engine::{Engine, Ledger, OnExists, Parts, Settings, StopSignal, Work};
use kvs_fleet::event::Listeners;
use kvs_fleet::pace::controller::RateRange;
use kvs_fleet::results::record::Row;
use kvs_fleet::roster::{DeviceIndex, Roster};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::policy::Policy;
use crate::scenario::{Scenario, WORKERS};
use crate::world::{Host, World, region};

/// Rows that nobody reads.
#[derive(Debug)]
struct Nowhere;

impl Ledger for Nowhere {
    async fn record(&self, _: DeviceIndex, row: Row) -> Result<Row, String> {
        Ok(row)
    }

    async fn record_all(&self, rows: Vec<(DeviceIndex, Row)>) -> Result<Vec<Row>, String> {
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }
}

/// Devices without end.
#[derive(Debug)]
struct Endless {
    world: Arc<World>,
    index: DeviceIndex,
}

impl Work for Endless {
    async fn next(&mut self) -> Option<(DeviceIndex, Device)> {
        let name = self.world.fresh_name();
        let device = Device {
            channel_name: ChannelName::parse(&name).expect("a valid name"),
            id: name.into(),
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

/// The tool's own engine, until the job's time is over.
pub(crate) async fn engine(scenario: Scenario, world: Arc<World>, number: usize, seed: u64) {
    let stop = StopSignal::new();
    let mut engine = Engine::new(Parts {
        settings: settings(&scenario, seed),
        ledger: Arc::new(Nowhere),
        listeners: Listeners::default(),
        stop: stop.clone(),
        clock: WallClock::system(),
    });
    let mut roster = Roster::new();
    let index = roster
        .insert("any", "any", &region())
        .expect("room for one device");
    let host = Host {
        world: Arc::clone(&world),
        number,
    };
    engine.add_lane(region(), host, Endless { world, index });
    let end = async {
        tokio::time::sleep(scenario.lasts).await;
        stop.give(Stop::Interrupted);
    };
    tokio::join!(engine.run(None, false), end);
}

fn settings(scenario: &Scenario, seed: u64) -> Settings {
    Settings {
        workers: WORKERS,
        rate: RateRange {
            start: scenario.start,
            ceiling: scenario.ceiling,
        },
        max_attempts: 8,
        max_throttled: Duration::from_mins(5),
        max_offline: Duration::from_mins(15),
        timeout: Duration::from_secs(30),
        max_failures: None,
        on_exists: OnExists::Adopt,
        tag_keys: Vec::new(),
        account: None,
        seed,
    }
}

/// A loop of requests at a policy's rate, with as many in flight as the engine may have.
pub(crate) async fn plain<P: Policy>(
    scenario: Scenario,
    world: Arc<World>,
    number: usize,
    mut policy: P,
) {
    let workers = Arc::new(Semaphore::new(WORKERS));
    let mut answers: JoinSet<(Duration, bool)> = JoinSet::new();
    let end = Instant::now() + scenario.lasts;
    let mut last = Instant::now();
    loop {
        let worker = Arc::clone(&workers)
            .acquire_owned()
            .await
            .expect("never closed");
        let due = last + Duration::from_secs_f64(1.0 / policy.rate());
        let waited = due > Instant::now();
        tokio::time::sleep_until(due).await;
        while let Some(Ok((sent_at, granted))) = answers.try_join_next() {
            policy.on_answer(sent_at, world.elapsed(), granted);
        }
        last = due.max(Instant::now() - Duration::from_secs_f64(1.0 / policy.rate()));
        if last >= end {
            break;
        }
        let sent_at = world.elapsed();
        policy.on_sent(sent_at, waited);
        let world = Arc::clone(&world);
        answers.spawn(async move {
            let name = world.fresh_name();
            let granted = world.create(number, &name).await.is_some();
            drop(worker);
            (sent_at, granted)
        });
    }
}
