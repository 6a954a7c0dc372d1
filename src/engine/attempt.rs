//! One attempt for one device, from leave to send it to what follows from its answer. What is asked when an outcome is
//! open is in `resolve`, what follows from silence in `outage`.

use std::pin::{Pin, pin};

use tokio::time::Instant;

use super::RowSink;
use super::job::{Job, Phase};
use super::region_run::{Admission, Next, RegionRun};
use crate::domain::device::DeviceIndex;
use crate::domain::service::{Answer, Failure, FailureKind, Operation, Service};
use crate::engine::event::Event;
use crate::engine::pace::limiter::{Limiter, Permit};
use crate::engine::retry::{AfterCreate, after_create};
use crate::results::record::Row;

impl<S: Service, L: RowSink> RegionRun<S, L> {
    /// Makes one attempt.
    pub(super) async fn fly(&self, job: Box<Job>, admission: Admission) -> Next {
        if self.is_over() {
            return Next::Ready(job);
        }
        match job.phase {
            Phase::Create => self.create(job, admission).await,
            Phase::Resolve => self.resolve(job, admission).await,
        }
    }

    async fn create(&self, mut job: Box<Job>, admission: Admission) -> Next {
        job.attempts += 1;
        job.started.get_or_insert_with(|| self.shared.clock.now());
        let begun = Instant::now();
        let generation = self.service.credentials_generation();
        let answer = self
            .ask(Operation::Create, pin!(self.service.create(&job.device)))
            .await;
        pace(self.limiter(Operation::Create), admission.permit, &answer);
        if let Err(failure) = &answer.result
            && failure.kind == FailureKind::AccountFull
        {
            // Before the worker is free, so that only what is in flight by now meets with the same.
            self.account_full(failure.clone());
        }
        if let Err(failure) = &answer.result
            && failure.is_of_open_files()
        {
            job.attempts -= 1;
            let wait = self.after_open_files(failure, Some(admission));
            return Next::Later(job, wait);
        }
        // The worker is free: what follows is not the service's time.
        drop(admission);
        self.judge(&answer);
        let failure = match answer.result {
            Ok(arn) => {
                self.shared.allowed();
                // In another account than meant the run stops, but the channel exists: its row must say so.
                self.shared.check_account(arn.parts().account);
                let now = self.shared.clock.now();
                let index = job.index;
                let row = job.created(arn, answer.request_id, now);
                return self.finish(index, row).await;
            }
            Err(failure) => failure,
        };
        match failure.kind {
            // Neither is the device's doing, so neither can be its outcome.
            FailureKind::Credentials => return self.renew(job, generation, &failure).await,
            FailureKind::Throttled => {}
            _ => job.failure = Some((failure.clone(), answer.request_id)),
        }
        if !failure.is_answered() && self.is_outage(&job, begun).await {
            // Nobody got an answer: the device is as untried as before, though perhaps not as unmade.
            job.history.ambiguous |= failure.kind.is_ambiguous();
            return Next::Later(job, self.wait_after(1));
        }
        self.after_create(job, failure).await
    }

    async fn after_create(&self, mut job: Box<Job>, failure: Failure) -> Next {
        let most = self.shared.settings.max_attempts;
        match after_create(failure.kind, &mut job.history, most) {
            AfterCreate::Again | AfterCreate::Reload => Next::Ready(job),
            AfterCreate::Wait => self.later(job, &failure),
            AfterCreate::Resolve => {
                job.phase = Phase::Resolve;
                Next::Ready(job)
            }
            AfterCreate::Fail => {
                let row = self.given_up(&job);
                self.finish(job.index, row).await
            }
        }
    }

    /// Fetches new credentials; the device is tried again, or the run stops and the device has no row.
    pub(super) async fn renew(&self, job: Box<Job>, generation: u64, failure: &Failure) -> Next {
        let name = &job.device.channel_name;
        self.reload_credentials(generation, failure, Some(name))
            .await;
        Next::Ready(job)
    }

    pub(super) fn later(&self, job: Box<Job>, failure: &Failure) -> Next {
        let wait = self.wait_after(job.history.tries.max(job.history.asks));
        self.shared.tell(&Event::Retried {
            device_id: &job.device.id,
            code: &failure.code,
            message: &failure.message,
            wait,
        });
        Next::Later(job, wait)
    }

