//! The result of a run, and the checks that hold after every run.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::rig::{Rig, region, seconds};
use crate::world::{Ask, EPOCH, World};
use kvs_fleet::domain::device::ArnParts;
use kvs_fleet::domain::service::Operation;
use kvs_fleet::engine::Stop;
use kvs_fleet::results::record::{Row, Status};

/// The result of a run.
pub(super) struct Outcome {
    pub(super) rig: Rig,
    pub(super) stop: Option<Stop>,
    /// In the order in which they were recorded.
    pub(super) rows: Vec<Row>,
    pub(super) trace: Vec<String>,
    pub(super) took: Duration,
    pub(super) began: Duration,
    pub(super) asked: Vec<Ask>,
    pub(super) world: Arc<World>,
}

impl Outcome {
    /// The device's row.
    pub(super) fn row(&self, number: usize) -> &Row {
        let id = format!("CAM-{number:05}");
        let found = self.rows.iter().find(|row| *row.device_id == *id);
        found.unwrap_or_else(|| panic!("no row for {id}"))
    }

    /// The number of rows with this status and, if they failed, this code.
    pub(super) fn stats(&self) -> BTreeMap<String, usize> {
        let mut stats = BTreeMap::new();
        for row in &self.rows {
            let key = match row.status {
                Status::Failed => row.error_code.to_string(),
                other => other.as_str().to_owned(),
            };
            *stats.entry(key).or_default() += 1;
        }
        stats
    }

    pub(super) fn count(&self, key: &str) -> usize {
        self.stats().get(key).copied().unwrap_or_default()
    }

    pub(super) fn has_channel(&self, id: &str) -> bool {
        let mut rows = self.rows.iter();
        rows.any(|row| *row.device_id == *id && row.status.has_arn())
    }

    /// The requests of this run for an operation.
    pub(super) fn asked(&self, operation: Operation) -> Vec<Ask> {
        let mut asked = self.asked.clone();
        asked.retain(|ask| ask.operation == operation && ask.at >= self.began);
        asked
    }

    /// The number of events in the trace that contain this text.
    pub(super) fn events_with(&self, what: &str) -> usize {
        self.trace.iter().filter(|line| line.contains(what)).count()
    }

    /// The events of a device, and the last events of all devices.
    fn trace_of(&self, name: &str) -> String {
        let last = self.trace.len().saturating_sub(5);
        let lines = self.trace.iter().enumerate();
        let lines = lines.filter(|(number, line)| *number >= last || line.contains(name));
        lines
            .map(|(_, line)| line.as_str())
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// The checks after every run.
    pub(super) fn check(&self) {
        let ids: HashSet<_> = self.rows.iter().map(|row| &row.device_id).collect();
        assert_eq!(ids.len(), self.rows.len(), "a device has two rows");
        assert_eq!(self.events_with("Recorded"), self.rows.len());
        self.check_rows();
        let is_broken = matches!(self.stop, Some(Stop::Internal(_)));
        if self.rig.crash_at.is_none() && self.rig.sink_fails_after.is_none() && !is_broken {
            self.check_nothing_is_lost();
        }
        self.check_pace();
        let (peak, workers) = (self.world.peak(), self.rig.settings.workers);
        assert!(peak <= workers, "{peak} requests at once");
    }

    /// Checks that `created` and `exists` rows are right.
    fn check_rows(&self) {
        let mut regions = HashMap::new();
        for row in self.rows.iter().filter(|row| row.status.has_arn()) {
            let channels = regions
                .entry(&row.region)
                .or_insert_with(|| self.world.channels(&region(&row.region)));
            let arn = row.channel_arn.as_ref().unwrap().as_str();
            assert_eq!(channels[&*row.channel_name], arn, "{row:?}");
            // The service's clock is known to a second: within that, the creator cannot be determined.
            let is_open = !self.is_new(arn) && self.is_newer(arn, seconds(1.5));
            let is_created = row.status == Status::Created;
            assert!(is_open || self.is_new(arn) == is_created, "{row:?}");
        }
    }

    /// Whether this run created a channel.
    fn is_new(&self, arn: &str) -> bool {
        // An ARN has whole milliseconds.
        self.is_newer(arn, Duration::from_millis(1))
    }

    fn is_newer(&self, arn: &str, by: Duration) -> bool {
        let made = ArnParts::parse(arn).unwrap().creation_millis;
        let born = EPOCH + self.rig.world_settings.ahead + self.began;
        Duration::from_millis(made) + by > born
    }

    /// Checks that every channel of this run has a row with its ARN, or a row with an unknown outcome.
    fn check_nothing_is_lost(&self) {
        let tried: HashSet<String> = self
            .asked(Operation::Create)
            .into_iter()
            .map(|ask| ask.name)
            .collect();
        let reported = |row: &&Row| {
            let codes = ["OutcomeUnknown", "ChannelExists", "ChannelDeleting"];
            row.status.has_arn() || codes.contains(&&*row.error_code)
        };
        let reported: HashSet<&str> = self
            .rows
            .iter()
            .filter(reported)
            .map(|row| &*row.channel_name)
            .collect();
        for (region, _) in self.rig.regions() {
            for (name, arn) in self.world.channels(&region) {
                let is_ours = tried.contains(&name) && self.is_new(&arn);
                assert!(
                    !is_ours || reported.contains(&*name),
                    "{arn} was created, but no row reports it; its device:\n{}",
                    self.trace_of(&name)
                );
            }
        }
    }

    /// Checks that no operation is sent faster than its rate in any period. Two requests may be sent at once.
    fn check_pace(&self) {
        for operation in [Operation::Create, Operation::Describe, Operation::List] {
            let rate = match operation {
                Operation::Create => self.rig.settings.rate.ceiling,
                other => Some(other.quota()),
            };
            let Some(rate) = rate else { continue };
            for (region, _) in self.rig.regions() {
                let asked = self.asked(operation);
                let times = asked.iter().filter(|ask| ask.region == region);
                check_bucket(times.map(|ask| ask.at), rate);
            }
        }
    }
}

/// Two at once, and the requests within a timer's precision of two milliseconds.
pub(crate) fn check_bucket(times: impl Iterator<Item = Duration>, rate: f64) {
    let burst = (rate * 0.002).ceil().max(2.0);
    let (mut level, mut last) = (0.0_f64, Duration::ZERO);
    for at in times {
        level = (level - rate * at.saturating_sub(last).as_secs_f64()).max(0.0) + 1.0;
        last = at;
        assert!(
            level <= burst + 1e-6,
            "{level} at {at:?}, faster than {rate}/s"
        );
    }
}
