//! Property tests: the laws that hold for any input, held against drawn inputs and against the fuzz targets' corpora.
//!
//! The same inputs are drawn each time. `PROPTEST_RNG_SEED=7 PROPTEST_CASES=100000 cargo test --test properties` draws
//! others, and more of them; a failure prints the command that repeats it.

mod classify;
mod corpora;
mod draw;
mod emulator;
mod laws;
mod manifest;
mod record;
mod results;
mod template;
