//! One quota, many hosts: engines that share a quota by a server, which fails in every way.
//!
//! | module | owns |
//! | --- | --- |
//! | `server` | the quota server with its faults |
//! | `hosts` | several hosts with an engine each, and what became of them |
//! | `calm` | a server that works: the whole quota, in fair parts |
//! | `failures` | one that does not |
//! | `random` | anything, by seed |

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "small counts, and seconds of a simulation"
)]

mod calm;
mod failures;
mod hosts;
mod random;
mod server;
