//! What a rollback is to do.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::cli::RollbackArgs;
use crate::commands::run_config::Connection;
use crate::engine;
use crate::output::progress::ProgressMode;

#[derive(Debug)]
pub(in crate::commands) struct RollbackConfig {
    pub(super) results: PathBuf,
    pub(super) wait_for_results: Duration,
    /// The devices whose channels are deleted; all where neither these nor a file names any.
    pub(super) devices: Vec<String>,
    pub(super) devices_from: Option<PathBuf>,
    /// Channels that were created before are left.
    pub(super) since: Option<SystemTime>,
    pub(super) dry_run: bool,
    /// Whether nobody is asked.
    pub(super) yes: bool,
    pub(super) connection: Connection,
    /// The account is not known yet.
    pub(super) engine: engine::Settings,
    pub(super) progress: ProgressMode,
}

impl From<&RollbackArgs> for RollbackConfig {
    fn from(args: &RollbackArgs) -> Self {
        Self {
            results: args.results.clone(),
            wait_for_results: args.wait_for_results,
            devices: args.devices.clone(),
            devices_from: args.devices_from.clone(),
            since: args.since,
            dry_run: args.dry_run,
            yes: args.yes,
            connection: Connection::new(&args.connection, false, args.asking.timeout),
            engine: args.asking.settings(None),
            progress: args.output.progress(),
        }
    }
}
