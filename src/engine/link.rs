//! Whether the service answers at all: whether one attempt failed, or the network is lost.
//!
//! An attempt without an answer is the device's own failure only if another request got an answer since, and recently:
//! answers from before the network was lost prove nothing. Else one probe at a time (Describe, which changes nothing) is
//! sent until an answer comes, and no attempt made in that time counts. Any answer will do: a refusal proves the network as
//! well as a result.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::domain::panics::lock;

/// After this time without any answer the state of the link is not known any more.
const SILENCE: Duration = Duration::from_secs(1);

/// The way to the service in one Region.
#[derive(Debug)]
pub(super) struct Link {
    known: Mutex<LinkState>,
    paused: watch::Sender<bool>,
    /// Held by the one that probes.
    pub(super) probing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct LinkState {
    last_answer: Option<Instant>,
    last_outage_end: Option<Instant>,
    /// Since when no file could be opened for a request.
    without_files: Option<Instant>,
}

impl Link {
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

    pub(super) fn ever_answered(&self) -> bool {
        self.known().last_answer.is_some()
    }

    /// Whether an answer came since then.
    pub(super) fn has_answered_since(&self, then: Instant) -> bool {
        self.known().last_answer.is_some_and(|last| last >= then)
    }

    /// Whether answers come: one since then, and recently.
    pub(super) fn answers_since(&self, then: Instant) -> bool {
        let last = self.known().last_answer;
        last.is_some_and(|last| last > then && last.elapsed() < SILENCE)
    }

    /// Whether an outage has lasted into the time since then.
    pub(super) fn was_out_since(&self, then: Instant) -> bool {
        self.known().last_outage_end.is_some_and(|end| end > then)
    }

    /// No file could be opened for a request. Returns since when, without any answer.
    pub(super) fn without_files(&self) -> Duration {
        let mut known = self.known();
        let since = known.without_files.unwrap_or_else(Instant::now);
        let has_answered = known.last_answer.is_some_and(|last| last >= since);
        let since = if has_answered { Instant::now() } else { since };
        known.without_files = Some(since);
        since.elapsed()
    }

    /// From now on only probes are sent.
    pub(super) fn pause(&self) {
        self.paused.send_replace(true);
    }

    /// Requests may be sent again. `was_out` means that there was an outage, and not only a doubt.
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

    /// Waits until requests may be sent.
    pub(super) async fn usable(&self) {
        // Each attempt waits here, and nearly always they may.
        if self.is_usable() {
            return;
        }
        let mut receiver = self.paused.subscribe();
        // The sender lives as long as this link does, so the wait ends only when the pause does.
        let _ = receiver.wait_for(|paused| !paused).await;
    }

    fn known(&self) -> MutexGuard<'_, LinkState> {
        lock(&self.known)
    }
}
