//! The Regions of a run before its first create: whether the service is offered there, and what exists there already.

use std::collections::BTreeMap;

use tracing::warn;

use super::{ProvisionEngine, Run};
use crate::commands::guard::Guard;
use crate::commands::target::{Target, regions_of};
use crate::domain::device::{AccountRegion, Device, DeviceIndex};
use crate::engine::{Listing, Stop};
use crate::error::Error;

impl Run {
    /// Lists what exists in all accounts and Regions, and refuses an account that was not meant.
    pub(super) async fn list_existing(
        &mut self,
        target: &Target,
        guard: &Guard,
        engine: &mut ProvisionEngine,
    ) -> Result<(), Error> {
        if self.config.reconcile.list {
            engine.list_existing().await;
            self.check_listing(guard, engine)?;
        }
        let was_listed =
            |listing: Option<&Listing>| listing.is_some_and(|listing| listing.total > 0);
        if !engine.listings().any(|(_, listing, _)| was_listed(listing)) {
            // Neither STS nor an ARN has named the account, or that follows with the first Region.
            target.check_known(guard)?;
        }
        Ok(())
    }

    /// Refuses an account that was not meant, and says what would not fit into the account.
    fn check_listing(&mut self, guard: &Guard, engine: &ProvisionEngine) -> Result<(), Error> {
        match self.stop.cause() {
            // Nothing was attempted, and what is configured must change.
            Some(stop @ (Stop::WrongAccount { .. } | Stop::NotOffered { .. })) => {
                return Err(Error::NotBegun(stop));
            }
            Some(stop) => return Err(stop.into()),
            None => {}
        }
        let account = engine.account();
        self.summary.account = account.as_ref().map(ToString::to_string);
        // STS may not have named it, but the ARN of a listed channel.
        if let Some(objection) = account.as_ref().and_then(|found| guard.objection(found)) {
            return Err(Error::refused("wrong-account", objection));
        }
        for (account_region, listing, work) in engine.listings() {
            let Some(listing) = listing else { continue };
            let quota = self.config.channel_quota(account_region, account.as_ref());
            let fresh = work.missing_from(listing);
            let there = listing.total;
            if (there + fresh) as u64 > quota {
                warn!(
                    "{account_region} has {there} channels and {fresh} are to be created, but the account's limit is {quota} \
                     (--channel-quota, --quotas): expect the service to refuse the rest, or ask AWS support for more first"
                );
            }
        }
        Ok(())
    }
}

/// What each account and Region is to do.
type Regions = BTreeMap<AccountRegion, Vec<(DeviceIndex, Device)>>;
/// The parts of a run that cannot be worked in, and why.
type LeftOut = Vec<(AccountRegion, Stop)>;

/// Takes out the Regions in which the service is not offered. Refuses a run that has no other.
pub(super) async fn not_offered(target: &Target, regions: &mut Regions) -> Result<LeftOut, Error> {
    let all: Vec<AccountRegion> = regions.keys().cloned().collect();
    let names = regions_of(&all);
    let not_offered = target.not_offered(&names).await;
    if let Some((_, failure)) = not_offered.first()
        && not_offered.len() == names.len()
    {
        let failure = failure.clone();
        let stop = Stop::NotOffered {
            regions: names,
            failure,
        };
        return Err(Error::NotBegun(stop));
    }
    let cause = |account_region: &AccountRegion| {
        let region = &account_region.region;
        let (_, failure) = not_offered.iter().find(|(other, _)| other == region)?;
        Some(Stop::NotOffered {
            regions: vec![region.clone()],
            failure: failure.clone(),
        })
    };
    Ok(take_out(regions, cause))
}

/// Takes out what has such a cause.
fn take_out(regions: &mut Regions, cause: impl Fn(&AccountRegion) -> Option<Stop>) -> LeftOut {
    let mut left_out = Vec::new();
    regions.retain(|account_region, _| match cause(account_region) {
        Some(cause) => {
            left_out.push((account_region.clone(), cause));
            false
        }
        None => true,
    });
    left_out
}
