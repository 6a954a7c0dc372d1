//! What the lines of all commands in the runs log have in common.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use super::target::{Target, account_names, region_names};
use crate::domain::device::{AccountId, AccountRegion};
use crate::output::stats::Requests;
use crate::results::record::timestamp;
use crate::results::runs_line::{EMULATOR, End, Start};

/// This run, in both of its lines.
static RUN: LazyLock<String> = LazyLock::new(|| format!("{:016x}", fastrand::u64(..)));

/// The line that a run starts with.
pub(super) fn start(
    command: &str,
    target: &Target,
    account: Option<&AccountId>,
    account_regions: &[AccountRegion],
) -> Start {
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
    let endpoint = if target.is_emulator() {
        Some(EMULATOR)
    } else {
        target.url()
    };
    Start {
        at: timestamp(SystemTime::now()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        run: Some(RUN.clone()),
        command: command.to_owned(),
        arguments: arguments.collect(),
        account: account.map(ToString::to_string),
        caller: target.caller().map(str::to_owned),
        accounts: account_names(account_regions),
        regions: region_names(account_regions),
        endpoint: endpoint.map(str::to_owned),
        ..Start::default()
    }
}

/// The line that a run ends with, after these requests.
pub(super) fn end<const N: usize>(duration: Duration, requests: [Requests; N]) -> End {
    End {
        at: timestamp(SystemTime::now()),
        run: Some(RUN.clone()),
        duration_ms: millis(duration),
        requests: requests.iter().map(|requests| requests.sent).sum(),
        throttles: requests.iter().map(|requests| requests.throttled).sum(),
        ..End::default()
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
