//! A lane's devices: from the lists of a planned file, or as a stream brings them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::device::{Device, Region};
use crate::engine::{Census, Work};
use crate::manifest::Cursor;
use crate::results::record::Status;
use crate::roster::{DeviceIndex, Roster};

/// The roster, shared by those who plan and those who record.
pub type SharedRoster = Arc<Mutex<Roster>>;

/// Locks the roster.
pub fn lock(roster: &SharedRoster) -> MutexGuard<'_, Roster> {
    roster.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The work of one Region.
#[derive(Debug)]
pub enum LaneWork {
    /// Of a manifest that was planned whole.
    Listed(Box<ListedWork>),
    /// Of a stream.
    Streamed(mpsc::Receiver<(DeviceIndex, Device)>),
}

/// Devices of a file, kept as their places in it and read again one by one: a batch takes four bytes a device.
#[derive(Debug)]
pub struct ListedWork {
    pub(super) region: Region,
    pub(super) manifest: Cursor,
    pub(super) roster: SharedRoster,
    pub(super) devices: std::vec::IntoIter<DeviceIndex>,
}

impl ListedWork {
    fn device(&mut self, index: DeviceIndex) -> Option<Device> {
        let at = lock(&self.roster).manifest_at(index)?;
        self.manifest.device_at(at)
    }
}

impl LaneWork {
    /// Devices whose channel a listing has not shown, as far as they are known in advance.
    pub fn missing_from(&self, census: &Census) -> usize {
        let Self::Listed(work) = self else { return 0 };
        let roster = lock(&work.roster);
        let devices = work.devices.as_slice().iter();
        devices
            .filter(|index| !census.has(roster.channel_name(**index)))
            .count()
    }
}

impl Work for LaneWork {
    async fn next(&mut self) -> Option<(DeviceIndex, Device)> {
        match self {
            Self::Streamed(devices) => devices.recv().await,
            Self::Listed(work) => loop {
                let index = work.devices.next()?;
                if let Some(device) = work.device(index) {
                    return Some((index, device));
                }
            },
        }
    }

    fn take_if(&mut self, wanted: &dyn Fn(&str) -> bool) -> Vec<(DeviceIndex, Device)> {
        let Self::Listed(work) = self else {
            return Vec::new();
        };
        let (taken, left): (Vec<_>, Vec<_>) = {
            let roster = lock(&work.roster);
            work.devices
                .by_ref()
                .partition(|index| wanted(roster.channel_name(*index)))
        };
        work.devices = left.into_iter();
        taken
            .into_iter()
            .filter_map(|index| Some((index, work.device(index)?)))
            .collect()
    }

    fn may_want(&self, name: &str) -> bool {
        match self {
            Self::Streamed(_) => true,
            Self::Listed(work) => {
                let roster = lock(&work.roster);
                // Who has its channel is not among the work.
                let is_open = |status| !matches!(status, Some(Status::Created | Status::Exists));
                roster
                    .holders(&work.region, name)
                    .any(|index| is_open(roster.status(index)))
            }
        }
    }
}
