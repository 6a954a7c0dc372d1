//! SIGINT, SIGTERM, Ctrl-C, a closed window: the first asks the run to stop, the second leaves at once.

use tracing::warn;

use crate::engine::{Stop, StopSignal};
use crate::logging::Console;

/// Listens for the rest of the process's life.
pub(super) fn listen(stop: StopSignal, console: Console) {
    tokio::spawn(async move {
        let cause = first_signal().await;
        let code = cause.exit_code();
        warn!(
            "{cause}: requests in flight are being finished and recorded; a second signal leaves at once"
        );
        stop.give(cause);
        first_signal().await;
        console.clear();
        std::process::exit(i32::from(code));
    });
}

#[cfg(unix)]
async fn first_signal() -> Stop {
    use tokio::signal::unix::{SignalKind, signal};
    // A process that cannot have a handler keeps the system's default, which ends it.
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => Stop::Interrupted,
        _ = terminate.recv() => Stop::Terminated,
    }
}

#[cfg(windows)]
async fn first_signal() -> Stop {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};
    let (Ok(mut interrupt), Ok(mut break_), Ok(mut close), Ok(mut shutdown)) =
        (ctrl_c(), ctrl_break(), ctrl_close(), ctrl_shutdown())
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => Stop::Interrupted,
        _ = break_.recv() => Stop::Interrupted,
        _ = close.recv() => Stop::Terminated,
        _ = shutdown.recv() => Stop::Terminated,
    }
}
