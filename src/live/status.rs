//! `/status.json`: the summary's schema while the run goes on. What only the end decides is `null` until then.

use serde_json::{Value, json};

use super::run::{Snapshot, Stage};

/// The run at one instant as JSON.
pub(super) fn json(snapshot: &Snapshot) -> Value {
    let mut status = snapshot.summary.to_json();
    if !snapshot.has_ended() {
        status["exit_code"] = Value::Null;
        status["retryable"] = Value::Null;
        status["reason"] = json!("running");
    }
    let seconds = |duration: std::time::Duration| duration.as_secs_f64();
    status["rate"]["now"] = json!(snapshot.per_second);
    status["live"] = json!({
        "stage": name(snapshot.stage),
        "done": snapshot.done,
        "total": snapshot.total,
        "eta_seconds": snapshot.ahead.map(seconds),
        "offline_seconds": snapshot.offline_for.map(seconds),
        "in_flight": snapshot.recorded.requests.in_flight(),
        "retries": snapshot.recorded.retries,
    });
    status
}

/// The stage in one word.
pub(super) fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Preparing => "preparing",
        Stage::Working => "working",
        Stage::Stopping => "stopping",
        Stage::Ended => "ended",
    }
}
