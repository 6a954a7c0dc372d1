//! `kvs-fleet emulator`: serves until a signal comes, then says what was served.

use std::io::{ErrorKind, Write};

use crate::cli::EmulatorArgs;
use crate::emulator::{Emulator, StartError};

/// Why the emulator did not run.
#[derive(Debug, thiserror::Error)]
pub enum EmulatorError {
    /// It did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It could not be ended in order.
    #[error("signals cannot be received: {0}")]
    Signals(std::io::Error),
    /// Standard output did not take the URL.
    #[error("the emulator's URL cannot be written to standard output: {0}")]
    Output(std::io::Error),
}

/// Serves until SIGINT or SIGTERM. The URL goes to standard output, all else to standard error.
pub async fn run(args: EmulatorArgs) -> Result<(), EmulatorError> {
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    let settings = args.settings(seed);
    // Before the URL is out: a script may send the signal as soon as it has read it.
    let mut signals = Signals::new().map_err(EmulatorError::Signals)?;
    let emulator = Emulator::start(args.listen, settings).await?;
    tell(&guide(&emulator.url(), &args, seed));
    print_url(&emulator.url()).map_err(EmulatorError::Output)?;
    signals.wait().await;
    let stats = emulator.request_counts();
    emulator.stop().await;
    tell(&format!("The emulator has ended. Requests: {stats}.\n"));
    Ok(())
}

fn print_url(url: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{url}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        // A reader that has gone away does not want the URL.
        _ => Ok(()),
    }
}

/// Writes to standard error. If nobody can read that, there is nobody to tell so.
fn tell(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

fn guide(url: &str, args: &EmulatorArgs, seed: u64) -> String {
    let faults: Vec<String> = args.fault.iter().map(ToString::to_string).collect();
    let faults = if faults.is_empty() {
        "none".to_owned()
    } else {
        faults.join(", ")
    };
    format!(
        "This is an EMULATOR of the Kinesis Video Streams control plane, not AWS. {}\n\
         channels in memory only, and checks no signatures: any access key will do.\n\
         Creates: {}; latency {}; faults: {faults}; seed {seed}.\n\
         \n\
         kvs-fleet  kvs-fleet provision MANIFEST --endpoint-url {url}\n\
         AWS CLI    aws kinesisvideo list-signaling-channels --endpoint-url {url}\n\
         boto3      boto3.client('kinesisvideo', endpoint_url='{url}')\n\
         \n\
         Ctrl-C ends it.\n",
        reach(args),
        quota(args),
        humantime::format_duration(args.latency),
    )
}

/// The create quota in words.
fn quota(args: &EmulatorArgs) -> String {
    let counted = if args.window {
        "in windows of a second".to_owned()
    } else {
        format!("burst {}", args.burst())
    };
    let changes = args.rate_change.iter().map(|change| {
        let after = humantime::format_duration(change.after);
        format!(", {}/s {after} after the first", change.rate)
    });
    let changes: String = changes.collect();
    format!("{}/s in each Region, {counted}{changes}", args.rate)
}

/// What asks the process to end.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// What asks the process to end.
#[cfg(windows)]
struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
    closing: tokio::signal::windows::CtrlClose,
}

#[cfg(windows)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: tokio::signal::windows::ctrl_c()?,
            closing: tokio::signal::windows::ctrl_close()?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.closing.recv() => {}
        }
    }
}

/// Who can reach it, in words.
fn reach(args: &EmulatorArgs) -> &'static str {
    if args.listen.ip().is_loopback() {
        "It listens on loopback only, keeps its"
    } else {
        "OTHER COMPUTERS CAN REACH IT. It keeps its"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};

    fn parse(arguments: &[&str]) -> EmulatorArgs {
        let arguments = ["kvs-fleet", "emulator"].iter().chain(arguments);
        match Cli::from_arguments(arguments).unwrap().command {
            Command::Emulator(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_guide_says_where_and_what_it_is() {
        let args = parse(&["--fault=500=0.5", "--rate-change=90s=7"]);
        let guide = guide("http://127.0.0.1:9", &args, 77);
        for part in [
            "EMULATOR",
            "not AWS",
            "--endpoint-url http://127.0.0.1:9",
            "seed 77",
            "50/s in each Region, burst 50, 7/s 1m 30s after the first;",
            "500=0.5",
        ] {
            assert!(guide.contains(part), "{part}: {guide}");
        }
    }
}
