//! The accounts that exist, and their channels in each Region. An account exists from the first request that uses it on,
//! until there are as many as the settings allow.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::EmulatorSettings;
use super::access_key::AccountNumber;
use super::snapshot::{AccountSnapshot, RegionSnapshot};
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

    /// The accounts of an earlier emulator, also if there are more of them than the settings allow.
    pub(super) fn restore(&mut self, accounts: Vec<AccountSnapshot>) {
        for AccountSnapshot { account, regions } in accounts {
            let regions = regions.into_iter().map(|saved| {
                let store = Store::restore(saved.newest_gone, saved.channels);
                (saved.region, store)
            });
            self.by_number.insert(account, regions.collect());
        }
    }

    /// All accounts with their channels, in the order of their numbers and Regions.
    pub(super) fn contents(&self) -> Vec<AccountSnapshot> {
        let accounts: BTreeMap<_, _> = self.by_number.iter().collect();
        let accounts = accounts.into_iter().map(|(account, regions)| {
            let regions: BTreeMap<_, _> = regions.iter().collect();
            let regions = regions.into_iter().map(|(region, store)| {
                let (newest_gone, channels) = store.contents();
                RegionSnapshot {
                    region: region.clone(),
                    newest_gone,
                    channels,
                }
            });
            AccountSnapshot {
                account: *account,
                regions: regions.collect(),
            }
        });
        accounts.collect()
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
