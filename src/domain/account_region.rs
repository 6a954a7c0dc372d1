//! An account and Region: where channel names are unique, and what the service's quotas are for.

use std::fmt;

use super::account::AccountId;
use super::region::Region;

/// An account and a Region. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountRegion {
    /// None where nothing names the account: then it is that of the run's own credentials.
    pub account: Option<AccountId>,
    pub region: Region,
}

impl AccountRegion {
    /// The same in this account, unless one is named.
    pub(crate) fn or_account(&self, account: Option<&AccountId>) -> Self {
        Self {
            account: self.account.clone().or_else(|| account.cloned()),
            region: self.region.clone(),
        }
    }

    /// Whether both may be the same: an account that is not named may be any.
    pub(crate) fn may_be(&self, other: &Self) -> bool {
        let same_account = match (&self.account, &other.account) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        same_account && self.region == other.region
    }
}

/// A Region whose account is that of the run's own credentials.
impl From<Region> for AccountRegion {
    fn from(region: Region) -> Self {
        Self {
            account: None,
            region,
        }
    }
}

impl fmt::Display for AccountRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.account {
            Some(account) => write!(f, "{} (account {account})", self.region),
            None => self.region.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(account: Option<&str>, region: &str) -> AccountRegion {
        AccountRegion {
            account: account.map(|account| AccountId::parse(account).unwrap()),
            region: Region::parse(region).unwrap(),
        }
    }

    #[test]
    fn an_account_that_is_not_named_may_be_any() {
        let own = parsed(None, "eu-west-1");
        let one = parsed(Some("111122223333"), "eu-west-1");
        let other = parsed(Some("444455556666"), "eu-west-1");
        assert!(own.may_be(&one) && one.may_be(&own) && one.may_be(&one));
        assert!(!one.may_be(&other));
        assert!(!own.may_be(&parsed(None, "us-east-1")));
        assert_eq!(one.to_string(), "eu-west-1 (account 111122223333)");
        assert_eq!(own.to_string(), "eu-west-1");
    }
}
