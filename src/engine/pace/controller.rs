//! The rate of the next request. Pure: time is an argument, the rate a return value.
//!
//! The service keeps a token bucket for each account, Region and operation, and throttles when the bucket is empty. It
//! does not report how many hosts share the bucket or how fast it is refilled. What counts is the time until a batch of
//! hundreds or thousands of devices is done; a throttle costs one request and nothing else.
//!
//! ```text
//!    rate
//!         ┤╲ start: the ceiling                    another host has finished: no throttle for CALM
//!         ┤ ╲ a cut for each round trip                  ╱ seconds, and the growth doubles
//!         ┤  ╲                                         ╱
//!   share ┤- -╲- - - ╱│- - - -╱│- - - ╱│- - - - - -╱- - - - - -
//!         ┤    ╲╱ ╱   ╵  ╱    ╵  ╱    ╵    ╱
//!         └──────────────────────────────────────────────▶ time
//! ```
//!
//! - **Growth** is a share of the rate a second, so slow hosts climb as fast as fast ones. After `CALM` seconds without
//!   a cut it doubles every `DOUBLING` seconds, up to `FASTEST_GROWTH`: when twice the rate becomes available, the
//!   controller reaches it after about six seconds; ten times the rate, after ten.
//! - **A cut** answers a throttle, once for each round trip: only the throttle of a request that was *sent* after the
//!   last cut says that the cut was not enough. It goes to `CUT` of where the last climb began to accelerate (what
//!   came after was a search), but leaves `CUT` of what was granted in the last second: one second is the evidence,
//!   not a handful of answers.
//! - **Fairness** follows from both: hosts grow by the same share, and a host that sends more is throttled more.
//! - **Cuts that do not help.** Another host may send more than the quota and ignore throttles, or the service may throttle
//!   at random. Then each cut makes our share smaller and throttles no fewer (`congestion` detects that). So the rate goes
//!   back to where it was before the throttles began, and throttles are ignored until the wall clock next shows a multiple
//!   of `IGNORE` seconds: hosts that ignore throttles because of each other stop at the same time.
//! - **A ceiling** is where the rate starts, and it never goes beyond. Without one it starts at the documented quota and
//!   doubles every second until the first throttle, which cuts it to `RAMP_CUT`: the rate has overshot by the round
//!   trip and by what the full bucket gave. If that throttle turns out to be independent of the rate, the documented quota
//!   counts as the rate before it.
//! - **The client is the bottleneck**: only time in which requests waited at the gate counts as time at this rate. When
//!   none waits, nothing grows.
//! - **Server errors and timeouts** say nothing about the rate and do not move it.
//!
//! The cost: to find within seconds what others free, each host must be throttled 0.2 to 0.4 times a second. The constants
//! were chosen, and are tested, in simulation (`cargo bench --bench pacing`). Changing those of growth and cuts by 25 %
//! hardly changes the results.

mod all_hosts;
mod growth;
mod range;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::congestion::{Answered, Congestion, CutVerdict, DOCUMENTED, Expected, MEMORY, Past};
use super::grants::{Grants, LONGEST};
use super::measured::MeasuredRate;
use super::spacing::Spacing;
use growth::Growth;
pub use range::RateRange;

/// Growth a second, as a share of the rate.
const GROWTH: f64 = 0.03;
/// Seconds without a cut before growth begins to double.
const CALM: f64 = 4.0;
/// Doubling time of the growth, in seconds.
const DOUBLING: f64 = 0.4;
/// The fastest growth a second, as a share of the rate.
const FASTEST_GROWTH: f64 = 0.5;
/// What a cut leaves.
const CUT: f64 = 0.85;
/// What the cut leaves that ends the doubling at the start of a run without a ceiling.
const RAMP_CUT: f64 = 0.4;
/// Throttles are ignored until the wall clock next shows a multiple of this, in seconds, but for a second at least.
const IGNORE: f64 = 60.0;
/// Length of the window whose grants are the evidence for a cut, in seconds.
const SECOND: f64 = 1.0;
/// The slowest rate as a share of the ceiling.
const LEAST: f64 = 0.02;
/// The bounds of the slowest rate in requests a second: below, minutes could pass between two requests; above, hosts that
/// share a small quota would throttle each other for nothing.
const LEAST_BOUNDS: (f64, f64) = (0.5, 5.0);
/// A rate below this multiple of the slowest rate is low, whatever was granted.
const LOW: f64 = 1.5;
/// A gap longer than this many periods is a pause.
const PAUSE: f64 = 4.0;
/// A pause is not shorter than this, in seconds: at fast rates requests leave in groups, one for each tick of the timer.
const SHORTEST_PAUSE: f64 = 0.02;
/// The slowest rate there is, in requests a second.
pub(crate) const SLOWEST: f64 = 0.01;
/// The fastest rate there is, in requests a second.
pub(crate) const FASTEST: f64 = 1_000_000.0;

/// A request that has left.
#[derive(Debug, Clone, Copy)]
pub struct SentRequest {
    /// When.
    pub at: Duration,
    /// The rate in force then, in requests a second.
    pub rate: f64,
    /// Of the longest delay after its turn, the share with which it left; none where it did not have to wait.
    pub share: Option<f64>,
}

