//! What only the service knows of a plan: the account, and which channels exist.

use super::outline::Outline;
use crate::aws::AwsService;
use crate::commands::asking::{answered, caller, say_not_listed};
use crate::commands::run_config::RunConfig;
use crate::commands::target::Target;
use crate::domain::device::{AccountId, Region};
use crate::domain::service::ChannelStatus;
use crate::engine::event::Listeners;
use crate::engine::{RegionCaller, Stop, StopSignal, Unanswered};
use crate::error::Error;

/// Asks the service, and adds the answers to the plan. `is_wanted` tells whether a run would attempt a device with this
/// channel name.
pub(super) async fn ask(
    config: &RunConfig,
    target: &Target,
    expected: Option<AccountId>,
    is_wanted: impl Fn(&Region, &str) -> bool,
    stop: &StopSignal,
    outline: &mut Outline,
) -> Result<(), Error> {
    let regions = offered(target, outline).await;
    if regions.is_empty() {
        return Ok(());
    }
    let mut account = target.meet(expected, &regions, stop).await?;
    let several = regions.len() > 1;
    for region in regions {
        // Of its own, since one Region that gives no answer does not stop the others.
        let settings = config.engine(account.clone());
        let caller = caller(settings, Listeners::default(), StopSignal::new());
        let asked = caller.region(region.clone(), target.service(&region));
        let Some(listed) = answered(list(&asked, &is_wanted).await) else {
            let unknown = || Stop::Internal("asking ended without a word".to_owned());
            let cause = caller.end().unwrap_or_else(unknown);
            if !several || !cause.is_of_one_region() {
                return Err(cause.into());
            }
            outline.trouble(&region, &cause);
            continue;
        };
        let (existing, to_adopt) = match listed {
            Ok(listed) => listed,
            Err(failure) => {
                say_not_listed(&region, &failure, "a run continues without");
                continue;
            }
        };
        account = caller.account();
        if let Some(part) = outline.regions.get_mut(region.as_str()) {
            part.existing = Some(existing);
            part.to_adopt = Some(to_adopt.min(part.to_do));
        }
    }
    outline.account = account.map(|account| account.to_string());
    outline.caller = target.caller().map(str::to_owned);
    outline.estimate();
    Ok(())
}

/// The Regions of the plan in which the service is offered; the others are noted.
async fn offered(target: &Target, outline: &mut Outline) -> Vec<Region> {
    let parse = |name: &String| Region::parse(name).ok();
    let mut regions: Vec<Region> = outline.regions.keys().filter_map(parse).collect();
    regions.extend(target.default_region().filter(|_| regions.is_empty()));
    for (region, failure) in target.not_offered(&regions).await {
        regions.retain(|other| *other != region);
        let cause = Stop::NotOffered {
            regions: vec![region.clone()],
            failure,
        };
        outline.trouble(&region, &cause);
    }
    regions
}

/// How many channels a Region has, and how many of them a run would adopt.
async fn list(
    asked: &RegionCaller<AwsService>,
    is_wanted: impl Fn(&Region, &str) -> bool,
) -> Result<(u64, u64), Unanswered> {
    let (mut existing, mut to_adopt) = (0, 0);
    let listed = asked.list(|page| {
        existing += page.len() as u64;
        let living = page.iter().filter(|channel| {
            channel.status != ChannelStatus::Deleting
                && is_wanted(asked.region(), channel.name.as_str())
        });
        to_adopt += living.count() as u64;
    });
    listed.await?;
    Ok((existing, to_adopt))
}
