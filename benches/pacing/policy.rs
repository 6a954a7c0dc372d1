//! Other policies, for comparison. Times are in seconds, rates in requests a second.

use kvs_fleet::engine::pace::controller::RateRange;

/// Seconds.
const FIRST_BACKOFF: f64 = 0.1;
const LONGEST_BACKOFF: f64 = 5.0;

/// Growth each second, in requests a second.
const STEP: f64 = 1.0;
/// The factor of a cut.
const CUT: f64 = 0.85;
const SLOWEST: f64 = 0.5;
/// A gap of more than this many periods is a pause.
const PAUSE: f64 = 4.0;

/// Chooses the rate from the answers.
#[derive(Debug)]
pub(crate) enum Policy {
    /// A plain script: always the configured rate.
    Fixed(f64),
    /// Additive increase, and multiplicative decrease once each round trip. Without a ceiling it doubles every second
    /// until the first throttle.
    Aimd {
        rate: f64,
        ceiling: f64,
        ramps: bool,
        last_sent: f64,
        last_cut: f64,
    },
}

impl Policy {
    pub(crate) fn fixed(range: RateRange) -> Self {
        Self::Fixed(range.ceiling.unwrap_or(range.start))
    }

    pub(crate) fn aimd(range: RateRange) -> Self {
        let ceiling = range.ceiling.unwrap_or(f64::INFINITY);
        Self::Aimd {
            rate: range.start,
            ceiling,
            ramps: range.start < ceiling,
            last_sent: f64::INFINITY,
            last_cut: f64::NEG_INFINITY,
        }
    }

    pub(crate) fn rate(&self) -> f64 {
        match self {
            Self::Fixed(rate) | Self::Aimd { rate, .. } => *rate,
        }
    }

    /// The largest delay of a request after its turn, as a share of a period.
    pub(crate) fn jitter(&self) -> f64 {
        match self {
            Self::Fixed(_) => 0.0,
            Self::Aimd { .. } => 1.0,
        }
    }

    /// The longest wait before the next attempt after this many throttles in a row; the wait is random between zero and
    /// this.
    pub(crate) fn backoff(&self, throttles: i32) -> f64 {
        match self {
            Self::Fixed(_) => backoff(throttles),
            Self::Aimd { .. } => 0.0,
        }
    }

    /// A request is sent; `waited` means that the rate delayed it, not a lack of workers.
    pub(crate) fn on_sent(&mut self, now: f64, waited: bool) {
        if let Self::Aimd {
            rate,
            ceiling,
            ramps,
            last_sent,
            ..
        } = self
        {
            let since_last = (now - *last_sent).clamp(0.0, PAUSE / *rate);
            let seconds = if waited { since_last } else { 0.0 };
            let grown = if *ramps {
                *rate * 2f64.powf(seconds)
            } else {
                *rate + STEP * seconds
            };
            *rate = grown.min(*ceiling);
            *last_sent = now;
        }
    }

    /// A request that was sent at `sent` was throttled.
    pub(crate) fn on_throttled(&mut self, sent: f64, now: f64) {
        if let Self::Aimd {
            rate,
            ramps,
            last_cut,
            ..
        } = self
            && sent > *last_cut
        {
            *rate = (*rate * CUT).max(SLOWEST);
            *ramps = false;
            *last_cut = now;
        }
    }
}

/// The longest wait after this many failures in a row.
pub(crate) fn backoff(failures: i32) -> f64 {
    (FIRST_BACKOFF * 2f64.powi(failures - 1)).min(LONGEST_BACKOFF)
}
