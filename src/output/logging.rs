//! Messages on standard error: tracing's events, as plain sentences for people or as JSON for scripts.
//!
//! What libraries log is not shown, whatever `-v` and `RUST_LOG` say: it holds request bodies, and at WARN the bytes of
//! a credentials file. What matters in it is in this program's own messages.

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

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// Where this program's own events come from.
const OWN_TARGET: &str = "kvs_fleet";

/// Sets up logging for the process. Returns where messages go, which the progress bar must know of.
pub fn start(format: LogFormat, quiet: bool, verbose: u8, colour: bool) -> Console {
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
    // A process has one subscriber; a second start (in tests) keeps the first.
    let _ = tracing_subscriber::registry()
        .with(layer.with_filter(targets))
        .try_init();
    console
}

/// Standard error, shared with a progress bar that must step aside for each message.
#[derive(Debug, Clone, Default)]
pub struct Console(Arc<Mutex<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    bar: Option<ProgressBar>,
}

impl Console {
    /// From now on this bar steps aside.
    pub fn attach(&self, bar: ProgressBar) {
        self.lock().bar = Some(bar);
    }

    /// No bar any more: it leaves nothing behind.
    pub fn clear(&self) {
        let bar = self.lock().bar.take();
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
    }

    /// Lets the bar step aside while something is written to its terminal.
    pub fn aside<R>(&self, write: impl FnOnce() -> R) -> R {
        let bar = self.lock().bar.clone();
        match bar {
            Some(bar) => {
                let written = bar.suspend(write);
                self.home();
                written
            }
            None => write(),
        }
    }

    /// Puts the cursor in front of the bar's last row. A bar leaves it behind a row that fills the terminal, where the
    /// `^C` that a terminal shows would begin a row of its own, and the bar be cleared a row too low.
    pub fn home(&self) {
        let is_shown = |bar: &ProgressBar| !bar.is_hidden();
        if self.lock().bar.as_ref().is_some_and(is_shown) {
            drop(io::stderr().lock().write_all(b"\r"));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
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

/// One message, written whole when it is complete.
#[derive(Debug)]
pub struct Message<'a> {
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
        // Nobody may be reading standard error any more; the work goes on all the same.
        self.console
            .aside(|| drop(io::stderr().lock().write_all(&self.text)));
    }
}

/// A sentence, with its severity before it where it is not ordinary.
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
