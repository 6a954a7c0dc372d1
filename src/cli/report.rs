//! The arguments of `report`.

use std::path::PathBuf;

use clap::Args;

use super::OutputArgs;

/// `kvs-fleet report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The results file of a run
    pub(crate) results: PathBuf,

    /// Write a page with charts and a table of all rows, which needs no other file and no network
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write a manifest of the failed and invalid rows, with the reason in a last column; needs --manifest
    #[arg(long, value_name = "FILE", requires = "manifest")]
    pub(crate) failed: Option<PathBuf>,
    /// The manifest of the run, for --failed
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Option<PathBuf>,
    /// What is shown.
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}
