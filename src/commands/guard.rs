//! The accounts that a command may work in: those of `--account`, and that of the results.

use std::path::Path;

use crate::domain::device::AccountId;
use crate::engine::Stop;
use crate::error::Error;

/// The accounts that a command may work in.
#[derive(Debug, Clone, Default)]
pub(super) struct Guard {
    /// `--account`; empty allows any.
    allowed: Vec<AccountId>,
    /// That of the results' channels; none where there are none, or where the rows name accounts of their own.
    results: Option<AccountId>,
    /// Whether the rows name accounts: then that of the run's own credentials need not be one of them.
    of_several: bool,
}

impl Guard {
    /// Of a command whose rows name the accounts.
    pub(super) fn of_several(allowed: &[AccountId]) -> Self {
        Self {
            allowed: allowed.to_vec(),
            results: None,
            of_several: true,
        }
    }

    /// Of a command that works in one account. Refuses results of several, and of one that is not allowed.
    pub(super) fn of_one(
        allowed: &[AccountId],
        results: &[AccountId],
        file: &Path,
    ) -> Result<Self, Error> {
        let file = file.display();
        let message = match results {
            [one, other, ..] => format!(
                "the results {file} have channels in several accounts, such as {one} and {other}, but nothing says how \
                 each is reached: give --role-arn (such as arn:aws:iam::{{account}}:role/kvs-fleet) or --profile (such as \
                 fleet-{{account}}); a manifest needs the column 'account', too"
            ),
            [one] if !allowed.is_empty() && !allowed.contains(one) => format!(
                "--account is {}, but the results {file} are of the account {one}; give the right account, or another \
                 results file",
                listed(allowed)
            ),
            _ => {
                return Ok(Self {
                    allowed: allowed.to_vec(),
                    results: results.first().cloned(),
                    of_several: false,
                });
            }
        };
        Err(Error::refused("wrong-account", message))
    }

    /// The account of the run's own credentials, where only one is possible.
    pub(super) fn account(&self) -> Option<AccountId> {
        if self.of_several {
            return None;
        }
        match (&self.results, self.allowed.as_slice()) {
            (None, [one]) => Some(one.clone()),
            (results, _) => results.clone(),
        }
    }

    /// What `--account` says of the account of the run's own credentials, where it does.
    pub(super) fn flag(&self) -> Option<String> {
        (!self.allowed.is_empty() && !self.of_several).then(|| listed(&self.allowed))
    }

    /// Why the run's own credentials may not be of this account, if they may not.
    pub(super) fn objection(&self, found: &AccountId) -> Option<String> {
        if let Some(expected) = self.account().filter(|expected| expected != found) {
            let found = found.clone();
            return Some(Stop::WrongAccount { expected, found }.to_string());
        }
        let is_refused = !self.of_several && self.refuses(found);
        is_refused.then(|| {
            format!(
                "the credentials are of the account {found}, which is not among --account {}; use other credentials \
                 (--profile), or add the account",
                listed(&self.allowed)
            )
        })
    }

    /// Whether this account is not among those of `--account`.
    pub(super) fn refuses(&self, account: &AccountId) -> bool {
        !self.allowed.is_empty() && !self.allowed.contains(account)
    }
}

fn listed(accounts: &[AccountId]) -> String {
    let accounts: Vec<&str> = accounts.iter().map(AccountId::as_str).collect();
    accounts.join(", ")
}
