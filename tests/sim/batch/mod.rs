//! Simulation of whole batches: the real engine, limiters, retries, reconcile, journal, runs log, plan and finish, on a
//! disk that loses unsynced data and against the emulator's state, under the paused clock.
//!
//! A seed defines a batch, a service and up to five processes, most of which are killed, interrupted or get disk
//! errors. Then a process without faults gives every device its channel, and another one has nothing to do. `audit`
//! checks each process; the checks at the end are here. Seeds that found a bug are listed below.

mod audit;
mod process;
mod scenario;
mod scripted;
mod test_manifest;

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kvs_fleet::engine::{EngineSettings, Stop, StopSignal};
use kvs_fleet::error::Error;
use kvs_fleet::results::record::Status;

use self::audit::{Audit, rows_of};
use self::process::{Ended, ProcessRun};
use self::scenario::{Ending, Process, Scenario};
use self::test_manifest::{Kind, REGIONS, TestManifest};
use crate::disk::{Mishap, TestDisk};
use crate::earlier::without_account;
use crate::engine::rig::{region, seconds};
use crate::power::Power;
use crate::seeds;
use crate::world::World;

/// The default number of seeds.
const SEEDS: u64 = 2_000;
/// One seed in this many is run twice, to check that it gives the same trace.
const REPEATED: u64 = 20;
/// Longer than any process takes: a process that is not finished by then hangs.
const FOREVER: Duration = Duration::from_hours(48);
/// The number of trace lines that are printed for a failed seed.
const LAST_LINES: usize = 40;

/// Seeds that found a bug, and the bug.
const REGRESSIONS: &[(u64, &str)] = &[
    (
        400,
        "those who waited for the stop were woken in an order drawn by chance",
    ),
    (3_500, "the same"),
    (
        7_338,
        "a rate that rose after a slow one let requests pass that had waited by the slow one",
    ),
];

/// The state that outlives a process.
struct Simulation {
    audit: Arc<Audit>,
    disk: TestDisk,
    manifest: TestManifest,
    settings: EngineSettings,
    disk_takes: Duration,
    random: fastrand::Rng,
    age: Duration,
}

fn results() -> PathBuf {
    PathBuf::from("batch.results.csv")
}

