//! The arguments of `report`.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use super::OutputArgs;

/// `kvs-fleet report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The results file of a run
    pub results: PathBuf,

    /// Write a page with charts and a table of all rows, which needs no other file and no network
    #[arg(long, value_name = "FILE", env = "KVS_FLEET_HTML")]
    pub html: Option<PathBuf>,
    /// Write a manifest of the failed and invalid rows, with the reason in a last column; needs --manifest
    #[arg(
        long,
        value_name = "FILE",
        requires = "manifest",
        env = "KVS_FLEET_FAILED"
    )]
    pub failed: Option<PathBuf>,
    /// The manifest of the run, for --failed
    #[arg(
        long,
        value_name = "FILE",
        action = ArgAction::Set,
        env = "KVS_FLEET_MANIFEST"
    )]
    pub manifest: Option<PathBuf>,
    /// What is shown.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// An argument of the shared groups as `report` has it: it shows no progress.
pub(super) fn as_of_report(argument: clap::Arg) -> clap::Arg {
    match argument.get_id().as_str() {
        "progress" => argument.hide(true),
        "verbose" => argument.help("Show more of what goes on"),
        _ => argument,
    }
}
