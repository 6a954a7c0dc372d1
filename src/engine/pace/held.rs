//! The slots of a quota that this host holds and has not used. Pure: time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::quota::QuotaHistory;

/// A slot that is this late is dropped: used later, the slots of a host that was stopped would leave in a burst.
const LATEST: Duration = Duration::from_millis(250);
/// A request that leaves within this time after its slot has waited for it.
const WAITED: Duration = Duration::from_millis(10);

/// Where a request's slot is from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SlotOrigin {
    pub(super) history: QuotaHistory,
    /// When it was taken, by the server's clock.
    pub(super) taken: f64,
    /// The rate of the quota then, in requests a second.
    pub(super) rate: f64,
    /// Whether the request waited for it.
    pub(super) waited: bool,
}

/// Slots that were taken together.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlotBatch {
    /// The first that is left.
    pub(super) due: Instant,
    pub(super) interval: Duration,
    pub(super) count: u32,
    pub(super) origin: SlotOrigin,
}

/// The slots that are left, in their order.
#[derive(Debug, Default)]
pub(super) struct HeldSlots(VecDeque<SlotBatch>);

impl HeldSlots {
    pub(super) fn add(&mut self, batch: SlotBatch) {
        if batch.count > 0 {
            self.0.push_back(batch);
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        self.0.iter().map(|batch| batch.count).sum()
    }

    /// When the next one is.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.0.front().map(|batch| batch.due)
    }

    /// When the last one is.
    pub(super) fn last_due(&self) -> Option<Instant> {
        let last = self.0.back()?;
        Some(last.due + last.interval * (last.count - 1))
    }

    /// Drops those that are too late. Returns whether there were any.
    pub(super) fn drop_late(&mut self, now: Instant) -> bool {
        let mut any = false;
        while self.next_due().is_some_and(|due| now > due + LATEST) {
            self.pop();
            any = true;
        }
        any
    }

    /// Uses the next one, if it is due.
    pub(super) fn take(&mut self, now: Instant) -> Option<SlotOrigin> {
        let batch = *self.0.front().filter(|batch| batch.due <= now)?;
        self.pop();
        let waited = batch.origin.waited && now <= batch.due + WAITED;
        Some(SlotOrigin {
            waited,
            ..batch.origin
        })
    }

    fn pop(&mut self) {
        let Some(batch) = self.0.front_mut() else {
            return;
        };
        batch.count -= 1;
        batch.due += batch.interval;
        // Only the first slot may have been free at once.
        batch.origin.waited = true;
        if batch.count == 0 {
            self.0.pop_front();
        }
    }
}
