//! Tests of the verdict, answer by answer.

use super::*;

/// Answers at a rate, of which this share is throttled at random, until the verdict or for 30 seconds; when it
/// came and what it was.
fn verdict(
    congestion: &mut Congestion,
    random: &mut fastrand::Rng,
    from: f64,
    rate: f64,
    share: f64,
) -> (f64, CutVerdict) {
    let mut now = from;
    while now < from + 30.0 {
        now += 1.0 / rate;
        let answer = Answered {
            sent: now - 0.08,
            rate,
            granted: random.f64() >= share,
        };
        let verdict = congestion.on_answer(answer, now, Expected::of_one_host(0.0, answer.rate));
        if verdict != CutVerdict::Open {
            return (now, verdict);
        }
    }
    (now, CutVerdict::Open)
}

/// A congestion after its first second at 50 a second.
fn sampled(random: &mut fastrand::Rng, share: f64) -> Congestion {
    let mut congestion = Congestion::new(0.0, 50.0, None);
    for number in 1..=51 {
        let answer = Answered {
            sent: 0.0,
            rate: 50.0,
            granted: random.f64() >= share,
        };
        congestion.on_answer(
            answer,
            f64::from(number) / 50.0,
            Expected::of_one_host(0.0, answer.rate),
        );
    }
    assert!(congestion.sampled.is_some());
    congestion
}

#[test]
fn the_same_share_at_a_lower_rate_is_found_out_within_seconds() {
    for (share, rate) in [(0.5, 10.0), (0.7, 5.0), (0.85, 2.0)] {
        let verdicts = (0..100).map(|seed| {
            let random = &mut fastrand::Rng::with_seed(seed);
            let mut congestion = sampled(random, share);
            verdict(&mut congestion, random, 1.1, rate, share)
        });
        let (mut right, mut seconds) = (0, Vec::new());
        for (at, verdict) in verdicts {
            right += i32::from(verdict == CutVerdict::CutsDoNotHelp);
            seconds.push(at);
        }
        seconds.sort_by(f64::total_cmp);
        assert!(right >= 95, "{share}: {right} of 100");
        assert!(seconds[50] < 8.0, "{share}: {} s", seconds[50]);
    }
}

#[test]
fn throttles_that_become_rare_end_it() {
    let over = (0..100).filter(|&seed| {
        let random = &mut fastrand::Rng::with_seed(seed);
        let mut congestion = sampled(random, 0.6);
        verdict(&mut congestion, random, 1.1, 6.0, 0.03).1 == CutVerdict::Over
    });
    assert!(over.count() >= 95);
}

#[test]
fn few_throttles_are_a_single_event() {
    let mut congestion = Congestion::new(0.0, 50.0, None);
    let answer = Answered {
        sent: 0.0,
        rate: 42.0,
        granted: true,
    };
    for number in 1..=7 {
        let verdict = congestion.on_answer(
            answer,
            f64::from(number) * 0.1,
            Expected::of_one_host(0.0, answer.rate),
        );
        assert_eq!(verdict, CutVerdict::Open);
    }
    assert_eq!(
        congestion.on_answer(answer, 1.1, Expected::of_one_host(0.0, answer.rate)),
        CutVerdict::Over
    );
}

#[test]
fn a_service_that_grants_nothing_is_left_alone() {
    let random = &mut fastrand::Rng::with_seed(1);
    let mut congestion = sampled(random, 1.0);
    let (at, verdict) = verdict(&mut congestion, random, 1.1, 0.5, 1.0);
    assert_eq!((at > 31.0, verdict), (true, CutVerdict::Open));
}

#[test]
fn answers_at_a_high_rate_say_nothing() {
    let random = &mut fastrand::Rng::with_seed(1);
    let mut congestion = sampled(random, 0.5);
    let (_, verdict) = verdict(&mut congestion, random, 1.1, 20.0, 0.9);
    assert_eq!(verdict, CutVerdict::Open);
}

