//! Tests of the controller, step by step; how it fares in a world is shown by the bench `pacing`.

use super::*;

fn at(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn controller(range: RateRange) -> Controller {
    Controller::new(range, UNIX_EPOCH, 1)
}

fn upto(ceiling: f64) -> Controller {
    controller(RateRange::upto(ceiling))
}

fn sent(seconds: f64, rate: f64) -> SentRequest {
    SentRequest {
        at: at(seconds),
        rate,
        share: Some(0.5),
    }
}

/// Sends at the controller's rate from one second to another, answered after 80 ms: throttled where `throttles` says so
/// of the time at which it was sent.
fn send(
    controller: &mut Controller,
    from: f64,
    until: f64,
    mut throttles: impl FnMut(f64) -> bool,
) {
    const LATENCY: f64 = 0.08;
    let mut now = from;
    let mut in_flight = std::collections::VecDeque::new();
    while now < until {
        while let Some((sent, rate)) = in_flight.pop_front_if(|(sent, _)| *sent + LATENCY <= now) {
            let answered = at(sent + LATENCY);
            if throttles(sent) {
                controller.on_throttled(self::sent(sent, rate), answered);
            } else {
                controller.on_granted(self::sent(sent, rate), answered);
            }
        }
        controller.on_sent(at(now), true);
        in_flight.push_back((now, controller.rate()));
        now += 1.0 / controller.rate();
    }
}

/// Throttles one request that was sent a moment ago.
fn throttle(controller: &mut Controller, now: f64) {
    let rate = controller.rate();
    controller.on_throttled(sent(now - 0.01, rate), at(now));
}

#[test]
fn holds_the_ceiling_until_throttled() {
    let mut controller = upto(50.0);
    send(&mut controller, 0.0, 20.0, |_| false);
    assert!((controller.rate() - 50.0).abs() < 1e-9);
    assert_eq!(controller.grant(), None);
}

#[test]
fn many_throttles_of_one_event_cut_once() {
    let mut controller = upto(100.0);
    controller.on_sent(at(0.0), false);
    controller.on_throttled(sent(0.5, 100.0), at(1.0));
    let rate = controller.rate();
    assert!((rate - 85.0).abs() < 1e-9, "{rate}");
    for before in [0.4, 0.6, 0.9, 1.0] {
        controller.on_throttled(sent(before, 100.0), at(1.1));
    }
    assert!(
        (controller.rate() - rate).abs() < 1e-9,
        "requests sent before the cut are the same event"
    );
    controller.on_throttled(sent(1.2, rate), at(1.3));
    assert!(controller.rate() < rate);
}

#[test]
fn cuts_leave_what_was_granted_in_the_last_second() {
    let mut controller = upto(50.0);
    // Two of five are throttled in the first second.
    let mut number = 0;
    send(&mut controller, 0.0, 2.0, |sent| {
        number += 1;
        sent < 1.0 && number % 5 < 2
    });
    let rate = controller.rate();
    assert!((15.0..30.0).contains(&rate), "{rate}");
}

#[test]
fn what_is_freed_is_found_within_seconds_at_any_rate() {
    for (cuts, low) in [(1, 43.0), (5, 23.0), (12, 8.0)] {
        let mut controller = upto(50.0);
        controller.on_sent(at(0.0), false);
        for cut in 1..=cuts {
            throttle(&mut controller, f64::from(cut) * 0.1);
        }
        let from = f64::from(cuts) * 0.1;
        assert!(controller.rate() < low, "{cuts}: {}", controller.rate());
        send(&mut controller, from, from + 4.0, |_| false);
        let slow = controller.rate();
        assert!(slow < 1.2 * low, "the climb is slow at first: {slow}");
        send(&mut controller, from + 4.0, from + 10.0, |_| false);
        let found = controller.rate();
        assert!((found - 50.0).abs() < 1e-9, "{cuts}: {found}");
    }
}

#[test]
fn a_cut_undoes_the_search() {
    let mut controller = upto(50.0);
    controller.on_sent(at(0.0), false);
    for cut in 1..=10 {
        throttle(&mut controller, f64::from(cut) * 0.1);
    }
    send(&mut controller, 1.0, 5.0, |_| false);
    let base = controller.rate();
    send(&mut controller, 5.0, 7.5, |_| false);
    assert!(controller.rate() > 1.3 * base);
    throttle(&mut controller, 7.6);
    let granted = controller.grants.rate(7.6, SECOND) * CUT;
    let rate = controller.rate();
    assert!(
        rate <= granted.max(base) && rate >= base * CUT,
        "{rate} {base}"
    );
}

#[test]
fn climbs_only_while_requests_wait_for_it() {
    let mut controller = controller(RateRange::unknown());
    controller.on_sent(at(0.0), false);
    for request in 1..=100_u32 {
        controller.on_sent(at(f64::from(request)), false);
    }
    assert!(
        (controller.rate() - 50.0).abs() < 1e-9,
        "an idle client learns nothing"
    );
    send(&mut controller, 100.0, 101.0, |_| false);
    let rate = controller.rate();
    assert!((98.0..102.0).contains(&rate), "doubles in a second: {rate}");
    throttle(&mut controller, 101.1);
    let cut = controller.rate() / rate;
    assert!((cut - RAMP_CUT).abs() < 1e-9, "{cut}");
}

#[test]
fn a_pause_is_no_time_at_this_rate() {
    let mut controller = upto(50.0);
    controller.on_sent(at(0.0), false);
    throttle(&mut controller, 0.1);
    let before = controller.rate();
    controller.on_sent(at(0.2), true);
    controller.on_sent(at(60.0), true);
    assert!(controller.rate() < before * 1.02);
}

/// Two of three requests are throttled, whatever the rate.
fn contested(random: &mut fastrand::Rng) -> impl FnMut(f64) -> bool {
    |_| random.f64() < 0.67
}

#[test]
fn throttles_that_no_cut_lowers_are_ignored_until_the_minute_is_over() {
    for seed in 1..=50 {
        let random = &mut fastrand::Rng::with_seed(seed);
        // It is the 17th second of a minute.
        let wall = UNIX_EPOCH + Duration::from_secs(6_017);
        let mut controller = Controller::new(RateRange::upto(50.0), wall, seed);
        send(&mut controller, 0.0, 20.0, contested(random));
        assert!(controller.has_ignored_throttles(), "seed {seed}");
        send(&mut controller, 20.0, 42.5, contested(random));
        assert!((controller.rate() - 50.0).abs() < 1e-9, "seed {seed}");
        send(&mut controller, 42.5, 44.0, contested(random));
        assert!(controller.rate() < 40.0, "listens again: seed {seed}");
    }
}

#[test]
fn the_grant_is_what_was_granted_in_the_last_seconds() {
    let random = &mut fastrand::Rng::with_seed(1);
    let mut controller = upto(50.0);
    send(&mut controller, 0.0, 30.0, contested(random));
    let grant = controller.grant().unwrap();
    assert!((10.0..24.0).contains(&grant), "{grant}");
}

#[test]
fn a_quota_that_cuts_help_with_is_never_ignored() {
    for seed in 1..=50 {
        let random = &mut fastrand::Rng::with_seed(seed);
        let mut controller = upto(100.0);
        // A bucket that is refilled with 40 a second.
        let (mut tokens, mut last) = (40.0, 0.0);
        send(&mut controller, 0.0, 120.0, |sent| {
            let sent = sent + 0.02 * random.f64();
            tokens = f64::min(40.0, tokens + 40.0 * f64::max(sent - last, 0.0));
            last = f64::max(sent, last);
            if tokens >= 1.0 {
                tokens -= 1.0;
                return false;
            }
            true
        });
        assert!(!controller.has_ignored_throttles(), "seed {seed}");
        let grant = controller.grant().unwrap();
        assert!((34.0..47.0).contains(&grant), "seed {seed}: {grant}");
    }
}

#[test]
fn never_falls_below_the_slowest_rate_nor_a_lower_ceiling() {
    for (ceiling, slowest) in [(1_000_000.0, 5.0), (50.0, 1.0), (5.0, 0.5), (0.1, 0.1)] {
        let mut controller = upto(ceiling);
        for event in 1..200_u32 {
            let now = f64::from(event);
            controller.on_sent(at(now), true);
            let rate = controller.rate();
            controller.on_throttled(sent(now + 0.1, rate), at(now + 0.2));
            assert!(controller.rate() >= slowest);
        }
        let rate = controller.rate();
        assert!(rate < slowest * 1.1, "{ceiling}: {rate}");
    }
}

#[test]
fn the_rate_does_not_grow_while_throttles_are_ignored() {
    for seed in 1..=20 {
        let random = &mut fastrand::Rng::with_seed(seed);
        let mut controller = Controller::new(RateRange::unknown(), UNIX_EPOCH, seed);
        let mut most: f64 = 0.0;
        for second in 0..120_u32 {
            let from = f64::from(second);
            send(&mut controller, from, from + 1.0, contested(random));
            most = most.max(controller.rate());
        }
        assert!(controller.has_ignored_throttles(), "seed {seed}");
        assert!(most <= 100.0, "seed {seed}: {most}");
    }
}

#[test]
fn the_spacing_of_a_granted_request_is_used_again_only_while_throttles_are_ignored() {
    let random = &mut fastrand::Rng::with_seed(1);
    let mut controller = upto(50.0);
    let granted = |controller: &mut Controller, now: f64| {
        let sent = SentRequest {
            share: Some(0.25),
            ..sent(now - 0.08, 50.0)
        };
        controller.on_granted(sent, at(now));
        controller.spacing()
    };
    assert!((granted(&mut controller, 0.1) - 0.25).abs() > 1e-9);
    send(&mut controller, 0.2, 20.0, contested(random));
    assert!(controller.has_ignored_throttles());
    assert!((granted(&mut controller, 20.1) - 0.25).abs() < 1e-9);
    // The minute is over.
    assert!((granted(&mut controller, 60.1) - 0.25).abs() > 1e-9);
}

#[test]
fn the_grant_falls_to_zero_when_nothing_is_granted() {
    let mut controller = upto(50.0);
    send(&mut controller, 0.0, 10.0, |sent| sent > 9.0);
    send(&mut controller, 10.0, 30.0, |_| true);
    assert_eq!(controller.grant(), Some(0.0));
}

#[test]
fn a_long_pause_ends_a_congestion() {
    let random = &mut fastrand::Rng::with_seed(1);
    let mut controller = upto(50.0);
    send(&mut controller, 0.0, 1.5, contested(random));
    assert!(controller.congestion.is_some());
    controller.on_granted(sent(99.9, 10.0), at(100.0));
    assert!(controller.congestion.is_none() && controller.past.is_none());
}

/// A congestion after its first second: eight throttles from 50 a second down, and 40 grants in the second after.
fn congested() -> Controller {
    let mut controller = upto(50.0);
    controller.on_sent(at(0.0), false);
    for number in 1..=8 {
        throttle(&mut controller, f64::from(number) * 0.1);
    }
    // At a rate that is not low, so that they say nothing of whether cuts help.
    for number in 1..=40 {
        controller.on_granted(sent(1.0, 50.0), at(1.0 + f64::from(number) * 0.025));
    }
    assert!(controller.congestion.is_some());
    controller
}

#[test]
fn a_throttle_after_a_calm_begins_another_congestion() {
    let mut controller = congested();
    let kept = controller.congestion.unwrap().least_rate(2.0);
    assert!(kept > 1.0, "{kept}");
    for number in 1..=40 {
        controller.on_granted(sent(2.0, 50.0), at(2.0 + f64::from(number) * 0.05));
    }
    for number in 0..20 {
        throttle(&mut controller, 6.0 + f64::from(number) * 0.1);
    }
    let rate = controller.rate();
    assert!(rate < kept, "the first one's bound is gone: {rate}");
}

#[test]
fn a_congestion_soon_after_another_remembers_the_rate_before_both() {
    let mut controller = congested();
    for number in 1..=40 {
        controller.on_granted(sent(2.0, 50.0), at(2.0 + f64::from(number) * 0.05));
    }
    assert!(controller.rate() < 20.0);
    throttle(&mut controller, 6.0);
    let before = controller.congestion.unwrap().rate_without_cuts(6.0);
    assert!((before - 50.0).abs() < 1e-9, "{before}");
}

#[test]
fn the_grant_is_that_of_the_time_in_which_requests_waited() {
    let mut controller = upto(50.0);
    send(&mut controller, 0.0, 10.0, |sent| sent > 9.0 && sent < 9.02);
    let grant = controller.grant().unwrap();
    assert!((40.0..51.0).contains(&grant), "{grant}");
    let late = SentRequest {
        share: None,
        ..sent(14.0, 45.0)
    };
    controller.on_granted(late, at(14.1));
    assert_eq!(controller.grant(), Some(grant));
}

#[test]
fn a_rate_that_has_been_at_the_ceiling_is_cut_once_however_it_came_there() {
    let mut controller = upto(50.0);
    controller.on_sent(at(0.0), false);
    for cut in 1..=12 {
        throttle(&mut controller, f64::from(cut) * 0.1);
    }
    send(&mut controller, 1.2, 20.0, |_| false);
    // Hardly anything was sent in the last second.
    controller.on_sent(at(21.9), false);
    throttle(&mut controller, 22.0);
    let rate = controller.rate();
    assert!((rate - 42.5).abs() < 0.1, "{rate}");
}

#[test]
fn without_a_ceiling_the_documented_quota_counts_as_the_rate_before_random_throttles() {
    for seed in 1..=20 {
        let random = &mut fastrand::Rng::with_seed(seed);
        let mut controller = Controller::new(RateRange::unknown(), UNIX_EPOCH, seed);
        send(&mut controller, 0.0, 20.0, contested(random));
        assert!(controller.has_ignored_throttles(), "seed {seed}");
        assert!((controller.rate() - 50.0).abs() < 1e-9, "seed {seed}");
    }
}

#[test]
fn at_the_slowest_rate_throttles_that_stay_are_found_out() {
    for seed in 1..=20 {
        let random = &mut fastrand::Rng::with_seed(seed);
        let mut controller = upto(50.0);
        // Nothing is granted while the rate falls; then two of three are throttled.
        send(&mut controller, 0.0, 10.0, |_| true);
        assert!(controller.rate() < 1.1, "seed {seed}");
        send(&mut controller, 10.0, 120.0, contested(random));
        assert!(controller.has_ignored_throttles(), "seed {seed}");
    }
}
