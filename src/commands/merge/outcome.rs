//! What a merge did, as text and as JSON.

use std::path::Path;

use serde::Serialize;
use tracing::{info, warn};

use super::input::Input;
use super::order::Missing;
use crate::cli::MergeArgs;
use crate::domain::device::shown;
use crate::domain::format;
use crate::domain::shard::Shard;
use crate::results::merge::{MergeRows, Merged};
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
    /// Counts the merged rows, and decides the exit code. `shard` is one of the shards of the runs.
    pub(super) fn new(
        args: &MergeArgs,
        inputs: &[Input],
        rows: &MergeRows,
        merged: &Merged,
        shard: Option<Shard>,
        missing: Option<Missing>,
    ) -> Self {
        let path = |path: &Path| path.display().to_string();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let devices = DeviceCounts::of(rows, merged);
        let exit_code = match &missing {
            Some(missing) if missing.count > 0 => 1,
            _ if devices.failed + devices.invalid + devices.deleted > 0 => 3,
            _ => 0,
        };
        let recreated = merged.recreated.iter().map(|(kept, other)| Recreated {
            device_id: text(rows.row(*kept).device_id()),
            channel_arn: text(rows.row(*kept).arn()),
            older_channel_arn: text(rows.row(*other).arn()),
        });
        let missing_count = missing.as_ref().map(|missing| missing.count);
        let missing = missing.unwrap_or_default();
        let of_shards = missing.by_shard.iter().zip(shard.iter().cycle());
        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            exit_code,
            results: path(&args.output),
            files: inputs.iter().map(|input| path(&input.path)).collect(),
            manifest: args.manifest.as_deref().map(path),
            devices,
            missing: missing_count,
            missing_shards: of_shards
                .map(|((number, devices), shard)| MissingShard {
                    shard: format!("{number}/{}", shard.count()),
                    devices: *devices,
                })
                .collect(),
            missing_devices: missing.named,
            recreated: recreated.collect(),
        }
    }

    /// Reports it to the operator.
    pub(super) fn report(&self) {
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
        self.report_missing();
        info!("  results: {}", self.results);
    }

    fn report_missing(&self) {
        let Some(missing @ 1..) = self.missing else {
            return;
        };
        let named: Vec<String> = self.missing_devices.iter().map(|id| shown(id)).collect();
        let all = usize::try_from(missing).unwrap_or(usize::MAX);
        let devices = format::count(missing, "device");
        let verb = if missing == 1 { "has" } else { "have" };
        warn!(
            "{devices} of the manifest {verb} no row: {}",
            format::first_of(all, &named)
        );
        let shards = self.missing_shards.iter().take(MOST_NAMED);
        let shards: Vec<String> = shards
            .map(|part| format!("{} ({})", part.shard, part.devices))
            .collect();
        if shards.is_empty() {
            warn!("'provision' with these results attempts them");
        } else {
            warn!(
                "they belong to the shards {}: run those again, then merge",
                format::first_of(self.missing_shards.len(), &shards)
            );
        }
    }
}

impl DeviceCounts {
    fn of(rows: &MergeRows, merged: &Merged) -> Self {
        let mut counts = Self::default();
        for index in &merged.rows {
            *match rows.row(*index).status() {
                Status::Created => &mut counts.created,
                Status::Exists => &mut counts.exists,
                Status::Failed => &mut counts.failed,
                Status::Invalid => &mut counts.invalid,
                Status::Deleted => &mut counts.deleted,
            } += 1;
        }
        counts
    }
}
