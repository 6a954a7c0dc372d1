//! The arguments of `verify`.

use std::path::PathBuf;

use clap::Args;

use super::{AskArgs, ConnectionArgs, OutputArgs, RehearsalArgs, ServeArgs};

/// `kvs-fleet verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The results file of a run
    pub(crate) results: PathBuf,

    /// Print what was found as a JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,

    /// What is asked besides whether the channels are there.
    #[command(flatten)]
    pub(crate) compare: CompareArgs,
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

/// What is asked besides whether the channels are there.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is compared")]
pub(crate) struct CompareArgs {
    /// Compare message TTLs, too, with those that this manifest asks for
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Option<PathBuf>,
    /// Compare tags, too, with those that --manifest and the last run's flags ask for: one request more for each channel
    #[arg(long, requires = "manifest")]
    pub(crate) tags: bool,
    /// Ask for the signaling endpoints of each channel, too, as its camera would: one request more for each
    #[arg(long)]
    pub(crate) endpoints: bool,
    /// Ask there for the STUN and TURN servers as well: two requests more for each channel; their credentials are not shown
    #[arg(long)]
    pub(crate) ice: bool,
}
