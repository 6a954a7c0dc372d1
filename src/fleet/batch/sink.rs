//! Where rows go: to the journal, then, once they are on disk, to the known devices.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::work::{SharedDevices, lock};
use crate::domain::device::DeviceIndex;
use crate::engine::RowSink;
use crate::engine::event::{Event, Listener, Listeners};
use crate::fleet::known_devices::KnownDevices;
use crate::fleet::plan::InvalidLine;
use crate::results::disk::Disk;
use crate::results::finish::FinishRow;
use crate::results::journal::{Journal, JournalError};
use crate::results::record::{Place, Row};
use crate::results::writer::{self, RecordError, Recorder, Writer};

/// Where rows go besides the file, once they are on disk. A slow stream delays the run.
pub trait RowStream: Send + Sync + 'static {
    /// Hands rows over, in this order.
    fn put(&self, rows: &[Row]) -> impl Future<Output = ()> + Send;
}

/// Rows go to the file only.
impl RowStream for () {
    async fn put(&self, _: &[Row]) {}
}

/// Records rows in the journal.
#[derive(Debug)]
pub struct FileRowSink<O> {
    /// None once it is closed.
    recorder: Mutex<Option<Recorder>>,
    known_devices: SharedDevices,
    results: PathBuf,
    /// Who gets the events about rows that no engine records.
    listeners: Listeners,
    row_stream: Option<Arc<O>>,
    /// The rows of invalid lines: their order, as that of a device, and their place in the journal.
    invalid: Mutex<Vec<(u64, Place)>>,
}

impl<O: RowStream> FileRowSink<O> {
    pub(super) fn open<D: Disk>(
        disk: &D,
        results: &Path,
        journal: Journal<D>,
        known_devices: KnownDevices,
        listeners: Listeners,
        row_stream: Option<Arc<O>>,
    ) -> (Arc<Self>, Writer<D>) {
        let (recorder, writer) = writer::recorder(disk, journal);
        let sink = Self {
            recorder: Mutex::new(Some(recorder)),
            known_devices: Arc::new(Mutex::new(known_devices)),
            results: results.to_owned(),
            listeners,
            row_stream,
            invalid: Mutex::default(),
        };
        (Arc::new(sink), writer)
    }

    pub(crate) fn known_devices(&self) -> &SharedDevices {
        &self.known_devices
    }

    /// Counts and shows a row that no engine has recorded.
    pub(crate) fn tell(&self, row: &Row) {
        self.listeners.tell(&Event::Recorded { row });
    }

    /// Records the rows of invalid lines, then counts and shows them.
    pub(crate) async fn record_invalid(&self, lines: &[InvalidLine]) -> Result<(), String> {
        let rows = lines.iter().map(InvalidLine::row);
        let outcomes = self.recorder()?.record_all(rows).await;
        for (line, outcome) in lines.iter().zip(outcomes) {
            let (row, place) = outcome.map_err(|error| not_written(&error, &self.results))?;
            locked(&self.invalid).push((line.line, place));
            self.put(std::slice::from_ref(&row)).await;
            self.tell(&row);
        }
        Ok(())
    }

    /// Keeps rows of invalid lines that are in the file already, in the order of the file.
    pub(super) fn keep_invalid(&self, places: Vec<Place>) {
        let places = places.into_iter().map(|place| (place.offset, place));
        locked(&self.invalid).extend(places);
    }

    /// Takes no more rows, so that the writer ends. Returns the invalid lines' places.
    pub(super) fn close(&self) -> Vec<(u64, FinishRow)> {
        drop(locked(&self.recorder).take());
        std::mem::take(&mut *locked(&self.invalid))
            .into_iter()
            .map(|(line, place)| (line, FinishRow::Kept(place)))
            .collect()
    }

    async fn put(&self, rows: &[Row]) {
        if let Some(row_stream) = &self.row_stream {
            row_stream.put(rows).await;
        }
    }

    fn recorder(&self) -> Result<Recorder, String> {
        locked(&self.recorder)
            .clone()
            .ok_or_else(|| "the run has ended".to_owned())
    }
}

/// The message that rows could not be written, and what to do. A file that another program has changed may be unsound.
pub(super) fn not_written(error: &RecordError, results: &Path) -> String {
    if let RecordError::Journal(cause) = error
        && matches!(**cause, JournalError::Changed { .. })
    {
        return format!(
            "{error}. Look at {} before you continue: remove what that program added (a rerun names a line that it \
             cannot read), then repeat the command; what this run could not record is asked of the service again",
            results.display()
        );
    }
    format!(
        "{error}. What is in {} is sound, and the run resumes from it; make room or close the program that holds the \
         file, then repeat the command",
        results.display()
    )
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<O: RowStream> RowSink for FileRowSink<O> {
    async fn record(&self, device: DeviceIndex, row: Row) -> Result<Row, String> {
        let recorded = self.recorder()?.record(row).await;
        let (row, place) = recorded.map_err(|error| not_written(&error, &self.results))?;
        lock(&self.known_devices).record(device, row.status, place);
        self.put(std::slice::from_ref(&row)).await;
        Ok(row)
    }

    async fn record_all(&self, rows: Vec<(DeviceIndex, Row)>) -> Result<Vec<Row>, String> {
        let (devices, rows): (Vec<DeviceIndex>, Vec<Row>) = rows.into_iter().unzip();
        let outcomes = self.recorder()?.record_all(rows).await;
        let mut recorded = Vec::with_capacity(outcomes.len());
        let mut failed = None;
        {
            let mut known_devices = lock(&self.known_devices);
            for (index, outcome) in devices.into_iter().zip(outcomes) {
                match outcome {
                    Ok((row, place)) => {
                        known_devices.record(index, row.status, place);
                        recorded.push(row);
                    }
                    Err(error) => failed = Some(error),
                }
            }
        }
        self.put(&recorded).await;
        failed.map_or(Ok(recorded), |error| {
            Err(not_written(&error, &self.results))
        })
    }
}
