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
use crate::engine::pace::sharing::Sharing;
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

/// A progress display that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    task: Option<tokio::task::JoinHandle<()>>,
    console: Console,
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
        let view = move || View::new(subject, total, &stats);
        let task = match resolve(mode) {
            ProgressMode::None => None,
            ProgressMode::Bar => {
                let bar = bar(total);
                console.attach(bar.clone());
                Some(tokio::spawn(draw(bar, view, console.clone())))
            }
            _ => Some(tokio::spawn(plain_lines(total, view))),
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

async fn draw(bar: ProgressBar, view: impl Fn() -> View, console: Console) {
    loop {
        let now = view();
        bar.set_prefix(now.outcomes);
        bar.set_message(now.pace);
        bar.set_position(now.done);
        bar.tick();
        console.home();
        tokio::time::sleep(BAR_EVERY).await;
    }
}

async fn plain_lines(total: Option<u64>, view: impl Fn() -> View) {
    loop {
        tokio::time::sleep(PLAIN_EVERY).await;
        info!("{}", view().line(total));
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

/// The progress as text.
#[derive(Debug)]
struct View {
    /// What is finished.
    done: u64,
    /// Time left and failures.
    outcomes: String,
    pace: String,
}

impl View {
    fn new(subject: Subject, total: Option<u64>, stats: &Stats) -> Self {
        match subject {
            Subject::Devices => Shown::new(total, stats).view(),
            Subject::Deletions => {
                let counts = stats.counts();
                let (done, rate) = (counts.finished(), stats.recorded_lately());
                let left = format!("{} left", counts.failures());
                let pace = format!("{} deleted/s", format::rate(rate));
                Self::of(done, ahead(total, done, rate), left, pace)
            }
            Subject::Answers => {
                let asked = stats.counts().others;
                let done = asked.sent - asked.throttled;
                #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
                let rate = done as f64 / stats.elapsed().as_secs_f64().max(0.1);
                let shown = format::rate(rate);
                let pace = format!("{shown} requests/s, {} throttled", asked.throttled);
                Self::of(done, ahead(total, done, rate), String::new(), pace)
            }
        }
    }

    /// `ahead` is how long the rest takes, where that is known; `rest` follows it.
    fn of(done: u64, ahead: Option<Duration>, rest: String, pace: String) -> Self {
        let ahead = ahead.map(|ahead| format!("ETA {}", format::ahead(ahead)));
        let mut parts: Vec<String> = ahead.into_iter().chain([rest]).collect();
        parts.retain(|part| !part.is_empty());
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

/// How long the rest takes at this rate; none where nothing is left, or nothing gets done.
fn ahead(total: Option<u64>, done: u64, per_second: f64) -> Option<Duration> {
    #[expect(clippy::cast_precision_loss, reason = "an estimate in seconds")]
    let left = total?.saturating_sub(done) as f64;
    let ahead = Duration::try_from_secs_f64(left / per_second).ok();
    ahead.filter(|ahead| !ahead.is_zero())
}

/// The state of a provisioning run that is shown.
#[derive(Debug, Default)]
struct Shown {
    total: Option<u64>,
    counts: RunCounts,
    pace: Pace,
    /// The time without an answer.
    silence: Option<Duration>,
    /// The accounts that have ended, and all.
    accounts: Option<(usize, usize)>,
}

impl Shown {
    fn new(total: Option<u64>, stats: &Stats) -> Self {
        Self {
            total,
            counts: stats.counts(),
            pace: stats.pace(),
            silence: stats.offline_for(),
            accounts: stats.accounts(),
        }
    }

    fn view(&self) -> View {
        let mut failed = format!("{} failed", self.counts.failures());
        if let Some((ended, all)) = self.accounts {
            let _ = write!(failed, ", {ended}/{all} accounts");
        }
        View::of(self.counts.finished(), self.ahead(), failed, self.pace())
    }

    fn ahead(&self) -> Option<Duration> {
        let ahead = self.pace.ahead.filter(|ahead| !ahead.is_zero());
        ahead.filter(|_| self.silence.is_none() && self.total.is_some())
    }

    /// The rate: `36.8 of 50.0/s, 1.2% throttled`; without a ceiling `36.8/s, 1.2% throttled`. With a quota server, the hosts
    /// that share the quota follow.
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
        match self.pace.sharing {
            Some(Sharing {
                is_joined: true,
                last: Some(last),
            }) => {
                let _ = write!(text, ", {}", format::count(last.hosts.into(), "host"));
            }
            Some(Sharing {
                is_joined: false, ..
            }) => text.push_str(", alone"),
            _ => {}
        }
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
mod tests;
