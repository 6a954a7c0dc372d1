//! The rate of the last minutes: a sample each second. Time is an argument.

use std::collections::VecDeque;

/// The most samples: the last five minutes.
const MOST: usize = 300;

/// Totals and rates at one instant.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Reading {
    /// Devices, deletions or answers so far.
    pub(crate) done: u64,
    /// Throttled requests so far.
    pub(crate) throttled: u64,
    /// The ceiling of all Regions together, in requests a second.
    pub(crate) ceiling: Option<f64>,
    /// What the service granted lately, in requests a second.
    pub(crate) grant: Option<f64>,
}

/// The time between two readings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    /// In seconds since the run began.
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) done_per_second: f64,
    pub(crate) throttled_per_second: f64,
    pub(crate) ceiling: Option<f64>,
    pub(crate) grant: Option<f64>,
}

/// The samples of the last minutes.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    samples: VecDeque<Sample>,
    last: Option<(f64, Reading)>,
}

impl History {
    /// Adds a reading, at a time in seconds since the run began.
    pub(super) fn add(&mut self, at: f64, reading: Reading) {
        if let Some((before, last)) = self.last
            && at > before
        {
            let seconds = at - before;
            #[expect(clippy::cast_precision_loss, reason = "counts of a second")]
            let per_second = |now: u64, last: u64| now.saturating_sub(last) as f64 / seconds;
            if self.samples.len() == MOST {
                self.samples.pop_front();
            }
            self.samples.push_back(Sample {
                from: before,
                to: at,
                done_per_second: per_second(reading.done, last.done),
                throttled_per_second: per_second(reading.throttled, last.throttled),
                ceiling: reading.ceiling,
                grant: reading.grant,
            });
        }
        self.last = Some((at, reading));
    }

    /// The rate of the last five samples.
    pub(super) fn lately(&self) -> f64 {
        let last = self.samples.iter().rev().take(5);
        let rates: Vec<f64> = last.map(|sample| sample.done_per_second).collect();
        #[expect(clippy::cast_precision_loss, reason = "at most five")]
        let many = rates.len().max(1) as f64;
        rates.iter().sum::<f64>() / many
    }

    /// The oldest first.
    pub(crate) fn samples(&self) -> impl ExactSizeIterator<Item = &Sample> {
        self.samples.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_the_rates_between_two_readings() {
        let mut history = History::default();
        let reading = |done, throttled| Reading {
            done,
            throttled,
            ceiling: Some(50.0),
            grant: None,
        };
        history.add(1.0, reading(10, 0));
        history.add(3.0, reading(110, 4));
        // A clock that stands still adds nothing.
        history.add(3.0, reading(111, 4));
        let samples: Vec<_> = history.samples().collect();
        assert_eq!(samples.len(), 1);
        assert!((samples[0].done_per_second - 50.0).abs() < 1e-9);
        assert!((samples[0].throttled_per_second - 2.0).abs() < 1e-9);
    }

    #[test]
    fn the_samples_are_bounded() {
        let mut history = History::default();
        for second in 0..2_000_u32 {
            history.add(f64::from(second), Reading::default());
        }
        assert_eq!(history.samples().len(), MOST);
        let oldest = history.samples().next().unwrap();
        assert!((oldest.to - 1_700.0).abs() < 1e-9);
    }
}
