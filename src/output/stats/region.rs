//! The creates of one account and Region: their outcomes, their rate, and the time left. Time is an argument.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::recent::{LATELY, NOW, Recent};
use super::{RegionNow, RegionTotals, Requests};
use crate::domain::device::AccountRegion;
use crate::engine::pace::limiter::Limiter;
use crate::engine::pace::sharing::Sharing;
use crate::results::record::{Row, Status};

/// The rate is not used until a Region has created for this long: the first answers are still on their way.
const WARM_UP: Duration = Duration::from_secs(2);
/// A shorter phase has no meaningful rate.
const SHORTEST_PHASE: Duration = Duration::from_secs(1);
/// Nor has a phase with fewer channels: the first ones do not wait for the limiter.
const FEWEST: u64 = 20;

/// The period from the first create to the last.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Phase {
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Phase {
    /// A create was sent or throttled, or has created its channel.
    pub(super) fn note(&mut self, now: Instant) {
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    pub(super) fn duration(&self) -> Duration {
        self.first
            .zip(self.last)
            .map_or(Duration::ZERO, |(first, last)| last.duration_since(first))
    }
}

/// Channels created a second over a phase; `None` for a burst: less than a second, or fewer than 20 channels.
pub(super) fn achieved(created: u64, phase: Duration) -> Option<f64> {
    let is_burst = phase < SHORTEST_PHASE || created < FEWEST;
    #[expect(clippy::cast_precision_loss, reason = "a count of devices")]
    let created = created as f64;
    (!is_burst).then(|| created / phase.as_secs_f64())
}

/// A Region's creates.
#[derive(Debug)]
pub(super) struct RegionStats {
    pub(super) account_region: AccountRegion,
    creates: Requests,
    created: u64,
    phase: Phase,
    /// Devices to do, as far as they are known.
    devices: u64,
    /// Whether these are all: those of a stream arrive one by one.
    are_all: bool,
    /// Those of them with an outcome.
    finished: u64,
    /// Those whose channel existed before, and those that have none.
    exists: u64,
    failed: u64,
    /// `None` before its creates begin.
    limiter: Option<Arc<Limiter>>,
    has_ended: bool,
    recently_finished: Recent,
    recently_created: Recent,
}

impl RegionStats {
    /// With the number of devices to do, where it is known in advance.
    pub(super) fn new(account_region: AccountRegion, devices: Option<u64>) -> Self {
        Self {
            account_region,
            devices: devices.unwrap_or(0),
            are_all: devices.is_some(),
            creates: Requests::default(),
            created: 0,
            phase: Phase::default(),
            finished: 0,
            exists: 0,
            failed: 0,
            limiter: None,
            has_ended: false,
            recently_finished: Recent::default(),
            recently_created: Recent::default(),
        }
    }

    /// Its creates begin; this limiter sets their rate.
    pub(super) fn begin(&mut self, limiter: Arc<Limiter>) {
        self.limiter = Some(limiter);
    }

    /// It has no more devices to create.
    pub(super) fn end(&mut self) {
        self.has_ended = true;
    }

    pub(super) fn send(&mut self, now: Instant) {
        self.creates.sent += 1;
        self.phase.note(now);
    }

    pub(super) fn throttle(&mut self, now: Instant) {
        self.creates.throttled += 1;
        self.phase.note(now);
    }

    /// Whether a row is of a device here.
    pub(super) fn has(&self, row: &Row) -> bool {
        let named = &self.account_region.account;
        *row.region == *self.account_region.region.as_str()
            && (named.is_none() || *named == row.account)
    }

    /// A device has its outcome: a new channel or another one.
    pub(super) fn finish(&mut self, status: Status, is_created: bool, now: Instant) {
        self.finished += 1;
        self.exists += u64::from(status == Status::Exists);
        // A rollback keeps the status of a channel that it leaves.
        let is_left = status == Status::Created && !is_created;
        self.failed += u64::from(status == Status::Failed || is_left);
        self.created += u64::from(is_created);
        if is_created {
            self.phase.note(now);
        }
        // Devices adopted before the first create do not count for the rate.
        if self.has_begun() {
            self.recently_finished.note(now);
            if is_created {
                self.recently_created.note(now);
            }
        }
    }

    /// Whether its creates have begun.
    pub(super) fn has_begun(&self) -> bool {
        self.limiter.is_some()
    }

    pub(super) fn totals(&self) -> RegionTotals {
        RegionTotals {
            account_region: self.account_region.clone(),
            creates: self.creates,
            achieved: achieved(self.created, self.phase.duration()),
            rate: self.rate(),
            ceiling: self.ceiling(),
            grant: self.grant(),
            sharing: self.sharing(),
            has_ignored_throttles: self
                .limiter
                .as_ref()
                .is_some_and(|limiter| limiter.has_ignored_throttles()),
        }
    }

    /// The Region at this instant.
    pub(super) fn now(&self, now: Instant) -> RegionNow {
        RegionNow {
            account_region: self.account_region.clone(),
            devices: self.devices,
            finished: self.finished,
            failed: self.failed,
            creates: self.creates,
            has_begun: self.has_begun(),
            has_ended: self.has_ended,
            created_per_second: self.achieved_lately(now),
            rate: self.rate(),
            ceiling: self.ceiling(),
            grant: self.grant(),
            sharing: self.sharing(),
        }
    }

    /// One more device of a stream is to do.
    pub(super) fn arrive(&mut self) {
        self.devices += 1;
    }

    /// Devices without an outcome, of those that are known.
    pub(super) fn left(&self) -> u64 {
        self.devices.saturating_sub(self.finished)
    }

    /// Devices whose channel was created, whose channel existed, and that have none.
    pub(super) fn outcomes(&self) -> [u64; 3] {
        [self.created, self.exists, self.failed]
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(super) fn is_working(&self) -> bool {
        self.has_begun() && !self.has_ended
    }

    /// The rate in force, in requests a second; 0 before its creates begin.
    pub(super) fn rate(&self) -> f64 {
        self.limiter.as_ref().map_or(0.0, |limiter| limiter.rate())
    }

    /// The ceiling, in requests a second; `None` without a ceiling, or before its creates begin.
    pub(super) fn ceiling(&self) -> Option<f64> {
        self.limiter.as_ref()?.ceiling()
    }

    /// The rate granted in the last five seconds, in requests a second; `None` if nothing was throttled.
    pub(super) fn grant(&self) -> Option<f64> {
        self.limiter.as_ref()?.grant()
    }

    /// How the quota is shared with other hosts; `None` without a quota server.
    pub(super) fn sharing(&self) -> Option<Sharing> {
        self.limiter.as_ref()?.sharing_of_quota()
    }

    /// Channels created a second over the last seconds.
    pub(super) fn achieved_lately(&self, now: Instant) -> f64 {
        self.recently_created.per_second(now, NOW, self.phase.first)
    }

    /// The time left at the rate of the last seconds, because the rate in force may be far above the granted rate.
    /// `None` if it is unknown: for a stream, a Region that has not begun, or one in which no device finishes.
    pub(super) fn ahead(&self, now: Instant) -> Option<Duration> {
        if !self.are_all {
            return None;
        }
        let left = self.left();
        if left == 0 || self.has_ended {
            return Some(Duration::ZERO);
        }
        let is_warm = |first: Instant| now.duration_since(first) >= WARM_UP;
        // At a lower rate, ten seconds have too few devices.
        let is_countable = self.rate() >= 1.0;
        let per_second = if is_countable && self.phase.first.is_some_and(is_warm) {
            self.recently_finished
                .per_second(now, LATELY, self.phase.first)
        } else {
            self.rate()
        };
        #[expect(clippy::cast_precision_loss, reason = "an estimate in seconds")]
        let seconds = left as f64 / per_second;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::device::Region;
    use crate::engine::pace::controller::{Controller, RateRange};

    const TENTH: Duration = Duration::from_millis(100);

    fn region() -> AccountRegion {
        Region::parse("eu-central-1").unwrap().into()
    }

    fn region_stats(planned: u64, rate: f64) -> RegionStats {
        let mut stats = RegionStats::new(region(), Some(planned));
        let controller = Controller::new(RateRange::upto(rate), std::time::UNIX_EPOCH, 1);
        stats.begin(Arc::new(Limiter::new(controller)));
        stats
    }

    /// Sends and finishes this many a second, evenly, for this long.
    fn work(stats: &mut RegionStats, start: Instant, per_second: u32, seconds: u32) -> Instant {
        stats.phase.note(start);
        let gap = Duration::from_secs(1) / per_second;
        for number in 1..=per_second * seconds {
            stats.finish(Status::Created, true, start + gap * number);
        }
        start + Duration::from_secs(seconds.into())
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_left_follows_the_rate_of_the_last_seconds() {
        let start = Instant::now();
        let mut stats = region_stats(1_000, 50.0);
        assert_eq!(stats.ahead(start), Some(Duration::from_secs(20)));
        let now = work(&mut stats, start, 50, 10);
        let ahead = stats.ahead(now).unwrap().as_secs_f64();
        assert!((9.9..10.3).contains(&ahead), "{ahead}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_region_without_finished_devices_has_no_time_left() {
        // The ceiling is not reached: the service grants a hundred a second, and then nothing.
        let start = Instant::now();
        let mut stats = region_stats(10_000, 1_000_000.0);
        let now = work(&mut stats, start, 100, 10);
        let ahead = stats.ahead(now).unwrap().as_secs_f64();
        assert!((88.0..95.0).contains(&ahead), "{ahead}");
        let later = now + Duration::from_secs(4);
        let ahead = stats.ahead(later).unwrap().as_secs_f64();
        assert!((140.0..160.0).contains(&ahead), "{ahead}");
        let later = now + Duration::from_secs(11);
        assert_eq!(stats.ahead(later), None);
        // Devices that finish later count.
        work(&mut stats, later, 100, 10);
        let ahead = stats.ahead(later + Duration::from_secs(10)).unwrap();
        assert!((75.0..85.0).contains(&ahead.as_secs_f64()), "{ahead:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn throttled_requests_do_not_count_as_finished() {
        let start = Instant::now();
        let mut stats = region_stats(1_000, 100.0);
        for tenth in 0..100_u32 {
            let now = start + TENTH * tenth;
            for number in 0..10 {
                stats.send(now);
                if number < 5 {
                    stats.finish(Status::Created, true, now);
                } else {
                    stats.throttle(now);
                }
            }
        }
        // Half of the rate in force.
        let ahead = stats.ahead(start + TENTH * 100).unwrap().as_secs_f64();
        assert!((9.8..10.3).contains(&ahead), "{ahead}");
        assert_eq!(stats.totals().creates.throttled, 500);
    }

    #[tokio::test(start_paused = true)]
    async fn a_finished_region_has_no_time_left() {
        let start = Instant::now();
        let mut done = region_stats(100, 50.0);
        let now = work(&mut done, start, 50, 2);
        assert_eq!(done.ahead(now), Some(Duration::ZERO));
        let mut over = region_stats(100, 50.0);
        over.end();
        assert_eq!(over.ahead(now), Some(Duration::ZERO));
        let stream = RegionStats::new(region(), None);
        assert_eq!(stream.ahead(now), None);
        let waiting = RegionStats::new(region(), Some(5));
        assert_eq!(waiting.ahead(now), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_slices_is_bounded() {
        let start = Instant::now();
        let mut stats = region_stats(1_000_000, 1_000_000.0);
        let now = work(&mut stats, start, 10_000, 10);
        let slices = stats.recently_finished.slices();
        assert!(slices <= 102, "{slices}");
        assert!((10_000.0..10_200.0).contains(&stats.achieved_lately(now)));
        let later = now + Duration::from_secs(6);
        assert!(stats.achieved_lately(later).abs() < f64::EPSILON);
    }

    #[test]
    fn a_burst_has_no_rate() {
        assert_eq!(achieved(200, Duration::from_millis(300)), None);
        assert_eq!(achieved(12, Duration::from_secs(3)), None);
        assert_eq!(achieved(0, Duration::ZERO), None);
        assert_eq!(achieved(998, Duration::from_secs(20)), Some(49.9));
    }
}
