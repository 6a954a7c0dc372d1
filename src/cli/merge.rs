//! The arguments of `merge`.

use std::path::PathBuf;

use clap::Args;

use super::OutputArgs;

/// `kvs-fleet merge`.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// The results files of runs, in any order
    #[arg(required = true)]
    pub(crate) results: Vec<PathBuf>,

    /// The merged results file; may be one of the results
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Put the rows in the order of this manifest, and name its devices that have no row [default: by device ID]
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Option<PathBuf>,
    /// Print what was merged as a JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,

    /// What is shown.
    #[command(flatten)]
    pub(crate) messages: OutputArgs,
}
