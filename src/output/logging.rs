//! Messages on standard error: tracing's events, as sentences or as JSON.
//!
//! Messages of libraries are not shown, whatever `-v` and `RUST_LOG` say: they contain request bodies, and at WARN the
//! bytes of a credentials file. This program's own messages report what matters of them.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::ProgressBar;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, filter::Targets};

/// The format of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// The target of this program's own events.
const OWN_TARGET: &str = "kvs_fleet";

/// Initializes logging for the process. Returns the console, which the progress bar shares.
pub(crate) fn start(format: LogFormat, quiet: bool, verbose: u8, colour: bool) -> Console {
    let console = Console::default();
    let level = match (quiet, verbose) {
        (true, _) => Level::ERROR,
        (false, 0) => Level::INFO,
        (false, 1) => Level::DEBUG,
        (false, _) => Level::TRACE,
    };
    let targets = Targets::new()
        .with_default(LevelFilter::OFF)
        .with_target(OWN_TARGET, level);
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(colour)
        .with_writer(console.clone());
    let layer = match format {
        LogFormat::Text => layer.event_format(Plain { colour }).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_target(false).boxed(),
    };
    // A process has one subscriber; a second initialization (in tests) keeps the first one.
    let _ = tracing_subscriber::registry()
        .with(layer.with_filter(targets))
        .try_init();
    console
}

/// Standard error, shared with a progress bar that is hidden while a message is written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Console(Arc<Mutex<Option<ProgressBar>>>);

impl Console {
    /// Sets the bar that is hidden while a message is written.
    pub(crate) fn attach(&self, bar: ProgressBar) {
        *self.lock() = Some(bar);
    }

    /// Removes the bar from the terminal.
    pub(crate) fn clear(&self) {
        let bar = self.lock().take();
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
    }

    /// Hides the bar while `write` writes to its terminal.
    pub(crate) fn aside<R>(&self, write: impl FnOnce() -> R) -> R {
        let bar = self.lock().clone();
        match bar {
            Some(bar) => {
                let written = bar.suspend(write);
                self.home();
                written
            }
            None => write(),
        }
    }

    /// Writes a line that is no message, at once, so that it does not mix with one.
    pub(crate) fn write_line(&self, line: &str) {
        let mut message = self.make_writer();
        // It is collected in memory and written when it is dropped.
        let _ = writeln!(message, "{line}");
    }

    /// Moves the cursor to the start of the bar's last row. A bar leaves it at the end of a row that fills the
    /// terminal: a `^C` that the terminal echoes would begin a new row, and the bar would be cleared one row too low.
    pub(crate) fn home(&self) {
        let is_shown = |bar: &ProgressBar| !bar.is_hidden();
        if self.lock().as_ref().is_some_and(is_shown) {
            drop(io::stderr().lock().write_all(b"\r"));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<ProgressBar>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> MakeWriter<'a> for Console {
    type Writer = Message<'a>;

    fn make_writer(&'a self) -> Message<'a> {
        Message {
            console: self,
            text: Vec::new(),
        }
    }
}

/// One message, written at once when it is complete.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    console: &'a Console,
    text: Vec<u8>,
}

impl Write for Message<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Message<'_> {
    fn drop(&mut self) {
        // An error means that nobody reads standard error any more; the run continues.
        self.console
            .aside(|| drop(io::stderr().lock().write_all(&self.text)));
    }
}

/// A sentence, preceded by its severity unless it is INFO.
struct Plain {
    colour: bool,
}

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let (word, colour) = match *event.metadata().level() {
            Level::ERROR => ("error", "31"),
            Level::WARN => ("warning", "33"),
            Level::INFO => ("", ""),
            Level::DEBUG => ("debug", "2"),
            Level::TRACE => ("trace", "2"),
        };
        if !word.is_empty() {
            if self.colour {
                write!(writer, "\x1b[1;{colour}m{word}:\x1b[0m ")?;
            } else {
                write!(writer, "{word}: ")?;
            }
        }
        context
            .field_format()
            .format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
