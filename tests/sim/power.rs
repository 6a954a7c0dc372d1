//! The end of a process: it counts the points at which the process may be killed, and kills it at one of them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

/// The power supply of one process.
#[derive(Debug, Default)]
pub(crate) struct Power {
    /// The points that are left; `None` if points do not kill it.
    left: Option<AtomicU64>,
    is_cut: AtomicBool,
    cut: Notify,
}

impl Power {
    /// Kills the process at the point with this number, from 1; never with `None`.
    pub(crate) fn new(ends_at: Option<u64>) -> Self {
        Self {
            left: ends_at.map(AtomicU64::new),
            ..Self::default()
        }
    }

    /// A point is reached. Returns whether the process has been killed.
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

    /// Kills the process.
    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
        self.cut.notify_one();
    }

    /// Whether the process has been killed.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    /// Waits until the process is killed.
    pub(crate) async fn lost(&self) {
        self.cut.notified().await;
    }
}
