//! Other ways to find a rate, to compare with. Pure.

use std::time::Duration;

/// Chooses the rate from what comes of requests. Times are since the job's begin.
pub(crate) trait Policy: Send + 'static {
    /// In requests a second.
    fn rate(&self) -> f64;
    /// A request leaves; `waited` says that the rate held it back.
    fn on_sent(&mut self, now: Duration, waited: bool);
    /// The answer to a request that left at `sent_at`.
    fn on_answer(&mut self, sent_at: Duration, now: Duration, granted: bool);
}

/// Always the same rate.
pub(crate) struct Fixed(pub f64);

impl Policy for Fixed {
    fn rate(&self) -> f64 {
        self.0
    }

    fn on_sent(&mut self, _: Duration, _: bool) {}

    fn on_answer(&mut self, _: Duration, _: Duration, _: bool) {}
}

/// Additive increase by half a request a second each second, multiplicative decrease to nine tenths, once an event.
pub(crate) struct Aimd {
    pub(crate) rate: f64,
    pub(crate) ceiling: f64,
    last_sent: Duration,
    last_cut: Option<Duration>,
}

impl Aimd {
    const STEP: f64 = 0.5;
    const CUT: f64 = 0.9;

    pub(crate) fn new(start: f64, ceiling: Option<f64>) -> Self {
        Self {
            rate: start,
            ceiling: ceiling.unwrap_or(f64::INFINITY),
            last_sent: Duration::ZERO,
            last_cut: None,
        }
    }
}

impl Policy for Aimd {
    fn rate(&self) -> f64 {
        self.rate
    }

    fn on_sent(&mut self, now: Duration, waited: bool) {
        if waited {
            let elapsed = now.saturating_sub(self.last_sent).as_secs_f64();
            self.rate = (self.rate + Self::STEP * elapsed).min(self.ceiling);
        }
        self.last_sent = now;
    }

    fn on_answer(&mut self, sent_at: Duration, now: Duration, granted: bool) {
        if !granted && self.last_cut.is_none_or(|cut| sent_at > cut) {
            self.rate = (self.rate * Self::CUT).max(0.5);
            self.last_cut = Some(now);
        }
    }
}
