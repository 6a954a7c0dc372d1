//! What the service is asked: a listing of each Region, and of single channels only what the listing leaves open.

use std::collections::HashMap;

use tokio::task::JoinSet;

use super::claims::Claims;
use crate::cli::VerifyArgs;
use crate::commands::side_by_side;
use crate::commands::target::Target;
use crate::engine::{Caller, RegionCaller, Unanswered};
use crate::service::aws::AwsService;
use crate::service::{Channel, FailureKind, Operation, Service};
use crate::verify::{Claim, Difference, Kind};

/// A Region to ask in.
type Asked = RegionCaller<AwsService>;

/// Compares all claims, the Regions side by side. None where it was stopped.
pub(super) async fn ask_all(
    args: &VerifyArgs,
    target: &Target,
    caller: &mut Caller,
    claims: Claims,
) -> Option<Vec<Difference>> {
    let mut by_region: HashMap<_, Vec<Claim>> = HashMap::new();
    for claim in claims.rows {
        by_region
            .entry(claim.region.clone())
            .or_default()
            .push(claim);
    }
    let mut regions = JoinSet::new();
    for (region, claims) in by_region {
        let service = target.service(&region);
        let asked = caller.region(region, service);
        let (workers, with_tags) = (args.asking.workers, args.tags);
        regions.spawn(async move { region_of(asked, claims, workers, with_tags).await });
    }
    let mut all = Vec::new();
    while let Some(ended) = regions.join_next().await {
        all.extend(ended.ok()??);
    }
    all.sort_by(|one, other| (&one.device_id, one.kind).cmp(&(&other.device_id, other.kind)));
    Some(all)
}

/// Compares the claims of one Region.
async fn region_of(
    asked: Asked,
    claims: Vec<Claim>,
    workers: usize,
    with_tags: bool,
) -> Option<Vec<Difference>> {
    let mut there: HashMap<Box<str>, Channel> = HashMap::new();
    let wanted: std::collections::HashSet<Box<str>> = claims
        .iter()
        .map(|claim| claim.name.as_str().into())
        .collect();
    let listed = asked.list(|page| {
        let ours = page
            .into_iter()
            .filter(|channel| wanted.contains(channel.name.as_str()));
        there.extend(ours.map(|channel| (channel.name.as_str().into(), channel)));
    });
    match listed.await {
        Err(Unanswered::Stopped) => return None,
        Err(Unanswered::Refused(failure)) => {
            tracing::warn!(
                "the channels in {} cannot be listed ({}: {}); each is asked for",
                asked.region(),
                failure.code,
                failure.message
            );
            there.clear();
        }
        Ok(()) => {}
    }
    // A channel that was not listed, or listed otherwise than it should be, may just have changed: it is asked for.
    let (open, sound): (Vec<Claim>, Vec<Claim>) = claims
        .into_iter()
        .partition(|claim| !claim.compare(there.get(claim.name.as_str())).is_empty());
    let mut present: Vec<Claim> = sound;
    let mut differences = Vec::new();
    let described = side_by_side(open, workers, |claim| describe(asked.clone(), claim)).await?;
    for (claim, found) in described {
        let is_there = found.iter().all(|found| {
            !matches!(
                found.kind,
                Kind::Missing | Kind::MadeAgain | Kind::Unverified
            )
        });
        differences.extend(found);
        if is_there {
            present.push(claim);
        }
    }
    if with_tags {
        present.retain(|claim| !claim.tags.is_empty());
        let tags = side_by_side(present, workers, |claim| tags(asked.clone(), claim)).await?;
        differences.extend(tags.into_iter().flatten());
    }
    Some(differences)
}

async fn describe(asked: Asked, claim: Claim) -> Option<(Claim, Vec<Difference>)> {
    let described = asked
        .ask(Operation::Describe, || {
            asked.service().describe(&claim.name)
        })
        .await;
    let found = match described {
        Ok(channel) => claim.compare(Some(&channel)),
        Err(Unanswered::Refused(failure)) if failure.kind == FailureKind::NotFound => {
            claim.compare(None)
        }
        Err(Unanswered::Refused(failure)) => {
            vec![claim.unverified(&format!("{}: {}", failure.code, failure.message))]
        }
        Err(Unanswered::Stopped) => return None,
    };
    Some((claim, found))
}

async fn tags(asked: Asked, claim: Claim) -> Option<Vec<Difference>> {
    Some(match asked.tags(&claim.arn).await {
        Ok(tags) => claim.compare_tags(&tags),
        Err(Unanswered::Refused(failure)) => {
            let why = format!("tags: {}: {}", failure.code, failure.message);
            vec![claim.unverified(&why)]
        }
        Err(Unanswered::Stopped) => return None,
    })
}
