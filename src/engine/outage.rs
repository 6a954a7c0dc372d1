//! No answer: whether it is one device's bad luck, or nobody gets any and the Region pauses and probes.

use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;

use super::RowSink;
use super::attempt::pace;
use super::job::Job;
use super::link::FIRST_CONTACT;
use super::region_run::RegionRun;
use super::stop::Stop;
use crate::domain::device::ChannelName;
use crate::domain::service::{Failure, FailureKind, Operation, Service, is_known_to_offer};
use crate::engine::event::Event;

/// The longest wait between two probes of a service that gives no answer.
pub(super) const LONGEST_PROBE_WAIT: Duration = Duration::from_secs(2);

/// Where no Region ever answered, one counts as not to be reached after so many questions, whatever became of them: a
/// firewall that swallows everything looks like a slow service.
const FEW_QUESTIONS: u32 = 3;

/// A time without answers, perhaps.
#[derive(Debug)]
pub(super) struct Silence {
    since: Instant,
    /// Asked in vain.
    questions: u32,
}

impl Silence {
    /// From now on nothing has been heard.
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            questions: 0,
        }
    }

    /// How many questions were asked in vain.
    pub(super) fn questions(&self) -> u32 {
        self.questions
    }
}

impl<S: Service, L: RowSink> RegionRun<S, L> {
    /// After an attempt without an answer: whether nobody else got one either. Then the Region pauses until one comes,
    /// or until the run has been silent for too long.
    pub(super) async fn is_outage(&self, job: &Job, begun: Instant) -> bool {
        if self.link.answers_since(begun) {
            return self.link.was_out_since(begun);
        }
        let _only_one = self.link.probing.lock().await;
        if self.link.answers_since(begun) || self.is_stopped() {
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
        let mut silence = Silence::new();
        loop {
            let worker = self.shared.workers.acquire().await;
            let Ok(permit) = self.leave(self.limiter(Operation::Describe)).await else {
                break;
            };
            let answer = self
                .ask(Operation::Describe, pin!(self.service.describe(name)))
                .await;
            drop(worker);
            pace(self.limiter(Operation::Describe), permit, &answer);
            let failure = match answer.result {
                Err(failure) if !failure.is_answered() => failure,
                _ => return self.heard(&mut silence),
            };
            if self.unheard(&mut silence, &failure) {
                break;
            }
            let wait = self.wait_after(silence.questions).min(LONGEST_PROBE_WAIT);
            tokio::select! {
                biased;
                () = self.stopped() => break,
                () = tokio::time::sleep(wait) => {}
            }
        }
        true
    }

    /// A question got no answer; the first such is reported. Says whether that has lasted for too long, which stops the run,
    /// or where other Regions answer, this one: seconds for a service that was never reached, else `--max-offline`.
    pub(super) fn unheard(&self, silence: &mut Silence, failure: &Failure) -> bool {
        if failure.is_of_open_files() {
            // Nobody was asked. Who asks next waits all the same.
            self.after_open_files(failure, None);
            return self.is_stopped();
        }
        silence.questions += 1;
        if silence.questions == 1 {
            self.shared.tell(&Event::Offline {
                region: &self.region,
                cause: &failure.message,
            });
        }
        let after = silence.since.elapsed();
        let cannot_be_reached = failure.kind == FailureKind::Unreachable
            || failure.foreign
            || (silence.questions >= FEW_QUESTIONS && !self.shared.ever_answered());
        let never_reached = cannot_be_reached && !self.link.ever_answered();
        // The others may have had nothing to ask in these seconds.
        let others_answer = || {
            if never_reached {
                self.shared.others_are_reached(&self.region)
            } else {
                self.shared.others_answer(&self.region, silence.since)
            }
        };
        let cause = if never_reached && after >= FIRST_CONTACT {
            self.never_reached(failure.clone(), others_answer())
        } else if after >= self.shared.settings.max_offline {
            Stop::Offline {
                region: self.region.clone(),
                after,
                failure: failure.clone(),
            }
        } else {
            return false;
        };
        if others_answer() {
            self.shut(cause);
        } else {
            self.shared.stop.give(cause);
        }
        true
    }

    /// What it means that the service was never reached here. That its host does not exist is believed only where the
    /// same name servers or the same proxy lead to the service elsewhere.
    fn never_reached(&self, failure: Failure, others_answer: bool) -> Stop {
        let region = self.region.clone();
        if others_answer && failure.is_of_a_missing_host() && !is_known_to_offer(&region) {
            return Stop::NotOffered {
                regions: vec![region],
                failure,
            };
        }
        Stop::Unreachable { region, failure }
    }

    /// An answer came, which ends a silence and is told if there was one. Says whether there was.
    pub(super) fn heard(&self, silence: &mut Silence) -> bool {
        let was_silent = silence.questions > 0;
        if was_silent {
            self.shared.tell(&Event::Online {
                region: &self.region,
                after: silence.since.elapsed(),
            });
        }
        *silence = Silence::new();
        was_silent
    }
}
