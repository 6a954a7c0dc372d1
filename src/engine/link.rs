//! Whether the service answers at all: the difference between a device's bad luck and a network that is gone.
//!
//! An attempt without an answer is the device's only if somebody else got one meanwhile, and lately: the last ones
//! that were answered before a network went prove nothing. Else one probe at a time asks (by Describe, which changes nothing) until an answer comes, and no attempt made in that time counts. Any
//! answer will do: a refusal proves the network as well as a result.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// How long a service that was never reached is tried before the run stops.
pub const FIRST_CONTACT: Duration = Duration::from_secs(5);

/// After so long without any answer nothing is known of the link any more.
const SILENCE: Duration = Duration::from_secs(1);

/// What is known of the way to the service in one Region.
#[derive(Debug)]
pub(super) struct Link {
    known: Mutex<Known>,
    paused: watch::Sender<bool>,
    /// Held by the one that probes.
    pub(super) probing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    last_answer: Option<Instant>,
    /// When the last outage ended.
    last_outage_end: Option<Instant>,
}

impl Link {
    /// A link of which nothing is known yet.
    #[must_use]
    pub(super) fn new() -> Self {
        Self {
            known: Mutex::default(),
            paused: watch::Sender::new(false),
            probing: tokio::sync::Mutex::new(()),
        }
    }

    /// An answer came.
    pub(super) fn answered(&self) {
        self.known().last_answer = Some(Instant::now());
    }

    /// Whether any answer ever came.
    pub(super) fn ever_answered(&self) -> bool {
        self.known().last_answer.is_some()
    }

    /// Whether an answer came since then.
    pub(super) fn has_answered_since(&self, then: Instant) -> bool {
        self.known().last_answer.is_some_and(|last| last >= then)
    }

    /// Whether answers come: one since then, and lately.
    pub(super) fn answers_since(&self, then: Instant) -> bool {
        let last = self.known().last_answer;
        last.is_some_and(|last| last > then && last.elapsed() < SILENCE)
    }

    /// Whether an outage has lasted into the time since then.
    pub(super) fn was_out_since(&self, then: Instant) -> bool {
        self.known().last_outage_end.is_some_and(|end| end > then)
    }

    /// Nothing is to be sent but probes.
    pub(super) fn pause(&self) {
        self.paused.send_replace(true);
    }

    /// Requests may be sent again. `was_out` says that there was an outage, not just a doubt.
    pub(super) fn resume(&self, was_out: bool) {
        if was_out {
            self.known().last_outage_end = Some(Instant::now());
        }
        self.paused.send_replace(false);
    }

    /// Whether requests may be sent.
    pub(super) fn is_usable(&self) -> bool {
        !*self.paused.borrow()
    }

    /// Waits while nothing is to be sent.
    pub(super) async fn usable(&self) {
        // Nearly always it is, and each attempt asks.
        if self.is_usable() {
            return;
        }
        let mut receiver = self.paused.subscribe();
        // The sender lives as long as this link does, so the wait ends only when the pause does.
        let _ = receiver.wait_for(|paused| !paused).await;
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Link {
    fn default() -> Self {
        Self::new()
    }
}
