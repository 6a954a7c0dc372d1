//! The engine, whole and simulated: real lanes, limiters and retries between the emulator's pure state and a ledger in
//! memory, under a paused clock. No HTTP, no disk, no waiting; the same seed gives the same trace.

mod ambiguous;
mod book;
mod census;
mod credentials;
mod ends;
mod lanes;
mod outage;
pub(crate) mod outcome;
mod pacing;
mod random;
pub(crate) mod rig;
