//! The results file locked, at once or after a wait: a lock on a share outlives a host that died by the time of its lease.

use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use crate::domain::format;
use crate::engine::StopSignal;
use crate::error::Error;
use crate::fleet::batch::{self, History};
use crate::results::disk::RealDisk;
use crate::results::runs_log::{RunsLog, RunsLogError};

/// How often the lock is tried.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Locks and reads the results. Waits at most this long while another process has the lock, or until the command is stopped.
pub(super) async fn open(
    results: &Path,
    longest: Duration,
    stop: &StopSignal,
) -> Result<(RunsLog<RealDisk>, History<RealDisk>), Error> {
    let log = lock(results, longest, stop).await?;
    batch::open_locked(&RealDisk, results, log)
}

async fn lock(
    results: &Path,
    longest: Duration,
    stop: &StopSignal,
) -> Result<RunsLog<RealDisk>, Error> {
    let end = Instant::now() + longest;
    let mut is_reported = longest.is_zero();
    loop {
        match RunsLog::lock(&RealDisk, results) {
            Ok(log) => return Ok(log),
            Err(RunsLogError::Held { .. }) if Instant::now() < end => {}
            Err(error) => return Err(error.into()),
        }
        if !is_reported {
            is_reported = true;
            warn!(
                "the results file {} is being written by another process; waiting up to {} for its end",
                results.display(),
                format::ahead(longest)
            );
        }
        let next = end.min(Instant::now() + POLL_INTERVAL);
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            cause = stop.ended() => return Err(cause.into()),
        }
    }
}
