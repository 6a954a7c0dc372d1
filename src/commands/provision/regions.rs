//! The Regions of a run before its first create: whether the service is offered there, and what exists there already.

use std::collections::BTreeMap;

use tracing::warn;

use super::{ProvisionEngine, Run};
use crate::commands::target::Target;
use crate::domain::device::{Device, DeviceIndex, Region};
use crate::domain::service::Failure;
use crate::engine::{Listing, Stop};
use crate::error::Error;

impl Run {
    /// Lists what exists in all Regions, and refuses an account that was not meant.
    pub(super) async fn list_existing(
        &mut self,
        target: &Target,
        engine: &mut ProvisionEngine,
    ) -> Result<(), Error> {
        if self.config.reconcile.list {
            engine.list_existing().await;
            self.check_listing(engine)?;
        }
        let was_listed =
            |listing: Option<&Listing>| listing.is_some_and(|listing| listing.total > 0);
        if !engine.listings().any(|(_, listing, _)| was_listed(listing)) {
            // Neither STS nor an ARN has named the account, or that follows with the first Region.
            target.check_guard(self.config.account.as_ref())?;
        }
        Ok(())
    }

    /// Refuses an account that was not meant, and says what would not fit into the account.
    fn check_listing(&mut self, engine: &ProvisionEngine) -> Result<(), Error> {
        match self.stop.cause() {
            // Nothing was attempted, and what is configured must change.
            Some(stop @ (Stop::WrongAccount { .. } | Stop::NotOffered { .. })) => {
                return Err(Error::refused(stop.reason(), stop.to_string()));
            }
            Some(stop) => return Err(stop.into()),
            None => {}
        }
        self.summary.account = engine.account().map(|account| account.to_string());
        for (region, listing, work) in engine.listings() {
            let Some(listing) = listing else { continue };
            let quota = self.config.reconcile.channel_quota(region);
            let fresh = work.missing_from(listing);
            let there = listing.total;
            if (there + fresh) as u64 > quota {
                warn!(
                    "{region} has {there} channels and {fresh} are to be created, but the account's limit is {quota} \
                     (--channel-quota): expect the service to refuse the rest, or ask AWS support for more first"
                );
            }
        }
        Ok(())
    }
}

/// Takes out the Regions in which the service is not offered, and gives the failures. Refuses a run that has no other.
pub(super) async fn leave_out(
    target: &Target,
    regions: &mut BTreeMap<Region, Vec<(DeviceIndex, Device)>>,
) -> Result<Vec<(Region, Failure)>, Error> {
    let names: Vec<Region> = regions.keys().cloned().collect();
    let not_offered = target.not_offered(&names).await;
    if let Some((_, failure)) = not_offered.first()
        && not_offered.len() == regions.len()
    {
        let failure = failure.clone();
        let stop = Stop::NotOffered {
            regions: names,
            failure,
        };
        return Err(Error::refused(stop.reason(), stop.to_string()));
    }
    regions.retain(|region, _| not_offered.iter().all(|(other, _)| other != region));
    Ok(not_offered)
}
