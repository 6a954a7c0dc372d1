//! The summary of a run: as text for the operator and as JSON for scripts, from the same values.

pub(crate) mod accounts;
mod json;
mod pace;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::domain::error_codes;
use crate::domain::format;
use crate::domain::shard::Shard;
use crate::fleet::plan::Counts;
use crate::output::stats::{RunCounts, Stats, Totals};
use accounts::AccountSummary;

/// The summary of a run that has ended or was refused.
#[derive(Debug, Clone, Default)]
pub(crate) struct Summary {
    /// The subcommand.
    pub(crate) command: &'static str,
    pub(crate) exit_code: u8,
    /// Why it ended, in one word.
    pub(crate) reason: &'static str,
    /// Why it ended early, in a sentence.
    pub(crate) message: Option<String>,
    pub(crate) manifest: Option<PathBuf>,
    pub(crate) results: Option<PathBuf>,
    /// The shard, if only a part of the devices is attempted: all counts are of its devices.
    pub(crate) shard: Option<Shard>,
    /// Whether the results file exists.
    pub(crate) has_results: bool,
    /// The account, if known.
    pub(crate) account: Option<String>,
    /// The caller's ARN, if known.
    pub(crate) caller: Option<String>,
    /// The Regions of the batch.
    pub(crate) regions: Vec<String>,
    /// The endpoint, if it is a custom one.
    pub(crate) endpoint: Option<String>,
    /// The quota server's address, if one was used.
    pub(crate) quota_server: Option<String>,
    /// Whether an emulator answered.
    pub(crate) emulator: bool,
    /// The plan (of a stream: so far). Recorded invalid rows are counted in `counts`.
    pub(crate) plan: Counts,
    /// Finished devices that now ask for another TTL or other tags; not in the JSON.
    pub(crate) changed: Option<u64>,
    /// Whether `--limit` left devices to another run; not in the JSON.
    pub(crate) limit_is_reached: bool,
    /// Devices without a channel that another run would attempt.
    pub(crate) remaining: u64,
    pub(crate) counts: RunCounts,
    pub(crate) totals: Totals,
    /// The accounts, if the rows name them.
    pub(crate) accounts: Vec<AccountSummary>,
    /// The ceiling of creates; `None` for `--rate auto`.
    pub(crate) ceiling: Option<f64>,
    pub(crate) started_at: Option<SystemTime>,
    pub(crate) duration: Duration,
    /// The command that continues the batch.
    pub(crate) resume: Option<String>,
}

impl Summary {
    /// Notes what was done so far.
    pub(crate) fn count(&mut self, stats: &Stats) {
        self.counts = stats.counts();
        self.totals = stats.totals();
        self.duration = stats.elapsed();
        self.remaining = self.plan.listed.saturating_sub(self.settled());
    }

    /// Devices that another run would not attempt: their channel is there, or was deleted.
    fn settled(&self) -> u64 {
        let (plan, counts) = (&self.plan, &self.counts);
        plan.done + counts.created + counts.exists + plan.deleted + counts.deleted
    }

    /// Whether another run of the same command may finish more devices.
    pub(crate) fn is_retryable(&self) -> bool {
        match self.exit_code {
            1 | 130 | 143 => true,
            3 => self.counts.failures() > 0,
            _ => false,
        }
    }

