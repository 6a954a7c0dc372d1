//! The rate of all hosts together, measured. Pure.
//!
//! One host sees a part of what happens to the service's bucket; all together see the whole of it. Between two moments at
//! which the bucket is empty, what is granted is what flows in. So where the answers of all hosts come together the rate
//! is not found by trial, but measured at each throttle and held. What is granted beyond the measured rate empties the
//! bucket: if more was granted than it can have held, the rate has risen, and is searched for again.

use serde::{Deserialize, Serialize};

/// The share of the measured rate that is held. The rest fills the bucket, against measurements that are too high.
const HELD_SHARE: f64 = 0.99;
/// The rate goes on from this share of the one to be held, so that the empty bucket gets something in it.
const AFTER_CUT_SHARE: f64 = 0.9;
/// How fast the rate is raised to the one to be held, and beyond it to the one that is tried: a share of the rate a second.
const RAISE_GROWTH: f64 = 0.1;
/// Seconds for which the rate is held before a faster one is tried.
const HOLD: f64 = 3.0;
/// The same after tries that found nothing: twice as long after each, up to this.
const LONGEST_HOLD: f64 = 16.0;
/// The rate that is tried, as a multiple of the measured one.
const TRIED_FACTOR: f64 = 1.1;
/// The same while nothing was measured yet.
const TRIED_FIRST_FACTOR: f64 = 1.25;
/// Growth a second while the rate is searched for, as a share of the rate.
const SEARCH_GROWTH: f64 = 0.5;
/// The rate during a search is at most this multiple of one at which requests were granted: their answers may take long.
const AHEAD_FACTOR: f64 = 1.5;
/// The bucket is taken to hold what flows in within this time, in seconds.
const BUCKET_SECONDS: f64 = 1.0;
/// The rate has risen if the bucket would lack what flows in within this time, in seconds.
const LACK_SECONDS: f64 = 0.25;
/// Less time measures nothing, in seconds: requests that were under way at the last cut are still throttled.
const SHORTEST: f64 = 0.5;
/// After a host has joined, throttles may be due to others that follow it, for so many seconds.
const JOINING: f64 = 2.0;
/// Another host that joins within this time after one is not looked at, in seconds.
const SELDOM: f64 = 10.0;
/// More seconds or requests than any quota has seen.
const MOST: f64 = 1e12;
/// A measured rate above this share of the last one is no news.
const SAME_SHARE: f64 = 0.9;

/// What is known of the rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct MeasuredRate {
    /// What flows into the bucket, in requests a second.
    measured: f64,
    /// What the bucket holds, in requests; less than none if the rate has risen.
    spare: f64,
    /// For how long requests have waited for the rate since the last cut, in seconds.
    held: f64,
    /// For how long it is held, in seconds; none before the first throttle.
    hold: Option<f64>,
    /// For how long the answers have been observed since the last cut, in seconds, whether requests waited or not.
    observed: f64,
    /// The same since a host has joined: others that were alone with it may not have joined yet.
    since_joined: f64,
    /// The rate of the last request that was granted.
    answered: f64,
    /// Granted since the last cut. The bucket was empty then.
    granted: f64,
    /// Throttled since then.
    throttled: f64,
}

impl MeasuredRate {
    /// Before the first throttle, at the rate that is taken for the measured one.
    pub(super) fn unknown(rate: f64) -> Self {
        Self {
            measured: rate,
            spare: BUCKET_SECONDS * rate,
            held: 0.0,
            observed: 0.0,
            hold: None,
            since_joined: SELDOM,
            answered: rate,
            granted: 0.0,
            throttled: 0.0,
        }
    }

    /// Whether it can be the state of one: a state that was stored may have been changed.
    pub(super) fn is_sound(self) -> bool {
        let numbers = [
            self.held,
            self.observed,
            self.since_joined,
            self.answered,
            self.granted,
            self.throttled,
        ];
        let are_bounded = numbers.iter().all(|number| (0.0..=MOST).contains(number));
        are_bounded
            && (0.0..=MOST).contains(&self.measured)
            && (-MOST..=MOST).contains(&self.spare)
            && self
                .hold
                .is_none_or(|hold| (0.0..=LONGEST_HOLD).contains(&hold))
    }

