//! One quota for many hosts: what a quota server stores for each account, Region and operation, as a trait.
//!
//! The server gives out *slots*: moments at which one request may leave, evenly spaced at the rate of the quota. A slot is
//! given to one host only, so all hosts together cannot exceed the rate. All times are the server's, in seconds since it
//! began to keep the quota; a host learns how long to wait for its slots, so that its own clock does not matter.
//!
//! The rate is a property of the quota: what one host learns from a throttle is in force for all. The server only stores
//! it; the host that reads the evidence decides (see `learner`).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::controller::{FASTEST, SLOWEST};

/// What a quota server keeps for all hosts. The server is asked by the methods of this trait and nothing else.
pub trait Quota: fmt::Debug + Send + Sync {
    /// Takes slots and reports answers, in one step.
    fn take<'a>(&'a self, request: &'a TakeRequest) -> QuotaReply<'a, Taken>;

    /// Stores what was learned from the evidence. Returns false, and stores nothing, if another host was first.
    fn settle<'a>(&'a self, key: &'a QuotaKey, settlement: &'a Settlement) -> QuotaReply<'a, bool>;
}

/// What the quota server answers.
pub type QuotaReply<'a, T> = Pin<Box<dyn Future<Output = Result<T, QuotaError>> + Send + 'a>>;

/// Why the quota server cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    /// It does not answer, or not sensibly. It may do so later.
    #[error("{0}")]
    Unavailable(String),
    /// It refuses this host, or cannot be trusted. Only the operator can change that.
    #[error("{0}")]
    Refused(String),
}

impl QuotaError {
    /// An answer that cannot be understood, or cannot be true.
    pub(crate) fn absurd() -> Self {
        Self::Unavailable("its answer makes no sense".to_owned())
    }
}

/// The quota of one operation in one account and Region: `ACCOUNT/REGION/OPERATION`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QuotaKey(Arc<str>);

impl QuotaKey {
    /// The quota of this operation.
    pub fn new(account: &str, region: &str, operation: &str) -> Self {
        Self(format!("{account}/{region}/{operation}").into())
    }

    /// A quota of nothing, to find out whether the server can be used.
    pub(crate) fn check() -> Self {
        Self("check".into())
    }

    /// As the server knows it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A period in which the server has kept a quota without losing it. Times of different periods cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaHistory {
    /// When it began by the server's clock, in seconds since the Unix epoch.
    pub seconds: u64,
    /// And the microseconds.
    pub micros: u32,
}

/// Asks for slots.
#[derive(Debug, Clone, PartialEq)]
pub struct TakeRequest {
    pub key: QuotaKey,
    /// A name of this process that no other process has, without blanks.
    pub host: Arc<str>,
    /// The fastest rate that this host knows the quota to allow, in requests a second; none if it must be found.
    pub ceiling: Option<f64>,
    /// The most slots; none if there are only answers to report.
    pub wanted: u32,
    /// The least time for which slots are given out in advance, in seconds.
    pub horizon: f64,
    /// The rate at which a quota begins that the server does not know, in requests a second.
    pub start: f64,
    /// The answers since the last report, all of `history`.
    pub answers: Vec<AnswerGroup>,
    /// The history that the host knows, if it knows one.
    pub history: Option<QuotaHistory>,
    /// Whether the rate may have to change at once.
    pub is_urgent: bool,
}

/// The answers to requests whose slots were taken together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnswerGroup {
    /// When the slots were taken.
    pub taken: f64,
    /// The rate at which they were spaced, in requests a second.
    pub rate: f64,
    /// Requests that waited for their slot, not the slot for them.
    pub waited: u32,
    /// Requests that were granted.
    pub granted: u32,
    /// Requests that were throttled.
    pub throttled: u32,
}

/// Slots, and what the server knows of the quota.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    pub history: QuotaHistory,
    /// The server's time.
    pub now: f64,
    /// Seconds until the first slot.
    pub wait: f64,
    /// The number of slots.
    pub count: u32,
    /// The rate of the quota, in requests a second; the slots are spaced by it.
    pub rate: f64,
    /// Hosts that take slots at present, this one included.
    pub hosts: u32,
    /// Throttles of requests whose slots were taken before this are no news; none before the first cut.
    pub cut: Option<f64>,
    /// What all hosts have reported, if this host is to decide on the rate.
    pub evidence: Option<Evidence>,
}

/// What a host decides on the rate with.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// The number of the last settlement.
    pub version: u64,
    /// The state of the learner after it; empty before the first.
    pub learner: String,
    /// The answers since, and when each group was reported.
    pub answers: Vec<(f64, AnswerGroup)>,
    /// How much of the server's record these answers are, in bytes.
    pub length: usize,
    /// The highest ceiling of the hosts that take slots at present; none if one has no ceiling.
    pub ceiling: Option<f64>,
}

/// A decision on the rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    pub history: QuotaHistory,
    /// The number of the settlement that it replaces.
    pub version: u64,
    /// The learner's state.
    pub learner: String,
    /// The rate from now on, in requests a second.
    pub rate: f64,
    /// For how long slots are given out in advance, in seconds.
    pub horizon: f64,
    /// After this time the next evidence is given out, in seconds.
    pub after: f64,
    /// Throttles of requests whose slots were taken before this are no news; none before the first cut.
    pub cut: Option<f64>,
    /// The length of the evidence.
    pub length: usize,
}

/// The most slots that are taken with one call.
pub const MOST_SLOTS: u32 = 4_096;
/// The longest wait for a slot that is believed, in seconds, unless so many hosts wait at so slow a rate.
pub(crate) const LONGEST_WAIT: f64 = 60.0;
/// No history is longer, in seconds: thirty thousand years.
const LONGEST_HISTORY: f64 = 1e12;
/// No turn is longer, in seconds: a week.
const LONGEST_TURN: f64 = 604_800.0;
/// The longest time for which slots are given out in advance, in seconds.
pub(crate) const LONGEST_HORIZON: f64 = 1.0;
/// The most hosts that are believed.
const MOST_HOSTS: u32 = 1_000_000;

impl Taken {
    /// Refuses an answer that cannot be true.
    pub(super) fn check(&self, request: &TakeRequest) -> Result<(), QuotaError> {
        let turns = f64::from(self.hosts) / self.rate;
        let longest = LONGEST_WAIT.max(4.0 * turns).min(LONGEST_TURN);
        let is_bounded = (SLOWEST..=FASTEST).contains(&self.rate)
            && (0.0..=longest).contains(&self.wait)
            && (0.0..=LONGEST_HISTORY).contains(&self.now)
            && (1..=MOST_HOSTS).contains(&self.hosts)
            && self.count <= request.wanted
            && f64::from(self.count) <= (LONGEST_HORIZON * self.rate).max(1.0)
            && (self.count > 0 || request.wanted == 0);
        if is_bounded {
            Ok(())
        } else {
            Err(QuotaError::absurd())
        }
    }
}
