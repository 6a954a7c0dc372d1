//! Nothing but throttles for too long, which ends a run.

use std::time::Duration;

use tokio::time::Instant;

use super::pace::limiter::Limiter;
use super::scope::QuotaScope;
use super::service::Service;
use super::stop::Stop;
use crate::domain::format;
use crate::domain::service::Operation;

/// Between two throttles that are this far apart nothing was sent: credentials were fetched, or there was no connection. At
/// the lowest rate of a climb requests are closer.
const LONGEST_GAP: Duration = Duration::from_secs(30);

/// A time in which every request is throttled.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ThrottleStreak {
    /// By the throttles: time in which nothing was sent does not count.
    lasted: Duration,
    last: Option<Instant>,
    requests: u64,
}

impl ThrottleStreak {
    /// One more request was throttled.
    pub(super) fn add(&mut self) {
        let now = Instant::now();
        let gap = now - self.last.replace(now).unwrap_or(now);
        if gap < LONGEST_GAP {
            self.lasted += gap;
        }
        self.requests += 1;
    }
}

impl<S: Service> QuotaScope<S> {
    /// Ends the account, alone if the rows name it, if an operation has been throttled for too long. Returns whether it has.
    pub(super) fn stop_if_throttled_too_long(
        &self,
        streak: ThrottleStreak,
        operation: Operation,
    ) -> bool {
        let is_too_long = streak.lasted >= self.shared.settings.max_throttled;
        if is_too_long {
            let limiter: &Limiter = self.limiter(operation);
            let (now, after) = (self.shared.clock.now(), streak.lasted);
            self.end_account(Stop::Throttled {
                region: self.account_region.region.clone(),
                since: now.checked_sub(after).unwrap_or(now),
                after,
                requests: streak.requests,
                rate: format::rate(limiter.rate()),
            });
        }
        is_too_long
    }
}
