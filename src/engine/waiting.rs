//! The devices of a Region that wait for another attempt: at once, or at a later time.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::job::{DeviceJob, JobPhase};
use crate::domain::device::{Device, DeviceIndex};

/// The devices that wait for another attempt.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) creates: VecDeque<Box<DeviceJob>>,
    pub(super) resolves: VecDeque<Box<DeviceJob>>,
    /// By the time from which they are ready, and a number that makes each key unique.
    later: BTreeMap<(Instant, u64), Box<DeviceJob>>,
    sequence: u64,
}

impl Waiting {
    /// Devices whose channel exists but must be described.
    pub(super) fn to_resolve(devices: Vec<(DeviceIndex, Device)>) -> Self {
        let resolves = devices.into_iter().map(|(index, device)| {
            let mut job = Box::new(DeviceJob::new(index, device));
            job.phase = JobPhase::Resolve;
            job
        });
        Self {
            resolves: resolves.collect(),
            ..Self::default()
        }
    }

    pub(super) fn len(&self) -> usize {
        self.creates.len() + self.resolves.len() + self.later.len()
    }

    pub(super) fn ready(&mut self, job: Box<DeviceJob>) {
        match job.phase {
            JobPhase::Create => self.creates.push_back(job),
            JobPhase::Resolve => self.resolves.push_back(job),
        }
    }

    pub(super) fn later(&mut self, job: Box<DeviceJob>, wait: Duration) {
        self.sequence += 1;
        let due = Instant::now() + wait;
        self.later.insert((due, self.sequence), job);
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.later.keys().next().map(|(due, _)| *due)
    }

    /// Those that wait no longer than until `now` are ready.
    pub(super) fn promote(&mut self, now: Instant) {
        while self.next_due().is_some_and(|due| due <= now) {
            if let Some((_, job)) = self.later.pop_first() {
                self.ready(job);
            }
        }
    }

    pub(super) fn into_jobs(self) -> impl Iterator<Item = Box<DeviceJob>> {
        let later = self.later.into_values();
        self.creates.into_iter().chain(self.resolves).chain(later)
    }
}
