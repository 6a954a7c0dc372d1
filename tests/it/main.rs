//! The integration tests: the real binary, against its own emulator over HTTP, without network or AWS.

mod service;
