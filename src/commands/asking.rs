//! How `verify` and `rollback` send requests: their settings, and many requests at once.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::cli::AskArgs;
use crate::domain::clock::WallClock;
use crate::domain::device::AccountId;
use crate::domain::service::Operation;
use crate::engine::event::Listeners;
use crate::engine::pace::controller::RateRange;
use crate::engine::{Caller, EngineParts, EngineSettings, OnExists, StopSignal};

/// How long a Region may throttle everything, and how long a service that was reached may give no answer.
const PATIENCE: Duration = Duration::from_mins(5);

impl AskArgs {
    /// Settings for this account, where it is known.
    pub(super) fn settings(&self, account: Option<AccountId>) -> EngineSettings {
        EngineSettings {
            workers: self.workers,
            rate: RateRange::upto(Operation::Create.quota()),
            max_attempts: self.max_attempts,
            max_throttled: PATIENCE,
            max_offline: PATIENCE,
            timeout: self.timeout,
            max_failures: None,
            on_exists: OnExists::Adopt,
            tag_keys: Vec::new(),
            account,
            seed: seed(),
        }
    }
}

/// Sends requests with these settings until the run stops.
pub(super) fn caller(settings: EngineSettings, listeners: Listeners, stop: StopSignal) -> Caller {
    Caller::new(EngineParts {
        settings,
        sink: Arc::new(()),
        listeners,
        stop,
        clock: WallClock::system(),
    })
}

/// The seed of all randomness in this run, drawn once.
pub(super) fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| fastrand::u64(..))
}

/// Does the same with all items, at most `most` at once. None as soon as one was stopped.
pub(super) async fn side_by_side<T, R, F>(
    items: Vec<T>,
    most: usize,
    with: impl Fn(T) -> F,
) -> Option<Vec<R>>
where
    F: Future<Output = Option<R>> + Send + 'static,
    R: Send + 'static,
{
    let slots = Arc::new(tokio::sync::Semaphore::new(most.max(1)));
    let mut tasks = JoinSet::new();
    let mut results = Vec::with_capacity(items.len());
    for item in items {
        let slot = Arc::clone(&slots).acquire_owned().await.ok()?;
        while let Some(ended) = tasks.try_join_next() {
            results.push(ended.ok()??);
        }
        let doing = with(item);
        tasks.spawn(async move {
            let _slot = slot;
            doing.await
        });
    }
    while let Some(ended) = tasks.join_next().await {
        results.push(ended.ok()??);
    }
    Some(results)
}
