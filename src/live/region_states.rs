//! What each account and Region of a run is doing.

use std::collections::{BTreeSet, HashMap};

use crate::domain::device::{AccountId, AccountRegion};
use crate::engine::Stop;

/// What an account and Region is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum RegionState {
    /// Nothing yet.
    #[default]
    Waiting,
    /// Existing channels are listed.
    Listing,
    /// Channels are created.
    Creating,
    /// Its credentials were refused; new ones are fetched.
    WaitingForCredentials,
    /// No request gets an answer.
    NoAnswer,
    /// It ended before its work was done: the reason in one word.
    Stopped(&'static str),
    Done,
}

impl RegionState {
    /// As it is shown.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Listing => "listing",
            Self::Creating => "creating",
            Self::WaitingForCredentials => "waiting for credentials",
            Self::NoAnswer => "no answer",
            Self::Stopped("account-full") => "channel limit reached",
            Self::Stopped("access-denied" | "role-denied") => "denied",
            Self::Stopped("offline" | "unreachable") => "network gone",
            Self::Stopped("not-offered") => "service not offered",
            Self::Stopped("wrong-account") => "wrong account",
            Self::Stopped("credentials") => "credentials refused",
            Self::Stopped("throttled") => "throttled for too long",
            Self::Stopped(_) => "stopped",
            Self::Done => "done",
        }
    }

    /// Whether the operator may have to act.
    pub(super) fn is_trouble(self) -> bool {
        matches!(
            self,
            Self::WaitingForCredentials | Self::NoAnswer | Self::Stopped(_)
        )
    }
}

/// The states of all accounts and Regions that have begun.
#[derive(Debug, Clone, Default)]
pub(super) struct RegionStates {
    states: HashMap<AccountRegion, RegionState>,
    /// Accounts that wait for credentials, as the rows name them.
    without_credentials: BTreeSet<Option<AccountId>>,
}

impl RegionStates {
    pub(super) fn of(&self, account_region: &AccountRegion) -> RegionState {
        let state = self.states.get(account_region);
        let state = state.copied().unwrap_or_default();
        let is_over = matches!(state, RegionState::Stopped(_) | RegionState::Done);
        if !is_over && self.without_credentials.contains(&account_region.account) {
            return RegionState::WaitingForCredentials;
        }
        state
    }

    pub(super) fn set(&mut self, account_region: &AccountRegion, state: RegionState) {
        let known = self.states.entry(account_region.clone()).or_default();
        // What ended a Region stays its state.
        if !matches!(known, RegionState::Stopped(_)) {
            *known = state;
        }
    }

    /// Answers arrive again.
    pub(super) fn answers(&mut self, account_region: &AccountRegion, has_begun: bool) {
        let state = if has_begun {
            RegionState::Creating
        } else {
            RegionState::Listing
        };
        self.set(account_region, state);
    }

    pub(super) fn await_credentials(&mut self, account: Option<&AccountId>, is_waiting: bool) {
        if is_waiting {
            self.without_credentials.insert(account.cloned());
        } else {
            self.without_credentials.remove(&account.cloned());
        }
    }

    /// An account, or Regions of it, ended. `known` are all accounts and Regions of the run.
    pub(super) fn stop<'a>(
        &mut self,
        account: Option<&AccountId>,
        cause: &Stop,
        known: impl Iterator<Item = &'a AccountRegion>,
    ) {
        let regions = cause.regions();
        for account_region in known {
            let is_meant = account_region.account.as_ref() == account
                && (regions.is_empty() || regions.contains(&account_region.region));
            if is_meant {
                self.set(account_region, RegionState::Stopped(cause.reason()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::device::Region;
    use crate::domain::service::{Failure, FailureKind};

    fn of(account: Option<&str>, region: &str) -> AccountRegion {
        AccountRegion {
            account: account.map(|account| AccountId::parse(account).unwrap()),
            region: Region::parse(region).unwrap(),
        }
    }

    #[test]
    fn a_full_region_stays_full_and_the_others_go_on() {
        let mut states = RegionStates::default();
        let (full, other) = (of(None, "eu-central-1"), of(None, "us-east-1"));
        states.set(&full, RegionState::Creating);
        states.set(&other, RegionState::Creating);
        let cause = Stop::AccountFull {
            regions: vec![full.region.clone()],
            failure: Failure::new(FailureKind::AccountFull, "AccountChannelLimitExceeded", ""),
        };
        states.stop(None, &cause, [&full, &other].into_iter());
        states.set(&full, RegionState::Done);
        states.set(&other, RegionState::Done);
        assert_eq!(states.of(&full).name(), "channel limit reached");
        assert_eq!(states.of(&other), RegionState::Done);
    }

    #[test]
    fn all_regions_of_an_account_wait_for_its_credentials() {
        let mut states = RegionStates::default();
        let (one, other) = ("111122223333", "444455556666");
        let regions = [of(Some(one), "eu-central-1"), of(Some(one), "us-east-1")];
        let elsewhere = of(Some(other), "us-east-1");
        states.set(&regions[0], RegionState::Creating);
        let account = AccountId::parse(one).unwrap();
        states.await_credentials(Some(&account), true);
        for region in &regions {
            assert_eq!(states.of(region), RegionState::WaitingForCredentials);
        }
        assert_eq!(states.of(&elsewhere), RegionState::Waiting);
        states.await_credentials(Some(&account), false);
        assert_eq!(states.of(&regions[0]), RegionState::Creating);
    }
}
