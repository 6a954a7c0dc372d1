//! When creates were throttled, and what the service granted then: a bounded number of slices of time. Time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// The width of a slice until there are too many.
const SHORTEST: Duration = Duration::from_secs(1);
/// The most slices. Then each becomes twice as wide.
const MOST: usize = 120;

/// The throttled creates of one slice.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Slice {
    pub(crate) throttled: u64,
    /// What the service granted at the slice's first throttle, in creates a second; `None` if it is unknown.
    pub(crate) granted: Option<f64>,
}

/// Throttled creates by time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Throttles {
    /// The first throttle, where the first slice begins.
    pub(crate) began: Instant,
    pub(crate) width: Duration,
    pub(crate) slices: Vec<Slice>,
}

impl Throttles {
    pub(super) fn new(began: Instant) -> Self {
        Self {
            began,
            width: SHORTEST,
            slices: Vec::new(),
        }
    }

    /// Whether a slice begins at this time.
    pub(super) fn is_new(&self, now: Instant) -> bool {
        self.slice(now) >= self.slices.len()
    }

    /// A create was throttled.
    pub(super) fn note(&mut self, now: Instant, granted: Option<f64>) {
        let slice = loop {
            let slice = self.slice(now);
            if slice < MOST {
                break slice;
            }
            self.widen();
        };
        if slice >= self.slices.len() {
            self.slices.resize(slice + 1, Slice::default());
        }
        let slice = &mut self.slices[slice];
        slice.throttled += 1;
        slice.granted = granted.or(slice.granted);
    }

    fn slice(&self, now: Instant) -> usize {
        let since = now.duration_since(self.began).as_millis();
        usize::try_from(since / self.width.as_millis().max(1)).unwrap_or(usize::MAX)
    }

    fn widen(&mut self) {
        self.width *= 2;
        let pairs = self.slices.chunks(2).map(|pair| Slice {
            throttled: pair.iter().map(|slice| slice.throttled).sum(),
            granted: pair.iter().rev().find_map(|slice| slice.granted),
        });
        self.slices = pairs.collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn long_runs_have_wider_slices_and_lose_no_throttle() {
        let began = Instant::now();
        let mut throttles = Throttles::new(began);
        for second in 0..1_000 {
            throttles.note(began + Duration::from_secs(second), Some(37.0));
        }
        assert_eq!(throttles.width, Duration::from_secs(16));
        assert_eq!(throttles.slices.len(), 63);
        let all: u64 = throttles.slices.iter().map(|slice| slice.throttled).sum();
        assert_eq!(all, 1_000);
        // A throttle after hours of silence.
        throttles.note(began + Duration::from_hours(10), None);
        assert!(throttles.slices.len() <= MOST);
        assert_eq!(throttles.slices[0].granted, Some(37.0));
    }
}
