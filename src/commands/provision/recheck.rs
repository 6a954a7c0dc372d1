//! `--recheck`: before the plan is made, finds the channels that the results claim and that no longer exist. Their devices
//! are attempted again.

use tracing::{info, warn};

use super::Run;
use super::prepare::Ready;
use crate::commands::asking::{caller, distinct};
use crate::commands::open_files;
use crate::commands::verify::{Claims, Questions, ask_all};
use crate::domain::device::shown;
use crate::domain::format;
use crate::engine::Stop;
use crate::engine::event::Listeners;
use crate::error::Error;
use crate::fleet::claim::{Difference, Kind};

/// Channels that a message names.
const NAMED: usize = 10;

impl Run {
    /// Looks for every channel that the results claim, and forgets those that no longer exist. If a Region gives no answer,
    /// the run cannot be complete.
    pub(super) async fn recheck(&mut self, ready: &mut Ready) -> Result<(), Error> {
        if ready.known_devices.is_empty() {
            return Ok(());
        }
        let mut claims = Claims::read(&self.config.files.results)?;
        if ready.row_accounts.are_named {
            leave_out_refused(ready, &mut claims);
        } else {
            claims.forget_accounts();
        }
        let regions = distinct(claims.rows.iter().map(|claim| &claim.account_region));
        if regions.is_empty() {
            return Ok(());
        }
        let places = regions.len();
        self.meet(ready, regions).await?;
        let claimed = format::count(claims.rows.len() as u64, "channel");
        let settings = self.config.engine(ready.account.clone());
        let quota_client = self.quota_client(&ready.target).await?;
        let caller = caller(
            settings,
            Listeners::default(),
            self.stop.clone(),
            quota_client,
        );
        let questions = Questions {
            workers: open_files::most_requests_each(self.config.engine.workers, places),
            ..Questions::default()
        };
        let found = ask_all(questions, &ready.target, &caller, claims.rows).await;
        let found = found.map_err(|stop| match stop {
            Stop::WrongAccount { .. } => Error::NotBegun(stop),
            stop => stop.into(),
        })?;
        ready.rechecked = caller.end().map_or(Ok(()), |stop| Err(stop.into()));
        let is_gone = |kind| matches!(kind, Kind::Missing | Kind::MadeAgain);
        let (gone, others): (Vec<_>, Vec<_>) = found
            .differences
            .into_iter()
            .partition(|difference| is_gone(difference.kind));
        say_unverified(&others);
        for difference in &gone {
            if let Some(index) = ready.known_devices.find(&difference.device_id) {
                ready.known_devices.lose(index);
            }
        }
        info!("--recheck: {} of {claimed} no longer there", gone.len());
        for difference in gone.iter().take(NAMED) {
            info!("  {} {}", shown(&difference.device_id), difference.expected);
        }
        Ok(())
    }
}

/// Names the first of the channels that could not be checked.
fn say_unverified(differences: &[Difference]) {
    let unverified: Vec<_> = differences
        .iter()
        .filter(|difference| difference.kind == Kind::Unverified)
        .collect();
    for difference in unverified.iter().take(NAMED) {
        let device = shown(&difference.device_id);
        warn!(
            "the channel of {device} could not be checked: {}",
            difference.found
        );
    }
    if let more @ 1.. = unverified.len().saturating_sub(NAMED) {
        warn!("and {more} more could not be checked");
    }
}

/// The channels of accounts in which this run may not work are not looked for.
fn leave_out_refused(ready: &Ready, claims: &mut Claims) {
    let before = claims.rows.len();
    claims.rows.retain(|claim| {
        let account = claim.account_region.account.as_ref();
        account.is_none_or(|account| !ready.guard.refuses(account))
    });
    let left_out = before - claims.rows.len();
    if left_out > 0 {
        let channels = format::count(left_out as u64, "channel");
        warn!("--recheck: {channels} of accounts that --account does not allow are not looked for");
    }
}
