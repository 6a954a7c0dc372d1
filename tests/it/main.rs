//! The integration tests: the real binary, against its own emulator over HTTP, without network or AWS.
//!
//! The tests check the tool's promises, not its implementation: exit code, messages on standard error, requests sent,
//! and files written.

mod accounts;
mod ambiguity;
mod configuration;
mod credentials;
mod disk;
mod docs;
mod emulate;
mod faults;
mod field;
mod imports;
mod kills;
mod live;
mod manifest;
mod matrix;
mod merge;
mod mistakes;
mod on_exists;
mod open_files;
mod output;
mod place;
mod plan;
mod quota_server;
mod refusals;
mod regions;
mod rehearsal;
mod report;
mod rerun;
mod results;
mod rollback;
mod service;
mod shards;
mod signals;
mod stops;
mod stream;
mod support;
#[cfg(unix)]
mod terminal;
mod tidy;
mod verify;
