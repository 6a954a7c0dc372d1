//! When the state is saved: before the first answer that shows a change leaves, and once for all changes up to then. An answer
//! waits for its latency anyway, so that most saves delay none.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

use super::snapshot::Snapshot;
use super::state_file::StateFile;
use crate::domain::panics::lock;

/// How long before the first answer a save begins at most.
const LONGEST_LEAD: Duration = Duration::from_millis(25);

/// A state with its revision.
pub(super) type Revised = (Snapshot, u64);

/// Saves a state for the answers that wait for it.
#[derive(Debug)]
pub(super) struct Saver {
    /// None after the end.
    file: Mutex<Option<StateFile>>,
    queue: Mutex<Queue>,
    wake: Notify,
    /// The latest revision in the file.
    saved: AtomicU64,
    /// Why the last save failed, if it did.
    failure: watch::Sender<Option<String>>,
}

/// The answers that wait.
#[derive(Debug, Default)]
struct Queue {
    /// With the revisions that they show.
    waiting: Vec<(u64, oneshot::Sender<bool>)>,
    /// When the first of them is due.
    due: Option<Instant>,
}

impl Saver {
    /// Keeps the state in this file, which has it as it is at revision 0.
    pub(super) fn new(file: StateFile) -> Self {
        Self {
            file: Mutex::new(Some(file)),
            queue: Mutex::default(),
            wake: Notify::new(),
            saved: AtomicU64::new(0),
            failure: watch::Sender::new(None),
        }
    }

    /// Waits until the file has this revision, which an answer shows that is due at that time. False if it could not be saved.
    pub(super) async fn is_saved(&self, revision: u64, due: Instant) -> bool {
        if self.has(revision) {
            return true;
        }
        let (saved, is_saved) = oneshot::channel();
        {
            let mut queue = lock(&self.queue);
            queue.waiting.push((revision, saved));
            queue.due = Some(queue.due.map_or(due, |earlier| earlier.min(due)));
        }
        self.wake.notify_one();
        // The sender is gone where the emulator ends.
        is_saved.await.unwrap_or(false)
    }

    /// Why the state cannot be saved, from when it cannot.
    pub(super) fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failure.subscribe()
    }

    fn has(&self, revision: u64) -> bool {
        revision <= self.saved.load(Ordering::Acquire)
    }

    /// Saves when answers need it, until the emulator ends.
    pub(super) async fn run(
        self: Arc<Self>,
        state: impl Fn() -> Revised + Clone + Send + 'static,
        mut closing: watch::Receiver<bool>,
    ) {
        // How long a save takes, so that it can begin in time.
        let mut needed = Duration::ZERO;
        loop {
            let due = lock(&self.queue).due;
            let is_due = async {
                match due {
                    Some(due) => {
                        let left = due.saturating_duration_since(Instant::now());
                        tokio::time::sleep(left.saturating_sub(needed)).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.wake.notified() => continue,
                () = is_due => {}
                ended = closing.wait_for(|closing| *closing), if due.is_some() => {
                    if ended.is_err() {
                        return;
                    }
                }
            }
            let began = Instant::now();
            let (saver, state) = (Arc::clone(&self), state.clone());
            // An error means that the runtime ends.
            if tokio::task::spawn_blocking(move || saver.save(state))
                .await
                .is_err()
            {
                return;
            }
            // Twice as long, since no save takes as long as another. A busy computer must not make saves more frequent.
            needed = LONGEST_LEAD.min(began.elapsed() * 2);
        }
    }

    /// Saves the state as it is now, and lets the answers go that wait for it. May block.
    fn save(&self, state: impl Fn() -> Revised) {
        let waiting = {
            let mut queue = lock(&self.queue);
            queue.due = None;
            std::mem::take(&mut queue.waiting)
        };
        let result = self.save_now(state);
        for (_, answer) in waiting {
            // The receiver is gone where the client has left.
            let _ = answer.send(result);
        }
        // Those that came meanwhile and whose changes the save had.
        let mut queue = lock(&self.queue);
        let ready = queue
            .waiting
            .extract_if(.., |(revision, _)| self.has(*revision));
        for (_, answer) in ready {
            let _ = answer.send(true);
        }
        if queue.waiting.is_empty() {
            queue.due = None;
        }
    }

    fn save_now(&self, state: impl Fn() -> Revised) -> bool {
        let file = lock(&self.file);
        let Some(file) = &*file else {
            return false;
        };
        let (snapshot, revision) = state();
        match file.save(&snapshot) {
            Ok(()) => {
                self.saved.store(revision, Ordering::Release);
                self.failure.send_replace(None);
                true
            }
            Err(error) => {
                let failure = Some(error.to_string());
                self.failure.send_if_modified(|last| {
                    let is_news = *last != failure;
                    last.clone_from(&failure);
                    is_news
                });
                false
            }
        }
    }

    /// Saves what is not saved, and gives the file up. May block.
    pub(super) fn close(&self, state: impl Fn() -> Revised) {
        let (_, revision) = state();
        if !self.has(revision) {
            self.save(state);
        }
        *lock(&self.file) = None;
    }
}
