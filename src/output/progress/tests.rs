//! The lines and the bar, as a terminal shows them.

use std::io;
use std::sync::Mutex;

use indicatif::TermLike;

use super::view::{Shown, short_percent};
use super::*;
use crate::engine::pace::sharing::Sharing;
use crate::output::stats::{Pace, Requests, RunCounts};

/// The middle of a run with a few throttles.
fn shown(total: u64, done: u64, rate: f64) -> Shown {
    Shown {
        accounts: None,
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
            grant: None,
            ahead: Some(Duration::from_secs(372)),
            sharing: None,
        },
        silence: None,
    }
}

#[test]
fn the_plain_line_has_all_parts() {
    let mut now = shown(1_000, 412, 36.84);
    let line = |now: &Shown| now.view().line(now.total);
    assert_eq!(
        line(&now),
        "412/1000, ETA 6m 12s, 0 failed; 36.8 created/s of 50 allowed; throttled 0.1% (retried)"
    );
    now.counts.failed.insert("OutcomeUnknown".into(), 3);
    now.pace.grant = Some(37.21);
    assert_eq!(
        line(&now),
        "415/1000, ETA 6m 12s, 3 failed; 36.8 created/s (service grants 37.2, ceiling 50); throttled 0.1% (retried)"
    );
    now.pace.ceiling = None;
    now.accounts = Some((1, 3));
    assert_eq!(
        line(&now),
        "415/1000, ETA 6m 12s, 3 failed; 36.8 created/s (service grants 37.2); throttled 0.1% (retried); 1 of 3 accounts ended"
    );
    now.silence = Some(Duration::from_secs(7));
    now.counts.creates.throttled = 0;
    now.accounts = None;
    assert_eq!(
        line(&now),
        "415/1000, 3 failed; no answer for 7 s, paused until there is one"
    );
    let stream = Shown {
        counts: RunCounts {
            exists: 412,
            ..RunCounts::default()
        },
        ..Shown::default()
    };
    assert_eq!(line(&stream), "412 devices, 0 failed; no create sent yet");
}

#[test]
fn a_grant_of_nearly_all_is_not_shown() {
    let mut now = shown(1_000, 412, 49.6);
    now.pace.grant = Some(49.7);
    now.counts.creates.throttled = 0;
    let row = now.view().pace(80);
    assert_eq!(row, "49.6 created/s of 50 allowed");
}

#[test]
fn narrow_terminals_have_shorter_parts_and_then_fewer() {
    let mut now = shown(1_000, 412, 36.84);
    now.pace.grant = Some(37.2);
    now.pace.sharing = Some(Sharing {
        is_joined: false,
        last: None,
    });
    let rows = [200, 80, 60, 40, 30, 10].map(|columns| now.view().pace(columns));
    assert_eq!(
        rows,
        [
            "36.8 created/s (service grants 37.2, ceiling 50); throttled 0.1% (retried); quota server lost, alone",
            "36.8 created/s of 37.2 granted; 0.1% throttled; alone",
            "36.8 created/s of 37.2 granted; 0.1% throttled; alone",
            "36.8 created/s of 37.2 granted",
            "36.8 created/s of 37.2 granted",
            "36.8 created/s of 37.2 granted",
        ]
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
    bar.set_message(now.view().pace(columns.into()));
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
    let narrow = "36.8 created/s of 50 allowed";
    let wide = "36.8 created/s of 50 allowed; throttled 0.1% (retried)";
    let bar = format!(
        "434/1000 [{}>{}] ETA 6m 12s, 0 failed",
        "=".repeat(3),
        " ".repeat(4)
    );
    assert_eq!(drawn(&now, 40), [bar.as_str(), narrow]);
    let bar = format!(
        "434/1000 [{}>{}] ETA 6m 12s, 0 failed",
        "=".repeat(20),
        " ".repeat(27)
    );
    assert_eq!(drawn(&now, 80), [bar.as_str(), wide]);
    // A large batch with failures.
    let mut now = shown(20_000, 12_345, 0.5);
    now.counts.failed.insert("Timeout".into(), 12);
    assert_eq!(drawn(&now, 40).len(), 2);
    // A stream.
    now.total = None;
    assert_eq!(
        drawn(&now, 40),
        ["/ 12357 devices, 12 failed", "0.50 created/s of 50 allowed"]
    );
}
