//! Shared code of the fuzz targets: the laws that `cargo test` also checks.

#[path = "../../tests/properties/laws/mod.rs"]
#[expect(dead_code, reason = "the property tests use more of them")]
mod laws;

/// Checks the law with this name for one input; panics if it does not hold.
pub fn check(law: &str, input: &[u8]) {
    let found = laws::ALL.iter().find(|(name, _)| *name == law);
    let (_, holds) = found.expect("a law of this name");
    holds(input);
}
