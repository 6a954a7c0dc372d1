//! The tasks that make attempts: each flies one job after another. Knows which of them are free, not what a job needs.
//!
//! A task for each attempt would be shorter. But an attempt's future holds the SDK's, of many kilobytes, and to allocate
//! that anew for each device costs more than all else the engine does for it.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};

use super::RowSink;
use super::job::Job;
use super::region_run::{Admission, Next, RegionRun};
use crate::domain::service::Service;

/// A job that may go.
type Assignment = (Box<Job>, Admission);
/// Where a task takes its jobs from, one at a time.
type Inbox = mpsc::Sender<Assignment>;

/// As many tasks as were ever busy at once. They end with this.
#[derive(Debug)]
pub(super) struct Workers<S, L> {
    region_run: Arc<RegionRun<S, L>>,
    tasks: JoinSet<()>,
    /// The tasks without a job: the last that ended goes first, since its memory is the warmest.
    free: Vec<Inbox>,
    landings: mpsc::UnboundedReceiver<(Next, Inbox)>,
    report: mpsc::UnboundedSender<(Next, Inbox)>,
    in_flight: usize,
}

impl<S: Service, L: RowSink> Workers<S, L> {
    pub(super) fn new(region_run: Arc<RegionRun<S, L>>) -> Self {
        let (report, landings) = mpsc::unbounded_channel();
        Self {
            region_run,
            tasks: JoinSet::new(),
            free: Vec::new(),
            landings,
            report,
            in_flight: 0,
        }
    }

    /// Jobs that are under way.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Sends a job off.
    pub(super) fn start_attempt(&mut self, job: Box<Job>, admission: Admission) {
        self.in_flight += 1;
        let mut assignment = (job, admission);
        loop {
            let inbox = self.free.pop().unwrap_or_else(|| self.engage());
            match inbox.try_send(assignment) {
                Ok(()) => return,
                // Its task is gone; another takes the job.
                Err(refused) => assignment = refused.into_inner(),
            }
        }
    }

    fn engage(&mut self) -> Inbox {
        let (inbox, mut jobs) = mpsc::channel::<Assignment>(1);
        let (region_run, report) = (Arc::clone(&self.region_run), self.report.clone());
        let own = inbox.clone();
        self.tasks.spawn(async move {
            while let Some((job, admission)) = jobs.recv().await {
                let landing = region_run.fly(job, admission).await;
                let _heard = report.send((landing, own.clone()));
            }
        });
        inbox
    }

    /// What the next job to land ended in, or how its task broke; none where none is under way. Dropped before it
    /// returns, it takes nothing.
    pub(super) async fn ended(&mut self) -> Option<Result<Next, JoinError>> {
        if self.in_flight == 0 {
            return None;
        }
        let ended = tokio::select! {
            biased;
            Some((landing, inbox)) = self.landings.recv() => {
                self.free.push(inbox);
                Ok(landing)
            }
            // A task ends by itself only where it breaks, and its job with it.
            Some(Err(broken)) = self.tasks.join_next() => Err(broken),
        };
        self.in_flight -= 1;
        Some(ended)
    }
}
