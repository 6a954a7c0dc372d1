//! What a merge is to do.

use std::path::PathBuf;

use crate::cli::MergeArgs;

#[derive(Debug)]
pub(in crate::commands) struct MergeConfig {
    /// The files as they were given.
    pub(super) results: Vec<PathBuf>,
    /// The merged file.
    pub(super) output: PathBuf,
    /// The order of the rows, and the devices that must have one.
    pub(super) manifest: Option<PathBuf>,
    pub(super) json: bool,
}

impl From<MergeArgs> for MergeConfig {
    fn from(args: MergeArgs) -> Self {
        Self {
            results: args.results,
            output: args.file,
            manifest: args.manifest,
            json: args.json,
        }
    }
}
