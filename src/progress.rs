//! What a person sees while the run goes on: a bar on a terminal, else a plain line every few seconds.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing::info;

use crate::cli::ProgressMode;
use crate::logging::Console;
use crate::tally::{Counts, Pace, Tally};

/// How often the bar is drawn.
const BAR_EVERY: Duration = Duration::from_millis(100);
/// How often a plain line is written.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// A display that runs until it is dropped.
#[derive(Debug)]
pub struct Progress {
    task: Option<tokio::task::JoinHandle<()>>,
    bar: Option<ProgressBar>,
    console: Console,
}

impl Progress {
    /// Shows the tally's progress towards `total` devices (unknown for a stream).
    #[must_use]
    pub fn start(
        mode: ProgressMode,
        quiet: bool,
        total: Option<u64>,
        tally: Arc<Tally>,
        console: Console,
    ) -> Self {
        match (quiet, resolve(mode)) {
            (true, _) | (_, ProgressMode::None) => Self {
                task: None,
                bar: None,
                console,
            },
            (_, ProgressMode::Bar) => Self::bar(total, tally, console),
            _ => Self {
                task: Some(tokio::spawn(plain_lines(total, tally))),
                bar: None,
                console,
            },
        }
    }

    fn bar(total: Option<u64>, tally: Arc<Tally>, console: Console) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        let template = match total {
            Some(_) => "[{bar:24}] {wide_msg}",
            None => "{spinner} {wide_msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        console.attach(bar.clone());
        let task = tokio::spawn({
            let bar = bar.clone();
            async move {
                loop {
                    let counts = tally.counts();
                    bar.set_position(counts.finished());
                    bar.set_message(line(total, &counts, tally.pace(), tally.offline_for()));
                    tokio::time::sleep(BAR_EVERY).await;
                }
            }
        });
        Self {
            task: Some(task),
            bar: Some(bar),
            console,
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.console.detach();
    }
}

/// What `auto` means here.
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

async fn plain_lines(total: Option<u64>, tally: Arc<Tally>) {
    loop {
        tokio::time::sleep(PLAIN_EVERY).await;
        let text = line(total, &tally.counts(), tally.pace(), tally.offline_for());
        info!("{text}");
    }
}

/// The state of the run in one line, the most wanted first: a narrow terminal cuts off the rest.
fn line(total: Option<u64>, counts: &Counts, pace: Pace, offline: Option<Duration>) -> String {
    let done = counts.finished();
    let mut parts = vec![match total {
        Some(total) => format!("{done}/{total}"),
        None => format!("{done} devices"),
    }];
    if let Some(silence) = offline {
        parts.push(format!("no answer for {} s, waiting", silence.as_secs()));
    } else {
        parts.push(format!("{:.1}/s of {:.1}/s", pace.now, pace.limit));
        if let Some(left) = total.map(|total| total.saturating_sub(done))
            && pace.now > 0.0
            && left > 0
        {
            #[expect(clippy::cast_precision_loss, reason = "an estimate in seconds")]
            let seconds = Duration::try_from_secs_f64((left as f64 / pace.now).ceil());
            parts.push(format!(
                "ETA {}",
                humantime::format_duration(seconds.unwrap_or(Duration::MAX))
            ));
        }
    }
    parts.push(format!("{} failed", counts.failures()));
    parts.push(format!("{} throttled", counts.creates.throttled));
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_matters_first() {
        let counts = Counts {
            created: 412,
            ..Counts::default()
        };
        let pace = Pace {
            now: 49.84,
            limit: 50.0,
        };
        assert_eq!(
            line(Some(1_000), &counts, pace, None),
            "412/1000  49.8/s of 50.0/s  ETA 12s  0 failed  0 throttled"
        );
        assert_eq!(
            line(Some(1_000), &counts, pace, Some(Duration::from_secs(7))),
            "412/1000  no answer for 7 s, waiting  0 failed  0 throttled"
        );
        assert_eq!(
            line(None, &counts, Pace::default(), None),
            "412 devices  0.0/s of 0.0/s  0 failed  0 throttled"
        );
    }
}
