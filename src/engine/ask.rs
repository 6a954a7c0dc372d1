//! A question that is asked until its answer is known, however many attempts it takes. Its answer changes no device's
//! row by itself; who asks decides what follows.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::MutexGuard;
use tokio::time::Instant;

use super::RowSink;
use super::attempt::pace;
use super::link::Link;
use super::outage::{LONGEST_PROBE_WAIT, Silence};
use super::region_run::{RegionRun, ThrottleStreak};
use crate::domain::service::{Answer, Failure, FailureKind, Operation, Service};

/// Why a question has no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// The run stops, or this Region's part of it; the engine knows why.
    Stopped,
    /// The service refuses it, or cannot answer it: asking again does not help.
    Refused(Failure),
}

/// While nobody gets an answer: one asks, and the others wait until this ends.
struct Alone<'a> {
    link: &'a Link,
    _only_one: MutexGuard<'a, ()>,
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.link.resume(true);
    }
}

/// What a question has met with so far.
struct Asked<'a> {
    throttles: ThrottleStreak,
    /// Attempts that failed in a way that may pass, although the service answers others.
    errors: u32,
    silence: Silence,
    alone: Option<Alone<'a>>,
}

impl<S: Service, L: RowSink> RegionRun<S, L> {
    /// Asks until the service has answered or refused. The request must be one that may be carried out twice.
    pub(super) async fn ask_until_answered<T, F>(
        &self,
        operation: Operation,
        send: impl Fn() -> F,
    ) -> Result<T, Unanswered>
    where
        F: Future<Output = Answer<T>>,
    {
        let mut asked = Asked {
            throttles: ThrottleStreak::new(),
            errors: 0,
            silence: Silence::new(),
            alone: None,
        };
        loop {
            if asked.alone.is_none() {
                self.unless_stopped(self.link.usable()).await?;
            }
            self.unless_stopped(self.shared.credentials_settled())
                .await?;
            let limiter = self.limiter(operation);
            let permit = self.unless_stopped(limiter.acquire()).await?;
            let generation = self.service.credentials_generation();
            let begun = Instant::now();
            let answer = self.ask(operation, pin!(send())).await;
            pace(limiter, permit, &answer);
            let failure = match answer.result {
                Ok(answer) => {
                    self.heard(&mut asked.silence);
                    return Ok(answer);
                }
                Err(failure) => failure,
            };
            let wait = match failure.kind {
                _ if !failure.is_answered() => self.after_none(&mut asked, begun, failure).await?,
                kind => {
                    self.heard(&mut asked.silence);
                    asked.alone = None;
                    match kind {
                        FailureKind::Throttled => self.after_throttle(&mut asked, operation)?,
                        FailureKind::Credentials => {
                            self.reload_credentials(generation, &failure, None).await;
                            Duration::ZERO
                        }
                        FailureKind::ServerError => self.after_error(&mut asked, failure)?,
                        _ => return Err(Unanswered::Refused(failure)),
                    }
                }
            };
            self.unless_stopped(tokio::time::sleep(wait)).await?;
        }
    }

    /// No answer came. Where others get one, this is one more failed attempt; else nobody but this one asks until an
    /// answer comes, and its attempts do not count.
    async fn after_none<'a>(
        &'a self,
        asked: &mut Asked<'a>,
        begun: Instant,
        failure: Failure,
    ) -> Result<Duration, Unanswered> {
        if failure.is_of_open_files() {
            return Ok(self.after_open_files(&failure, None));
        }
        if asked.alone.is_none() {
            if self.link.answers_since(begun) {
                return self.after_error(asked, failure);
            }
            let only_one = self.unless_stopped(self.link.probing.lock()).await?;
            if self.link.answers_since(begun) {
                return Ok(Duration::ZERO);
            }
            self.link.pause();
            asked.alone = Some(Alone {
                link: &self.link,
                _only_one: only_one,
            });
        }
        if self.unheard(&mut asked.silence, &failure) {
            return Err(Unanswered::Stopped);
        }
        let wait = self.wait_after(asked.silence.questions());
        Ok(wait.min(LONGEST_PROBE_WAIT))
    }

    fn after_throttle(
        &self,
        asked: &mut Asked<'_>,
        operation: Operation,
    ) -> Result<Duration, Unanswered> {
        if asked.throttles.goes_on() >= self.shared.settings.max_throttled {
            self.throttled_too_long(asked.throttles, self.limiter(operation));
            return Err(Unanswered::Stopped);
        }
        Ok(Duration::ZERO)
    }

    fn after_error(&self, asked: &mut Asked<'_>, failure: Failure) -> Result<Duration, Unanswered> {
        asked.errors += 1;
        if asked.errors >= self.shared.settings.max_attempts {
            return Err(Unanswered::Refused(failure));
        }
        Ok(self.wait_after(asked.errors))
    }

    /// Waits for something, but not longer than the run goes on here.
    async fn unless_stopped<T>(&self, wanted: impl Future<Output = T>) -> Result<T, Unanswered> {
        tokio::select! {
            biased;
            () = self.stopped() => Err(Unanswered::Stopped),
            wanted = wanted => Ok(wanted),
        }
    }
}
