//! The arguments of `verify`.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args};

use super::values::{duration, workers};
use super::{ConnectionArgs, OutputArgs};

/// `kvs-fleet verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The results file of a run
    pub results: PathBuf,

    /// Compare message TTLs, too, with those that this manifest asks for
    #[arg(long, value_name = "FILE", env = "KVS_FLEET_MANIFEST")]
    pub manifest: Option<PathBuf>,
    /// Compare tags, too, with those that --manifest and the last run's flags ask for: one request more for each channel
    #[arg(
        long,
        requires = "manifest",
        value_parser = FalseyValueParser::new(),
        action = ArgAction::SetTrue,
        env = "KVS_FLEET_TAGS"
    )]
    pub tags: bool,
    /// Print what was found as a JSON object on standard output
    #[arg(long, value_parser = FalseyValueParser::new(), action = ArgAction::SetTrue, env = "KVS_FLEET_JSON")]
    pub json: bool,

    /// Which service, and as whom.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// The most requests in flight in each Region, 1 to 10000
    #[arg(
        long,
        value_name = "N",
        default_value = "64",
        value_parser = workers,
        help_heading = "Pace and retries",
        env = "KVS_FLEET_WORKERS"
    )]
    pub workers: usize,
    /// The most attempts for a request, 1 to 1000; throttled ones do not count
    #[arg(
        long,
        value_name = "N",
        default_value_t = 8,
        value_parser = clap::value_parser!(u32).range(1..=1000),
        help_heading = "Pace and retries",
        env = "KVS_FLEET_MAX_ATTEMPTS"
    )]
    pub max_attempts: u32,
    /// The longest that an attempt may take
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "10s",
        value_parser = duration,
        help_heading = "Pace and retries",
        env = "KVS_FLEET_TIMEOUT"
    )]
    pub timeout: Duration,
    /// What is shown.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// An argument of the shared groups as `verify` has it: it shows no progress.
pub(super) fn as_of_verify(argument: clap::Arg) -> clap::Arg {
    match argument.get_id().as_str() {
        "progress" => argument.hide(true),
        "verbose" => argument.help("Show more of what goes on"),
        "region" => argument.help("Not needed: the rows name their Regions"),
        _ => argument,
    }
}
