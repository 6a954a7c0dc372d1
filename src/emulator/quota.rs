//! Token buckets with the arithmetic of GCRA: a bucket is one number, the instant at which it will be full again. Fixed
//! windows use the same number: the instant up to which the window's tokens have been taken. Time is an argument, in
//! whole nanoseconds, so that sums are exact.

use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

/// A rate and its burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    /// The nanoseconds for one token.
    interval: u64,
    refill: Refill,
}

/// How tokens are refilled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refill {
    /// One by one. A token is available this many nanoseconds early: `(burst - 1) × interval`.
    Steady { lead: u64 },
    /// All at once, at the start of each window of this many nanoseconds.
    Window { length: u64 },
}

impl Quota {
    /// The slowest rate, in requests a second.
    pub(crate) const SLOWEST: f64 = 0.1;
    /// The fastest rate, in requests a second: effectively no quota.
    pub(crate) const FASTEST: f64 = 1e6;

    /// A quota of `rate` requests a second with a bucket of `burst` tokens. A rate below [`Self::SLOWEST`] or above
    /// [`Self::FASTEST`] is set to that limit, NaN to the slowest, and a burst of 0 to 1.
    pub(crate) fn per_second(rate: f64, burst: u32) -> Self {
        let interval = interval(rate);
        Self {
            interval,
            refill: Refill::Steady {
                lead: u64::from(burst.saturating_sub(1)) * interval,
            },
        }
    }

    /// A quota that is counted in fixed windows of a second (below one request a second: of one request's time). All
    /// tokens are available at the start of a window, and unused ones are lost at its end.
    pub(crate) fn per_window(rate: f64) -> Self {
        let interval = interval(rate);
        Self {
            interval,
            refill: Refill::Window {
                length: SECOND.max(interval),
            },
        }
    }

    /// A quota of `rate` requests a second with a burst of one second.
    pub(crate) fn with_burst_of_a_second(rate: f64) -> Self {
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

/// A bucket, initially full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Nanoseconds since the epoch.
    full_at: u64,
}

impl Bucket {
    /// Whether there is a token at `now` (since the Unix epoch).
    pub(crate) fn has_token(self, quota: Quota, now: Duration) -> bool {
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

    /// Takes a token. The caller must check `has_token` first.
    pub(crate) fn take(&mut self, quota: Quota, now: Duration) {
        let now = nanos(now);
        let empty_until = match quota.refill {
            Refill::Steady { .. } => now,
            Refill::Window { length } => now - now % length,
        };
        self.full_at = self.full_at.max(empty_until).saturating_add(quota.interval);
    }

    /// Changes the quota at `now`: the same number of tokens is missing, and is refilled at the new rate.
    pub(crate) fn change(&mut self, from: Quota, to: Quota, now: Duration) {
        let now = nanos(now);
        let missing = u128::from(self.full_at.saturating_sub(now));
        let missing = missing * u128::from(to.interval) / u128::from(from.interval.max(1));
        self.full_at = now.saturating_add(u64::try_from(missing).unwrap_or(u64::MAX));
    }
}

/// Valid until the year 2554.
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
    fn a_full_bucket_grants_exactly_its_burst() {
        let quota = Quota::per_second(50.0, 50);
        assert_eq!(taken(&mut Bucket::default(), quota, START, 200), 50);
    }

    #[test]
    fn a_token_is_available_at_the_exact_nanosecond() {
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
    fn an_hour_grants_the_rate_plus_one_burst() {
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
    fn a_long_pause_does_not_fill_the_bucket_beyond_its_burst() {
        let quota = Quota::per_second(50.0, 5);
        let mut bucket = Bucket::default();
        taken(&mut bucket, quota, START, 5);
        assert_eq!(
            taken(&mut bucket, quota, START + Duration::from_hours(1), 99),
            5
        );
    }

    #[test]
    fn a_window_grants_all_its_tokens_at_its_start_and_keeps_none() {
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
    fn a_changed_quota_keeps_the_tokens_in_the_bucket() {
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
    fn an_invalid_rate_is_set_to_the_nearest_valid_one() {
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
