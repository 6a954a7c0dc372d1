//! The devices of a Region that wait for another attempt: at once, or at a later time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::job::{Job, Phase};
use crate::domain::device::{Device, DeviceIndex};

/// The devices that wait for another attempt.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) creates: VecDeque<Box<Job>>,
    pub(super) resolves: VecDeque<Box<Job>>,
    later: BinaryHeap<Reverse<Later>>,
    sequence: u64,
}

#[derive(Debug)]
struct Later {
    due: Instant,
    sequence: u64,
    job: Box<Job>,
}

impl PartialEq for Later {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Later {}
impl PartialOrd for Later {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Later {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.sequence).cmp(&(other.due, other.sequence))
    }
}

impl Waiting {
    /// Devices whose channel exists but must be described.
    pub(super) fn to_resolve(devices: Vec<(DeviceIndex, Device)>) -> Self {
        let resolves = devices.into_iter().map(|(index, device)| {
            let mut job = Box::new(Job::new(index, device));
            job.phase = Phase::Resolve;
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

    pub(super) fn ready(&mut self, job: Box<Job>) {
        match job.phase {
            Phase::Create => self.creates.push_back(job),
            Phase::Resolve => self.resolves.push_back(job),
        }
    }

    pub(super) fn later(&mut self, job: Box<Job>, wait: Duration) {
        self.sequence += 1;
        self.later.push(Reverse(Later {
            due: Instant::now() + wait,
            sequence: self.sequence,
            job,
        }));
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.later.peek().map(|Reverse(later)| later.due)
    }

    pub(super) fn promote(&mut self, now: Instant) {
        while self.next_due().is_some_and(|due| due <= now) {
            if let Some(Reverse(later)) = self.later.pop() {
                self.ready(later.job);
            }
        }
    }

    pub(super) fn into_jobs(self) -> impl Iterator<Item = Box<Job>> {
        let later = self.later.into_iter().map(|Reverse(later)| later.job);
        self.creates.into_iter().chain(self.resolves).chain(later)
    }
}
