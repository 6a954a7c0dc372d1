//! The gate that every attempt passes: governor's bucket, one waiter at a time, in order of arrival.
//!
//! A request leaves a uniformly drawn part of nearly a period after its turn, while the turns stay on their grid. Evenly
//! spaced requests would lock into the evenly spaced refill of the service's bucket: of several hosts the same one would
//! find the token each time. The long-run rate and the burst stay the same. From 500 requests a second on there is no such
//! delay, since the timer's lateness takes up the whole period.
//!
//! governor keeps the bucket; the gate around it exists for three reasons, all measured. A waiter that is parked in
//! governor goes on by the old rate after the rate has changed, so only the one at the gate may wait. governor's own
//! timer ignores tokio's paused clock, so the gate sleeps with tokio's. And a limiter cannot take over another's
//! state, so a change of rate builds a new one that goes on from the last request that left.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use super::controller::{Controller, Sent};

/// A rate that has moved by less than this share is still the same rate: rebuilding for less gains nothing.
const SAME_RATE: f64 = 0.001;

/// Timers fire up to a millisecond late, and the bucket makes up for it only within its burst. Two cells do up to
/// 500 a second; above, the burst must cover two milliseconds, else the gate itself becomes the limit.
const TIMER_GRAIN: Duration = Duration::from_millis(2);

/// A request that leaves so soon after the gate opened had been waiting for it.
const LATE: Duration = Duration::from_millis(10);

/// Leave to send one request.
#[derive(Debug, Clone, Copy)]
pub struct Permit(Sent);

/// The limiter of one operation in one account and Region.
#[derive(Debug)]
pub struct Limiter {
    gate: tokio::sync::Mutex<Gate>,
    controller: Mutex<Controller>,
    origin: Instant,
}

impl Limiter {
    /// A limiter that follows this controller's rate.
    #[must_use]
    pub fn new(controller: Controller) -> Self {
        let gate = Gate::new(controller.rate());
        Self {
            gate: tokio::sync::Mutex::new(gate),
            controller: Mutex::new(controller),
            origin: Instant::now(),
        }
    }

    /// Waits for leave to send one request. First come, first served. Dropped before it returns, it takes nothing.
    pub async fn acquire(&self) -> Permit {
        let mut gate = self.gate.lock().await;
        loop {
            let now = self.now();
            gate.follow(self.rate());
            match gate.try_pass(now, || self.controller().spacing()) {
                Ok(share) => {
                    self.controller().on_sent(now, share.is_some());
                    return Permit(Sent {
                        at: now,
                        rate: gate.rate,
                        share,
                    });
                }
                Err(earliest) => tokio::time::sleep_until(self.origin + earliest).await,
            }
        }
    }

    /// The service took the request, whatever else came of it. An answer that tells nothing of the rate, or none, is not
    /// reported at all.
    pub fn accepted(&self, permit: Permit) {
        let now = self.now();
        self.controller().on_granted(permit.0, now);
    }

    /// The service throttled the request.
    pub fn throttled(&self, permit: Permit) {
        let now = self.now();
        self.controller().on_throttled(permit.0, now);
    }

