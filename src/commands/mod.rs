//! (to be written)

pub mod emulator;
