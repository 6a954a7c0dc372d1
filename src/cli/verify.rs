//! The arguments of `verify`.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args};

use super::{AskArgs, ConnectionArgs, OutputArgs};

/// `kvs-fleet verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The results file of a run
    pub results: PathBuf,

    /// Print what was found as a JSON object on standard output
    #[arg(long, value_parser = FalseyValueParser::new(), action = ArgAction::SetTrue, env = "KVS_FLEET_JSON")]
    pub json: bool,

    /// What is asked besides whether the channels are there.
    #[command(flatten)]
    pub compare: CompareArgs,
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

/// What is asked besides whether the channels are there.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is compared")]
pub struct CompareArgs {
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
    /// Ask for the signaling endpoints of each channel, too, as its camera would: one request more for each
    #[arg(long, value_parser = FalseyValueParser::new(), action = ArgAction::SetTrue, env = "KVS_FLEET_ENDPOINTS")]
    pub endpoints: bool,
    /// Ask there for the STUN and TURN servers as well: two requests more for each channel; their credentials are not shown
    #[arg(long, value_parser = FalseyValueParser::new(), action = ArgAction::SetTrue, env = "KVS_FLEET_ICE")]
    pub ice: bool,
}

/// An argument of the shared groups as `verify` has it.
pub(super) fn as_of_verify(argument: clap::Arg) -> clap::Arg {
    match argument.get_id().as_str() {
        "verbose" => argument.help("Show more of what goes on"),
        "region" => argument.help("Not needed: the rows name their Regions"),
        _ => argument,
    }
}
