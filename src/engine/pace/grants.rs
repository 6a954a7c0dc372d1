//! What the service granted in the last seconds, counted in slices of time. Pure: time is an argument, in seconds.

use std::collections::VecDeque;

/// Seconds of a slice: fine enough for a window of a second, and few to keep at any rate.
const SLICE: f64 = 0.05;
/// The longest window, in seconds.
pub(super) const LONGEST: f64 = 5.0;
/// A rate is not taken over less than this, in seconds: the first answers of a run would make it infinite.
const SHORTEST: f64 = 0.02;

/// Grants of the last [`LONGEST`] seconds.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Grants {
    began: Option<f64>,
    /// The number of a slice, counted from time zero, and its grants.
    slices: VecDeque<(u64, u32)>,
}

impl Grants {
    /// The first request leaves: before it there was nothing to grant.
    pub(super) fn begin(&mut self, now: f64) {
        self.began.get_or_insert(now);
    }

    /// A request was granted.
    pub(super) fn add(&mut self, now: f64) {
        let slice = slice_of(now);
        match self.slices.back_mut() {
            Some((last, count)) if *last >= slice => *count += 1,
            _ => self.slices.push_back((slice, 1)),
        }
        let oldest = slice_of(now - LONGEST);
        while self
            .slices
            .front()
            .is_some_and(|(slice, _)| *slice < oldest)
        {
            self.slices.pop_front();
        }
    }

    /// Grants a second over the last `window` seconds, or since the first request if that is shorter.
    pub(super) fn rate(&self, now: f64, window: f64) -> f64 {
        let oldest = slice_of(now - window);
        let recent = self.slices.iter().rev();
        let recent = recent.take_while(|(slice, _)| *slice > oldest || now <= window);
        let granted: f64 = recent.map(|(_, count)| f64::from(*count)).sum();
        let elapsed = self.began.map_or(window, |began| now - began);
        granted / elapsed.min(window).max(SHORTEST)
    }

    /// Whether there was none at all.
    pub(super) fn is_empty(&self) -> bool {
        self.slices.is_empty()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float-to-integer cast saturates: before time zero is slice 0"
)]
fn slice_of(seconds: f64) -> u64 {
    (seconds / SLICE) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_rate(per_second: u32, seconds: u32) -> Grants {
        let mut grants = Grants::default();
        grants.begin(0.0);
        for number in 1..=per_second * seconds {
            grants.add(f64::from(number) / f64::from(per_second));
        }
        grants
    }

    #[test]
    fn a_steady_rate_is_the_same_over_any_window() {
        let grants = at_rate(100, 20);
        for window in [1.0, LONGEST] {
            let rate = grants.rate(20.0, window);
            assert!((95.0..=105.0).contains(&rate), "{window}: {rate}");
        }
        assert!(grants.rate(30.0, 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn at_the_start_the_time_so_far_is_the_window() {
        let grants = at_rate(100, 1);
        let rate = grants.rate(0.5, 1.0);
        assert!(
            (rate - 200.0).abs() < 1e-6,
            "all of it in half a second: {rate}"
        );
        assert!((grants.rate(1.0, LONGEST) - 100.0).abs() < 1e-6);
        assert!(Grants::default().is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let grants = at_rate(10_000, 20);
        assert!(grants.slices.len() <= 102, "{}", grants.slices.len());
    }
}
