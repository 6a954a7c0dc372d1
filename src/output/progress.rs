//! The progress of a run: a bar on a terminal, else a plain line every few seconds, or JSON objects for a program.
//!
//! The bar has two rows, so that it fits a terminal with 40 columns:
//!
//! ```text
//! 434/1000 [=====>       ] ETA 12s, 0 failed
//! 49.6 created/s of 50 allowed
//! ```

mod json;
mod view;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use terminal_size::{Width, terminal_size_of};
use tracing::info;

use crate::output::logging::Console;
use crate::output::stats::Stats;
use view::View;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ProgressMode {
    /// A bar on a terminal, else plain lines
    #[default]
    Auto,
    /// A progress bar
    Bar,
    /// A line every few seconds
    Plain,
    /// A JSON object every second
    Json,
    /// Nothing
    None,
}

/// What makes progress.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject {
    /// The devices of `provision`.
    Devices,
    /// The channels that `rollback` deletes.
    Deletions,
    /// The answers to requests of `verify` about single channels: tags, endpoints and servers take one each.
    Answers,
}

/// The interval between drawings of the bar.
const BAR_EVERY: Duration = Duration::from_millis(100);
/// The interval between plain lines.
const PLAIN_EVERY: Duration = Duration::from_secs(5);
/// The interval between JSON objects.
const JSON_EVERY: Duration = Duration::from_secs(1);

/// A progress display that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    task: Option<tokio::task::JoinHandle<()>>,
    console: Console,
    /// What the last JSON object is made of.
    json: Option<Source>,
}

/// Where the progress is read.
#[derive(Debug, Clone)]
struct Source {
    subject: Subject,
    /// Unknown for a stream.
    total: Option<u64>,
    stats: Arc<Stats>,
}

impl Source {
    fn view(&self) -> View {
        View::new(self.subject, self.total, &self.stats)
    }

    fn write_json(&self, console: &Console, is_last: bool) {
        console.write_line(&json::line(self, is_last));
    }
}

impl Progress {
    /// Shows the progress towards a total, which is unknown for a stream.
    pub(crate) fn start(
        mode: ProgressMode,
        subject: Subject,
        total: Option<u64>,
        stats: Arc<Stats>,
        console: Console,
    ) -> Self {
        let source = Source {
            subject,
            total,
            stats,
        };
        let mode = resolve(mode);
        let json = (mode == ProgressMode::Json).then(|| source.clone());
        let task = match mode {
            ProgressMode::None => None,
            ProgressMode::Bar => {
                let bar = bar(total);
                console.attach(bar.clone());
                Some(tokio::spawn(draw(bar, source, console.clone())))
            }
            ProgressMode::Json => Some(tokio::spawn(json_lines(source, console.clone()))),
            ProgressMode::Auto | ProgressMode::Plain => Some(tokio::spawn(plain_lines(source))),
        };
        Self {
            task,
            console,
            json,
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
        self.console.clear();
        if let Some(source) = self.json.take() {
            source.write_json(&self.console, true);
        }
    }
}

fn bar(total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    let template = match total {
        Some(_) => "{pos}/{len} [{wide_bar}] {prefix}\n{wide_msg}",
        None => "{spinner} {pos} devices, {prefix}\n{wide_msg}",
    };
    // A test checks the template. indicatif's default bar is a usable fallback. The characters are ASCII: not every font of
    // a Windows terminal has others.
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("=> ").tick_chars("|/-\\ ")),
        Err(_) => bar,
    }
}

async fn draw(bar: ProgressBar, source: Source, console: Console) {
    loop {
        let now = source.view();
        let columns = terminal_size_of(std::io::stderr()).map(|(Width(columns), _)| columns.into());
        bar.set_message(now.pace(columns.unwrap_or(usize::MAX)));
        bar.set_prefix(now.outcomes);
        bar.set_position(now.done);
        bar.tick();
        console.home();
        tokio::time::sleep(BAR_EVERY).await;
    }
}

async fn plain_lines(source: Source) {
    loop {
        tokio::time::sleep(PLAIN_EVERY).await;
        info!("{}", source.view().line(source.total));
    }
}

async fn json_lines(source: Source, console: Console) {
    let mut seconds = tokio::time::interval(JSON_EVERY);
    // The first one is at once.
    seconds.tick().await;
    loop {
        seconds.tick().await;
        source.write_json(&console, false);
    }
}

/// The mode that `auto` selects here.
fn resolve(mode: ProgressMode) -> ProgressMode {
    if mode != ProgressMode::Auto {
        return mode;
    }
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if std::io::stderr().is_terminal() && !dumb {
        ProgressMode::Bar
    } else {
        ProgressMode::Plain
    }
}

#[cfg(test)]
mod tests;
