//! The deletions: each channel by its exact ARN, its row on disk before it counts.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::task::JoinSet;

use super::Silent;
use super::deletions::Deletions;
use super::selection::Candidate;
use crate::commands::side_by_side;
use crate::domain::device::{ChannelArn, Region};
use crate::domain::error_codes::CHANNEL_MADE_AGAIN;
use crate::domain::service::{ChannelStatus, Failure, FailureKind};
use crate::engine::{
    Caller, Deletion, RegionCaller, RowSink as _, Service, Stop, StopSignal, Unanswered,
};
use crate::fleet::batch::FileRowSink;
use crate::results::record::{Row, Status};

/// What all deletions share.
pub(super) struct Deleting<S> {
    pub(super) sink: Arc<FileRowSink<Silent>>,
    pub(super) deletions: Arc<Deletions>,
    pub(super) stop: StopSignal,
    /// Requests in flight in each Region.
    pub(super) workers: usize,
    pub(super) service: S,
}

/// The channels of a Region that were listed, by name: their ARNs, and whether they are being deleted.
type Listed = HashMap<Box<str>, (ChannelArn, bool)>;

/// What became of a channel, or why the service did not let it be deleted.
type Outcome = Result<Deletion, Failure>;

/// Deletes the channels, the Regions side by side. If it is stopped, the rest stays as it is.
pub(super) async fn delete_all<S: Service, F: Fn(&Region) -> S>(
    deleting: Deleting<F>,
    caller: &Caller,
    candidates: Vec<Candidate>,
) {
    let mut by_region: HashMap<Region, Vec<Candidate>> = HashMap::new();
    for candidate in candidates {
        let region = candidate.region.clone();
        by_region.entry(region).or_default().push(candidate);
    }
    let mut regions = JoinSet::new();
    for (region, candidates) in by_region {
        let service = (deleting.service)(&region);
        let one = Arc::new(OneRegion {
            sink: Arc::clone(&deleting.sink),
            deletions: Arc::clone(&deleting.deletions),
            stop: deleting.stop.clone(),
            listed: Mutex::default(),
            requests: caller.region(region, service),
        });
        let workers = deleting.workers;
        regions.spawn(async move {
            one.list(&candidates).await?;
            side_by_side(candidates, workers, |candidate| {
                let one = Arc::clone(&one);
                async move { one.delete(candidate).await }
            })
            .await
        });
    }
    while let Some(ended) = regions.join_next().await {
        if let Err(error) = ended {
            deleting.stop.give(Stop::Internal(error.to_string()));
        }
    }
}

struct OneRegion<S> {
    sink: Arc<FileRowSink<Silent>>,
    deletions: Arc<Deletions>,
    stop: StopSignal,
    /// None where it could not be listed.
    listed: Mutex<Option<Listed>>,
    requests: RegionCaller<S>,
}

impl<S: Service> OneRegion<S> {
    /// Lists the channels, so that one that was created again is not taken for a deleted one. None if it was stopped.
    async fn list(&self, candidates: &[Candidate]) -> Option<()> {
        let names: HashSet<&str> = candidates
            .iter()
            .map(|candidate| candidate.name.as_str())
            .collect();
        let mut found = Listed::new();
        let listed = self.requests.list(|page| {
            let ours = page
                .into_iter()
                .filter(|channel| names.contains(channel.name.as_str()));
            found.extend(ours.map(|channel| {
                let is_deleting = channel.status == ChannelStatus::Deleting;
                (channel.name.as_str().into(), (channel.arn, is_deleting))
            }));
        });
        match listed.await {
            Ok(()) => *self.listed() = Some(found),
            Err(Unanswered::Stopped) => return None,
            Err(Unanswered::Refused(failure)) => tracing::warn!(
                "the channels in {} cannot be listed ({}: {}); each is deleted by its ARN all the same",
                self.requests.region(),
                failure.code,
                failure.message
            ),
        }
        Some(())
    }

    /// Deletes one channel and records what became of it. None if it was stopped.
    async fn delete(&self, candidate: Candidate) -> Option<()> {
        let started_at = SystemTime::now();
        let outcome = match self.known(&candidate) {
            Some(deletion) => Ok(deletion),
            None => self.ask(&candidate).await?,
        };
        let row = row_of(candidate.row, outcome, started_at);
        match self.sink.record(candidate.index, row).await {
            Ok(row) => self.deletions.note(&row),
            Err(message) => {
                self.stop.give(Stop::Results(message));
                return None;
            }
        }
        Some(())
    }

    /// What became of a channel, where the listing shows it.
    fn known(&self, candidate: &Candidate) -> Option<Deletion> {
        let listed = self.listed();
        let (arn, is_deleting) = listed.as_ref()?.get(candidate.name.as_str())?;
        if *arn != candidate.arn {
            return Some(Deletion::Recreated(arn.clone()));
        }
        is_deleting.then_some(Deletion::Deleted(None))
    }

    async fn ask(&self, candidate: &Candidate) -> Option<Outcome> {
        let (name, arn) = (&candidate.name, &candidate.arn);
        let failure = match self.requests.delete(name, arn).await {
            Ok(deletion) => return Some(Ok(deletion)),
            Err(Unanswered::Stopped) => return None,
            Err(Unanswered::Refused(failure)) => failure,
        };
        if failure.kind != FailureKind::NotFound {
            return Some(Err(failure));
        }
        // There is no channel of this ARN. Whether another one has its name, only a listing or Describe can show.
        let is_listed = self.listed().is_some();
        let found = if is_listed {
            None
        } else {
            self.requests.deleted_before(name, arn).await.ok()?
        };
        Some(Ok(found.unwrap_or(Deletion::Deleted(None))))
    }

    fn listed(&self) -> std::sync::MutexGuard<'_, Option<Listed>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The new row of a channel. One that is left keeps its row, with the error in it.
fn row_of(row: Row, outcome: Outcome, started_at: SystemTime) -> Row {
    match outcome {
        Ok(Deletion::Deleted(request_id)) => Row {
            status: Status::Deleted,
            attempts: 0,
            started_at: Some(started_at),
            finished_at: Some(SystemTime::now()),
            error_code: Box::default(),
            error_message: Box::default(),
            request_id: request_id.unwrap_or_default(),
            ..row
        },
        Ok(Deletion::Recreated(arn)) => Row {
            error_code: CHANNEL_MADE_AGAIN.into(),
            error_message: format!(
                "rollback: the channel of this name is another one now, {arn}; it is left as it is"
            )
            .into(),
            ..row
        },
        Err(failure) => Row {
            error_code: failure.code,
            error_message: format!("rollback: {}", failure.message).into(),
            ..row
        },
    }
}
