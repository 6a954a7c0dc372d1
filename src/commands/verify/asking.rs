//! The requests of a verification: a listing of each Region, and Describe only for channels that the listing leaves open.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use tokio::task::JoinSet;

use crate::aws::AwsService;
use crate::commands::side_by_side;
use crate::commands::target::Target;
use crate::domain::panics;
use crate::domain::service::{Channel, Failure, FailureKind};
use crate::engine::{Caller, RegionCaller, Stop, Unanswered};
use crate::fleet::claim::{Claim, Difference, Kind};

type Requests = RegionCaller<AwsService>;

/// What is checked besides whether the channels exist.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::commands) struct Questions {
    /// Requests in flight in each Region.
    pub(in crate::commands) workers: usize,
    pub(in crate::commands) tags: bool,
    pub(in crate::commands) endpoints: bool,
    pub(in crate::commands) ice: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub(in crate::commands) struct Found {
    pub(in crate::commands) differences: Vec<Difference>,
    pub(in crate::commands) usable: Vec<Usable>,
}

/// What a camera connects to.
#[derive(Debug, Serialize)]
pub(in crate::commands) struct Usable {
    pub(super) device_id: Box<str>,
    pub(super) region: Box<str>,
    pub(super) wss: Box<str>,
    pub(super) https: Box<str>,
    /// URIs of STUN and TURN servers; empty if they were not requested.
    pub(super) ice_servers: Vec<Box<str>>,
}

/// Compares all claims, the Regions side by side. The claims of a Region that gives no answer are unverified.
pub(in crate::commands) async fn ask_all(
    questions: Questions,
    target: &Target,
    caller: &Caller,
    claims: Vec<Claim>,
) -> Result<Found, Stop> {
    let mut by_region: HashMap<_, Vec<Claim>> = HashMap::new();
    for claim in claims {
        let region = claim.region.clone();
        by_region.entry(region).or_default().push(claim);
    }
    let mut regions = JoinSet::new();
    for (region, claims) in by_region {
        let service = target.service(&region);
        let requests = caller.region(region, service);
        regions.spawn(async move {
            let found = region_of(requests, claims.clone(), questions).await;
            found.ok_or(claims)
        });
    }
    let mut all = Found::default();
    while let Some(ended) = regions.join_next().await {
        match ended.map_err(|panic| Stop::Internal(panics::words_of_task(panic)))? {
            Ok(found) => {
                all.differences.extend(found.differences);
                all.usable.extend(found.usable);
            }
            Err(claims) => {
                let unverified = |claim: &Claim| claim.unverified("its Region gave no answer");
                all.differences.extend(claims.iter().map(unverified));
            }
        }
    }
    if let Some(stop) = caller.stopped() {
        return Err(stop);
    }
    let place = |found: &Difference| (found.device_id.clone(), found.kind);
    all.differences.sort_by_key(place);
    all.usable
        .sort_by(|one, other| one.device_id.cmp(&other.device_id));
    Ok(all)
}

/// Compares the claims of one Region. None if it was stopped, in this Region or in all.
async fn region_of(requests: Requests, claims: Vec<Claim>, questions: Questions) -> Option<Found> {
    let workers = questions.workers;
    let there = list(&requests, &claims).await?;
    // A channel that was not listed, or listed with differences, may have changed since: it is described.
    let (open, sound): (Vec<Claim>, Vec<Claim>) = claims
        .into_iter()
        .partition(|claim| !claim.compare(there.get(claim.name.as_str())).is_empty());
    let mut present: Vec<Claim> = sound;
    let mut differences = Vec::new();
    let described = side_by_side(open, workers, |claim| describe(requests.clone(), claim)).await?;
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
    let mut found = Found {
        differences,
        usable: Vec::new(),
    };
    if questions.endpoints || questions.ice {
        let request = |claim| endpoints(requests.clone(), claim, questions.ice);
        for answer in side_by_side(present.clone(), workers, request).await? {
            match answer {
                Ok(usable) => found.usable.push(usable),
                Err(difference) => found.differences.push(difference),
            }
        }
    }
    if questions.tags {
        present.retain(|claim| !claim.tags.is_empty());
        let tags = side_by_side(present, workers, |claim| tags(requests.clone(), claim)).await?;
        found.differences.extend(tags.into_iter().flatten());
    }
    Some(found)
}

