//! Requests that this process cannot send, since it may open no more files. That is neither the service's silence nor a
//! device's failure: the device is tried again, with one request fewer in flight.

use std::time::Duration;

use tokio::time::Instant;

use super::RowSink;
use super::region_run::{Admission, RegionRun};
use super::stop::Stop;
use crate::domain::format;
use crate::domain::service::{Failure, Service};
use crate::engine::event::Event;

/// So long without any answer, not even one request can be sent: those in flight have ended by then, and idle connections
/// are closed.
const LONGEST_WITHOUT: Duration = Duration::from_mins(1);
/// The wait before the next try grows to that of so many failed ones.
const AS_AFTER_TRIES: u32 = 4;

impl<S: Service, L: RowSink> RegionRun<S, L> {
    /// No file could be opened for a request. Takes its worker out of the run, unless it is the last one. Says how long to
    /// wait before the next try; if nothing could be sent for too long, the run stops.
    pub(super) fn after_open_files(
        &self,
        failure: &Failure,
        admission: Option<Admission>,
    ) -> Duration {
        if let Some(admission) = admission {
            self.shared.retire_worker(admission);
        }
        let since = {
            let mut since = self.without_files();
            let begun = since.unwrap_or_else(Instant::now);
            let begun = if self.link.has_answered_since(begun) {
                Instant::now()
            } else {
                begun
            };
            *since = Some(begun);
            begun
        };
        if since.elapsed() >= LONGEST_WITHOUT {
            self.shared.stop.give(Stop::OpenFiles {
                failure: failure.clone(),
            });
        }
        self.wait_after(AS_AFTER_TRIES)
    }
}

impl<L: RowSink> super::shared::Shared<L> {
    /// From now on one request fewer is in flight; the last one stays.
    fn retire_worker(&self, admission: Admission) {
        let Some(left) = self.fewer_workers() else {
            return;
        };
        admission.retire();
        if !self.has_said_open_files() {
            let left = format::count(left as u64, "request");
            self.tell(&Event::Warning {
                text: &format!(
                    "too many files are open to send more requests at once, so fewer than {left} are in flight from here on; \
                     the limit of open files (ulimit -n) allows no more"
                ),
            });
        }
    }
}
