//! One attempt for one device, from leave to send it to what follows from its answer.

use std::time::Duration;

use tokio::time::Instant;

use super::job::{Job, Phase};
use super::lane::{Admission, Landing, Lane};
use super::link::FIRST_CONTACT;
use super::stop::Stop;
use super::{Ledger, OnExists};
use crate::device::{ChannelName, MessageTtl};
use crate::event::Event;
use crate::pace::limiter::{Limiter, Permit};
use crate::results::record::{Row, Status};
use crate::retry::{AfterCreate, AfterSettle, Truth, after_create, after_settle};
use crate::service::{
    Answer, Channel, ChannelStatus, Failure, FailureKind, ListRequest, Operation, Service,
};

/// The longest wait between two probes of a service that gives no answer.
pub(super) const LONGEST_PROBE_WAIT: Duration = Duration::from_secs(2);

impl<S: Service, L: Ledger> Lane<S, L> {
    /// Makes one attempt.
    pub(super) async fn fly(&self, job: Job, admission: Admission) -> Landing {
        if self.is_over() {
            return Landing::Ready(job);
        }
        match job.phase {
            Phase::Create => self.create(job, admission).await,
            Phase::Settle => self.settle(job, admission).await,
        }
    }

    async fn create(&self, mut job: Job, admission: Admission) -> Landing {
        job.attempts += 1;
        job.started.get_or_insert_with(|| self.shared.clock.now());
        let begun = Instant::now();
        let generation = self.service.credentials_generation();
        let answer = self
            .ask(Operation::Create, self.service.create(&job.device))
            .await;
        pace(&self.creates, admission.permit, &answer);
        // The worker is free: what follows is not the service's time.
        drop(admission);
        self.judge(&answer);
        let failure = match answer.result {
            Ok(arn) => {
                self.shared.allowed();
                // In another account than meant the run stops, but the channel exists: its row must say so.
                self.shared.check_account(arn.parts().account);
                let now = self.shared.clock.now();
                let row = job.succeeded(Status::Created, arn, answer.request_id, now);
                return self.finish(job, row).await;
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
            return Landing::Later(job, self.wait_after(1));
        }
        self.after_create(job, failure).await
    }

    async fn after_create(&self, mut job: Job, failure: Failure) -> Landing {
        if failure.kind == FailureKind::AccountFull {
            self.account_full(failure.clone());
        }
        let most = self.shared.settings.max_attempts;
        match after_create(failure.kind, &mut job.history, most) {
            AfterCreate::Again | AfterCreate::Reload => Landing::Ready(job),
            AfterCreate::Wait => self.later(job, &failure),
            AfterCreate::Settle => {
                job.phase = Phase::Settle;
                Landing::Ready(job)
            }
            AfterCreate::Fail => {
                let row = self.given_up(&job);
                self.finish(job, row).await
            }
        }
    }

    /// Asks whether the device's channel is there, and decides.
    async fn settle(&self, mut job: Job, admission: Admission) -> Landing {
        let begun = Instant::now();
        let generation = self.service.credentials_generation();
        let permit = admission.permit;
        let answer = self.truth(&job.device.channel_name, permit).await;
        drop(admission);
        let (truth, channel) = match answer {
            Ok(Some(channel)) if channel.status == ChannelStatus::Deleting => {
                (Truth::Deleting, None)
            }
            Ok(Some(channel)) => (Truth::Present, Some(channel)),
            Ok(None) => (Truth::Absent, None),
            Err(failure) => {
                if !failure.is_answered() && self.is_outage(&job, begun).await {
                    return Landing::Later(job, self.wait_after(1));
                }
                return self.after_silence(job, &failure, generation).await;
            }
        };
        let most = self.shared.settings.max_attempts;
        let row = match (after_settle(truth, &mut job.history, most), channel) {
            (AfterSettle::Adopt, Some(channel)) => self.adopted(&job, &channel),
            (AfterSettle::FailDeleting, _) => job.failed(
                "ChannelDeleting",
                "the channel of this name is still being deleted; run again in a minute".to_owned(),
                self.shared.clock.now(),
            ),
            (AfterSettle::CreateAgain, _) if job.attempts == 0 => {
                // It was listed but is gone: the device is a fresh one.
                job.phase = Phase::Create;
                return Landing::Ready(job);
            }
            (AfterSettle::CreateAgain, _) => {
                job.phase = Phase::Create;
                let wait = self.wait_after(job.history.tries);
                return Landing::Later(job, wait);
            }
            _ => self.given_up(&job),
        };
        self.finish(job, row).await
    }

    /// The truth could not be learnt this time.
    async fn after_silence(&self, mut job: Job, failure: &Failure, generation: u64) -> Landing {
        let most = self.shared.settings.max_attempts;
        match after_settle(Truth::Unknown(failure.kind), &mut job.history, most) {
            AfterSettle::Reload => self.renew(job, generation, failure).await,
            AfterSettle::AskAgain => Landing::Ready(job),
            AfterSettle::WaitAndAsk => self.later(job, failure),
            _ => {
                let row = job.unknown(&failure.message, self.shared.clock.now());
                self.finish(job, row).await
            }
        }
    }

    /// The last word on a device whose lane has stopped: no create, but the question whether its channel is there, as
    /// often as it takes and the grace allows.
    pub(super) async fn conclude(&self, mut job: Job) {
        let row = loop {
            let generation = self.service.credentials_generation();
            let failure = match self.last_question(&job).await {
                Ok(Some(channel)) if channel.status != ChannelStatus::Deleting => {
                    break self.adopted(&job, &channel);
                }
                Ok(_) => break self.given_up(&job),
                Err(failure) => failure,
            };
            if !self.may_ask_again(&mut job, &failure, generation).await {
                break job.unknown(&failure.message, self.shared.clock.now());
            }
        };
        self.shared.record(vec![(job.index, row)]).await;
    }

    async fn last_question(&self, job: &Job) -> Result<Option<Channel>, Failure> {
        let _worker = self.shared.workers.acquire().await;
        let permit = self.leave(&self.describes).await?;
        self.truth(&job.device.channel_name, permit).await
    }

    /// Waits until the last question may be asked once more; says if it may not.
    async fn may_ask_again(&self, job: &mut Job, failure: &Failure, generation: u64) -> bool {
        let most = self.shared.settings.max_attempts;
        let wait = match after_settle(Truth::Unknown(failure.kind), &mut job.history, most) {
            AfterSettle::AskAgain => Duration::ZERO,
            AfterSettle::WaitAndAsk => self.wait_after(job.history.asks),
            AfterSettle::Reload => {
                return self
                    .shared
                    .reload_credentials(&self.service, generation, failure)
                    .await;
            }
            _ => return false,
        };
        let grace = self.shared.settings.timeout;
        tokio::select! {
            biased;
            () = self.shared.stop.given_for(grace) => {}
            () = tokio::time::sleep(wait) => {}
        }
        !self.shared.stop.is_given_for(grace)
    }

    /// Fetches new credentials; the device is tried again, or the run stops and the device has no row.
    async fn renew(&self, job: Job, generation: u64, failure: &Failure) -> Landing {
        self.shared
            .reload_credentials(&self.service, generation, failure)
            .await;
        Landing::Ready(job)
    }

    fn later(&self, job: Job, failure: &Failure) -> Landing {
        let wait = self.wait_after(job.history.tries.max(job.history.asks));
        self.shared.tell(&Event::Retried {
            device_id: &job.device.id,
            code: &failure.code,
            message: &failure.message,
            wait,
        });
        Landing::Later(job, wait)
    }

    async fn finish(&self, job: Job, row: Row) -> Landing {
        self.shared.record(vec![(job.index, row)]).await;
        Landing::Done
    }

    /// The row of a device that is given up: it failed as its last attempt did.
    fn given_up(&self, job: &Job) -> Row {
        if let Some((failure, _)) = &job.failure
            && failure.kind == FailureKind::Denied
        {
            self.shared.denied(failure);
        }
        job.failed_as_it_did(self.shared.clock.now())
    }

    /// The row of a device whose channel is there.
    pub(super) fn adopted(&self, job: &Job, channel: &Channel) -> Row {
        let now = self.shared.clock.now();
        self.shared.allowed();
        let request_id = job
            .failure
            .as_ref()
            .and_then(|(_, request_id)| request_id.clone());
        if job.history.ambiguous && self.is_ours(job, channel) {
            return job.succeeded(Status::Created, channel.arn.clone(), request_id, now);
        }
        if self.shared.settings.on_exists == OnExists::Fail {
            return job.failed(
                "ChannelExists",
                format!("the channel exists already: {}", channel.arn),
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
    fn is_ours(&self, job: &Job, channel: &Channel) -> bool {
        let Some(started) = job.started else {
            return false;
        };
        let first_attempt = self.service_clock().service_millis(started);
        i64::try_from(channel.creation_millis).is_ok_and(|made| made >= first_attempt)
    }

    /// Whether the channel of this name is there: Describe says so, or the list where Describe is not allowed.
    async fn truth(&self, name: &ChannelName, permit: Permit) -> Result<Option<Channel>, Failure> {
        let answer = self
            .ask(Operation::Describe, self.service.describe(name))
            .await;
        pace(&self.describes, permit, &answer);
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
            let permit = self.leave(&self.lists).await?;
            let answer = self.ask(Operation::List, self.service.list(&request)).await;
            pace(&self.lists, permit, &answer);
            self.judge(&answer);
            let page = answer.result?;
            if let Some(channel) = page
                .channels
                .into_iter()
                .find(|channel| channel.name == *name)
            {
                return self.checked(channel).map(Some);
            }
            match page.next_token {
                Some(token) => request.next_token = Some(token),
                None => return Ok(None),
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

    /// Notes whether the service grants anything to devices.
    fn judge<T>(&self, answer: &Answer<T>) {
        match is_granted(answer) {
            Some(true) => self.granted(),
            Some(false) => self.throttled(),
            None => {}
        }
    }

    /// Leave of a limiter, unless the run stops and its grace ends first.
    async fn leave(&self, limiter: &Limiter) -> Result<Permit, Failure> {
        tokio::select! {
            biased;
            permit = limiter.acquire() => Ok(permit),
            () = self.shared.stop.given_for(self.shared.settings.timeout) => Err(cut_off()),
        }
    }

    /// Makes one request and learns what its answer says of the link, the clock and the credentials.
    pub(super) async fn ask<T>(
        &self,
        operation: Operation,
        request: impl Future<Output = Answer<T>>,
    ) -> Answer<T> {
        let generation = self.service.credentials_generation();
        let sent = Event::Sent {
            region: &self.region,
            operation,
        };
        self.shared.tell(&sent);
        let answer = tokio::select! {
            biased;
            answer = request => answer,
            () = self.shared.stop.given_for(self.shared.settings.timeout) => {
                return Answer { result: Err(cut_off()), request_id: None, date: None };
            }
        };
        if let Some(date) = answer.date {
            let received = self.shared.clock.now();
            self.service_clock().learn(date, received);
        }
        let failure = answer.result.as_ref().err();
        let kind = failure.map(|failure| failure.kind);
        if failure.is_none_or(Failure::is_answered) {
            self.link.answered();
            // A server error may be a proxy's, which vouches for nothing.
            if !matches!(
                kind,
                Some(FailureKind::Credentials | FailureKind::ServerError)
            ) {
                self.shared.credentials_work(generation);
            }
        }
        if kind == Some(FailureKind::Throttled) {
            self.shared.tell(&Event::Throttled {
                region: &self.region,
                operation,
            });
        }
        answer
    }

    /// After an attempt without an answer: whether nobody else got one either. Then the lane pauses until one comes,
    /// or until the run has been silent for too long.
    async fn is_outage(&self, job: &Job, begun: Instant) -> bool {
        if self.link.answers_since(begun) {
            return self.link.was_out_since(begun);
        }
        let _only_one = self.link.probing.lock().await;
        if self.link.answers_since(begun) || self.shared.stop.is_given() {
            return self.link.was_out_since(begun);
        }
        self.link.pause();
        let was_out = self.probe(&job.device.channel_name).await;
        if was_out {
            // Time without answers is not time throttled.
            self.granted();
        }
        self.link.resume(was_out);
        was_out
    }

    /// Asks until an answer comes, or the run stops. Says whether there was an outage: the first question got no answer.
    async fn probe(&self, name: &ChannelName) -> bool {
        let since = Instant::now();
        for tries in 1_u32.. {
            let worker = self.shared.workers.acquire().await;
            let Ok(permit) = self.leave(&self.describes).await else {
                break;
            };
            let answer = self
                .ask(Operation::Describe, self.service.describe(name))
                .await;
            drop(worker);
            pace(&self.describes, permit, &answer);
            let failure = match answer.result {
                Err(failure) if !failure.is_answered() => failure,
                _ => {
                    if tries > 1 {
                        self.shared.tell(&Event::Online {
                            region: &self.region,
                            after: since.elapsed(),
                        });
                    }
                    return tries > 1;
                }
            };
            if tries == 1 {
                self.shared.tell(&Event::Offline {
                    region: &self.region,
                    cause: &failure.message,
                });
            }
            if self.silent_too_long(since, &failure) {
                break;
            }
            let wait = self.wait_after(tries).min(LONGEST_PROBE_WAIT);
            tokio::select! {
                biased;
                () = self.shared.stop.given() => break,
                () = tokio::time::sleep(wait) => {}
            }
        }
        true
    }

    /// Stops the run when there has been no answer for as long as is allowed: seconds for a service that was never
    /// reached, else `--max-offline`.
    pub(super) fn silent_too_long(&self, since: Instant, failure: &Failure) -> bool {
        let after = since.elapsed();
        let region = self.region.clone();
        let failure = failure.clone();
        let cannot_be_reached = failure.kind == FailureKind::Unreachable || failure.foreign;
        let never_reached = cannot_be_reached && !self.link.ever_answered();
        if never_reached && after >= FIRST_CONTACT {
            self.shared.stop.give(Stop::Unreachable { region, failure });
            return true;
        }
        if after >= self.shared.settings.max_offline {
            self.shared.stop.give(Stop::Offline {
                region,
                after,
                failure,
            });
            return true;
        }
        false
    }

    fn service_clock(&self) -> std::sync::MutexGuard<'_, crate::clock::ServiceClock> {
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

/// How a channel that is there differs from what is asked, in words.
fn difference(asked_ttl: Option<MessageTtl>, channel: &Channel) -> Option<String> {
    let mut differences = Vec::new();
    if &*channel.channel_type != "SINGLE_MASTER" {
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
