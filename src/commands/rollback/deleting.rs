//! The deleting itself: each channel by its exact ARN, paced and tried again, its row on disk before it counts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::task::JoinSet;

use super::deletions::Deletions;
use super::selection::Candidate;
use crate::commands::side_by_side;
use crate::domain::device::{ChannelArn, Region};
use crate::domain::error_codes::CHANNEL_MADE_AGAIN;
use crate::domain::service::{Answer, ChannelStatus, Failure, FailureKind, Operation, Service};
use crate::engine::retry::Schedule;
use crate::engine::{Caller, RegionCaller, RowSink as _, Stop, StopSignal, Unanswered};
use crate::fleet::batch::FileRowSink;
use crate::results::record::{Row, Status};

use super::Silent;

/// What all deletions need.
pub(super) struct Deleting<S> {
    pub(super) sink: Arc<FileRowSink<Silent>>,
    pub(super) deletions: Arc<Deletions>,
    pub(super) stop: StopSignal,
    /// Requests in flight in each Region.
    pub(super) workers: usize,
    /// Tries for a channel that is in the middle of a change.
    pub(super) max_attempts: u32,
    pub(super) service: S,
}

/// The channels of a Region that were listed: their ARNs, and whether they are being deleted.
type Listed = HashMap<Box<str>, (ChannelArn, bool)>;

/// What became of a channel.
enum Outcome {
    /// It is deleted, by this request where there is one.
    Deleted(Option<Box<str>>),
    /// Another one bears its name now.
    MadeAgain(ChannelArn),
    /// The service did not let it be deleted.
    Left(Failure),
}

