//! What a merge did, as text and as JSON.

use std::path::Path;

use serde::Serialize;
use tracing::{info, warn};

use super::config::MergeConfig;
use super::order::Missing;
use crate::domain::device::shown;
use crate::domain::format;
use crate::results::merge::{MergeRows, RowIndex};
use crate::results::record::Status;

/// The schema of `merge --json`. Fields may be added without a new one.
const SCHEMA: u32 = 1;
/// Recreated channels and shards that are named.
const MOST_NAMED: usize = 10;

/// What a merge did.
#[derive(Debug, Serialize)]
pub(super) struct MergeOutcome {
    schema: u32,
    version: &'static str,
    pub(super) exit_code: u8,
    results: String,
    /// The files that were merged.
    files: Vec<String>,
    manifest: Option<String>,
    devices: DeviceCounts,
    /// Devices of the manifest without a row; null without a manifest.
    missing: Option<u64>,
    /// The first of them.
    missing_devices: Vec<String>,
    /// The shards that have them, where the files are those of shards.
    missing_shards: Vec<MissingShard>,
    recreated: Vec<Recreated>,
}

/// Rows by status.
#[derive(Debug, Default, Serialize)]
struct DeviceCounts {
    created: u64,
    exists: u64,
    failed: u64,
    invalid: u64,
    deleted: u64,
}

/// A shard that has not recorded all of its devices.
#[derive(Debug, Serialize)]
struct MissingShard {
    shard: String,
    devices: u64,
}

/// A device with two channels in the files.
#[derive(Debug, Serialize)]
struct Recreated {
    device_id: String,
    /// The newer channel, which counts.
    channel_arn: String,
    older_channel_arn: String,
}

impl MergeOutcome {
    pub(super) fn new<'a>(
        config: &MergeConfig,
        files: impl Iterator<Item = &'a Path>,
        shards: Option<u32>,
        missing: Option<Missing>,
    ) -> Self {
        let shown = |path: &Path| path.display().to_string();
        let is_given = missing.is_some();
        let missing = missing.unwrap_or_default();
        let of_shards = missing.by_shard.iter().zip(shards.iter().cycle());
        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            exit_code: 0,
            results: shown(&config.output),
            files: files.map(shown).collect(),
            manifest: config.manifest.as_deref().map(shown),
            devices: DeviceCounts::default(),
            missing: is_given.then_some(missing.count),
            missing_shards: of_shards
                .map(|((number, devices), count)| MissingShard {
                    shard: format!("{number}/{count}"),
                    devices: *devices,
                })
                .collect(),
            missing_devices: missing.named,
            recreated: Vec::new(),
        }
    }

    /// Counts the merged rows, and decides the exit code.
    pub(super) fn count(&mut self, rows: &MergeRows, merged: &[RowIndex]) {
        let counts = &mut self.devices;
        for index in merged {
            *match rows.row(*index).status() {
                Status::Created => &mut counts.created,
                Status::Exists => &mut counts.exists,
                Status::Failed => &mut counts.failed,
                Status::Invalid => &mut counts.invalid,
                Status::Deleted => &mut counts.deleted,
            } += 1;
        }
        let is_missing = self.missing.is_some_and(|missing| missing > 0);
        self.exit_code = match counts.failed + counts.invalid + counts.deleted {
            _ if is_missing => 1,
            0 => 0,
            _ => 3,
        };
    }

    /// Notes the devices that have two channels.
    pub(super) fn note_recreated(&mut self, rows: &MergeRows, recreated: &[(RowIndex, RowIndex)]) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let noted = recreated.iter().map(|(kept, other)| Recreated {
            device_id: text(rows.row(*kept).device_id()),
            channel_arn: text(rows.row(*kept).arn()),
            older_channel_arn: text(rows.row(*other).arn()),
        });
        self.recreated = noted.collect();
    }

    /// Reports it to the operator.
    pub(super) fn say(&self) {
        for found in self.recreated.iter().take(MOST_NAMED) {
            warn!(
                "the device {} has two channels: {} counts, {} is older",
                shown(&found.device_id),
                found.channel_arn,
                found.older_channel_arn
            );
        }
        let more = self.recreated.len().saturating_sub(MOST_NAMED);
        if more > 0 {
            let more = format::count(more as u64, "more device");
            warn!("{more} with two channels; --json lists all");
        }
        let counts = &self.devices;
        let mut parts = vec![
            format!("{} created", counts.created),
            format!("{} existed", counts.exists),
            format!("{} failed", counts.failed),
        ];
        for (count, status) in [(counts.invalid, "invalid"), (counts.deleted, "deleted")] {
            if count > 0 {
                parts.push(format!("{count} {status}"));
            }
        }
        let files = format::count(self.files.len() as u64, "file");
        info!("merged {files}: {}", parts.join(", "));
        self.say_missing();
        info!("  results: {}", self.results);
    }

    fn say_missing(&self) {
        let Some(missing @ 1..) = self.missing else {
            return;
        };
        let named: Vec<String> = self.missing_devices.iter().map(|id| shown(id)).collect();
        let more = match missing - named.len() as u64 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let devices = format::count(missing, "device");
        let verb = if missing == 1 { "has" } else { "have" };
        warn!(
            "{devices} of the manifest {verb} no row: {}{more}",
            named.join(", ")
        );
        let shards = self.missing_shards.iter().take(MOST_NAMED);
        let shards: Vec<String> = shards
            .map(|part| format!("{} ({})", part.shard, part.devices))
            .collect();
        let more = match self.missing_shards.len() - shards.len() {
            0 => String::new(),
            more => format!(" and {more} more shards"),
        };
        if shards.is_empty() {
            warn!("'provision' with these results attempts them");
        } else {
            warn!(
                "they belong to the shards {}{more}: run those again, then merge",
                shards.join(", ")
            );
        }
    }
}
