//! What the engine tells while it works. Listeners (progress, summary) only listen: nothing that
//! they do or fail to do changes the run.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::device::Region;
use crate::domain::service::Operation;
use crate::engine::pace::limiter::Limiter;
use crate::results::record::Row;

/// One thing that happened.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// A Region begins to create channels, at the pace of this limiter.
    RegionStarted {
        /// The Region.
        region: &'a Region,
        /// The limiter of its creates.
        limiter: Arc<Limiter>,
    },
    /// A Region has nothing more to create.
    RegionEnded {
        /// The Region.
        region: &'a Region,
    },
    /// A page of existing channels arrived.
    Listed {
        /// The Region.
        region: &'a Region,
        /// Channels listed so far.
        channels: usize,
    },
    /// A request was sent.
    Sent {
        /// The Region.
        region: &'a Region,
        /// What was asked.
        operation: Operation,
    },
    /// A request was throttled.
    Throttled {
        /// The Region.
        region: &'a Region,
        /// What was asked.
        operation: Operation,
    },
    /// A device's attempt failed and will be made again after a wait.
    Retried {
        /// The device.
        device_id: &'a str,
        /// The failure's code.
        code: &'a str,
        /// The failure in words.
        message: &'a str,
        /// How long it waits.
        wait: Duration,
    },
    /// Nothing in this Region gets an answer; the Region pauses and probes.
    Offline {
        /// The Region.
        region: &'a Region,
        /// Why, in words.
        cause: &'a str,
    },
    /// Answers come again.
    Online {
        /// The Region.
        region: &'a Region,
        /// How long there were none.
        after: Duration,
    },
    /// An adopted channel is not as it would have been made (counted even where it is not shown).
    Differs {
        /// The device.
        device_id: &'a str,
        /// What differs.
        difference: &'a str,
    },
    /// A channel that was there was brought to what is asked.
    Updated {
        /// The device.
        device_id: &'a str,
        /// How it differed before.
        difference: &'a str,
    },
    /// A device's row is on disk.
    Recorded {
        /// The row.
        row: &'a Row,
    },
    /// Something the person should know that stops nothing.
    Warning {
        /// In one sentence.
        text: &'a str,
    },
}

/// Somebody who wants to know.
pub trait Listener: Send + Sync {
    /// Takes note. Must be quick; must not fail.
    fn tell(&self, event: &Event<'_>);
}

/// Several listeners as one, told in order.
#[derive(Clone, Default)]
pub struct Listeners(Vec<Arc<dyn Listener>>);

impl Listeners {
    /// Adds a listener behind the others.
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
