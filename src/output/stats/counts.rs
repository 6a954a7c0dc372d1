//! Counts of devices and requests.

use std::collections::BTreeMap;

/// Requests of one operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// Including the throttled ones.
    pub sent: u64,
    pub throttled: u64,
}

impl Requests {
    /// The share of throttled requests, from 0 to 1.
    #[must_use]
    pub fn throttled_share(&self) -> f64 {
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
    pub exists: u64,
    /// Failed devices by error code.
    pub failed: BTreeMap<Box<str>, u64>,
    /// Invalid rows of the manifest.
    pub invalid: u64,
    /// Adopted channels whose type or TTL differs from the requested one.
    pub differs: u64,
    /// Adopted channels that were updated.
    pub updated: u64,
    /// `CreateSignalingChannel`.
    pub creates: Requests,
    /// `DescribeSignalingChannel`.
    pub describes: Requests,
    /// `ListSignalingChannels`.
    pub lists: Requests,
    /// All other operations.
    pub others: Requests,
}

impl RunCounts {
    /// All failed devices.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Devices with an outcome.
    #[must_use]
    pub fn finished(&self) -> u64 {
        self.created + self.exists + self.failures()
    }
}
