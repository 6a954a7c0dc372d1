//! `kvs-fleet` creates a WebRTC signaling channel for every camera of a batch.
//!
//! # The map
//!
//! Data enters at the manifest and leaves at the results file. A module uses only the modules above it.
//!
//! | module | owns |
//! | --- | --- |
//! | [`domain`] | validated types, the control plane as a trait, how values are written |
//! | [`manifest`] | CSV → devices and numbered row errors, streaming |
//! | [`results`] | one row, the journal, the atomic finish, the runs log |
//! | [`aws`] | the control plane over the AWS SDK; no other folder uses the SDK |
//! | [`engine`] | the only module that decides what is sent and when: workers, retries, pace |
//! | [`error`] | the top-level error type and its exit codes |
//! | [`fleet`] | known devices, the plan, the run between plan and results file |
//! | [`emulator`] | an emulation of the service in this process |
//! | [`output`] | messages, progress, summary, reports |
//! | [`cli`] | the command line |
//! | [`commands`] | arguments → validated configuration → the run |
//!
//! # Invariants
//!
//! 1. Every attempt at the service passes its operation's limiter; nothing else retries.
//! 2. A row is on disk (written and synced) before anything counts or shows it.
//! 3. A device has at most one attempt in flight, and one row in the finished file.
//! 4. No two devices share a channel. `created` and `exists` rows carry an ARN that the service reported for that name.
//! 5. Time is tokio's and randomness is seeded: under a paused clock a whole run is deterministic.
//! 6. Killed at any instant and run again, the end state is that of a run never killed, except that a channel whose row
//!    was lost is `exists` instead of `created`.
//! 7. Pure parts (controller, retry, emulator state, record codec) take time as an argument and return decisions.
//!
//! Deliberately absent: a database, a daemon, a second retry layer, and any state that cannot be restored from the CSV.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

// Files that unit tests share with `tests` use the library under its crate name.
#[cfg(test)]
extern crate self as kvs_fleet;

pub mod aws;
pub mod cli;
pub mod commands;
pub mod domain;
pub mod emulator;
pub mod engine;
pub mod error;
pub mod fleet;
pub mod manifest;
pub mod output;
pub mod results;
