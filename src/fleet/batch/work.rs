//! A Region's devices: from the lists of a planned file, or as a stream brings them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::domain::device::DeviceIndex;
use crate::domain::device::{Device, Region};
use crate::engine::{Listing, Work};
use crate::fleet::known_devices::KnownDevices;
use crate::manifest::Cursor;
use crate::results::record::Status;

/// The known devices, shared by those who plan and those who record.
pub type SharedDevices = Arc<Mutex<KnownDevices>>;

/// Locks the known devices.
pub fn lock(known_devices: &SharedDevices) -> MutexGuard<'_, KnownDevices> {
    known_devices.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The work of one Region.
#[derive(Debug)]
pub enum RegionWork {
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
    pub(super) known_devices: SharedDevices,
    pub(super) devices: std::vec::IntoIter<DeviceIndex>,
}

impl ListedWork {
    fn device(&mut self, index: DeviceIndex) -> Option<Device> {
        let at = lock(&self.known_devices).manifest_at(index)?;
        self.manifest.device_at(at)
    }
}

impl RegionWork {
    /// Devices whose channel a listing has not shown, as far as they are known in advance.
    pub fn missing_from(&self, listing: &Listing) -> usize {
        let Self::Listed(work) = self else { return 0 };
        let known_devices = lock(&work.known_devices);
        let devices = work.devices.as_slice().iter();
        devices
            .filter(|index| !listing.has(known_devices.channel_name(**index)))
            .count()
    }
}

impl Work for RegionWork {
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
            let known_devices = lock(&work.known_devices);
            work.devices
                .by_ref()
                .partition(|index| wanted(known_devices.channel_name(*index)))
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
                let known_devices = lock(&work.known_devices);
                // Who has its channel is not among the work.
                let is_open = |status| !matches!(status, Some(Status::Created | Status::Exists));
                known_devices
                    .holders(&work.region, name)
                    .any(|index| is_open(known_devices.status(index)))
            }
        }
    }
}
