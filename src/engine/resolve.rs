//! The truth about a device: whether its channel is there, whose it is, and what follows.

use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;

use super::attempt::pace;
use super::job::{Job, Phase};
use super::region_run::{Admission, Next, RegionRun};
use super::{OnExists, RowSink};
use crate::domain::device::{ChannelName, MessageTtl};
use crate::domain::error_codes::CHANNEL_DIFFERS;
use crate::domain::service::{
    Channel, ChannelStatus, Failure, FailureKind, ListRequest, Operation, Service,
};
use crate::engine::event::Event;
use crate::engine::pace::limiter::Permit;
use crate::engine::retry::{AfterResolve, Truth, after_resolve};
use crate::results::record::{Row, Status};

impl<S: Service, L: RowSink> RegionRun<S, L> {
    /// Asks whether the device's channel is there, and decides.
    pub(super) async fn resolve(&self, mut job: Box<Job>, admission: Admission) -> Next {
        let begun = Instant::now();
        let generation = self.service.credentials_generation();
        let permit = admission.permit;
        let answer = self.truth(&job, permit).await;
        drop(admission);
        let (truth, channel) = match answer {
            Ok(Some(channel)) if channel.status == ChannelStatus::Deleting => {
                (Truth::Deleting, None)
            }
            Ok(Some(channel)) => (Truth::Present, Some(channel)),
            Ok(None) => (Truth::Absent, None),
            Err(failure) if failure.is_of_open_files() => {
                let wait = self.after_open_files(&failure, None);
                return Next::Later(job, wait);
            }
            Err(failure) => {
                if !failure.is_answered() && self.is_outage(&job, begun).await {
                    return Next::Later(job, self.wait_after(1));
                }
                return self.after_silence(job, &failure, generation).await;
            }
        };
        let most = self.shared.settings.max_attempts;
        let row = match (after_resolve(truth, &mut job.history, most), channel) {
            (AfterResolve::Adopt, Some(channel))
                if self.compares() && !self.made_it(&job, &channel) =>
            {
                return self.update(job, channel).await;
            }
            (AfterResolve::Adopt, Some(channel)) => self.adopted(&job, &channel),
            (AfterResolve::FailDeleting, _) => job.failed(
                "ChannelDeleting",
                "the channel of this name is still being deleted; run again in a minute".to_owned(),
                self.shared.clock.now(),
            ),
            (AfterResolve::CreateAgain, _) if job.attempts == 0 => {
                // It was listed but is gone: the device is a fresh one.
                job.phase = Phase::Create;
                return Next::Ready(job);
            }
            (AfterResolve::CreateAgain, _) => {
                job.phase = Phase::Create;
                let wait = self.wait_after(job.history.tries);
                return Next::Later(job, wait);
            }
            _ if job.may_yet_be_listed() => {
                job.asks_list = true;
                return Next::Ready(job);
            }
            _ => self.given_up(&job),
        };
        self.finish(job.index, row).await
    }

    /// The truth could not be learnt this time.
    async fn after_silence(&self, mut job: Box<Job>, failure: &Failure, generation: u64) -> Next {
        let most = self.shared.settings.max_attempts;
        match after_resolve(Truth::Unknown(failure.kind), &mut job.history, most) {
            AfterResolve::Reload => self.renew(job, generation, failure).await,
            AfterResolve::AskAgain => Next::Ready(job),
            AfterResolve::WaitAndAsk => self.later(job, failure),
            _ => {
                let row = job.unknown(&failure.message, self.shared.clock.now());
                self.finish(job.index, row).await
            }
        }
    }

    /// The last word on a device whose Region has stopped: no create, but the question whether its channel is there, as
    /// often as it takes and the grace allows.
    pub(super) async fn conclude(&self, mut job: Box<Job>) {
        let row = loop {
            let generation = self.service.credentials_generation();
            let failure = match self.last_question(&job).await {
                Ok(Some(channel)) if channel.status != ChannelStatus::Deleting => {
                    break self.adopted(&job, &channel);
                }
                Ok(_) if job.may_yet_be_listed() => {
                    job.asks_list = true;
                    continue;
                }
                Ok(_) => break self.given_up(&job),
                Err(failure) => failure,
            };
            if !self.may_ask_again(&mut job, &failure, generation).await {
                break job.unknown(&failure.message, self.shared.clock.now());
            }
        };
        self.shared.record(job.index, row).await;
    }

    async fn last_question(&self, job: &Job) -> Result<Option<Channel>, Failure> {
        let _worker = self.shared.workers.acquire().await;
        let permit = self.leave(self.limiter(Operation::Describe)).await?;
        self.truth(job, permit).await
    }

