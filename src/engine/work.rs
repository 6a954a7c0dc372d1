//! Where devices come from, and where their rows go.

use std::future::Future;

use crate::domain::device::{Device, DeviceIndex};
use crate::results::record::Row;

/// Where a Region's devices come from.
pub trait Work: Send + Sync + 'static {
    /// The next device; none when there are no more. Must be cancel-safe: dropped while waiting, it loses nothing.
    fn next(&mut self) -> impl Future<Output = Option<(DeviceIndex, Device)>> + Send;

    /// Takes out the devices whose channel name the predicate accepts, as far as the work is known in advance. Devices
    /// that come later are returned by [`next`](Self::next) only.
    fn take_if(&mut self, wanted: &dyn Fn(&str) -> bool) -> Vec<(DeviceIndex, Device)>;

    /// Whether a device of this work may have this channel name; a listing keeps only such channels.
    fn may_want(&self, name: &str) -> bool;
}

/// Where rows go.
pub trait RowSink: Send + Sync + 'static {
    /// Writes a device's last row and returns it once it is on disk. The error is the message for the operator; the run
    /// stops with it.
    fn record(
        &self,
        device: DeviceIndex,
        row: Row,
    ) -> impl Future<Output = Result<Row, String>> + Send;

    /// The same for many devices.
    fn record_all(
        &self,
        rows: Vec<(DeviceIndex, Row)>,
    ) -> impl Future<Output = Result<Vec<Row>, String>> + Send;
}
