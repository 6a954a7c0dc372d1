//! Simulations: real parts of the library between a simulated service (the emulator's pure state) and a simulated disk,
//! under tokio's paused clock. No HTTP, no file, no waiting; the same seed gives the same trace.
//!
//! `cargo test --test sim` runs 2,000 seeds of whole batches, killed and resumed. `SIM_SEEDS=100000 cargo test --test
//! sim seeds` runs more; `SIM_SEED=1234 cargo test --test sim seeds` runs one, which is what a seed that fails prints.
//!
//! | module | owns |
//! | --- | --- |
//! | `batch` | whole batches over the disk, by seed: crashes, interruptions, failing disks, reruns |
//! | `engine` | the engine alone, with a sink in memory: scenarios, and weather by seed |
//! | `world`, `service` | the simulated service: what exists, and one request on its way |
//! | `disk` | the simulated disk, which the unit tests of the results use as well |
//! | `power` | when a process ends |
//! | `seeds` | which seeds are run |

mod batch;
mod disk;
mod engine;
mod power;
mod seeds;
mod service;
mod world;
