//! Generation of inputs: the test runner with its seed, and text that is difficult to parse.

use std::fmt::Debug;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed, TestRunner};

/// Checks a law with this many random inputs.
#[track_caller]
pub(crate) fn check<S>(cases: u32, inputs: S, law: impl Fn(S::Value))
where
    S: Strategy,
    S::Value: Debug,
{
    let mut config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    let seed = seed();
    config.rng_seed = RngSeed::Fixed(seed);
    let cases = config.cases;
    let outcome = TestRunner::new(config).run(&inputs, |input| {
        law(input);
        Ok(())
    });
    if let Err(error) = outcome {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or_default();
        panic!(
            "{error}\nrepeat it with: PROPTEST_RNG_SEED={seed} PROPTEST_CASES={cases} cargo test --test properties \
             -- --exact {test}"
        );
    }
}

/// The seed of a test that draws by itself.
pub(crate) fn seed() -> u64 {
    match Config::default().rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => 0,
    }
}

/// Pieces of CSV files, templates and answers.
const PARTS: [&str; 34] = [
    "a",
    "B",
    "7",
    "0",
    "_",
    ".",
    "-",
    " ",
    ",",
    ";",
    "\t",
    "\"",
    "\"\"",
    "\n",
    "\r\n",
    "\r",
    "'",
    "=",
    "+",
    "@",
    "é",
    "日",
    "\u{2028}",
    "\u{a0}",
    "\u{0}",
    "{",
    "}",
    "{{",
    "|",
    ":",
    "/",
    "#",
    "\u{feff}",
    "long-enough-to-matter",
];

/// Text of at most this many pieces.
pub(crate) fn text(most: usize) -> impl Strategy<Value = String> {
    vec(select(&PARTS[..]), 0..=most).prop_map(|parts| parts.concat())
}

/// Text without NUL, which manifests cannot contain.
pub(crate) fn text_without_nul(most: usize) -> impl Strategy<Value = String> {
    text(most).prop_map(|text| text.replace('\0', "."))
}

/// Changes of a file: the position as a share of its length, the number of replaced bytes, and the replacement.
pub(crate) fn damages(most: usize) -> impl Strategy<Value = Vec<(f64, usize, Vec<u8>)>> {
    let bytes = prop_oneof![
        text(3).prop_map(String::into_bytes),
        vec(any::<u8>(), 0..4),
        Just(vec![0; 600]),
    ];
    vec((0.0..1.0, 0..40_usize, bytes), 0..=most)
}

/// The changed file.
pub(crate) fn damaged(mut file: Vec<u8>, damages: Vec<(f64, usize, Vec<u8>)>) -> Vec<u8> {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in a short file"
    )]
    for (share, length, bytes) in damages {
        let start = (file.len() as f64 * share) as usize;
        let end = (start + length).min(file.len());
        file.splice(start..end, bytes);
    }
    file
}
