//! The scenario of a seed: the batch, the service, and a sequence of processes with their faults. All faults are
//! temporary: the process after them, without faults, gives every device its channel.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kvs_fleet::domain::device::AccountId;
use kvs_fleet::domain::service::Operation;
use kvs_fleet::emulator;
use kvs_fleet::emulator::faults::{Fault, FaultKind, Frequency};
use kvs_fleet::engine::pace::controller::RateRange;
use kvs_fleet::engine::{EngineSettings, OnExists};

use super::test_manifest::{REGIONS, TestManifest};
use crate::engine::rig::seconds;
use crate::world::{Act, Ask, Script, WorldSettings, identity};

/// How a process ends, unless it finishes before.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    Natural,
    /// Killed at the point with this number: a disk operation, a stage of a request, a reported row.
    AtPoint(u64),
    /// Killed after this time, wherever it waits.
    At(Duration),
    /// Interrupted after this time.
    Interrupted(Duration),
}

/// How the disk fails.
#[derive(Debug, Clone, Copy)]
pub(super) struct DiskFailure {
    /// The kind of operation; empty for all kinds.
    pub(super) operation: &'static str,
    /// The number of the operation that fails.
    pub(super) at: u64,
    /// Whether all later operations fail too.
    pub(super) stays: bool,
    /// The process is killed this many operations later.
    pub(super) kills_after: Option<u64>,
}

#[derive(Debug, Clone)]
pub(super) struct Process {
    pub(super) ending: Ending,
    pub(super) disk_failure: Option<DiskFailure>,
    pub(super) faults: Vec<Fault>,
    pub(super) reconciles: bool,
    /// The pause between the listing and the first create.
    pub(super) pause: Duration,
    /// How long the reader of the rows takes for each.
    pub(super) reader_takes: Duration,
    /// Whether the manifest is edited before.
    pub(super) edits: bool,
    /// The time after the previous process.
    pub(super) begins_after: Duration,
    /// Whether the power fails after it.
    pub(super) loses_power: bool,
    pub(super) seed: u64,
}

/// A channel that exists before the first process.
#[derive(Debug, Clone)]
pub(super) struct Premade {
    pub(super) region: &'static str,
    pub(super) name: String,
    pub(super) is_deleting: bool,
}

pub(super) struct Scenario {
    pub(super) manifest: TestManifest,
    pub(super) settings: EngineSettings,
    pub(super) world_settings: WorldSettings,
    pub(super) premade: Vec<Premade>,
    pub(super) processes: Vec<Process>,
    /// The longest time of a sync.
    pub(super) disk_takes: Duration,
    pub(super) random: fastrand::Rng,
}

fn one<T: Copy>(random: &mut fastrand::Rng, of: &[T]) -> T {
    of[random.usize(..of.len())]
}

impl Scenario {
    /// The scenario of this seed.
    pub(super) fn drawn(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let devices = one(&mut random, &[1, 3, 12, 40, 100]);
        let devices = random.usize(1..=devices);
        let regions = random.usize(1..=REGIONS.len());
        let manifest = TestManifest::drawn(devices, regions, &mut random);
        let timeout = seconds(one(&mut random, &[2.0, 10.0]));
        let premade = premade(&manifest, &mut random);
        let processes = (0..random.usize(1..=5)).map(|_| Process::drawn(devices, &mut random));
        Self {
            processes: processes.collect(),
            settings: settings(timeout, &mut random),
            world_settings: world_settings(timeout, &mut random),
            disk_takes: seconds(one(&mut random, &[0.0, 0.005, 0.3])),
            premade,
            manifest,
            random,
        }
    }
}

fn settings(timeout: Duration, random: &mut fastrand::Rng) -> EngineSettings {
    let rate = one(random, &[Some(5.0), Some(50.0), Some(300.0), None]);
    EngineSettings {
        workers: one(random, &[1, 2, 5, 64]),
        rate: rate.map_or(RateRange::unknown(), RateRange::upto),
        max_attempts: one(random, &[1, 3, 8, 40]),
        max_throttled: seconds(600.0),
        max_offline: seconds(900.0),
        timeout,
        max_failures: None,
        on_exists: OnExists::Adopt,
        tag_keys: Vec::new(),
        account: None,
        has_common_credentials: false,
        seed: random.u64(..),
    }
}