/// The channels of these claims that are listed, by name; none at all if the Region cannot be listed. None if it was stopped.
async fn list(requests: &Requests, claims: &[Claim]) -> Option<HashMap<Box<str>, Channel>> {
    let mut there: HashMap<Box<str>, Channel> = HashMap::new();
    let names = claims.iter().map(|claim| claim.name.as_str());
    let wanted: HashSet<&str> = names.collect();
    let listed = requests.list(|page| {
        let ours = page
            .into_iter()
            .filter(|channel| wanted.contains(channel.name.as_str()));
        there.extend(ours.map(|channel| (channel.name.as_str().into(), channel)));
    });
    match listed.await {
        Ok(()) => Some(there),
        Err(Unanswered::Stopped) => None,
        Err(Unanswered::Refused(failure)) => {
            tracing::warn!(
                "the channels in {} cannot be listed ({}: {}); each is described",
                requests.region(),
                failure.code,
                failure.message
            );
            Some(HashMap::new())
        }
    }
}

async fn describe(requests: Requests, claim: Claim) -> Option<(Claim, Vec<Difference>)> {
    let found = match requests.describe(&claim.name).await {
        Ok(channel) => claim.compare(Some(&channel)),
        Err(Unanswered::Refused(failure)) if failure.kind == FailureKind::NotFound => {
            claim.compare(None)
        }
        Err(Unanswered::Refused(failure)) => {
            vec![claim.unverified(&words(&failure))]
        }
        Err(Unanswered::Stopped) => return None,
    };
    Some((claim, found))
}

async fn tags(requests: Requests, claim: Claim) -> Option<Vec<Difference>> {
    Some(match requests.tags(&claim.arn).await {
        Ok(tags) => claim.compare_tags(&tags),
        Err(Unanswered::Refused(failure)) => {
            vec![claim.unverified(&format!("tags: {}", words(&failure)))]
        }
        Err(Unanswered::Stopped) => return None,
    })
}

/// Sends the requests of the channel's camera. None if it was stopped.
async fn endpoints(
    requests: Requests,
    claim: Claim,
    with_ice: bool,
) -> Option<Result<Usable, Difference>> {
    let endpoints = match requests.endpoints(&claim.arn).await {
        Ok(endpoints) => endpoints,
        Err(Unanswered::Refused(failure)) => {
            return Some(Err(claim.without_endpoints(&words(&failure))));
        }
        Err(Unanswered::Stopped) => return None,
    };
    let mut usable = Usable {
        device_id: claim.device_id.clone(),
        region: claim.region.as_str().into(),
        wss: endpoints.wss,
        https: endpoints.https,
        ice_servers: Vec::new(),
    };
    if with_ice {
        match requests.ice_servers(&claim.arn, &usable.https).await {
            Ok(servers) => usable.ice_servers = servers,
            Err(Unanswered::Refused(failure)) => {
                return Some(Err(claim.without_turn(&words(&failure))));
            }
            Err(Unanswered::Stopped) => return None,
        }
        if !usable.ice_servers.iter().any(|uri| uri.starts_with("turn")) {
            let servers = usable.ice_servers.join(", ");
            let found = if servers.is_empty() {
                "no server at all"
            } else {
                &*servers
            };
            return Some(Err(claim.without_turn(found)));
        }
    }
    Some(Ok(usable))
}

fn words(failure: &Failure) -> String {
    format!("{}: {}", failure.code, failure.message)
}
