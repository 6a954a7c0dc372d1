//! What has happened so far, in numbers: a listener that counts. Shows nothing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::device::Region;
use crate::event::{Event, Listener};
use crate::pace::limiter::Limiter;
use crate::results::record::{Row, Status};
use crate::service::Operation;

/// The rate "now" is taken over this long.
const WINDOW: Duration = Duration::from_secs(5);

/// Requests of one operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// Sent, the throttled ones included.
    pub sent: u64,
    /// Throttled.
    pub throttled: u64,
}

/// The numbers at one instant.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Rows recorded in this run by status.
    pub created: u64,
    /// Channels that were there and were adopted.
    pub exists: u64,
    /// Failed devices by error code.
    pub failed: BTreeMap<Box<str>, u64>,
    /// Wrong rows of the manifest.
    pub invalid: u64,
    /// Adopted channels that differ in type or TTL from what is asked.
    pub differs: u64,
    /// `CreateSignalingChannel`.
    pub creates: Requests,
    /// `DescribeSignalingChannel`.
    pub describes: Requests,
    /// `ListSignalingChannels`.
    pub lists: Requests,
}

impl Counts {
    /// Failed devices, whatever the code.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Devices that have an outcome.
    #[must_use]
    pub fn finished(&self) -> u64 {
        self.created + self.exists + self.failures()
    }
}

/// How fast it goes at one instant.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    /// Channels created a second over the last seconds.
    pub now: f64,
    /// The rate in force, of all Regions that still create.
    pub limit: f64,
}

/// What creating came to over the whole run.
#[derive(Debug, Clone, Copy, Default)]
pub struct CreatePhase {
    /// From the first create request to the last outcome.
    pub duration: Duration,
    /// The highest grant measured in a Region, in requests a second; none where nothing was throttled.
    pub grant: Option<f64>,
}

/// Counts events.
#[derive(Debug)]
pub struct Tally {
    started: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    counts: Counts,
    recent: VecDeque<(Instant, u64)>,
    lanes: Vec<LaneView>,
    offline_since: Option<Instant>,
    first_create: Option<Instant>,
    last_create: Option<Instant>,
}

#[derive(Debug)]
struct LaneView {
    region: Region,
    limiter: Arc<Limiter>,
    working: bool,
    creates: Requests,
    created: u64,
    first_create: Option<Instant>,
    last_create: Option<Instant>,
}

/// What creating came to in one Region.
#[derive(Debug, Clone)]
pub struct LaneTotals {
    /// The Region.
    pub region: Region,
    /// Create requests.
    pub creates: Requests,
    /// Channels created a second, from the first request to the last channel.
    pub achieved: f64,
    /// The grant last measured, in requests a second; none where nothing was throttled.
    pub grant: Option<f64>,
}

