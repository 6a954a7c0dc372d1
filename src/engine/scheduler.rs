//! One Region's loop: which device goes next, and when.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::event::Event;
use super::job::{DeviceJob, JobPhase};
use super::listing::Listing;
use super::region_run::{Admission, Next, RegionRun};
use super::service::Service;
use super::waiting::Waiting;
use super::work::{RowSink, Work};
use super::workers::Workers;
use crate::domain::device::{Device, DeviceIndex};
use crate::domain::service::Operation;

/// Fresh devices wait while this number of others wait for their next try: memory stays bounded.
const MOST_WAITING: usize = 10_000;
/// The most attempts that have given back their worker. They become many with a slow disk, a slow reader of `--json` or an
/// outage; then no new ones begin.
const MOST_WITHOUT_WORKER: usize = 256;

/// Works through a Region: adopts channels that exist, creates those that do not, until all is done or it must stop.
pub(super) async fn run<S: Service, L: RowSink, W: Work>(
    region_run: Arc<RegionRun<S, L>>,
    mut work: W,
    listing: Listing,
    workers: usize,
) {
    let open = region_run.adopt_listed(&mut work, &listing).await;
    let scope = &region_run.scope;
    region_run.shared.tell(&Event::RegionStarted {
        account_region: &scope.account_region,
        limiter: Arc::clone(scope.limiter(Operation::Create)),
    });
    let mut scheduler = Scheduler {
        region_run: Arc::clone(&region_run),
        listing,
        workers: Workers::new(Arc::clone(&region_run)),
        waiting: Waiting::to_resolve(open),
        fresh: None,
        exhausted: false,
        share: Arc::new(Semaphore::new(workers.clamp(1, Semaphore::MAX_PERMITS))),
        most_attempts: workers.saturating_add(MOST_WITHOUT_WORKER),
    };
    scheduler.run(&mut work).await;
    scheduler.finish().await;
    region_run.shared.tell(&Event::RegionEnded {
        account_region: &scope.account_region,
    });
}

struct Scheduler<S, L> {
    region_run: Arc<RegionRun<S, L>>,
    listing: Listing,
    workers: Workers<S, L>,
    waiting: Waiting,
    /// The next device that has not been tried.
    fresh: Option<Box<DeviceJob>>,
    exhausted: bool,
    /// The workers that this Region may hold at once.
    share: Arc<Semaphore>,
    most_attempts: usize,
}

impl<S: Service, L: RowSink> Scheduler<S, L> {
    async fn run<W: Work>(&mut self, work: &mut W) {
        let region_run = Arc::clone(&self.region_run);
        let mut stopped = std::pin::pin!(region_run.scope.stopped());
        while !region_run.is_over() {
            self.waiting.promote(Instant::now());
            let has_create = !self.waiting.creates.is_empty() || self.fresh.is_some();
            let has_resolve = !self.waiting.resolves.is_empty();
            if !has_create
                && self.exhausted
                && self.workers.in_flight() == 0
                && self.waiting.len() == 0
            {
                break;
            }
            let due = self.waiting.next_due();
            let needs_fresh =
                self.fresh.is_none() && !self.exhausted && self.waiting.len() < MOST_WAITING;
            let has_room = self.workers.in_flight() < self.most_attempts;
            tokio::select! {
                biased;
                // Ends the loop, so it is not polled again.
                () = &mut stopped => {}
                Some(ended) = self.workers.next() => self.take_ended(ended),
                device = work.next(), if needs_fresh => self.take_fresh(device),
                () = until(due), if due.is_some() => {}
                // Each waits for its own limiter, so neither holds back the other; unknown outcomes go first.
                Some(admission) = region_run.admit(Operation::Describe, &self.share), if has_resolve && has_room => {
                    let job = self.waiting.resolves.pop_front();
                    self.start_attempt(job, admission);
                }
                Some(admission) = region_run.admit(Operation::Create, &self.share), if has_create && has_room => {
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
        let mut job = Box::new(DeviceJob::new(index, device));
        if self.listing.has(job.device.channel_name.as_str()) {
            // It was listed when the run began; only Describe shows whether it still exists.
            job.phase = JobPhase::Resolve;
            self.waiting.ready(job);
        } else {
            self.fresh = Some(job);
        }
    }

    fn start_attempt(&mut self, job: Option<Box<DeviceJob>>, admission: Admission) {
        if let Some(job) = job {
            self.workers.start_attempt(job, admission);
        }
    }

    fn take_ended(&mut self, ended: Result<Next, JoinError>) {
        match self.region_run.shared.survive(ended) {
            Some(Next::Retry(job)) => self.waiting.ready(job),
            Some(Next::RetryLater(job, wait)) => self.waiting.later(job, wait),
            Some(Next::Done) | None => {}
        }
    }

    /// The Region sends no new creates: attempts in flight finish, and devices whose outcome is unknown are resolved.
    async fn finish(&mut self) {
        while let Some(ended) = self.workers.next().await {
            self.take_ended(ended);
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
