//! Which rate next? Pure: time is an argument, the rate a return value. Knows nothing of requests, tasks or sleep.
//!
//! # Why it works
//!
//! The service keeps a token bucket: a token grows with every 1/quota seconds, each request takes one, and the bucket
//! holds only so many. It throttles when there is none. So at every throttle the bucket is known to be empty, and
//! between two throttles the service has handed out exactly what grew: *granted ÷ elapsed, from one throttle to the
//! next, is the quota*. It is measured to about one request in all that were counted, whatever the latency, and nothing
//! has to be guessed or halved.
//!
//! Knowing the quota, the rate goes a little below it after a throttle, so that the bucket fills a little, and climbs
//! slowly to a little above, so that a raised quota is found. Tokens that were saved below the line are spent above it,
//! and the mean is the quota itself:
//!
//! ```text
//!    rate                       throttle: the bucket is empty again
//!  1.025 ┤          ╱│          ╱│          ╱│      ╱ no throttle where one was due: the quota
//!        │       ╱   │       ╱   │       ╱   │     ╱   has grown, and the climb accelerates
//!  quota ┤- - ╱- - - │- - ╱- - - │- - ╱- - - │- -╱- - - - - - - -
//!        │ ╱         │ ╱         │ ╱         │╱
//!  0.97  ┤           ╵           ╵           ╵
//!        └──────────────────────────────────────────────▶ time
//!         ←─ period ─→
//! ```
//!
//! One throttle in `CYCLE` requests is the price of following the quota. The period is that many requests long, so
//! hosts that share a quota together pay no more than one alone.
//!
//! What else it must cope with:
//!
//! - **One event is one event.** When the bucket runs dry, all that is in flight may be throttled. Only a throttle of a
//!   request that was *sent* after the last cut says that the cut was not enough.
//! - **Nothing is known yet** (the first throttle, or one far beyond the last quota): that throttle becomes the anchor
//!   to measure from, and the rate is cut. Until enough has been granted since, further throttles cut by the estimate
//!   that there is, within bounds. From such a search the rate climbs back quickly: the cuts may have gone too far.
//! - **The quota has grown**, or a neighbour has left: the throttle that is due does not come. After a fifth of a
//!   period more the climb begins to double, and doubles faster where the period is short.
//! - **A ceiling** is where the rate starts, and it never goes beyond. Without one it starts low and doubles every
//!   second until the first throttle.
//! - **The client is the bottleneck**: growth is measured in requests that had to wait at the gate. When none waits,
//!   nothing is learnt, and nothing grows.
//! - **Other hosts** share the quota: each finds what is left, and the jitter of the periods keeps them out of step.
//! - **Server errors, timeouts and pauses** say nothing about the quota. But such an answer may have taken a token, and a
//!   bucket fills up in a pause no further than it is large: where much of the time between two throttles is of this
//!   kind it measures nothing, and the measurement begins anew.
//!
//! The figures were chosen, and are held, in simulation: `cargo bench --bench pacing`.

use std::time::Duration;

/// Fewer granted requests than this do not make a measurement.
const SAMPLE: u64 = 20;
/// Where the rate goes after a measurement, as a share of the quota.
const BELOW: f64 = 0.97;
/// Where the next throttle is expected, as a share of the quota.
const ABOVE: f64 = 1.025;
/// The requests of a period.
const CYCLE: f64 = 500.0;
/// The period's bounds, in seconds: a fast one must still be longer than an answer takes, a slow one must not outlast
/// the operator's patience when the quota grows.
const PERIOD: (f64, f64) = (6.0, 60.0);
/// How much a period varies, as a share of it.
const JITTER: f64 = 0.3;
/// A throttle is overdue after so many periods.
const OVERDUE: f64 = 1.2;
/// Overdue growth doubles in this share of the period, but not faster than in [`QUICKEST_DOUBLING`].
const DOUBLING: f64 = 0.078;
/// In seconds.
const QUICKEST_DOUBLING: f64 = 0.7;
/// The fastest growth, as a share of the rate a second.
const FASTEST_GROWTH: f64 = 0.4;
/// So far above the expected throttle, what was granted since the last one tells of the old quota and the new.
const BEYOND: f64 = 1.1;
/// The cut when nothing is known.
const FIRST_CUT: f64 = 0.85;
/// The bounds of a cut by an estimate from few requests: while searching...
const SEARCHING_CUT: (f64, f64) = (0.2, 0.85);
/// ... and soon after a measurement, when the throttle is an echo more often than news; the deeper one also where nothing
/// can be told from what was counted.
const MEASURED_CUT: (f64, f64) = (0.9, 0.97);
/// A measurement in which more than this share of the time was a pause, or so many of the answers told nothing, is none.
const SPOILT: f64 = 0.1;
/// Nothing has been sent for so many times as long as from one request to the next: a pause.
const PAUSE: f64 = 4.0;
/// How long the climb back from a search takes, at most, in seconds.
const SEARCH: f64 = 8.0;
/// The slowest rate, in requests a second, unless the ceiling is lower.
const FLOOR: f64 = 0.5;
/// The rate that a run without a ceiling starts with, in requests a second.
const START: f64 = 10.0;
/// The fastest rate there is, in requests a second.
pub const FASTEST: f64 = 1_000_000.0;

