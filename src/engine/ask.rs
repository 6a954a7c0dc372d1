//! A request that is repeated until it is answered or refused, however many attempts that takes. For requests that are no
//! device's create: listings, tags, updates, deletions.

use std::future::Future;
use std::time::Duration;

use tokio::sync::MutexGuard;
use tokio::time::Instant;

use super::event::Event;
use super::link::Link;
use super::scope::{QuotaScope, Request, WRONG_ACCOUNT};
use super::service::Service;
use super::silence::Silence;
use super::throttles::ThrottleStreak;
use crate::domain::service::{Failure, FailureKind, Operation};

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// The run stops, or this Region's part of it; the engine knows why.
    Stopped,
    /// The service refuses it, or cannot answer it: another attempt does not help.
    Refused(Failure),
}

/// While there is no answer, one task sends requests, and the others wait until this is dropped.
struct OnlySender<'a> {
    link: &'a Link,
    _only_one: MutexGuard<'a, ()>,
}

impl Drop for OnlySender<'_> {
    fn drop(&mut self) {
        self.link.resume(true);
    }
}

/// The attempts of a request so far.
struct Attempts<'a> {
    throttles: ThrottleStreak,
    /// Attempts that failed in a way that may pass, although the service answers others.
    errors: u32,
    silence: Silence,
    only_sender: Option<OnlySender<'a>>,
}

impl<S: Service> QuotaScope<S> {
    /// Sends the request until the service has answered or refused it. It must be one that may be carried out twice.
    pub(super) async fn ask<R: Request>(&self, request: R) -> Result<R::Reply, Unanswered> {
        let answered = self.ask_with_id(request).await;
        answered.map(|(reply, _)| reply)
    }

    /// The same, with the ID of the request that was answered.
    pub(super) async fn ask_with_id<R: Request>(
        &self,
        request: R,
    ) -> Result<(R::Reply, Option<Box<str>>), Unanswered> {
        let mut attempts = Attempts {
            throttles: ThrottleStreak::default(),
            errors: 0,
            silence: Silence::new(),
            only_sender: None,
        };
        loop {
            if attempts.only_sender.is_none() {
                self.unless_stopped(self.link.usable()).await?;
            }
            let ready = self.account.credentials_ready();
            self.unless_stopped(ready).await?;
            let permit = self.unless_stopped(self.permit(R::OPERATION)).await?;
            let generation = self.credentials_generation();
            let begun = Instant::now();
            let answer = self.send_with(permit, request).await;
            let failure = match answer.result {
                Ok(reply) => {
                    self.end_silence(&mut attempts.silence);
                    return Ok((reply, answer.request_id));
                }
                Err(failure) => failure,
            };
            let wait = if failure.is_answered() {
                self.end_silence(&mut attempts.silence);
                attempts.only_sender = None;
                if failure.kind == FailureKind::Credentials {
                    self.reload_credentials(generation, &failure, None).await;
                    Duration::ZERO
                } else {
                    self.after_refusal(&mut attempts, R::OPERATION, failure)?
                }
            } else {
                self.after_silence(&mut attempts, R::OPERATION, begun, failure)
                    .await?
            };
            self.unless_stopped(tokio::time::sleep(wait)).await?;
        }
    }

    /// No answer came. If other requests get one, this is one more failed attempt; else only this one is sent until an
    /// answer comes, and its attempts do not count.
    async fn after_silence<'a>(
        &'a self,
        attempts: &mut Attempts<'a>,
        operation: Operation,
        begun: Instant,
        failure: Failure,
    ) -> Result<Duration, Unanswered> {
        if failure.is_of_open_files() {
            return Ok(self.after_open_files(&failure));
        }
        if attempts.only_sender.is_none() {
            if self.link.answers_since(begun) {
                return self.after_error(attempts, operation, failure);
            }
            let only_one = self.unless_stopped(self.link.probing.lock()).await?;
            if self.link.answers_since(begun) {
                return Ok(Duration::ZERO);
            }
            self.link.pause();
            attempts.only_sender = Some(OnlySender {
                link: &self.link,
                _only_one: only_one,
            });
        }
        if self.stop_if_silent_too_long(&mut attempts.silence, &failure) {
            return Err(Unanswered::Stopped);
        }
        Ok(self.wait_in_silence(&attempts.silence))
    }

    fn after_refusal(
        &self,
        attempts: &mut Attempts<'_>,
        operation: Operation,
        failure: Failure,
    ) -> Result<Duration, Unanswered> {
        match failure.kind {
            FailureKind::Throttled => {
                attempts.throttles.add();
                if self.stop_if_throttled_too_long(attempts.throttles, operation) {
                    return Err(Unanswered::Stopped);
                }
                Ok(Duration::ZERO)
            }
            FailureKind::ServerError => self.after_error(attempts, operation, failure),
            _ if &*failure.code == WRONG_ACCOUNT => Err(Unanswered::Stopped),
            _ => Err(Unanswered::Refused(failure)),
        }
    }

    fn after_error(
        &self,
        attempts: &mut Attempts<'_>,
        operation: Operation,
        failure: Failure,
    ) -> Result<Duration, Unanswered> {
        attempts.errors += 1;
        if attempts.errors >= self.shared.settings.max_attempts {
            return Err(Unanswered::Refused(failure));
        }
        self.shared.tell(&Event::Repeated {
            account_region: &self.account_region,
            operation,
            failure: &failure,
        });
        Ok(self.wait_after(attempts.errors))
    }

    /// Waits before the next try of a request that was refused `tries` times for a reason that may pass.
    pub(super) async fn pause(&self, tries: u32) -> Result<(), Unanswered> {
        self.unless_stopped(tokio::time::sleep(self.wait_after(tries)))
            .await
    }

    /// Waits, but not longer than the run goes on here.
    async fn unless_stopped<T>(&self, wanted: impl Future<Output = T>) -> Result<T, Unanswered> {
        tokio::select! {
            biased;
            () = self.stopped() => Err(Unanswered::Stopped),
            wanted = wanted => Ok(wanted),
        }
    }
}
