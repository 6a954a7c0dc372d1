//! The run that the page shows: everything that is known of it at one instant.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::events::Severity;
use super::history::{History, Reading};
use super::recorder::{Recorded, Recorder};
use crate::domain::panics::lock;
use crate::engine::event::Listener;
use crate::output::progress::Subject;
use crate::output::stats::{Pace, RegionNow, Stats, time_left};
use crate::output::summary::Summary;

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Stage {
    /// Files are read, the account is checked, channels are listed.
    #[default]
    Preparing,
    /// Requests for devices are sent.
    Working,
    /// It ends early: requests in flight are finished.
    Stopping,
    /// It has ended: the summary is final.
    Ended,
}

/// A setting of the run, as the page shows it.
pub(crate) type Setting = (&'static str, String);

/// A run that is served. Clones of its [`Arc`] share it.
#[derive(Debug)]
pub(crate) struct LiveRun {
    subject: Subject,
    stats: Arc<Stats>,
    recorder: Arc<Recorder>,
    head: Mutex<Head>,
    /// Counts the changes of the head.
    changes: AtomicU64,
    history: Mutex<History>,
}

/// What the command says of its run.
#[derive(Debug, Clone, Default)]
struct Head {
    stage: Stage,
    /// Without what [`Summary::count`] adds, until the run has ended.
    summary: Summary,
    /// Of a stream it is not known.
    total: Option<u64>,
    settings: Vec<Setting>,
}

/// The run at one instant.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) subject: Subject,
    pub(crate) stage: Stage,
    pub(crate) summary: Summary,
    /// What is done and what there is to do: devices, channels to delete, answers.
    pub(crate) done: u64,
    pub(crate) total: Option<u64>,
    pub(crate) pace: Pace,
    /// Of `Subject`, a second over the last seconds.
    pub(crate) per_second: f64,
    /// The time left, if it is known.
    pub(crate) ahead: Option<Duration>,
    /// How long there has been no answer.
    pub(crate) offline_for: Option<Duration>,
    pub(crate) regions: Vec<RegionNow>,
    pub(super) recorded: Recorded,
    pub(crate) history: History,
    pub(crate) settings: Vec<Setting>,
}

impl LiveRun {
    /// A run that begins now. The summary has what is known of it.
    pub(crate) fn new(
        subject: Subject,
        stats: Arc<Stats>,
        summary: Summary,
        settings: Vec<Setting>,
    ) -> Self {
        Self {
            subject,
            stats,
            recorder: Arc::default(),
            head: Mutex::new(Head {
                summary,
                settings,
                ..Head::default()
            }),
            changes: AtomicU64::new(0),
            history: Mutex::default(),
        }
    }

    /// The number of the last change of the run's stage, or of what the command says of it.
    pub(super) fn change(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    fn change_head(&self, change: impl FnOnce(&mut Head)) {
        change(&mut lock(&self.head));
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// The listener that must get the run's events.
    pub(crate) fn listener(&self) -> Arc<dyn Listener> {
        Arc::clone(&self.recorder) as Arc<dyn Listener>
    }

    /// Notes what is known of the run by now.
    pub(crate) fn note(&self, summary: &Summary) {
        self.change_head(|head| head.summary = summary.clone());
    }

    /// The work begins, towards this total, which is not known of a stream.
    pub(crate) fn begin(&self, summary: &Summary, total: Option<u64>) {
        self.change_head(|head| {
            head.summary = summary.clone();
            head.total = total;
            if head.stage == Stage::Preparing {
                head.stage = Stage::Working;
            }
        });
    }

    /// A signal, or something else that stops the run early.
    pub(crate) fn stopping(&self, cause: &str) {
        let mut is_news = false;
        self.change_head(|head| {
            if head.stage != Stage::Ended {
                head.stage = Stage::Stopping;
                is_news = true;
            }
        });
        if is_news {
            let text = format!("{cause}: requests in flight are being finished");
            self.recorder.add(Severity::Warning, text);
        }
    }

    /// Something is not as it should be with this device.
    pub(crate) fn found(&self, kind: &str, device_id: &str, message: &str) {
        self.recorder.found(kind, device_id, message);
    }

    /// The run has ended, with this summary.
    pub(crate) fn end(&self, summary: &Summary) {
        self.change_head(|head| {
            head.summary = summary.clone();
            head.stage = Stage::Ended;
        });
    }

    /// Adds a sample to the history.
    pub(super) fn sample(&self) {
        if lock(&self.head).stage == Stage::Ended {
            return;
        }
        let pace = self.stats.pace();
        let reading = Reading {
            done: self.done_in_this_run(),
            throttled: self.stats.counts().throttled(),
            ceiling: pace.ceiling,
            grant: pace.grant,
        };
        lock(&self.history).add(self.stats.elapsed().as_secs_f64(), reading);
    }

    /// What this run has done. A device that failed is not done.
    fn done_in_this_run(&self) -> u64 {
        let counts = self.stats.counts();
        match self.subject {
            Subject::Devices => counts.created + counts.exists,
            Subject::Deletions => counts.deleted,
            Subject::Answers => counts.answers,
        }
    }

    /// Everything that is known now.
    pub(super) fn snapshot(&self) -> Snapshot {
        let Head {
            stage,
            mut summary,
            total,
            settings,
        } = lock(&self.head).clone();
        let has_ended = stage == Stage::Ended;
        let pace = self.stats.pace();
        let regions = self.stats.regions();
        if !has_ended {
            if total.is_none() {
                // Those of a stream that have arrived.
                let arrived: u64 = regions.iter().map(|region| region.devices).sum();
                let known = summary.plan.done + arrived;
                summary.plan.listed = summary.plan.listed.max(known);
            }
            summary.count(&self.stats);
        }
        let (before, total) = match self.subject {
            Subject::Devices => (summary.plan.done, total.map(|_| summary.plan.listed)),
            _ => (0, total),
        };
        let done = before + self.done_in_this_run();
        let per_second = match self.subject {
            _ if has_ended => 0.0,
            Subject::Devices => pace.now,
            Subject::Deletions => self.stats.recorded_lately(),
            Subject::Answers => lock(&self.history).lately(),
        };
        Snapshot {
            subject: self.subject,
            ahead: match self.subject {
                _ if stage != Stage::Working || self.stats.offline_for().is_some() => None,
                Subject::Devices => pace.ahead.filter(|_| total.is_some()),
                _ => time_left(total, done, per_second),
            },
            offline_for: self.stats.offline_for().filter(|_| !has_ended),
            stage,
            summary,
            done,
            total,
            pace,
            per_second,
            regions,
            recorded: self.recorder.recorded(),
            history: lock(&self.history).clone(),
            settings,
        }
    }
}

impl Snapshot {
    /// The share of all that is done, from 0 to 1; `None` if the total is not known, or nothing is to do.
    pub(crate) fn share(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "counts of devices")]
        let share = |total: u64| self.done as f64 / total as f64;
        let total = self.total.filter(|total| *total > 0);
        total.map(|total| share(total).min(1.0))
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.stage == Stage::Ended
    }
}