/// Where a controller begins and how far it may go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateRange {
    /// The first rate, in requests a second.
    pub start: f64,
    /// The fastest rate, in requests a second; none but [`FASTEST`] where it is to be found.
    pub ceiling: Option<f64>,
}

impl RateRange {
    /// Up to a known quota: starts there.
    #[must_use]
    pub fn upto(ceiling: f64) -> Self {
        Self {
            start: ceiling,
            ceiling: Some(ceiling),
        }
    }

    /// Nothing is known: starts at 10 requests a second.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            start: START,
            ceiling: None,
        }
    }
}

/// Finds the rate that the service grants, and follows it.
#[derive(Debug)]
pub struct Controller {
    ceiling: f64,
    floor: f64,
    rate: f64,
    /// The quota last measured.
    grant: Option<f64>,
    growth: Growth,
    anchor: Option<Anchor>,
    last_cut: Option<Duration>,
    last_sent: Option<Duration>,
    jitter: fastrand::Rng,
}

/// How the rate grows.
#[derive(Debug, Clone, Copy)]
enum Growth {
    /// Not: it is at the ceiling since the start.
    Not,
    /// It doubles every second; no throttle yet.
    Ramp,
    /// It climbs by `slope` requests a second each second, since `climbed` seconds, towards `top`, where a throttle is
    /// expected. `period` is in seconds.
    Climb {
        slope: f64,
        climbed: f64,
        period: f64,
        top: f64,
    },
}

/// A throttle, at which the bucket was empty.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    at: Duration,
    /// Granted since.
    granted: u64,
    /// Whether the quota was measured then, or before.
    measured: bool,
    /// Answers since that told nothing of the rate.
    silent: u64,
    /// Seconds since in which nothing was sent.
    paused: f64,
}

/// What a throttle says, together with what was granted since the anchor. Rates are in requests a second.
#[derive(Debug, Clone, Copy)]
enum Evidence {
    /// This is the quota.
    Measured(f64),
    /// The quota may be about this, but little was counted since it was measured.
    Echo(f64),
    /// The quota may be about this, but little was counted and it was not measured.
    Searching(f64),
    /// What was counted since it was measured tells nothing: there was a pause, or trouble of another kind.
    Spoilt,
    /// There is nothing to go by.
    Nothing,
}

impl Controller {
    /// A controller at its start. `seed` draws the jitter that keeps several hosts from climbing in step.
    #[must_use]
    pub fn new(range: RateRange, seed: u64) -> Self {
        let RateRange { start, ceiling } = range;
        let limit = ceiling.unwrap_or(FASTEST);
        Self {
            ceiling: limit,
            floor: FLOOR.min(limit),
            rate: start.min(limit),
            grant: None,
            growth: if start < limit {
                Growth::Ramp
            } else {
                Growth::Not
            },
            anchor: None,
            last_cut: None,
            last_sent: None,
            jitter: fastrand::Rng::with_seed(seed),
        }
    }

    /// The rate in force, in requests a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// The quota last measured, in requests a second; none before the first measurement.
    #[must_use]
    pub fn grant(&self) -> Option<f64> {
        self.grant
    }

    /// A request leaves. `waited` says that it had to wait at the gate: the rate, not the client, held it back.
    pub fn on_sent(&mut self, now: Duration, waited: bool) {
        let Some(last) = self.last_sent.replace(now) else {
            return;
        };
        let elapsed = now.saturating_sub(last).as_secs_f64();
        let pause = PAUSE / self.rate;
        if let Some(anchor) = self.anchor.as_mut().filter(|_| elapsed > pause) {
            anchor.paused += elapsed;
        }
        if waited {
            // A pause between two requests is not time spent at this rate.
            self.grow(elapsed.min(pause));
        }
    }

    /// A request got no answer, or one that tells nothing of the rate.
    pub fn on_silence(&mut self) {
        if let Some(anchor) = &mut self.anchor {
            anchor.silent += 1;
        }
    }

    /// A request was granted: accepted, or refused for a reason other than the rate.
    pub fn on_granted(&mut self) {
        if let Some(anchor) = &mut self.anchor {
            anchor.granted += 1;
        }
    }