/// Deletes the channels, the Regions side by side. Where it was stopped the rest stays as it is.
pub(super) async fn delete_all<S: Service, F: Fn(&Region) -> S>(
    deleting: Deleting<F>,
    caller: &mut Caller,
    candidates: Vec<Candidate>,
) {
    let mut by_region: HashMap<Region, Vec<Candidate>> = HashMap::new();
    for candidate in candidates {
        // The reader has checked it.
        if let Ok(region) = Region::parse(&candidate.row.region) {
            by_region.entry(region).or_default().push(candidate);
        }
    }
    let deleting = Arc::new(deleting);
    let mut regions = JoinSet::new();
    for (region, candidates) in by_region {
        let asked = caller.region(region.clone(), (deleting.service)(&region));
        let one = Arc::new(OneRegion {
            sink: Arc::clone(&deleting.sink),
            deletions: Arc::clone(&deleting.deletions),
            stop: deleting.stop.clone(),
            max_attempts: deleting.max_attempts,
            listed: Mutex::default(),
            asked,
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
    max_attempts: u32,
    /// None where it could not be listed.
    listed: Mutex<Option<Listed>>,
    asked: RegionCaller<S>,
}

impl<S: Service> OneRegion<S> {
    /// Learns which channels there are, so that one that was made again is known from one that is gone.
    async fn list(&self, candidates: &[Candidate]) -> Option<()> {
        let names: std::collections::HashSet<&str> = candidates
            .iter()
            .map(|candidate| &*candidate.row.channel_name)
            .collect();
        let mut found = Listed::new();
        let listed = self.asked.list(|page| {
            let ours = page
                .into_iter()
                .filter(|channel| names.contains(channel.name.as_str()));
            found.extend(ours.map(|channel| {
                let is_going = channel.status == ChannelStatus::Deleting;
                (channel.name.as_str().into(), (channel.arn, is_going))
            }));
        });
        match listed.await {
            Ok(()) => *self.listed.lock().unwrap_or_else(PoisonError::into_inner) = Some(found),
            Err(Unanswered::Stopped) => return None,
            Err(Unanswered::Refused(failure)) => tracing::warn!(
                "the channels in {} cannot be listed ({}: {}); each is deleted by its ARN all the same",
                self.asked.region(),
                failure.code,
                failure.message
            ),
        }
        Some(())
    }

    /// Deletes one channel and records what became of it. None where that was stopped.
    async fn delete(&self, candidate: Candidate) -> Option<()> {
        let started_at = SystemTime::now();
        let outcome = match self.known(&candidate) {
            Some(outcome) => outcome,
            None => self.ask(&candidate).await?,
        };
        let row = row_of(&candidate, &outcome, started_at);
        match self.sink.record(candidate.index, row).await {
            Ok(row) => self.deletions.note(&row),
            Err(message) => {
                self.stop.give(Stop::Results(message));
                return None;
            }
        }
        Some(())
    }

    /// What the listing says already.
    fn known(&self, candidate: &Candidate) -> Option<Outcome> {
        let listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let (arn, is_going) = listed.as_ref()?.get(&candidate.row.channel_name)?;
        if *arn != candidate.arn {
            return Some(Outcome::MadeAgain(arn.clone()));
        }
        is_going.then_some(Outcome::Deleted(None))
    }

    async fn ask(&self, candidate: &Candidate) -> Option<Outcome> {
        let schedule = Schedule::default();
        let mut tries = 0;
        loop {
            let deleted = self.asked.ask(Operation::Delete, || async {
                let answer = self.asked.service().delete(&candidate.arn).await;
                let request_id = answer.request_id.clone();
                Answer {
                    result: answer.result.map(|()| request_id),
                    request_id: answer.request_id,
                    date: answer.date,
                }
            });
            tries += 1;
            let failure = match deleted.await {
                Ok(request_id) => return Some(Outcome::Deleted(request_id)),
                Err(Unanswered::Stopped) => return None,
                Err(Unanswered::Refused(failure)) => failure,
            };
            match failure.kind {
                FailureKind::NotFound => return self.gone(candidate).await,
                // It is in the middle of a change, or on its way out.
                FailureKind::InUse if tries < self.max_attempts => {
                    if let Some(outcome) = self.changed(candidate).await? {
                        return Some(outcome);
                    }
                    let wait = schedule.wait(tries, &mut fastrand::Rng::new());
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = self.stop.given() => return None,
                    }
                }
                _ => return Some(Outcome::Left(failure)),
            }
        }
    }

    /// There is no channel of this ARN. Whether another one bears its name, only a listing or Describe can say.
    async fn gone(&self, candidate: &Candidate) -> Option<Outcome> {
        let is_listed = self
            .listed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some();
        if is_listed {
            return Some(Outcome::Deleted(None));
        }
        let outcome = self.changed(candidate).await?;
        Some(outcome.unwrap_or(Outcome::Deleted(None)))
    }

    /// What Describe says of the channel's name, where that settles it. None where that was stopped.
    async fn changed(&self, candidate: &Candidate) -> Option<Option<Outcome>> {
        let Ok(name) = crate::domain::device::ChannelName::parse(&candidate.row.channel_name)
        else {
            return Some(None);
        };
        let described = self
            .asked
            .ask(Operation::Describe, || self.asked.service().describe(&name));
        Some(match described.await {
            Ok(channel) if channel.arn != candidate.arn => Some(Outcome::MadeAgain(channel.arn)),
            Ok(channel) if channel.status == ChannelStatus::Deleting => {
                Some(Outcome::Deleted(None))
            }
            Err(Unanswered::Stopped) => return None,
            _ => None,
        })
    }
}

/// The row that says what became of a channel. One that is left keeps its row, with the error in it.
fn row_of(candidate: &Candidate, outcome: &Outcome, started_at: SystemTime) -> Row {
    let row = candidate.row.clone();
    match outcome {
        Outcome::Deleted(request_id) => Row {
            status: Status::Deleted,
            attempts: 0,
            started_at: Some(started_at),
            finished_at: Some(SystemTime::now()),
            error_code: Box::default(),
            error_message: Box::default(),
            request_id: request_id.clone().unwrap_or_default(),
            ..row
        },
        Outcome::MadeAgain(arn) => Row {
            error_code: CHANNEL_MADE_AGAIN.into(),
            error_message: format!(
                "rollback: the channel of this name is another one now, {}; it is left as it is",
                arn.as_str()
            )
            .into(),
            ..row
        },
        Outcome::Left(failure) => Row {
            error_code: failure.code.clone(),
            error_message: format!("rollback: {}", failure.message).into(),
            ..row
        },
    }
}
