//! How a run behaves, and what the engine is built from.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::event::Listeners;
use super::pace::controller::RateRange;
use super::pace::quota_client::QuotaClient;
use super::stop_signal::StopSignal;
use crate::domain::clock::WallClock;
use crate::domain::device::AccountId;

/// What happens to a channel that exists before the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnExists {
    /// It becomes the device's channel; a difference in type or TTL is reported.
    #[default]
    Adopt,
    /// It becomes the device's channel only if its type, TTL and the requested tags match; else the device fails.
    Verify,
    /// Its TTL and tags are changed to what is requested, then it becomes the device's channel.
    Update,
    /// The device fails.
    Fail,
}

/// How many failed rows end a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FailureLimit {
    /// More than this number.
    Count(u64),
    /// More than this percentage of the devices that have an outcome, judged from 100 on.
    Percent(f64),
}

impl fmt::Display for FailureLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// How a run behaves.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// The most requests in flight.
    pub workers: usize,
    /// The rate of creates in each account and Region, unless there is another for it.
    pub rate: RateRange,
    /// Create attempts a device.
    pub max_attempts: u32,
    /// How long a Region may throttle everything.
    pub max_throttled: Duration,
    /// How long a service that has answered before may stay silent.
    pub max_offline: Duration,
    /// How long requests in flight may take after the run was stopped.
    pub timeout: Duration,
    /// Failed rows that end the run.
    pub max_failures: Option<FailureLimit>,
    /// What happens to channels that exist before the run.
    pub on_exists: OnExists,
    /// The keys of all tags that the manifest and the flags can request: [`OnExists::Update`] removes those that a device
    /// does not request.
    pub tag_keys: Vec<Box<str>>,
    /// The account of the run's own credentials, where it is known: every ARN must be of it where the rows name none.
    pub account: Option<AccountId>,
    /// Whether the credentials of all accounts come from the run's own: then no account can be used without these.
    pub has_common_credentials: bool,
    /// Draws every jitter.
    pub seed: u64,
}

/// What the engine is built from.
#[derive(Debug)]
pub struct EngineParts<L> {
    /// How it behaves.
    pub settings: EngineSettings,
    /// Where rows go.
    pub sink: Arc<L>,
    /// Who gets its events.
    pub listeners: Listeners,
    /// Ends the run.
    pub stop: StopSignal,
    /// Where timestamps come from.
    pub clock: WallClock,
    /// The quota server, where one is used: all hosts that use it share each quota.
    pub quota_client: Option<Arc<QuotaClient>>,
}
