//! What all hosts learn together: the rate of a quota that a server keeps. Pure.
//!
//! A [`Controller`] is fed with the answers of all hosts: it measures the rate (see `measured`), and finds out whether
//! throttles are about the rate at all. Its state is stored with the quota, so that it does not matter which host decides. Slots are given out in advance, and those that are out when the rate is cut are still
//! used. So while the rate is searched for they are given out for a short time only.

use std::time::{Duration, UNIX_EPOCH};

use super::controller::{Controller, RateRange, SentRequest};
use super::quota::{AnswerGroup, Evidence, Settlement, Taken};

/// For how long slots are given out in advance at a rate that has proved itself, in seconds. Four hosts at 50 requests a
/// second take six slots with each call.
const STEADY_HORIZON: f64 = 0.5;
/// The same while the rate is searched for, in seconds.
pub(crate) const SEARCHING_HORIZON: f64 = 0.1;
/// The time between two decisions at a rate that has proved itself, in seconds.
const STEADY_PERIOD: f64 = 1.0;
/// The same while the rate is searched for, in seconds.
pub(crate) const SEARCHING_PERIOD: f64 = 0.25;

/// Decides on the rate. `range` is what this host knows of the quota.
pub fn learn(taken: &Taken, evidence: &Evidence, range: RateRange) -> Settlement {
    let (now, history) = (taken.now, taken.history);
    let mut controller = restored(evidence).unwrap_or_else(|| begun(taken, range));
    controller.set_ceiling(evidence.ceiling);
    controller.on_hosts(taken.hosts);
    let since = controller.pass(seconds(now));
    let pause = pause(&evidence.answers, since);
    for (reported, group) in &evidence.answers {
        let observed = pause.map_or_else(|| waited(group), |pause| pause * requests(group));
        controller.observe(observed);
        feed(&mut controller, *group, reported.clamp(0.0, now));
    }
    let is_steady = controller.is_steady(seconds(now));
    let (horizon, after) = if is_steady {
        (STEADY_HORIZON, STEADY_PERIOD)
    } else {
        (SEARCHING_HORIZON, SEARCHING_PERIOD)
    };
    Settlement {
        history,
        version: evidence.version,
        learner: serde_json::to_string(&controller).unwrap_or_default(),
        rate: controller.rate(),
        horizon,
        after,
        cut: controller.no_news_before(),
        length: evidence.length,
    }
}

/// The state after the last decision. One that cannot be read is as good as none.
fn restored(evidence: &Evidence) -> Option<Controller> {
    let controller: Controller = serde_json::from_str(&evidence.learner).ok()?;
    controller.is_sound().then_some(controller)
}

/// The state of a quota that the server did not know.
fn begun(taken: &Taken, range: RateRange) -> Controller {
    let since_epoch = Duration::from_secs(taken.history.seconds);
    let wall = UNIX_EPOCH.checked_add(since_epoch).unwrap_or(UNIX_EPOCH);
    let mut controller = Controller::of_all_hosts(range, wall);
    #[expect(clippy::float_cmp, reason = "the start as it was sent, or another")]
    if taken.rate != range.start {
        controller.go_on_at(taken.rate, seconds(taken.now));
    }
    controller
}

/// The mean time from one of these requests to the next in `since` seconds, where most did not wait for the rate; else the rate
/// itself tells.
fn pause(answers: &[(f64, AnswerGroup)], since: f64) -> Option<f64> {
    let sum = |of: fn(&AnswerGroup) -> f64| answers.iter().map(|(_, group)| of(group)).sum::<f64>();
    let all = sum(requests);
    let waiting = sum(|group| f64::from(group.waited));
    (all > 0.0 && 2.0 * waiting < all).then(|| since / all)
}

fn requests(group: &AnswerGroup) -> f64 {
    f64::from(group.granted) + f64::from(group.throttled)
}

/// For how long these requests have waited for the rate, in seconds.
fn waited(group: &AnswerGroup) -> f64 {
    f64::from(group.waited) / group.rate
}

