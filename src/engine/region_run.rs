//! One Region's run: which device goes next, and when. What one attempt does is in `attempt`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::job::{Job, Phase};
use super::link::Link;
use super::listing::Listing;
use super::shared::Shared;
use super::stop::Stop;
use super::stop_signal::StopSignal;
use super::waiting::Waiting;
use super::workers::Workers;
use super::{RowSink, Work};
use crate::domain::clock::ServiceClock;
use crate::domain::device::DeviceIndex;
use crate::domain::device::{Device, Region};
use crate::domain::format;
use crate::domain::service::{Operation, Service};
use crate::engine::event::Event;
use crate::engine::pace::controller::{Controller, RateRange};
use crate::engine::pace::limiter::{Limiter, Permit};
use crate::engine::retry::Schedule;

/// Fresh devices wait while so many others wait for their next try: memory stays flat whatever the service does.
const MOST_WAITING: usize = 10_000;
/// Devices under way that have given back their worker: whoever keeps them, as a slow disk, a slow reader of `--json` or
/// an outage, holds back new requests.
const MOST_WITHOUT_WORKER: usize = 256;

/// A Region's client, limiters and what has been learnt of it.
#[derive(Debug)]
pub(super) struct RegionRun<S, L> {
    pub(super) region: Region,
    pub(super) service: S,
    pub(super) shared: Arc<Shared<L>>,
    /// One for each operation, in their order.
    limiters: [Arc<Limiter>; Operation::ALL.len()],
    pub(super) link: Arc<Link>,
    pub(super) schedule: Schedule,
    pub(super) service_clock: Mutex<ServiceClock>,
    random: Mutex<fastrand::Rng>,
    /// Since when everything has been throttled.
    throttle_streak: Mutex<Option<ThrottleStreak>>,
    full: AtomicBool,
    /// Since when no file could be opened for a request, answers apart.
    without_files: Mutex<Option<Instant>>,
    /// Given where the service gives no answer here, although it does elsewhere.
    gone: StopSignal,
}

impl<S: Service, L: RowSink> RegionRun<S, L> {
    pub(super) fn new(region: Region, service: S, shared: Arc<Shared<L>>, number: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(shared.settings.seed.wrapping_add(number));
        let wall = shared.clock.now();
        let limiters = Operation::ALL.map(|operation| {
            let range = match operation {
                Operation::Create => shared.settings.rate,
                _ => RateRange::upto(operation.quota()),
            };
            Arc::new(Limiter::new(Controller::new(range, wall, random.u64(..))))
        });
        let link = Arc::new(Link::new());
        shared.add_link(&region, Arc::clone(&link));
        Self {
            limiters,
            region,
            service,
            shared,
            link,
            schedule: Schedule::default(),
            service_clock: Mutex::default(),
            random: Mutex::new(random),
            throttle_streak: Mutex::new(None),
            full: AtomicBool::new(false),
            without_files: Mutex::default(),
            gone: StopSignal::new(),
        }
    }

    /// What this operation's requests must pass.
    pub(super) fn limiter(&self, operation: Operation) -> &Arc<Limiter> {
        &self.limiters[operation as usize]
    }

    /// A wait before the next try, after so many failed ones.
    pub(super) fn wait_after(&self, tries: u32) -> Duration {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        self.schedule.wait(tries, &mut random)
    }

    /// A request for a device was granted, whatever else came of it.
    pub(super) fn granted(&self) {
        *self.throttle_streak() = None;
    }

    /// A request for a device was throttled. Nothing but throttles for too long stops the run.
    pub(super) fn throttled(&self) {
        let throttle_streak = {
            let mut throttle_streak = self.throttle_streak();
            let now = throttle_streak.get_or_insert_with(ThrottleStreak::new);
            now.goes_on();
            *now
        };
        if throttle_streak.lasted >= self.shared.settings.max_throttled {
            self.throttled_too_long(throttle_streak, self.limiter(Operation::Create));
        }
    }

    /// This limiter's operation has been throttled for too long.
    pub(super) fn throttled_too_long(&self, throttle_streak: ThrottleStreak, limiter: &Limiter) {
        let (now, after) = (self.shared.clock.now(), throttle_streak.lasted);
        self.shared.stop.give(Stop::Throttled {
            region: self.region.clone(),
            since: now.checked_sub(after).unwrap_or(now),
            after,
            requests: throttle_streak.requests,
            rate: format::rate(limiter.rate()),
        });
    }

    /// The account has no room in this Region: no new creates here; the other Regions go on.
    pub(super) fn account_full(&self, failure: crate::domain::service::Failure) {
        if !self.full.swap(true, Ordering::Relaxed) {
            self.shared.region_stopped(Stop::AccountFull {
                region: self.region.clone(),
                failure,
            });
        }
    }

