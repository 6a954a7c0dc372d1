//! The quotas of every account and Region, and what one of them has used: how the quota of creates changes over time,
//! and the token bucket of each operation.

use std::time::Duration;

use super::EmulatorSettings;
use super::operation::ApiOperation;
use super::quota::{Bucket, Quota};

/// The quotas that each account has in each Region.
#[derive(Debug)]
pub(super) struct ServiceQuotas {
    /// Of the operations whose quota never changes.
    steady: [Option<Quota>; ApiOperation::ALL.len()],
    /// Of creates: at first, and after each change with its time after the first create.
    creates: Quota,
    changes: Vec<(Duration, Quota)>,
    /// Of one channel.
    pub(super) per_channel: Quota,
}

/// What an account has used of its quotas in a Region.
#[derive(Debug, Default)]
pub(super) struct UsedQuotas {
    first_create: Option<Duration>,
    /// The number of changes made.
    changed: usize,
    buckets: [Bucket; ApiOperation::ALL.len()],
}

impl ServiceQuotas {
    pub(super) fn new(settings: &EmulatorSettings) -> Self {
        let of_rate = |rate| {
            if settings.window {
                Quota::per_window(rate)
            } else {
                Quota::per_second(rate, settings.burst)
            }
        };
        let changes = settings.rate_changes.iter();
        let mut changes: Vec<_> = changes
            .map(|change| (change.after, of_rate(change.rate)))
            .collect();
        changes.sort_by_key(|(after, _)| *after);
        Self {
            steady: ApiOperation::ALL
                .map(|operation| operation.quota().map(Quota::with_burst_of_a_second)),
            creates: of_rate(settings.rate),
            changes,
            per_channel: Quota::with_burst_of_a_second(ApiOperation::PER_CHANNEL),
        }
    }

    fn creates_after(&self, changes: usize) -> Quota {
        let last = changes
            .checked_sub(1)
            .and_then(|last| self.changes.get(last));
        last.map_or(self.creates, |(_, quota)| *quota)
    }
}

impl UsedQuotas {
    /// The bucket of an operation and its quota at `now`. The first call for a create starts the time of the changes.
    pub(super) fn bucket(
        &mut self,
        quotas: &ServiceQuotas,
        operation: ApiOperation,
        now: Duration,
    ) -> (&mut Bucket, Option<Quota>) {
        let quota = if operation == ApiOperation::Create {
            self.change(quotas, now);
            Some(quotas.creates_after(self.changed))
        } else {
            quotas.steady[operation as usize]
        };
        (&mut self.buckets[operation as usize], quota)
    }

    /// Makes the changes that are due.
    fn change(&mut self, quotas: &ServiceQuotas, now: Duration) {
        let since_first = now.saturating_sub(*self.first_create.get_or_insert(now));
        while let Some((_, new)) = quotas
            .changes
            .get(self.changed)
            .filter(|(after, _)| *after <= since_first)
        {
            let old = quotas.creates_after(self.changed);
            self.buckets[ApiOperation::Create as usize].change(old, *new, now);
            self.changed += 1;
        }
    }
}
