//! The engine's events. Listeners (progress, summary) only listen: nothing that they do or fail to do changes the run.

use std::sync::Arc;
use std::time::Duration;

use super::pace::limiter::Limiter;
use super::stop::Stop;
use crate::domain::device::{AccountId, AccountRegion};
use crate::domain::service::{Failure, Operation};
use crate::results::record::Row;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The service did it.
    Success,
    /// The quota was exceeded.
    Throttled,
    /// The service refused it for another reason: the same request would be refused again.
    Refused,
    /// A server error, of the service or of a proxy: the same request may succeed.
    ServerError,
    /// No answer came, or the request could not be sent.
    NoAnswer,
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// A Region begins to create channels, at the pace of this limiter.
    RegionStarted {
        account_region: &'a AccountRegion,
        /// The limiter of its creates.
        limiter: Arc<Limiter>,
    },
    /// A Region has nothing more to create.
    RegionEnded { account_region: &'a AccountRegion },
    /// A page of existing channels arrived.
    Listed {
        account_region: &'a AccountRegion,
        /// Channels listed so far.
        channels: usize,
    },
    /// A request was sent.
    Sent {
        account_region: &'a AccountRegion,
        operation: Operation,
    },
    /// A request that was sent has its answer, or is given up.
    Answered {
        account_region: &'a AccountRegion,
        operation: Operation,
        outcome: Outcome,
        /// The time since it was sent.
        latency: Duration,
    },
    /// A device's attempt failed and is repeated after a wait.
    Retried {
        device_id: &'a str,
        /// The failure's code.
        code: &'a str,
        /// The failure's message.
        message: &'a str,
        /// How long it waits.
        wait: Duration,
    },
    /// A request that is no device's create failed and is repeated after a wait.
    Repeated {
        account_region: &'a AccountRegion,
        operation: Operation,
        /// Of the failed attempt.
        failure: &'a Failure,
    },
    /// Nothing in this Region gets an answer; the Region pauses and probes.
    Offline {
        account_region: &'a AccountRegion,
        /// The failure's message.
        cause: &'a str,
    },
    /// Answers come again.
    Online {
        account_region: &'a AccountRegion,
        /// How long there were none.
        after: Duration,
    },
    /// The credentials of an account were refused: its devices wait for new ones.
    CredentialsRefused {
        /// As the rows name it.
        account: Option<&'a AccountId>,
    },
    /// New credentials are in use.
    CredentialsRenewed {
        /// As the rows name it.
        account: Option<&'a AccountId>,
    },
    /// An account, or Regions of it, ended for a reason that does not concern the others.
    PartStopped {
        /// As the rows name it.
        account: Option<&'a AccountId>,
        cause: &'a Stop,
    },
    /// An adopted channel differs from the one that would have been created. Always counted, not always shown.
    Differs {
        device_id: &'a str,
        /// What differs.
        difference: &'a str,
    },
    /// An existing channel was changed to what is requested.
    Updated {
        device_id: &'a str,
        /// How it differed before.
        difference: &'a str,
    },
    /// A device's row is on disk.
    Recorded { row: &'a Row },
    /// The quota server is lost: this host goes on alone.
    QuotaServerLost,
    /// Something that the operator should know and that does not stop the run.
    Warning {
        /// In one sentence.
        text: &'a str,
    },
}

/// Receives the events.
pub trait Listener: Send + Sync {
    /// Receives one. Must be quick; must not fail.
    fn tell(&self, event: &Event<'_>);
}

/// Several listeners as one, in order.
#[derive(Clone, Default)]
pub struct Listeners(Vec<Arc<dyn Listener>>);

impl Listeners {
    /// Adds a listener after the others.
    pub fn add(&mut self, listener: Arc<dyn Listener>) {
        self.0.push(listener);
    }
}

impl Listener for Listeners {
    fn tell(&self, event: &Event<'_>) {
        for listener in &self.0 {
            listener.tell(event);
        }
    }
}

impl std::fmt::Debug for Listeners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Listeners({})", self.0.len())
    }
}
