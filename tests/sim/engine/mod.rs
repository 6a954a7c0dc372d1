//! The engine, whole and simulated: real regions, limiters and retries between the emulator's pure state and a sink in
//! memory, under a paused clock. No HTTP, no disk, no waiting; the same seed gives the same trace.

mod ambiguous;
mod book;
mod credentials;
mod ends;
mod listing;
mod outage;
pub(crate) mod outcome;
mod pacing;
mod random;
mod regions;
pub(crate) mod rig;
