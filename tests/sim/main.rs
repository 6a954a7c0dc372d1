//! Simulations: real parts of the library between a simulated service (the emulator's state) and a simulated disk,
//! under tokio's paused clock. No HTTP and no files; the same seed gives the same trace.
//!
//! `cargo test --test sim` runs 2,000 seeds of whole batches, killed and resumed. `SIM_SEEDS=100000 cargo test --test
//! sim seeds` runs more; `SIM_SEED=1234 cargo test --test sim seeds` runs one, as a failed seed prints it.
//!
//! | module | owns |
//! | --- | --- |
//! | `batch` | whole batches over the disk, by seed: crashes, interruptions, failing disks, reruns |
//! | `engine` | the engine alone, with a sink in memory: scenarios, and random faults by seed |
//! | `world`, `service` | the simulated service: its state, and one request |
//! | `results` | the results file alone over the disk: read, repaired, refused, appended and finished |
//! | `disk` | the simulated disk, which the property tests use too |
//! | `earlier` | results files of earlier versions |
//! | `power` | when a process is killed |
//! | `seeds` | which seeds are run |

mod batch;
#[path = "../common/disk.rs"]
mod disk;
mod earlier;
mod engine;
mod power;
mod quota;
#[path = "../common/quota_model.rs"]
mod quota_model;
mod results;
mod seeds;
mod service;
mod world;
