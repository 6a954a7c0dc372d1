//! SIGINT, SIGTERM, SIGHUP, Ctrl-C, a closed window: the first stops the run, the second ends the process at once.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::warn;

use crate::domain::panics;
use crate::engine::{Stop, StopSignal};
use crate::output::logging::Console;

/// How long an immediate exit may take, to write its record and to clear the terminal.
const LONGEST_EXIT: Duration = Duration::from_millis(200);

/// Signals so soon after the first are the same one: `timeout` and others signal the process and its group.
const SAME_SIGNAL: Duration = Duration::from_millis(100);

/// After SIGTERM the process exits by itself before it is killed: `docker stop` waits for ten seconds.
const LONGEST_TERMINATED: Duration = Duration::from_millis(7_500);

type Write = Box<dyn FnOnce(&Stop) + Send>;

/// What is written when the process must exit at once. Clones share it.
#[derive(Clone, Default)]
pub(super) struct ExitRecord(Arc<Mutex<Option<Write>>>);

impl ExitRecord {
    pub(super) fn set(&self, write: impl FnOnce(&Stop) + Send + 'static) {
        *self.lock() = Some(Box::new(write));
    }

    /// Takes it away: the run ends in good order, or the caller writes it now.
    pub(super) fn take(&self) -> Option<Write> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Write>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What follows a signal where requests may be in flight.
pub(super) const FINISHING: &str =
    ": requests in flight are being finished and recorded; a second signal leaves at once";
/// The same where nothing needs to be finished.
pub(super) const NOTHING: &str = "";

/// Whether a signal has come. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Signalled {
    has_come: watch::Receiver<bool>,
    then: Arc<Mutex<Then>>,
}

/// What follows a signal.
#[derive(Debug, Clone, Copy)]
enum Then {
    /// The end of the run: after the cause, this is printed.
    Say(&'static str),
    /// The end of a command that only waits for it, with this exit code.
    Leave(u8),
}

impl Signalled {
    /// The command has ended with this exit code: from now on a signal only ends the wait for one.
    pub(super) fn has_ended(&self, code: u8) {
        *panics::lock(&self.then) = Then::Leave(code);
    }

    pub(super) fn has_come(&self) -> bool {
        *self.has_come.borrow()
    }

    /// Waits until a signal has come.
    pub(super) async fn wait(&mut self) {
        if self.has_come.wait_for(|has_come| *has_come).await.is_err() {
            // No signal is listened for: the system's default ends the process.
            std::future::pending::<()>().await;
        }
    }
}

/// The signal that stops a command which leaves no record where it must exit at once. `then` follows the message.
pub(super) fn stop_signal(console: &Console, then: &'static str) -> (StopSignal, Signalled) {
    let stop = StopSignal::new();
    let signalled = listen(stop.clone(), console.clone(), ExitRecord::default(), then);
    (stop, signalled)
}

/// Listens for signals until the process ends, on a thread of its own: a signal is received whatever the others wait for,
/// such as a reader of standard error. Without the thread the system's default stays, which ends the process.
///
/// A panic anywhere, such as on a task that nobody awaits, stops the run as a signal does.
pub(super) fn listen(
    stop: StopSignal,
    console: Console,
    exit_record: ExitRecord,
    then: &'static str,
) -> Signalled {
    let then = Arc::new(Mutex::new(Then::Say(then)));
    let (tell, has_come) = watch::channel(false);
    let signalled = Signalled {
        has_come,
        then: Arc::clone(&then),
    };
    let broken = stop.clone();
    panics::listen(move |what| {
        broken.give(Stop::Internal(what.to_owned()));
    });
    let (heard, to_say) = tokio::sync::oneshot::channel::<Stop>();
    let then_say = Arc::clone(&then);
    tokio::spawn(async move {
        if let Ok(cause) = to_say.await {
            let then = *panics::lock(&then_say);
            if let Then::Say(then) = then {
                warn!("{cause}{then}");
            }
        }
    });
    let (listening, is_listening) = mpsc::channel();
    let thread = std::thread::Builder::new().name("signals".to_owned());
    let thread = thread.spawn(move || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let Ok(runtime) = builder.enable_all().build() else {
            return;
        };
        runtime.block_on(async {
            let Ok(mut signals) = Signals::new() else {
                return;
            };
            // The receiver is gone where the process is about to end.
            let _ = listening.send(());
            let cause = signals.next().await;
            stop.give(cause.clone());
            tell.send_replace(true);
            let _ = heard.send(cause.clone());
            let first = Instant::now();
            let left = match cause {
                Stop::Terminated => LONGEST_TERMINATED,
                _ => Duration::MAX,
            };
            let again = async {
                while first.elapsed() < SAME_SIGNAL {
                    signals.next().await;
                }
            };
            // Whatever delays the end, such as a reader of standard error: the files are complete at each instant.
            let _second = tokio::time::timeout(left, again).await;
            let code = match *panics::lock(&then) {
                Then::Say(_) => cause.exit_code(),
                Then::Leave(code) => code,
            };
            leave(cause, console, exit_record);
            std::process::exit(i32::from(code));
        });
    });
    if thread.is_ok() {
        // From here on signals are received.
        let _ = is_listening.recv();
    }
    signalled
}