    pub(super) async fn finish(&self, index: DeviceIndex, row: Row) -> Next {
        self.shared.record(index, row).await;
        Next::Done
    }

    /// The row of a device that is given up: it failed as its last attempt did.
    pub(super) fn given_up(&self, job: &Job) -> Row {
        if let Some((failure, _)) = &job.failure
            && failure.kind == FailureKind::Denied
        {
            self.shared.denied(failure);
        }
        job.failed_as_it_did(self.shared.clock.now())
    }

    /// Notes whether the service grants anything to devices.
    pub(super) fn judge<T>(&self, answer: &Answer<T>) {
        match is_granted(answer) {
            Some(true) => self.granted(),
            Some(false) => self.throttled(),
            None => {}
        }
    }

    /// Leave of a limiter, unless the run stops and its grace ends first.
    pub(super) async fn leave(&self, limiter: &Limiter) -> Result<Permit, Failure> {
        tokio::select! {
            biased;
            permit = limiter.acquire() => Ok(permit),
            () = self.grace_over() => Err(cut_off()),
        }
    }

    /// Makes one request and learns what its answer says of the link, the clock and the credentials. It is pinned where
    /// it is made: the SDK's futures are many kilobytes, too many to hand on.
    pub(super) async fn ask<T>(
        &self,
        operation: Operation,
        request: Pin<&mut impl Future<Output = Answer<T>>>,
    ) -> Answer<T> {
        let generation = self.service.credentials_generation();
        let answer = self.exchange(operation, request).await;
        let failure = answer.result.as_ref().err();
        // A server error may be a proxy's, which vouches for nothing.
        let vouches = |failure: &Failure| {
            failure.is_answered()
                && !matches!(
                    failure.kind,
                    FailureKind::Credentials | FailureKind::ServerError
                )
        };
        if failure.is_none_or(vouches) {
            self.shared.credentials_work(generation);
        }
        answer
    }

    /// The same, without a word on the credentials.
    pub(super) async fn exchange<T>(
        &self,
        operation: Operation,
        request: Pin<&mut impl Future<Output = Answer<T>>>,
    ) -> Answer<T> {
        let sent = Event::Sent {
            region: &self.region,
            operation,
        };
        self.shared.tell(&sent);
        let answer = tokio::select! {
            biased;
            answer = request => answer,
            () = self.grace_over() => {
                return Answer { result: Err(cut_off()), request_id: None, date: None };
            }
        };
        // A proxy that answers in the service's place has a clock of its own.
        if let Some(date) = answer.date
            && answer.request_id.is_some()
        {
            let received = self.shared.clock.now();
            self.service_clock().learn(date, received);
        }
        let failure = answer.result.as_ref().err();
        if failure.is_none_or(Failure::is_answered) {
            self.link.answered();
            self.shared.answered();
        }
        if failure.is_some_and(|failure| failure.kind == FailureKind::Throttled) {
            self.shared.tell(&Event::Throttled {
                region: &self.region,
                operation,
            });
        }
        answer
    }

    pub(super) fn service_clock(
        &self,
    ) -> std::sync::MutexGuard<'_, crate::domain::clock::ServiceClock> {
        self.service_clock
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Tells a limiter what came of a request.
pub(super) fn pace<T>(limiter: &Limiter, permit: Permit, answer: &Answer<T>) {
    match is_granted(answer) {
        Some(true) => limiter.accepted(permit),
        Some(false) => limiter.throttled(permit),
        None => {}
    }
}

/// Whether a request was granted or throttled. Server errors and silence say nothing about the rate.
fn is_granted<T>(answer: &Answer<T>) -> Option<bool> {
    match answer.result.as_ref().err().map(|failure| failure.kind) {
        Some(FailureKind::Throttled) => Some(false),
        Some(
            FailureKind::ServerError
            | FailureKind::Lost
            | FailureKind::Unreachable
            | FailureKind::Credentials,
        ) => None,
        _ => Some(true),
    }
}

/// What a request gets that is still open when the grace of a stopped run ends.
fn cut_off() -> Failure {
    Failure {
        kind: FailureKind::Lost,
        code: "Timeout".into(),
        message: "no answer before the run had to end".into(),
        foreign: false,
    }
}
