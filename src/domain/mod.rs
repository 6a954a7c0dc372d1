//! The types that all other modules use: validated values, the operations of the control plane and their answers, and
//! formatting. They send no requests, read no files, and do not know the command line.
//!
//! | module | owns |
//! | --- | --- |
//! | [`panics`] | how a panic is recorded and reported |
//! | [`device`] | validated values: a value that exists is valid |
//! | [`wide`] | detection of UTF-16 and UTF-32 |
//! | [`template`] | `{column}` templates |
//! | [`account_template`] | templates whose only column is the account |
//! | `certificates` | certificate authorities from a PEM file |
//! | [`clock`] | the time of this computer and of the service |
//! | [`mod@format`] | formatting of rates, shares, counts and durations |
//! | `local_url` | the URL of a server of this process |
//! | [`service`] | the operations of the KVS control plane, their types, and the meaning of their failures |
//! | [`error_codes`] | what to do about each error code |
//! | [`role`] | what IAM and STS accept for an assumed role |
//! | [`shard`] | which of several processes attempts a device |
//! | `suggest` | names that look like another name |

mod account;
mod account_region;
pub mod account_template;
mod arn;
pub(crate) mod certificates;
mod channel_name;
pub mod clock;
pub mod device;
pub mod error_codes;
pub mod format;
pub(crate) mod local_url;
pub mod panics;
mod region;
pub mod role;
pub mod service;
pub mod shard;
pub(crate) mod suggest;
mod tag;
pub mod template;
mod text;
mod ttl;
pub mod wide;