#[test]
fn a_rate_near_the_slowest_is_low_where_next_to_nothing_was_granted() {
    for (low_anyway, expected) in [(0.0, CutVerdict::Open), (1.5, CutVerdict::CutsDoNotHelp)] {
        let random = &mut fastrand::Rng::with_seed(2);
        let mut congestion = sampled(random, 1.0);
        let mut verdict = CutVerdict::Open;
        for number in 0..100 {
            let answer = Answered {
                sent: 2.0,
                rate: 1.0,
                granted: number % 10 == 0,
            };
            verdict =
                congestion.on_answer(answer, 3.0, Expected::of_one_host(low_anyway, answer.rate));
            if verdict != CutVerdict::Open {
                break;
            }
        }
        assert_eq!(verdict, expected, "{low_anyway}");
    }
}

#[test]
fn answers_to_requests_of_the_first_sample_say_nothing_of_the_lower_rate() {
    let random = &mut fastrand::Rng::with_seed(1);
    let mut congestion = sampled(random, 0.5);
    for number in 0..100 {
        let answer = Answered {
            sent: 0.9,
            rate: 5.0,
            granted: number % 2 == 0,
        };
        let verdict = congestion.on_answer(answer, 1.2, Expected::of_one_host(0.0, answer.rate));
        assert_eq!(verdict, CutVerdict::Open, "{number}");
    }
}

#[test]
fn one_that_begins_soon_after_another_goes_on_from_it() {
    let random = &mut fastrand::Rng::with_seed(1);
    let past = sampled(random, 0.5).past(10.0);
    let soon = Congestion::new(15.0, 10.0, past);
    assert!((soon.rate_before - 50.0).abs() < 1e-9);
    assert!(soon.past.is_some_and(|past| past.granted > 15.0));
    let late = Congestion::new(31.0, 10.0, past);
    assert!((late.rate_before - 10.0).abs() < 1e-9);
    // A chain of them is not remembered for longer than one, and a single event not at all.
    let chained = Congestion::new(31.0, 10.0, soon.past(16.0));
    assert!((chained.rate_before - 10.0).abs() < 1e-9);
    assert!(Congestion::new(40.0, 10.0, None).past(41.0).is_none());
}

#[test]
fn a_ceiling_far_above_the_quota_is_not_gone_back_to() {
    let random = &mut fastrand::Rng::with_seed(1);
    let mut congestion = sampled(random, 0.5);
    congestion.rate_before = 1_000_000.0;
    let rate = congestion.rate_without_cuts(2.0);
    assert!((200.0..300.0).contains(&rate), "{rate}");
}

#[test]
fn throttles_without_a_grant_are_no_evidence_for_later() {
    let random = &mut fastrand::Rng::with_seed(1);
    let mut congestion = sampled(random, 1.0);
    verdict(&mut congestion, random, 1.1, 0.5, 1.0);
    assert!(congestion.evidence <= ENOUGH);
    // One answer in two seconds: the throttles before count for less than a minute.
    let (_, still) = verdict(&mut congestion, random, 40.0, 0.5, 0.0);
    assert_eq!(still, CutVerdict::Open);
    let (_, then) = verdict(&mut congestion, random, 70.0, 0.5, 0.0);
    assert_eq!(then, CutVerdict::Over);
}

#[test]
fn far_fewer_throttles_than_at_first_are_no_reason_to_ignore_them() {
    let random = &mut fastrand::Rng::with_seed(3);
    let mut congestion = sampled(random, 0.9);
    // Many for a slow rate, but half as many as at first.
    for number in 0..80 {
        let answer = Answered {
            sent: 1.1,
            rate: 2.0,
            granted: number % 5 < 3,
        };
        let verdict = congestion.on_answer(answer, 2.0, Expected::of_one_host(0.0, answer.rate));
        assert_ne!(verdict, CutVerdict::CutsDoNotHelp, "{number}");
    }
    assert!(congestion.low.all() < 80.0, "the evidence began again");
}
