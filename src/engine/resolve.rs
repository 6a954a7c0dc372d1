//! After an attempt of unknown outcome: whether the device's channel exists, whether that attempt created it, and what
//! follows.

use std::time::Duration;

use tokio::time::Instant;

use super::job::{DeviceJob, JobPhase};
use super::pace::limiter::Permit;
use super::region_run::{Admission, Next, RegionRun};
use super::retry::{AfterResolve, Truth, after_resolve};
use super::scope::{Describe, List};
use super::service::Service;
use super::work::RowSink;
use crate::domain::device::ChannelName;
use crate::domain::service::{Channel, ChannelStatus, Failure, FailureKind, ListRequest};
use crate::results::record::Row;

impl<S: Service, L: RowSink> RegionRun<S, L> {
    /// Finds out whether the device's channel exists, and decides.
    pub(super) async fn resolve(&self, mut job: Box<DeviceJob>, admission: Admission) -> Next {
        let begun = Instant::now();
        let generation = self.scope.credentials_generation();
        let Admission { permit, worker } = admission;
        let found = self.find_channel(&job, Some(permit)).await;
        drop(worker);
        let (truth, channel) = match found {
            Ok(Some(channel)) if channel.status == ChannelStatus::Deleting => {
                (Truth::Deleting, None)
            }
            Ok(Some(channel)) => (Truth::Present, Some(channel)),
            Ok(None) => (Truth::Absent, None),
            Err(failure) if failure.is_of_open_files() => {
                let wait = self.scope.after_open_files(&failure);
                return Next::RetryLater(job, wait);
            }
            Err(failure) => {
                let name = &job.device.channel_name;
                if !failure.is_answered() && self.wait_out_outage(name, begun).await {
                    return Next::RetryLater(job, self.scope.wait_after(1));
                }
                return self.not_resolved(job, &failure, generation).await;
            }
        };
        let most = self.shared.settings.max_attempts;
        let row = match (after_resolve(truth, &mut job.history, most), channel) {
            (AfterResolve::Adopt, Some(channel))
                if self.compares() && !self.made_it(&job, &channel) =>
            {
                return self.record_compared(job, channel).await;
            }
            (AfterResolve::Adopt, Some(channel)) => self.adopted(&job, &channel),
            (AfterResolve::FailDeleting, _) => self.still_deleting(&job),
            (AfterResolve::CreateAgain, _) => {
                job.phase = JobPhase::Create;
                if job.attempts == 0 {
                    // It was listed but is gone: the device is a fresh one.
                    return Next::Retry(job);
                }
                let wait = self.scope.wait_after(job.history.tries);
                return Next::RetryLater(job, wait);
            }
            // There is no channel, and no create is left.
            _ if job.may_yet_be_listed() => {
                job.uses_list = true;
                return Next::Retry(job);
            }
            _ => self.given_up(&job),
        };
        self.finish(job.index, row).await
    }

    /// The row of a device whose name an earlier channel still holds.
    fn still_deleting(&self, job: &DeviceJob) -> Row {
        job.failed(
            "ChannelDeleting",
            "the channel of this name is still being deleted; run again in a minute".to_owned(),
            self.shared.clock.now(),
        )
    }

    async fn not_resolved(
        &self,
        mut job: Box<DeviceJob>,
        failure: &Failure,
        generation: u64,
    ) -> Next {
        let most = self.shared.settings.max_attempts;
        match after_resolve(Truth::Unknown(failure.kind), &mut job.history, most) {
            AfterResolve::Reload => self.renew(job, generation, failure).await,
            AfterResolve::AskAgain => Next::Retry(job),
            AfterResolve::WaitAndAsk => self.retry_later(job, failure),
            _ => {
                let row = job.unknown(&failure.message, self.shared.clock.now());
                self.finish(job.index, row).await
            }
        }
    }

    /// The end of a device whose Region has stopped: no create, but requests that show whether its channel exists, as many
    /// as it takes and the time that a stop leaves allows.
    pub(super) async fn conclude(&self, mut job: Box<DeviceJob>) {
        let row = loop {
            let generation = self.scope.credentials_generation();
            let worker = self.shared.workers.acquire().await;
            let found = self.find_channel(&job, None).await;
            drop(worker);
            let failure = match found {
                Ok(Some(channel)) if channel.status != ChannelStatus::Deleting => {
                    break self.adopted(&job, &channel);
                }
                Ok(_) if job.may_yet_be_listed() => {
                    job.uses_list = true;
                    continue;
                }
                // One that was refused for good keeps that reason: another create could not help.
                Ok(Some(_)) if !job.history.refused => break self.still_deleting(&job),
                Ok(_) => break self.given_up(&job),
                Err(failure) => failure,
            };
            if !self.may_ask_again(&mut job, &failure, generation).await {
                break job.unknown(&failure.message, self.shared.clock.now());
            }
        };
        self.record(job.index, row).await;
    }

    /// Waits until [`conclude`](Self::conclude) may try once more; false if it may not.
    async fn may_ask_again(&self, job: &mut DeviceJob, failure: &Failure, generation: u64) -> bool {
        let most = self.shared.settings.max_attempts;
        let wait = match after_resolve(Truth::Unknown(failure.kind), &mut job.history, most) {
            AfterResolve::AskAgain => Duration::ZERO,
            AfterResolve::WaitAndAsk => self.scope.wait_after(job.history.asks),
            AfterResolve::Reload => {
                let name = Some(&job.device.channel_name);
                let reload = self.scope.reload_credentials(generation, failure, name);
                return reload.await;
            }
            _ => return false,
        };
        let waited = self.scope.unless_grace_over(tokio::time::sleep(wait));
        waited.await;
        !self.scope.is_grace_over()
    }

    /// The device's channel, if it exists: by Describe, or by List where Describe is not allowed or has shown none although
    /// there may be one. `permit` is one of Describe's limiter, where it was acquired before.
    async fn find_channel(
        &self,
        job: &DeviceJob,
        permit: Option<Permit>,
    ) -> Result<Option<Channel>, Failure> {
        let name = &job.device.channel_name;
        if job.uses_list {
            return self.find_by_list(name).await;
        }
        let answer = match permit {
            Some(permit) => self.scope.send_with(permit, Describe(name)).await,
            None => self.scope.send(Describe(name)).await,
        };
        self.note_grant(&answer);
        match answer.result {
            Ok(channel) => Ok(Some(channel)),
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
            Err(failure) if failure.kind == FailureKind::Denied => self.find_by_list(name).await,
            Err(failure) => Err(failure),
        }
    }

    async fn find_by_list(&self, name: &ChannelName) -> Result<Option<Channel>, Failure> {
        let mut request = ListRequest {
            name_prefix: Some(name.as_str().into()),
            next_token: None,
            max_results: 1_000,
        };
        loop {
            let answer = self.scope.send(List(&request)).await;
            self.note_grant(&answer);
            let page = answer.result?;
            let mut channels = page.channels.into_iter();
            if let Some(channel) = channels.find(|channel| channel.name == *name) {
                return Ok(Some(channel));
            }
            if !request.follow(page.next_token)? {
                return Ok(None);
            }
        }
    }
}
