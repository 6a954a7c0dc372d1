//! The creates of one Region in numbers: what came of them, how fast, and how long the rest will take. Time is an
//! argument.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{LaneTotals, Requests};
use crate::device::Region;
use crate::pace::limiter::Limiter;

/// The rate "now" is taken over this long.
const WINDOW: Duration = Duration::from_secs(5);
/// Over less than this a few devices would make a rate of hundreds.
const SHORTEST_WINDOW: Duration = Duration::from_millis(500);
/// Tenths of a second are fine enough to show, and bound what is kept at any rate.
const SLICE: Duration = Duration::from_millis(100);
/// Before a Region has created for so long, how fast it goes says little: answers are still on their way.
const WARM_UP: Duration = Duration::from_secs(2);
/// A burst that is over sooner has no rate worth the name,
const SHORTEST_PHASE: Duration = Duration::from_secs(1);
/// nor have so few channels: the first ones do not wait for the pace.
const FEWEST: u64 = 20;

/// The time in which creates were sent or came to something.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Phase {
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Phase {
    /// A create was sent, was throttled, or made its channel.
    pub(super) fn note(&mut self, now: Instant) {
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    /// From the first to the last.
    pub(super) fn duration(&self) -> Duration {
        self.first
            .zip(self.last)
            .map_or(Duration::ZERO, |(first, last)| last.duration_since(first))
    }
}

/// Channels created a second over a phase; none for a burst: less than a second, or fewer than 20 channels.
pub(super) fn achieved(created: u64, phase: Duration) -> Option<f64> {
    let is_burst = phase < SHORTEST_PHASE || created < FEWEST;
    #[expect(clippy::cast_precision_loss, reason = "a count of devices")]
    let created = created as f64;
    (!is_burst).then(|| created / phase.as_secs_f64())
}

/// A Region's creates.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) region: Region,
    creates: Requests,
    created: u64,
    phase: Phase,
    /// Devices to do, where that is known in advance.
    planned: Option<u64>,
    /// Of these, devices that have an outcome.
    finished: u64,
    /// None before its creates begin.
    limiter: Option<Arc<Limiter>>,
    has_ended: bool,
    recent: VecDeque<Slice>,
}

/// A tenth of a second in which something happened.
#[derive(Debug)]
struct Slice {
    at: Instant,
    sent: u64,
    finished: u64,
    created: u64,
    /// What the rate in force allowed since the slice before.
    allowed: f64,
}

impl Lane {
    pub(super) fn new(region: Region, planned: Option<u64>) -> Self {
        Self {
            region,
            planned,
            creates: Requests::default(),
            created: 0,
            phase: Phase::default(),
            finished: 0,
            limiter: None,
            has_ended: false,
            recent: VecDeque::new(),
        }
    }

    /// Its creates begin, at the pace of this limiter.
    pub(super) fn begin(&mut self, limiter: Arc<Limiter>) {
        self.limiter = Some(limiter);
    }

    /// It has nothing more to create.
    pub(super) fn end(&mut self) {
        self.has_ended = true;
    }

    /// A create was sent.
    pub(super) fn send(&mut self, now: Instant) {
        self.creates.sent += 1;
        self.phase.note(now);
        self.note(now, |slice| slice.sent += 1);
    }

    /// A create was throttled.
    pub(super) fn throttle(&mut self, now: Instant) {
        self.creates.throttled += 1;
        self.phase.note(now);
    }

    /// A device got its outcome, a new channel or another.
    pub(super) fn finish(&mut self, is_created: bool, now: Instant) {
        self.finished += 1;
        self.created += u64::from(is_created);
        if is_created {
            self.phase.note(now);
        }
        // What was adopted before the creates began is no matter of their pace.
        if self.has_begun() {
            self.note(now, |slice| {
                slice.finished += 1;
                slice.created += u64::from(is_created);
            });
        }
    }

