//! The devices of each account and Region by outcome.

use std::collections::BTreeMap;

use super::facts::Facts;
use crate::results::record::Status;

/// The statuses of devices in the order of the report. An invalid line was never a device of an account.
pub(crate) const OF_DEVICES: [Status; 4] = [
    Status::Created,
    Status::Exists,
    Status::Failed,
    Status::Deleted,
];

/// How many devices have each status of [`OF_DEVICES`], in their order.
pub(crate) type Outcomes = [u64; OF_DEVICES.len()];

/// The outcomes by account, empty where it is unknown, and Region, in order.
pub(crate) fn by_account_region(facts: &Facts) -> BTreeMap<(&str, &str), Outcomes> {
    let mut outcomes: BTreeMap<(&str, &str), Outcomes> = BTreeMap::new();
    for row in &facts.rows {
        let (account, region) = (facts.account(row), facts.region(row));
        let status = OF_DEVICES.iter().position(|status| *status == row.status);
        if let Some(status) = status.filter(|_| !region.is_empty()) {
            outcomes.entry((account, region)).or_default()[status] += 1;
        }
    }
    outcomes
}
