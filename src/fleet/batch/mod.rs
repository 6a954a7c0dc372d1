//! A batch, from what earlier runs left of it to its finished results: the engine between the manifest's plan and the
//! results file. Generic over the disk and the service, so that a simulation drives the same wiring as the command.
//!
//! | module | owns |
//! | --- | --- |
//! | [`history`] | the results file locked, read into the known devices, and whether a run may go on from it |
//! | [`planned`] | a file's plan, and the rows of its invalid lines |
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
//! [`finish`]: Closed::finish

pub mod finish;
pub mod history;
pub mod planned;
pub mod sink;
pub mod work;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::task::JoinHandle;

pub use finish::{Closed, tidy};
pub use history::{Glance, History, last_rows, open, open_locked};
pub use planned::{InvalidLine, Planned, plan};
pub use sink::{FileRowSink, RowStream};
pub use work::{ListedWork, RegionWork, SharedDevices, lock};

use crate::domain::clock::WallClock;
use crate::domain::device::{Device, DeviceIndex, Region};
use crate::engine::event::Listeners;
use crate::engine::{self, Engine, Service, Settings, Stop, StopSignal};
use crate::error::Error;
use crate::fleet::known_devices::KnownDevices;
use crate::results::disk::Disk;
use crate::results::journal::Journal;
use crate::results::writer::{self, Writer};

/// Rows of invalid lines handed to the journal at once.
const INVALID_BATCH: usize = 1_000;

/// What a batch needs besides its files.
#[derive(Debug)]
pub struct Parts<O> {
    /// How the engine behaves.
    pub settings: Settings,
    /// Who gets the events.
    pub listeners: Listeners,
    /// Ends the run.
    pub stop: StopSignal,
    /// The clock for timestamps.
    pub clock: WallClock,
    /// Where rows go besides the file.
    pub row_stream: Option<Arc<O>>,
}

/// A batch that has not begun: nothing is written yet.
#[derive(Debug)]
pub struct Batch<D: Disk, S, O> {
    /// The engine, to list what exists.
    pub engine: Engine<S, FileRowSink<O>, RegionWork>,
    books: Books<O>,
    writer: Writer<D>,
}

/// The known devices, and where rows go.
#[derive(Debug)]
pub struct Books<O> {
    /// Where rows go.
    pub sink: Arc<FileRowSink<O>>,
    /// The known devices.
    pub known_devices: SharedDevices,
    /// Who gets the events.
    pub listeners: Listeners,
    /// Ends the run.
    pub stop: StopSignal,
}

impl<O: RowStream> Books<O> {
    fn open<D: Disk>(
        disk: &D,
        results: &Path,
        journal: Journal<D>,
        known_devices: KnownDevices,
        (listeners, stop): (Listeners, StopSignal),
        row_stream: Option<Arc<O>>,
    ) -> (Self, Writer<D>) {
        let known_devices = Arc::new(Mutex::new(known_devices));
        let (recorder, writer) = writer::recorder(disk, journal);
        let books = Self {
            sink: FileRowSink::new(recorder, Arc::clone(&known_devices), results, row_stream),
            known_devices,
            listeners,
            stop,
        };
        (books, writer)
    }
}

impl<D: Disk, S: Service, O: RowStream> Batch<D, S, O> {
    /// A batch without work. `results` is the file as the user gave it.
    #[must_use]
    pub fn new(
        disk: &D,
        results: &Path,
        journal: Journal<D>,
        known_devices: KnownDevices,
        parts: Parts<O>,
    ) -> Self {
        let Parts {
            listeners,
            stop,
            row_stream,
            ..
        } = &parts;
        let (books, writer) = Books::open(
            disk,
            results,
            journal,
            known_devices,
            (listeners.clone(), stop.clone()),
            row_stream.clone(),
        );
        let engine = Engine::new(engine::Parts {
            settings: parts.settings,
            sink: Arc::clone(&books.sink),
            listeners: parts.listeners,
            stop: parts.stop,
            clock: parts.clock,
        });
        Self {
            engine,
            books,
            writer,
        }
    }

    /// Adds each Region of a planned file.
    pub fn add_regions(
        &mut self,
        regions: BTreeMap<Region, Vec<(DeviceIndex, Device)>>,
        service: impl Fn(&Region) -> S,
    ) {
        for (region, devices) in regions {
            let work = RegionWork::Listed(ListedWork {
                region: region.clone(),
                known_devices: Arc::clone(&self.books.known_devices),
                devices: devices.into_iter(),
            });
            let service = service(&region);
            self.engine.add_region(region, service, work);
        }
    }

    /// Prepares the results file, before the first row and the first create. May block.
    pub fn prepare(&mut self) -> Result<(), Error> {
        self.writer
            .prepare()
            .map_err(|error| Error::refused("results", error.to_string()))
    }

    /// Starts the writer, on a task of its own: now the engine may run.
    #[must_use]
    pub fn start(self) -> (Engine<S, FileRowSink<O>, RegionWork>, Running<D, O>) {
        let running = Running {
            books: self.books,
            writer: tokio::spawn(self.writer.run()),
        };
        (self.engine, running)
    }
}

/// Goes on with a results file without a manifest: its rows keep their order, its invalid lines too, and rows may be
/// replaced. Prepares the file and starts its writer. `results` is the file as the user gave it. May block.
pub fn go_on<D: Disk, O: RowStream>(
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
        if let Some(place) = known_devices.place(index) {
            next = next.min(place.offset);
            known_devices.list(index, next, 0);
        }
    }
    let (books, mut writer) = Books::open(
        disk,
        results,
        journal,
        known_devices,
        (listeners, stop),
        None,
    );
    books.sink.keep_invalid(invalid);
    writer
        .prepare()
        .map_err(|error| Error::refused("results", error.to_string()))?;
    Ok(Running {
        books,
        writer: tokio::spawn(writer.run()),
    })
}

/// A batch that is under way.
#[derive(Debug)]
pub struct Running<D: Disk, O> {
    /// The known devices, and where rows go.
    pub books: Books<O>,
    writer: JoinHandle<writer::Closed<D>>,
}

impl<D: Disk, O: RowStream> Running<D, O> {
    /// Records the rows of invalid lines. If they cannot be written the run stops.
    pub async fn record_invalid(&self, lines: &[InvalidLine]) {
        let Books {
            sink,
            listeners,
            stop,
            ..
        } = &self.books;
        for batch in lines.chunks(INVALID_BATCH) {
            let rows = batch.iter().map(|line| (line.line, line.row())).collect();
            if let Err(message) = sink.record_invalid(rows, listeners).await {
                stop.give(Stop::Results(message));
                return;
            }
        }
    }

    /// Takes no more rows, and waits until those that came are written.
    pub async fn close(self) -> Result<Closed<D>, Error> {
        let invalid = self.books.sink.close();
        let written = self.writer.await.map_err(|error| {
            Error::Stopped(Stop::Results(format!(
                "the results could not be closed: {error}"
            )))
        })?;
        let known_devices = std::mem::take(&mut *lock(&self.books.known_devices));
        Ok(Closed::new(written, known_devices, invalid))
    }
}