    /// Counts in the slice of this moment.
    fn note(&mut self, now: Instant, count: impl FnOnce(&mut Slice)) {
        self.forget(now);
        let before = self.recent.back().map(|slice| slice.at);
        if before.is_none_or(|at| now.duration_since(at) >= SLICE) {
            let since = before.or(self.phase.first).unwrap_or(now);
            let gap = now.duration_since(since).min(WINDOW);
            self.recent.push_back(Slice {
                at: now,
                sent: 0,
                finished: 0,
                created: 0,
                allowed: self.rate() * gap.as_secs_f64(),
            });
        }
        if let Some(slice) = self.recent.back_mut() {
            count(slice);
        }
    }

    /// Lets go of what is too old for the rate now.
    fn forget(&mut self, now: Instant) {
        // A slice lies behind its beginning: half of it at the window's edge is as much as is missing on average.
        let is_old = |slice: &Slice| now.duration_since(slice.at) > WINDOW + SLICE / 2;
        while self.recent.front().is_some_and(is_old) {
            self.recent.pop_front();
        }
    }

    /// Whether its creates have begun.
    pub(super) fn has_begun(&self) -> bool {
        self.limiter.is_some()
    }

    /// What its creates came to.
    pub(super) fn totals(&self) -> LaneTotals {
        LaneTotals {
            region: self.region.clone(),
            creates: self.creates,
            achieved: achieved(self.created, self.phase.duration()),
            rate: self.rate(),
            grant: self.grant(),
        }
    }

    /// Whether it creates.
    pub(super) fn is_working(&self) -> bool {
        self.has_begun() && !self.has_ended
    }

    /// The rate in force, in requests a second; 0 before its creates begin.
    pub(super) fn rate(&self) -> f64 {
        self.limiter.as_ref().map_or(0.0, |limiter| limiter.rate())
    }

    /// The grant last measured; none where nothing was throttled.
    pub(super) fn grant(&self) -> Option<f64> {
        self.limiter.as_ref()?.grant()
    }

    /// Channels created a second over the last seconds.
    pub(super) fn achieved_lately(&mut self, now: Instant) -> f64 {
        self.forget(now);
        let created: u64 = self.recent.iter().map(|slice| slice.created).sum();
        let since_first = self
            .phase
            .first
            .map_or(Duration::ZERO, |first| now.duration_since(first));
        let window = since_first.clamp(SHORTEST_WINDOW, WINDOW);
        #[expect(clippy::cast_precision_loss, reason = "a count of a few seconds")]
        let created = created as f64;
        created / window.as_secs_f64()
    }