fn world_settings(timeout: Duration, random: &mut fastrand::Rng) -> WorldSettings {
    let mut emulator = emulator::EmulatorSettings {
        seed: random.u64(..),
        rate: one(random, &[3.0, 50.0, 100.0]),
        burst: one(random, &[1, 50]),
        deleting_for: seconds(random.f64() * 20.0),
        active_after: seconds(random.f64() * 5.0),
        ..emulator::EmulatorSettings::default()
    };
    emulator.latency.median = seconds(one(random, &[0.001, 0.08, 1.2]));
    if random.u8(..4) == 0 {
        // More than can be in flight: otherwise new credentials expire before the first answer confirms them.
        emulator.expire_after = Some(random.u64(100..300));
    }
    WorldSettings {
        script: script(random),
        reload: Arc::new(|_| Ok(Some(identity(AccountId::EMULATOR)))),
        reload_takes: seconds(0.3),
        timeout,
        jitters: true,
        ahead: seconds(random.f64() * 3.0),
        hidden_for: seconds(one(random, &[0.0, 0.0, 3.0])),
        emulator,
    }
}

/// Faults of single requests in addition to the emulator's.
fn script(random: &mut fastrand::Rng) -> Script {
    let mut now_and_then = |most: f64| {
        if random.u8(..3) == 0 {
            random.f64() * most
        } else {
            0.0
        }
    };
    let (late, denied, full) = (now_and_then(0.1), now_and_then(0.1), now_and_then(0.02));
    let (outage, draws) = (now_and_then(100.0), random.fork());
    let (from, kind) = (
        random.f64() * 8.0,
        one(random, &[FaultKind::HangAfter, FaultKind::ResetBefore]),
    );
    let draws = Mutex::new(draws);
    Arc::new(move |ask: &Ask| {
        let mut draws = draws.lock().unwrap();
        if (from..from + outage).contains(&ask.at.as_secs_f64()) {
            return Some(Act::Fault(kind));
        }
        if ask.operation == Operation::Create && draws.f64() < late {
            return Some(Act::Late(seconds(draws.f64() * 40.0)));
        }
        if draws.f64() < denied {
            return Some(Act::Refuse(403, "AccessDeniedException"));
        }
        let is_full = ask.operation == Operation::Create && draws.f64() < full;
        is_full.then_some(Act::Refuse(400, "AccountChannelLimitExceededException"))
    })
}

fn premade(manifest: &TestManifest, random: &mut fastrand::Rng) -> Vec<Premade> {
    let share = one(random, &[0, 1, 5]);
    let mut premade = Vec::new();
    for line in manifest.devices() {
        if random.u8(..6) < share {
            premade.push(Premade {
                region: line.region(),
                name: line.name().to_owned(),
                is_deleting: random.u8(..4) == 0,
            });
        }
    }
    premade
}

impl DiskFailure {
    fn drawn(points: u64, random: &mut fastrand::Rng) -> Self {
        let any = Self {
            operation: "",
            at: random.u64(1..=points),
            stays: random.bool(),
            kills_after: None,
        };
        if any.at.is_multiple_of(2) {
            return any;
        }
        let mut random = fastrand::Rng::with_seed(any.at);
        Self {
            operation: one(&mut random, &["write", "sync", "sync"]),
            at: random.u64(1..=2 + points / 20),
            stays: false,
            kills_after: random.bool().then(|| random.u64(1..=3)),
        }
    }
}

impl Process {
    fn drawn(devices: usize, random: &mut fastrand::Rng) -> Self {
        let points = one(random, &[60, 200, 20 * devices as u64 + 20]);
        let ending = match random.u8(..8) {
            0 => Ending::Natural,
            1 => Ending::Interrupted(seconds(random.f64() * 10.0)),
            2 => Ending::At(seconds(random.f64() * random.f64() * 20.0)),
            _ => Ending::AtPoint(random.u64(1..=points)),
        };
        let disk_failure = (random.u8(..5) == 0).then(|| DiskFailure::drawn(points, random));
        let mut faults = Vec::new();
        for kind in FaultKind::ALL {
            if random.u8(..3) == 0 {
                faults.push(Fault {
                    kind,
                    frequency: Frequency::Share(random.f64() * 0.1),
                    operation: None,
                });
            }
        }
        Self {
            ending,
            disk_failure,
            faults,
            reconciles: random.bool(),
            pause: seconds(one(random, &[0.0, 0.0, 90.0])),
            reader_takes: seconds(one(random, &[0.0, 0.0, 0.5])),
            edits: random.u8(..3) == 0,
            begins_after: seconds(random.f64() * 5.0),
            loses_power: random.bool(),
            seed: random.u64(..),
        }
    }

    /// Whether an earlier version has written the results that it finds.
    pub(super) fn follows_an_earlier_version(&self) -> bool {
        self.seed % 4 == 1
    }

    /// A process without faults, after all pending requests have finished.
    pub(super) fn without_faults() -> Self {
        Self {
            ending: Ending::Natural,
            disk_failure: None,
            faults: Vec::new(),
            reconciles: true,
            pause: Duration::ZERO,
            reader_takes: Duration::ZERO,
            edits: false,
            begins_after: seconds(120.0),
            loses_power: true,
            seed: 0,
        }
    }
}
