//! `kvs-fleet` creates a WebRTC signaling channel for every camera of a batch.
//!
//! # The map
//!
//! Data enters at the manifest and leaves at the results file. A module uses only the modules above it.
//!
//! | module | owns |
//! | --- | --- |
//! | [`domain`] | validated types, the control plane's operations and answers, how values are written |
//! | [`manifest`] | CSV → devices and numbered row errors, streaming |
//! | [`results`] | one row, the journal, the atomic finish, the runs log |
//! | [`engine`] | the only module that decides what is sent and when: the client as a trait, workers, retries, pace |
//! | [`aws`] | that trait over the AWS SDK; no other folder uses the SDK |
//! | [`quota_server`] | the pace's quota for many hosts, kept by Valkey or Redis; no other folder uses their client |
//! | [`error`] | the top-level error type and its exit codes |
//! | [`fleet`] | known devices, the plan, the run between plan and results file |
//! | [`emulator`] | an emulation of the service in this process |
//! | [`output`] | messages, progress, summary, reports |
//! | [`live`] | the page of a run while it goes on, served over HTTP |
//! | [`cli`] | the command line |
//! | [`commands`] | arguments → validated configuration → the run |
//!
//! `docs/architecture.md` describes the path of a row through these modules, the invariants, and what is deliberately absent.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

pub mod aws;
pub mod cli;
pub mod commands;
pub mod domain;
pub mod emulator;
pub mod engine;
pub mod error;
pub mod fleet;
pub mod live;
pub mod manifest;
pub mod output;
pub mod quota_server;
pub mod results;
