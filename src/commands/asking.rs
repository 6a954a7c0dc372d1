//! How `verify` and `rollback` send requests: their settings, the listing of a Region, and many requests at once.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use indexmap::{IndexMap, IndexSet};
use tokio::task::JoinSet;
use tracing::warn;

use crate::cli::AskArgs;
use crate::domain::clock::WallClock;
use crate::domain::device::{AccountId, AccountRegion, ChannelName};
use crate::domain::service::{Channel, Failure, Operation};
use crate::engine::event::Listeners;
use crate::engine::pace::controller::RateRange;
use crate::engine::pace::quota_client::QuotaClient;
use crate::engine::{
    Caller, EngineParts, EngineSettings, OnExists, RegionCaller, Service, StopSignal, Unanswered,
};

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
            has_common_credentials: false,
            seed: seed(),
        }
    }
}

/// Sends requests with these settings until the run stops.
pub(super) fn caller(
    settings: EngineSettings,
    listeners: Listeners,
    stop: StopSignal,
    quota_client: Option<Arc<QuotaClient>>,
) -> Caller {
    Caller::new(EngineParts {
        settings,
        sink: Arc::new(()),
        listeners,
        stop,
        clock: WallClock::system(),
        quota_client,
    })
}

/// A seed for the randomness of a run.
pub(super) fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| fastrand::u64(..))
}

/// The answer or the refusal; none if the request was stopped.
pub(super) fn answered<T>(asked: Result<T, Unanswered>) -> Option<Result<T, Failure>> {
    match asked {
        Ok(answer) => Some(Ok(answer)),
        Err(Unanswered::Refused(failure)) => Some(Err(failure)),
        Err(Unanswered::Stopped) => None,
    }
}

/// The channels of a Region that have one of these names, by name.
pub(super) type Existing = HashMap<ChannelName, Channel>;

/// Lists the channels with these names. Where the Region cannot be listed, there is no listing, and what happens `instead`
/// is reported. None if it was stopped.
pub(super) async fn list_existing<S: Service>(
    requests: &RegionCaller<S>,
    names: impl Iterator<Item = &ChannelName>,
    instead: &str,
) -> Option<Option<Existing>> {
    let names: HashSet<&ChannelName> = names.collect();
    let mut found = Existing::new();
    let listed = requests.list(|page| {
        let ours = page.into_iter().filter(|there| names.contains(&there.name));
        found.extend(ours.map(|there| (there.name.clone(), there)));
    });
    let listed = answered(listed.await)?;
    Some(match listed {
        Ok(()) => Some(found),
        Err(failure) => {
            say_not_listed(requests.account_region(), &failure, instead);
            None
        }
    })
}

pub(super) fn say_not_listed(region: &AccountRegion, failure: &Failure, instead: &str) {
    warn!(
        "the channels in {region} cannot be listed ({}: {}); {instead}",
        failure.code, failure.message
    );
}

/// These accounts and Regions, each once, in the order in which they come first.
pub(super) fn distinct<'a>(all: impl Iterator<Item = &'a AccountRegion>) -> Vec<AccountRegion> {
    let distinct: IndexSet<&AccountRegion> = all.collect();
    distinct.into_iter().cloned().collect()
}

/// The items of each account and Region.
pub(super) fn by_region<T>(
    items: Vec<T>,
    account_region: impl Fn(&T) -> &AccountRegion,
) -> IndexMap<AccountRegion, Vec<T>> {
    let mut by_region: IndexMap<AccountRegion, Vec<T>> = IndexMap::new();
    for item in items {
        let account_region = account_region(&item).clone();
        by_region.entry(account_region).or_default().push(item);
    }
    by_region
}

/// Does the same with all items, at most `most` at once. If one was stopped, no other begins, those under way come to their
/// end, since what they have done must be recorded, and there are no results.
pub(super) async fn side_by_side<T, R, F>(
    items: impl IntoIterator<Item = T>,
    most: usize,
    with: impl Fn(T) -> F,
) -> Option<Vec<R>>
where
    F: Future<Output = Option<R>> + Send + 'static,
    R: Send + 'static,
{
    let slots = Arc::new(tokio::sync::Semaphore::new(most.max(1)));
    let mut tasks = JoinSet::new();
    // None once one was stopped, or has panicked.
    let mut results = Some(Vec::new());
    for item in items {
        let slot = Arc::clone(&slots).acquire_owned().await.ok()?;
        while let Some(ended) = tasks.try_join_next() {
            add(&mut results, ended.ok().flatten());
        }
        if results.is_none() {
            break;
        }
        let doing = with(item);
        tasks.spawn(async move {
            let _slot = slot;
            doing.await
        });
    }
    while let Some(ended) = tasks.join_next().await {
        add(&mut results, ended.ok().flatten());
    }
    results
}

/// Adds a result; without one there are none at all.
fn add<R>(results: &mut Option<Vec<R>>, result: Option<R>) {
    match (results.as_mut(), result) {
        (Some(results), Some(result)) => results.push(result),
        (_, None) => *results = None,
        (None, Some(_)) => {}
    }
}