    /// The service gives no answer here: nothing more is sent; the other Regions go on.
    pub(super) fn shut(&self, cause: Stop) {
        if self.gone.give(cause.clone()) {
            self.shared.tell(&Event::Warning {
                text: &format!("{cause}; the other Regions go on"),
            });
            self.shared.region_stopped(cause);
        }
    }

    /// Whether nothing new is to be begun.
    pub(super) fn is_over(&self) -> bool {
        self.full.load(Ordering::Relaxed) || self.is_stopped()
    }

    /// Whether the run ends, or the service gives no answer here.
    pub(super) fn is_stopped(&self) -> bool {
        self.shared.stop.is_given() || self.gone.is_given()
    }

    /// Waits until the run ends, or the service is known to give no answer here.
    pub(super) async fn stopped(&self) {
        tokio::select! {
            biased;
            () = self.shared.stop.given() => {}
            () = self.gone.given() => {}
        }
    }

    /// Waits until that has lasted so long that what is still under way is given up.
    pub(super) async fn grace_over(&self) {
        let grace = self.shared.settings.timeout;
        tokio::select! {
            biased;
            () = self.shared.stop.given_for(grace) => {}
            () = self.gone.given_for(grace) => {}
        }
    }

    /// Whether it has lasted so long.
    pub(super) fn is_grace_over(&self) -> bool {
        let grace = self.shared.settings.timeout;
        self.shared.stop.is_given_for(grace) || self.gone.is_given_for(grace)
    }

    pub(super) fn without_files(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.without_files
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn throttle_streak(&self) -> std::sync::MutexGuard<'_, Option<ThrottleStreak>> {
        self.throttle_streak
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a worker of the Region's share and for leave to send a request.
    async fn admit(&self, phase: Phase, share: &Arc<Semaphore>) -> Option<Admission> {
        let limiter = self.limiter(match phase {
            Phase::Create => Operation::Create,
            Phase::Resolve => Operation::Describe,
        });
        loop {
            self.link.usable().await;
            self.shared.credentials_settled().await;
            let workers = [
                Arc::clone(share).acquire_owned().await.ok()?,
                Arc::clone(&self.shared.workers)
                    .acquire_owned()
                    .await
                    .ok()?,
            ];
            let permit = limiter.acquire().await;
            // Much may have happened while it waited for its turn.
            if self.link.is_usable() && self.shared.are_credentials_settled() {
                return Some(Admission { permit, workers });
            }
        }
    }
}

/// Between two throttles that are this far apart nothing was asked: credentials were fetched, or nobody answered. At the
/// lowest rate of a climb requests are closer.
const LONGEST_GAP: Duration = Duration::from_secs(30);

/// A time in which everything is throttled.
#[derive(Debug, Clone, Copy)]
pub(super) struct ThrottleStreak {
    /// How long it has lasted, by the throttles: time in which nothing was asked is none of it.
    lasted: Duration,
    /// The last throttle, or the beginning.
    last: Instant,
    requests: u64,
}

impl ThrottleStreak {
    /// One that begins now.
    pub(super) fn new() -> Self {
        Self {
            lasted: Duration::ZERO,
            last: Instant::now(),
            requests: 0,
        }
    }

