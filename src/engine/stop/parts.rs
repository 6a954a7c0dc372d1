//! Accounts and Regions that end while the run goes on: their causes as one.

use std::collections::BTreeMap;

use super::Stop;
use crate::domain::device::{AccountId, Region};

/// The most causes that a message names.
const MOST_NAMED: usize = 3;

impl Stop {
    /// The Regions that this is about; none if it is about a whole account or run.
    pub(crate) fn regions(&self) -> &[Region] {
        match self {
            Self::AccountFull { regions, .. } | Self::NotOffered { regions, .. } => regions,
            Self::Unreachable { region, .. }
            | Self::Offline { region, .. }
            | Self::Throttled { region, .. } => std::slice::from_ref(region),
            _ => &[],
        }
    }

    /// Why accounts, or Regions of them, ended, as one cause; none if none did.
    pub(crate) fn of_parts(causes: &[(Option<AccountId>, Self)]) -> Option<Self> {
        let mut by_account = BTreeMap::new();
        for (account, cause) in causes {
            let causes: &mut Vec<Self> = by_account.entry(account).or_default();
            causes.push(cause.clone());
        }
        let of_account = |(account, causes): (&Option<AccountId>, Vec<Self>)| {
            let cause = Self::of_regions(&causes)?;
            Some(match account.clone() {
                Some(account) => Self::Account {
                    account,
                    cause: Box::new(cause),
                },
                None => cause,
            })
        };
        Self::together(by_account.into_iter().filter_map(of_account).collect())
    }

    /// Why Regions ended, as one cause; none if none did. A cause that several share is named once.
    fn of_regions(causes: &[Self]) -> Option<Self> {
        let (mut full, mut not_offered, mut all) = (None, None, Vec::new());
        for cause in causes {
            let (place, regions, failure) = match cause {
                Self::AccountFull { regions, failure } => (&mut full, regions, failure),
                Self::NotOffered { regions, failure } => (&mut not_offered, regions, failure),
                other => {
                    // A role that is refused is so in each Region.
                    if !all.contains(other) {
                        all.push(other.clone());
                    }
                    continue;
                }
            };
            let (together, _) = place.get_or_insert_with(|| (Vec::new(), failure.clone()));
            together.extend_from_slice(regions);
        }
        all.extend(full.map(|(regions, failure)| Self::AccountFull { regions, failure }));
        all.extend(not_offered.map(|(regions, failure)| Self::NotOffered { regions, failure }));
        Self::together(all)
    }

    fn together(mut causes: Vec<Self>) -> Option<Self> {
        if causes.len() > 1 {
            return Some(Self::Several(causes));
        }
        causes.pop()
    }

    /// Why this account ended, if it did.
    pub(crate) fn of_account(&self, wanted: &AccountId) -> Option<&Self> {
        match self {
            Self::Account { account, cause } if account == wanted => Some(cause),
            Self::Several(causes) => causes.iter().find_map(|cause| cause.of_account(wanted)),
            _ => None,
        }
    }

    /// The accounts that ended early.
    pub(crate) fn accounts(&self) -> Vec<&AccountId> {
        match self {
            Self::Account { account, .. } => vec![account],
            Self::Several(causes) => causes.iter().flat_map(Self::accounts).collect(),
            _ => Vec::new(),
        }
    }
}

/// The first causes, and how many more there are: each has a warning of its own, and a reason in the summary.
pub(super) fn several(causes: &[Stop]) -> String {
    let mut named: Vec<String> = causes
        .iter()
        .take(MOST_NAMED)
        .map(Stop::to_string)
        .collect();
    if causes.len() > MOST_NAMED {
        named.push(format!("and {} more", causes.len() - MOST_NAMED));
    }
    named.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::device::Region;
    use crate::domain::service::{Failure, FailureKind};

    #[test]
    fn what_ended_several_regions_is_one_cause() {
        let region = |name: &str| Region::parse(name).unwrap();
        let failure = |message: &str| Failure::new(FailureKind::Unreachable, "DnsFailed", message);
        let not_offered = |name: &str| Stop::NotOffered {
            regions: vec![region(name)],
            failure: failure("there is no such host."),
        };
        let unreachable = Stop::Unreachable {
            region: region("eu-west-1"),
            failure: failure("no route"),
        };
        assert_eq!(Stop::of_regions(&[]), None);
        let nowhere = Stop::of_regions(&[not_offered("us-west-1"), not_offered("ca-west-1")]);
        let nowhere = nowhere.unwrap();
        assert_eq!((nowhere.reason(), nowhere.exit_code()), ("not-offered", 3));
        let text = nowhere.to_string();
        assert!(
            text.contains("offered in ca-west-1, us-west-1: there is no such host. Give"),
            "{text}"
        );
        // A rerun may help where one Region may come back.
        let both = Stop::of_regions(&[not_offered("us-west-1"), unreachable]).unwrap();
        assert_eq!((both.reason(), both.exit_code()), ("unreachable", 1));
        let text = both.to_string();
        assert!(
            text.contains("eu-west-1 cannot be reached") && text.contains("us-west-1"),
            "{text}"
        );
    }
}