    /// Waits until the last question may be asked once more; says if it may not.
    async fn may_ask_again(&self, job: &mut Job, failure: &Failure, generation: u64) -> bool {
        let most = self.shared.settings.max_attempts;
        let wait = match after_resolve(Truth::Unknown(failure.kind), &mut job.history, most) {
            AfterResolve::AskAgain => Duration::ZERO,
            AfterResolve::WaitAndAsk => self.wait_after(job.history.asks),
            AfterResolve::Reload => {
                let name = &job.device.channel_name;
                return self
                    .reload_credentials(generation, failure, Some(name))
                    .await;
            }
            _ => return false,
        };
        tokio::select! {
            biased;
            () = self.grace_over() => {}
            () = tokio::time::sleep(wait) => {}
        }
        !self.is_grace_over()
    }

    /// The row of a device whose channel is there.
    pub(super) fn adopted(&self, job: &Job, channel: &Channel) -> Row {
        let now = self.shared.clock.now();
        self.shared.allowed();
        let request_id = job
            .failure
            .as_ref()
            .and_then(|(_, request_id)| request_id.clone());
        if self.made_it(job, channel) {
            return job.succeeded(Status::Created, channel.arn.clone(), request_id, now);
        }
        if self.shared.settings.on_exists == OnExists::Fail {
            return job.failed(
                "ChannelExists",
                format!(
                    "the channel exists already: {}; if a run of these results that was killed made it, --on-exists \
                     adopt takes it",
                    channel.arn
                ),
                now,
            );
        }
        if self.compares() && !self.is_as_listed(&job.device, channel) {
            return job.failed(
                CHANNEL_DIFFERS,
                format!(
                    "the run ended before the channel that is there could be compared: {}",
                    channel.arn
                ),
                now,
            );
        }
        if let Some(difference) = difference(job.device.message_ttl, channel) {
            self.shared.tell(&Event::Differs {
                device_id: &job.device.id,
                difference: &difference,
            });
        }
        job.succeeded(Status::Exists, channel.arn.clone(), request_id, now)
    }

    /// Whether a channel that appeared after an attempt of unknown outcome is that attempt's: made not before the
    /// device's first attempt, by the service's own clock.
    fn made_it(&self, job: &Job, channel: &Channel) -> bool {
        let Some(started) = job.started.filter(|_| job.history.ambiguous) else {
            return false;
        };
        let first_attempt = self.service_clock().service_millis(started);
        i64::try_from(channel.creation_millis).is_ok_and(|made| made >= first_attempt)
    }

    /// Whether the device's channel is there: Describe says so, or the list where Describe is not allowed, or has said
    /// that there is none though there may be.
    async fn truth(&self, job: &Job, permit: Permit) -> Result<Option<Channel>, Failure> {
        let name = &job.device.channel_name;
        if job.asks_list {
            return self.truth_by_list(name).await;
        }
        let answer = self
            .ask(Operation::Describe, pin!(self.service.describe(name)))
            .await;
        pace(self.limiter(Operation::Describe), permit, &answer);
        self.judge(&answer);
        match answer.result {
            Ok(channel) => self.checked(channel).map(Some),
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
            Err(failure) if failure.kind == FailureKind::Denied => self.truth_by_list(name).await,
            Err(failure) => Err(failure),
        }
    }

    async fn truth_by_list(&self, name: &ChannelName) -> Result<Option<Channel>, Failure> {
        let mut request = ListRequest {
            name_prefix: Some(name.as_str().into()),
            next_token: None,
            max_results: 1_000,
        };
        loop {
            let permit = self.leave(self.limiter(Operation::List)).await?;
            let answer = self
                .ask(Operation::List, pin!(self.service.list(&request)))
                .await;
            pace(self.limiter(Operation::List), permit, &answer);
            self.judge(&answer);
            let page = answer.result?;
            if let Some(channel) = page
                .channels
                .into_iter()
                .find(|channel| channel.name == *name)
            {
                return self.checked(channel).map(Some);
            }
            if !request.follow(page.next_token)? {
                return Ok(None);
            }
        }
    }

    fn checked(&self, channel: Channel) -> Result<Channel, Failure> {
        if self.shared.check_account(channel.arn.parts().account) {
            Ok(channel)
        } else {
            Err(Failure {
                kind: FailureKind::Rejected,
                code: "WrongAccount".into(),
                message: format!("{} is not of the expected account", channel.arn).into(),
                foreign: false,
            })
        }
    }
}

/// Whether a channel is of a type that this tool never makes, and that nothing can change.
pub(super) fn is_of_another_type(channel: &Channel) -> bool {
    &*channel.channel_type != "SINGLE_MASTER"
}

/// How a channel that is there differs from what is asked, in words.
pub(super) fn difference(asked_ttl: Option<MessageTtl>, channel: &Channel) -> Option<String> {
    let mut differences = Vec::new();
    if is_of_another_type(channel) {
        differences.push(format!(
            "type {} instead of SINGLE_MASTER",
            channel.channel_type
        ));
    }
    if let (Some(asked), Some(has)) = (asked_ttl, channel.message_ttl)
        && asked != has
    {
        differences.push(format!(
            "message TTL {} s instead of {} s",
            has.as_secs(),
            asked.as_secs()
        ));
    }
    (!differences.is_empty()).then(|| differences.join(", "))
}
