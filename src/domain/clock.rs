//! The time of this computer and of the service.
//!
//! Durations are measured with tokio's clock, which tests pause. Timestamps in files are from the wall clock, which is
//! passed as a value so that a simulated run has simulated timestamps.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The source of timestamps.
#[derive(Clone)]
pub struct WallClock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl WallClock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::new(SystemTime::now)
    }

    /// A clock that reads the given function.
    pub fn new(read: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    pub fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallClock")
    }
}

/// Milliseconds since the Unix epoch, negative before it.
pub(crate) fn unix_millis(time: SystemTime) -> i64 {
    let signed = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => signed(after),
        Err(before) => -signed(before.duration()),
    }
}

/// An estimate of the service's clock, from the `Date` headers of its answers.
///
/// A `Date` is truncated to whole seconds and read after the answer has travelled here, so the service's clock is never
/// earlier than a sample. The largest offset seen is therefore the closest lower bound: at most a second too low after
/// one answer, and closer after each further one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ServiceClock {
    offset_millis: Option<i64>,
}

impl ServiceClock {
    /// Adds the `date` of an answer that was received at `received` (this computer's clock).
    pub(crate) fn learn(&mut self, date: SystemTime, received: SystemTime) {
        let sample = unix_millis(date) - unix_millis(received);
        self.offset_millis = Some(
            self.offset_millis
                .map_or(sample, |offset| offset.max(sample)),
        );
    }

    /// The service's time at an instant of this computer's clock, in milliseconds since the Unix epoch. After the first
    /// answer it is never too late. Before it, the two clocks are assumed to agree.
    pub(crate) fn service_millis(&self, ours: SystemTime) -> i64 {
        unix_millis(ours) + self.offset_millis.unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_clock_is_estimated_from_below() {
        let at = |millis: u64| UNIX_EPOCH + Duration::from_millis(millis);
        let mut clock = ServiceClock::default();
        assert_eq!(clock.service_millis(at(5_000)), 5_000);
        // The service is 10.4 s ahead; its Date is truncated to the second.
        for (ours, date) in [(1_000, 11_000), (1_590, 11_000), (1_650, 12_000)] {
            clock.learn(at(date), at(ours));
            let estimate = clock.service_millis(at(20_000));
            assert!((29_400..=30_400).contains(&estimate), "{estimate}");
        }
        assert_eq!(clock.service_millis(at(20_000)), 30_350);
    }
}
