//! The arguments of `plan`: those of `provision`, so that one command becomes the other by one word.

use clap::{Arg, Args};

use super::ProvisionArgs;

/// What only a run has: accepted, since a command for `provision` is to be one for `plan`, and not used.
const OF_A_RUN: [&str; 11] = [
    "wait_for_results",
    "recheck",
    "summary_json",
    "report",
    "max_failures",
    "progress",
    "serve",
    "allow_remote",
    "serve_linger",
    "no_reconcile",
    "dry_run",
];

/// `kvs-fleet plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// As for a run.
    #[command(flatten)]
    pub(crate) provision: ProvisionArgs,

    /// Ask the service for the account, the caller and the existing channels; changes nothing
    #[arg(long, help_heading = "Service")]
    pub(crate) online: bool,
}

/// An argument of `provision` as `plan` has it.
pub(super) fn as_of_a_plan(argument: Arg) -> Arg {
    let id = argument.get_id().as_str();
    if id == "json" {
        argument.help("Print the plan as a JSON object on standard output")
    } else if id == "verbose" {
        argument.help("Show all invalid rows, not only the first 20")
    } else if OF_A_RUN.contains(&id) {
        argument.hide(true)
    } else {
        argument
    }
}
