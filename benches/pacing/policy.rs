//! Other ways to pace requests, to compare with. Pure: times are in seconds, rates in requests a second.

use kvs_fleet::engine::pace::controller::RateRange;

/// Seconds.
const FIRST_BACKOFF: f64 = 0.1;
const LONGEST_BACKOFF: f64 = 5.0;

/// Growth each second, in requests a second.
const STEP: f64 = 1.0;
/// What a cut leaves.
const CUT: f64 = 0.85;
const SLOWEST: f64 = 0.5;
/// A gap longer than this many periods is a pause.
const PAUSE: f64 = 4.0;

/// Chooses the rate from what comes of requests.
#[derive(Debug)]
pub(crate) enum Policy {
    /// A plain script: always the rate that it was given.
    Fixed(f64),
    /// Additive increase, multiplicative decrease once a round trip; without a ceiling it doubles every second until
    /// the first throttle.
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

    /// By which share of a period a request may leave after its turn.
    pub(crate) fn jitter(&self) -> f64 {
        match self {
            Self::Fixed(_) => 0.0,
            Self::Aimd { .. } => 1.0,
        }
    }

    /// The longest wait before the next try for a device that was throttled so many times in a row; it is drawn
    /// between nothing and this.
    pub(crate) fn backoff(&self, throttles: i32) -> f64 {
        match self {
            Self::Fixed(_) => backoff(throttles),
            Self::Aimd { .. } => 0.0,
        }
    }

    /// A request leaves; `waited` says that the rate, not a lack of workers, held it back.
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

    /// A request that left at `sent` was throttled.
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

/// The longest wait after so many failures in a row.
pub(crate) fn backoff(failures: i32) -> f64 {
    (FIRST_BACKOFF * 2f64.powi(failures - 1)).min(LONGEST_BACKOFF)
}
