//! One run of the engine with a rig's parameters, on the paused clock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::memory_sink::{MemorySink, Supply};
use super::outcome::Outcome;
use super::rig::{Rig, seconds};
use crate::service::Sim;
use crate::world::World;
use kvs_fleet::domain::clock::WallClock;
use kvs_fleet::domain::device::Region;
use kvs_fleet::engine::event::{Listener, Listeners};
use kvs_fleet::engine::{Arrival, Engine, EngineParts, Stop, StopSignal};

/// Longer than any run takes: a run that is not finished by then hangs.
const FOREVER: Duration = Duration::from_hours(48);

impl Rig {
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
            quota_client: None,
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
                engine.add_region(region.into(), self.settings.rate, service, work);
            }
            if self.listing {
                engine.list_existing().await;
                tokio::time::sleep(self.dawdle).await;
            }
            return engine.run(None, self.listing).await;
        }
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        let (regions, world) = (self.regions(), Arc::clone(world));
        let rate = self.settings.rate;
        tokio::spawn(async move {
            for (region, work) in regions {
                let service = Ok(service(&world, &region));
                let arrival = Arrival {
                    account_region: region.into(),
                    rate,
                    service,
                    work,
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
