//! The rate of events in the last seconds. Time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The period of the current rate.
pub(super) const NOW: Duration = Duration::from_secs(5);
/// The period for the time left: longer, so that the time left does not jump.
pub(super) const LATELY: Duration = Duration::from_secs(10);
/// In a shorter period a few devices would give a rate of hundreds.
const SHORTEST_WINDOW: Duration = Duration::from_millis(500);
/// Tenths of a second are precise enough, and limit the memory at any rate.
const SLICE: Duration = Duration::from_millis(100);

/// The events of the last ten seconds: the start of each tenth of a second with events, and their number.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<(Instant, u64)>);

impl Recent {
    /// Counts an event.
    pub(super) fn note(&mut self, now: Instant) {
        while self
            .0
            .front()
            .is_some_and(|(at, _)| !is_within(*at, now, LATELY))
        {
            self.0.pop_front();
        }
        match self.0.back_mut() {
            Some((at, count)) if now.duration_since(*at) < SLICE => *count += 1,
            _ => self.0.push_back((now, 1)),
        }
    }

    /// The number of events per second in the last `window`, or since `first` if that is shorter.
    pub(super) fn per_second(&self, now: Instant, window: Duration, first: Option<Instant>) -> f64 {
        let recent = self.0.iter().filter(|(at, _)| is_within(*at, now, window));
        let count: u64 = recent.map(|(_, count)| count).sum();
        let since_first = first.map_or(Duration::ZERO, |first| now.duration_since(first));
        let window = since_first.clamp(SHORTEST_WINDOW, window);
        #[expect(clippy::cast_precision_loss, reason = "a count of a few seconds")]
        let count = count as f64;
        count / window.as_secs_f64()
    }

    #[cfg(test)]
    pub(super) fn slices(&self) -> usize {
        self.0.len()
    }
}

/// Whether a slice began in the last `window`. Its events are after its beginning: at the window's edge, half a slice
/// is too much on one side and too little on the other.
fn is_within(at: Instant, now: Instant, window: Duration) -> bool {
    now.duration_since(at) <= window + SLICE / 2
}
