//! Whose the rows are that name no account.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::domain::device::{AccountId, AccountRegion};
use crate::manifest::ValidRow;

/// The account of rows that name none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum OwnAccount {
    /// No row names an account: all are of one.
    #[default]
    Only,
    /// Others name accounts, and this is that of the run's own credentials.
    Known(AccountId),
    /// Others name accounts. Nobody was asked which is that of the run's own credentials: it is taken for one that no row
    /// names.
    NotAsked,
}

impl OwnAccount {
    /// Whether a channel of another device may be in the account that is asked for.
    pub(super) fn may_share(&self, other: &AccountRegion, asked: &AccountRegion) -> bool {
        *self != Self::NotAsked || other.account == asked.account
    }

    /// Two rows of a device with the same fingerprint ask for the same, in the account that it has in both.
    pub(super) fn fingerprint(&self, valid: &ValidRow<'_>) -> u64 {
        let fingerprint = valid.fingerprint();
        if *self != Self::NotAsked {
            return fingerprint;
        }
        let mut hasher = DefaultHasher::new();
        (fingerprint, valid.account()).hash(&mut hasher);
        hasher.finish()
    }
}
