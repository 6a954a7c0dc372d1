//! The gate that every attempt passes: governor's bucket at the rate in force, and when the next request leaves. Pure: time
//! is an argument.
//!
//! Each request is delayed after its turn by a uniformly drawn time of up to a period minus 2 ms; the turns stay on their
//! grid. Evenly spaced requests would lock into the evenly spaced refill of the service's bucket: of several hosts the same one would
//! find the token each time. The long-run rate and the burst stay the same. From 500 requests a second on there is no such
//! delay, since the timer's lateness takes up the whole period.
//!
//! governor keeps the bucket; the gate around it exists for three reasons, all measured. A waiter that is parked in
//! governor goes on by the old rate after the rate has changed, so only the one at the gate may wait. governor's own
//! timer ignores tokio's paused clock, so the limiter sleeps with tokio's. And a limiter cannot take over another's
//! state, so a change of rate builds a new one that goes on from the last request that left.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

/// A rate that has moved by less than this share is still the same rate: rebuilding for less gains nothing.
const SAME_RATE: f64 = 0.001;

/// Timers fire up to a millisecond late, and the bucket makes up for it only within its burst. Two cells do up to
/// 500 a second; above, the burst must cover two milliseconds, else the gate itself becomes the limit.
const TIMER_GRAIN: Duration = Duration::from_millis(2);

/// A request that leaves within this time after the gate opened was held back by it.
const LATE: Duration = Duration::from_millis(10);

/// The bucket, and what is needed to build the next one in its place.
#[derive(Debug)]
pub(super) struct Gate {
    bucket: RateLimiter<NotKeyed, InMemoryState, GateClock, NoOpMiddleware<Tick>>,
    reading: GateClock,
    rate: f64,
    last: Departure,
    /// The turn that a request waits for, or has waited for.
    next: Option<Turn>,
}

/// The last request that left: what a new bucket goes on from.
#[derive(Debug, Clone, Copy, Default)]
struct Departure {
    at: Duration,
    /// How long after its turn, in periods of the rate then in force.
    late: f64,
}

/// When a request may leave.
#[derive(Debug, Clone, Copy)]
struct Turn {
    leaves: Duration,
    /// Of the longest jitter, the share that is part of `leaves`.
    share: f64,
}

impl Gate {
    pub(super) fn new(rate: f64) -> Self {
        let reading = GateClock::default();
        Self {
            bucket: RateLimiter::direct_with_clock(quota(rate), reading.clone()),
            reading,
            rate,
            last: Departure::default(),
            next: None,
        }
    }

    /// The rate in force, in requests a second.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// Starts again at this rate, `share` of a period after the last turn: hosts that start at the same time do not send at
    /// the same time.
    pub(super) fn restart(&mut self, now: Duration, rate: f64, share: f64) {
        self.last = Departure {
            at: now,
            late: share,
        };
        self.fill_from_last(rate);
    }

    /// Builds a new bucket if the rate has changed, with the burst spent at the last request's turn. That turn lies as many
    /// periods before the departure as it did, but periods of the new rate: after a slow rate, the time of one old period
    /// would let several requests pass at once.
    pub(super) fn follow(&mut self, rate: f64) {
        if (rate / self.rate - 1.0).abs() <= SAME_RATE {
            return;
        }
        self.fill_from_last(rate);
    }

    fn fill_from_last(&mut self, rate: f64) {
        self.rate = rate;
        self.next = None;
        let late = period(rate).mul_f64(self.last.late);
        self.reading.set(self.last.at.saturating_sub(late));
        self.bucket = RateLimiter::direct_with_clock(quota(rate), self.reading.clone());
        while self.bucket.check().is_ok() {}
    }

    /// Lets a request pass and returns its share of the jitter, `None` if it did not have to wait; or returns when to try
    /// again. `waited` says that this request was already sent away once. `spacing` draws the share.
    pub(super) fn try_pass(
        &mut self,
        now: Duration,
        waited: bool,
        spacing: impl FnOnce() -> f64,
    ) -> Result<Option<f64>, Duration> {
        if let Some(turn) = self.next.filter(|turn| now < turn.leaves) {
            return Err(turn.leaves);
        }
        self.reading.set(now);
        match self.bucket.check() {
            Ok(()) => {
                self.last = self.departure(now);
                // The waiter may have been dropped; a request that arrives at that moment was held back too.
                let next = self.next.take();
                let turn = next.filter(|turn| waited || now <= turn.leaves + LATE);
                Ok(turn.map(|turn| turn.share))
            }
            Err(not_yet) => {
                let at = Duration::from_nanos(not_yet.earliest_possible().0);
                let share = spacing();
                let leaves = at + longest_jitter(self.rate).mul_f64(share);
                self.next = Some(Turn { leaves, share });
                Err(leaves)
            }
        }
    }

