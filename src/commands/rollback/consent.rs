//! Shows what will be deleted, and asks for confirmation.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use tracing::{info, warn};

use super::selection::{Candidate, Selection};
use crate::cli::RollbackArgs;
use crate::domain::device::shown;
use crate::domain::format;
use crate::engine::StopSignal;
use crate::error::Error;

/// Channels that are named on the screen before the question.
const SHOWN: usize = 10;

/// Refuses, before any request, a rollback that could not be confirmed.
pub(super) fn check_possible(args: &RollbackArgs) -> Result<(), Error> {
    if args.yes || args.dry_run || io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Error::refused(
        "usage",
        "standard input is no terminal, so the deletion cannot be confirmed there; check it with --dry-run, then give \
         --yes",
    ))
}

/// Prints what will be deleted, and what will not.
pub(super) fn show(selection: &Selection) {
    let count = format::count(selection.candidates.len() as u64, "channel");
    warn!("to be deleted: {count}");
    for candidate in selection.candidates.iter().take(SHOWN) {
        info!("  {}", line(candidate));
    }
    match selection.candidates.len().saturating_sub(SHOWN) {
        0 => {}
        more => info!("  and {more} more; --dry-run prints all"),
    }
    say_left(selection);
}

/// Prints what is left.
pub(super) fn say_left(selection: &Selection) {
    if selection.adopted > 0 {
        let count = format::count(selection.adopted, "channel");
        info!("{count} adopted ('exists'): left, since this tool did not create what it adopts");
    }
    if selection.deleted_before > 0 {
        let count = format::count(selection.deleted_before, "channel");
        info!("{count} deleted before");
    }
}

/// A channel on a line.
pub(super) fn line(candidate: &Candidate) -> String {
    let device = shown(&candidate.row.device_id);
    format!("{device} {}", candidate.arn.as_str())
}

/// Waits until the number of channels is typed, unless `--yes` was given.
pub(super) async fn ask(
    args: &RollbackArgs,
    selection: &Selection,
    stop: &StopSignal,
) -> Result<(), Error> {
    if args.yes {
        return Ok(());
    }
    let count = selection.candidates.len();
    // In one piece: the terminal shows what is typed meanwhile.
    let question = format!(
        "Deleted channels cannot be brought back. To delete, type their number ({count}): "
    );
    let _unseen = io::stderr().write_all(question.as_bytes());
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map(|_| answer)
    });
    let answer = tokio::select! {
        answer = answer => answer.ok().and_then(Result::ok).unwrap_or_default(),
        stopped = stop.ended() => return Err(stopped.into()),
    };
    if answer.trim() == count.to_string() {
        return Ok(());
    }
    Err(Error::refused(
        "not-confirmed",
        format!(
            "{} is not {count}: nothing was deleted",
            shown(answer.trim())
        ),
    ))
}