    /// The rate in force, in requests a second. While throttles are ignored it is far above what is granted.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.controller().rate()
    }

    /// The fastest rate allowed, in requests a second; none where it is to be found.
    #[must_use]
    pub fn ceiling(&self) -> Option<f64> {
        self.controller().ceiling()
    }

    /// What was granted in the five seconds before the last answer, in requests a second; none before the first throttle.
    #[must_use]
    pub fn grant(&self) -> Option<f64> {
        self.controller().grant()
    }

    /// Whether throttles were ever ignored, since cutting the rate did not make them fewer.
    #[must_use]
    pub fn has_ignored_throttles(&self) -> bool {
        self.controller().has_ignored_throttles()
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn controller(&self) -> std::sync::MutexGuard<'_, Controller> {
        self.controller
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bucket, and what is needed to build the next one in its place.
#[derive(Debug)]
struct Gate {
    bucket: RateLimiter<NotKeyed, InMemoryState, Reading, NoOpMiddleware<Tick>>,
    reading: Reading,
    rate: f64,
    last: Departure,
    /// The next request's turn, as far as one had to wait for it.
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
    /// By the bucket.
    at: Duration,
    /// A share of the longest jitter later.
    leaves: Duration,
    share: f64,
}

impl Gate {
    fn new(rate: f64) -> Self {
        let reading = Reading::default();
        Self {
            bucket: RateLimiter::direct_with_clock(quota(rate), reading.clone()),
            reading,
            rate,
            last: Departure::default(),
            next: None,
        }
    }

    /// Builds a new bucket if the rate has changed, with the burst spent at the last request's turn. That turn lies as many
    /// periods before the departure as it did, but periods of the new rate: after a slow rate, the time of one old period
    /// would let several requests pass at once.
    fn follow(&mut self, rate: f64) {
        if (rate / self.rate - 1.0).abs() <= SAME_RATE {
            return;
        }
        self.rate = rate;
        self.next = None;
        let late = period(rate).mul_f64(self.last.late);
        self.reading.set(self.last.at.saturating_sub(late));
        self.bucket = RateLimiter::direct_with_clock(quota(rate), self.reading.clone());
        while self.bucket.check().is_ok() {}
    }

    /// Passes now, and gives the share of the jitter with which a request had to wait for it, none where it had not; or
    /// says when to come again. `spacing` draws that share.
    fn try_pass(
        &mut self,
        now: Duration,
        spacing: impl FnOnce() -> f64,
    ) -> Result<Option<f64>, Duration> {
        if let Some(turn) = self.next.filter(|turn| now < turn.leaves) {
            return Err(turn.leaves);
        }
        self.reading.set(now);
        match self.bucket.check() {
            Ok(()) => {
                // Who waited may have given up; a request that comes in its place right then was held back as well.
                let waited = self.next.take().filter(|turn| now <= turn.leaves + LATE);
                let late = waited.map_or(Duration::ZERO, |turn| now.saturating_sub(turn.at));
                self.last = Departure {
                    at: now,
                    // Later than that, a request has lost its place on the grid.
                    late: (late.as_secs_f64() * self.rate).min(f64::from(burst(self.rate) - 1)),
                };
                Ok(waited.map(|turn| turn.share))
            }
            Err(not_yet) => {
                let at = Duration::from_nanos(not_yet.earliest_possible().0);
                let share = spacing();
                let leaves = at + longest_jitter(self.rate).mul_f64(share);
                self.next = Some(Turn { at, leaves, share });
                Err(leaves)
            }
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
struct Reading(Arc<AtomicU64>);

impl Reading {
    fn set(&self, now: Duration) {
        let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.0.store(nanos, Ordering::Relaxed);
    }
}

impl Clock for Reading {
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
    use crate::pace::controller::RateRange;

    fn limiter(rate: f64) -> Limiter {
        Limiter::new(Controller::new(
            RateRange::upto(rate),
            std::time::UNIX_EPOCH,
            1,
        ))
    }

    async fn seconds_for(limiter: &Limiter, requests: u32) -> f64 {
        let start = Instant::now();
        for _ in 0..requests {
            limiter.acquire().await;
        }
        start.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn keeps_the_rate_exactly() {
        for (rate, requests) in [
            (0.5, 10),
            (1.0, 20),
            (50.0, 1_000),
            (333.0, 6_660),
            (500.0, 10_000),
            (5_000.0, 100_000),
            (50_000.0, 1_000_000),
        ] {
            let limiter = limiter(rate);
            // Past the burst that a new bucket begins with.
            seconds_for(&limiter, requests / 200 + 5).await;
            let seconds = seconds_for(&limiter, requests).await;
            // The first and the last may each leave a period after their turn.
            let requests = f64::from(requests);
            let share = requests / rate / seconds;
            let exact = 1.0 / requests;
            assert!(
                (0.995 - exact..=1.0005 + exact).contains(&share),
                "{rate}/s: {share}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn goes_on_at_the_new_rate_from_the_last_request() {
        let limiter = limiter(100.0);
        seconds_for(&limiter, 200).await;
        let permit = limiter.acquire().await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        limiter.throttled(permit);
        let rate = limiter.rate();
        assert!((84.0..86.0).contains(&rate), "{rate}");
        let start = Instant::now();
        limiter.acquire().await;
        // A full bucket would let two pass at once; the one that goes on lets the next pass a period after the last one's
        // turn, and up to a period of 12 ms later.
        limiter.acquire().await;
        let gap = start.elapsed();
        assert!(gap >= Duration::from_millis(6), "{gap:?}");
        assert!(gap <= Duration::from_millis(32), "{gap:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_client_does_not_raise_the_rate() {
        let range = RateRange::unknown();
        let limiter = Limiter::new(Controller::new(range, std::time::UNIX_EPOCH, 1));
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            limiter.acquire().await;
        }
        assert!((limiter.rate() - 50.0).abs() < 1e-9);
        seconds_for(&limiter, 60).await;
        assert!(limiter.rate() > 60.0);
    }

    #[test]
    fn a_rate_that_rises_lets_no_more_pass_at_once() {
        // The gate alone: slow requests leave up to a second late, and then the rate is a hundred times as high.
        for seed in 1..=100 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut gate = Gate::new(1.0);
            let mut now = Duration::ZERO;
            for _ in 0..5 {
                while let Err(leaves) = gate.try_pass(now, || random.f64()) {
                    now = leaves;
                }
            }
            gate.follow(100.0);
            let more = (0..10)
                .filter(|_| gate.try_pass(now, || random.f64()).is_ok())
                .count();
            assert!(more <= 1, "seed {seed}: {more}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_leave_off_their_grid_and_the_grid_stays() {
        let limiter = limiter(10.0);
        seconds_for(&limiter, 5).await;
        let origin = Instant::now();
        let mut phases = Vec::new();
        for number in 1..=200_u32 {
            limiter.acquire().await;
            let late = origin.elapsed().as_secs_f64() - f64::from(number) * 0.1;
            assert!((-0.11..0.11).contains(&late), "{number}: {late}");
            phases.push(late);
        }
        phases.sort_by(f64::total_cmp);
        let spread = phases[180] - phases[20];
        assert!(spread > 0.05, "{spread}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_given_up_long_ago_is_forgotten() {
        let limiter = limiter(10.0);
        seconds_for(&limiter, 5).await;
        let gave_up = tokio::time::timeout(Duration::from_millis(1), limiter.acquire()).await;
        assert!(gave_up.is_err());
        tokio::time::sleep(Duration::from_secs(10)).await;
        let permit = limiter.acquire().await;
        limiter.throttled(permit);
        // The new rate goes on from the request that has just left, not from the one that nobody waited for.
        let seconds = seconds_for(&limiter, 1).await;
        assert!(seconds >= 0.1, "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn serves_in_order_of_arrival() {
        let limiter = Arc::new(limiter(10.0));
        let order = Arc::new(Mutex::new(Vec::new()));
        let waiters: Vec<_> = (0..20)
            .map(|number| {
                let (limiter, order) = (Arc::clone(&limiter), Arc::clone(&order));
                tokio::spawn(async move {
                    limiter.acquire().await;
                    order.lock().unwrap().push(number);
                })
            })
            .collect();
        for waiter in waiters {
            waiter.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_wait_takes_nothing() {
        let limiter = limiter(10.0);
        seconds_for(&limiter, 5).await;
        for _ in 0..50 {
            let gave_up = tokio::time::timeout(Duration::from_millis(1), limiter.acquire()).await;
            assert!(gave_up.is_err());
        }
        let seconds = seconds_for(&limiter, 10).await;
        assert!(seconds < 1.05, "{seconds}");
    }
}