    /// One more request was throttled. How long it lasts by now.
    pub(super) fn goes_on(&mut self) -> Duration {
        let gap = self.last.elapsed();
        if gap < LONGEST_GAP {
            self.lasted += gap;
        }
        self.last = Instant::now();
        self.requests += 1;
        self.lasted
    }
}

/// Leave to make one attempt.
#[derive(Debug)]
pub(super) struct Admission {
    /// From the limiter of the operation that the device's phase begins with.
    pub(super) permit: Permit,
    /// Of the Region's share, and of all. They go back when this is dropped.
    workers: [OwnedSemaphorePermit; 2],
}

impl Admission {
    /// Its worker does not go back.
    pub(super) fn retire(self) {
        let [_share, worker] = self.workers;
        worker.forget();
    }
}

/// What a flight ended in.
#[derive(Debug)]
pub(super) enum Next {
    /// The device has its row.
    Done,
    /// Another attempt, as soon as it is admitted.
    Ready(Box<Job>),
    /// Another attempt after a wait.
    Later(Box<Job>, Duration),
}

/// Works through a Region: adopts what is there, creates what is not, until all is done or it must stop.
pub(super) async fn run<S: Service, L: RowSink, W: Work>(
    region_run: Arc<RegionRun<S, L>>,
    mut work: W,
    listing: Listing,
    workers: usize,
) {
    let open = region_run.adopt_listed(&mut work, &listing).await;
    region_run.shared.tell(&Event::RegionStarted {
        region: &region_run.region,
        limiter: Arc::clone(region_run.limiter(Operation::Create)),
    });
    let mut loop_ = Loop {
        region_run: Arc::clone(&region_run),
        listing,
        workers: Workers::new(Arc::clone(&region_run)),
        waiting: Waiting::to_resolve(open),
        fresh: None,
        exhausted: false,
        share: Arc::new(Semaphore::new(workers.clamp(1, Semaphore::MAX_PERMITS))),
        most_attempts: workers.saturating_add(MOST_WITHOUT_WORKER),
    };
    loop_.work_off(&mut work).await;
    loop_.wind_up().await;
    region_run.shared.tell(&Event::RegionEnded {
        region: &region_run.region,
    });
}

struct Loop<S, L> {
    region_run: Arc<RegionRun<S, L>>,
    listing: Listing,
    workers: Workers<S, L>,
    waiting: Waiting,
    /// The next device that has not been tried.
    fresh: Option<Box<Job>>,
    exhausted: bool,
    /// The workers that this Region may hold at once.
    share: Arc<Semaphore>,
    most_attempts: usize,
}

impl<S: Service, L: RowSink> Loop<S, L> {
    async fn work_off<W: Work>(&mut self, work: &mut W) {
        let region_run = Arc::clone(&self.region_run);
        let mut stopped = std::pin::pin!(region_run.stopped());
        while !region_run.is_over() {
            self.waiting.promote(Instant::now());
            let wants_create = !self.waiting.creates.is_empty() || self.fresh.is_some();
            let wants_resolve = !self.waiting.resolves.is_empty();
            if !wants_create
                && self.exhausted
                && self.workers.in_flight() == 0
                && self.waiting.len() == 0
            {
                break;
            }
            let due = self.waiting.next_due();
            let wants_fresh =
                self.fresh.is_none() && !self.exhausted && self.waiting.len() < MOST_WAITING;
            let has_room = self.workers.in_flight() < self.most_attempts;
            tokio::select! {
                biased;
                // Ends the loop, so it is not asked again.
                () = &mut stopped => {}
                Some(ended) = self.workers.ended() => self.land(ended),
                device = work.next(), if wants_fresh => self.take_fresh(device),
                () = until(due), if due.is_some() => {}
                // Each waits for a limiter of its own, so neither holds back the other; what is unknown goes first.
                Some(admission) = region_run.admit(Phase::Resolve, &self.share), if wants_resolve && has_room => {
                    let job = self.waiting.resolves.pop_front();
                    self.start_attempt(job, admission);
                }
                Some(admission) = region_run.admit(Phase::Create, &self.share), if wants_create && has_room => {
                    let job = self.waiting.creates.pop_front().or_else(|| self.fresh.take());
                    self.start_attempt(job, admission);
                }
            }
        }
    }

    fn take_fresh(&mut self, device: Option<(DeviceIndex, Device)>) {
        let Some((index, device)) = device else {
            self.exhausted = true;
            return;
        };
        let mut job = Box::new(Job::new(index, device));
        if self.listing.has(job.device.channel_name.as_str()) {
            // It was listed when the run began; only Describe says whether it is still there.
            job.phase = Phase::Resolve;
            self.waiting.ready(job);
        } else {
            self.fresh = Some(job);
        }
    }

    fn start_attempt(&mut self, job: Option<Box<Job>>, admission: Admission) {
        if let Some(job) = job {
            self.workers.start_attempt(job, admission);
        }
    }

    fn land(&mut self, ended: Result<Next, JoinError>) {
        match self.region_run.shared.survive(ended) {
            Some(Next::Ready(job)) => self.waiting.ready(job),
            Some(Next::Later(job, wait)) => self.waiting.later(job, wait),
            Some(Next::Done) | None => {}
        }
    }

    /// The Region makes no new creates: what is in flight finishes, and devices whose outcome is open are settled.
    async fn wind_up(&mut self) {
        while let Some(ended) = self.workers.ended().await {
            self.land(ended);
        }
        let waiting = std::mem::take(&mut self.waiting);
        let mut conclusions = JoinSet::new();
        for job in waiting.into_jobs().filter(|job| job.was_tried()) {
            let region_run = Arc::clone(&self.region_run);
            conclusions.spawn(async move { region_run.conclude(job).await });
        }
        while let Some(concluded) = conclusions.join_next().await {
            self.region_run.shared.survive(concluded);
        }
    }
}

async fn until(due: Option<Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due).await;
    }
}
