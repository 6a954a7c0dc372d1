//! `kvs-fleet`: one WebRTC signaling channel for every camera of a batch.
//!
//! # The map
//!
//! Data comes in at the manifest and leaves at the results file. A module uses only those that stand before it (but
//! [`cli`] names the arguments that the emulator's command defines):
//!
//! | module | owns |
//! | --- | --- |
//! | [`domain`] | validated types, the control plane as a trait, how values are written |
//! | [`manifest`] | CSV → devices and numbered row errors, streaming |
//! | [`results`] | one row, the journal, the atomic finish, the runs log |
//! | [`aws`] | the control plane over the AWS SDK: the only folder that names it |
//! | [`engine`] | the pipeline: the only module that decides what is sent and when; its retries and its pace |
//! | [`error`] | the one error type at the top, which knows its exit code |
//! | [`fleet`] | known devices, the plan, the run between plan and results file |
//! | [`emulator`] | the service, in process |
//! | [`output`] | messages, progress, summary, reports |
//! | [`cli`] | the command line |
//! | [`commands`] | arguments → validated configuration → the parts wired together |
//!
//! `docs/architecture.md` describes a row's way through these modules, the invariants, and what is deliberately absent.
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