    /// The summary as lines of text.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.headline()];
        for (code, count) in &self.counts.failed {
            lines.push(format!(
                "  {count} failed with {code}: {}",
                error_codes::hint(code)
            ));
        }
        lines.extend(accounts::lines(&self.accounts));
        lines.extend(self.left());
        let repeated = match self.plan.repeated {
            1 => "line repeated: a device that is listed twice gets one channel",
            _ => "lines repeated: a device that is listed twice gets one channel",
        };
        for (count, what) in [
            (
                self.counts.invalid,
                "invalid: their rows in the results file say why",
            ),
            (self.plan.repeated, repeated),
            (
                self.plan.deleted,
                "deleted earlier stay deleted; --recreate-deleted makes them again",
            ),
            (
                self.counts.differs,
                "of the adopted channels have another type or TTL than requested (-v lists them)",
            ),
            (
                self.counts.updated,
                "of the adopted channels were updated to the requested TTL and tags (-v lists them)",
            ),
        ] {
            if count > 0 {
                lines.push(format!("  {count} {what}"));
            }
        }
        if self.counts.creates.sent > 0 {
            lines.extend(self.pace_lines());
        }
        if let Some(results) = self.results.as_ref().filter(|_| self.has_results) {
            lines.push(format!("  results: {}", results.display()));
        }
        if let Some(resume) = &self.resume {
            lines.push(format!("  to continue: {resume}"));
        } else if self.is_retryable() {
            // A pipe, for example, does not outlive the run.
            let shard = self.shard;
            let shard = shard.map_or_else(String::new, |shard| format!(", with --shard {shard}"));
            lines.push(format!(
                "  to continue: send the same manifest to the same command{shard}"
            ));
        }
        lines
    }

    /// The Regions with remaining devices, if the batch has several Regions.
    fn left(&self) -> impl Iterator<Item = String> {
        let left = &self.totals.left;
        let several = left.len() > 1 && self.accounts.is_empty();
        left.iter()
            .filter(move |(_, count)| several && **count > 0)
            .map(|(region, count)| format!("  {count} to go in {region}"))
    }

    fn headline(&self) -> String {
        let mut parts = vec![
            format!("{} created", self.counts.created),
            format!("{} existed", self.counts.exists),
        ];
        if self.plan.done > 0 {
            parts.push(format!("{} done before", self.plan.done));
        }
        parts.push(format!("{} failed", self.counts.failures()));
        if self.counts.invalid > 0 {
            parts.push(format!("{} invalid", self.counts.invalid));
        }
        let open = self.remaining.saturating_sub(self.counts.failures());
        if open > 0 {
            parts.push(format!("{open} to go"));
        }
        let lead = match (self.exit_code, self.reason) {
            (0, _) => "done in",
            (3, _) => "complete, with exceptions, in",
            (_, "limit") => "stopped at --limit after",
            _ => "stopped after",
        };
        let took = format::took(self.duration);
        let shard = self
            .shard
            .map_or_else(String::new, |shard| format!("shard {shard}: "));
        format!("{shard}{lead} {took}: {}", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::device::Region;
    use crate::output::stats::{RegionTotals, Requests};

    #[test]
    fn a_summary_replaces_its_file_and_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("s.json");
        std::fs::write(&file, "x".repeat(100_000)).unwrap();
        let before = std::fs::File::open(&file).unwrap();
        Summary::default().write_json(&file).unwrap();
        let text = std::fs::read(&file).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(json["schema"], 1);
        // An open file keeps its old content.
        assert_eq!(before.metadata().unwrap().len(), 100_000);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let nowhere = folder.path().join("nowhere").join("s.json");
        assert!(Summary::default().write_json(&nowhere).is_err());
    }

    /// The end of a run in which 2 of 1,003 devices failed.
    fn summary() -> Summary {
        let mut summary = Summary {
            exit_code: 3,
            reason: "complete",
            plan: Counts {
                listed: 1_003,
                repeated: 1,
                ..Counts::default()
            },
            totals: Totals {
                creating: Duration::from_secs(20),
                achieved: Some(49.9),
                regions: vec![RegionTotals {
                    account_region: Region::parse("eu-central-1").unwrap().into(),
                    creates: Requests {
                        sent: 1_000,
                        throttled: 5,
                    },
                    achieved: Some(49.9),
                    rate: 48.47,
                    ceiling: Some(50.0),
                    grant: Some(49.97),
                    sharing: None,
                    has_ignored_throttles: false,
                }],
                throttles: None,
                left: [("eu-central-1".to_owned(), 2)].into(),
                accounts: std::collections::BTreeMap::new(),
            },
            ceiling: Some(50.0),
            duration: Duration::from_millis(20_400),
            results: Some("devices.results.csv".into()),
            has_results: true,
            resume: Some("kvs-fleet provision devices.csv".to_owned()),
            ..Summary::default()
        };
        summary.counts.created = 998;
        summary.counts.invalid = 3;
        summary.counts.failed.insert("OutcomeUnknown".into(), 2);
        summary.counts.creates = Requests {
            sent: 1_000,
            throttled: 5,
        };
        summary
    }

    #[test]
    fn the_text_reports_the_outcome_and_the_next_command() {
        assert_eq!(
            summary().lines().join("\n"),
            "complete, with exceptions, in 20.4 s: 998 created, 0 existed, 2 failed, 3 invalid\n  \
             2 failed with OutcomeUnknown: run again: the next run asks the service whether the channel exists\n  \
             3 invalid: their rows in the results file say why\n  \
             1 line repeated: a device that is listed twice gets one channel\n  \
             49.9 channels a second, 50.0/s granted at the end, at most 50; 0.50 % of creates throttled\n  \
             results: devices.results.csv\n  \
             to continue: kvs-fleet provision devices.csv"
        );
    }

    #[test]
    fn the_json_has_the_same_values() {
        let json = summary().to_json();
        assert_eq!(json["retryable"], true);
        assert_eq!(json["devices"]["created"], 998);
        assert_eq!(json["devices"]["repeated"], 1);
        assert_eq!(json["remaining_by_region"]["eu-central-1"], 2);
        assert_eq!(json["requests"]["create"]["throttled"], 5);
        assert_eq!(
            json["rate"],
            serde_json::json!({
                "achieved": 49.9,
                "creating_seconds": 20.0,
                "ceiling": 50.0,
                "in_force": 48.47,
                "granted": 49.97,
                "throttled_share": 0.005,
                "regions": [{
                    "account": null,
                    "region": "eu-central-1",
                    "achieved": 49.9,
                    "in_force": 48.47,
                    "granted": 49.97,
                    "throttled_share": 0.005,
                    "hosts": null,
                    "shared": null,
                }],
            })
        );
    }
}
