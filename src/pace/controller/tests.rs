//! Tests of the controller, step by step; how it fares in a world is shown by the bench `pacing`.

use super::*;

fn at(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

#[test]
fn holds_the_ceiling_until_throttled() {
    let mut controller = Controller::new(RateRange::upto(50.0), 1);
    for request in 0..1_000_u32 {
        controller.on_sent(at(f64::from(request) * 0.02), true);
        controller.on_granted();
    }
    assert!((controller.rate() - 50.0).abs() < 1e-9);
    assert_eq!(controller.grant(), None);
}

/// A throttle that anchors the measurement, and as many grants and seconds later another.
fn measured(granted: u32, seconds: f64) -> Controller {
    let mut controller = Controller::new(RateRange::upto(100.0), 1);
    controller.on_throttled(at(1.0), at(1.1));
    for _ in 0..granted {
        controller.on_granted();
    }
    let now = 1.1 + seconds;
    controller.on_throttled(at(now - 0.05), at(now));
    controller
}

#[test]
fn measures_the_grant_from_throttle_to_throttle() {
    // What was granted before the first throttle came from a full bucket, and is not counted.
    let mut fresh = Controller::new(RateRange::upto(100.0), 1);
    (0..1_000).for_each(|_| fresh.on_granted());
    fresh.on_throttled(at(1.0), at(1.1));
    assert_eq!(fresh.grant(), None);

    let controller = measured(100, 2.0);
    let grant = controller.grant().unwrap();
    assert!((grant - 50.0).abs() < 1e-6, "{grant}");
    assert!((controller.rate() - 48.5).abs() < 1e-6);
}

#[test]
fn too_few_grants_are_an_estimate_within_bounds() {
    for (granted, expected) in [(0, 0.2 * 85.0), (5, 55.0), (19, 0.85 * 85.0)] {
        let controller = measured(granted, 0.1);
        assert_eq!(controller.grant(), None);
        let rate = controller.rate();
        assert!((rate - expected).abs() < 1e-6, "{granted}: {rate}");
    }
}

#[test]
fn an_echo_of_a_measured_throttle_cuts_little() {
    for (granted, expected) in [(0, 0.9), (19, 0.97)] {
        let mut controller = measured(100, 2.0);
        let before = controller.rate();
        (0..granted).for_each(|_| controller.on_granted());
        controller.on_throttled(at(3.15), at(3.2));
        let share = controller.rate() / before;
        assert!((share - expected).abs() < 1e-6, "{granted}: {share}");
    }
}

/// Sends at the controller's rate for so many seconds, all granted, and tells how long it took to reach `rate`.
fn climb(controller: &mut Controller, from: f64, seconds: f64, rate: f64) -> Option<f64> {
    let mut now = from;
    let mut reached = None;
    while now < from + seconds {
        controller.on_sent(at(now), true);
        controller.on_granted();
        if controller.rate() >= rate {
            reached.get_or_insert(now - from);
        }
        now += 1.0 / controller.rate();
    }
    reached
}

#[test]
fn climbs_past_the_grant_within_a_period_and_then_ever_faster() {
    let mut controller = Controller::new(
        RateRange {
            start: 100.0,
            ceiling: None,
        },
        1,
    );
    controller.on_throttled(at(1.0), at(1.1));
    (0..100).for_each(|_| controller.on_granted());
    controller.on_throttled(at(3.0), at(3.1));
    // A period at 50/s is 10 s, give or take a seventh.
    let top = climb(&mut controller, 3.1, 60.0, 50.0 * ABOVE).unwrap();
    assert!((8.5..11.7).contains(&top), "{top}");
    let mut again = measured(100, 2.0);
    let ceiling = climb(&mut again, 3.1, 60.0, 100.0).unwrap();
    assert!((13.0..22.0).contains(&ceiling), "{ceiling}");
}

/// The highest rate that a climb aims for: from there on each request adds more than the one before.
fn top_of_the_climb(controller: &Controller) -> f64 {
    match controller.growth {
        Growth::Climb { top, .. } => top,
        Growth::Not | Growth::Ramp => panic!("no climb"),
    }
}

#[test]
fn the_climb_aims_a_little_above_what_is_known() {
    let aims_at = |controller: &Controller, expected: f64| {
        let top = top_of_the_climb(controller);
        assert!((top - expected).abs() < 1e-6, "{top} {expected}");
    };
    // A measurement: above the quota. The next throttle, too early to measure: above the quota or the rate before.
    let mut controller = measured(100, 2.0);
    aims_at(&controller, 50.0 * ABOVE);
    controller.on_throttled(at(3.15), at(3.2));
    aims_at(&controller, 50.0 * ABOVE);
    // Nothing to go by, and then too little to measure: above the rate that was throttled.
    let mut controller = Controller::new(RateRange::upto(100.0), 1);
    controller.on_throttled(at(1.0), at(1.1));
    aims_at(&controller, 100.0 * ABOVE);
    let before = controller.rate();
    controller.on_granted();
    controller.on_throttled(at(1.15), at(1.2));
    aims_at(&controller, before * ABOVE);
    // A pause tells nothing of the quota: above the rate before.
    let mut controller = measured(100, 2.0);
    controller.on_sent(at(3.2), true);
    controller.on_sent(at(62.8), true);
    let before = controller.rate();
    controller.on_throttled(at(62.9), at(63.0));
    aims_at(&controller, before * ABOVE);
}

#[test]
fn a_little_trouble_spoils_no_measurement() {
    let grant_after = |silent: u32, resumed: f64| {
        let mut controller = measured(100, 2.0);
        controller.on_sent(at(3.1), true);
        (0..100).for_each(|_| controller.on_granted());
        (0..silent).for_each(|_| controller.on_silence());
        controller.on_sent(at(resumed), true);
        controller.on_throttled(at(13.05), at(13.1));
        controller.grant().unwrap()
    };
    let most = |whole: f64| SPOILT * whole;
    // 100 grants in ten seconds: silences and pauses up to this share leave them a measurement.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small count"
    )]
    let silent = most(100.0).floor() as u32;
    for (silent, pause, expected) in [
        (silent, 0.0, 10.0),
        (silent + 1, 0.0, 50.0),
        (0, most(10.0) - 1e-6, 10.0),
        (0, most(10.0) + 1e-6, 50.0),
    ] {
        let grant = grant_after(silent, 3.1 + pause);
        assert!((grant - expected).abs() < 1e-6, "{silent} {pause}: {grant}");
    }
}

