//! The rate of each account and Region over all runs, compared with its quota.

use std::collections::BTreeMap;

use super::facts::{Facts, millis};

/// The creates of one account and Region.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Rate {
    channels: f64,
    seconds: f64,
    /// What the quota would have allowed in that time; none if a run had no ceiling.
    allowed: Option<f64>,
    /// What the service granted at the end of the last run that was throttled there, a second.
    pub(crate) granted: Option<f64>,
    /// The ceiling of the last run, in creates a second.
    pub(crate) ceiling: Option<f64>,
}

impl Rate {
    /// Channels created a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.channels / self.seconds
    }

    /// The same as a share of the quota.
    pub(crate) fn of_quota(&self) -> Option<f64> {
        Some(self.channels / self.allowed?)
    }
}

/// The rates by account, empty where the runs name none, and Region. Empty if runs were at work at the same time, since
/// they shared the quotas, and for bursts, which have no rate.
pub(crate) fn by_account_region(facts: &Facts) -> BTreeMap<(String, String), Rate> {
    let mut rates: BTreeMap<(String, String), Rate> = BTreeMap::new();
    if overlap(facts) {
        return rates;
    }
    for run in facts.provisioning() {
        let own = run.start.account.as_deref().unwrap_or_default();
        for region in run.end.iter().flat_map(|end| &end.regions) {
            let Some(achieved) = region.achieved_per_second.filter(|rate| *rate > 0.0) else {
                continue;
            };
            #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
            let channels = region.creates.saturating_sub(region.throttles) as f64;
            if channels <= 0.0 {
                continue;
            }
            let seconds = channels / achieved;
            let ceiling = run.ceiling(Some(region));
            let account = region.account.as_deref().unwrap_or(own).to_owned();
            let rate = rates
                .entry((account, region.region.clone()))
                .or_insert(Rate {
                    allowed: Some(0.0),
                    ..Rate::default()
                });
            rate.channels += channels;
            rate.seconds += seconds;
            rate.allowed = rate
                .allowed
                .zip(ceiling)
                .map(|(sum, ceiling)| sum + ceiling * seconds);
            rate.granted = region.granted_per_second.or(rate.granted);
            rate.ceiling = ceiling;
        }
    }
    rates
}

/// Whether runs were at work at the same time, such as the shards of a merged log.
pub(crate) fn overlap(facts: &Facts) -> bool {
    let mut times: Vec<(i64, i64)> = facts
        .provisioning()
        .filter_map(|run| {
            let began = millis(&run.start.at)?;
            let ended = run.end.as_ref().and_then(|end| millis(&end.at));
            Some((began, ended.unwrap_or(began)))
        })
        .collect();
    times.sort_unstable();
    times.windows(2).any(|pair| pair[1].0 < pair[0].1)
}
