//! What all hosts learn together: the rate of a quota that a server keeps. Pure.
//!
//! The law is the [`Controller`]'s, fed with the answers of all hosts; its state is stored with the quota, so that it does
//! not matter which host decides. Slots are given out in advance, and those that are out when the rate is cut are still
//! used. So while the rate is searched for they are given out for a short time only.

use std::time::{Duration, UNIX_EPOCH};

use super::controller::{Controller, RateRange, SentRequest};
use super::quota::{AnswerGroup, Evidence, Settlement, Taken};

/// For how long slots are given out in advance at a rate that has proved itself, in seconds. Four hosts at 50 requests a
/// second take six slots with each call.
const STEADY_HORIZON: f64 = 0.5;
/// The same while the rate is searched for, in seconds.
pub const SEARCHING_HORIZON: f64 = 0.1;
/// The time between two decisions at a rate that has proved itself, in seconds.
const STEADY_PERIOD: f64 = 1.0;
/// The same while the rate is searched for, in seconds.
pub const SEARCHING_PERIOD: f64 = 0.25;

/// Decides on the rate. `range` is what this host knows of the quota.
pub fn learn(taken: &Taken, evidence: &Evidence, range: RateRange) -> Settlement {
    let (now, history) = (taken.now, taken.history);
    let mut controller = restored(evidence).unwrap_or_else(|| begun(taken, range));
    controller.set_ceiling(evidence.ceiling);
    controller.on_hosts(taken.hosts);
    for (reported, group) in &evidence.answers {
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

fn feed(controller: &mut Controller, group: AnswerGroup, reported: f64) {
    let sent = SentRequest {
        at: seconds(group.taken),
        rate: group.rate,
        share: (group.waited > 0).then_some(0.0),
    };
    controller.on_waited(f64::from(group.waited) / group.rate, sent.at);
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
