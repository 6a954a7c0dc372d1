//! Counts of devices and requests.

use std::collections::BTreeMap;

use serde::Serialize;

/// Requests of one operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Requests {
    /// Including the throttled ones.
    pub(crate) sent: u64,
    pub(crate) throttled: u64,
}

impl Requests {
    /// The share of throttled requests, from 0 to 1.
    pub(crate) fn throttled_share(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
        let share = self.throttled as f64 / self.sent.max(1) as f64;
        share
    }
}

/// The counts at one instant.
#[derive(Debug, Clone, Default)]
pub struct RunCounts {
    /// Rows recorded in this run, by status.
    pub created: u64,
    /// Existing channels that were adopted.
    pub(crate) exists: u64,
    /// Channels that a rollback deleted.
    pub(crate) deleted: u64,
    /// Failed devices, or channels that a rollback has left, by error code.
    pub(crate) failed: BTreeMap<Box<str>, u64>,
    /// Invalid rows of the manifest.
    pub(crate) invalid: u64,
    /// Adopted channels whose type or TTL differs from the requested one.
    pub(crate) differs: u64,
    /// Adopted channels that were updated.
    pub(crate) updated: u64,
    /// `CreateSignalingChannel`.
    pub(crate) creates: Requests,
    /// `DescribeSignalingChannel`.
    pub(crate) describes: Requests,
    /// `ListSignalingChannels`.
    pub(crate) lists: Requests,
    pub(crate) others: Requests,
    /// Answers to these other requests that count: the same request would be answered in the same way.
    pub(crate) answers: u64,
    /// How often the quota server was lost.
    pub(crate) quota_server_outages: u64,
}

impl RunCounts {
    pub(crate) fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Throttled requests of all operations.
    pub(crate) fn throttled(&self) -> u64 {
        let all = [self.creates, self.describes, self.lists, self.others];
        all.iter().map(|requests| requests.throttled).sum()
    }

    /// Devices with an outcome.
    pub(crate) fn finished(&self) -> u64 {
        self.created + self.exists + self.deleted + self.failures()
    }
}
