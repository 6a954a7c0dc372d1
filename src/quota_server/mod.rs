//! The quota server: Valkey or Redis. The only folder that names their client.
//!
//! A call is one script, run by the server in one step: `take.lua` and `settle.lua`. They keep two keys for each quota,
//! `kvs-fleet:1:{ACCOUNT/REGION/OPERATION}:quota` and `…:hosts`; the number is that of their format.

mod address;
mod connect;
mod failure;
mod link;
mod server;
mod wire;

pub use address::{PASSWORD, ServerAddress};
pub use connect::Trust;
pub use server::QuotaServer;
