//! The tasks that make attempts, each one after the other.
//!
//! A task for each attempt would be shorter. But an attempt's future holds the SDK's, of many kilobytes, and to allocate
//! that for each device costs more than everything else that the engine does for it.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};

use super::job::DeviceJob;
use super::region_run::{Admission, Next, RegionRun};
use super::service::Service;
use super::work::RowSink;

type Assignment = (Box<DeviceJob>, Admission);
/// Gives a task its next job.
type Inbox = mpsc::Sender<Assignment>;

/// As many tasks as were ever busy at once. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Workers<S, L> {
    region_run: Arc<RegionRun<S, L>>,
    tasks: JoinSet<()>,
    /// The tasks without a job. The last that ended is used first, since its memory is in the cache.
    free: Vec<Inbox>,
    ended: mpsc::UnboundedReceiver<(Next, Inbox)>,
    sender: mpsc::UnboundedSender<(Next, Inbox)>,
    in_flight: usize,
}

impl<S: Service, L: RowSink> Workers<S, L> {
    pub(super) fn new(region_run: Arc<RegionRun<S, L>>) -> Self {
        let (sender, ended) = mpsc::unbounded_channel();
        Self {
            region_run,
            tasks: JoinSet::new(),
            free: Vec::new(),
            ended,
            sender,
            in_flight: 0,
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(super) fn start_attempt(&mut self, job: Box<DeviceJob>, admission: Admission) {
        self.in_flight += 1;
        let mut assignment = (job, admission);
        loop {
            let inbox = self.free.pop().unwrap_or_else(|| self.new_task());
            match inbox.try_send(assignment) {
                Ok(()) => return,
                // Its task is gone; another takes the job.
                Err(refused) => assignment = refused.into_inner(),
            }
        }
    }

    fn new_task(&mut self) -> Inbox {
        let (inbox, mut jobs) = mpsc::channel::<Assignment>(1);
        let (region_run, sender) = (Arc::clone(&self.region_run), self.sender.clone());
        let own = inbox.clone();
        self.tasks.spawn(async move {
            while let Some((job, admission)) = jobs.recv().await {
                let next = region_run.attempt(job, admission).await;
                let _received = sender.send((next, own.clone()));
            }
        });
        inbox
    }

    /// Waits for the next attempt to end: what follows, or how its task panicked; none if no attempt is in flight. Dropped
    /// before it returns, it takes nothing.
    pub(super) async fn next(&mut self) -> Option<Result<Next, JoinError>> {
        if self.in_flight == 0 {
            return None;
        }
        let ended = tokio::select! {
            biased;
            Some((next, inbox)) = self.ended.recv() => {
                self.free.push(inbox);
                Ok(next)
            }
            // A task ends by itself only if it panics, and its job is lost.
            Some(Err(broken)) = self.tasks.join_next() => Err(broken),
        };
        self.in_flight -= 1;
        Some(ended)
    }
}
