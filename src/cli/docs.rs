//! The arguments of the commands that write documents about this command line.

use clap::Args;
use clap_complete::Shell;

/// `kvs-fleet completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

/// `kvs-fleet man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The command [default: the overview of all commands]
    pub(crate) command: Option<String>,
}
