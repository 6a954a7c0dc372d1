//! The arguments of the live page.

use std::time::Duration;

use clap::Args;

use super::values::wait;
use crate::live::address::ServeAddress;

/// The live page.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Live page")]
pub(crate) struct ServeArgs {
    /// Serve a page with the live state of the run, such as on 127.0.0.1:8080; port 0 takes a free one. The URL is printed;
    /// /status.json and /metrics have the same numbers
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) serve: Option<ServeAddress>,
    /// Serve it also where other computers can read it: there is no password
    #[arg(long)]
    pub(crate) allow_remote: bool,
    /// How long the page stays after the run has ended, or until Ctrl-C
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = wait)]
    pub(crate) serve_linger: Duration,
}
