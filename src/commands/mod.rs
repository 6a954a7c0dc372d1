//! One file a subcommand: arguments → validated configuration → the parts wired together.

pub mod emulator;
