//! The arguments of `rollback`.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;

use super::values::{since, wait};
use super::{AskArgs, ConnectionArgs, OutputArgs, RehearsalArgs, ServeArgs};

/// `kvs-fleet rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The results file of a run
    pub(crate) results: PathBuf,

    /// Delete the channel of this device only; repeatable
    #[arg(long = "device", value_name = "ID", help_heading = "Which channels")]
    pub(crate) devices: Vec<String>,
    /// Delete the channels of these devices only: a manifest, or one ID a line
    #[arg(long, value_name = "FILE", help_heading = "Which channels")]
    pub(crate) devices_from: Option<PathBuf>,
    /// Delete only channels created at or after this time: RFC 3339, a date (UTC), or how long ago, such as 2h
    #[arg(long, value_name = "TIME", value_parser = since, help_heading = "Which channels")]
    pub(crate) since: Option<SystemTime>,
    /// Only print which channels would be deleted; sends no request
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask; required if standard input is not a terminal
    #[arg(long)]
    pub(crate) yes: bool,
    /// How long to wait for another process that is writing the results, such as one on a host that died
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = wait)]
    pub(crate) wait_for_results: Duration,

    /// Whether it is an emulator.
    #[command(flatten)]
    pub(crate) rehearsal: RehearsalArgs,
    /// Which service, and as whom.
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    /// How the service is asked.
    #[command(flatten)]
    pub(crate) asking: AskArgs,
    /// What is shown.
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// The live page.
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
}
