//! The devices that a run attempts, in their order.

use std::collections::BTreeMap;

use super::Verdict;
use crate::domain::device::{AccountRegion, Device, DeviceIndex};

/// The devices that a run attempts: fresh ones, then those that failed before, each in the manifest's order.
#[derive(Debug, Clone, Default)]
pub struct WorkLists {
    fresh: Vec<(DeviceIndex, Device)>,
    again: Vec<(DeviceIndex, Device)>,
}

impl WorkLists {
    /// Adds the device of a row that is to do.
    pub(crate) fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Fresh(index, device) => self.fresh.push((index, device)),
            Verdict::Again(index, device) => self.again.push((index, device)),
            _ => {}
        }
    }
    pub fn len(&self) -> u64 {
        let (fresh, again) = self.sizes();
        fresh + again
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The devices in the order in which they are attempted.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(DeviceIndex, Device)> {
        self.fresh.iter().chain(&self.again)
    }

    /// How many fresh devices there are, and how many that failed before.
    pub(crate) fn sizes(&self) -> (u64, u64) {
        (self.fresh.len() as u64, self.again.len() as u64)
    }

    /// Keeps the first `limit` devices; gives the others.
    pub(crate) fn limit(&mut self, limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let fresh = self.fresh.split_off(limit.min(self.fresh.len()));
        let room = limit - self.fresh.len();
        let again = self.again.split_off(room.min(self.again.len()));
        Self { fresh, again }
    }

    /// The devices of each account and Region.
    pub fn into_regions(self) -> BTreeMap<AccountRegion, Vec<(DeviceIndex, Device)>> {
        let mut regions: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (index, device) in self.fresh.into_iter().chain(self.again) {
            regions
                .entry(device.account_region())
                .or_default()
                .push((index, device));
        }
        regions
    }
}
