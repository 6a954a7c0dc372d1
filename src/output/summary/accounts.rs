//! The accounts of a run whose rows name them: what each has, what is left, and why.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::device::AccountId;
use crate::engine::Stop;
use crate::output::stats::AccountTotals;

/// One account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct AccountSummary {
    pub(crate) account: String,
    /// Why its part of the run ended, in one word.
    pub(crate) reason: &'static str,
    /// Why it ended early, in a sentence.
    pub(crate) message: Option<String>,
    pub(crate) created: u64,
    pub(crate) exists: u64,
    pub(crate) failed: u64,
    /// Devices without a channel that another run would attempt.
    pub(crate) remaining: u64,
}

/// The accounts of a run that ended for this reason, also those that it could not even begin.
pub(crate) fn of(
    totals: &BTreeMap<AccountId, AccountTotals>,
    stop: Option<&Stop>,
    reason: &'static str,
) -> Vec<AccountSummary> {
    let mut totals = totals.clone();
    for account in stop.map(Stop::accounts).unwrap_or_default() {
        totals.entry(account.clone()).or_default();
    }
    let account = |(account, totals): (&AccountId, &AccountTotals)| {
        let cause = stop.and_then(|stop| stop.of_account(account));
        AccountSummary {
            account: account.to_string(),
            reason: match cause {
                Some(cause) => cause.reason(),
                None if totals.left == 0 && totals.behind_limit > 0 => "limit",
                None if totals.left == 0 => "complete",
                None => reason,
            },
            message: cause.map(ToString::to_string),
            created: totals.created,
            exists: totals.exists,
            failed: totals.failed,
            remaining: totals.left + totals.behind_limit + totals.failed,
        }
    };
    totals.iter().map(account).collect()
}

/// What is left in each account, as lines of text.
pub(super) fn lines(accounts: &[AccountSummary]) -> impl Iterator<Item = String> {
    let left = accounts.iter().filter(|account| account.remaining > 0);
    left.map(|account| {
        let (number, reason) = (&account.account, account.reason);
        let count = account.remaining - account.failed;
        match (account.failed, count) {
            (failed, 0) => format!("  {failed} failed in account {number}"),
            (0, _) => format!("  {count} to go in account {number} ({reason})"),
            (failed, _) => {
                format!("  {failed} failed and {count} to go in account {number} ({reason})")
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_account_has_its_own_reason() {
        let account = |text: &str| AccountId::parse(text).unwrap();
        let totals = |created, left| AccountTotals {
            created,
            left,
            ..AccountTotals::default()
        };
        let all = [
            (account("111122223333"), totals(300, 0)),
            (account("444455556666"), totals(0, 300)),
            (account("777788889999"), totals(10, 290)),
        ];
        let cause = Box::new(Stop::WrongAccount {
            expected: account("444455556666"),
            found: account("111122223333"),
        });
        let stop = Stop::Account {
            account: account("444455556666"),
            cause,
        };
        let found = of(&all.into(), Some(&stop), "interrupted");
        let reasons: Vec<_> = found
            .iter()
            .map(|account| (account.reason, account.remaining))
            .collect();
        assert_eq!(
            reasons,
            [
                ("complete", 0),
                ("wrong-account", 300),
                ("interrupted", 290)
            ]
        );
        assert_eq!(
            lines(&found).collect::<Vec<_>>(),
            [
                "  300 to go in account 444455556666 (wrong-account)",
                "  290 to go in account 777788889999 (interrupted)",
            ]
        );
    }
}
