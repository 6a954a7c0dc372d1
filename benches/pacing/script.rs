//! A host that runs a plain script: a fixed number of workers, each with one device at a time, at a policy's rate.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::policy::{self, Policy};
use crate::world::{Decision, World};

/// Timers fire up to this much late; the turns compensate for it.
const TIMER_GRAIN: Duration = Duration::from_millis(2);

struct Script {
    world: Arc<World>,
    number: usize,
    left: AtomicU32,
    policy: Mutex<Policy>,
    /// The last turn. One worker at a time waits for the next one, in order of arrival.
    turn: tokio::sync::Mutex<Instant>,
}

/// Works through the host's devices.
pub(crate) async fn run(world: &Arc<World>, number: usize, policy: Policy) {
    let plan = world.scenario.hosts[number];
    let script = Arc::new(Script {
        world: Arc::clone(world),
        number,
        left: AtomicU32::new(plan.devices),
        policy: Mutex::new(policy),
        turn: tokio::sync::Mutex::new(Instant::now()),
    });
    let mut workers = JoinSet::new();
    for _ in 0..plan.workers {
        workers.spawn(Arc::clone(&script).work());
    }
    while let Some(ended) = workers.join_next().await {
        ended.expect("no worker panics");
    }
}

impl Script {
    async fn work(self: Arc<Self>) {
        let one_less = |left: u32| left.checked_sub(1);
        while let Ok(left) = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
        {
            self.create(&format!("cam-{}-{left}", self.number)).await;
        }
    }

    /// Retries until the device has its channel.
    async fn create(&self, name: &str) {
        let mut failures = 0;
        loop {
            let sent = self.leave().await;
            let decision = self.world.create(self.number, name).await;
            failures += 1;
            let longest = match decision {
                Decision::Granted(_) => return,
                Decision::Throttled => {
                    let mut policy = self.policy();
                    policy.on_throttled(sent, self.now());
                    policy.backoff(failures)
                }
                Decision::Failed => policy::backoff(failures),
            };
            if longest > 0.0 {
                let wait = longest * self.world.random();
                tokio::time::sleep(Duration::from_secs_f64(wait)).await;
            }
        }
    }

    /// Waits until a request may be sent; returns when it was allowed.
    async fn leave(&self) -> f64 {
        let mut turn = self.turn.lock().await;
        let (period, jitter) = {
            let policy = self.policy();
            (
                Duration::from_secs_f64(1.0 / policy.rate()),
                policy.jitter(),
            )
        };
        let earliest = Instant::now().checked_sub(TIMER_GRAIN);
        *turn = (*turn + period).max(earliest.unwrap_or(*turn));
        let leaves = *turn + period.mul_f64(jitter * self.world.random());
        let waited = leaves > Instant::now();
        tokio::time::sleep_until(leaves).await;
        let now = self.now();
        self.policy().on_sent(now, waited);
        now
    }

    fn now(&self) -> f64 {
        self.world.elapsed().as_secs_f64()
    }

    fn policy(&self) -> std::sync::MutexGuard<'_, Policy> {
        self.policy.lock().expect("nothing panics under the lock")
    }
}
