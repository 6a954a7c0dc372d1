//! What viewers get: the parts of the page, and of these only what has changed.
//!
//! A frame is rendered once, however many watch. A viewer that is slow misses frames and then gets a whole one, so that it
//! costs nothing but its connection.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Duration, Instant};

use super::page::{self, Part};
use super::run::{LiveRun, Stage};
use crate::domain::panics::lock;

/// A viewer that connects gets a frame that is at most so old.
const FRESH: Duration = Duration::from_millis(500);

/// The page's parts at one instant.
#[derive(Debug, Default)]
pub(super) struct Frame {
    /// Counts frames from zero.
    number: u64,
    parts: Vec<Part>,
    /// All parts as an event of the stream.
    whole: Bytes,
    /// Those that differ from the frame before.
    changed: Bytes,
}

impl Frame {
    /// What a viewer gets that has the frame of this number, if any.
    pub(super) fn since(&self, number: Option<u64>) -> Bytes {
        match number {
            Some(number) if number + 1 == self.number => self.changed.clone(),
            _ => self.whole.clone(),
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

/// Renders frames and hands them to the viewers.
#[derive(Debug)]
pub(super) struct Frames {
    run: Arc<LiveRun>,
    last: watch::Sender<Arc<Frame>>,
    /// When the last frame was rendered. Held while one is.
    rendered: Mutex<Option<Instant>>,
}

impl Frames {
    pub(super) fn new(run: Arc<LiveRun>) -> Self {
        Self {
            run,
            last: watch::Sender::new(Arc::default()),
            rendered: Mutex::default(),
        }
    }

    /// A viewer connects. Its first frame is a fresh one.
    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Frame>> {
        {
            let mut rendered = lock(&self.rendered);
            if rendered.is_none_or(|at| at.elapsed() > FRESH) {
                self.render();
                *rendered = Some(Instant::now());
            }
        }
        self.last.subscribe()
    }

    /// Renders a frame if anyone watches.
    pub(super) fn refresh(&self) {
        if self.last.receiver_count() > 0 {
            let mut rendered = lock(&self.rendered);
            self.render();
            *rendered = Some(Instant::now());
        }
    }

    fn render(&self) {
        let now = self.run.snapshot();
        let parts = page::parts(&now);
        let before = Arc::clone(&self.last.borrow());
        let head = (page::title(&now), now.stage == Stage::Ended);
        let changed = parts.iter().filter(|part| !before.parts.contains(part));
        let frame = Frame {
            number: before.number + 1,
            whole: event(&head, parts.iter()),
            changed: event(&head, changed),
            parts,
        };
        self.last.send_replace(Arc::new(frame));
    }
}

/// An event of the stream: JSON has no line end that is not escaped.
fn event<'a>((title, ended): &(String, bool), parts: impl Iterator<Item = &'a Part>) -> Bytes {
    let parts: serde_json::Map<_, _> = parts
        .map(|(id, content)| ((*id).to_owned(), json!(content)))
        .collect();
    let data = json!({"title": title, "ended": ended, "parts": parts});
    format!("retry: 1000\ndata: {data}\n\n").into()
}
