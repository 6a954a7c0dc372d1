//! Devices and requests, in numbers.

use std::collections::BTreeMap;

/// Requests of one operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// Sent, the throttled ones included.
    pub sent: u64,
    /// Throttled.
    pub throttled: u64,
}

impl Requests {
    /// The throttled ones as a share of all, from 0 to 1.
    #[must_use]
    pub fn throttled_share(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
        let share = self.throttled as f64 / self.sent.max(1) as f64;
        share
    }
}

/// The numbers at one instant.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Rows recorded in this run by status.
    pub created: u64,
    /// Channels that were there and were adopted.
    pub exists: u64,
    /// Failed devices by error code.
    pub failed: BTreeMap<Box<str>, u64>,
    /// Wrong rows of the manifest.
    pub invalid: u64,
    /// Adopted channels that differ in type or TTL from what is asked.
    pub differs: u64,
    /// Adopted channels that were brought to what is asked.
    pub updated: u64,
    /// `CreateSignalingChannel`.
    pub creates: Requests,
    /// `DescribeSignalingChannel`.
    pub describes: Requests,
    /// `ListSignalingChannels`.
    pub lists: Requests,
    /// All others.
    pub others: Requests,
}

impl Counts {
    /// Failed devices, whatever the code.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Devices that have an outcome.
    #[must_use]
    pub fn finished(&self) -> u64 {
        self.created + self.exists + self.failures()
    }
}
