//! What a run is set to, as the runs log keeps it: to refuse a rerun that would ask for other channels.

use std::collections::HashMap;

use tracing::warn;

use super::source::Source;
use super::target::Target;
use crate::cli::ProvisionArgs;
use crate::device::{AccountId, MessageTtl};
use crate::error::Error;
use crate::plan::Rules;
use crate::results::record::timestamp;
use crate::results::runs_log::{Line, RunsLog, Settings, Start};
use crate::roster::Roster;

fn settings(args: &ProvisionArgs) -> Settings {
    let input = &args.input;
    let mut tags = input.tags.clone();
    tags.sort();
    Settings {
        id_column: input.id_column.clone(),
        channel_name: input.channel_name.clone(),
        message_ttl: input.message_ttl.map(MessageTtl::as_secs),
        tags,
    }
}

/// Refuses settings that differ from the last run's, unless they may.
pub(super) fn check(args: &ProvisionArgs, log: &RunsLog, roster: &Roster) -> Result<(), Error> {
    let now = settings(args);
    let Some(before) = log.last_start().map(|start| &start.settings) else {
        return Ok(());
    };
    if *before == now || args.results.allow_changed || roster.is_empty() {
        return Ok(());
    }
    let mut changes = Vec::new();
    let mut compare = |flag: &str, before: String, now: String| {
        if before != now {
            changes.push(format!("{flag} was {before} and is {now}"));
        }
    };
    let text = |text: &str| crate::device::shown(text);
    compare("--id-column", text(&before.id_column), text(&now.id_column));
    compare(
        "--channel-name",
        text(&before.channel_name),
        text(&now.channel_name),
    );
    compare(
        "--message-ttl",
        ttl(before.message_ttl),
        ttl(now.message_ttl),
    );
    compare("--tag", tags(&before.tags), tags(&now.tags));
    Err(Error::refused(
        "changed-settings",
        format!(
            "the last run of these results was set otherwise: {}. Finished channels would stay as they are and new \
             ones be made differently; repeat the earlier flags, or give --allow-changed",
            changes.join("; ")
        ),
    ))
}

fn ttl(seconds: Option<u8>) -> String {
    seconds.map_or("not given".to_owned(), |seconds| seconds.to_string())
}

fn tags(tags: &[(String, String)]) -> String {
    if tags.is_empty() {
        return "not given".to_owned();
    }
    let tags: Vec<String> = tags
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    tags.join(", ")
}

/// The planner's rules. What devices were asked with is only looked up where the manifest or the flags have changed.
pub(super) fn rules(args: &ProvisionArgs, source: &Source, log: &RunsLog) -> Rules {
    let same_settings = log
        .last_start()
        .is_some_and(|start| start.settings == settings(args));
    let same_manifest = source.sha256().is_some() && source.sha256() == log.last_manifest_sha256();
    let asked_before = if same_settings && same_manifest {
        HashMap::new()
    } else {
        log.asked().unwrap_or_else(|error| {
            warn!("the runs log cannot be read again ({error}); changed TTL and tags are not looked for");
            HashMap::new()
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
) -> Line {
    Line::Start(Box::new(Start {
        at: timestamp(std::time::SystemTime::now()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        arguments: std::env::args().skip(1).collect(),
        manifest: args.manifest.display().to_string(),
        manifest_sha256: source.sha256().map(str::to_owned),
        account: account.map(ToString::to_string),
        caller: target.caller().map(str::to_owned),
        regions: regions.to_vec(),
        endpoint: target.url().map(str::to_owned),
        emulator: target.is_emulator(),
        settings: settings(args),
        rate: args.pace.rate.ceiling(),
        workers: args.pace.workers,
    }))
}
