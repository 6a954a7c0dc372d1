//! The slots of a quota that this host holds and has not used. Pure: time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::quota::QuotaHistory;

/// A slot that is this late is dropped: used later, the slots of a host that was stopped would leave in a burst.
pub(super) const MOST_LATE: Duration = Duration::from_millis(250);
/// A request that leaves within this time after its slot has waited for it.
const ON_TIME: Duration = Duration::from_millis(10);

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
        while self.next_due().is_some_and(|due| now > due + MOST_LATE) {
            self.pop();
            any = true;
        }
        any
    }

    /// Uses the next one, if it is due.
    pub(super) fn take(&mut self, now: Instant) -> Option<SlotOrigin> {
        let batch = *self.0.front().filter(|batch| batch.due <= now)?;
        self.pop();
        let waited = batch.origin.waited && now <= batch.due + ON_TIME;
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

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(20);

    fn batch(due: Instant, count: u32, waited: bool) -> SlotBatch {
        SlotBatch {
            due,
            interval: PERIOD,
            count,
            origin: SlotOrigin {
                history: QuotaHistory {
                    seconds: 1,
                    micros: 2,
                },
                taken: 3.0,
                rate: 50.0,
                waited,
            },
        }
    }

    #[tokio::test(start_paused = true)]
    async fn slots_are_used_one_by_one_when_they_are_due() {
        let start = Instant::now();
        let mut held = HeldSlots::default();
        held.add(batch(start, 2, false));
        held.add(batch(start + 2 * PERIOD, 1, true));
        held.add(batch(start, 0, true));
        assert_eq!((held.count(), held.next_due()), (3, Some(start)));
        assert_eq!(held.last_due(), Some(start + 2 * PERIOD));
        // The first was free at once.
        assert!(!held.take(start).unwrap().waited);
        assert_eq!(held.take(start), None);
        assert!(held.take(start + PERIOD).unwrap().waited);
        let late = start + 2 * PERIOD + 2 * ON_TIME;
        assert!(!held.take(late).unwrap().waited);
        assert_eq!((held.count(), held.next_due()), (0, None));
    }

    #[tokio::test(start_paused = true)]
    async fn slots_that_are_too_late_are_dropped() {
        let start = Instant::now();
        let mut held = HeldSlots::default();
        held.add(batch(start, 20, true));
        assert!(!held.drop_late(start + MOST_LATE));
        assert!(held.drop_late(start + MOST_LATE + 2 * PERIOD));
        assert_eq!(held.count(), 18);
        assert!(held.drop_late(start + Duration::from_hours(1)));
        assert_eq!(held.count(), 0);
    }
}
