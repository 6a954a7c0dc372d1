//! The quota server as this process sees it: whether it answers. All limiters share it, so that one of them finds out for
//! all that the server is lost, and one that it is back.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::quota::{Quota, QuotaError, QuotaKey, Settlement, TakeRequest, Taken};
use crate::domain::panics::lock;

/// A call that takes longer has failed, and the server counts as lost.
const LONGEST_CALL: Duration = Duration::from_secs(1);
/// This number of failed calls in a row, however fast they fail, and the server counts as lost.
const FAILURES_UNTIL_LOST: u32 = 2;
/// The time between two calls while the server is lost.
const PROBE_PERIOD: Duration = Duration::from_secs(1);

/// What has changed with the quota server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotaNews {
    /// It does not answer, for this reason: each host goes on alone.
    Alone(String),
    /// It answers again.
    Joined,
}

/// Gets the news.
pub type QuotaListener = Box<dyn Fn(&QuotaNews) + Send + Sync>;

/// The quota server of a process.
pub struct QuotaClient {
    quota: Arc<dyn Quota>,
    host: Arc<str>,
    /// What the accounts' names begin with here: nothing at AWS.
    place: Box<str>,
    health: Mutex<Health>,
    listener: QuotaListener,
}

#[derive(Debug, Default)]
struct Health {
    /// Failed calls since the last one that succeeded.
    failures: u32,
    /// Since when the server is lost.
    lost: Option<Instant>,
    /// How often it was lost.
    outages: u64,
    last_call: Option<Instant>,
    /// How long the last call took.
    round_trip: Duration,
}

impl QuotaClient {
    /// A process with a name that no other one has. The server answers; or `lost`, and is called again every second.
    pub fn new(quota: Arc<dyn Quota>, host: &str, lost: bool, listener: QuotaListener) -> Self {
        let health = Health {
            lost: lost.then(Instant::now),
            outages: u64::from(lost),
            last_call: Some(Instant::now()),
            ..Health::default()
        };
        Self {
            quota,
            host: host.into(),
            place: Box::default(),
            health: Mutex::new(health),
            listener,
        }
    }

    /// The same for a service that is not AWS: its accounts may have the same numbers.
    #[must_use]
    pub fn at(self, place: &str) -> Self {
        Self {
            place: place.into(),
            ..self
        }
    }

    /// The quota of this operation.
    pub(crate) fn key(&self, account: &str, region: &str, operation: &str) -> QuotaKey {
        QuotaKey::new(&format!("{}{account}", self.place), region, operation)
    }

    /// The name of this process.
    pub(super) fn host(&self) -> &Arc<str> {
        &self.host
    }

    /// Whether the server answers.
    pub fn is_joined(&self) -> bool {
        lock(&self.health).lost.is_none()
    }

    /// The number of the present outage; none while the server answers.
    pub(super) fn outage(&self) -> Option<u64> {
        let health = lock(&self.health);
        health.lost.map(|_| health.outages)
    }

    /// Whether it is this caller's turn to find out whether a lost server answers again.
    pub(super) fn is_probe_due(&self) -> bool {
        let mut health = lock(&self.health);
        let now = Instant::now();
        let is_due = health
            .last_call
            .is_none_or(|last| now.duration_since(last) >= PROBE_PERIOD);
        if is_due {
            health.last_call = Some(now);
        }
        is_due
    }

    /// How long a call takes.
    pub(super) fn round_trip(&self) -> Duration {
        lock(&self.health).round_trip
    }

    /// Takes slots and reports answers.
    pub(super) async fn take(&self, request: &TakeRequest) -> Option<Taken> {
        let checked = async {
            let taken = self.quota.take(request).await?;
            taken.check(request)?;
            Ok(taken)
        };
        self.called(checked).await
    }

    /// Stores a decision on the rate.
    pub(super) async fn settle(&self, key: &QuotaKey, settlement: &Settlement) {
        self.called(self.quota.settle(key, settlement)).await;
    }

    async fn called<T>(&self, call: impl Future<Output = Result<T, QuotaError>>) -> Option<T> {
        let started = Instant::now();
        lock(&self.health).last_call = Some(started);
        let answer = tokio::time::timeout(LONGEST_CALL, call).await;
        let answer = answer.unwrap_or_else(|_| {
            let message = "no answer within a second".to_owned();
            Err(QuotaError::Unavailable(message))
        });
        match answer {
            Ok(answer) => {
                self.succeeded(started.elapsed());
                Some(answer)
            }
            Err(error) => {
                self.failed(&error, started.elapsed() >= LONGEST_CALL);
                None
            }
        }
    }

    fn succeeded(&self, took: Duration) {
        let was_lost = {
            let mut health = lock(&self.health);
            health.failures = 0;
            health.round_trip = took;
            health.lost.take().is_some()
        };
        if was_lost {
            (self.listener)(&QuotaNews::Joined);
        }
    }

    fn failed(&self, error: &QuotaError, was_silent: bool) {
        let is_news = {
            let mut health = lock(&self.health);
            health.failures += 1;
            let is_lost = was_silent || health.failures >= FAILURES_UNTIL_LOST;
            let is_news = is_lost && health.lost.is_none();
            if is_news {
                health.lost = Some(Instant::now());
                health.outages += 1;
            }
            is_news
        };
        if is_news {
            (self.listener)(&QuotaNews::Alone(error.to_string()));
        }
    }
}

impl fmt::Debug for QuotaClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuotaClient")
            .field("quota", &self.quota)
            .field("host", &self.host)
            .field("health", &self.health)
            .finish_non_exhaustive()
    }
}
