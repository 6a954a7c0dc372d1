//! The accounts that exist, and their channels in each Region. An account exists from the first request that uses it on,
//! until there are as many as the settings allow.

use std::collections::{HashMap, HashSet};

use super::EmulatorSettings;
use super::access_key::AccountNumber;
use super::store::Store;
use crate::domain::device::Region;

/// The most Regions of an account: more than AWS has, and few enough that no client can exhaust the memory by inventing
/// them.
pub(super) const MOST_REGIONS: usize = 100;

/// All accounts.
#[derive(Debug)]
pub(super) struct Accounts {
    by_number: HashMap<AccountNumber, HashMap<Region, Store>>,
    denied: HashSet<AccountNumber>,
    most: usize,
}

impl Accounts {
    pub(super) fn new(settings: &EmulatorSettings) -> Self {
        Self {
            by_number: HashMap::from([(AccountNumber::OWN, HashMap::new())]),
            denied: settings.deny_accounts.iter().map(Into::into).collect(),
            most: settings.accounts,
        }
    }

    /// An account. `None` if it may not be used, or would be one too many.
    pub(super) fn open(&mut self, account: AccountNumber) -> Option<&mut HashMap<Region, Store>> {
        // The emulator's own account is not counted.
        let is_full = self.by_number.len() > self.most;
        if self.denied.contains(&account) || (is_full && !self.by_number.contains_key(&account)) {
            return None;
        }
        Some(self.by_number.entry(account).or_default())
    }

    /// The channels of an account in a Region, if anything was requested there.
    pub(super) fn get(&self, account: AccountNumber, region: &Region) -> Option<&Store> {
        self.by_number.get(&account)?.get(region)
    }
}

/// The channels in a Region. `None` if it would be one too many.
pub(super) fn store<'a>(
    regions: &'a mut HashMap<Region, Store>,
    region: &Region,
) -> Option<&'a mut Store> {
    if !regions.contains_key(region) {
        if regions.len() >= MOST_REGIONS {
            return None;
        }
        regions.insert(region.clone(), Store::default());
    }
    regions.get_mut(region)
}
