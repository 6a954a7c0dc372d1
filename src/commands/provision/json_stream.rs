//! `--json`: an object a device on standard output, as soon as its row is on disk.
//!
//! A thread of its own writes from a bounded queue. A slow reader delays rows, and so new requests, but never the handling
//! of signals. Once the run stops, or its work is done, a reader that stalls has as much time as a request; then the run ends
//! without it.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use crate::domain::device::ChannelArn;
use crate::engine::{Stop, StopSignal};
use crate::fleet::batch::RowStream;
use crate::output::logging::Console;
use crate::results::record::{Row, timestamp};

/// Lines that may wait to be written before more are accepted.
const WAITING_LINES: usize = 1_000;

/// Bytes that are written in one call, about.
const CHUNK_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct JsonStream {
    queue: mpsc::Sender<JsonMessage>,
    stop: StopSignal,
    /// How long a reader that stalls may delay the end of a run.
    grace: Duration,
    /// Lines that were not written.
    dropped: AtomicU64,
    /// Why the thread could not write, though there is a reader.
    lost: Arc<OnceLock<Stop>>,
}

#[derive(Debug)]
enum JsonMessage {
    Line(Vec<u8>),
    /// Acknowledged once everything before it has been written.
    Flush(oneshot::Sender<()>),
}

impl JsonStream {
    /// Starts the thread that writes to standard output.
    pub(super) fn start(stop: StopSignal, grace: Duration, console: Console) -> io::Result<Self> {
        let (queue, messages) = mpsc::channel(WAITING_LINES);
        let thread = std::thread::Builder::new().name("json".to_owned());
        // A progress bar is in the way only where both are on a terminal.
        let console = io::stdout().is_terminal().then_some(console);
        let lost = Arc::new(OnceLock::new());
        let (its_stop, its_loss) = (stop.clone(), Arc::clone(&lost));
        thread.spawn(move || {
            if let Err(cause) = write(messages, console.as_ref()) {
                // Before the queue ends, which tells the others.
                let _first = its_loss.set(cause.clone());
                its_stop.give(cause);
            }
        })?;
        Ok(Self {
            queue,
            stop,
            grace,
            dropped: AtomicU64::new(0),
            lost,
        })
    }

    /// Waits until all lines are written, as long as the grace allows. The error is why they could not be.
    pub(super) async fn close(&self) -> Result<(), Stop> {
        let (written, all_written) = oneshot::channel();
        let flushed = async {
            // The thread has ended where the reader is gone, which it has reported.
            self.hand_over(JsonMessage::Flush(written)).await && (all_written.await, true).1
        };
        let is_done = tokio::select! {
            biased;
            is_done = flushed => is_done,
            () = self.stop.given_for(self.grace) => false,
            () = tokio::time::sleep(self.grace) => false,
        };
        if let Some(cause) = self.lost.get() {
            return Err(cause.clone());
        }
        let dropped = self.dropped.load(Ordering::Relaxed);
        if !is_done || dropped > 0 {
            warn!(
                "standard output was not read to the end, so the last rows are missing there; the results file has them"
            );
        }
        Ok(())
    }

    /// Whether it was accepted, or there is no reader any more.
    async fn hand_over(&self, message: JsonMessage) -> bool {
        tokio::select! {
            biased;
            _gone = self.queue.send(message) => true,
            () = self.stop.given_for(self.grace) => false,
        }
    }
}

impl RowStream for JsonStream {
    async fn put(&self, rows: &[Row]) {
        for row in rows {
            if !self.hand_over(JsonMessage::Line(line(row))).await {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// A row as a line of JSON.
fn line(row: &Row) -> Vec<u8> {
    fn text(text: &str) -> Option<&str> {
        (!text.is_empty()).then_some(text)
    }
    let line = Line {
        device_id: &row.device_id,
        channel_name: &row.channel_name,
        account: row.account_column(),
        region: &row.region,
        status: row.status.as_str(),
        channel_arn: row.channel_arn.as_ref().map(ChannelArn::as_str),
        attempts: row.attempts,
        started_at: row.started_at.map(timestamp),
        finished_at: row.finished_at.map(timestamp),
        error_code: text(&row.error_code),
        error_message: text(&row.error_message),
        request_id: text(&row.request_id),
    };
    // Nothing in a row can fail to be written as JSON.
    let mut line = serde_json::to_vec(&line).unwrap_or_default();
    line.push(b'\n');
    line
}

/// Writes what has gathered until there is no sender or no reader any more. The error stops the run: a script that acts
/// on these lines would miss devices.
fn write(mut messages: mpsc::Receiver<JsonMessage>, console: Option<&Console>) -> Result<(), Stop> {
    let mut chunk = Vec::new();
    let mut flushed = Vec::new();
    while let Some(first) = messages.blocking_recv() {
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                JsonMessage::Line(line) => chunk.extend_from_slice(&line),
                JsonMessage::Flush(written) => flushed.push(written),
            }
            next = (chunk.len() < CHUNK_BYTES)
                .then(|| messages.try_recv().ok())
                .flatten();
        }
        let written = match console {
            Some(console) => console.aside(|| write_out(&chunk)),
            None => write_out(&chunk),
        };
        match written {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                warn!("standard output is closed ({error}); the run continues without --json");
                return Ok(());
            }
            Err(error) => {
                return Err(Stop::Output(format!(
                    "standard output cannot be written to ({error}), so rows of --json are missing there; the results file \
                     has them. Make room, and run again"
                )));
            }
        }
        chunk.clear();
        for written in flushed.drain(..) {
            // The run may have ended without waiting.
            let _ = written.send(());
        }
    }
    Ok(())
}

fn write_out(chunk: &[u8]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(chunk)?;
    output.flush()
}

/// A row as JSON. The names are the results file's columns.
#[derive(Serialize)]
struct Line<'a> {
    device_id: &'a str,
    channel_name: &'a str,
    account: Option<&'a str>,
    region: &'a str,
    status: &'static str,
    channel_arn: Option<&'a str>,
    attempts: u32,
    started_at: Option<String>,
    finished_at: Option<String>,
    error_code: Option<&'a str>,
    error_message: Option<&'a str>,
    request_id: Option<&'a str>,
}
