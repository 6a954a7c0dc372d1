//! `kvs-fleet`: one WebRTC signaling channel for every camera of a batch.
//!
//! # The map
//!
//! Data comes in at the manifest and leaves at the results file. A module uses only those that stand before it (but
//! [`cli`] names the arguments that the emulator's command defines):
//!
//! | module | owns |
//! | --- | --- |
//! | [`domain`] | validated types, the control plane's operations and answers, how values are written |
//! | [`manifest`] | CSV → devices and numbered row errors, streaming |
//! | [`results`] | one row, the journal, the atomic finish, the runs log |
//! | [`engine`] | the pipeline: the only module that decides what is sent and when; the client as a trait, its retries and its pace |
//! | [`aws`] | that trait over the AWS SDK: the only folder that names it |
//! | [`error`] | the one error type at the top, which knows its exit code |
//! | [`fleet`] | known devices, the plan, the run between plan and results file |
//! | [`emulator`] | the service, in process |
//! | [`output`] | messages, progress, summary, reports |
//! | [`cli`] | the command line |
//! | [`commands`] | arguments → validated configuration → the parts wired together |
//!
//! # Invariants
//!
//! 1. Every attempt at the service passes its operation's limiter, by type; nothing else retries.
//! 2. A row is on disk (written and synced) before anything counts or shows it.
//! 3. A device has at most one attempt in flight, and one row in the finished file.
//! 4. No two devices share a channel. `created` and `exists` rows carry an ARN that the service reported for that name.
//! 5. Time is tokio's and randomness is seeded: under a paused clock a whole run is deterministic.
//! 6. Killed at any instant and run again, the end state is that of a run never killed, but that a channel whose row
//!    was lost says `exists` instead of `created`.
//! 7. Pure parts (controller, retry, emulator state, record codec) take time as an argument and return decisions.
//!
//! Deliberately absent: a database, a daemon, a second retry layer, and any state that the CSV alone could not restore.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

// What unit tests share with those in `tests` names the library as they do.
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
