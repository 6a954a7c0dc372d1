//! A Region's devices: from the lists of a planned file, or as a stream brings them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::domain::device::{AccountRegion, Device, DeviceIndex};
use crate::engine::{Listing, Work};
use crate::fleet::known_devices::KnownDevices;

/// The known devices, shared by planner and row sink.
pub type SharedDevices = Arc<Mutex<KnownDevices>>;

/// Locks the known devices.
pub(crate) fn lock(known_devices: &SharedDevices) -> MutexGuard<'_, KnownDevices> {
    known_devices.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The work of one account and Region.
#[derive(Debug)]
pub enum RegionWork {
    /// Of a manifest that was planned whole.
    Listed(ListedWork),
    /// Of a stream.
    Streamed(mpsc::Receiver<(DeviceIndex, Device)>),
}

/// Devices of a file.
#[derive(Debug)]
pub struct ListedWork {
    pub(super) account_region: AccountRegion,
    pub(super) known_devices: SharedDevices,
    pub(super) devices: std::vec::IntoIter<(DeviceIndex, Device)>,
}

impl RegionWork {
    /// How many devices have no channel in the listing. Those of a stream are not known in advance.
    pub(crate) fn missing_from(&self, listing: &Listing) -> usize {
        let Self::Listed(work) = self else { return 0 };
        let devices = work.devices.as_slice().iter();
        devices
            .filter(|(_, device)| !listing.has(device.channel_name.as_str()))
            .count()
    }
}

impl Work for RegionWork {
    async fn next(&mut self) -> Option<(DeviceIndex, Device)> {
        match self {
            Self::Streamed(devices) => devices.recv().await,
            Self::Listed(work) => work.devices.next(),
        }
    }

    fn take_if(&mut self, wanted: &dyn Fn(&str) -> bool) -> Vec<(DeviceIndex, Device)> {
        let Self::Listed(work) = self else {
            return Vec::new();
        };
        let devices = std::mem::take(&mut work.devices);
        let (taken, left): (Vec<_>, Vec<_>) =
            devices.partition(|(_, device)| wanted(device.channel_name.as_str()));
        work.devices = left.into_iter();
        taken
    }

    fn may_want(&self, name: &str) -> bool {
        match self {
            Self::Streamed(_) => true,
            Self::Listed(work) => {
                let known_devices = lock(&work.known_devices);
                // A device that has its channel is not among the work.
                known_devices
                    .holders(&work.account_region, name)
                    .any(|index| !known_devices[index].has_channel())
            }
        }
    }
}
