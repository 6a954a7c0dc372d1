//! Property tests: laws that hold for every input, checked with random inputs and with the corpora of the fuzz targets.
//!
//! The inputs are the same in every run. `PROPTEST_RNG_SEED=7 PROPTEST_CASES=100000 cargo test --test properties` uses
//! others, and more of them; a failure prints the command that repeats it.

mod classify;
mod corpora;
mod draw;
mod emulator;
mod laws;
mod manifest;
mod merge;
mod quota;
#[path = "../common/quota_model.rs"]
mod quota_model;
mod record;
mod results;
mod template;
