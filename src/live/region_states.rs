//! What each account and Region of a run is doing.

use std::collections::{BTreeSet, HashMap};

use crate::domain::device::{AccountId, AccountRegion, Region};
use crate::engine::Stop;

/// What an account and Region is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum RegionState {
    /// Nothing yet.
    #[default]
    Waiting,
    /// Existing channels are listed.
    Listing,
    /// Requests for devices are sent.
    Working,
    /// Its credentials were refused; new ones are fetched.
    WaitingForCredentials,
    /// No request gets an answer.
    NoAnswer,
    /// It ended before its work was done: the reason in one word.
    Stopped(&'static str),
    Done,
}

impl RegionState {
    /// As it is shown; `working` says what the command does.
    pub(super) fn name(self, working: &'static str) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Listing => "listing",
            Self::Working => working,
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

/// Why an account, or Regions of it, ended.
#[derive(Debug, Clone)]
struct PartStop {
    /// As the rows name it.
    account: Option<AccountId>,
    /// All, if empty.
    regions: Vec<Region>,
    reason: &'static str,
}

impl PartStop {
    fn is_of(&self, account_region: &AccountRegion) -> bool {
        self.account == account_region.account
            && (self.regions.is_empty() || self.regions.contains(&account_region.region))
    }
}

/// The states of all accounts and Regions that have begun.
#[derive(Debug, Clone, Default)]
pub(super) struct RegionStates {
    states: HashMap<AccountRegion, RegionState>,
    stops: Vec<PartStop>,
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

    /// What ended a Region stays its state.
    pub(super) fn set(&mut self, account_region: &AccountRegion, state: RegionState) {
        let mut stops = self.stops.iter();
        let stop = stops.find(|stop| stop.is_of(account_region));
        let state = stop.map_or(state, |stop| RegionState::Stopped(stop.reason));
        self.states.insert(account_region.clone(), state);
    }

    pub(super) fn await_credentials(&mut self, account: Option<&AccountId>, is_waiting: bool) {
        if is_waiting {
            self.without_credentials.insert(account.cloned());
        } else {
            self.without_credentials.remove(&account.cloned());
        }
    }

    /// An account, or Regions of it, ended: those that are not done, and those that are not known yet.
    pub(super) fn stop(&mut self, account: Option<&AccountId>, cause: &Stop) {
        let stop = PartStop {
            account: account.cloned(),
            regions: cause.regions().to_vec(),
            reason: cause.reason(),
        };
        for (account_region, state) in &mut self.states {
            if *state != RegionState::Done && stop.is_of(account_region) {
                *state = RegionState::Stopped(stop.reason);
            }
        }
        self.stops.push(stop);
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
        states.set(&full, RegionState::Working);
        states.set(&other, RegionState::Working);
        let cause = Stop::AccountFull {
            regions: vec![full.region.clone()],
            failure: Failure::new(FailureKind::AccountFull, "AccountChannelLimitExceeded", ""),
        };
        states.stop(None, &cause);
        states.set(&full, RegionState::Done);
        states.set(&other, RegionState::Done);
        assert_eq!(states.of(&full).name("creating"), "channel limit reached");
        assert_eq!(states.of(&other), RegionState::Done);
    }

    #[test]
    fn an_account_that_ends_keeps_what_is_done_and_ends_what_comes_later() {
        let mut states = RegionStates::default();
        let account = "111122223333";
        let [done, at_work, later] =
            ["eu-central-1", "us-east-1", "us-west-2"].map(|region| of(Some(account), region));
        states.set(&done, RegionState::Done);
        states.set(&at_work, RegionState::Working);
        let failure = Failure::new(FailureKind::Denied, "AccessDeniedException", "");
        let cause = Stop::Denied {
            devices: 20,
            failure,
        };
        states.stop(Some(&AccountId::parse(account).unwrap()), &cause);
        states.set(&later, RegionState::Done);
        assert_eq!(states.of(&done), RegionState::Done);
        assert_eq!(states.of(&at_work).name("creating"), "denied");
        assert_eq!(states.of(&later).name("creating"), "denied");
    }

    #[test]
    fn all_regions_of_an_account_wait_for_its_credentials() {
        let mut states = RegionStates::default();
        let (one, other) = ("111122223333", "444455556666");
        let regions = [of(Some(one), "eu-central-1"), of(Some(one), "us-east-1")];
        let elsewhere = of(Some(other), "us-east-1");
        states.set(&regions[0], RegionState::Working);
        let account = AccountId::parse(one).unwrap();
        states.await_credentials(Some(&account), true);
        for region in &regions {
            assert_eq!(states.of(region), RegionState::WaitingForCredentials);
        }
        assert_eq!(states.of(&elsewhere), RegionState::Waiting);
        states.await_credentials(Some(&account), false);
        assert_eq!(states.of(&regions[0]), RegionState::Working);
    }
}
