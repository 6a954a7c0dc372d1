//! The engine's work and sink in a simulation.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::world::World;
use kvs_fleet::domain::device::Device;
use kvs_fleet::domain::device::DeviceIndex;
use kvs_fleet::engine::event::{Event, Listener};
use kvs_fleet::engine::{RowSink, Work};
use kvs_fleet::results::record::Row;

/// How devices are supplied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Supply {
    Listed,
    /// As a stream whose Regions appear during the run.
    Streamed,
}

/// A Region's devices.
#[derive(Debug)]
pub(super) struct TestWork {
    pub(super) devices: VecDeque<(DeviceIndex, Device)>,
    supply: Supply,
}

impl TestWork {
    pub(super) fn new(first: (DeviceIndex, Device), supply: Supply) -> Self {
        Self {
            devices: VecDeque::from([first]),
            supply,
        }
    }
}

impl Work for TestWork {
    async fn next(&mut self) -> Option<(DeviceIndex, Device)> {
        if self.supply == Supply::Streamed {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.devices.pop_front()
    }

    fn take_if(&mut self, wanted: &dyn Fn(&str) -> bool) -> Vec<(DeviceIndex, Device)> {
        if self.supply == Supply::Streamed {
            return Vec::new();
        }
        let (taken, left) = std::mem::take(&mut self.devices)
            .into_iter()
            .partition(|(_, device)| wanted(device.channel_name.as_str()));
        self.devices = left;
        Vec::from(taken)
    }

    fn may_want(&self, name: &str) -> bool {
        name.starts_with("CAM-")
    }
}

/// A sink in memory, which is also the listener.
#[derive(Debug)]
pub(super) struct MemorySink {
    pub(super) world: Arc<World>,
    pub(super) takes: Duration,
    pub(super) fails_after: Option<usize>,
    pub(super) rows: Mutex<Vec<Row>>,
    pub(super) trace: Mutex<Vec<String>>,
}

impl MemorySink {
    pub(super) fn tail(&self) -> String {
        let trace = self.trace.lock().unwrap();
        trace[trace.len().saturating_sub(20)..].join("\n")
    }
}

impl RowSink for MemorySink {
    async fn record(&self, device: DeviceIndex, row: Row) -> Result<Row, String> {
        let mut rows = self.record_all(vec![(device, row)]).await?;
        Ok(rows.remove(0))
    }

    async fn record_all(&self, rows: Vec<(DeviceIndex, Row)>) -> Result<Vec<Row>, String> {
        tokio::time::sleep(self.takes).await;
        let mut kept = self.rows.lock().unwrap();
        if self
            .fails_after
            .is_some_and(|most| kept.len() + rows.len() > most)
        {
            return Err("the disk is full".to_owned());
        }
        let rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
        kept.extend_from_slice(&rows);
        Ok(rows)
    }
}

impl Listener for MemorySink {
    fn tell(&self, event: &Event<'_>) {
        if let Event::Recorded { row } = event {
            let is_kept = self
                .rows
                .lock()
                .unwrap()
                .iter()
                .rev()
                .any(|kept| kept == *row);
            assert!(is_kept, "reported before it is on disk: {row:?}");
        }
        let mut line = format!("{:>12} ", self.world.elapsed().as_micros());
        // Writing to a string cannot fail.
        let _ = match event {
            Event::RegionStarted { account_region, .. } => {
                write!(line, "RegionStarted {account_region}")
            }
            other => write!(line, "{other:?}"),
        };
        self.trace.lock().unwrap().push(line);
    }
}