    /// From now on at this rate.
    pub(super) fn go_on_at(&mut self, rate: f64) {
        *self = Self {
            hold: Some(HOLD),
            spare: 0.0,
            since_joined: self.since_joined,
            ..Self::unknown(rate)
        };
    }

    /// A request was granted that left at this rate.
    pub(super) fn on_granted(&mut self, rate: f64) {
        self.answered = rate;
        self.granted += 1.0;
    }

    /// The answers of so many seconds are known.
    pub(super) fn observe(&mut self, seconds: f64) {
        self.observed += seconds;
        self.since_joined += seconds;
    }

    /// A request was throttled.
    pub(super) fn on_throttled(&mut self) {
        self.throttled += 1.0;
    }

    /// The rate after requests have waited for it for so many seconds.
    pub(super) fn after(&mut self, seconds: f64, rate: f64) -> f64 {
        self.held += seconds;
        let spare = self.spare + (self.measured - rate) * seconds;
        self.spare = spare.min(BUCKET_SECONDS * self.measured);
        if self.is_searching() {
            let most = AHEAD_FACTOR * self.answered;
            return (rate * (1.0 + SEARCH_GROWTH * seconds)).min(most).max(rate);
        }
        let most = match self.hold {
            None => TRIED_FIRST_FACTOR * self.measured,
            Some(_) if self.is_trying() => TRIED_FACTOR * self.measured,
            Some(_) => HELD_SHARE * self.measured,
        };
        if rate < most {
            (rate * (1.0 + RAISE_GROWTH * seconds)).min(most)
        } else {
            rate
        }
    }

    /// The bucket is empty: the rate to go on from, in requests a second, which is raised to the one to be held. `lately`
    /// was granted a second in the last second. None if the last cut was a moment ago, or a host has just
    /// joined.
    pub(super) fn cut(&mut self, rate: f64, lately: f64) -> Option<f64> {
        if self.since_joined < JOINING && self.throttled <= self.granted {
            // Others cause it, or may do. The bucket is empty: from here on something can be measured.
            self.go_on_at(rate);
            return None;
        }
        if self.observed < SHORTEST {
            return None;
        }
        // A bucket that was empty at the start has been so for a while.
        let full = match self.hold {
            None if self.observed > 2.0 * BUCKET_SECONDS => BUCKET_SECONDS,
            _ => 0.0,
        };
        let granted = self.granted / (self.observed + full);
        let measured = if self.is_searching() {
            // The bucket may have been full for most of the time.
            granted.max(lately)
        } else {
            granted
        };
        let measured = measured.min(rate);
        let has_found_nothing = self.is_trying() && measured > SAME_SHARE * self.measured;
        self.hold = match self.hold {
            Some(hold) if has_found_nothing => Some((2.0 * hold).min(LONGEST_HOLD)),
            _ => Some(HOLD),
        };
        self.measured = measured;
        self.spare = 0.0;
        self.held = 0.0;
        self.observed = 0.0;
        self.granted = 0.0;
        self.throttled = 0.0;
        Some(AFTER_CUT_SHARE * HELD_SHARE * measured)
    }

    /// A host has joined. It took a part of the rate before, as one that was alone: now a faster rate is tried.
    /// Hosts that come and go all the time are no reason never to cut: nothing happens a moment after another one.
    pub(super) fn on_joined(&mut self) {
        if self.since_joined < SELDOM {
            return;
        }
        self.since_joined = 0.0;
        if let Some(hold) = &mut self.hold {
            *hold = HOLD.min(self.held);
        }
    }

    /// Whether a faster rate is tried.
    fn is_trying(&self) -> bool {
        !self.is_searching() && self.hold.is_some_and(|hold| self.held > hold)
    }

