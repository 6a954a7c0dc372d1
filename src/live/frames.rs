//! What is served: the run at an instant that has just passed, rendered once for all who ask.
//!
//! However many requests come, the run is read and rendered a few times a second at most. A viewer that is slow misses frames
//! and then gets a whole one, so that it costs nothing but its connection.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use serde_json::json;
use tokio::sync::watch;

use super::metrics::{self, Format};
use super::page::{self, Part};
use super::run::{LiveRun, Snapshot};
use super::status;
use crate::domain::panics::lock;

/// What is served is at most so old, and never older than the last change of the run's stage.
const FRESH: Duration = Duration::from_millis(250);

/// The run at one instant, and what has been rendered of it.
#[derive(Debug)]
pub(super) struct Frame {
    /// Counts frames from one.
    number: u64,
    snapshot: Snapshot,
    parts: Vec<Part>,
    /// All parts as an event of the stream.
    whole: Bytes,
    /// Those that differ from the frame before.
    changed: Bytes,
    document: OnceLock<Bytes>,
    status: OnceLock<Bytes>,
    /// In both formats.
    metrics: [OnceLock<Bytes>; 2],
}

impl Frame {
    fn new(number: u64, snapshot: Snapshot, before: &[Part]) -> Self {
        let parts = page::parts(&snapshot);
        let head = (page::title(&snapshot), snapshot.has_ended());
        let changed = parts.iter().filter(|part| !before.contains(part));
        Self {
            number,
            whole: event(&head, parts.iter()),
            changed: event(&head, changed),
            parts,
            snapshot,
            document: OnceLock::new(),
            status: OnceLock::new(),
            metrics: Default::default(),
        }
    }

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

    pub(super) fn document(&self) -> Bytes {
        let document = || page::document(&self.snapshot, &self.parts).into();
        self.document.get_or_init(document).clone()
    }

    pub(super) fn status(&self) -> Bytes {
        let status = || format!("{:#}\n", status::json(&self.snapshot)).into();
        self.status.get_or_init(status).clone()
    }

    pub(super) fn metrics(&self, format: Format) -> Bytes {
        let text = || metrics::encode(&self.snapshot, format).into();
        self.metrics[format as usize].get_or_init(text).clone()
    }
}

/// Renders frames and hands them out.
#[derive(Debug)]
pub(super) struct Frames {
    run: Arc<LiveRun>,
    last: watch::Sender<Arc<Frame>>,
    /// When the last frame was rendered, and the change of the run that it shows. Held while one is rendered.
    rendered: Mutex<(Instant, u64)>,
}

impl Frames {
    pub(super) fn new(run: Arc<LiveRun>) -> Self {
        let change = run.change();
        let first = Frame::new(1, run.snapshot(), &[]);
        Self {
            run,
            last: watch::Sender::new(Arc::new(first)),
            rendered: Mutex::new((Instant::now(), change)),
        }
    }

    /// A frame that is fresh.
    pub(super) fn current(&self) -> Arc<Frame> {
        let mut rendered = lock(&self.rendered);
        let change = self.run.change();
        if rendered.0.elapsed() > FRESH || rendered.1 != change {
            *rendered = (Instant::now(), change);
            self.render();
        }
        Arc::clone(&self.last.borrow())
    }

    /// A viewer connects. Its first frame is a fresh one.
    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Frame>> {
        self.current();
        self.last.subscribe()
    }

    /// Renders a frame if anyone watches.
    pub(super) fn refresh(&self) {
        if self.last.receiver_count() > 0 {
            let mut rendered = lock(&self.rendered);
            *rendered = (Instant::now(), self.run.change());
            self.render();
        }
    }

    fn render(&self) {
        let before = Arc::clone(&self.last.borrow());
        let frame = Frame::new(before.number + 1, self.run.snapshot(), &before.parts);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::progress::Subject;
    use crate::output::stats::Stats;
    use crate::output::summary::Summary;

    fn frames() -> (Arc<LiveRun>, Frames) {
        let (stats, summary) = (Arc::new(Stats::new()), Summary::default());
        let run = LiveRun::new(Subject::Devices, stats, summary, Vec::new());
        let run = Arc::new(run);
        (Arc::clone(&run), Frames::new(run))
    }

    fn parts(event: &Bytes) -> Vec<String> {
        let text = std::str::from_utf8(event).unwrap();
        let data = text.lines().find_map(|line| line.strip_prefix("data: "));
        let data: serde_json::Value = serde_json::from_str(data.unwrap()).unwrap();
        data["parts"].as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn a_viewer_gets_what_has_changed_since_its_frame_and_all_where_it_missed_one() {
        let (run, frames) = frames();
        let first = frames.subscribe().borrow().number();
        run.found("Timeout", "CAM-1", "no answer");
        run.end(&Summary {
            exit_code: 3,
            reason: "complete",
            ..Summary::default()
        });
        let next = frames.current();
        assert_eq!(next.number(), first + 1);
        let changed = parts(&next.since(Some(first)));
        assert_eq!(changed, ["failures", "progress", "spoken"]);
        for missed in [None, Some(first + 5), Some(0)] {
            assert_eq!(parts(&next.since(missed)).len(), next.parts.len());
        }
    }

    #[test]
    fn many_requests_are_one_frame_until_the_run_changes() {
        let (run, frames) = frames();
        let first = frames.current().number();
        for _ in 0..1_000 {
            frames.current();
        }
        // At most one for each quarter of a second that this has taken.
        assert!(frames.current().number() - first < 500);
        let before = frames.current().number();
        run.note(&Summary::default());
        assert_eq!(frames.current().number(), before + 1);
    }
}