impl Simulation {
    /// Runs a process and the checks after it. Returns how it ended, unless it was killed.
    fn run_process(&mut self, process: &Process) -> Option<Result<Ended, Error>> {
        if process.edits {
            self.manifest.edit(&mut self.random);
        }
        if process.follows_an_earlier_version() {
            self.take_accounts_out();
        }
        let world = Arc::clone(&self.audit.world);
        let power = Arc::new(Power::new(match process.ending {
            Ending::AtPoint(point) => Some(point),
            _ => None,
        }));
        let mishap = self.inject_disk_failures(process, &power);
        {
            let mut core = world.core();
            core.power = Some(Arc::clone(&power));
            core.faults =
                kvs_fleet::emulator::faults::FaultPlan::new(process.faults.clone(), process.seed);
        }
        world.restart();
        self.audit.begin_process();
        let began = self.age + process.begins_after;
        let stop = StopSignal::new();
        let process_run = ProcessRun {
            audit: &self.audit,
            disk: &self.disk,
            results: &results(),
            manifest: self.manifest.text(),
            settings: EngineSettings {
                seed: process.seed,
                ..self.settings.clone()
            },
            power: Arc::clone(&power),
            stop: stop.clone(),
        };
        let ended = on_paused_clock(async {
            world.resume(began);
            self.audit
                .note(format_args!("a process begins: {process:?}"));
            if let Ending::Interrupted(at) = process.ending {
                let stop = stop.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(at).await;
                    stop.give(Stop::Interrupted);
                });
            }
            let patience = match process.ending {
                Ending::At(at) => at,
                _ => FOREVER,
            };
            let ended = tokio::select! {
                biased;
                () = power.lost() => None,
                ended = process_run.run(process) => Some(ended),
                () = tokio::time::sleep(patience) => {
                    assert!(patience < FOREVER, "the process never ends");
                    power.cut();
                    None
                }
            };
            // Requests that were pending at its end belong to no process.
            let ended = ended.filter(|_| !power.is_cut());
            self.audit
                .note(format_args!("the process ended: {ended:?}"));
            self.age = world.elapsed();
            ended
        });
        drop(process_run);
        self.go_on(process);
        let has_failed = mishap.load(Ordering::Relaxed);
        self.check(process, began, ended.as_ref(), has_failed);
        ended
    }

    /// Gives the results the form in which an earlier version wrote them, unless they are torn.
    fn take_accounts_out(&self) {
        let there = self.disk.read_file(&results());
        if let Some(earlier) = there.and_then(|file| without_account(&file)) {
            self.disk.write_file(&results(), &earlier);
        }
    }

    /// Injects the disk failures of a process; the result is set when one occurs.
    fn inject_disk_failures(&self, process: &Process, power: &Arc<Power>) -> Arc<AtomicBool> {
        let has_failed = Arc::new(AtomicBool::new(false));
        let (struck, power) = (Arc::clone(&has_failed), Arc::clone(power));
        let (bad, audit) = (process.disk_failure, Arc::clone(&self.audit));
        let (mut operations, mut since) = (0, 0);
        self.disk.set_fate(move |operation, path| {
            audit.note(format_args!("disk: {operation} {}", path.display()));
            if power.reach() {
                return Some(Mishap::Crash);
            }
            let bad = bad?;
            if operations >= bad.at {
                // The operation need not occur again.
                since += 1;
            }
            if bad.kills_after.is_some_and(|after| since > after) {
                power.cut();
                return Some(Mishap::Crash);
            }
            let counts = bad.operation.is_empty() || bad.operation == operation;
            operations += u64::from(counts);
            let is_bad = counts && (operations == bad.at || (bad.stays && operations > bad.at));
            is_bad.then(|| {
                struck.store(true, Ordering::Relaxed);
                Mishap::Fail(match operation {
                    "write" | "create" | "set length" => std::io::ErrorKind::StorageFull,
                    "open" | "rename" | "remove" => std::io::ErrorKind::PermissionDenied,
                    _ => std::io::ErrorKind::Other,
                })
            })
        });
        let mut random = fastrand::Rng::with_seed(process.seed);
        let most = self.disk_takes;
        self.disk.set_takes(move || {
            let mut part = || most.mul_f64(random.f64() / 2.0);
            (part(), part())
        });
        has_failed
    }

    /// The disk after the process has ended.
    fn go_on(&mut self, process: &Process) {
        self.disk.after_kill();
        if process.loses_power {
            self.disk = self.disk.after_crash(&mut self.random);
        }
    }

    fn check(
        &self,
        process: &Process,
        began: Duration,
        ended: Option<&Result<Ended, Error>>,
        has_failed: bool,
    ) {
        on_paused_clock(async {
            self.audit.world.resume(self.age);
            let EngineSettings { workers, rate, .. } = &self.settings;
            self.audit.check_process(began, *workers, rate.ceiling);
            self.audit.check_survival(&self.disk, &results());
            if let Ending::Interrupted(at) = process.ending {
                self.audit.check_no_create_after(began + at);
            }
        });
        let whole = match ended {
            None | Some(Ok(Ended::Unbegun)) => return,
            Some(Err(refused)) => {
                assert!(has_failed, "refused: {refused}");
                return;
            }
            Some(Ok(Ended::Idle)) => true,
            Some(Ok(Ended::Worked(stop, kept))) => {
                let is_defect = matches!(
                    stop,
                    Err(Error::Stopped(
                        Stop::Internal(_) | Stop::WrongAccount { .. }
                    ))
                );
                assert!(!is_defect, "{stop:?}");
                let is_stored =
                    kept.is_ok() && !matches!(stop, Err(Error::Stopped(Stop::Results(_))));
                assert!(is_stored || has_failed, "{stop:?}, {kept:?}");
                is_stored
            }
        };
        if whole && !has_failed {
            let rows = rows_of(&self.disk, &results());
            let ids: Vec<&String> = (rows.iter().filter(|row| row.status != Status::Invalid))
                .map(|row| &row.id)
                .collect();
            let set: HashSet<_> = ids.iter().collect();
            assert_eq!(set.len(), ids.len(), "a device has two rows: {ids:?}");
            if self.audit.world.settings.hidden_for.is_zero() {
                self.audit.check_nothing_is_lost();
            }
        }
    }

    /// Checks the end state: a row for each device and each invalid line, in manifest order, with the right channel.
    fn check_end(&self) {
        let channels: HashMap<&str, _> = on_paused_clock(async {
            self.audit.world.resume(self.age);
            let of = |name| (name, self.audit.world.channels(&region(name)));
            REGIONS.into_iter().map(of).collect()
        });
        let rows = rows_of(&self.disk, &results());
        let lines = self
            .manifest
            .lines
            .iter()
            .filter(|line| line.kind != Kind::Repeat);
        let mut left = rows.iter();
        for line in lines {
            let row = left.next().unwrap_or_else(|| panic!("no row for {line:?}"));
            assert_eq!(row.id, line.id, "not in the manifest's order: {rows:?}");
            if line.kind == Kind::Invalid {
                assert_eq!(row.status, Status::Invalid, "{row:?}");
            } else {
                assert!(row.status.has_arn(), "{row:?}");
                assert_eq!(
                    Some(&row.arn),
                    channels[line.region()].get(line.name()),
                    "{row:?}"
                );
            }
        }
        let listed: HashSet<&String> = self.manifest.devices().map(|line| &line.id).collect();
        for row in left {
            assert!(
                row.status != Status::Invalid && !listed.contains(&row.id),
                "{row:?}"
            );
        }
    }
}

