//! Which seeds are run, and how a failed one is repeated.
//!
//! `SIM_SEEDS=100000` runs this many instead of the default number, `SIM_SEED=1234` that one alone.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name}={text} is no whole number")))
}

/// Runs the test for each of its seeds: every `parts`-th of `usual`, from `part` on. `filter` is the name that selects
/// the test.
pub(crate) fn each(filter: &str, usual: u64, (part, parts): (u64, u64), test: impl Fn(u64)) {
    let seeds: Vec<u64> = match variable("SIM_SEED") {
        Some(seed) if part == 0 => vec![seed],
        Some(_) => Vec::new(),
        None => {
            let all = variable("SIM_SEEDS").unwrap_or(usual);
            (0..all).filter(|seed| seed % parts == part).collect()
        }
    };
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(seed))) {
            eprintln!(
                "seed {seed} fails; repeat it with: SIM_SEED={seed} cargo test --test sim {filter}"
            );
            resume_unwind(panic);
        }
    }
}
