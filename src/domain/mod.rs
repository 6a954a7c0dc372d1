//! What everything else is made of: validated types, the control plane as a trait, and how values are written. Sends
//! nothing, and knows neither files nor the command line.
//!
//! | module | owns |
//! | --- | --- |
//! | [`panics`] | what becomes of a panic |
//! | [`device`] | validated types: what cannot be wrong later |
//! | [`wide`] | text in UTF-16 or UTF-32, recognised by its first bytes |
//! | [`template`] | `{column}` templates |
//! | [`clock`] | what time it is, here and at the service |
//! | [`mod@format`] | how rates, shares, counts and durations are written |
//! | [`service`] | the KVS control plane as a trait, its types, and what its failures mean |
//! | [`error_codes`] | what to do about each error code |

mod account;
mod arn;
mod channel_name;
pub mod clock;
pub mod device;
pub mod error_codes;
pub mod format;
pub mod panics;
mod region;
pub mod service;
mod tag;
pub mod template;
mod text;
mod ttl;
pub mod wide;
