//! Group commit: many tasks hand rows over, one writer writes and syncs them.
//!
//! The writer takes what has gathered, writes it in one call, syncs, then acknowledges. A single row is committed at once;
//! where rows come fast they gather for a few milliseconds, and on a slow disk for as long as it takes. It knows rows and
//! the journal, not devices, and it spawns no task: the caller runs [`Writer::run`].

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::disk::Disk;
use super::journal::{Journal, JournalError};
use super::read::TORN_TAIL_BYTES;
use super::record::{Place, Row, encode};

/// Rows that may wait for the writer before tasks that hand over more must wait.
const WAITING_ROWS: usize = 1024;
/// The longest that a row waits for others to share its sync, which costs a tenth of a millisecond of processor time, as
/// much as a whole request. A row that comes alone does not wait, and a full batch goes at once.
const COMMIT_INTERVAL: Duration = Duration::from_millis(10);

/// Why a row is not on disk.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RecordError {
    /// The disk refused; nothing more is accepted. The row is among [`Closed::unsaved`].
    #[error(transparent)]
    Journal(Arc<JournalError>),
    /// The writer was stopped before it came to the row.
    #[error("the writer of the results file has ended")]
    Ended,
}

#[derive(Debug)]
struct Job {
    row: Row,
    placed: oneshot::Sender<Placed>,
}

/// A row that is on disk, given back, and where it is.
type Placed = Result<(Row, Place), RecordError>;

/// Hands rows over to the [`Writer`]. Cheap to clone; the writer ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Recorder {
    jobs: mpsc::Sender<Job>,
}

impl Recorder {
    /// Puts the row on disk, gives it back and says where it is. When this returns, the row survives a crash.
    ///
    /// A row that was handed over is written even when its task no longer waits; its place is then among
    /// [`Closed::unclaimed`]. It is handed over once the writer has room for it.
    pub async fn record(&self, row: Row) -> Result<(Row, Place), RecordError> {
        self.hand_over(row).await?.await.map_err(ended)?
    }

    /// The same for many rows, which are committed together as far as they fit: one outcome a row, in their order.
    pub async fn record_all(
        &self,
        rows: impl IntoIterator<Item = Row>,
    ) -> Vec<Result<(Row, Place), RecordError>> {
        let mut waiting = Vec::new();
        for row in rows {
            waiting.push(self.hand_over(row).await);
        }
        let mut outcomes = Vec::with_capacity(waiting.len());
        for handed_over in waiting {
            outcomes.push(match handed_over {
                Ok(placed) => placed.await.map_err(ended).flatten(),
                Err(error) => Err(error),
            });
        }
        outcomes
    }

    async fn hand_over(&self, row: Row) -> Result<oneshot::Receiver<Placed>, RecordError> {
        let (placed, outcome) = oneshot::channel();
        let job = Job { row, placed };
        self.jobs.send(job).await.map_err(|_| RecordError::Ended)?;
        Ok(outcome)
    }
}

fn ended(_: oneshot::error::RecvError) -> RecordError {
    RecordError::Ended
}

/// What is left when the writer has ended.
#[derive(Debug)]
pub struct Closed<D: Disk> {
    /// The journal, for the finish.
    pub journal: Journal<D>,
    /// Why rows could not be saved, if any.
    pub failure: Option<Arc<JournalError>>,
    /// Rows that could not be saved, in the order in which they came.
    pub unsaved: Vec<Row>,
    /// Rows that are on disk, but whose task no longer waited.
    pub unclaimed: Vec<(Row, Place)>,
}

/// Writes the rows that recorders hand over.
#[derive(Debug)]
pub struct Writer<D: Disk> {
    disk: D,
    inbox: Inbox,
    journal: Journal<D>,
}

/// A recorder and its writer.
#[must_use]
pub fn recorder<D: Disk>(disk: &D, journal: Journal<D>) -> (Recorder, Writer<D>) {
    let (sender, jobs) = mpsc::channel(WAITING_ROWS);
    let writer = Writer {
        disk: disk.clone(),
        inbox: Inbox {
            jobs,
            held_over: None,
        },
        journal,
    };
    (Recorder { jobs: sender }, writer)
}

