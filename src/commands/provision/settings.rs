//! What a run is set to, as the runs log keeps it: to refuse a rerun that would ask for other channels.

use std::time::SystemTime;

use clap::ValueEnum;
use tracing::warn;

use super::source::Source;
use crate::cli::ProvisionArgs;
use crate::commands::target::Target;
use crate::device::{AccountId, MessageTtl};
use crate::error::Error;
use crate::plan::Rules;
use crate::results::asks::Asked;
use crate::results::record::timestamp;
use crate::results::runs_line::{RunsLine, Settings, Start};
use crate::results::runs_log::EarlierRuns;
use crate::roster::Roster;

fn settings(args: &ProvisionArgs) -> Settings {
    let (input, pace) = (&args.input, &args.pace);
    Settings {
        channel_name: input.channel_name.clone(),
        tags: input.tags.iter().cloned().collect(),
        message_ttl_seconds: input.message_ttl.map(MessageTtl::as_secs),
        id_column: input.id_column.clone(),
        rate: pace.rate.ceiling(),
        workers: u32::try_from(pace.workers).unwrap_or(u32::MAX),
        max_attempts: pace.max_attempts,
        on_exists: args
            .service
            .on_exists
            .to_possible_value()
            .map(|value| value.get_name().to_owned())
            .unwrap_or_default(),
    }
}

/// In which of the settings that decide what a device gets this run differs from the last.
fn differences(args: &ProvisionArgs, log: &impl EarlierRuns) -> Vec<String> {
    let before = log.last_start().and_then(|start| start.settings.as_ref());
    before.map_or_else(Vec::new, |before| settings(args).differences(before))
}

/// Refuses settings that differ from the last run's, unless they may.
pub(in crate::commands) fn check(
    args: &ProvisionArgs,
    log: &impl EarlierRuns,
    roster: &Roster,
) -> Result<(), Error> {
    let differences = differences(args, log);
    if differences.is_empty() || args.results.allow_changed || roster.is_empty() {
        return Ok(());
    }
    Err(Error::refused(
        "changed-settings",
        format!(
            "the last run of these results was set otherwise: {}. Finished channels would stay as they are and new \
             ones be made differently; repeat the earlier flags, or give --allow-changed",
            differences.join("; ")
        ),
    ))
}

/// The planner's rules. What devices were asked with need not be looked up where the last run found nothing changed and
/// neither manifest nor flags are others since.
pub(in crate::commands) fn rules(
    args: &ProvisionArgs,
    manifest_sha256: Option<&str>,
    log: &impl EarlierRuns,
) -> Rules {
    let last_manifest = log
        .last_start()
        .and_then(|start| start.manifest_sha256.as_deref());
    let same_manifest = manifest_sha256.is_some() && manifest_sha256 == last_manifest;
    let was_unchanged = log.last_end().is_some_and(|end| end.changed == Some(0));
    let asked_before = if was_unchanged && same_manifest && differences(args, log).is_empty() {
        Asked::default()
    } else {
        log.asked().unwrap_or_else(|error| {
            warn!("{error}; finished devices that now ask for another TTL or other tags are not counted");
            Asked::default()
        })
    };
    Rules {
        recreate_deleted: args.results.recreate_deleted,
        asked_before,
    }
}

/// The line that a run starts with.
pub(super) fn start(
    args: &ProvisionArgs,
    source: &Source,
    target: &Target,
    account: Option<&AccountId>,
    regions: &[String],
) -> RunsLine {
    RunsLine::Start(Box::new(Start {
        at: timestamp(SystemTime::now()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: "provision".to_owned(),
        arguments: crate::commands::arguments(),
        manifest: Some(args.manifest.display().to_string()),
        manifest_sha256: source.sha256().map(str::to_owned),
        account: account.map(ToString::to_string),
        caller: target.caller().map(str::to_owned),
        regions: regions.to_vec(),
        endpoint: if target.is_emulator() {
            Some("emulator".to_owned())
        } else {
            target.url().map(str::to_owned)
        },
        settings: Some(settings(args)),
    }))
}
