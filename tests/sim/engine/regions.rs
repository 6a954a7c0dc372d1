//! Several Regions at once: each has its own quota and is independent of the others.

use super::memory_sink::Supply;
use super::rig::{Rig, device, region, seconds};
use crate::world::Act;
use kvs_fleet::domain::service::Operation;
use kvs_fleet::emulator::faults::FaultKind;
use kvs_fleet::engine::Stop;

const REGIONS: [&str; 4] = ["eu-central-1", "eu-west-1", "us-east-1", "ap-south-1"];

/// This many devices, distributed over the Regions.
fn spread(devices: usize, regions: &[&str]) -> Rig {
    let mut rig = Rig::new(0);
    rig.devices = (0..devices)
        .map(|number| device(number, &region(regions[number % regions.len()])))
        .collect();
    rig
}

#[test]
fn four_regions_take_a_quarter_of_the_time_of_one() {
    for supply in [Supply::Listed, Supply::Streamed] {
        let of = |regions| {
            let mut rig = spread(1_000, regions);
            rig.supply = supply;
            let run = rig.run();
            assert_eq!((run.stop.clone(), run.count("created")), (None, 1_000));
            run.took.as_secs_f64()
        };
        let ratio = of(&REGIONS[..1]) / of(&REGIONS);
        assert!((3.8..4.2).contains(&ratio), "{supply:?}: {ratio}");
    }
}

#[test]
fn a_hanging_region_does_not_starve_the_others() {
    let mut rig = spread(1_000, &REGIONS).script(|ask| {
        let hangs = ask.region.as_str() == REGIONS[1] && ask.at < seconds(120.0);
        hangs.then_some(Act::Fault(FaultKind::HangBefore))
    });
    rig.settings.workers = 32;
    let run = rig.run();
    assert_eq!((run.stop.clone(), run.count("created")), (None, 1_000));
    let late = |ask: &&crate::world::Ask| {
        ask.region.as_str() != REGIONS[1] && ask.at > seconds(250.0 / 50.0 * 1.05)
    };
    let asked = run.asked(Operation::Create);
    assert_eq!(asked.iter().filter(late).count(), 0);
}

#[test]
fn an_outage_of_one_region_holds_no_workers() {
    // As a stream, whose devices in each Region are unknown: once the outage is detected, the others have the workers.
    let mut rig = spread(400, &REGIONS[..2]).script(|ask| {
        let hangs = ask.region.as_str() == REGIONS[1] && ask.at < seconds(120.0);
        hangs.then_some(Act::Fault(FaultKind::HangBefore))
    });
    rig.supply = Supply::Streamed;
    rig.settings.workers = 8;
    let run = rig.run();
    assert_eq!((run.stop.clone(), run.count("created")), (None, 400));
    let asked = run.asked(Operation::Create);
    let last = asked
        .iter()
        .rfind(|ask| ask.region.as_str() == REGIONS[0])
        .unwrap();
    assert!(last.at < seconds(20.0), "{last:?}");
}

#[test]
fn more_regions_than_workers_finish() {
    let mut rig = spread(40, &REGIONS);
    rig.settings.workers = 2;
    rig.listing = true;
    let run = rig.run();
    assert_eq!((run.stop.clone(), run.count("created")), (None, 40));
}

#[test]
fn regions_of_a_stream_stop_when_the_run_does() {
    let mut rig = spread(1_000, &REGIONS);
    rig.supply = Supply::Streamed;
    rig.listing = true;
    rig.interrupt_at = Some(seconds(2.0));
    let run = rig.run();
    assert!(run.count("created") > 200 && run.count("created") < 500);
    assert_eq!(run.rows.len(), run.count("created"));
}

/// One Region does not answer from this time on.
fn without_one(supply: Supply, listing: bool, from: f64, act: Act) -> super::outcome::Outcome {
    let mut rig = spread(400, &REGIONS).script(move |ask| {
        let is_gone = ask.region.as_str() == REGIONS[1] && ask.at >= seconds(from);
        is_gone.then_some(act)
    });
    rig.supply = supply;
    rig.listing = listing;
    rig.settings.max_offline = seconds(60.0);
    rig.run()
}

#[test]
fn an_unreachable_region_ends_alone() {
    for supply in [Supply::Listed, Supply::Streamed] {
        for listing in [false, true] {
            let run = without_one(supply, listing, 0.0, Act::NoWay);
            let Some(Stop::Unreachable { region, .. }) = &run.stop else {
                panic!("{supply:?} {listing}: {:?}", run.stop);
            };
            assert_eq!(region.as_str(), REGIONS[1]);
            assert_eq!((run.count("created"), run.rows.len()), (300, 300));
            assert_eq!(run.events_with("Warning"), 1);
        }
    }
}

#[test]
fn an_unreachable_region_ends_alone_while_the_others_are_idle() {
    let mut rig = spread(12, &REGIONS)
        .script(|ask| (ask.region.as_str() == REGIONS[1]).then_some(Act::NoWay));
    rig.supply = Supply::Streamed;
    rig.dawdle = seconds(8.0);
    let run = rig.run();
    assert!(
        matches!(&run.stop, Some(Stop::Unreachable { region, .. }) if region.as_str() == REGIONS[1]),
        "{:?}",
        run.stop
    );
    assert_eq!((run.count("created"), run.rows.len()), (9, 9));
}

#[test]
fn a_region_with_a_permanent_outage_ends_alone() {
    // The others have work for longer than the Region may be silent.
    for act in [Act::NoWay, Act::Fault(FaultKind::HangBefore)] {
        let mut rig = spread(2_000, &REGIONS).script(move |ask| {
            let is_gone = ask.region.as_str() == REGIONS[1] && ask.at >= seconds(1.0);
            is_gone.then_some(act)
        });
        rig.settings.max_offline = seconds(6.0);
        let run = rig.run();
        let Some(Stop::Offline { region, .. }) = &run.stop else {
            panic!("{act:?}: {:?}", run.stop);
        };
        assert_eq!(region.as_str(), REGIONS[1]);
        assert!(
            run.count("created") >= 1_500,
            "{act:?}: {}",
            run.count("created")
        );
    }
}

#[test]
fn a_hanging_region_does_not_delay_the_creates_of_others() {
    let act = Act::Fault(FaultKind::HangBefore);
    let run = without_one(Supply::Listed, true, 0.0, act);
    assert!(run.stop.is_some());
    let asked = run.asked(Operation::Create);
    let mut others = asked.iter().filter(|ask| ask.region.as_str() != REGIONS[1]);
    assert!(others.all(|ask| ask.at < seconds(30.0)));
    assert_eq!(run.count("created"), 300);
}

#[test]
fn a_run_that_reaches_no_region_ends() {
    let run = spread(40, &REGIONS).script(|_| Some(Act::NoWay)).run();
    let is_unreachable = matches!(run.stop, Some(Stop::Unreachable { .. }));
    assert!(is_unreachable, "{:?}", run.stop);
    assert!(run.rows.is_empty());
    assert!(run.took < seconds(12.0), "{:?}", run.took);
}
