//! A file locked, at once or after a wait, such as the results: a lock on a share outlives a host that died by the time of its lease.

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
    let what = format!("the results file {}", results.display());
    let is_held = |error: &RunsLogError| matches!(error, RunsLogError::Held { .. });
    let lock = || RunsLog::lock(&RealDisk, results);
    let log = until_free(&what, longest, stop, is_held, lock).await?;
    batch::open_locked(&RealDisk, results, log)
}

/// Tries to lock a file, which `what` names, until another process no longer has the lock; at most this long, or until the command
/// is stopped.
pub(super) async fn until_free<T, E: Into<Error>>(
    what: &str,
    longest: Duration,
    stop: &StopSignal,
    is_held: impl Fn(&E) -> bool,
    lock: impl Fn() -> Result<T, E>,
) -> Result<T, Error> {
    let end = Instant::now() + longest;
    let mut is_reported = longest.is_zero();
    loop {
        match lock() {
            Ok(locked) => return Ok(locked),
            Err(error) if is_held(&error) && Instant::now() < end => {}
            Err(error) => return Err(error.into()),
        }
        if !is_reported {
            is_reported = true;
            warn!(
                "{what} is being written by another process; waiting up to {} for its end",
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
