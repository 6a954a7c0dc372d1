//! The progress of a run: a bar on a terminal, else a plain line every few seconds.
//!
//! The bar has two rows, so that it fits a terminal with 40 columns:
//!
//! ```text
//! 434/1000 [=====>       ] ETA 12s, 0 failed
//! 36.8 of 50.0/s, 1.2% throttled
//! ```

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing::info;

use crate::domain::format;
use crate::output::logging::Console;
use crate::output::stats::{Pace, RunCounts, Stats};

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
    /// Nothing
    None,
}

/// The interval between drawings of the bar.
const BAR_EVERY: Duration = Duration::from_millis(100);
/// The interval between plain lines.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// A progress display that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    task: Option<tokio::task::JoinHandle<()>>,
    console: Console,
}

impl Progress {
    /// Shows the progress towards `total` devices (unknown for a stream).
    pub(crate) fn start(
        mode: ProgressMode,
        total: Option<u64>,
        subject: Arc<impl Subject>,
        console: Console,
    ) -> Self {
        let task = match resolve(mode) {
            ProgressMode::None => None,
            ProgressMode::Bar => {
                let bar = bar(total);
                console.attach(bar.clone());
                Some(tokio::spawn(draw(bar, total, subject, console.clone())))
            }
            _ => Some(tokio::spawn(plain_lines(total, subject))),
        };
        Self { task, console }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
        self.console.clear();
    }
}

