//! The counts of a rollback.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::format;
use crate::output::progress::{self, Subject, View};
use crate::results::record::{Row, Status};

/// The pace that is shown is measured over this time.
const RECENT: Duration = Duration::from_secs(5);

/// Counts rows.
#[derive(Debug)]
pub(super) struct Deletions {
    begun: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    deleted: u64,
    left: BTreeMap<Box<str>, u64>,
    /// When the last rows were recorded.
    recent: VecDeque<Instant>,
}

impl Deletions {
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            inner: Mutex::default(),
        }
    }

    /// A row is on disk.
    pub(super) fn note(&self, row: &Row) {
        let now = Instant::now();
        let mut inner = self.lock();
        if row.status == Status::Deleted {
            inner.deleted += 1;
        } else {
            *inner.left.entry(row.error_code.clone()).or_default() += 1;
        }
        inner.recent.push_back(now);
        while inner.recent.front().is_some_and(|at| now - *at > RECENT) {
            inner.recent.pop_front();
        }
    }

    pub(super) fn deleted(&self) -> u64 {
        self.lock().deleted
    }

    /// Channels that could not be deleted, by error code.
    pub(super) fn left(&self) -> BTreeMap<Box<str>, u64> {
        self.lock().left.clone()
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subject for Deletions {
    fn view(&self, total: Option<u64>) -> View {
        let now = Instant::now();
        let inner = self.lock();
        let left: u64 = inner.left.values().sum();
        let done = inner.deleted + left;
        let recent = inner
            .recent
            .iter()
            .filter(|at| now - **at <= RECENT)
            .count();
        let span = self.begun.elapsed().min(RECENT).as_secs_f64().max(0.1);
        #[expect(clippy::cast_precision_loss, reason = "a count of a few seconds")]
        let pace = recent as f64 / span;
        let to_do = total.map_or(0, |total| total.saturating_sub(done));
        let shown = format!("{} deleted/s", format::rate(pace));
        View::new(
            done,
            progress::ahead(to_do, pace),
            &format!("{left} left"),
            shown,
        )
    }
}
