//! Which rate next? Pure: time is an argument, the rate a return value. Knows nothing of requests, tasks or sleep.
//!
//! The rule is "throttle to throttle". The service keeps a token bucket, and that bucket is empty whenever it says no.
//! So between two throttles it has handed out exactly what it grants: *accepted ÷ elapsed since the last throttle* is
//! the quota, measured, and no blind halving is needed. After a throttle the rate goes a little below that (so that
//! the bucket fills a little) and climbs slowly to a little above (so that a raised quota is found):
//!
//! ```text
//!  1.03 ┤        ╱│        ╱│        ╱          past 1.5 L without a throttle the climb
//!  base ┤- - - ╱- │- - - ╱- │- - - ╱- -          accelerates: the grant has been raised
//!  0.97 ┤    ╱    │    ╱    │    ╱
//!       └──────────────────────────────▶ time
//!            ←─ L ─→
//! ```
//!
//! - One event is one event: only a throttle of a request that was *sent* after the last cut counts.
//! - With a ceiling, the rate starts there and never passes it. Without one it starts low and doubles every second.
//! - Growth is measured in requests that had to wait at the gate. While the client itself is the bottleneck nothing
//!   waits, nothing is learnt, and nothing grows.
//! - Server errors and timeouts say nothing about the quota; they are never reported here.

use std::time::Duration;

/// Fewer accepted requests than this since the last cut do not make a measurement.
const SAMPLE: u64 = 20;
/// Where the rate goes after a cut, as a share of the measured grant.
const BELOW: f64 = 0.97;
/// How far it climbs in one period, as a share of the grant: from 0.97 to 1.03.
const CLIMB: f64 = 0.06;
/// The cut when there is no measurement.
const BLIND_CUT: f64 = 0.9;
/// The fastest growth, as a share of the rate a second.
const FASTEST_GROWTH: f64 = 0.5;
/// How long the accelerated growth takes to double, in seconds.
const GROWTH_DOUBLES: f64 = 1.5;
/// The slowest rate, in requests a second, unless the ceiling is lower.
const FLOOR: f64 = 0.5;
/// The rate that a run without a ceiling starts with, in requests a second.
const START: f64 = 10.0;
/// The fastest rate there is, in requests a second.
pub const FASTEST: f64 = 1_000_000.0;

/// Finds the rate that the service grants, and follows it.
#[derive(Debug)]
pub struct Controller {
    ceiling: f64,
    floor: f64,
    rate: f64,
    /// The last measured grant; before the first measurement, none.
    base: Option<f64>,
    phase: Phase,
    last_cut: Option<Duration>,
    /// When the count of accepted requests began: the last cut, or the first request.
    since: Option<Duration>,
    accepted: u64,
    last_sent: Duration,
    jitter: fastrand::Rng,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// At the ceiling since the start.
    Ceiling,
    /// Doubling every second, no throttle yet.
    Ramp,
    /// The sawtooth: how long it has been climbing, and the length of its period.
    Climb { climbed: f64, period: f64 },
}

impl Controller {
    /// A controller that starts at the ceiling, or without one at 10 requests a second. `seed` draws the jitter that
    /// keeps several hosts from climbing in step.
    #[must_use]
    pub fn new(ceiling: Option<f64>, seed: u64) -> Self {
        let limit = ceiling.unwrap_or(FASTEST);
        Self {
            ceiling: limit,
            floor: FLOOR.min(limit),
            rate: ceiling.unwrap_or(START),
            base: None,
            phase: if ceiling.is_some() {
                Phase::Ceiling
            } else {
                Phase::Ramp
            },
            last_cut: None,
            since: None,
            accepted: 0,
            last_sent: Duration::ZERO,
            jitter: fastrand::Rng::with_seed(seed),
        }
    }

    /// The rate in force, in requests a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// The grant last measured, in requests a second; none before the first throttle.
    #[must_use]
    pub fn grant(&self) -> Option<f64> {
        self.base
    }

    /// A request leaves. `waited` says that it had to wait at the gate: the rate, not the client, held it back.
    pub fn on_sent(&mut self, now: Duration, waited: bool) {
        let elapsed = now.saturating_sub(self.last_sent).as_secs_f64();
        self.last_sent = now;
        if self.since.is_none() {
            self.since = Some(now);
        } else if waited {
            // Time in which nothing waited, as a pause between two requests, is not time spent at this rate.
            self.grow(elapsed.min(4.0 / self.rate));
        }
    }

    /// A request was accepted, or refused for a reason other than the rate.
    pub fn on_accepted(&mut self) {
        self.accepted += 1;
    }