fn on_paused_clock<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(future)
}

/// Runs a seed and returns its trace.
fn simulate(seed: u64) -> Vec<String> {
    let scenario = Scenario::drawn(seed);
    let world = on_paused_clock(async {
        let world = World::new(scenario.world_settings);
        for (made, number) in scenario.premade.iter().zip(1..) {
            // One after the other, no faster than the lowest quota.
            let ago = seconds(3_600.0 - 0.5 * f64::from(number));
            world.premake(&region(made.region), &made.name, ago, None);
        }
        for made in scenario.premade.iter().filter(|made| made.is_deleting) {
            world.delete(&region(made.region), &made.name);
        }
        world
    });
    let audit = Audit::new(&world);
    let mut simulation = Simulation {
        audit: Arc::clone(&audit),
        disk: TestDisk::default(),
        manifest: scenario.manifest,
        settings: scenario.settings,
        disk_takes: scenario.disk_takes,
        random: scenario.random,
        age: Duration::ZERO,
    };
    let ran = catch_unwind(AssertUnwindSafe(|| {
        run_processes(&mut simulation, &scenario.processes);
    }));
    let trace = std::mem::take(&mut *audit.trace());
    if let Err(panic) = ran {
        let last = trace.len().saturating_sub(LAST_LINES);
        eprintln!("the last of seed {seed}:\n{}", trace[last..].join("\n"));
        resume_unwind(panic);
    }
    trace
}

fn run_processes(simulation: &mut Simulation, processes: &[Process]) {
    for process in processes {
        simulation.run_process(process);
    }
    let world = Arc::clone(&simulation.audit.world);
    world.core().is_calm = true;
    let ended = simulation.run_process(&Process::without_faults());
    let is_complete = matches!(ended, Some(Ok(Ended::Idle | Ended::Worked(Ok(()), Ok(())))));
    assert!(is_complete, "{ended:?}");
    simulation.check_end();
    let (asked, file) = (world.asked().len(), simulation.disk.read_file(&results()));
    let ended = simulation.run_process(&Process::without_faults());
    assert!(matches!(ended, Some(Ok(Ended::Idle))), "{ended:?}");
    assert_eq!(
        world.asked().len(),
        asked,
        "with nothing to do, a request was sent"
    );
    assert!(
        simulation.disk.read_file(&results()) == file,
        "the finished file was changed"
    );
}

/// A part of the seeds, so that the parts run in parallel.
fn part(number: u64) {
    seeds::each("seeds", SEEDS, (number, 8), |seed| {
        let trace = simulate(seed);
        if seed % REPEATED == 0 {
            assert_same(&trace, &simulate(seed));
        }
    });
}

fn assert_same(trace: &[String], again: &[String]) {
    for (one, other) in trace.iter().zip(again) {
        assert_eq!(one, other, "the same seed gave another trace");
    }
    assert_eq!(trace.len(), again.len());
}

macro_rules! parts {
    ($($name:ident: $number:literal),*) => { $(
        #[test]
        fn $name() {
            part($number);
        }
    )* };
}

parts!(seeds_0: 0, seeds_1: 1, seeds_2: 2, seeds_3: 3, seeds_4: 4, seeds_5: 5, seeds_6: 6, seeds_7: 7);

#[test]
fn seeds_that_found_a_bug_pass() {
    for (seed, bug) in REGRESSIONS {
        eprintln!("seed {seed}: {bug}");
        assert_same(&simulate(*seed), &simulate(*seed));
    }
}
