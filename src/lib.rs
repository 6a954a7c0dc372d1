//! `kvs-fleet`: one WebRTC signaling channel for every camera of a batch.
//!
//! # The map
//!
//! Data comes in at the manifest and leaves at the results file. A module uses only those that stand before it (but
//! [`cli`] names the arguments that the emulator's command defines):
//!
//! | module | owns |
//! | --- | --- |
//! | [`defence`] | what becomes of a panic |
//! | [`device`] | validated types: what cannot be wrong later |
//! | [`wide`] | text in UTF-16 or UTF-32, told by its first bytes |
//! | [`template`] | `{column}` templates |
//! | [`manifest`] | CSV → devices and numbered row errors, streaming |
//! | [`results`] | one row, the journal, the atomic finish, the runs log |
//! | [`roster`] | who is known, by device ID and by channel name, and where each one's row is |
//! | [`plan`] | the manifest minus what is done → the work |
//! | [`clock`] | what time it is, here and at the service |
//! | [`figures`] | how rates, shares and durations are written for people |
//! | [`output_file`] | a file that a person named for this tool to write |
//! | [`service`] | the KVS control plane as a trait, and the AWS SDK behind it |
//! | [`codes`] | what to do about each error code |
//! | [`verify`] | what results claim beside what the service has |
//! | [`retry`] | this failure, this attempt → done, wait, give up, stop the run |
//! | [`pace`] | how fast requests may leave: the limiter and its controller |
//! | [`event`] | what the engine tells |
//! | [`engine`] | the pipeline: the only module that decides what is sent and when |
//! | [`error`] | the one error type at the top, which knows its exit code |
//! | [`batch`] | the engine between the plan and the results file: open, plan, run, finish |
//! | [`emulator`] | the service, in process |
//! | [`tally`], [`summary`] | what has happened, in numbers; what the person and the script see at the end |
//! | [`report`] | what results and runs log tell of a batch, as text and as a page |
//! | [`cli`] | the command line |
//! | [`logging`], [`progress`] | what the person sees meanwhile |
//! | [`commands`] | arguments → validated configuration → the parts wired together |
//!
//! # Invariants
//!
//! 1. Every attempt at the service passes its operation's limiter; nothing else retries.
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

pub mod batch;
pub mod cli;
pub mod clock;
pub mod codes;
pub mod commands;
pub mod defence;
pub mod device;
pub mod emulator;
pub mod engine;
pub mod error;
pub mod event;
pub mod figures;
pub mod logging;
pub mod manifest;
pub mod output_file;
pub mod pace;
pub mod plan;
pub mod progress;
pub mod report;
pub mod results;
pub mod retry;
pub mod roster;
pub mod service;
pub mod summary;
pub mod tally;
pub mod template;
pub mod verify;
pub mod wide;
