//! Do throttles become fewer when the rate is cut? Pure: decisions are values, time is an argument in seconds.
//!
//! Throttles that are about the rate go away when the rate goes down. Others do not: those of an account on which
//! another host sends more than the quota and ignores throttles, and those of a service that throttles at random. Against
//! these a lower rate only makes the share smaller. From the outside the two differ in one thing only: whether,
//! at a rate well below what was granted when the throttles began, about the same share of the requests is still
//! throttled.
//!
//! The share is judged by a sequential probability ratio test (A. Wald, 1945), since it needs the fewest answers: each
//! answer moves the evidence towards "many are throttled" or "few are". What many means depends on the rate. Hosts that
//! all cut their rate cause each other at most [`EXPECTED_THROTTLES`] throttles a second, however many they are; their
//! share grows only because the rate of each is small, and stays below [`EXPECTED_SHARE`].

/// Length of the first sample, in seconds.
const SECOND: f64 = 1.0;
/// Answers in a sample, at least.
const SAMPLE: f64 = 8.0;
/// A first sample with fewer throttles than this is a single event, not a congestion.
const SERIOUS: f64 = 4.0;
/// A rate below this share of what was granted is well below it. A share of throttles above this share of the first
/// sample's is about the same.
const SIMILAR: f64 = 0.6;
/// While there is congestion the rate stays above this share of what was granted when it began: at a lower rate a sample
/// would take too long.
const KEPT: f64 = 0.5;
/// Throttles a second that a host receives when all others cut their rate as well.
const EXPECTED_THROTTLES: f64 = 1.5;
/// The largest share of throttles among such hosts.
const EXPECTED_SHARE: f64 = 0.2;
/// The same for all hosts together, whose only company is hosts that do not use the quota server.
const EXPECTED_SHARE_OF_ALL: f64 = 0.04;
/// Of all hosts together a rate below this share of the one that was cut first is low.
const CLEARLY_LOWER: f64 = 0.95;
/// The test distinguishes the expected share from one that is larger by this factor.
const ALTERNATIVE: f64 = 2.0;
/// Logarithm of the likelihood ratio from which throttles are not about the rate: wrong in one case of 50.
const ENOUGH: f64 = 4.0;
/// The same from which the congestion is over.
const OVER: f64 = -2.0;
/// A run of grants ends the congestion when it is this many times as long as one that the first sample makes likely.
const UNLIKELY: f64 = 2.0;
/// While throttles are ignored the rate is at most this multiple of what was granted, or `DOCUMENTED` if that is more:
/// with a ceiling far above the quota a faster rate would gain nothing.
const OVERSENDING: f64 = 10.0;
/// The documented quota of creates a second.
pub(super) const DOCUMENTED: f64 = 50.0;
/// A congestion that begins within this many seconds of the end of another continues it.
pub(super) const MEMORY: f64 = 20.0;

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum CutVerdict {
    /// Nothing new.
    Open,
    /// Throttles have become rare.
    Over,
    /// Cutting the rate does not help.
    CutsDoNotHelp,
}

/// An answer to a request, as far as the rate is concerned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered {
    /// When the request was sent.
    pub(super) sent: f64,
    /// The rate in force then, in requests a second.
    pub(super) rate: f64,
    /// Whether it was granted, not throttled.
    pub(super) granted: bool,
}

/// Granted and throttled requests.
#[derive(Debug, Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
struct AnswerCounts {
    granted: f64,
    throttled: f64,
}

impl AnswerCounts {
    fn add(&mut self, granted: bool) {
        if granted {
            self.granted += 1.0;
        } else {
            self.throttled += 1.0;
        }
    }

    fn all(self) -> f64 {
        self.granted + self.throttled
    }

    fn share(self) -> f64 {
        self.throttled / self.all()
    }
}

/// What is remembered of a congestion that is over.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub(super) struct Past {
    /// When it ended. One that went on from an earlier one keeps that one's time, so that nothing is remembered for long.
    at: f64,
    granted: f64,
    rate_before: f64,
}

/// What is expected where throttles are about the rate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    /// A rate that counts as low whatever was granted, in requests a second.
    low_anyway: f64,
    /// The largest share of throttles at a low rate.
    few: f64,
}

impl Expected {
    /// Of a host among others that cut their rate as well, at this rate.
    pub(super) fn of_one_host(low_anyway: f64, rate: f64) -> Self {
        Self {
            low_anyway,
            few: EXPECTED_SHARE.min(EXPECTED_THROTTLES / rate),
        }
    }

    /// Of all hosts together: once the rate is cut nothing is throttled, unless there are others still.
    pub(super) fn of_all_hosts(congestion: &Congestion) -> Self {
        Self {
            low_anyway: CLEARLY_LOWER * congestion.rate_before,
            few: EXPECTED_SHARE_OF_ALL,
        }
    }
}

