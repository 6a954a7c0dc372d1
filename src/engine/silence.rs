//! Time without an answer: how long it may last, and what it means when it lasts longer.

use std::time::Duration;

use tokio::time::Instant;

use super::event::Event;
use super::first_contact::FIRST_CONTACT;
use super::scope::QuotaScope;
use super::service::Service;
use super::stop::Stop;
use crate::domain::service::{Failure, FailureKind, is_known_to_offer};

/// The longest wait between two requests while there is no answer.
const LONGEST_PROBE_WAIT: Duration = Duration::from_secs(2);

/// If no Region ever answered, one counts as unreachable after this number of requests without an answer, whatever the failure: a
/// firewall that drops all packets looks like a slow service.
const FEW_REQUESTS: u32 = 3;

/// After this time without any answer, not even one request can be sent for want of a file: those in flight have ended by
/// then, and idle connections are closed.
const LONGEST_WITHOUT_FILES: Duration = Duration::from_mins(1);
/// The wait before the next try for want of a file is that after this number of failed ones.
const TRIES_WITHOUT_FILES: u32 = 4;

/// A time without answers, perhaps.
#[derive(Debug)]
pub(super) struct Silence {
    since: Instant,
    /// Requests without an answer.
    requests: u32,
}

impl Silence {
    /// One that begins now.
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            requests: 0,
        }
    }
}

impl<S: Service> QuotaScope<S> {
    /// A request got no answer; the first is reported. Returns true if that has lasted for too long, which stops the run, or
    /// this Region if others answer: seconds for a service that was never reached, else `--max-offline`.
    pub(super) fn stop_if_silent_too_long(&self, silence: &mut Silence, failure: &Failure) -> bool {
        if failure.is_of_open_files() {
            // Nothing was sent.
            self.after_open_files(failure);
            return self.is_stopped();
        }
        silence.requests += 1;
        if silence.requests == 1 {
            self.shared.tell(&Event::Offline {
                account_region: &self.account_region,
                cause: &failure.message,
            });
        }
        let after = silence.since.elapsed();
        let cannot_be_reached = failure.kind == FailureKind::Unreachable
            || failure.foreign
            || (silence.requests >= FEW_REQUESTS && !self.shared.ever_answered());
        let never_reached = cannot_be_reached && !self.link.ever_answered();
        // In these seconds the others may have had nothing to send.
        let others_answer = || {
            if never_reached {
                self.shared.others_are_reached(&self.account_region)
            } else {
                self.shared
                    .others_answer(&self.account_region, silence.since)
            }
        };
        let cause = if never_reached && after >= FIRST_CONTACT {
            self.never_reached(failure.clone(), others_answer())
        } else if after >= self.shared.settings.max_offline {
            Stop::Offline {
                region: self.account_region.region.clone(),
                after,
                failure: failure.clone(),
            }
        } else {
            return false;
        };
        if others_answer() {
            self.stop_region(cause);
        } else {
            self.shared.stop.give(cause);
        }
        true
    }

    /// The service was never reached here. That its host does not exist is believed only if the same name servers or the
    /// same proxy lead to the service in another Region.
    fn never_reached(&self, failure: Failure, others_answer: bool) -> Stop {
        let region = self.account_region.region.clone();
        if others_answer && failure.is_of_a_missing_host() && !is_known_to_offer(&region) {
            return Stop::NotOffered {
                regions: vec![region],
                failure,
            };
        }
        Stop::Unreachable { region, failure }
    }

    /// How long to wait before the next request.
    pub(super) fn wait_in_silence(&self, silence: &Silence) -> Duration {
        self.wait_after(silence.requests).min(LONGEST_PROBE_WAIT)
    }

    /// An answer came. If it ends a silence, that is reported, and true is returned.
    pub(super) fn end_silence(&self, silence: &mut Silence) -> bool {
        let was_silent = silence.requests > 0;
        if was_silent {
            self.shared.tell(&Event::Online {
                account_region: &self.account_region,
                after: silence.since.elapsed(),
            });
        }
        *silence = Silence::new();
        was_silent
    }

    /// This process may open no more files, so a request could not be sent: neither the service nor a device has failed.
    /// Returns how long to wait before the next try; if nothing could be sent for too long, the run stops.
    pub(super) fn after_open_files(&self, failure: &Failure) -> Duration {
        if self.link.without_files() >= LONGEST_WITHOUT_FILES {
            self.shared.stop.give(Stop::OpenFiles(failure.clone()));
        }
        self.wait_after(TRIES_WITHOUT_FILES)
    }
}