    /// Whether more was granted than the bucket can have held.
    fn is_searching(&self) -> bool {
        self.spare < -LACK_SECONDS * self.measured
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All hosts at this rate for so many seconds, before a bucket that gets `quota` a second.
    fn send(measured: &mut MeasuredRate, rate: &mut f64, quota: f64, seconds: f64) {
        let mut sent = 0.0;
        while sent < seconds {
            let step = 1.0 / *rate;
            sent += step;
            let before = *rate;
            *rate = measured.after(step, before);
            measured.observe(step);
            measured.granted += (quota / before).min(1.0);
            measured.answered = before;
        }
    }

    #[test]
    fn between_two_throttles_the_rate_is_measured_exactly() {
        let mut measured = MeasuredRate::unknown(50.0);
        let mut rate = 50.0;
        send(&mut measured, &mut rate, 40.0, 3.0);
        rate = measured.cut(rate, 0.0).unwrap();
        send(&mut measured, &mut rate, 20.0, 2.0);
        rate = measured.cut(rate, 0.0).unwrap();
        assert!((measured.measured - 20.0).abs() < 1.0, "{measured:?}");
        // The bucket gets something before the rate is held.
        assert!((rate / measured.measured - AFTER_CUT_SHARE * HELD_SHARE).abs() < 1e-9);
        send(&mut measured, &mut rate, 20.0, 2.0);
        assert!((rate / measured.measured - HELD_SHARE).abs() < 1e-9);
    }

    #[test]
    fn after_a_cut_nothing_is_measured_for_a_moment() {
        let mut measured = MeasuredRate::unknown(50.0);
        let mut rate = 50.0;
        send(&mut measured, &mut rate, 40.0, 3.0);
        rate = measured.cut(rate, 0.0).unwrap();
        send(&mut measured, &mut rate, 10.0, 0.3);
        assert_eq!(measured.cut(rate, 0.0), None);
    }

    #[test]
    fn throttles_while_hosts_join_are_not_held_against_the_rate() {
        let mut measured = MeasuredRate::unknown(50.0);
        let mut rate = 50.0;
        send(&mut measured, &mut rate, 50.0, 3.0);
        measured.on_joined();
        send(&mut measured, &mut rate, 20.0, 1.9);
        assert_eq!(measured.cut(rate, 0.0), None);
        send(&mut measured, &mut rate, 40.0, 1.0);
        measured.cut(rate, 0.0).unwrap();
        assert!((measured.measured - 40.0).abs() < 1.0, "{measured:?}");
    }

    #[test]
    fn what_is_held_is_tried_to_be_exceeded_less_and_less_often() {
        let mut measured = MeasuredRate::unknown(50.0);
        let mut rate = 50.0;
        send(&mut measured, &mut rate, 50.0, 3.0);
        rate = measured.cut(rate, 0.0).unwrap();
        let mut holds = Vec::new();
        for _ in 0..5 {
            while rate <= measured.measured {
                send(&mut measured, &mut rate, 50.0, 0.1);
            }
            holds.push(measured.hold.unwrap());
            send(&mut measured, &mut rate, 50.0, 0.2);
            rate = measured.cut(rate, 0.0).unwrap();
        }
        assert_eq!(holds, [3.0, 6.0, 12.0, 16.0, 16.0]);
    }

    #[test]
    fn a_rate_that_has_risen_is_found_within_seconds() {
        let mut measured = MeasuredRate::unknown(50.0);
        let mut rate = 50.0;
        send(&mut measured, &mut rate, 20.0, 3.0);
        rate = measured.cut(rate, 0.0).unwrap();
        let mut seconds = 0.0;
        while rate < 80.0 {
            send(&mut measured, &mut rate, 1_000.0, 0.1);
            seconds += 0.1;
        }
        assert!(seconds < 10.0, "{seconds}");
    }

    #[test]
    fn a_search_waits_for_its_answers() {
        let mut measured = MeasuredRate::unknown(50.0);
        measured.spare = -1_000.0;
        let rate = (0..100).fold(50.0, |rate, _| measured.after(0.1, rate));
        assert!((rate - AHEAD_FACTOR * 50.0).abs() < 1e-9, "{rate}");
    }
}