/// A time of throttles: from a first cut until throttles have become rare.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub(super) struct Congestion {
    began: f64,
    /// The rate that was cut first.
    rate_before: f64,
    /// The earlier congestion that it goes on from.
    past: Option<Past>,
    /// What was answered until `sampled`.
    first: AnswerCounts,
    sampled: Option<f64>,
    /// Of what was sent well below the rate that was granted.
    low: AnswerCounts,
    /// The logarithm of the likelihood ratio of many throttles to few.
    evidence: f64,
}

impl Congestion {
    /// The rate is cut for the first time.
    pub(super) fn new(now: f64, rate_before: f64, past: Option<Past>) -> Self {
        let past = past.filter(|past| now - past.at < MEMORY);
        Self {
            began: now,
            rate_before: past.map_or(rate_before, |past| past.rate_before.max(rate_before)),
            past,
            first: AnswerCounts {
                granted: 0.0,
                throttled: 1.0,
            },
            sampled: None,
            low: AnswerCounts::default(),
            evidence: 0.0,
        }
    }

    /// The rate to go back to where cuts do not help, in requests a second: the one that was cut first, within the bounds of
    /// [`OVERSENDING`].
    pub(super) fn rate_without_cuts(&self, now: f64) -> f64 {
        let granted = self.granted_recently_or_before(now);
        self.rate_before
            .min((OVERSENDING * granted).max(DOCUMENTED))
    }

    /// The rate must not be cut below this, in requests a second.
    pub(super) fn least_rate(&self, now: f64) -> f64 {
        KEPT * self.granted(now)
    }

    /// What to remember of it. A single event adds nothing.
    pub(super) fn past(&self, now: f64) -> Option<Past> {
        if self.sampled.is_none() {
            return self.past;
        }
        Some(Past {
            at: self.past.map_or(now, |past| past.at),
            granted: self.granted_recently_or_before(now),
            rate_before: self.rate_before,
        })
    }

    /// Granted requests a second in the first sample, or in an earlier congestion's if that is more.
    fn granted_recently_or_before(&self, now: f64) -> f64 {
        let before = self.past.map_or(0.0, |past| past.granted);
        self.granted(now).max(before)
    }

    /// Granted requests a second in the first sample.
    fn granted(&self, now: f64) -> f64 {
        let until = self.sampled.unwrap_or(now);
        (self.first.granted + 1.0) / (until - self.began).max(SECOND)
    }

    /// Whether it is over when `granted` requests were granted in the `seconds` since the last throttle.
    pub(super) fn is_over_after(&self, granted: f64, seconds: f64) -> bool {
        let likely = SAMPLE.max(UNLIKELY / (SIMILAR * self.first.share()));
        seconds > SECOND && granted >= likely
    }

    /// An answer has come.
    pub(super) fn on_answer(
        &mut self,
        answer: Answered,
        now: f64,
        expected: Expected,
    ) -> CutVerdict {
        let Some(sampled) = self.sampled else {
            return self.sample(answer.granted, now);
        };
        let granted = self.granted_recently_or_before(now);
        if answer.sent <= sampled || answer.rate >= (SIMILAR * granted).max(expected.low_anyway) {
            return CutVerdict::Open;
        }
        self.low.add(answer.granted);
        let few = expected.few;
        let many = ALTERNATIVE * few;
        self.evidence += if answer.granted {
            ((1.0 - many) / (1.0 - few)).ln()
        } else {
            ALTERNATIVE.ln()
        };
        // What is beyond doubt already must not outweigh what comes later.
        self.evidence = self.evidence.min(ENOUGH);
        if self.evidence <= OVER {
            return CutVerdict::Over;
        }
        if self.evidence < ENOUGH {
            return CutVerdict::Open;
        }
        // Where nothing at all is granted a faster rate would gain nothing.
        if self.low.granted == 0.0 {
            return CutVerdict::Open;
        }
        if self.low.share() >= SIMILAR * self.first.share() {
            return CutVerdict::CutsDoNotHelp;
        }
        // Many, but far fewer than at first: cutting helps, if slowly.
        self.low = AnswerCounts::default();
        self.evidence = 0.0;
        CutVerdict::Open
    }

    fn sample(&mut self, granted: bool, now: f64) -> CutVerdict {
        self.first.add(granted);
        if now < self.began + SECOND || self.first.all() < SAMPLE {
            return CutVerdict::Open;
        }
        if self.first.throttled < SERIOUS {
            return CutVerdict::Over;
        }
        self.sampled = Some(now);
        CutVerdict::Open
    }
}

#[cfg(test)]
mod tests;
