//! `--json`: an object a device on standard output, as soon as its row is on disk.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use tracing::warn;

use crate::device::ChannelArn;
use crate::event::{Event, Listener};
use crate::logging::Console;
use crate::results::record::Row;

/// Prints each recorded row.
#[derive(Debug)]
pub(super) struct JsonStream {
    /// Where a progress bar may be in the way; none where standard output is no terminal.
    console: Option<Console>,
    /// Nobody reads any more; the run goes on all the same.
    is_closed: AtomicBool,
}

/// A row as JSON. The names are the results file's columns.
#[derive(Serialize)]
struct Line<'a> {
    device_id: &'a str,
    channel_name: &'a str,
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

impl<'a> From<&'a Row> for Line<'a> {
    fn from(row: &'a Row) -> Self {
        let text = |text: &'a str| (!text.is_empty()).then_some(text);
        let time = |time| humantime::format_rfc3339_millis(time).to_string();
        Self {
            device_id: &row.device_id,
            channel_name: &row.channel_name,
            region: &row.region,
            status: row.status.as_str(),
            channel_arn: row.channel_arn.as_ref().map(ChannelArn::as_str),
            attempts: row.attempts,
            started_at: row.started_at.map(time),
            finished_at: row.finished_at.map(time),
            error_code: text(&row.error_code),
            error_message: text(&row.error_message),
            request_id: text(&row.request_id),
        }
    }
}

impl JsonStream {
    pub(super) fn new(console: Console) -> Self {
        Self {
            console: io::stdout().is_terminal().then_some(console),
            is_closed: AtomicBool::new(false),
        }
    }

    fn print(&self, row: &Row) -> io::Result<()> {
        match &self.console {
            Some(console) => console.aside(|| print(row)),
            None => print(row),
        }
    }
}

impl Listener for JsonStream {
    fn tell(&self, event: &Event<'_>) {
        let Event::Recorded { row } = event else {
            return;
        };
        if self.is_closed.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.print(row)
            && !self.is_closed.swap(true, Ordering::Relaxed)
        {
            warn!("standard output is closed ({error}); the run goes on without --json");
        }
    }
}

fn print(row: &Row) -> io::Result<()> {
    let mut line = serde_json::to_vec(&Line::from(row))?;
    line.push(b'\n');
    let mut output = io::stdout().lock();
    output.write_all(&line)?;
    output.flush()
}