/// Finds the rate that the service grants, and follows it. Its state can be stored, all but the random numbers of the
/// spacing.
#[derive(Debug, Serialize, Deserialize)]
pub struct Controller {
    ceiling: Option<f64>,
    least: f64,
    rate: f64,
    growth: Growth,
    last_sent: Option<f64>,
    last_cut: Option<f64>,
    last_throttle: Option<f64>,
    last_answer: Option<f64>,
    /// Granted since the last throttle.
    in_a_row: f64,
    grants: Grants,
    grant: Option<f64>,
    congestion: Option<Congestion>,
    past: Option<Past>,
    /// Throttles are ignored until then.
    ignores_until: Option<f64>,
    has_ignored: bool,
    #[serde(skip)]
    spacing: Spacing,
    /// Where the answers of all hosts come together here: what they measure.
    measured: Option<MeasuredRate>,
    /// When it was decided on last, where the answers of all hosts come together.
    decided: f64,
    /// How many hosts there are, where it is known.
    hosts: u32,
    /// Seconds from a multiple of [`IGNORE`] on the wall clock to time zero.
    wall: f64,
}

impl Controller {
    /// A controller at its start. `wall` is what the wall clock shows at time zero; `seed` draws the spacing.
    pub fn new(range: RateRange, wall: SystemTime, seed: u64) -> Self {
        let RateRange { start, ceiling } = range;
        let most = ceiling.unwrap_or(FASTEST);
        let (least, greatest) = LEAST_BOUNDS;
        let rate = start.min(most);
        let since_epoch = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            ceiling,
            least: (LEAST * ceiling.unwrap_or(DOCUMENTED))
                .clamp(least, greatest)
                .min(most),
            rate,
            growth: if rate < most {
                Growth::Ramp
            } else {
                Growth::from(rate)
            },
            last_sent: None,
            last_cut: None,
            last_throttle: None,
            last_answer: None,
            in_a_row: 0.0,
            grants: Grants::default(),
            grant: None,
            congestion: None,
            past: None,
            ignores_until: None,
            has_ignored: false,
            spacing: Spacing::new(seed),
            measured: None,
            decided: 0.0,
            hosts: 0,
            wall: since_epoch.as_secs_f64() % IGNORE,
        }
    }

    /// The rate in force, in requests a second.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// The fastest rate allowed, in requests a second; none if it must be found.
    pub fn ceiling(&self) -> Option<f64> {
        self.ceiling
    }

    /// What the service granted in the five seconds before its last answer to a request that had waited for its turn, in
    /// requests a second; none where nothing was granted, or nothing throttled: then it may grant more.
    pub fn grant(&self) -> Option<f64> {
        self.grant
    }

    /// Whether throttles were ever ignored, since cutting the rate did not make them fewer.
    pub(crate) fn has_ignored_throttles(&self) -> bool {
        self.has_ignored
    }

    /// The share of the longest delay with which the next request leaves after its turn.
    pub(crate) fn spacing(&mut self) -> f64 {
        self.spacing.next()
    }

    /// A request leaves. `waited` says that it had to wait at the gate: the rate, not the client, held it back.
    pub fn on_sent(&mut self, now: Duration, waited: bool) {
        let now = now.as_secs_f64();
        self.grants.begin(now);
        if let Some(last) = self.last_sent.replace(now)
            && waited
        {
            // A pause between two requests is not time spent at this rate.
            let pause = (PAUSE / self.rate).max(SHORTEST_PAUSE);
            self.grow((now - last).min(pause));
        }
    }

    /// A request was granted: accepted, or refused for a reason other than the rate.
    pub(crate) fn on_granted(&mut self, sent: SentRequest, now: Duration) {
        let now = now.as_secs_f64();
        self.note_answer(now);
        self.grants.add(now);
        self.in_a_row += 1.0;
        let measured = self.measured.iter_mut();
        measured.for_each(|measured| measured.on_granted(sent.rate));
        self.note_grant(sent, now);
        if !self.is_ignoring(now) {
            self.judge(sent, now, true);
        } else if let Some(share) = sent.share {
            self.spacing.keep(share);
        }
    }

    /// A request was throttled.
    pub fn on_throttled(&mut self, sent: SentRequest, now: Duration) {
        let now = now.as_secs_f64();
        self.note_answer(now);
        self.end_congestion_after_calm(now);
        self.last_throttle = Some(now);
        let measured = self.measured.iter_mut();
        measured.for_each(MeasuredRate::on_throttled);
        self.in_a_row = 0.0;
        self.note_grant(sent, now);
        if self.is_ignoring(now) {
            if let Some(share) = sent.share {
                self.spacing.miss(share);
            }
        } else if self.judge(sent, now, false) == CutVerdict::CutsDoNotHelp {
            self.ignore(now);
        } else if self.last_cut.is_none_or(|cut| sent.at.as_secs_f64() > cut) {
            self.cut(now);
        }
    }

    /// An answer after a long pause says nothing of what was before.
    fn note_answer(&mut self, now: f64) {
        if self.last_answer.is_some_and(|last| now - last > MEMORY) {
            self.congestion = None;
            self.past = None;
        }
        self.last_answer = Some(now);
    }

    /// While nothing waits, all requests are granted: that says nothing about the quota.
    fn note_grant(&mut self, sent: SentRequest, now: f64) {
        let is_known = self.last_throttle.is_some() && !self.grants.is_empty();
        if is_known && sent.share.is_some() {
            self.grant = Some(self.grants.rate(now, LONGEST));
        }
    }

    fn grow(&mut self, seconds: f64) {
        if self.ignores_until.is_some() {
            return;
        }
        let most = self.ceiling.unwrap_or(FASTEST);
        if let Some(measured) = &mut self.measured {
            self.rate = measured.after(seconds, self.rate).min(most);
            return;
        }
        match &mut self.growth {
            Growth::Ramp => self.rate *= 2f64.powf(seconds),
            Growth::Climb {
                calm,
                base,
                at_ceiling,
            } => {
                *calm += seconds;
                if self.rate >= most {
                    *at_ceiling += seconds;
                }
                if *calm <= CALM || *at_ceiling >= SECOND {
                    *base = self.rate;
                }
                let doublings = ((*calm - CALM) / DOUBLING).clamp(0.0, 30.0);
                let slope = GROWTH * *base * 2f64.powf(doublings);
                self.rate += slope.min(FASTEST_GROWTH * self.rate) * seconds;
            }
        }
        self.rate = self.rate.min(most);
    }

    fn cut(&mut self, now: f64) {
        let before = self.rate;
        let lately = self.grants.rate(now, SECOND);
        if let Some(measured) = &mut self.measured {
            let Some(wanted) = measured.cut(before, lately) else {
                return;
            };
            self.cut_to(wanted, before, now);
            return;
        }
        let most = before * CUT;
        let granted = lately * CUT;
        let (wanted, rate_before) = match self.growth {
            Growth::Ramp => {
                let after = before * RAMP_CUT;
                (after, after.max(DOCUMENTED.min(before)))
            }
            Growth::Climb { base, .. } => ((base * CUT).max(granted).min(most), before),
        };
        self.cut_to(wanted, rate_before, now);
    }

    /// `rate_before` is the rate to go back to where cuts do not help.
    fn cut_to(&mut self, wanted: f64, rate_before: f64, now: f64) {
        let past = self.past;
        let congestion = self
            .congestion
            .get_or_insert_with(|| Congestion::new(now, rate_before, past));
        let least = congestion.least_rate(now).max(self.least);
        self.rate = wanted.max(least).min(self.rate);
        self.last_cut = Some(now);
        self.growth = Growth::from(self.rate);
    }

    /// Takes an answer as evidence of whether cutting helps.
    fn judge(&mut self, sent: SentRequest, now: f64, granted: bool) -> CutVerdict {
        let Some(congestion) = &mut self.congestion else {
            return CutVerdict::Open;
        };
        let answer = Answered {
            sent: sent.at.as_secs_f64(),
            rate: sent.rate,
            granted,
        };
        let verdict = match self.measured {
            Some(_) => congestion.on_answer(answer, now, Expected::of_all_hosts(congestion)),
            None => congestion.on_answer(
                answer,
                now,
                Expected::of_one_host(LOW * self.least, answer.rate),
            ),
        };
        if verdict == CutVerdict::Over {
            self.end_congestion(now);
        }
        verdict
    }

    fn end_congestion_after_calm(&mut self, now: f64) {
        let since = self.last_throttle.map_or(f64::INFINITY, |last| now - last);
        let granted = self.in_a_row;
        if self
            .congestion
            .is_some_and(|congestion| congestion.is_over_after(granted, since))
        {
            self.end_congestion(now);
        }
    }

    fn end_congestion(&mut self, now: f64) {
        self.past = self.congestion.take().and_then(|ended| ended.past(now));
    }

    /// Goes back to the rate before the throttles, and ignores them for a while.
    fn ignore(&mut self, now: f64) {
        let before = self.congestion.take();
        let rate = before.map_or(self.rate, |ended| ended.rate_without_cuts(now));
        self.go_on_from(rate.max(self.rate), now);
        let periods = ((now + self.wall + SECOND) / IGNORE).floor() + 1.0;
        self.ignores_until = Some(periods * IGNORE - self.wall);
        self.has_ignored = true;
    }

    fn is_ignoring(&mut self, now: f64) -> bool {
        if self.ignores_until.is_some_and(|until| now >= until) {
            self.ignores_until = None;
            self.spacing.forget();
        }
        self.ignores_until.is_some()
    }

    fn go_on_from(&mut self, rate: f64, now: f64) {
        self.set_rate(rate);
        self.last_cut = Some(now);
    }

    fn set_rate(&mut self, rate: f64) {
        self.rate = rate;
        self.growth = Growth::from(rate);
        if let Some(measured) = &mut self.measured {
            measured.go_on_at(rate);
        }
    }
}

#[cfg(test)]
mod tests;
