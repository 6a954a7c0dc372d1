//! What the fuzz targets share: the laws that `cargo test` holds the library to as well.

#[path = "../../tests/properties/laws/mod.rs"]
#[expect(dead_code, reason = "the property tests use more of them")]
mod laws;

/// Holds one input against the law of this name; panics where it is broken.
pub fn check(law: &str, input: &[u8]) {
    let found = laws::ALL.iter().find(|(name, _)| *name == law);
    let (_, holds) = found.expect("a law of this name");
    holds(input);
}
