//! The arguments of `rollback`.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args};

use super::values::since;
use super::{AskArgs, ConnectionArgs, OutputArgs};

/// `kvs-fleet rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The results file of a run
    pub results: PathBuf,

    /// Delete the channel of this device only; repeatable
    #[arg(
        long = "device",
        value_name = "ID",
        value_delimiter = None,
        help_heading = "Which channels",
        env = "KVS_FLEET_DEVICE"
    )]
    pub devices: Vec<String>,
    /// Delete the channels of these devices only: a manifest, or one ID a line
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Which channels",
        env = "KVS_FLEET_DEVICES_FROM"
    )]
    pub devices_from: Option<PathBuf>,
    /// Delete only channels created at or after this time: RFC 3339, a date (UTC), or how long ago, such as 2h
    #[arg(
        long,
        value_name = "TIME",
        value_parser = since,
        help_heading = "Which channels",
        env = "KVS_FLEET_SINCE"
    )]
    pub since: Option<SystemTime>,
    /// Only print which channels would be deleted; sends no request
    #[arg(long, value_parser = FalseyValueParser::new(), action = ArgAction::SetTrue, env = "KVS_FLEET_DRY_RUN")]
    pub dry_run: bool,
    /// Do not ask; required if standard input is not a terminal
    #[arg(long, value_parser = FalseyValueParser::new(), action = ArgAction::SetTrue, env = "KVS_FLEET_YES")]
    pub yes: bool,

    /// Which service, and as whom.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// How the service is asked.
    #[command(flatten)]
    pub asking: AskArgs,
    /// What is shown.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// An argument of the shared groups as `rollback` has it.
pub(super) fn as_of_rollback(argument: clap::Arg) -> clap::Arg {
    match argument.get_id().as_str() {
        "verbose" => argument.help("Show more of what goes on"),
        "region" => argument.help("Not needed: the rows name their Regions"),
        _ => argument,
    }
}