fn bar(total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    let template = match total {
        Some(_) => "{pos}/{len} [{wide_bar}] {prefix}\n{wide_msg}",
        None => "{spinner} {pos} devices, {prefix}\n{wide_msg}",
    };
    // A test checks the template. indicatif's default bar is a usable fallback.
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

async fn draw(bar: ProgressBar, total: Option<u64>, subject: Arc<impl Subject>, console: Console) {
    loop {
        let now = subject.view(total);
        bar.set_prefix(now.outcomes);
        bar.set_message(now.pace);
        bar.set_position(now.done);
        bar.tick();
        console.home();
        tokio::time::sleep(BAR_EVERY).await;
    }
}

async fn plain_lines(total: Option<u64>, subject: Arc<impl Subject>) {
    loop {
        tokio::time::sleep(PLAIN_EVERY).await;
        info!("{}", subject.view(total).line(total));
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

/// How long the rest takes at this pace; none where nothing is left, or nothing gets done.
pub(crate) fn ahead(left: u64, per_second: f64) -> Option<Duration> {
    #[expect(clippy::cast_precision_loss, reason = "an estimate in seconds")]
    let seconds = left as f64 / per_second;
    let ahead = Duration::try_from_secs_f64(seconds).ok();
    ahead.filter(|ahead| !ahead.is_zero())
}

/// The source of the progress.
pub(crate) trait Subject: Send + Sync + 'static {
    /// The progress now, towards this many devices if the total is known.
    fn view(&self, total: Option<u64>) -> View;
}

/// The progress as text.
#[derive(Debug)]
pub(crate) struct View {
    /// Finished devices.
    pub(crate) done: u64,
    /// Time left and failures.
    pub(crate) outcomes: String,
    /// The rate.
    pub(crate) pace: String,
}

impl View {
    /// `ahead` is how long the rest takes, where that is known; `rest` follows it.
    pub(crate) fn new(done: u64, ahead: Option<Duration>, rest: &str, pace: String) -> Self {
        let ahead = ahead.map(|ahead| format!("ETA {}", format::ahead(ahead)));
        let parts = ahead.as_deref().into_iter().chain([rest]);
        let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
        Self {
            done,
            outcomes: parts.join(", "),
            pace,
        }
    }

    /// The whole progress for a plain line.
    fn line(&self, total: Option<u64>) -> String {
        let Self {
            done,
            outcomes,
            pace,
        } = self;
        let done = match total {
            Some(total) => format!("{done}/{total}"),
            None => format!("{done} devices"),
        };
        format!("{done}, {outcomes}; {pace}")
    }
}

impl Subject for Stats {
    fn view(&self, total: Option<u64>) -> View {
        Shown::new(total, self).view()
    }
}

/// The state of the run that is shown.
#[derive(Debug, Default)]
struct Shown {
    total: Option<u64>,
    counts: RunCounts,
    pace: Pace,
    /// The time without an answer.
    silence: Option<Duration>,
}

impl Shown {
    fn new(total: Option<u64>, stats: &Stats) -> Self {
        Self {
            total,
            counts: stats.counts(),
            pace: stats.pace(),
            silence: stats.offline_for(),
        }
    }

    fn view(&self) -> View {
        let failed = format!("{} failed", self.counts.failures());
        View::new(self.counts.finished(), self.ahead(), &failed, self.pace())
    }

    fn ahead(&self) -> Option<Duration> {
        let ahead = self.pace.ahead.filter(|ahead| !ahead.is_zero());
        ahead.filter(|_| self.silence.is_none() && self.total.is_some())
    }

    /// The rate: `36.8 of 50.0/s, 1.2% throttled`; without a ceiling `36.8/s, 1.2% throttled`.
    fn pace(&self) -> String {
        let mut text = match self.silence {
            Some(silence) => format!("no answer for {} s, waiting", silence.as_secs()),
            None => format::rate(self.pace.now),
        };
        if self.silence.is_none() {
            if let Some(ceiling) = self.pace.ceiling {
                let _ = write!(text, " of {}", format::rate(ceiling));
            }
            text.push_str("/s");
        }
        let share = self.counts.creates.throttled_share();
        let _ = write!(text, ", {} throttled", short_percent(share));
        text
    }
}

/// A short percentage, rounded up below ten so that a single throttle is visible.
fn short_percent(share: f64) -> String {
    let tenths = (share * 1_000.0).ceil();
    if tenths <= 0.0 {
        "0%".to_owned()
    } else if tenths < 100.0 {
        format!("{:.1}%", tenths / 10.0)
    } else {
        format!("{:.0}%", share * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use indicatif::TermLike;

    use super::*;
    use crate::output::stats::Requests;

    /// The middle of a run with a few throttles.
    fn shown(total: u64, done: u64, rate: f64) -> Shown {
        Shown {
            total: Some(total),
            counts: RunCounts {
                created: done,
                creates: Requests {
                    sent: 1_000,
                    throttled: 1,
                },
                ..RunCounts::default()
            },
            pace: Pace {
                now: rate,
                ceiling: Some(50.0),
                ahead: Some(Duration::from_secs(372)),
            },
            silence: None,
        }
    }

    #[test]
    fn the_plain_line_has_all_parts() {
        let mut now = shown(1_000, 412, 36.84);
        assert_eq!(
            now.view().line(now.total),
            "412/1000, ETA 6m 12s, 0 failed; 36.8 of 50.0/s, 0.1% throttled"
        );
        now.counts.failed.insert("OutcomeUnknown".into(), 3);
        now.pace.ceiling = None;
        assert_eq!(
            now.view().line(now.total),
            "415/1000, ETA 6m 12s, 3 failed; 36.8/s, 0.1% throttled"
        );
        now.silence = Some(Duration::from_secs(7));
        assert_eq!(
            now.view().line(now.total),
            "415/1000, 3 failed; no answer for 7 s, waiting, 0.1% throttled"
        );
        let stream = Shown {
            counts: RunCounts {
                created: 412,
                ..RunCounts::default()
            },
            ..Shown::default()
        };
        assert_eq!(
            stream.view().line(stream.total),
            "412 devices, 0 failed; 0/s, 0% throttled"
        );
    }

    #[test]
    fn a_single_throttle_is_visible() {
        let shown = [0.0, 0.000_001, 0.002, 0.099, 0.0994, 0.5, 1.0].map(short_percent);
        assert_eq!(shown, ["0%", "0.1%", "0.2%", "9.9%", "10%", "50%", "100%"]);
    }

    /// A terminal that keeps its output.
    #[derive(Debug, Clone)]
    struct Paper {
        columns: u16,
        text: Arc<Mutex<String>>,
    }

    impl TermLike for Paper {
        fn width(&self) -> u16 {
            self.columns
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, line: &str) -> io::Result<()> {
            self.write_str(line)?;
            self.write_str("\n")
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.text.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The rows of the bar on a terminal with this many columns.
    fn drawn(now: &Shown, columns: u16) -> Vec<String> {
        let text = Arc::default();
        let paper = Paper {
            columns,
            text: Arc::clone(&text),
        };
        let bar = bar(now.total);
        bar.set_position(now.counts.finished());
        bar.set_prefix(now.view().outcomes);
        bar.set_message(now.pace());
        bar.set_draw_target(ProgressDrawTarget::term_like(Box::new(paper)));
        bar.force_draw();
        // Each row is filled to the right edge, and the next one follows without a line end.
        let text: Vec<char> = text.lock().unwrap().chars().collect();
        text.chunks(columns.into())
            .map(|row| row.iter().collect::<String>().trim_end().to_owned())
            .collect()
    }

    #[test]
    fn the_bar_fits_40_and_80_columns() {
        let now = shown(1_000, 434, 36.84);
        let pace = "36.8 of 50.0/s, 0.1% throttled";
        let bar = format!(
            "434/1000 [{}>{}] ETA 6m 12s, 0 failed",
            "=".repeat(3),
            " ".repeat(4)
        );
        assert_eq!(drawn(&now, 40), [bar.as_str(), pace]);
        let bar = format!(
            "434/1000 [{}>{}] ETA 6m 12s, 0 failed",
            "=".repeat(20),
            " ".repeat(27)
        );
        assert_eq!(drawn(&now, 80), [bar.as_str(), pace]);
        // A large batch with failures.
        let mut now = shown(20_000, 12_345, 0.5);
        now.counts.failed.insert("Timeout".into(), 12);
        assert_eq!(drawn(&now, 40).len(), 2);
        // A stream.
        now.total = None;
        assert_eq!(
            drawn(&now, 40),
            [
                "\u{2801} 12357 devices, 12 failed",
                "0.50 of 50.0/s, 0.1% throttled"
            ]
        );
    }
}
