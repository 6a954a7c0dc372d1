//! The arguments of `rollback`.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;

use super::values::since;
use super::{AskArgs, ConnectionArgs, OutputArgs};

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

    /// Which service, and as whom.
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    /// How the service is asked.
    #[command(flatten)]
    pub(crate) asking: AskArgs,
    /// What is shown.
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}
