//! The requests of a verification: a listing of each Region, and Describe only for channels that the listing leaves open.

use serde::Serialize;

use crate::aws::AwsService;
use crate::commands::asking::{answered, by_region, list_existing, side_by_side};
use crate::commands::target::Target;
use crate::domain::service::{Failure, FailureKind};
use crate::engine::{Caller, RegionCaller, Stop};
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

impl Questions {
    /// Requests for each channel besides the listing.
    pub(super) fn of_a_channel(self) -> u64 {
        let endpoints = self.endpoints || self.ice;
        u64::from(self.tags) + u64::from(endpoints) + u64::from(self.ice)
    }
}

/// What was found.
#[derive(Debug, Default)]
pub(in crate::commands) struct Answers {
    pub(in crate::commands) differences: Vec<Difference>,
    pub(in crate::commands) usable: Vec<Usable>,
}

/// What a camera connects to.
#[derive(Debug, Serialize)]
pub(in crate::commands) struct Usable {
    pub(super) device_id: Box<str>,
    pub(super) account: Box<str>,
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
) -> Result<Answers, Stop> {
    let regions = by_region(claims, |claim| &claim.account_region);
    let most = regions.len();
    let mut all = Answers::default();
    let mut usable = Vec::new();
    for (account_region, claims) in regions {
        match target.service(&account_region) {
            Ok(service) => usable.push((caller.region(account_region, service), claims)),
            Err(cause) => {
                all.differences
                    .extend(unverified(&claims, "its account cannot be used"));
                caller.leave_out(&account_region, cause);
            }
        }
    }
    let asked = side_by_side(usable, most, |(requests, claims)| async move {
        let found = in_region(requests, claims.clone(), questions).await;
        Some(found.unwrap_or_else(|| Answers {
            differences: unverified(&claims, "its Region gave no answer"),
            usable: Vec::new(),
        }))
    });
    let asked = asked.await;
    if let Some(stop) = caller.stopped() {
        return Err(stop);
    }
    let lost = || Stop::Internal("a Region was left without an answer".to_owned());
    for found in asked.ok_or_else(lost)? {
        all.differences.extend(found.differences);
        all.usable.extend(found.usable);
    }
    let place = |found: &Difference| (found.device_id.clone(), found.kind);
    all.differences.sort_by_key(place);
    all.usable
        .sort_by(|one, other| one.device_id.cmp(&other.device_id));
    Ok(all)
}

fn unverified(claims: &[Claim], why: &str) -> Vec<Difference> {
    let unverified = |claim: &Claim| claim.lacks(Kind::Unverified, why);
    claims.iter().map(unverified).collect()
}

/// Compares the claims of one Region. None if it was stopped, in this Region or in all.
async fn in_region(
    requests: Requests,
    claims: Vec<Claim>,
    questions: Questions,
) -> Option<Answers> {
    let workers = questions.workers;
    let (mut present, differences) = compare(&requests, claims, workers).await?;
    let mut found = Answers {
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

/// The claims whose channel exists, and what differs. A channel that was not listed, or listed with differences, may have
/// changed since: it is described.
async fn compare(
    requests: &Requests,
    claims: Vec<Claim>,
    workers: usize,
) -> Option<(Vec<Claim>, Vec<Difference>)> {
    let names = claims.iter().map(|claim| &claim.name);
    let listed = list_existing(requests, names, "each is described").await?;
    let there = listed.unwrap_or_default();
    let (open, mut present): (Vec<Claim>, Vec<Claim>) = claims
        .into_iter()
        .partition(|claim| !claim.compare(there.get(&claim.name)).is_empty());
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
    Some((present, differences))
}

async fn describe(requests: Requests, claim: Claim) -> Option<(Claim, Vec<Difference>)> {
    let found = match answered(requests.describe(&claim.name).await)? {
        Ok(channel) => claim.compare(Some(&channel)),
        Err(failure) if failure.kind == FailureKind::NotFound => claim.compare(None),
        Err(failure) => vec![claim.lacks(Kind::Unverified, &words(&failure))],
    };
    Some((claim, found))
}

async fn tags(requests: Requests, claim: Claim) -> Option<Vec<Difference>> {
    Some(match answered(requests.tags(&claim.arn).await)? {
        Ok(tags) => claim.compare_tags(&tags),
        Err(failure) => vec![claim.lacks(Kind::Unverified, &format!("tags: {}", words(&failure)))],
    })
}

/// Sends the requests of the channel's camera. None if it was stopped.
async fn endpoints(
    requests: Requests,
    claim: Claim,
    with_ice: bool,
) -> Option<Result<Usable, Difference>> {
    let endpoints = match answered(requests.endpoints(&claim.arn).await)? {
        Ok(endpoints) => endpoints,
        Err(failure) => return Some(Err(claim.lacks(Kind::Endpoints, &words(&failure)))),
    };
    let mut ice_servers = Vec::new();
    if with_ice {
        let asked = requests.ice_servers(&claim.arn, &endpoints.https).await;
        ice_servers = match answered(asked)? {
            Ok(servers) => servers,
            Err(failure) => return Some(Err(claim.lacks(Kind::IceServers, &words(&failure)))),
        };
        if !ice_servers.iter().any(|uri| uri.starts_with("turn")) {
            let found = match ice_servers.join(", ") {
                none if none.is_empty() => "no server at all".to_owned(),
                servers => servers,
            };
            return Some(Err(claim.lacks(Kind::IceServers, &found)));
        }
    }
    Some(Ok(Usable {
        account: claim.arn.parts().account.into(),
        device_id: claim.device_id,
        region: claim.account_region.region.as_str().into(),
        wss: endpoints.wss,
        https: endpoints.https,
        ice_servers,
    }))
}

fn words(failure: &Failure) -> String {
    format!("{}: {}", failure.code, failure.message)
}
