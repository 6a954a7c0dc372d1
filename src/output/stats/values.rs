//! What is read of the counts: the rate now, an account and Region now, and the totals at the end.

use std::collections::BTreeMap;
use std::time::Duration;

use super::accounts::AccountTotals;
use super::counts::Requests;
use super::throttles::Throttles;
use crate::domain::device::{AccountId, AccountRegion};
use crate::engine::pace::sharing::Sharing;

/// The rate at one instant, in all Regions together.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Pace {
    /// Channels created a second over the last seconds, in the Regions that still create.
    pub(crate) now: f64,
    /// The sum of these Regions' ceilings, in requests a second; `None` if one of them has no ceiling.
    pub(crate) ceiling: Option<f64>,
    /// What the service grants these Regions together, in requests a second; `None` if nothing was throttled.
    pub(crate) grant: Option<f64>,
    /// The time left; `None` if it is unknown.
    pub(crate) ahead: Option<Duration>,
    /// How these Regions' quotas are shared with other hosts; `None` without a quota server. Of several Regions, the one with
    /// most hosts.
    pub(crate) sharing: Option<Sharing>,
}

/// The creates of one account and Region.
#[derive(Debug, Clone)]
pub(crate) struct RegionTotals {
    pub(crate) account_region: AccountRegion,
    pub(crate) creates: Requests,
    /// Channels created a second, from the first create to the last; `None` for a burst of less than a second or fewer
    /// than 20 channels.
    pub(crate) achieved: Option<f64>,
    /// The rate in force at the end, in requests a second.
    pub(crate) rate: f64,
    /// In requests a second; `None` without a ceiling.
    pub(crate) ceiling: Option<f64>,
    /// The rate granted in the last five seconds, in requests a second; `None` if nothing was throttled.
    pub(crate) grant: Option<f64>,
    /// How the quota was shared with other hosts; `None` without a quota server.
    pub(crate) sharing: Option<Sharing>,
    /// Whether throttles were ignored for a while, because a lower rate did not reduce them.
    pub(crate) has_ignored_throttles: bool,
}

/// One account and Region while the run goes on.
#[derive(Debug, Clone)]
pub(crate) struct RegionNow {
    pub(crate) account_region: AccountRegion,
    /// Devices to do, as far as they are known.
    pub(crate) devices: u64,
    /// Those of them with an outcome.
    pub(crate) finished: u64,
    /// Those of them whose outcome is a failure.
    pub(crate) failed: u64,
    pub(crate) creates: Requests,
    /// Whether its creates have begun.
    pub(crate) has_begun: bool,
    pub(crate) has_ended: bool,
    /// Over the last seconds.
    pub(crate) created_per_second: f64,
    /// The rate in force, in requests a second; 0 before its creates begin.
    pub(crate) rate: f64,
    /// In requests a second; `None` without a ceiling, or before its creates begin.
    pub(crate) ceiling: Option<f64>,
    /// The rate granted in the last five seconds, in requests a second; `None` if nothing was throttled.
    pub(crate) grant: Option<f64>,
    /// How the quota is shared with other hosts; `None` without a quota server.
    pub(crate) sharing: Option<Sharing>,
}

/// The creates of all Regions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    /// From the first create request to the last one or to the last channel. The listing before it is not included.
    pub(crate) creating: Duration,
    /// Channels created a second in that time; `None` for a burst of less than a second or fewer than 20 channels.
    pub(crate) achieved: Option<f64>,
    pub(crate) regions: Vec<RegionTotals>,
    /// When creates were throttled; `None` if none was.
    pub(crate) throttles: Option<Throttles>,
    /// Devices without an outcome by Region; of a stream, those that have arrived.
    pub(crate) left: BTreeMap<String, u64>,
    /// The devices of each account, if the rows name accounts.
    pub(crate) accounts: BTreeMap<AccountId, AccountTotals>,
}