/// Writes the exit record and clears the progress bar, unless disk or terminal take too long.
fn leave(cause: Stop, console: Console, exit_record: ExitRecord) {
    let (left, has_left) = mpsc::channel();
    let thread = std::thread::Builder::new().spawn(move || {
        if let Some(write) = exit_record.take() {
            write(&cause);
        }
        console.clear();
        // The receiver is gone where the process is about to end.
        let _ = left.send(());
    });
    if thread.is_ok() {
        let _ = has_left.recv_timeout(LONGEST_EXIT);
    }
}

/// SIGXFSZ: a file would grow beyond `ulimit -f`. Its number is that of these systems; on others it ends the process.
#[cfg(unix)]
const FILE_SIZE: Option<i32> = if cfg!(any(target_os = "macos", target_os = "linux"))
    && !cfg!(any(target_arch = "mips", target_arch = "mips64"))
{
    Some(25)
} else {
    None
};

/// From now on a write beyond `ulimit -f` fails as on a full disk, instead of ending the process.
#[cfg(unix)]
pub(super) fn outlive_file_size_limit() {
    use tokio::signal::unix::{SignalKind, signal};
    if let Some(file_size) = FILE_SIZE {
        // A signal that was handled once does not end the process. Where it cannot be handled, it does.
        drop(signal(SignalKind::from_raw(file_size)));
    }
}

/// There is no such limit.
#[cfg(windows)]
pub(super) fn outlive_file_size_limit() {}

/// The signals that end the process. One that comes between two waits is not lost.
#[cfg(unix)]
pub(super) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    /// The terminal is gone, as when its connection broke.
    hangup: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: match is_hangup_ignored() {
                Some(false) => Some(signal(SignalKind::hangup())?),
                // A handler would undo what `nohup` has set.
                Some(true) | None => None,
            },
        })
    }

    pub(super) async fn next(&mut self) -> Stop {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Stop::Interrupted,
            _ = self.terminate.recv() => Stop::Terminated,
            _ = hangup => Stop::Terminated,
        }
    }
}

/// Whether this process was started with SIGHUP ignored, as by `nohup`; none where the system does not tell.
#[cfg(unix)]
fn is_hangup_ignored() -> Option<bool> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))?;
    let ignored = u64::from_str_radix(ignored.trim(), 16).ok()?;
    // SIGHUP is signal 1, the lowest bit.
    Some(ignored & 1 == 1)
}

/// The signals that end the process. One that comes between two waits is not lost.
#[cfg(windows)]
pub(super) struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
    interrupt_too: tokio::signal::windows::CtrlBreak,
    close: tokio::signal::windows::CtrlClose,
    shutdown: tokio::signal::windows::CtrlShutdown,
}

#[cfg(windows)]
impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};
        Ok(Self {
            interrupt: ctrl_c()?,
            interrupt_too: ctrl_break()?,
            close: ctrl_close()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    pub(super) async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.interrupt.recv() => Stop::Interrupted,
            _ = self.interrupt_too.recv() => Stop::Interrupted,
            _ = self.close.recv() => Stop::Terminated,
            _ = self.shutdown.recv() => Stop::Terminated,
        }
    }
}
