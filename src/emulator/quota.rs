//! Token buckets, in the arithmetic of GCRA: a bucket is one number, the instant at which it will be full again. With the
//! same number fixed windows are counted: there it is the instant up to which the window's tokens have been handed out.
//! Pure: time comes as an argument, and whole nanoseconds keep the sums exact.

use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

/// A rate and how much of it may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Nanoseconds in which one token grows.
    interval: u64,
    refill: Refill,
}

/// When tokens come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refill {
    /// One by one. A token may be had so many nanoseconds before its time: `(burst - 1) × interval`.
    Steady { lead: u64 },
    /// All at once, whenever a window of so many nanoseconds begins.
    Window { length: u64 },
}

impl Quota {
    /// The slowest rate, in requests a second.
    pub const SLOWEST: f64 = 0.1;
    /// The fastest rate, in requests a second: as good as no quota.
    pub const FASTEST: f64 = 1e6;

    /// A quota of `rate` requests a second with a bucket of `burst` tokens. A rate beyond [`Self::SLOWEST`] and
    /// [`Self::FASTEST`] counts as the nearest of them, no number as the slowest, a burst of 0 as 1.
    #[must_use]
    pub fn per_second(rate: f64, burst: u32) -> Self {
        let interval = interval(rate);
        Self {
            interval,
            refill: Refill::Steady {
                lead: u64::from(burst.saturating_sub(1)) * interval,
            },
        }
    }

    /// A quota that is counted in fixed windows of a second (or, below one request a second, of one request's time):
    /// all tokens come at a window's beginning, and what is left of them is lost at its end.
    #[must_use]
    pub fn per_window(rate: f64) -> Self {
        let interval = interval(rate);
        Self {
            interval,
            refill: Refill::Window {
                length: SECOND.max(interval),
            },
        }
    }

    /// A quota of `rate` requests a second whose bucket holds what a second brings.
    #[must_use]
    pub fn with_burst_of_a_second(rate: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float-to-integer cast saturates, and any burst is a valid one"
        )]
        Self::per_second(rate, rate.ceil() as u32)
    }
}

/// Rounded down, so that a window of a second holds the whole rate.
fn interval(rate: f64) -> u64 {
    let rate = if rate.is_nan() {
        Quota::SLOWEST
    } else {
        rate.clamp(Quota::SLOWEST, Quota::FASTEST)
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the rate's bounds keep it between 1e3 and 1e10"
    )]
    let interval = (1e9 / rate) as u64;
    interval
}

/// A bucket, full at first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Nanoseconds since the epoch.
    full_at: u64,
}

impl Bucket {
    /// Whether there is a token at `now` (since the Unix epoch).
    #[must_use]
    pub fn has_token(self, quota: Quota, now: Duration) -> bool {
        let now = nanos(now);
        match quota.refill {
            Refill::Steady { lead } => self.full_at <= now.saturating_add(lead),
            Refill::Window { length } => {
                let begin = now - now % length;
                let used = self.full_at.saturating_sub(begin);
                used.saturating_add(quota.interval) <= length
            }
        }
    }

    /// Takes a token; to be asked for first with [`Self::has_token`].
    pub fn take(&mut self, quota: Quota, now: Duration) {
        let now = nanos(now);
        let empty_until = match quota.refill {
            Refill::Steady { .. } => now,
            Refill::Window { length } => now - now % length,
        };
        self.full_at = self.full_at.max(empty_until).saturating_add(quota.interval);
    }

    /// The quota has changed at `now`: as many tokens are missing as before, and grow at the new rate.
    pub fn change(&mut self, from: Quota, to: Quota, now: Duration) {
        let now = nanos(now);
        let missing = u128::from(self.full_at.saturating_sub(now));
        let missing = missing * u128::from(to.interval) / u128::from(from.interval.max(1));
        self.full_at = now.saturating_add(u64::try_from(missing).unwrap_or(u64::MAX));
    }
}

