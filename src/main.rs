//! `kvs-fleet`: parse, run, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    kvs_fleet::commands::main()
}
