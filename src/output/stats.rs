//! The counts and rates of a run: a listener that counts events.

mod accounts;
mod counts;
mod recent;
mod region;
mod throttles;
mod values;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::device::{AccountId, AccountRegion};
use crate::domain::service::Operation;
use crate::engine::event::{Event, Listener, Outcome};
use crate::engine::pace::sharing::Sharing;
use crate::results::record::{Row, Status};
pub(crate) use accounts::AccountTotals;
pub(crate) use counts::Requests;
pub use counts::RunCounts;
use recent::{NOW, Recent};
use region::{Phase, RegionStats, achieved};
pub(crate) use throttles::Throttles;
pub(crate) use values::{Pace, RegionNow, RegionTotals, Totals};

/// Counts events.
#[derive(Debug)]
pub struct Stats {
    started: Instant,
    inner: Mutex<StatsState>,
}

#[derive(Debug, Default)]
struct StatsState {
    counts: RunCounts,
    regions: Vec<RegionStats>,
    /// Devices that `--limit` leaves to another run.
    behind_limit: BTreeMap<AccountId, u64>,
    phase: Phase,
    /// Rows of devices.
    recorded: Recent,
    throttles: Option<Throttles>,
    /// The accounts and Regions in which nothing gets an answer, and since when.
    silent: Vec<(AccountRegion, Instant)>,
}

impl Stats {
    /// Starts the clock.
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            inner: Mutex::default(),
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
    pub fn counts(&self) -> RunCounts {
        self.lock().counts.clone()
    }

    /// Sets the number of devices to do in a Region, from which the time left is computed.
    pub(crate) fn plan(&self, account_region: &AccountRegion, devices: u64) {
        let stats = RegionStats::new(account_region.clone(), Some(devices));
        self.lock().regions.push(stats);
    }

    /// One more device of a stream is to do there.
    pub(crate) fn arrive(&self, account_region: &AccountRegion) {
        self.lock().region_stats_or_new(account_region).arrive();
    }

    /// Notes devices of an account that `--limit` leaves to another run.
    pub(crate) fn leave(&self, account_region: &AccountRegion, devices: u64) {
        if let Some(account) = &account_region.account {
            let mut inner = self.lock();
            *inner.behind_limit.entry(account.clone()).or_default() += devices;
        }
    }

    pub(crate) fn pace(&self) -> Pace {
        let now = Instant::now();
        let inner = self.lock();
        let ceilings: Option<Vec<f64>> = inner.working().map(RegionStats::ceiling).collect();
        Pace {
            now: sum(inner.working().map(|stats| stats.achieved_lately(now))),
            ceiling: ceilings
                .filter(|ceilings| !ceilings.is_empty())
                .map(|ceilings| sum(ceilings.into_iter())),
            grant: inner.grant(),
            ahead: inner.ahead(now),
            sharing: inner.sharing(),
        }
    }

    /// The rows of devices recorded a second over the last seconds.
    pub(crate) fn recorded_lately(&self) -> f64 {
        let recorded = &self.lock().recorded;
        recorded.per_second(Instant::now(), NOW, Some(self.started))
    }

    /// How long nothing has got an answer in any account and Region that has not ended; `None` if answers arrive.
    pub(crate) fn offline_for(&self) -> Option<Duration> {
        self.lock().silent_since().map(|since| since.elapsed())
    }

    pub(crate) fn totals(&self) -> Totals {
        let inner = self.lock();
        let creating = inner.phase.duration();
        let begun = inner.regions.iter().filter(|stats| stats.has_begun());
        let mut accounts = accounts::by_account(&inner.regions);
        for (account, devices) in &inner.behind_limit {
            accounts.entry(account.clone()).or_default().behind_limit += devices;
        }
        Totals {
            creating,
            achieved: achieved(inner.counts.created, creating),
            regions: begun.map(RegionStats::totals).collect(),
            throttles: inner.throttles.clone(),
            left: inner.left(),
            accounts,
        }
    }

