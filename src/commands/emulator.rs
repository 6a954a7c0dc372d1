//! (to be written)
/// Arguments.
#[derive(Debug, clap::Args)]
pub struct EmulatorArgs {}