    /// How long the rest will take: at the rate in force, as far as that was made use of lately. None where there is no
    /// telling: a stream, a Region that has not begun, or one in which nothing gets done.
    pub(super) fn ahead(&self, now: Instant) -> Option<Duration> {
        let left = self.planned?.saturating_sub(self.finished);
        if left == 0 || self.has_ended {
            return Some(Duration::ZERO);
        }
        let per_second = self.rate() * self.use_lately(now)?;
        #[expect(clippy::cast_precision_loss, reason = "an estimate in seconds")]
        let seconds = left as f64 / per_second;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// Which share of what the rate in force allowed lately was made use of: not all of it where the service or this
    /// computer, and not the rate, is what holds the run back. None where nothing at all gets done.
    fn use_lately(&self, now: Instant) -> Option<f64> {
        let is_warm = |first: Instant| now.duration_since(first) >= WARM_UP;
        if !self.phase.first.is_some_and(is_warm) {
            return Some(1.0);
        }
        let total = |of: fn(&Slice) -> u64| self.recent.iter().map(of).sum::<u64>();
        let finished = total(|slice| slice.finished);
        let last = self.recent.back().filter(|_| finished > 0)?;
        let allowed: f64 = self.recent.iter().map(|slice| slice.allowed).sum();
        let since_last = self.rate() * now.duration_since(last.at).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a count of a few seconds")]
        let used = finished.max(total(|slice| slice.sent)) as f64;
        let share = used / (allowed + since_last);
        Some(if share < 1.0 { share } else { 1.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::controller::{Controller, RateRange};

    fn lane(planned: u64, rate: f64) -> Lane {
        let region = Region::parse("eu-central-1").unwrap();
        let mut lane = Lane::new(region, Some(planned));
        lane.begin(Arc::new(Limiter::new(Controller::new(
            RateRange::upto(rate),
            1,
        ))));
        lane
    }

    /// Sends and finishes so many a second, evenly, for so long.
    fn work(lane: &mut Lane, start: Instant, per_second: u32, seconds: u32) -> Instant {
        lane.phase.note(start);
        let gap = Duration::from_secs(1) / per_second;
        for number in 1..=per_second * seconds {
            lane.finish(true, start + gap * number);
        }
        start + Duration::from_secs(seconds.into())
    }

    #[tokio::test(start_paused = true)]
    async fn the_rest_takes_as_long_as_the_rate_in_force_says() {
        let start = Instant::now();
        let mut lane = lane(1_000, 50.0);
        assert_eq!(lane.ahead(start), Some(Duration::from_secs(20)));
        let now = work(&mut lane, start, 50, 10);
        let ahead = lane.ahead(now).unwrap().as_secs_f64();
        assert!((9.9..10.3).contains(&ahead), "{ahead}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_that_nothing_comes_of_promises_nothing() {
        // The ceiling is out of reach: the service takes a hundred a second, and then nothing.
        let start = Instant::now();
        let mut lane = lane(10_000, 1_000_000.0);
        let now = work(&mut lane, start, 100, 10);
        let ahead = lane.ahead(now).unwrap().as_secs_f64();
        assert!((88.0..95.0).contains(&ahead), "{ahead}");
        let later = now + Duration::from_secs(4);
        let ahead = lane.ahead(later).unwrap().as_secs_f64();
        assert!((150.0..200.0).contains(&ahead), "{ahead}");
        let later = now + Duration::from_secs(6);
        lane.forget(later);
        assert_eq!(lane.ahead(later), None);
        // What comes then is not measured by the time in which nothing came.
        work(&mut lane, later, 100, 5);
        let ahead = lane.ahead(later + Duration::from_secs(5)).unwrap();
        assert!((80.0..200.0).contains(&ahead.as_secs_f64()), "{ahead:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn throttled_requests_have_made_use_of_the_rate() {
        let start = Instant::now();
        let mut lane = lane(1_000, 100.0);
        for tenth in 0..30_u32 {
            let now = start + SLICE * tenth;
            for number in 0..10 {
                lane.send(now);
                if number < 5 {
                    lane.finish(true, now);
                } else {
                    lane.throttle(now);
                }
            }
        }
        // The controller has its own view of the throttles: the rate in force is what it makes of them.
        let ahead = lane.ahead(start + SLICE * 30).unwrap().as_secs_f64();
        assert!((8.4..8.9).contains(&ahead), "{ahead}");
        assert_eq!(lane.totals().creates.throttled, 150);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_done_or_over_takes_no_time() {
        let start = Instant::now();
        let mut done = lane(100, 50.0);
        let now = work(&mut done, start, 50, 2);
        assert_eq!(done.ahead(now), Some(Duration::ZERO));
        let mut over = lane(100, 50.0);
        over.end();
        assert_eq!(over.ahead(now), Some(Duration::ZERO));
        let stream = Lane::new(Region::parse("eu-central-1").unwrap(), None);
        assert_eq!(stream.ahead(now), None);
        let waiting = Lane::new(Region::parse("eu-central-1").unwrap(), Some(5));
        assert_eq!(waiting.ahead(now), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_of_the_past_is_bounded() {
        let start = Instant::now();
        let mut lane = lane(1_000_000, 1_000_000.0);
        let now = work(&mut lane, start, 10_000, 10);
        assert!(lane.recent.len() <= 52, "{}", lane.recent.len());
        assert!((10_000.0..10_200.0).contains(&lane.achieved_lately(now)));
        let later = now + Duration::from_secs(6);
        assert!(lane.achieved_lately(later).abs() < f64::EPSILON);
        assert!(lane.recent.is_empty());
    }

    #[test]
    fn a_burst_has_no_rate() {
        assert_eq!(achieved(200, Duration::from_millis(300)), None);
        assert_eq!(achieved(12, Duration::from_secs(3)), None);
        assert_eq!(achieved(0, Duration::ZERO), None);
        assert_eq!(achieved(998, Duration::from_secs(20)), Some(49.9));
    }
}