/// Good until the year 2554.
fn nanos(now: Duration) -> u64 {
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1_700_000_000);

    fn taken(bucket: &mut Bucket, quota: Quota, now: Duration, asked: usize) -> usize {
        (0..asked)
            .filter(|_| {
                let granted = bucket.has_token(quota, now);
                if granted {
                    bucket.take(quota, now);
                }
                granted
            })
            .count()
    }

    #[test]
    fn a_full_bucket_gives_exactly_its_burst() {
        let quota = Quota::per_second(50.0, 50);
        assert_eq!(taken(&mut Bucket::default(), quota, START, 200), 50);
    }

    #[test]
    fn a_token_grows_at_its_very_nanosecond() {
        let quota = Quota::per_second(50.0, 2);
        let mut bucket = Bucket::default();
        assert_eq!(taken(&mut bucket, quota, START, 9), 2);
        let just_before = START + Duration::from_nanos(19_999_999);
        assert_eq!(taken(&mut bucket, quota, just_before, 9), 0);
        assert_eq!(
            taken(&mut bucket, quota, START + Duration::from_millis(20), 9),
            1
        );
    }

    #[test]
    fn an_hour_at_any_rate_brings_the_rate_and_the_burst_and_no_more() {
        for (rate, burst) in [(0.1, 1), (3.0, 7), (50.0, 50), (333.0, 10)] {
            let quota = Quota::per_second(rate, burst);
            let mut bucket = Bucket::default();
            let granted: usize = (0..=3600 * 50)
                .map(|step| {
                    let now = START + Duration::from_millis(20) * step;
                    taken(&mut bucket, quota, now, 10)
                })
                .sum();
            let ideal = f64::from(burst) + rate * 3600.0;
            #[expect(clippy::cast_precision_loss, reason = "a count of a test")]
            let granted = granted as f64;
            assert!(
                (granted - ideal).abs() <= 1.0,
                "{rate}/s: {granted} of {ideal}"
            );
        }
    }

    #[test]
    fn a_long_rest_does_not_fill_beyond_the_burst() {
        let quota = Quota::per_second(50.0, 5);
        let mut bucket = Bucket::default();
        taken(&mut bucket, quota, START, 5);
        assert_eq!(
            taken(&mut bucket, quota, START + Duration::from_hours(1), 99),
            5
        );
    }

    #[test]
    fn a_window_brings_all_its_tokens_at_its_beginning_and_keeps_none() {
        let quota = Quota::per_window(7.0);
        let mut bucket = Bucket::default();
        let at = |millis| START + Duration::from_millis(millis);
        assert_eq!(taken(&mut bucket, quota, at(0), 99), 7);
        assert_eq!(taken(&mut bucket, quota, at(999), 99), 0);
        assert_eq!(taken(&mut bucket, quota, at(1_900), 3), 3);
        assert_eq!(taken(&mut bucket, quota, at(1_999), 99), 4);
        assert_eq!(taken(&mut bucket, quota, at(9_500), 99), 7);
        let slow = Quota::per_window(0.1);
        let mut bucket = Bucket::default();
        assert_eq!(taken(&mut bucket, slow, at(0), 99), 1);
        assert_eq!(taken(&mut bucket, slow, at(9_999), 99), 0);
        assert_eq!(taken(&mut bucket, slow, at(10_000), 99), 1);
    }

    #[test]
    fn a_changed_quota_goes_on_from_the_tokens_that_are_there() {
        let (slow, fast) = (Quota::per_second(50.0, 50), Quota::per_second(200.0, 50));
        let mut bucket = Bucket::default();
        assert_eq!(taken(&mut bucket, slow, START, 20), 20);
        bucket.change(slow, fast, START);
        assert_eq!(taken(&mut bucket, fast, START, 99), 30);
        assert_eq!(
            taken(&mut bucket, fast, START + Duration::from_millis(50), 99),
            10
        );
    }

    #[test]
    fn odd_rates_become_the_nearest_sound_one() {
        assert_eq!(
            Quota::per_second(0.0, 0),
            Quota::per_second(Quota::SLOWEST, 1)
        );
        assert_eq!(
            Quota::per_second(f64::NAN, 1),
            Quota::per_second(Quota::SLOWEST, 1)
        );
        assert_eq!(
            Quota::per_second(f64::INFINITY, 1),
            Quota::per_second(Quota::FASTEST, 1)
        );
        assert_eq!(
            Quota::with_burst_of_a_second(5.0),
            Quota::per_second(5.0, 5)
        );
    }
}
