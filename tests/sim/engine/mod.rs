//! Simulation of the engine alone: real Regions, limiters and retries between the emulator's state and a sink in
//! memory, under a paused clock. No HTTP and no disk; the same seed gives the same trace.

mod ambiguous;
mod credentials;
mod ends;
mod listing;
mod memory_sink;
mod outage;
pub(crate) mod outcome;
mod pacing;
mod random;
mod regions;
pub(crate) mod rig;
mod run;
