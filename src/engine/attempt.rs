//! One attempt for one device, from its permit to what follows from its answer.

use tokio::time::Instant;

use super::job::{DeviceJob, JobPhase};
use super::region_run::{Admission, Next, RegionRun};
use super::retry::{AfterCreate, after_create};
use super::scope::Create;
use super::service::Service;
use super::work::RowSink;
use crate::domain::service::{Failure, FailureKind};

impl<S: Service, L: RowSink> RegionRun<S, L> {
    pub(super) async fn attempt(&self, job: Box<DeviceJob>, admission: Admission) -> Next {
        if self.is_over() {
            return Next::Retry(job);
        }
        match job.phase {
            JobPhase::Create => self.create(job, admission).await,
            JobPhase::Resolve => self.resolve(job, admission).await,
        }
    }

    async fn create(&self, mut job: Box<DeviceJob>, admission: Admission) -> Next {
        job.attempts += 1;
        job.started.get_or_insert_with(|| self.shared.clock.now());
        let begun = Instant::now();
        let generation = self.scope.credentials_generation();
        let Admission { permit, worker } = admission;
        let answer = self.scope.send_with(permit, Create(&job.device)).await;
        match &answer.result {
            // Before the worker is free, so that only what is in flight by now is refused for the same reason.
            Err(failure) if failure.kind == FailureKind::AccountFull => {
                self.account_full(failure.clone());
            }
            Err(failure) if failure.is_of_open_files() => {
                job.attempts -= 1;
                self.shared.retire(worker.of_all);
                let wait = self.scope.after_open_files(failure);
                return Next::RetryLater(job, wait);
            }
            _ => {}
        }
        // The worker is free: what follows is not the service's time.
        drop(worker);
        self.note_grant(&answer);
        let failure = match answer.result {
            Ok(arn) => {
                self.scope.account.allowed();
                let now = self.shared.clock.now();
                let index = job.index;
                let row = job.created(arn, answer.request_id, now);
                return self.finish(index, row).await;
            }
            Err(failure) => failure,
        };
        // Neither is the device's own failure, so neither can be its outcome.
        if !matches!(
            failure.kind,
            FailureKind::Credentials | FailureKind::Throttled
        ) {
            job.failure = Some((failure.clone(), answer.request_id));
        }
        let name = &job.device.channel_name;
        if !failure.is_answered() && self.wait_out_outage(name, begun).await {
            // No request got an answer: the attempt does not count, but it may have created the channel.
            job.history.ambiguous |= failure.kind.is_ambiguous();
            return Next::RetryLater(job, self.scope.wait_after(1));
        }
        self.after_create(job, &failure, generation).await
    }

    async fn after_create(
        &self,
        mut job: Box<DeviceJob>,
        failure: &Failure,
        generation: u64,
    ) -> Next {
        let most = self.shared.settings.max_attempts;
        match after_create(failure.kind, &mut job.history, most) {
            AfterCreate::Again => Next::Retry(job),
            AfterCreate::Reload => self.renew(job, generation, failure).await,
            AfterCreate::Wait => self.retry_later(job, failure),
            AfterCreate::Resolve => {
                job.phase = JobPhase::Resolve;
                Next::Retry(job)
            }
            AfterCreate::Fail => {
                let row = self.given_up(&job);
                self.finish(job.index, row).await
            }
        }
    }
}