#[test]
fn a_throttle_far_beyond_the_grant_is_measured_from_anew() {
    let mut controller = measured(100, 2.0);
    climb(&mut controller, 3.1, 60.0, 100.0);
    let before = controller.rate();
    assert!(before > 90.0);
    // 50/s then and 95/s lately are on average neither.
    controller.on_throttled(at(63.2), at(63.3));
    assert!((controller.rate() - before * FIRST_CUT).abs() < 1e-6);
    assert!(
        controller
            .grant()
            .is_some_and(|grant| (grant - 50.0).abs() < 0.1)
    );
    (0..80).for_each(|_| controller.on_granted());
    controller.on_throttled(at(64.2), at(64.3));
    let grant = controller.grant().unwrap();
    assert!((grant - 80.0).abs() < 1e-6, "{grant}");
}

#[test]
fn a_pause_or_trouble_of_another_kind_measures_nothing() {
    let throttled_after = |spoil: &dyn Fn(&mut Controller)| {
        let mut controller = measured(100, 2.0);
        controller.on_sent(at(3.2), true);
        (0..25).for_each(|_| controller.on_granted());
        spoil(&mut controller);
        let before = controller.rate();
        controller.on_throttled(at(62.9), at(63.0));
        (controller.grant().unwrap(), controller.rate() / before)
    };
    // A minute of which nobody knows: taken for time at this rate, it would say that 0.4 a second are granted.
    let (grant, cut) = throttled_after(&|_| {});
    assert!(grant < 1.0 && cut < 0.05, "{grant} {cut}");
    let pause = |controller: &mut Controller| controller.on_sent(at(62.8), true);
    let silence = |controller: &mut Controller| (0..3).for_each(|_| controller.on_silence());
    for spoil in [&pause as &dyn Fn(&mut Controller), &silence] {
        let (grant, cut) = throttled_after(spoil);
        assert!((grant - 50.0).abs() < 1e-6, "{grant}");
        assert!((cut - 0.9).abs() < 1e-6, "{cut}");
    }
}

#[test]
fn what_follows_a_pause_is_measured_anew() {
    let mut controller = measured(100, 2.0);
    controller.on_sent(at(3.2), true);
    controller.on_sent(at(62.8), true);
    controller.on_throttled(at(62.9), at(63.0));
    (0..60).for_each(|_| controller.on_granted());
    controller.on_throttled(at(64.9), at(65.0));
    let grant = controller.grant().unwrap();
    assert!((grant - 30.0).abs() < 1e-6, "{grant}");
}

#[test]
fn many_throttles_of_one_event_cut_once() {
    let mut controller = Controller::new(RateRange::upto(100.0), 1);
    controller.on_sent(at(0.0), false);
    controller.on_throttled(at(0.5), at(1.0));
    let rate = controller.rate();
    assert!(rate < 100.0);
    for sent in [0.4, 0.6, 0.9, 1.0] {
        controller.on_throttled(at(sent), at(1.1));
    }
    assert!(
        (controller.rate() - rate).abs() < 1e-9,
        "requests sent before the cut are the same event"
    );
    controller.on_throttled(at(1.2), at(1.3));
    assert!(controller.rate() < rate);
}

#[test]
fn climbs_only_while_requests_wait_for_it() {
    let mut controller = Controller::new(RateRange::unknown(), 1);
    controller.on_sent(at(0.0), false);
    for request in 1..=100_u32 {
        controller.on_sent(at(f64::from(request)), false);
    }
    assert!(
        (controller.rate() - 10.0).abs() < 1e-9,
        "an idle client learns nothing"
    );
    for request in 1..=10_u32 {
        controller.on_sent(at(100.0 + f64::from(request) * 0.1), true);
    }
    assert!(
        (19.0..21.0).contains(&controller.rate()),
        "doubles in a second: {}",
        controller.rate()
    );
}

#[test]
fn stays_sound_where_almost_nothing_is_granted() {
    let mut controller = Controller::new(RateRange::upto(50.0), 1);
    for event in 1..2_000_u32 {
        let now = f64::from(event) * 2.0;
        controller.on_sent(at(now), true);
        if event % 5 == 0 {
            controller.on_granted();
        } else {
            controller.on_throttled(at(now + 0.1), at(now + 0.2));
        }
        assert!((0.5..=50.0).contains(&controller.rate()));
    }
}

#[test]
fn never_falls_below_the_floor_nor_a_lower_ceiling() {
    for (ceiling, floor) in [(50.0, 0.5), (0.1, 0.1)] {
        let mut controller = Controller::new(RateRange::upto(ceiling), 1);
        for event in 1..200_u32 {
            let now = f64::from(event);
            controller.on_sent(at(now), true);
            controller.on_throttled(at(now + 0.1), at(now + 0.2));
        }
        assert!((controller.rate() - floor).abs() < 1e-9);
    }
}
