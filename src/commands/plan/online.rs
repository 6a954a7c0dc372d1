//! What only the service knows of a plan: the account, and which channels exist.

use std::collections::HashSet;
use std::sync::Arc;

use super::outline::Outline;
use crate::aws::AwsService;
use crate::commands::run_config::RunConfig;
use crate::commands::target::{Target, introduce};
use crate::domain::clock::WallClock;
use crate::domain::device::DeviceIndex;
use crate::domain::device::{AccountId, Region};
use crate::domain::service::ChannelStatus;
use crate::engine::event::Listeners;
use crate::engine::{Caller, EngineParts, RegionCaller, Stop, StopSignal, Unanswered};
use crate::error::Error;
use crate::fleet::known_devices::KnownDevices;

/// Asks the service, and adds the answers to the plan.
pub(super) async fn ask(
    config: &RunConfig,
    target: &Target,
    expected: Option<AccountId>,
    wanted: &Wanted<'_>,
    stop: &StopSignal,
    outline: &mut Outline,
) -> Result<(), Error> {
    let regions = offered(target, outline).await;
    if regions.is_empty() {
        return Ok(());
    }
    target.identify_in(&regions, stop).await?;
    target.check_account(expected.as_ref())?;
    introduce(target, &regions);
    let mut account = target.account().cloned().or(expected);
    let several = regions.len() > 1;
    for region in regions {
        // Of its own, since one Region that gives no answer does not stop the others.
        let caller = Caller::new(EngineParts {
            settings: config.engine(account.clone()),
            sink: Arc::new(()),
            listeners: Listeners::default(),
            stop: StopSignal::new(),
            clock: WallClock::system(),
        });
        let asked = caller.region(region.clone(), target.service(&region));
        let (existing, to_adopt) = match list(&asked, wanted).await {
            Ok(listed) => listed,
            Err(Unanswered::Stopped) => {
                let unknown = || Stop::Internal("asking ended without a word".to_owned());
                let cause = caller.end().unwrap_or_else(unknown);
                if several && cause.is_of_one_region() {
                    outline.trouble(&region, &cause);
                    continue;
                }
                return Err(cause.into());
            }
            Err(Unanswered::Refused(failure)) => {
                tracing::warn!(
                    "the channels in {region} cannot be listed ({}: {}); a run goes on without",
                    failure.code,
                    failure.message
                );
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
    wanted: &Wanted<'_>,
) -> Result<(u64, u64), Unanswered> {
    let (mut existing, mut to_adopt) = (0, 0);
    let listed = asked.list(|page| {
        existing += page.len() as u64;
        let living = page.iter().filter(|channel| {
            channel.status != ChannelStatus::Deleting
                && wanted.has(asked.region(), channel.name.as_str())
        });
        to_adopt += living.count() as u64;
    });
    listed.await?;
    Ok((existing, to_adopt))
}

/// The devices that a run would attempt.
pub(super) struct Wanted<'a> {
    pub(super) known_devices: &'a KnownDevices,
    pub(super) to_do: HashSet<DeviceIndex>,
}

impl Wanted<'_> {
    /// Whether one of them asks for this name.
    fn has(&self, region: &Region, name: &str) -> bool {
        let mut holders = self.known_devices.holders(region, name);
        holders.any(|index| self.to_do.contains(&index))
    }
}