    /// A request that was sent at `sent_at` was throttled.
    pub fn on_throttled(&mut self, sent_at: Duration, now: Duration) {
        if self.last_cut.is_some_and(|cut| sent_at <= cut) {
            return;
        }
        let before = self.rate;
        let evidence = self.evidence(now);
        let (rate, top) = match evidence {
            Evidence::Measured(grant) => (grant * BELOW, grant * ABOVE),
            Evidence::Echo(estimate) => {
                let top = self.grant.map_or(before, |grant| grant.max(before)) * ABOVE;
                (bounded(estimate, before, MEASURED_CUT), top)
            }
            Evidence::Searching(estimate) => {
                (bounded(estimate, before, SEARCHING_CUT), before * ABOVE)
            }
            Evidence::Spoilt => (before * MEASURED_CUT.0, before * ABOVE),
            Evidence::Nothing => (before * FIRST_CUT, before * ABOVE),
        };
        self.rate = rate.clamp(self.floor, self.ceiling);
        self.last_cut = Some(now);
        self.learn(evidence, now);
        self.climb_to(top, evidence.is_search());
    }

    /// What was granted since the anchor, and how far it can be trusted.
    fn evidence(&self, now: Duration) -> Evidence {
        let Some(anchor) = self.anchor.filter(|_| !self.is_beyond()) else {
            return Evidence::Nothing;
        };
        let elapsed = now.saturating_sub(anchor.at).as_secs_f64();
        #[expect(
            clippy::cast_precision_loss,
            reason = "a count of requests between two throttles"
        )]
        let (granted, silent) = (anchor.granted as f64, anchor.silent as f64);
        if anchor.paused > SPOILT * elapsed || silent > SPOILT * granted {
            return if anchor.measured {
                Evidence::Spoilt
            } else {
                Evidence::Nothing
            };
        }
        if anchor.granted >= SAMPLE && elapsed > 0.0 {
            return Evidence::Measured(granted / elapsed);
        }
        // The half is for the token that had half grown.
        let estimate = (granted + 0.5) / elapsed.max(f64::MIN_POSITIVE);
        if anchor.measured {
            Evidence::Echo(estimate)
        } else {
            Evidence::Searching(estimate)
        }
    }

    /// A measurement, or a throttle that begins one anew, is what the next measurement starts from.
    fn learn(&mut self, evidence: Evidence, now: Duration) {
        let measured = match evidence {
            Evidence::Measured(grant) => {
                self.grant = Some(grant);
                true
            }
            Evidence::Spoilt => true,
            Evidence::Nothing => false,
            Evidence::Echo(_) | Evidence::Searching(_) => return,
        };
        self.anchor = Some(Anchor {
            at: now,
            granted: 0,
            measured,
            silent: 0,
            paused: 0.0,
        });
    }

    fn climb_to(&mut self, top: f64, is_search: bool) {
        let jitter = 1.0 + JITTER * (self.jitter.f64() - 0.5);
        let period = (CYCLE / self.rate).clamp(PERIOD.0, PERIOD.1) * jitter;
        let seconds = if is_search {
            period.min(SEARCH)
        } else {
            period
        };
        // The floor may be above what was granted: from there, too, the way is up.
        let top = top.max(self.rate * ABOVE);
        self.growth = Growth::Climb {
            slope: (top - self.rate) / seconds,
            climbed: 0.0,
            period,
            top,
        };
    }

    /// Whether the rate has left the last quota behind.
    fn is_beyond(&self) -> bool {
        matches!(self.growth, Growth::Climb { top, .. } if self.rate > BEYOND * top)
    }

    fn grow(&mut self, seconds: f64) {
        match &mut self.growth {
            Growth::Not => {}
            Growth::Ramp => self.rate *= 2f64.powf(seconds),
            Growth::Climb {
                slope,
                climbed,
                period,
                ..
            } => {
                let overdue = *climbed - OVERDUE * *period;
                *climbed += seconds;
                if overdue <= 0.0 {
                    self.rate += *slope * seconds;
                } else {
                    let doubling = (DOUBLING * *period).max(QUICKEST_DOUBLING);
                    let share = *slope / self.rate * 2f64.powf(overdue / doubling);
                    self.rate *= 1.0 + share.min(FASTEST_GROWTH) * seconds;
                }
            }
        }
        self.rate = self.rate.min(self.ceiling);
    }
}

impl Evidence {
    fn is_search(self) -> bool {
        matches!(self, Self::Searching(_) | Self::Nothing)
    }
}

/// An estimate, but no less and no more of the rate than these shares.
fn bounded(estimate: f64, rate: f64, (least, most): (f64, f64)) -> f64 {
    estimate.clamp(rate * least, rate * most)
}

#[cfg(test)]
mod tests;