    /// A request leaves now. Its turn was a period after the last one's; a bucket that has been idle is full, and holds no
    /// more than the burst.
    fn departure(&self, now: Duration) -> Departure {
        let since_last = now.saturating_sub(self.last.at).as_secs_f64() * self.rate;
        let late = since_last + self.last.late - 1.0;
        Departure {
            at: now,
            late: late.clamp(0.0, f64::from(burst(self.rate) - 1)),
        }
    }
}

fn period(rate: f64) -> Duration {
    Duration::from_secs_f64(1.0 / rate).max(Duration::from_nanos(1))
}

/// What a request may leave later than its turn, the timer's lateness included, without losing its place on the grid.
fn longest_jitter(rate: f64) -> Duration {
    period(rate).saturating_sub(TIMER_GRAIN)
}

fn burst(rate: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 2,000 cells at the fastest rate there is"
    )]
    let grain = (rate * TIMER_GRAIN.as_secs_f64()).ceil() as u32;
    grain.max(2)
}

fn quota(rate: f64) -> Quota {
    Quota::with_period(period(rate))
        .unwrap_or(Quota::per_second(NonZeroU32::MIN))
        .allow_burst(NonZeroU32::new(burst(rate)).unwrap_or(NonZeroU32::MIN))
}

/// governor's clock: whatever the gate last read from tokio's.
#[derive(Debug, Clone, Default)]
struct GateClock(Arc<AtomicU64>);

impl GateClock {
    fn set(&self, now: Duration) {
        let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.0.store(nanos, Ordering::Relaxed);
    }
}

impl Clock for GateClock {
    type Instant = Tick;

    fn now(&self) -> Tick {
        Tick(self.0.load(Ordering::Relaxed))
    }
}

/// Nanoseconds since the limiter's origin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Tick(u64);

impl std::ops::Add<governor::nanos::Nanos> for Tick {
    type Output = Self;

    fn add(self, other: governor::nanos::Nanos) -> Self {
        Self(self.0.saturating_add(other.as_u64()))
    }
}

impl Reference for Tick {
    fn duration_since(&self, earlier: Self) -> governor::nanos::Nanos {
        self.0.saturating_sub(earlier.0).into()
    }

    fn saturating_sub(&self, duration: governor::nanos::Nanos) -> Self {
        Self(self.0.saturating_sub(duration.as_u64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_that_rises_lets_no_more_pass_at_once() {
        // Slow requests leave up to a second late, and then the rate is a hundred times as high.
        for seed in 1..=100 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut gate = Gate::new(1.0);
            let mut now = Duration::ZERO;
            for _ in 0..5 {
                while let Err(leaves) = gate.try_pass(now, false, || random.f64()) {
                    now = leaves;
                }
            }
            gate.follow(100.0);
            let more = (0..10)
                .filter(|_| gate.try_pass(now, false, || random.f64()).is_ok())
                .count();
            assert!(more <= 1, "seed {seed}: {more}");
        }
    }

    #[test]
    fn a_rate_that_changes_with_each_request_is_kept_in_the_mean() {
        // Timers fire on time, or up to 15 ms late: then the delay and the lateness exceed the burst at times.
        for (late, least) in [(0.0, 49.5), (0.015, 46.5)] {
            let random = &mut fastrand::Rng::with_seed(1);
            let mut gate = Gate::new(50.0);
            let mut now = Duration::ZERO;
            for number in 0..10_000 {
                gate.follow(if number % 2 == 0 { 49.0 } else { 51.0 });
                let mut waited = false;
                while let Err(leaves) = gate.try_pass(now, waited, || random.f64()) {
                    now = leaves + Duration::from_secs_f64(late * random.f64());
                    waited = true;
                }
            }
            let rate = 10_000.0 / now.as_secs_f64();
            assert!((least..50.5).contains(&rate), "{late}: {rate}");
        }
    }

    #[test]
    fn a_waiter_that_wakes_up_late_has_waited_and_another_request_has_not() {
        for (waited, expected) in [(true, Some(0.5)), (false, None)] {
            let mut gate = Gate::new(50.0);
            let late = loop {
                if let Err(leaves) = gate.try_pass(Duration::ZERO, false, || 0.5) {
                    break leaves + 2 * LATE;
                }
            };
            assert_eq!(gate.try_pass(late, waited, || 0.9), Ok(expected));
        }
    }
}
