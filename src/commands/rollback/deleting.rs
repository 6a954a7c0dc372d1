//! The deletions: each channel by its exact ARN, its row on disk before it counts.

use std::sync::Arc;
use std::time::SystemTime;

use super::selection::Candidate;
use crate::aws::AwsService;
use crate::commands::asking::{Existing, answered, by_region, list_existing, side_by_side};
use crate::commands::target::Target;
use crate::domain::error_codes::CHANNEL_MADE_AGAIN;
use crate::domain::service::{ChannelStatus, Failure, FailureKind};
use crate::engine::{Caller, Deletion, RegionCaller, RowSink as _, Stop, StopSignal};
use crate::fleet::batch::FileRowSink;
use crate::results::record::{Row, Status};

/// What all deletions share.
#[derive(Clone)]
pub(super) struct Deleting {
    pub(super) sink: Arc<FileRowSink<()>>,
    pub(super) stop: StopSignal,
    /// Requests in flight in each Region.
    pub(super) workers: usize,
}

/// What became of a channel, or why the service did not let it be deleted.
type Outcome = Result<Deletion, Failure>;

/// Deletes the channels, the Regions side by side. If it is stopped, the rest stays as it is.
pub(super) async fn delete_all(
    deleting: Deleting,
    target: &Target,
    caller: &Caller,
    candidates: Vec<Candidate>,
) {
    let regions = by_region(candidates, |candidate| &candidate.account_region);
    let most = regions.len();
    let mut usable = Vec::new();
    for (account_region, candidates) in regions {
        match target.service(&account_region) {
            Ok(service) => usable.push((caller.region(account_region, service), candidates)),
            Err(cause) => caller.leave_out(&account_region, cause),
        }
    }
    let all = side_by_side(usable, most, |(requests, candidates)| {
        let deleting = deleting.clone();
        async move {
            // The others go on without a Region that was stopped.
            let _stopped = in_region(deleting, requests, candidates).await;
            Some(())
        }
    });
    all.await;
}

/// Deletes the channels of a Region. They are listed first, so that one that was created again is not taken for a deleted
/// one. None if it was stopped.
async fn in_region(
    deleting: Deleting,
    requests: RegionCaller<AwsService>,
    candidates: Vec<Candidate>,
) -> Option<()> {
    let names = candidates.iter().map(|candidate| &candidate.name);
    let instead = "each is deleted by its ARN all the same";
    let listed = list_existing(&requests, names, instead).await?;
    let workers = deleting.workers;
    let one = Arc::new(OneRegion {
        deleting,
        listed,
        requests,
    });
    let each = |candidate| {
        let one = Arc::clone(&one);
        async move { one.delete(candidate).await }
    };
    side_by_side(candidates, workers, each).await?;
    Some(())
}

struct OneRegion {
    deleting: Deleting,
    /// None where it could not be listed.
    listed: Option<Existing>,
    requests: RegionCaller<AwsService>,
}

impl OneRegion {
    /// Deletes one channel and records what became of it. None if it was stopped.
    async fn delete(&self, candidate: Candidate) -> Option<()> {
        let started_at = SystemTime::now();
        let outcome = match self.known(&candidate) {
            Some(deletion) => Ok(deletion),
            None => self.ask(&candidate).await?,
        };
        let row = row_of(candidate.row, outcome, started_at);
        let Deleting { sink, stop, .. } = &self.deleting;
        match sink.record(candidate.index, row).await {
            Ok(row) => sink.tell(&row),
            Err(message) => {
                stop.give(Stop::Results(message));
                return None;
            }
        }
        Some(())
    }

    /// What became of a channel, where the listing shows it.
    fn known(&self, candidate: &Candidate) -> Option<Deletion> {
        let channel = self.listed.as_ref()?.get(&candidate.name)?;
        if channel.arn != candidate.arn {
            return Some(Deletion::Recreated(channel.arn.clone()));
        }
        let is_deleting = channel.status == ChannelStatus::Deleting;
        is_deleting.then_some(Deletion::Deleted(None))
    }

    async fn ask(&self, candidate: &Candidate) -> Option<Outcome> {
        let (name, arn) = (&candidate.name, &candidate.arn);
        let asked = answered(self.requests.delete(name, arn).await)?;
        if !matches!(&asked, Err(failure) if failure.kind == FailureKind::NotFound) {
            return Some(asked);
        }
        // There is no channel of this ARN. Whether another one has its name, only a listing or Describe can show.
        let found = match self.listed {
            Some(_) => None,
            None => self.requests.deleted_before(name, arn).await.ok()?,
        };
        Some(Ok(found.unwrap_or(Deletion::Deleted(None))))
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
