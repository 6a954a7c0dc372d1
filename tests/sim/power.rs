//! What a process runs on. It counts the points at which the process may end, and ends it at one of them, at once.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

/// The power of one process.
#[derive(Debug, Default)]
pub(crate) struct Power {
    /// Points that are left; none where it does not end by them.
    left: Option<AtomicU64>,
    is_cut: AtomicBool,
    cut: Notify,
}

impl Power {
    /// Ends at the point of this number, from 1; never by itself where there is none.
    pub(crate) fn new(ends_at: Option<u64>) -> Self {
        Self {
            left: ends_at.map(AtomicU64::new),
            ..Self::default()
        }
    }

    /// A point is reached. Says whether the process has ended.
    pub(crate) fn reach(&self) -> bool {
        if let Some(left) = &self.left {
            let before = left.load(Ordering::Relaxed);
            left.store(before.saturating_sub(1), Ordering::Relaxed);
            if before == 1 {
                self.cut();
            }
        }
        self.is_cut()
    }

    /// Ends the process.
    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
        self.cut.notify_one();
    }

    /// Whether the process has ended.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    /// Waits until the process has ended.
    pub(crate) async fn lost(&self) {
        self.cut.notified().await;
    }
}
