//! The lines of a run in the runs log.

use std::time::SystemTime;

use crate::commands::run_config::RunConfig;
use crate::commands::runs_lines::{self, millis};
use crate::commands::source::Source;
use crate::commands::target::Target;
use crate::domain::device::{AccountId, AccountRegion};
use crate::output::stats::{RegionTotals, Throttles};
use crate::output::summary::Summary;
use crate::results::record::{Status, timestamp};
use crate::results::runs_line::{End, RegionLine, RunsLine, Start, ThrottledOverTime};

/// The line that a run starts with.
pub(super) fn start(
    config: &RunConfig,
    source: &Source,
    target: &Target,
    account: Option<&AccountId>,
    account_regions: &[AccountRegion],
) -> RunsLine {
    let directory = std::env::current_dir().ok();
    RunsLine::Start(Box::new(Start {
        directory: directory.map(|directory| directory.display().to_string()),
        manifest: Some(config.files.manifest().display().to_string()),
        manifest_sha256: source.sha256().map(str::to_owned),
        shard: config.rules.plan.shard.map(|shard| shard.to_string()),
        quota_server: config.quota_server_address(),
        settings: Some(config.settings()),
        ..runs_lines::start("provision", target, account, account_regions)
    }))
}

/// The line that a run ends with.
pub(super) fn end(summary: &Summary) -> RunsLine {
    let (counts, totals) = (&summary.counts, &summary.totals);
    let by_status = [
        (Status::Created, counts.created),
        (Status::Exists, counts.exists),
        (Status::Failed, counts.failures()),
        (Status::Invalid, counts.invalid),
    ];
    let requests = [
        counts.creates,
        counts.describes,
        counts.lists,
        counts.others,
    ];
    RunsLine::End(Box::new(End {
        counts: by_status
            .into_iter()
            .map(|(status, count)| (status.as_str().to_owned(), count))
            .collect(),
        remaining: summary.remaining,
        changed: summary.changed,
        creating_ms: millis(totals.creating),
        achieved_per_second: totals.achieved,
        throttled_share: counts.creates.throttled_share(),
        regions: totals.regions.iter().map(region_line).collect(),
        throttled_over_time: totals.throttles.as_ref().map(throttled_over_time),
        quota_server_outages: counts.quota_server_outages,
        reason: summary.reason.to_owned(),
        exit_code: summary.exit_code,
        ..runs_lines::end(summary.duration, requests)
    }))
}

fn throttled_over_time(throttles: &Throttles) -> ThrottledOverTime {
    let from = SystemTime::now().checked_sub(throttles.began.elapsed());
    let tenths = |rate: f64| (rate * 10.0).round() / 10.0;
    let slices = &throttles.slices;
    ThrottledOverTime {
        from: from.map(timestamp).unwrap_or_default(),
        slice_ms: millis(throttles.width),
        throttled: slices.iter().map(|slice| slice.throttled).collect(),
        granted_per_second: slices
            .iter()
            .map(|slice| slice.granted.map(tenths))
            .collect(),
    }
}

fn region_line(region: &RegionTotals) -> RegionLine {
    RegionLine {
        account: region
            .account_region
            .account
            .as_ref()
            .map(ToString::to_string),
        region: region.account_region.region.to_string(),
        creates: region.creates.sent,
        throttles: region.creates.throttled,
        throttled_share: region.creates.throttled_share(),
        achieved_per_second: region.achieved,
        in_force_per_second: region.rate,
        ceiling_per_second: region.ceiling,
        granted_per_second: region.grant,
        hosts: region
            .sharing
            .and_then(|sharing| sharing.last)
            .map(|last| last.most_hosts),
    }
}
