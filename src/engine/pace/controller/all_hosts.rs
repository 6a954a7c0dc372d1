//! The controller and the quota server: what it needs where the answers of all hosts come together (its state is stored, its
//! rate is measured, it learns of hosts and ceilings), and how it goes on at a rate that others know.

use std::time::{Duration, SystemTime};

use super::{CALM, Controller, FASTEST, IGNORE, RateRange, SECOND, SLOWEST};
use crate::engine::pace::measured::MeasuredRate;

impl Controller {
    /// A controller of all hosts together, at its start.
    pub(in crate::engine::pace) fn of_all_hosts(range: RateRange, wall: SystemTime) -> Self {
        let alone = Self::new(range, wall, 0);
        Self {
            measured: Some(MeasuredRate::unknown(alone.rate)),
            ..alone
        }
    }

    /// Goes on at a rate that is granted as far as others know. What was learned before does not count any more.
    pub(in crate::engine::pace) fn go_on_at(&mut self, rate: f64, now: Duration) {
        let most = self.ceiling.unwrap_or(FASTEST);
        self.congestion = None;
        self.past = None;
        self.ignores_until = None;
        self.go_on_from(rate.max(self.least).min(most), now.as_secs_f64());
    }

    /// Whether it can be the state of a controller: one that was stored may have been changed.
    pub(in crate::engine::pace) fn is_sound(&self) -> bool {
        let in_bounds = |rate: f64| (SLOWEST..=FASTEST).contains(&rate);
        in_bounds(self.rate)
            && in_bounds(self.least)
            && self.ceiling.is_none_or(in_bounds)
            && (0.0..IGNORE).contains(&self.wall)
            && self.decided >= 0.0
            && self.measured.is_none_or(MeasuredRate::is_sound)
    }

    /// From now on the rate may rise up to this. A rate that was held back by a lower ceiling starts again at this one.
    pub(in crate::engine::pace) fn set_ceiling(&mut self, ceiling: Option<f64>) {
        let most = ceiling.unwrap_or(FASTEST);
        let was_held_back = self.ceiling.is_some_and(|before| self.rate >= before);
        if was_held_back && self.ceiling.is_some_and(|before| before < most) {
            let range = ceiling.map_or_else(RateRange::unknown, RateRange::upto);
            self.set_rate(self.rate.max(range.start));
        } else if self.rate > most {
            self.set_rate(most);
        }
        self.ceiling = ceiling;
    }

    /// Whether the rate is at its ceiling, and nothing was throttled lately.
    pub(in crate::engine::pace) fn is_steady(&self, now: Duration) -> bool {
        let since = self
            .last_throttle
            .map_or(f64::INFINITY, |last| now.as_secs_f64() - last);
        self.ceiling.is_some_and(|ceiling| self.rate >= ceiling) && since > CALM
    }

    /// Throttles of requests that were sent before this are no news, in seconds.
    pub(in crate::engine::pace) fn no_news_before(&self) -> Option<f64> {
        self.ignores_until.or(self.last_cut)
    }

    /// The time since the last decision, in seconds. A long one counts little: it was an outage, or nobody has sent anything.
    pub(in crate::engine::pace) fn pass(&mut self, now: Duration) -> f64 {
        let now = now.as_secs_f64();
        let longest = SECOND.max(2.0 / self.rate);
        let since = (now - self.decided).clamp(0.0, longest);
        self.decided = now;
        since
    }

    /// The answers of so many seconds come next.
    pub(in crate::engine::pace) fn observe(&mut self, seconds: f64) {
        if let Some(measured) = &mut self.measured {
            measured.observe(seconds);
        }
    }

    /// There are so many hosts now. One that has joined used a part of the rate before, as one that is alone.
    pub(in crate::engine::pace) fn on_hosts(&mut self, hosts: u32) {
        // The first host of all finds nobody who could have been alone before.
        if self.hosts > 0
            && hosts > self.hosts
            && let Some(measured) = &mut self.measured
        {
            measured.on_joined();
        }
        self.hosts = hosts;
    }

    /// Requests that left up to now have waited for the rate for so many seconds.
    pub(in crate::engine::pace) fn on_waited(&mut self, seconds: f64, now: Duration) {
        self.grants.begin(now.as_secs_f64());
        self.grow(seconds);
    }
}
