//! The summary as JSON, for scripts.

use std::path::Path;

use super::Summary;
use crate::domain::device::AccountId;
use crate::domain::error_codes;
use crate::output::file;
use crate::results::record::timestamp;

/// The version of the JSON schema. New fields do not change it.
const SCHEMA: u32 = 1;

impl Summary {
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let failures: Vec<_> = self
            .counts
            .failed
            .iter()
            .map(|(code, count)| {
                serde_json::json!({"code": code, "count": count, "hint": error_codes::hint(code)})
            })
            .collect();
        serde_json::json!({
            "schema": SCHEMA,
            "version": env!("CARGO_PKG_VERSION"),
            "command": self.command,
            "exit_code": self.exit_code,
            "reason": self.reason,
            "message": self.message,
            "retryable": self.is_retryable(),
            "remaining": self.remaining,
            "remaining_by_region": self.totals.left,
            "manifest": path(self.manifest.as_deref()),
            "results": path(self.results.as_deref()),
            "shard": self.shard.map(|shard| shard.to_string()),
            "account": self.account,
            "caller": self.caller,
            "accounts": self.accounts,
            "regions": self.regions,
            "endpoint": self.endpoint,
            "quota_server": self.quota_server_json(),
            "emulator": self.emulator,
            "devices": {
                "listed": self.plan.listed,
                "done_before": self.plan.done,
                "created": self.counts.created,
                "exists": self.counts.exists,
                "failed": self.counts.failures(),
                "invalid": self.counts.invalid.max(self.plan.invalid),
                "repeated": self.plan.repeated,
                "other_shards": self.plan.listed_elsewhere,
                "deleted": self.plan.deleted + self.counts.deleted,
                "differs": self.counts.differs,
                "updated": self.counts.updated,
            },
            "failures": failures,
            "requests": {
                "create": self.counts.creates,
                "describe": self.counts.describes,
                "list": self.counts.lists,
            },
            "rate": self.rate_json(),
            "started_at": self.started_at.map(timestamp),
            "duration_seconds": self.duration.as_secs_f64(),
            "resume": self.resume,
        })
    }

    fn rate_json(&self) -> serde_json::Value {
        let regions = &self.totals.regions;
        let each: Vec<_> = regions
            .iter()
            .map(|region| {
                serde_json::json!({
                    "account": region.account_region.account.as_ref().map(AccountId::as_str),
                    "region": region.account_region.region.as_str(),
                    "achieved": region.achieved,
                    "in_force": region.rate,
                    "granted": region.grant,
                    "throttled_share": region.creates.throttled_share(),
                    "hosts": region.sharing.and_then(|sharing| sharing.last).map(|last| last.most_hosts),
                    "shared": region.sharing.and_then(|sharing| sharing.last).map(|last| last.rate),
                })
            })
            .collect();
        serde_json::json!({
            "achieved": self.totals.achieved,
            "creating_seconds": self.totals.creating.as_secs_f64(),
            "ceiling": self.ceiling,
            "in_force": regions.iter().map(|region| region.rate).reduce(|sum, rate| sum + rate),
            "granted": regions.iter().filter_map(|region| region.grant).reduce(f64::max),
            "throttled_share": self.counts.creates.throttled_share(),
            "regions": each,
        })
    }

    /// The quota server: its address, whether it answered at the end, and how often it was lost.
    fn quota_server_json(&self) -> Option<serde_json::Value> {
        let address = self.quota_server.as_ref()?;
        let joined = self
            .totals
            .regions
            .iter()
            .filter_map(|region| region.sharing);
        let joined: Vec<bool> = joined.map(|sharing| sharing.is_joined).collect();
        Some(serde_json::json!({
            "address": address,
            "joined": (!joined.is_empty()).then(|| joined.iter().all(|joined| *joined)),
            "outages": self.counts.quota_server_outages,
        }))
    }

    /// Writes the JSON to a file, which is replaced as a whole.
    pub(crate) fn write_json(&self, file: &Path) -> std::io::Result<()> {
        let mut text = serde_json::to_vec_pretty(&self.to_json())?;
        text.push(b'\n');
        file::replace(file, &text)
    }
}

fn path(path: Option<&Path>) -> Option<String> {
    path.map(|path| path.to_string_lossy().into_owned())
}
