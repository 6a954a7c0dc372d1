//! Every kind of fault with several frequencies in every operation of a run: no device is lost, and none gets two
//! channels.
//!
//! A case is one run of the binary against an emulator with that fault. Several cases run at a time, because they
//! mostly wait.

use std::sync::Mutex;

use kvs_fleet::emulator::faults::FaultKind;
use kvs_fleet::emulator::operation::ApiOperation;

use crate::support::{Bench, Cloud};

/// The devices of each case.
const DEVICES: usize = 10;

/// The frequencies: the first attempt of each device, the first requests, half of the requests.
///
/// Not more than the first three: a service whose first listings stay unanswered for five seconds counts as
/// unreachable, and the run stops.
/// be reached, and the run stops.
const OFTEN: [&str; 3] = ["each:1", "first:3", "50%"];

/// A seed whose faults include the first two listings, because there are often only two.
const SEED: u64 = 34;

/// Cases that run at a time.
const AT_A_TIME: usize = 12;

struct Cell {
    /// The operation of its fault.
    operation: ApiOperation,
    /// All faults, that one first.
    faults: Vec<String>,
    /// The number of devices that have a channel before the run.
    premade: usize,
}

impl Cell {
    /// Runs the case and returns what is wrong with its outcome.
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
            // Through an operation without a fault.
            let arn = match self.operation {
                ApiOperation::List => cloud.describe(name)["ChannelARN"].clone(),
                _ => cloud.channels()[name].clone().into(),
            };
            if row["channel_arn"] != arn {
                return wrong(&format!("{name} has the ARN {arn}: {row:?}"));
            }
        }
        if self.operation != ApiOperation::List && cloud.channels().len() != DEVICES {
            return wrong("channels that were not requested");
        }
        Ok(())
    }
}

/// The cases of an operation with all kinds of fault. Each run also has these other faults.
fn cells(
    operation: ApiOperation,
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

/// Runs the cases and reports all failures.
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
    all_survive(cells(ApiOperation::Create, &[], 0));
}

#[test]
fn faults_of_describes() {
    // After an ambiguous create, the run sends a Describe.
    all_survive(cells(ApiOperation::Describe, &["empty=each:1@create"], 0));
}

#[test]
fn faults_of_listings() {
    all_survive(cells(ApiOperation::List, &[], DEVICES / 2));
}

#[test]
fn faults_of_every_operation_twice_for_each_device() {
    all_survive(FaultKind::ALL.into_iter().map(|kind| Cell {
        operation: ApiOperation::Create,
        faults: vec![format!("{}=each:2", kind.as_str())],
        premade: 0,
    }));
}
