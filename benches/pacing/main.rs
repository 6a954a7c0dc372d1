//! How well the pace is found and kept: the real engine, limiter and controller against the emulator's state, under a paused
//! clock, beside a fixed rate and AIMD in the same simulation and beside the figures that the design was chosen by.
//!
//! `cargo bench --bench pacing [-- [short] [SEEDS] [SCENARIO …]]`: 20 seeds of every scenario; `short` is 2 seeds of a to f,
//! `ours` leaves the others out. `-- trace SCENARIO` prints one run second by second.

mod client;
mod measure;
mod policy;
mod scenario;
mod world;

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use measure::{Measured, measure};
use policy::{Aimd, Fixed};
use scenario::Scenario;
use world::{Counts, World};

const SEEDS: u64 = 20;
const SHORT_SEEDS: u64 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contender {
    Ours,
    Fixed,
    Aimd,
}

const CONTENDERS: [Contender; 3] = [Contender::Ours, Contender::Fixed, Contender::Aimd];

/// What the command line asks for.
struct Asked {
    seeds: u64,
    scenarios: Vec<Scenario>,
    contenders: Vec<Contender>,
    trace: bool,
}

fn main() -> ExitCode {
    match asked() {
        Ok(asked) if asked.trace => asked.scenarios.iter().for_each(trace),
        Ok(asked) => table(&asked),
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn table(asked: &Asked) {
    let began = Instant::now();
    let measured = run_all(asked);
    println!(
        "Pace in simulation, {} seeds (1 to {0}) of each; median of the seeds, and how far they spread.",
        asked.seeds
    );
    println!(
        "util: granted of what was possible; steady: the same once the rate was found; thr: throttled of what was sent;"
    );
    println!(
        "conv: seconds until 5 s in a row reach 95 % with at most 5 % throttled, the worst of all events; Jain's index.\n"
    );
    println!(
        "| scenario | util % | steady % | thr % | conv s | Jain | design: util/thr/conv | fixed: util/thr/conv | AIMD x0.9: util/thr/conv |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for (number, scenario) in asked.scenarios.iter().enumerate() {
        print_row(scenario, &measured[number]);
    }
    println!("\n{:.0} s", began.elapsed().as_secs_f64());
}

fn asked() -> Result<Asked, String> {
    let mut asked = Asked {
        seeds: SEEDS,
        scenarios: Vec::new(),
        contenders: CONTENDERS.to_vec(),
        trace: false,
    };
    let all = scenario::all();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "short" => {
                asked.seeds = SHORT_SEEDS;
                asked.scenarios = all.iter().filter(|s| s.design.is_some()).cloned().collect();
            }
            "trace" => asked.trace = true,
            "ours" => asked.contenders = vec![Contender::Ours],
            // Cargo's own.
            "--bench" => {}
            word => {
                if let Ok(seeds) = word.parse() {
                    asked.seeds = seeds;
                } else if let Some(scenario) = all.iter().find(|s| s.key == word) {
                    asked.scenarios.push(scenario.clone());
                } else {
                    return Err(format!(
                        "'{word}' is neither a scenario's key, a number of seeds, 'short', 'ours' nor 'trace'"
                    ));
                }
            }
        }
    }
    if asked.scenarios.is_empty() {
        asked.scenarios = all;
    }
    Ok(asked)
}

/// The figures of each scenario, contender and seed. Seeds are independent, so every core works through some.
fn run_all(asked: &Asked) -> Vec<Vec<(Contender, Measured)>> {
    let jobs: Vec<(usize, Contender, u64)> = (0..asked.scenarios.len())
        .flat_map(|scenario| {
            asked.contenders.iter().flat_map(move |&contender| {
                (1..=asked.seeds).map(move |seed| (scenario, contender, seed))
            })
        })
        .collect();
    let next = AtomicUsize::new(0);
    let measured = Mutex::new(vec![Vec::new(); asked.scenarios.len()]);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(&(number, contender, seed)) =
                    jobs.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let scenario = &asked.scenarios[number];
                    let counts = run(scenario, contender, seed);
                    let figures = measure(scenario, &counts);
                    measured.lock().expect("no thread panics")[number].push((contender, figures));
                }
            });
        }
    });
    measured.into_inner().expect("no thread panics")
}