impl Tally {
    /// A tally that begins now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            inner: Mutex::default(),
        }
    }

    /// The time since it began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The counts now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.lock().counts.clone()
    }

    /// How fast channels are being made now.
    #[must_use]
    pub fn pace(&self) -> Pace {
        let mut inner = self.lock();
        let now = Instant::now();
        while inner
            .recent
            .front()
            .is_some_and(|(at, _)| now.duration_since(*at) > WINDOW)
        {
            inner.recent.pop_front();
        }
        let made: u64 = inner.recent.iter().map(|(_, made)| made).sum();
        let since_first = inner
            .first_create
            .map_or(Duration::ZERO, |first| now.duration_since(first));
        let window = since_first.min(WINDOW).as_secs_f64().max(0.5);
        let working = inner.lanes.iter().filter(|lane| lane.working);
        Pace {
            #[expect(clippy::cast_precision_loss, reason = "a count of a few seconds")]
            now: made as f64 / window,
            // An empty sum of floats is -0.
            limit: working
                .map(|lane| lane.limiter.rate())
                .fold(0.0, |sum, rate| sum + rate),
        }
    }

    /// For how long there has been no answer, if there is none now.
    #[must_use]
    pub fn offline_for(&self) -> Option<Duration> {
        self.lock().offline_since.map(|since| since.elapsed())
    }

    /// What creating came to.
    #[must_use]
    pub fn create_phase(&self) -> CreatePhase {
        let inner = self.lock();
        let duration = inner
            .first_create
            .zip(inner.last_create)
            .map_or(Duration::ZERO, |(first, last)| last.duration_since(first));
        let grants = inner.lanes.iter().filter_map(|lane| lane.limiter.grant());
        CreatePhase {
            duration,
            grant: grants.reduce(f64::max),
        }
    }

    /// What creating came to in each Region.
    #[must_use]
    pub fn lanes(&self) -> Vec<LaneTotals> {
        let inner = self.lock();
        let lanes = inner.lanes.iter().map(|lane| LaneTotals {
            region: lane.region.clone(),
            creates: lane.creates,
            achieved: per_second(lane.created, lane.first_create, lane.last_create),
            grant: lane.limiter.grant(),
        });
        lanes.collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn per_second(count: u64, first: Option<Instant>, last: Option<Instant>) -> f64 {
    let time = first
        .zip(last)
        .map_or(Duration::ZERO, |(first, last)| last.duration_since(first));
    if time.is_zero() {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of devices")]
    let count = count as f64;
    count / time.as_secs_f64()
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

impl Inner {
    fn requests(&mut self, operation: Operation) -> &mut Requests {
        match operation {
            Operation::Create => &mut self.counts.creates,
            Operation::Describe => &mut self.counts.describes,
            Operation::List => &mut self.counts.lists,
        }
    }

    fn lane(&mut self, region: &str) -> Option<&mut LaneView> {
        self.lanes
            .iter_mut()
            .find(|lane| lane.region.as_str() == region)
    }

    fn created(&mut self, region: &str, now: Instant) {
        self.counts.created += 1;
        if let Some(lane) = self.lane(region) {
            lane.created += 1;
            lane.last_create = Some(now);
        }
        self.last_create = Some(now);
        // Tenths of a second are fine enough to show, and bound what is kept at any rate.
        match self.recent.back_mut() {
            Some((at, made)) if now.duration_since(*at) < Duration::from_millis(100) => *made += 1,
            _ => self.recent.push_back((now, 1)),
        }
    }

    fn recorded(&mut self, row: &Row) {
        match row.status {
            Status::Created => self.created(&row.region, Instant::now()),
            Status::Exists => self.counts.exists += 1,
            Status::Failed => {
                let code = row.error_code.clone();
                *self.counts.failed.entry(code).or_default() += 1;
            }
            Status::Invalid => self.counts.invalid += 1,
            Status::Deleted => {}
        }
    }
}

impl Listener for Tally {
    fn tell(&self, event: &Event<'_>) {
        let mut inner = self.lock();
        match event {
            Event::LaneStarted { region, limiter } => inner.lanes.push(LaneView {
                region: (*region).clone(),
                limiter: Arc::clone(limiter),
                working: true,
                creates: Requests::default(),
                created: 0,
                first_create: None,
                last_create: None,
            }),
            Event::LaneEnded { region } => {
                for lane in &mut inner.lanes {
                    lane.working &= lane.region != **region;
                }
            }
            Event::Sent { region, operation } => {
                inner.requests(*operation).sent += 1;
                if *operation == Operation::Create {
                    let now = Instant::now();
                    inner.first_create.get_or_insert(now);
                    if let Some(lane) = inner.lane(region.as_str()) {
                        lane.creates.sent += 1;
                        lane.first_create.get_or_insert(now);
                    }
                }
            }
            Event::Throttled { region, operation } => {
                inner.requests(*operation).throttled += 1;
                if *operation == Operation::Create
                    && let Some(lane) = inner.lane(region.as_str())
                {
                    lane.creates.throttled += 1;
                }
            }
            Event::Offline { .. } => inner.offline_since = Some(Instant::now()),
            Event::Online { .. } => inner.offline_since = None,
            Event::Differs { .. } => inner.counts.differs += 1,
            Event::Recorded { row } => inner.recorded(row),
            Event::Listed { .. } | Event::Retried { .. } | Event::Warning { .. } => {}
        }
    }
}
