//! Random faults for the engine alone. A seed defines a batch, a service and its faults; it is used for a run, a rerun
//! after an interruption, and a rerun after a kill.

use super::memory_sink::Supply;
use super::outcome::Outcome;
use super::rig::{Premade, Rig, device, region, seconds};
use crate::seeds;
use crate::world::Act;
use kvs_fleet::domain::service::Operation;
use kvs_fleet::emulator::faults::{Fault, FaultKind, Frequency};
use kvs_fleet::emulator::operation::ApiOperation;
use kvs_fleet::engine::Stop;
use kvs_fleet::engine::pace::controller::RateRange;

const REGIONS: [&str; 3] = ["eu-central-1", "us-east-1", "ap-south-1"];

/// Runs the test for every seed.
fn each_seed(name: &str, test: impl Fn(u64)) {
    seeds::each(name, 100, (0, 1), test);
}

/// A run defined by a seed. All faults are temporary: with enough attempts, all devices get their channel.
fn drawn(seed: u64) -> Rig {
    let mut random = fastrand::Rng::with_seed(seed);
    let devices = random.usize(1..150);
    let regions = &REGIONS[..random.usize(1..=3)];
    let mut rig = Rig::new(0);
    rig.devices = (0..devices)
        .map(|number| device(number, &region(random.choice(regions).unwrap())))
        .collect();
    rig.listing = random.bool();
    if random.u8(..4) == 0 {
        rig.supply = Supply::Streamed;
    }
    rig.dawdle = seconds(random.choice([0.0, 30.0, 90.0]).unwrap());
    rig.settings.seed = random.u64(..);
    rig.settings.workers = random.choice([1, 2, 5, 64]).unwrap();
    rig.settings.rate = random
        .choice([Some(5.0), Some(50.0), Some(300.0), None])
        .unwrap()
        .map_or(RateRange::unknown(), RateRange::upto);
    // So many that random faults never use them up.
    rig.settings.max_attempts = 40;
    rig.settings.max_throttled = seconds(600.0);
    rig.world_settings.ahead = seconds(random.f64() * 3.0);
    let emulator = &mut rig.world_settings.emulator;
    emulator.seed = random.u64(..);
    emulator.rate = random.choice([3.0, 50.0, 100.0]).unwrap();
    emulator.burst = random.choice([1, 50]).unwrap();
    emulator.latency.median = seconds(random.choice([0.001, 0.08, 1.5]).unwrap());
    emulator.deleting_for = seconds(random.f64() * 3.0);
    if random.u8(..4) == 0 {
        // More than can be in flight: otherwise new credentials expire before the first answer confirms them.
        emulator.expire_after = Some(random.u64(100..300));
    }
    for kind in FaultKind::ALL {
        if random.u8(..3) == 0 {
            let frequency = Frequency::Share(random.f64() * 0.08);
            emulator.faults.push(Fault {
                kind,
                frequency,
                // A proxy page may end a run that has not yet reached the service, but not as the answer to a create.
                operation: (kind == FaultKind::Html503).then_some(ApiOperation::Create),
            });
        }
    }
    for device in &rig.devices {
        if random.u8(..6) == 0 {
            rig.premade.push(Premade {
                region: device.region.clone(),
                deleting: random.u8(..4) == 0,
                ..Premade::new(device.id.as_ref(), 3_600.0)
            });
        }
    }
    if random.u8(..3) == 0 {
        // Not before the first answer: a service that was never reached ends the run. And no expiring credentials,
        // which would be used up without an answer that confirms them.
        rig.world_settings.emulator.expire_after = None;
        let acts = [FaultKind::HangAfter, FaultKind::ResetBefore];
        let act = random.choice(acts).map(Act::Fault);
        let (from, lasts) = (2.5 + random.f64() * 5.0, random.f64() * 100.0);
        rig = rig.script(move |ask| {
            let down = (from..from + lasts).contains(&ask.at.as_secs_f64());
            act.filter(|_| down)
        });
    }
    rig
}

/// Whether every device has its channel.
fn assert_complete(run: &Outcome, devices: usize) {
    assert_eq!(run.stop, None);
    let done = run.count("created") + run.count("exists");
    assert_eq!(done, devices, "{:?}", run.stats());
}

#[test]
fn simulated_runs_give_every_device_its_channel() {
    each_seed("simulated_runs", |seed| {
        let rig = drawn(seed);
        assert_complete(&rig.run(), rig.devices.len());
    });
}

#[test]
fn simulated_runs_are_repeatable() {
    each_seed("simulated_runs", |seed| {
        let rig = drawn(seed);
        let (first, second) = (rig.run(), rig.run());
        for (one, other) in first.trace.iter().zip(&second.trace) {
            assert_eq!(one, other);
        }
        assert_eq!(first.trace.len(), second.trace.len());
    });
}

#[test]
fn simulated_interruptions_lose_nothing() {
    each_seed("simulated_interruptions", |seed| {
        let mut rig = drawn(seed);
        let at = seconds(fastrand::Rng::with_seed(seed).f64() * 10.0);
        rig.interrupt_at = Some(at);
        let (first, second) = rig.run_twice(|_| Rig {
            interrupt_at: None,
            ..rig.clone()
        });
        let creates = first.asked(Operation::Create);
        if first.stop.is_some() {
            assert_eq!(first.stop, Some(Stop::Interrupted));
            let after = |ask: &&crate::world::Ask| ask.at > at;
            assert_eq!(creates.iter().filter(after).count(), 0);
        }
        let left = rig.devices.len() - first.count("created") - first.count("exists");
        assert_complete(&second, left);
    });
}

#[test]
fn simulated_kills_create_no_second_channel() {
    each_seed("simulated_kills", |seed| {
        let mut rig = drawn(seed);
        rig.crash_at = Some(seconds(fastrand::Rng::with_seed(seed).f64() * 10.0));
        let (first, second) = rig.run_twice(|_| Rig {
            crash_at: None,
            ..rig.clone()
        });
        let left = rig.devices.len() - first.count("created") - first.count("exists");
        assert_complete(&second, left);
    });
}
