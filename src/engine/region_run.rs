//! One Region's part of a provisioning run: what all attempts there share, and what each of them can end in.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::event::Event;
use super::job::DeviceJob;
use super::pace::controller::RateRange;
use super::pace::limiter::Permit;
use super::run_state::RunState;
use super::scope::QuotaScope;
use super::service::Service;
use super::stop::Stop;
use super::throttles::ThrottleStreak;
use super::work::RowSink;
use crate::domain::device::{AccountRegion, DeviceIndex};
use crate::domain::panics::lock;
use crate::domain::service::{Answer, Failure, FailureKind, Operation};
use crate::results::record::Row;

/// One Region's part of a run.
#[derive(Debug)]
pub(super) struct RegionRun<S, L> {
    pub(super) scope: QuotaScope<S>,
    pub(super) shared: Arc<RunState>,
    sink: Arc<L>,
    /// Of the requests for devices.
    throttle_streak: Mutex<ThrottleStreak>,
    /// Whether the account has reached its channel limit in this Region.
    full: AtomicBool,
}

/// What an attempt needs.
#[derive(Debug)]
pub(super) struct Admission {
    /// Of the first operation in the device's phase.
    pub(super) permit: Permit,
    pub(super) worker: Worker,
}

/// A worker of the Region's share, and of all. It goes back when this is dropped.
#[derive(Debug)]
pub(super) struct Worker {
    _of_share: OwnedSemaphorePermit,
    pub(super) of_all: OwnedSemaphorePermit,
}

/// What follows an attempt.
#[derive(Debug)]
pub(super) enum Next {
    /// The device has its row.
    Done,
    /// Another attempt, as soon as it is admitted.
    Retry(Box<DeviceJob>),
    /// Another attempt after a wait.
    RetryLater(Box<DeviceJob>, Duration),
}

impl<S: Service, L: RowSink> RegionRun<S, L> {
    pub(super) fn new(
        account_region: AccountRegion,
        rate: RateRange,
        service: S,
        shared: Arc<RunState>,
        sink: Arc<L>,
    ) -> Self {
        Self {
            scope: QuotaScope::new(account_region, rate, service, Arc::clone(&shared)),
            shared,
            sink,
            throttle_streak: Mutex::default(),
            full: AtomicBool::new(false),
        }
    }

    /// Waits for a worker of the Region's share and for a permit to send a request.
    pub(super) async fn admit(
        &self,
        operation: Operation,
        share: &Arc<Semaphore>,
    ) -> Option<Admission> {
        loop {
            self.scope.link.usable().await;
            self.scope.account.credentials_ready().await;
            let worker = Worker {
                _of_share: Arc::clone(share).acquire_owned().await.ok()?,
                of_all: Arc::clone(&self.shared.workers)
                    .acquire_owned()
                    .await
                    .ok()?,
            };
            let permit = self.scope.permit(operation).await;
            // Much may have happened while it waited for its turn.
            if self.scope.link.is_usable() && self.scope.account.are_credentials_ready() {
                return Some(Admission { permit, worker });
            }
        }
    }

    /// Whether no new attempt may begin.
    pub(super) fn is_over(&self) -> bool {
        self.full.load(Ordering::Relaxed) || self.scope.is_stopped()
    }

    /// The account has no room in this Region: no new creates here; the other Regions go on.
    pub(super) fn account_full(&self, failure: Failure) {
        if !self.full.swap(true, Ordering::Relaxed) {
            self.scope.part_stopped(Stop::AccountFull {
                regions: vec![self.scope.account_region.region.clone()],
                failure,
            });
        }
    }

    /// Notes whether a request for a device was granted or throttled. Nothing but throttles for too long stops the run.
    pub(super) fn note_grant<T>(&self, answer: &Answer<T>) {
        match answer.is_granted() {
            Some(true) => self.end_throttle_streak(),
            Some(false) => {
                let mut streak = lock(&self.throttle_streak);
                streak.add();
                self.scope
                    .stop_if_throttled_too_long(*streak, Operation::Create);
            }
            None => {}
        }
    }

    pub(super) fn end_throttle_streak(&self) {
        *lock(&self.throttle_streak) = ThrottleStreak::default();
    }

    /// Fetches new credentials; the device is tried again, or the run stops and the device has no row.
    pub(super) async fn renew(
        &self,
        job: Box<DeviceJob>,
        generation: u64,
        failure: &Failure,
    ) -> Next {
        let name = Some(&job.device.channel_name);
        self.scope
            .reload_credentials(generation, failure, name)
            .await;
        Next::Retry(job)
    }

    /// The device is tried again after a wait, since its attempt failed.
    pub(super) fn retry_later(&self, job: Box<DeviceJob>, failure: &Failure) -> Next {
        let wait = self
            .scope
            .wait_after(job.history.tries.max(job.history.asks));
        self.shared.tell(&Event::Retried {
            device_id: &job.device.id,
            code: &failure.code,
            message: &failure.message,
            wait,
        });
        Next::RetryLater(job, wait)
    }

    /// The row of a device that is given up: it failed as its last attempt did.
    pub(super) fn given_up(&self, job: &DeviceJob) -> Row {
        if let Some((failure, _)) = &job.failure
            && failure.kind == FailureKind::Denied
        {
            self.scope.denied(failure);
        }
        job.failed_as_it_did(self.shared.clock.now())
    }

    /// The device has its last row.
    pub(super) async fn finish(&self, index: DeviceIndex, row: Row) -> Next {
        self.record(index, row).await;
        Next::Done
    }

    /// Puts a row on disk, then counts and shows it. If it cannot be written, the run stops.
    pub(super) async fn record(&self, index: DeviceIndex, row: Row) {
        let row = self.with_account(row);
        let recorded = self.sink.record(index, row).await;
        self.shared
            .recorded(recorded.as_ref().map(std::slice::from_ref));
    }

    /// The same for many rows.
    pub(super) async fn record_all(&self, rows: Vec<(DeviceIndex, Row)>) {
        let rows = rows
            .into_iter()
            .map(|(index, row)| (index, self.with_account(row)));
        let rows = rows.collect();
        let recorded = self.sink.record_all(rows).await;
        self.shared.recorded(recorded.as_deref());
    }

    /// The row with the account that it is of, as far as that is known.
    fn with_account(&self, row: Row) -> Row {
        Row {
            account: row.account.or_else(|| self.scope.account.id()),
            ..row
        }
    }
}
