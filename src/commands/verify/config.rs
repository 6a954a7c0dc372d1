//! What a verification is to do.

use std::path::PathBuf;

use super::Questions;
use crate::cli::VerifyArgs;
use crate::commands::run_config::Connection;
use crate::engine;
use crate::output::progress::ProgressMode;

#[derive(Debug)]
pub(in crate::commands) struct VerifyConfig {
    pub(super) results: PathBuf,
    /// The manifest that the channels are compared with as well.
    pub(super) manifest: Option<PathBuf>,
    /// Whether standard output gets JSON.
    pub(super) json: bool,
    /// What is asked, by as many workers as were asked for.
    pub(super) questions: Questions,
    pub(super) connection: Connection,
    /// The account is not known yet.
    pub(super) engine: engine::EngineSettings,
    pub(super) progress: ProgressMode,
}

impl From<&VerifyArgs> for VerifyConfig {
    fn from(args: &VerifyArgs) -> Self {
        let compare = &args.compare;
        Self {
            results: args.results.clone(),
            manifest: compare.manifest.clone(),
            json: args.json,
            questions: Questions {
                workers: args.asking.workers,
                tags: compare.tags,
                endpoints: compare.endpoints,
                ice: compare.ice,
            },
            connection: Connection::new(&args.connection, false, args.asking.timeout),
            engine: args.asking.settings(None),
            progress: args.output.progress(),
        }
    }
}