    /// Every account and Region at this instant.
    pub(crate) fn regions(&self) -> Vec<RegionNow> {
        let now = Instant::now();
        let inner = self.lock();
        inner.regions.iter().map(|stats| stats.now(now)).collect()
    }

    /// How many accounts have ended, and how many there are; none where the rows name no account.
    pub(crate) fn accounts(&self) -> Option<(usize, usize)> {
        let accounts = accounts::by_account(&self.lock().regions);
        let ended = accounts.values().filter(|totals| totals.has_ended).count();
        (!accounts.is_empty()).then_some((ended, accounts.len()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, StatsState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long the rest takes at this rate; none where nothing is left, or nothing gets done.
pub(crate) fn time_left(total: Option<u64>, done: u64, per_second: f64) -> Option<Duration> {
    #[expect(clippy::cast_precision_loss, reason = "an estimate in seconds")]
    let left = total?.saturating_sub(done) as f64;
    let ahead = Duration::try_from_secs_f64(left / per_second).ok();
    ahead.filter(|ahead| !ahead.is_zero())
}

/// Whether an operation is counted among the others.
fn is_other(operation: Operation) -> bool {
    !matches!(
        operation,
        Operation::Create | Operation::Describe | Operation::List
    )
}

/// An empty sum of floats is -0, whose sign would be printed.
fn sum(rates: impl Iterator<Item = f64>) -> f64 {
    rates.fold(0.0, |sum, rate| sum + rate)
}

impl Default for Stats {
    fn default() -> Self {
        Self::new()
    }
}

impl StatsState {
    fn requests(&mut self, operation: Operation) -> &mut Requests {
        match operation {
            Operation::Create => &mut self.counts.creates,
            Operation::Describe => &mut self.counts.describes,
            Operation::List => &mut self.counts.lists,
            _ => &mut self.counts.others,
        }
    }

    fn region_stats(&mut self, wanted: &AccountRegion) -> Option<&mut RegionStats> {
        let mut regions = self.regions.iter_mut();
        regions.find(|stats| stats.account_region == *wanted)
    }

    /// The same, from now on if it is new.
    fn region_stats_or_new(&mut self, wanted: &AccountRegion) -> &mut RegionStats {
        let mut places = self.regions.iter();
        let place = places.position(|stats| stats.account_region == *wanted);
        let place = place.unwrap_or_else(|| {
            self.regions.push(RegionStats::new(wanted.clone(), None));
            self.regions.len() - 1
        });
        &mut self.regions[place]
    }

    /// Devices without an outcome by Region; of a stream, those that have arrived.
    fn left(&self) -> BTreeMap<String, u64> {
        let mut left = BTreeMap::new();
        for stats in &self.regions {
            let region = stats.account_region.region.to_string();
            *left.entry(region).or_default() += stats.left();
        }
        left
    }

    /// Counts the outcome of a create request.
    fn create(&mut self, account_region: &AccountRegion, of_region: fn(&mut RegionStats, Instant)) {
        let now = Instant::now();
        self.phase.note(now);
        if let Some(stats) = self.region_stats(account_region) {
            of_region(stats, now);
        }
    }

    /// Answers arrive in this account and Region, or it has ended.
    fn answers(&mut self, account_region: &AccountRegion) {
        self.silent.retain(|(silent, _)| silent != account_region);
    }

    /// Since when all accounts and Regions that have not ended are silent.
    fn silent_since(&self) -> Option<Instant> {
        let is_silent = |one: &AccountRegion| self.silent.iter().any(|(silent, _)| silent == one);
        let mut open = self.regions.iter().filter(|stats| !stats.has_ended());
        let are_silent = open.all(|stats| is_silent(&stats.account_region));
        let since = self.silent.iter().map(|(_, since)| *since);
        since.max().filter(|_| are_silent)
    }

    fn note_throttle(&mut self) {
        let now = Instant::now();
        // The grant is asked once a slice: it concerns all Regions, and throttles are many.
        let is_new = self
            .throttles
            .as_ref()
            .is_none_or(|throttles| throttles.is_new(now));
        let grant = if is_new { self.grant() } else { None };
        let throttles = self.throttles.get_or_insert_with(|| Throttles::new(now));
        throttles.note(now, grant);
    }

    /// The Regions that create.
    fn working(&self) -> impl Iterator<Item = &RegionStats> {
        self.regions.iter().filter(|stats| stats.is_working())
    }

    /// A Region in which nothing was throttled is granted its ceiling.
    fn grant(&self) -> Option<f64> {
        self.working().find_map(RegionStats::grant)?;
        let each = self.working();
        let each: Option<Vec<f64>> = each
            .map(|stats| stats.grant().or_else(|| stats.ceiling()))
            .collect();
        each.map(|grants| sum(grants.into_iter()))
    }

    fn sharing(&self) -> Option<Sharing> {
        let each = self.working().filter_map(RegionStats::sharing);
        each.max_by_key(|sharing| sharing.last.map_or(0, |last| last.hosts))
    }

    /// Regions work in parallel: the run is finished when the last one is.
    fn ahead(&self, now: Instant) -> Option<Duration> {
        let each: Option<Vec<Duration>> =
            self.regions.iter().map(|stats| stats.ahead(now)).collect();
        each?.into_iter().max()
    }

    fn recorded(&mut self, row: &Row) {
        let now = Instant::now();
        let counts = &mut self.counts;
        // A rollback keeps the row of a channel that it leaves, with the error in it.
        let is_created = row.status == Status::Created && row.error_code.is_empty();
        match row.status {
            Status::Created if is_created => counts.created += 1,
            Status::Exists => counts.exists += 1,
            Status::Deleted => counts.deleted += 1,
            Status::Created | Status::Failed => {
                let code = row.error_code.clone();
                *counts.failed.entry(code).or_default() += 1;
            }
            Status::Invalid => {
                counts.invalid += 1;
                return;
            }
        }
        self.recorded.note(now);
        if is_created {
            self.phase.note(now);
        }
        if let Some(stats) = self.regions.iter_mut().find(|stats| stats.has(row)) {
            stats.finish(row.status, is_created, now);
        }
    }
}

impl Listener for Stats {
    fn tell(&self, event: &Event<'_>) {
        let mut inner = self.lock();
        match event {
            Event::RegionStarted {
                account_region,
                limiter,
            } => {
                let stats = inner.region_stats_or_new(account_region);
                stats.begin(Arc::clone(limiter));
            }
            Event::RegionEnded { account_region } => {
                // A probe without an answer does not end the outage.
                inner.answers(account_region);
                if let Some(stats) = inner.region_stats(account_region) {
                    stats.end();
                }
            }
            Event::Sent {
                account_region,
                operation,
            } => {
                inner.requests(*operation).sent += 1;
                if *operation == Operation::Create {
                    inner.create(account_region, RegionStats::send);
                }
            }
            Event::Answered {
                account_region,
                operation,
                outcome: Outcome::Throttled,
                ..
            } => {
                inner.requests(*operation).throttled += 1;
                if *operation == Operation::Create {
                    inner.create(account_region, RegionStats::throttle);
                    inner.note_throttle();
                }
            }
            Event::Answered {
                operation,
                outcome: Outcome::Success | Outcome::Refused,
                ..
            } => inner.counts.answers += u64::from(is_other(*operation)),
            Event::Offline { account_region, .. } => {
                inner.answers(account_region);
                let since = Instant::now();
                inner.silent.push(((*account_region).clone(), since));
            }
            Event::Online { account_region, .. } => inner.answers(account_region),
            Event::Differs { .. } => inner.counts.differs += 1,
            Event::Updated { .. } => inner.counts.updated += 1,
            Event::Recorded { row } => inner.recorded(row),
            Event::QuotaServerLost => inner.counts.quota_server_outages += 1,
            Event::Answered { .. }
            | Event::Listed { .. }
            | Event::Retried { .. }
            | Event::Repeated { .. }
            | Event::CredentialsRefused { .. }
            | Event::CredentialsRenewed { .. }
            | Event::PartStopped { .. }
            | Event::Warning { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests;