fn feed(controller: &mut Controller, group: AnswerGroup, reported: f64) {
    let sent = SentRequest {
        at: seconds(group.taken),
        rate: group.rate,
        share: (group.waited > 0).then_some(0.0),
    };
    controller.on_waited(waited(&group), sent.at);
    for _ in 0..group.granted {
        controller.on_granted(sent, seconds(reported));
    }
    for _ in 0..group.throttled {
        controller.on_throttled(sent, seconds(reported));
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::pace::quota::QuotaHistory;

    fn taken(now: f64, rate: f64) -> Taken {
        Taken {
            history: QuotaHistory {
                seconds: 1_800_000_000,
                micros: 0,
            },
            now,
            wait: 0.0,
            count: 0,
            rate,
            hosts: 1,
            cut: None,
            evidence: None,
        }
    }

    fn evidence(learner: &str, answers: Vec<(f64, AnswerGroup)>) -> Evidence {
        Evidence {
            version: 7,
            learner: learner.to_owned(),
            answers,
            length: 11,
            ceiling: Some(50.0),
        }
    }

    fn group(taken: f64, granted: u32, throttled: u32) -> AnswerGroup {
        AnswerGroup {
            taken,
            rate: 50.0,
            waited: granted + throttled,
            granted,
            throttled,
        }
    }

    #[test]
    fn a_known_rate_is_held_and_slots_are_given_out_far_ahead() {
        let range = RateRange::upto(50.0);
        let settled = learn(&taken(0.0, 50.0), &evidence("", Vec::new()), range);
        assert_eq!((settled.version, settled.length), (7, 11));
        assert!((settled.rate - 50.0).abs() < 1e-9);
        assert!((settled.horizon - STEADY_HORIZON).abs() < 1e-9);
        assert_eq!(settled.cut, None);
    }

    #[test]
    fn what_one_decision_leaves_the_next_goes_on_from() {
        let range = RateRange::upto(50.0);
        let answers = vec![(3.0, group(2.9, 110, 0)), (4.0, group(3.9, 30, 10))];
        let first = learn(&taken(4.0, 50.0), &evidence("", answers), range);
        assert!(first.rate < 45.0, "{}", first.rate);
        assert!((first.horizon - SEARCHING_HORIZON).abs() < 1e-9);
        assert!(first.cut.is_some());
        let next = evidence(&first.learner, Vec::new());
        let second = learn(&taken(4.5, first.rate), &next, range);
        assert!((second.rate - first.rate).abs() < 1e-9);
    }

    /// Hosts of different versions share a quota. A change of this form needs another number in the names of the keys
    /// (`kvs-fleet:1:`): else they would discard each other's state.
    #[test]
    fn the_state_is_read_as_it_was_first_written() {
        const FIRST: &str = r#"{"ceiling":50.0,"least":1.0,"rate":33.5,"growth":{"Climb":{"calm":0.0,"base":33.5,"at_ceiling":0.0}},
            "last_sent":null,"last_cut":4.0,"last_throttle":4.0,"last_answer":4.0,"in_a_row":0.0,
            "grants":{"began":2.9,"slices":[[60,110],[80,30]]},"grant":28.0,
            "congestion":{"began":4.0,"rate_before":50.0,"past":null,"first":{"granted":0.0,"throttled":10.0},
            "sampled":null,"low":{"granted":0.0,"throttled":0.0},"evidence":0.0},"past":null,"ignores_until":null,
            "has_ignored":false,"measured":{"measured":37.6,"spare":0.0,"held":0.0,"hold":3.0,"observed":0.0,
            "since_joined":12.8,"answered":50.0,"granted":0.0,"throttled":0.0},"hosts":1,"decided":4.0,"wall":0.0}"#;
        let range = RateRange::upto(50.0);
        let settled = learn(&taken(5.0, 40.0), &evidence(FIRST, Vec::new()), range);
        assert!((settled.rate - 33.5).abs() < 1e-9, "{}", settled.rate);
        assert_eq!(settled.cut, Some(4.0));
    }

    #[test]
    fn a_state_that_nobody_can_have_left_is_none() {
        let range = RateRange::upto(50.0);
        let good = learn(&taken(0.0, 50.0), &evidence("", Vec::new()), range).learner;
        for bad in [
            "nonsense".to_owned(),
            "[".repeat(10_000),
            good.replace("\"rate\":50.0", "\"rate\":1e300"),
            good.replace("\"rate\":50.0", "\"rate\":-1.0"),
            good.replace("\"least\":1.0", "\"least\":1e-300"),
            good.replace("\"measured\":50.0", "\"measured\":-1e308"),
            good.replace("\"wall\":0.0", "\"wall\":1e308"),
        ] {
            assert_ne!(bad, good);
            let settled = learn(&taken(9.0, 40.0), &evidence(&bad, Vec::new()), range);
            assert!(
                (settled.rate - 40.0).abs() < 1e-9,
                "{bad}: {}",
                settled.rate
            );
        }
    }

    #[test]
    fn a_lower_ceiling_holds_at_once_and_a_higher_one_too() {
        let range = RateRange::upto(50.0);
        let first = learn(&taken(0.0, 50.0), &evidence("", Vec::new()), range);
        let with = |ceiling| Evidence {
            ceiling,
            ..evidence(&first.learner, Vec::new())
        };
        let lower = learn(&taken(1.0, 50.0), &with(Some(20.0)), range);
        assert!((lower.rate - 20.0).abs() < 1e-9);
        let back = Evidence {
            learner: lower.learner,
            ..with(Some(80.0))
        };
        let higher = learn(&taken(2.0, 20.0), &back, range);
        assert!((higher.rate - 80.0).abs() < 1e-9, "{}", higher.rate);
    }
}
