//! Every kind of fault, however often, in every operation of a run: no device is lost and none gets two channels.
//!
//! A cell of the matrix is one run of the binary against an emulator with that one fault. Several cells run at a time, since
//! most of their time is waits.

use std::sync::Mutex;

use kvs_fleet::emulator::faults::FaultKind;
use kvs_fleet::emulator::operation::Operation;

use crate::support::{Bench, Cloud};

/// The devices of each cell.
const DEVICES: usize = 10;

/// How often a fault strikes: the first attempt of each device, the first requests, half of them.
///
/// Not more than the first three: a service whose first listings stay unanswered for five seconds counts as one that cannot
/// be reached, and the run stops.
const OFTEN: [&str; 3] = ["each:1", "first:3", "50%"];

/// Draws which half of the requests are struck: the first two listings, of which there is often only one, are.
const SEED: u64 = 34;

/// Cells that run at a time.
const AT_A_TIME: usize = 12;

/// One run.
struct Cell {
    /// Where its fault strikes.
    operation: Operation,
    /// All that goes wrong, that fault first.
    faults: Vec<String>,
    /// So many devices have a channel before the run, which listing it finds.
    premade: usize,
}

impl Cell {
    /// Runs it. What is wrong with the outcome, if anything is.
    fn run(&self) -> Result<(), String> {
        let bench = Bench::of(DEVICES);
        let faults: Vec<&str> = self.faults.iter().map(String::as_str).collect();
        let cloud = Cloud::with(|settings| {
            settings.faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
            settings.seed = SEED;
        });
        let names: Vec<String> = (1..=DEVICES).map(|n| format!("CAM-{n:04}")).collect();
        cloud.make_all(names[..self.premade].iter().map(String::as_str));
        let done = bench
            .provision(cloud.url())
            .args(&["--timeout", "400ms", "--max-attempts", "40"])
            .run();
        let wrong = |what: &str| Err(format!("{}: {what}\n{done}", self.faults.join(" ")));
        if done.code != Some(0) || done.stderr.contains("panicked") {
            return wrong("exit code");
        }
        if cloud.faults(self.operation) == 0 {
            return wrong("the fault never struck");
        }
        let rows = bench.rows("d.results.csv");
        if rows.len() != DEVICES {
            return wrong("not one row a device");
        }
        for (index, (row, name)) in rows.iter().zip(&names).enumerate() {
            let expected = if index < self.premade {
                "exists"
            } else {
                "created"
            };
            if row["device_id"] != *name || row["status"] != expected {
                return wrong(&format!("{name} is not {expected}: {row:?}"));
            }
            // Asked by the operation that no fault strikes now.
            let arn = match self.operation {
                Operation::List => cloud.describe(name)["ChannelARN"].clone(),
                _ => cloud.channels()[name].clone().into(),
            };
            if row["channel_arn"] != arn {
                return wrong(&format!("{name} has the ARN {arn}: {row:?}"));
            }
        }
        if self.operation != Operation::List && cloud.channels().len() != DEVICES {
            return wrong("channels that nobody asked for");
        }
        Ok(())
    }
}

/// The cells of an operation, all kinds of fault. Each run meets with these other faults as well.
fn cells(
    operation: Operation,
    other: &[&str],
    premade: usize,
) -> impl Iterator<Item = Cell> + Send {
    FaultKind::ALL.into_iter().flat_map(move |kind| {
        OFTEN.map(|often| {
            let fault = format!("{}={often}@{operation}", kind.as_str());
            let other = other.iter().map(|&other| other.to_owned());
            Cell {
                operation,
                faults: std::iter::once(fault).chain(other).collect(),
                premade,
            }
        })
    })
}

/// Runs cells, and names all that go wrong.
#[track_caller]
fn all_survive(cells: impl Iterator<Item = Cell> + Send) {
    let cells = Mutex::new(cells);
    let next = || cells.lock().unwrap().next();
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(cell) = next() {
                    let outcome = cell.run();
                    wrong.lock().unwrap().extend(outcome.err());
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} cells: {}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn faults_of_creates() {
    all_survive(cells(Operation::Create, &[], 0));
}

#[test]
fn faults_of_describes() {
    // A create whose answer says nothing makes the run ask.
    all_survive(cells(Operation::Describe, &["empty=each:1@create"], 0));
}

#[test]
fn faults_of_listings() {
    all_survive(cells(Operation::List, &[], DEVICES / 2));
}

#[test]
fn faults_of_every_operation_twice_for_each_device() {
    all_survive(FaultKind::ALL.into_iter().map(|kind| Cell {
        operation: Operation::Create,
        faults: vec![format!("{}=each:2", kind.as_str())],
        premade: 0,
    }));
}