impl<D: Disk> Writer<D> {
    /// Makes the journal ready before the first row comes; see [`Journal::prepare`]. May block.
    pub fn prepare(&mut self) -> Result<(), JournalError> {
        self.journal.prepare()
    }

    /// Writes until the last [`Recorder`] is gone. After the first error every row is refused.
    pub async fn run(self) -> Closed<D> {
        let Self {
            disk,
            mut inbox,
            mut journal,
        } = self;
        let mut outcome = Outcome::default();
        let mut earliest = Instant::now();
        while let Some(mut batch) = inbox.next_batch(earliest).await {
            earliest = Instant::now() + COMMIT_INTERVAL;
            if outcome.failure.is_some() {
                outcome.refuse(batch);
                continue;
            }
            let lines = std::mem::take(&mut batch.lines);
            let (returned, appended) = disk
                .run(move || {
                    let appended = journal.append(&lines);
                    (journal, appended)
                })
                .await;
            journal = returned;
            match appended {
                Ok(offset) => outcome.acknowledge(batch, offset),
                Err(error) => {
                    outcome.failure = Some(Arc::new(error));
                    outcome.refuse(batch);
                }
            }
        }
        Closed {
            journal,
            failure: outcome.failure,
            unsaved: outcome.unsaved,
            unclaimed: outcome.unclaimed,
        }
    }
}

#[derive(Debug)]
struct Inbox {
    jobs: mpsc::Receiver<Job>,
    /// Taken from the channel, for the next batch.
    held_over: Option<Job>,
}

impl Inbox {
    /// Waits for a row and takes what gathers until the given time, or until there is enough.
    async fn next_batch(&mut self, earliest: Instant) -> Option<Batch> {
        let first = match self.held_over.take() {
            Some(job) => job,
            None => self.jobs.recv().await?,
        };
        let mut batch = Batch::default();
        self.held_over = batch.take(first);
        while self.held_over.is_none()
            && let Some(job) = self.next_before(earliest).await
        {
            self.held_over = batch.take(job);
        }
        Some(batch)
    }

    /// The next row that is there already or comes before the given time.
    async fn next_before(&mut self, end: Instant) -> Option<Job> {
        if let Ok(job) = self.jobs.try_recv() {
            return Some(job);
        }
        tokio::time::timeout_at(end, self.jobs.recv())
            .await
            .ok()
            .flatten()
    }
}

/// Rows that are committed together.
#[derive(Debug, Default)]
struct Batch {
    jobs: Vec<Job>,
    lines: Vec<u8>,
    /// Where in `lines` each job's row ends.
    ends: Vec<usize>,
}

impl Batch {
    /// Takes the job in, unless the batch would outgrow what repair is allowed to cut off.
    fn take(&mut self, job: Job) -> Option<Job> {
        let start = self.lines.len();
        encode(&job.row, &mut self.lines);
        // One byte is left for the line end that a file saved by another program may lack.
        if self.lines.len() as u64 >= TORN_TAIL_BYTES && start > 0 {
            self.lines.truncate(start);
            return Some(job);
        }
        self.ends.push(self.lines.len());
        self.jobs.push(job);
        None
    }

    /// The rows with their places, for a batch that was written at the offset.
    fn places(self, offset: u64) -> impl Iterator<Item = (Job, Place)> {
        let mut start = 0;
        self.jobs.into_iter().zip(self.ends).map(move |(job, end)| {
            let place = Place {
                offset: offset + start as u64,
                length: u32::try_from(end - start).unwrap_or(u32::MAX),
            };
            start = end;
            (job, place)
        })
    }
}

#[derive(Debug, Default)]
struct Outcome {
    failure: Option<Arc<JournalError>>,
    unsaved: Vec<Row>,
    unclaimed: Vec<(Row, Place)>,
}

impl Outcome {
    fn acknowledge(&mut self, batch: Batch, offset: u64) {
        for (job, place) in batch.places(offset) {
            if let Err(Ok(unclaimed)) = job.placed.send(Ok((job.row, place))) {
                self.unclaimed.push(unclaimed);
            }
        }
    }

    fn refuse(&mut self, batch: Batch) {
        for job in batch.jobs {
            let error = self
                .failure
                .clone()
                .map_or(RecordError::Ended, RecordError::Journal);
            let _nobody_waits = job.placed.send(Err(error));
            self.unsaved.push(job.row);
        }
    }
}
