//! A batch, from what earlier runs left of it to its finished results: the engine between the manifest's plan and the
//! results file. Generic over the disk and the service, so that a simulation drives the same wiring as the command.
//!
//! | module | owns |
//! | --- | --- |
//! | [`history`] | the results file locked, read into the known devices, and whether a run may go on from it |
//! | [`planned`] | a file's plan |
//! | [`work`] | a Region's devices |
//! | [`sink`] | where rows go: to the journal, and once they are on disk into the known devices |
//! | [`finish`] | the end: the results in the manifest's order |
//!
//! In the order of a run: [`open`] the results, [`plan`] the manifest, make a [`Batch`], list what exists, [`prepare`]
//! the file, [`start`] the writer, run the engine, [`close`] and [`finish`]. The caller decides what is refused before
//! anything is sent or written, what the user sees, and what the runs log says.
//!
//! [`prepare`]: Batch::prepare
//! [`start`]: Batch::start
//! [`close`]: Running::close
//! [`finish`]: ClosedBatch::finish

pub mod finish;
pub mod history;
pub mod planned;
pub mod sink;
pub mod work;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio::task::JoinHandle;

pub use finish::{ClosedBatch, tidy};
pub(crate) use history::{Glance, last_rows, open_locked};
pub use history::{History, open};
pub use planned::{Planned, plan};
pub use sink::{FileRowSink, RowStream};
pub(crate) use work::lock;
pub use work::{ListedWork, RegionWork, SharedDevices};

use crate::domain::clock::WallClock;
use crate::domain::device::{AccountRegion, Device, DeviceIndex};
use crate::engine::event::Listeners;
use crate::engine::pace::controller::RateRange;
use crate::engine::pace::quota_client::QuotaClient;
use crate::engine::{self, Engine, EngineSettings, Service, Stop, StopSignal};
use crate::error::Error;
use crate::fleet::known_devices::KnownDevices;
use crate::fleet::plan::InvalidLine;
use crate::results::disk::Disk;
use crate::results::journal::Journal;
use crate::results::writer::{Closed, Writer};

/// Rows of invalid lines handed to the journal at once.
const INVALID_BATCH: usize = 1_000;

/// What a batch needs besides its files.
#[derive(Debug)]
pub struct Parts<O> {
    pub settings: EngineSettings,
    pub listeners: Listeners,
    pub stop: StopSignal,
    pub clock: WallClock,
    pub quota_client: Option<Arc<QuotaClient>>,
    /// Where rows go besides the file.
    pub row_stream: Option<Arc<O>>,
}

/// A batch that has not begun: nothing is written yet.
#[derive(Debug)]
pub struct Batch<D: Disk, S, O> {
    /// The engine, to list what exists.
    pub engine: Engine<S, FileRowSink<O>, RegionWork>,
    sink: Arc<FileRowSink<O>>,
    stop: StopSignal,
    writer: Writer<D>,
}

impl<D: Disk, S: Service, O: RowStream> Batch<D, S, O> {
    /// A batch without work. `results` is the file as the user gave it.
    pub fn new(
        disk: &D,
        results: &Path,
        journal: Journal<D>,
        known_devices: KnownDevices,
        parts: Parts<O>,
    ) -> Self {
        let (sink, writer) = FileRowSink::open(
            disk,
            results,
            journal,
            known_devices,
            parts.listeners.clone(),
            parts.row_stream,
        );
        let engine = Engine::new(engine::EngineParts {
            settings: parts.settings,
            sink: Arc::clone(&sink),
            listeners: parts.listeners,
            stop: parts.stop.clone(),
            clock: parts.clock,
            quota_client: parts.quota_client,
        });
        Self {
            engine,
            sink,
            stop: parts.stop,
            writer,
        }
    }

    /// Adds each account and Region of a planned file; one without a service is left out. `rate` is that of creates there.
    pub fn add_regions(
        &mut self,
        regions: BTreeMap<AccountRegion, Vec<(DeviceIndex, Device)>>,
        service: impl Fn(&AccountRegion) -> Result<S, Stop>,
        rate: impl Fn(&AccountRegion) -> RateRange,
    ) {
        for (account_region, devices) in regions {
            let service = match service(&account_region) {
                Ok(service) => service,
                Err(cause) => {
                    self.engine.leave_out(&account_region, cause);
                    continue;
                }
            };
            let work = RegionWork::Listed(ListedWork {
                account_region: account_region.clone(),
                known_devices: Arc::clone(self.sink.known_devices()),
                devices: devices.into_iter(),
            });
            let rate = rate(&account_region);
            self.engine.add_region(account_region, rate, service, work);
        }
    }

    /// Prepares the results file, before the first row and the first create. May block.
    pub fn prepare(&mut self) -> Result<(), Error> {
        self.writer
            .prepare()
            .map_err(|error| Error::refused("results", error.to_string()))
    }

    /// Starts the writer, on a task of its own: now the engine may run.
    pub fn start(self) -> (Engine<S, FileRowSink<O>, RegionWork>, Running<D, O>) {
        let running = Running {
            sink: self.sink,
            stop: self.stop,
            writer: tokio::spawn(self.writer.run()),
        };
        (self.engine, running)
    }
}

/// Goes on with a results file without a manifest: its rows keep their order, its invalid lines too, and rows may be
/// replaced. Prepares the file and starts its writer. `results` is the file as the user gave it. May block.
pub(crate) fn go_on<D: Disk, O: RowStream>(
    disk: &D,
    results: &Path,
    history: History<D>,
    listeners: Listeners,
    stop: StopSignal,
) -> Result<Running<D, O>, Error> {
    let History {
        journal,
        mut known_devices,
        invalid,
        ..
    } = history;
    // The order of the devices is taken for the manifest's. A later row of a device comes after the others, but the device
    // keeps its place before the next one.
    let mut next = u64::MAX;
    for index in known_devices.iter().rev() {
        if let Some(place) = known_devices[index].place {
            next = next.min(place.offset);
            known_devices.list(index, next, 0);
        }
    }
    let (sink, mut writer) =
        FileRowSink::open(disk, results, journal, known_devices, listeners, None);
    sink.keep_invalid(invalid);
    writer
        .prepare()
        .map_err(|error| Error::refused("results", error.to_string()))?;
    Ok(Running {
        sink,
        stop,
        writer: tokio::spawn(writer.run()),
    })
}

/// A batch that is under way.
#[derive(Debug)]
pub struct Running<D: Disk, O> {
    pub sink: Arc<FileRowSink<O>>,
    stop: StopSignal,
    writer: JoinHandle<Closed<D>>,
}

impl<D: Disk, O: RowStream> Running<D, O> {
    /// Records the rows of invalid lines. If they cannot be written the run stops.
    pub async fn record_invalid(&self, lines: &[InvalidLine]) {
        for batch in lines.chunks(INVALID_BATCH) {
            if let Err(message) = self.sink.record_invalid(batch).await {
                self.stop.give(Stop::Results(message));
                return;
            }
        }
    }

    /// Takes no more rows, and waits until those that came are written.
    pub async fn close(self) -> Result<ClosedBatch<D>, Error> {
        let invalid = self.sink.close();
        let written = self.writer.await.map_err(|error| {
            Error::Stopped(Stop::Results(format!(
                "the results could not be closed: {error}"
            )))
        })?;
        let known_devices = std::mem::take(&mut *lock(self.sink.known_devices()));
        Ok(ClosedBatch::new(written, known_devices, invalid))
    }
}