    /// A request that was sent at `sent_at` was throttled.
    pub fn on_throttled(&mut self, sent_at: Duration, now: Duration) {
        if self.last_cut.is_some_and(|cut| sent_at <= cut) {
            return;
        }
        let elapsed = now
            .saturating_sub(self.since.unwrap_or(sent_at))
            .as_secs_f64();
        let rate = self.rate;
        if self.accepted >= SAMPLE && elapsed > 0.0 {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a count of requests between two throttles"
            )]
            let measured = (self.accepted as f64 / elapsed).min(rate);
            let base = if self.is_accelerated() {
                // The measurement spans a climb from the old grant to beyond the new one.
                (self.base.unwrap_or(measured) * rate).sqrt()
            } else {
                measured
            };
            self.base = Some(base);
            self.rate = base * BELOW;
        } else {
            self.rate = rate * BLIND_CUT;
        }
        self.rate = self.rate.clamp(self.floor, self.ceiling);
        self.last_cut = Some(now);
        self.since = Some(now);
        self.accepted = 0;
        self.phase = Phase::Climb {
            climbed: 0.0,
            period: self.period(),
        };
    }

    fn is_accelerated(&self) -> bool {
        matches!(self.phase, Phase::Climb { climbed, period } if climbed > 1.5 * period)
    }

    /// The length of the next climb, in seconds: long where requests are rare, so that each holds enough of them.
    fn period(&mut self) -> f64 {
        let base = self.base.unwrap_or(self.rate);
        (450.0 / base).clamp(3.0, 30.0) * (0.85 + 0.3 * self.jitter.f64())
    }

    fn grow(&mut self, seconds: f64) {
        let base = self.base.unwrap_or(self.rate);
        match &mut self.phase {
            Phase::Ceiling => {}
            Phase::Ramp => self.rate *= 2f64.powf(seconds),
            Phase::Climb { climbed, period } => {
                let linear = CLIMB * base / *period;
                let late = *climbed - 1.5 * *period;
                *climbed += seconds;
                if late <= 0.0 {
                    self.rate += linear * seconds;
                } else {
                    let share = (linear / base) * 2f64.powf(late / GROWTH_DOUBLES);
                    self.rate *= 1.0 + share.min(FASTEST_GROWTH) * seconds;
                }
            }
        }
        self.rate = self.rate.min(self.ceiling);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn holds_the_ceiling_until_throttled() {
        let mut controller = Controller::new(Some(50.0), 1);
        for request in 0..1_000_u32 {
            controller.on_sent(at(f64::from(request) * 0.02), true);
            controller.on_accepted();
        }
        assert!((controller.rate() - 50.0).abs() < 1e-9);
        assert_eq!(controller.grant(), None);
    }

    #[test]
    fn measures_the_grant_from_throttle_to_throttle() {
        let mut controller = Controller::new(Some(100.0), 1);
        controller.on_sent(at(0.0), false);
        for _ in 0..100 {
            controller.on_accepted();
        }
        // 100 accepted in 2 s: the service grants 50 a second.
        controller.on_throttled(at(1.9), at(2.0));
        assert_eq!(controller.grant(), Some(50.0));
        assert!((controller.rate() - 48.5).abs() < 1e-9);
    }

    #[test]
    fn many_throttles_of_one_event_cut_once() {
        let mut controller = Controller::new(Some(100.0), 1);
        controller.on_sent(at(0.0), false);
        controller.on_throttled(at(0.5), at(1.0));
        let rate = controller.rate();
        assert!(rate < 100.0);
        for sent in [0.4, 0.6, 0.9, 1.0] {
            controller.on_throttled(at(sent), at(1.1));
        }
        assert!(
            (controller.rate() - rate).abs() < 1e-9,
            "requests sent before the cut are the same event"
        );
        controller.on_throttled(at(1.2), at(1.3));
        assert!(controller.rate() < rate);
    }

    #[test]
    fn climbs_only_while_requests_wait_for_it() {
        let mut controller = Controller::new(None, 1);
        controller.on_sent(at(0.0), false);
        for request in 1..=100_u32 {
            controller.on_sent(at(f64::from(request)), false);
        }
        assert!(
            (controller.rate() - 10.0).abs() < 1e-9,
            "an idle client learns nothing"
        );
        for request in 1..=10_u32 {
            controller.on_sent(at(100.0 + f64::from(request) * 0.1), true);
        }
        assert!(
            (19.0..21.0).contains(&controller.rate()),
            "doubles in a second: {}",
            controller.rate()
        );
    }

    #[test]
    fn never_falls_below_the_floor_nor_a_lower_ceiling() {
        for (ceiling, floor) in [(50.0, 0.5), (0.1, 0.1)] {
            let mut controller = Controller::new(Some(ceiling), 1);
            for event in 1..200_u32 {
                let now = f64::from(event);
                controller.on_sent(at(now), true);
                controller.on_throttled(at(now + 0.1), at(now + 0.2));
            }
            assert!((controller.rate() - floor).abs() < 1e-9);
        }
    }
}
