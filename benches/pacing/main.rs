//! The duration of batches: the real engine, limiter and controller against the emulator's state, under a paused clock,
//! compared with a plain script and AIMD in the same simulation.
//!
//! `cargo bench --bench pacing -- [SEEDS] [short] [ours] [KEY …]`: all scenarios, or those whose key begins with a KEY.
//! `short` runs the scenarios with goals, with fewer seeds, slightly wider bounds and without the other policies; it
//! fails if a bound is missed. `ours` leaves out the other policies. `-- trace KEY [SEED]` prints one run in half
//! seconds.
//! fails when a bound is missed. `ours` leaves out the others. `-- trace KEY [SEED]` prints one run in half seconds.
//!
//! | module | owns |
//! | --- | --- |
//! | `scenario`, `builder`, `catalog`, `goals`, `misses` | the simulated scenarios and their goals |
//! | `world`, `host` | the service, its network and its other user; the service as an engine uses it |
//! | `engine`, `script`, `policy` | the senders: the tool, or a plain script with another policy |
//! | `run`, `measure` | a run from a seed to a log; the figures of a log |
//! | `table`, `trace` | the output |

mod builder;
mod catalog;
mod engine;
mod goals;
mod host;
mod measure;
mod misses;
mod policy;
mod run;
mod scenario;
mod script;
mod table;
mod trace;
mod world;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use measure::{Figures, measure};
use run::Contender;
use scenario::{End, Scenario};
use table::Results;

const SEEDS: u64 = 50;
const SHORT_SEEDS: u64 = 20;

/// The command line's options.
#[derive(Default)]
struct BenchOptions {
    /// The number of seeds, or the seed of a trace.
    number: Option<u64>,
    keys: Vec<String>,
    short: bool,
    ours: bool,
    trace: bool,
}

fn main() -> ExitCode {
    let asked = asked();
    let scenarios = match chosen(&asked) {
        Ok(scenarios) => scenarios,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::from(2);
        }
    };
    if asked.trace {
        for scenario in &scenarios {
            trace::print(scenario, asked.number.unwrap_or(1));
        }
        return ExitCode::SUCCESS;
    }
    let all_reached = print_table(&asked, &scenarios);
    if asked.short && !all_reached {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn asked() -> BenchOptions {
    let mut asked = BenchOptions::default();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "short" => asked.short = true,
            "ours" => asked.ours = true,
            "trace" => asked.trace = true,
            // Cargo passes this.
            "--bench" => {}
            word => match word.parse() {
                Ok(number) => asked.number = Some(number),
                Err(_) => asked.keys.push(word.to_owned()),
            },
        }
    }
    asked
}

fn chosen(asked: &BenchOptions) -> Result<Vec<Scenario>, String> {
    let all = catalog::all();
    if let Some(key) = asked
        .keys
        .iter()
        .find(|key| !all.iter().any(|s| s.key.starts_with(*key)))
    {
        let known: Vec<_> = all.iter().map(|s| s.key.as_str()).collect();
        return Err(format!(
            "no scenario's key begins with '{key}'; there are: {}",
            known.join(", ")
        ));
    }
    let is_named = |scenario: &Scenario| {
        let names = |key: &String| {
            let is_whole = all.iter().any(|s| s.key == *key);
            scenario.key == *key || (!is_whole && scenario.key.starts_with(key))
        };
        asked.keys.is_empty() || asked.keys.iter().any(names)
    };
    let named = all.iter().filter(|scenario| is_named(scenario));
    let chosen: Vec<_> = named
        .filter(|scenario| scenario.goals.are_any() || !asked.short)
        .cloned()
        .collect();
    if chosen.is_empty() {
        return Err("none of these scenarios has a goal, and the short form runs no others".into());
    }
    Ok(chosen)
}

/// Runs all scenarios and prints the table. Returns whether all goals are reached.
fn print_table(asked: &BenchOptions, scenarios: &[Scenario]) -> bool {
    let began = Instant::now();
    table::print_head();
    let mut all_missed = Vec::new();
    for scenario in scenarios {
        let results = results(asked, scenario);
        let misses = results.misses();
        results.print_row(&misses);
        all_missed.extend(misses.into_iter().map(|miss| (&scenario.key, miss.text)));
    }
    println!("\nGoals missed: {}", all_missed.len());
    for (key, text) in &all_missed {
        println!("- {key}: {text}");
    }
    println!("\n{:.0} s", began.elapsed().as_secs_f64());
    all_missed.is_empty()
}

fn results<'a>(asked: &BenchOptions, scenario: &'a Scenario) -> Results<'a> {
    let default = if asked.short { SHORT_SEEDS } else { SEEDS };
    let seeds = asked.number.unwrap_or(default);
    let contenders: &[Contender] = if asked.ours || asked.short {
        &[Contender::Ours]
    } else {
        &[Contender::Ours, Contender::Fixed, Contender::Aimd]
    };
    let ideal = match scenario.end {
        End::AllDone => scenario.ideal(),
        End::After(_) => f64::INFINITY,
    };
    let figures = contenders
        .iter()
        .map(|&contender| (contender, run_seeds(scenario, ideal, contender, seeds)));
    Results {
        scenario,
        ideal,
        seeds,
        goals: if asked.short {
            scenario.goals.widened()
        } else {
            scenario.goals
        },
        figures: figures.collect(),
    }
}

/// The figures of each seed from 1 on. Seeds are independent, so that all cores are used.
fn run_seeds(
    scenario: &Scenario,
    ideal: f64,
    contender: Contender,
    seeds: u64,
) -> Vec<(u64, Figures)> {
    let seeds: Vec<u64> = (1..=seeds).collect();
    let next = AtomicUsize::new(0);
    let measured = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(&seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let log = run::run(scenario, contender, seed);
                    let figures = measure(scenario, ideal, &log);
                    measured
                        .lock()
                        .expect("no thread panics")
                        .push((seed, figures));
                }
            });
        }
    });
    measured.into_inner().expect("no thread panics")
}
