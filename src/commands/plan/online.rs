//! What only the service knows of a plan: the account, and which channels exist.

use super::outline::Outline;
use crate::aws::AwsService;
use crate::commands::asking::{answered, caller, say_not_listed};
use crate::commands::guard::Guard;
use crate::commands::quota_server;
use crate::commands::run_config::RunConfig;
use crate::commands::target::{Target, regions_of};
use crate::domain::device::AccountRegion;
use crate::domain::service::ChannelStatus;
use crate::engine::event::Listeners;
use crate::engine::{RegionCaller, Stop, StopSignal, Unanswered};
use crate::error::Error;

/// Asks the service, and adds the answers to the plan. `is_wanted` tells whether a run would attempt a device with this
/// channel name.
pub(super) async fn ask(
    config: &RunConfig,
    target: &Target,
    guard: &Guard,
    is_wanted: impl Fn(&AccountRegion, &str) -> bool,
    stop: &StopSignal,
    outline: &mut Outline,
) -> Result<(), Error> {
    let account_regions = offered(target, outline).await;
    if account_regions.is_empty() {
        return Ok(());
    }
    let access = &config.access;
    let mut account = target
        .meet_all(access, guard, &account_regions, stop)
        .await?;
    let quota_client = quota_server::join(
        config.quota_server.as_ref(),
        target,
        &Listeners::default(),
        stop,
    )
    .await?;
    let several = account_regions.len() > 1;
    for account_region in account_regions {
        let service = match target.service(&account_region) {
            Ok(service) => service,
            Err(cause) => {
                outline.trouble(&account_region, &cause);
                continue;
            }
        };
        // Of its own, since one Region that gives no answer does not stop the others.
        let settings = config.engine(account.clone());
        let quota_client = quota_client.clone();
        let caller = caller(
            settings,
            Listeners::default(),
            StopSignal::new(),
            quota_client,
        );
        let asked = caller.region(account_region.clone(), service);
        let Some(listed) = answered(list(&asked, &is_wanted).await) else {
            let unknown = || Stop::Internal("asking ended without a word".to_owned());
            let cause = caller.end().unwrap_or_else(unknown);
            let is_of_a_part = cause.is_of_one_region() || matches!(cause, Stop::Account { .. });
            if !several || !is_of_a_part {
                return Err(cause.into());
            }
            outline.trouble(&account_region, &cause);
            continue;
        };
        let (existing, to_adopt) = match listed {
            Ok(listed) => listed,
            Err(failure) => {
                say_not_listed(&account_region, &failure, "a run continues without");
                continue;
            }
        };
        account = caller.account();
        if let Some(part) = outline.parts.get_mut(&account_region) {
            part.existing = Some(existing);
            part.to_adopt = Some(to_adopt.min(part.to_do));
        }
    }
    outline.account = account.map(|account| account.to_string());
    outline.caller = target.caller().map(str::to_owned);
    outline.estimate();
    Ok(())
}

/// The accounts and Regions of the plan in which the service is offered; the others are noted.
async fn offered(target: &Target, outline: &mut Outline) -> Vec<AccountRegion> {
    let mut all: Vec<AccountRegion> = outline.parts.keys().cloned().collect();
    if all.is_empty() {
        all.extend(target.default_region().map(AccountRegion::from));
    }
    for (region, failure) in target.not_offered(&regions_of(&all)).await {
        let cause = Stop::NotOffered {
            regions: vec![region.clone()],
            failure,
        };
        all.retain(|account_region| {
            let is_offered = account_region.region != region;
            if !is_offered {
                outline.trouble(account_region, &cause);
            }
            is_offered
        });
    }
    all
}

/// How many channels a Region has, and how many of them a run would adopt.
async fn list(
    asked: &RegionCaller<AwsService>,
    is_wanted: impl Fn(&AccountRegion, &str) -> bool,
) -> Result<(u64, u64), Unanswered> {
    let (mut existing, mut to_adopt) = (0, 0);
    let listed = asked.list(|page| {
        existing += page.len() as u64;
        let living = page.iter().filter(|channel| {
            channel.status != ChannelStatus::Deleting
                && is_wanted(asked.account_region(), channel.name.as_str())
        });
        to_adopt += living.count() as u64;
    });
    listed.await?;
    Ok((existing, to_adopt))
}
