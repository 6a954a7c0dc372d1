//! The progress of the requests about single channels: tags, endpoints and servers take one each for every channel.

use std::sync::Arc;

use super::asking::Questions;
use crate::domain::format;
use crate::output::progress::{self, Subject, View};
use crate::output::stats::Stats;

impl Questions {
    /// Requests for each channel besides the listing.
    pub(super) fn of_a_channel(&self) -> u64 {
        let endpoints = self.endpoints || self.ice;
        u64::from(self.tags) + u64::from(endpoints) + u64::from(self.ice)
    }
}

/// The answers to those requests.
pub(super) struct Answers(pub(super) Arc<Stats>);

impl Subject for Answers {
    fn view(&self, total: Option<u64>) -> View {
        let asked = self.0.counts().others;
        let done = asked.sent - asked.throttled;
        let seconds = self.0.elapsed().as_secs_f64().max(0.1);
        #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
        let pace = done as f64 / seconds;
        let left = total.map_or(0, |total| total.saturating_sub(done));
        let rate = format::rate(pace);
        let pace_shown = format!("{rate} requests/s, {} throttled", asked.throttled);
        View::new(done, progress::ahead(left, pace), "", pace_shown)
    }
}
