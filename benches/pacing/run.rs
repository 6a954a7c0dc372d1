//! One run of a scenario: its hosts under one policy, from a seed to a log.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::engine::{self, Limiters};
use crate::policy::Policy;
use crate::scenario::Scenario;
use crate::script;
use crate::world::{Log, World};

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    /// The tool.
    Ours,
    /// A plain script with its own limiter and jittered retries.
    Fixed,
    /// Additive increase, multiplicative decrease.
    Aimd,
}

/// Processes that are started together start within this many seconds.
const START_JITTER: f64 = 0.05;

/// The rate in force at each host, in requests a second; `None` if it has not begun.
pub(crate) type Rates = Vec<Option<f64>>;

pub(crate) fn run(scenario: &Scenario, contender: Contender, seed: u64) -> Log {
    simulate(async {
        let world = World::new(scenario, seed);
        let hosts = start(&world, contender, seed, None);
        finish(scenario, hosts).await;
        world.take_log()
    })
}

/// A run of the tool, with the rates at each multiple of `every` seconds.
pub(crate) fn run_with_rates(scenario: &Scenario, seed: u64, every: f64) -> (Log, Vec<Rates>) {
    simulate(async {
        let world = World::new(scenario, seed);
        let limiters = Limiters::default();
        let hosts = start(&world, Contender::Ours, seed, Some(&limiters));
        let mut samples = Vec::new();
        let mut ticks = tokio::time::interval(Duration::from_secs_f64(every));
        let sample = async {
            loop {
                ticks.tick().await;
                let hosts = 0..scenario.hosts.len();
                let rates = hosts.map(|host| limiters.of(host).map(|limiter| limiter.rate()));
                samples.push(rates.collect());
            }
        };
        tokio::select! {
            () = finish(scenario, hosts) => {}
            () = sample => {}
        }
        (world.take_log(), samples)
    })
}

fn simulate<T>(run: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(run)
}

fn start(
    world: &Arc<World>,
    contender: Contender,
    seed: u64,
    limiters: Option<&Limiters>,
) -> JoinSet<()> {
    let mut hosts = JoinSet::new();
    for (number, plan) in world.scenario.hosts.iter().enumerate() {
        let (world, limiters, plan) = (Arc::clone(world), limiters.cloned(), *plan);
        let seed = seed.wrapping_mul(1_000).wrapping_add(number as u64);
        let jitter = if world.scenario.hosts.len() > 1 {
            START_JITTER * world.random()
        } else {
            0.0
        };
        hosts.spawn(async move {
            let starts = Duration::from_secs_f64(plan.start + jitter);
            world.sleep_until(starts).await;
            match contender {
                Contender::Ours => {
                    if let Some(stop) = engine::run(&world, number, seed, limiters).await {
                        world.stopped(format!("host {number}: {stop:?}"));
                        return;
                    }
                }
                Contender::Fixed => script::run(&world, number, Policy::fixed(plan.rate)).await,
                Contender::Aimd => script::run(&world, number, Policy::aimd(plan.rate)).await,
            }
            world.finished(number);
        });
    }
    hosts
}

/// Waits until all hosts are done, or until the scenario's time limit.
async fn finish(scenario: &Scenario, mut hosts: JoinSet<()>) {
    let end = Duration::from_secs_f64(scenario.ends_by());
    let all_done = async {
        while let Some(ended) = hosts.join_next().await {
            ended.expect("no host panics");
        }
    };
    // At the time limit, the runtime drops what is left.
    let _ = tokio::time::timeout(end, all_done).await;
}
