//! `kvs-fleet emulator`: serves until a signal comes, then reports the requests.

use std::io::{self, Write as _};

use super::signals::Signals;
use crate::cli::{BehaviourArgs, EmulatorArgs};
use crate::emulator::Emulator;
use crate::emulator::snapshot::Snapshot;
use crate::emulator::state_file::StatePath;
use crate::engine::Stop;
use crate::error::Error;

/// Serves until a signal comes. The URL goes to standard output, all else to standard error.
pub(super) async fn run(args: &EmulatorArgs) -> Result<u8, Error> {
    let refused = |error: &dyn std::fmt::Display| Error::refused("emulator", error.to_string());
    let seed = args.behaviour.seed.unwrap_or_else(|| fastrand::u64(..));
    // Before the URL is out: a script may send the signal as soon as it has read it.
    let mut signals =
        Signals::new().map_err(|error| refused(&format!("signals cannot be received: {error}")))?;
    let place = args.state.as_deref();
    let locked = place.map(|path| StatePath::new(path, "--state").lock());
    let (file, saved) = match locked.transpose()? {
        Some((file, saved)) => (Some(file), saved.unwrap_or_default()),
        None => (None, Snapshot::default()),
    };
    let emulator = Emulator::resume(args.listen, args.settings(seed), saved, file).await;
    let emulator = emulator.map_err(|error| refused(&error))?;
    emulator.on_failure(|cause| tell(&format!("error: {cause}\n")));
    tell(&guide(&emulator.url(), args, seed));
    super::print(&format!("{}\n", emulator.url())).map_err(|error| refused(&error))?;
    signals.next().await;
    let (counts, failure) = (emulator.request_counts(), emulator.failure());
    emulator.stop().await;
    tell(&format!("The emulator has ended. Requests: {counts}.\n"));
    // What was not saved is lost with this process.
    match failure.and_then(|failure| failure.borrow().clone()) {
        Some(cause) => Err(Stop::Output(cause).into()),
        None => Ok(0),
    }
}

/// Writes to standard error, which may be closed.
fn tell(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

fn guide(url: &str, args: &EmulatorArgs, seed: u64) -> String {
    let behaviour = &args.behaviour;
    let kept = match &args.state {
        Some(file) => format!("in {}", file.display()),
        None => "in memory only".to_owned(),
    };
    let faults: Vec<String> = behaviour.fault.iter().map(ToString::to_string).collect();
    let faults = if faults.is_empty() {
        "none".to_owned()
    } else {
        faults.join(", ")
    };
    format!(
        "This is an EMULATOR of the Kinesis Video Streams control plane, not AWS. {}\n\
         channels {kept}, and checks no signatures: any access key will do.\n\
         Creates: {}; latency {}; faults: {faults}; seed {seed}.\n\
         \n\
         kvs-fleet  kvs-fleet provision MANIFEST --endpoint-url {url}\n\
         AWS CLI    aws kinesisvideo list-signaling-channels --endpoint-url {url}\n\
         boto3      boto3.client('kinesisvideo', endpoint_url='{url}')\n\
         \n\
         Ctrl-C ends it.\n",
        reach(args),
        quota(behaviour),
        humantime::format_duration(behaviour.latency),
    )
}

/// The create quota as text.
fn quota(args: &BehaviourArgs) -> String {
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
    format!(
        "{}/s in each account and Region, {counted}{changes}",
        args.rate
    )
}

/// Who can reach it, as text.
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
            "50/s in each account and Region, burst 50, 7/s 1m 30s after the first;",
            "500=0.5",
        ] {
            assert!(guide.contains(part), "{part}: {guide}");
        }
    }
}
