//! The devices of each account in a run of several.

use std::collections::BTreeMap;

use super::region::RegionStats;
use crate::domain::device::AccountId;

/// The devices of one account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AccountTotals {
    pub(crate) created: u64,
    pub(crate) exists: u64,
    pub(crate) failed: u64,
    /// Devices without an outcome, of those that were to be attempted.
    pub(crate) left: u64,
    /// Devices that `--limit` leaves to another run.
    pub(crate) behind_limit: u64,
    /// Whether every Region of it has ended.
    pub(crate) has_ended: bool,
}

/// The accounts of these Regions; none of a run whose rows name no account.
pub(super) fn by_account(regions: &[RegionStats]) -> BTreeMap<AccountId, AccountTotals> {
    let mut accounts = BTreeMap::new();
    for region in regions {
        let Some(account) = &region.account_region.account else {
            continue;
        };
        let totals = accounts
            .entry(account.clone())
            .or_insert_with(|| AccountTotals {
                has_ended: true,
                ..AccountTotals::default()
            });
        let [created, exists, failed] = region.outcomes();
        totals.created += created;
        totals.exists += exists;
        totals.failed += failed;
        totals.left += region.left();
        totals.has_ended &= region.has_ended();
    }
    accounts
}