/// One run of all hosts, and the neighbour, to the job's end.
fn run(scenario: &Scenario, contender: Contender, seed: u64) -> Vec<Counts> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let world = World::new(scenario, seed);
        let mut hosts = tokio::task::JoinSet::new();
        for number in 0..scenario.hosts {
            let (scenario, world) = (scenario.clone(), Arc::clone(&world));
            let seed = seed.wrapping_mul(1_000).wrapping_add(number as u64);
            match contender {
                Contender::Ours => hosts.spawn(client::engine(scenario, world, number, seed)),
                Contender::Fixed => {
                    let rate = scenario.ceiling.unwrap_or(scenario.start);
                    hosts.spawn(client::plain(scenario, world, number, Fixed(rate)))
                }
                Contender::Aimd => {
                    let policy = Aimd::new(scenario.start, scenario.ceiling);
                    hosts.spawn(client::plain(scenario, world, number, policy))
                }
            };
        }
        if let Some(neighbour) = scenario.neighbour {
            tokio::spawn(Arc::clone(&world).play(neighbour));
        }
        while hosts.join_next().await.is_some() {}
        world.counts()
    })
}

fn print_row(scenario: &Scenario, measured: &[(Contender, Measured)]) {
    let of = |contender: Contender, figure: fn(&Measured) -> f64| {
        let figures = measured.iter().filter(|(who, _)| *who == contender);
        Spread::of(figures.map(|(_, measured)| figure(measured)).collect())
    };
    let ours = |figure| of(Contender::Ours, figure);
    let others = |contender| {
        if !measured.iter().any(|(who, _)| *who == contender) {
            return "-".to_owned();
        }
        format!(
            "{:.1} / {:.2} / {}",
            of(contender, |m| m.utilisation).median,
            of(contender, |m| m.throttled).median,
            whole(of(contender, |m| m.converged).median)
        )
    };
    let design = scenario.design.map_or("-".to_owned(), |design| {
        let jain = design
            .jain
            .map_or(String::new(), |jain| format!(" ({jain})"));
        format!(
            "{} / {} / {}{jain}",
            design.utilisation, design.throttled, design.converged
        )
    });
    let converged = ours(|m| m.converged);
    println!(
        "| {}: {} | {} | {} | {} | {} ({} to {}) | {:.3} | {design} | {} | {} |",
        scenario.key,
        scenario.title,
        ours(|m| m.utilisation).show(1),
        ours(|m| m.steady).show(1),
        ours(|m| m.throttled).show(2),
        whole(converged.median),
        whole(converged.least),
        whole(converged.most),
        ours(|m| m.jain).median,
        others(Contender::Fixed),
        others(Contender::Aimd),
    );
}

fn whole(seconds: f64) -> String {
    if seconds.is_finite() {
        format!("{seconds:.0}")
    } else {
        "never".to_owned()
    }
}

/// The median of the seeds, the least and the most.
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let at = |index: usize| figures.get(index).copied().unwrap_or(f64::NAN);
        Self {
            least: at(0),
            median: at(figures.len() / 2),
            most: at(figures.len().saturating_sub(1)),
        }
    }

    fn show(&self, digits: usize) -> String {
        format!(
            "{:.digits$} ({:.digits$} to {:.digits$})",
            self.median, self.least, self.most
        )
    }
}

/// One run, second by second.
fn trace(scenario: &Scenario) {
    let counts = run(scenario, Contender::Ours, 1);
    println!("second,possible,granted,throttled (each host, the neighbour last)");
    for second in 0..counts[0].granted.len() {
        let possible = scenario.possible(std::time::Duration::from_secs(second as u64));
        let hosts = counts
            .iter()
            .map(|counts| format!("{},{}", counts.granted[second], counts.throttled[second]));
        println!(
            "{second},{possible:.0},{}",
            hosts.collect::<Vec<_>>().join(",")
        );
    }
}
