//! What a run is set to, as the runs log keeps it: to refuse a rerun that would ask for other channels.

use std::ffi::OsString;
use std::path::{Component, Path};
use std::time::SystemTime;

use clap::ValueEnum;

use super::paths::STANDARD_INPUT;
use super::source::Source;
use crate::cli::ProvisionArgs;
use crate::commands::is_same_file;
use crate::commands::target::Target;
use crate::domain::device::{AccountId, MessageTtl, shown};
use crate::error::Error;
use crate::fleet::known_devices::KnownDevices;
use crate::results::record::timestamp;
use crate::results::runs_line::{RunsLine, Settings, Start};
use crate::results::runs_log::EarlierRuns;

fn settings(args: &ProvisionArgs) -> Settings {
    let (input, pace) = (&args.input, &args.pace);
    Settings {
        channel_name: input.channel_name.clone(),
        tags: input.tags.iter().cloned().collect(),
        message_ttl_seconds: input.message_ttl.map(MessageTtl::as_secs),
        id_column: input.id_column.clone(),
        delimiter: input.delimiter.map(char::from),
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
fn differences(args: &ProvisionArgs, runs: &EarlierRuns) -> Vec<String> {
    let before = runs.last_start().and_then(|start| start.settings.as_ref());
    before.map_or_else(Vec::new, |before| settings(args).differences(before))
}

/// Refuses settings that differ from the last run's, unless they may.
pub(in crate::commands) fn check(
    args: &ProvisionArgs,
    runs: &EarlierRuns,
    known_devices: &KnownDevices,
) -> Result<(), Error> {
    let differences = differences(args, runs);
    if differences.is_empty() || args.results.allow_changed || known_devices.is_empty() {
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

/// Refuses results of another manifest, of which this one lists not one device: a rollback meant for one of the two would
/// delete the channels of both. A stream has no name by which it could be another.
pub(in crate::commands) fn check_manifest(
    args: &ProvisionArgs,
    runs: &EarlierRuns,
    known_devices: &KnownDevices,
) -> Result<(), Error> {
    let Some(start) = runs.last_start() else {
        return Ok(());
    };
    let directory = start.directory.as_deref().map(Path::new);
    let before = start.manifest.as_deref();
    let Some(before) =
        before.filter(|before| is_another(directory, Path::new(before), &args.manifest))
    else {
        return Ok(());
    };
    let mut recorded = known_devices
        .iter()
        .filter(|index| known_devices.place(*index).is_some())
        .peekable();
    let has_rows = recorded.peek().is_some();
    let shares_one = recorded.any(|index| known_devices.is_listed(index));
    if !has_rows || shares_one || args.results.allow_changed {
        return Ok(());
    }
    Err(Error::refused(
        "other-manifest",
        format!(
            "the results belong to another manifest: their last run was of {}, and {} lists not one device that has a \
             row in them. Give results of their own with --results FILE; or give --allow-changed to add these devices \
             to the same results, where a rollback deletes the channels of both",
            shown(before),
            args.manifest.display()
        ),
    ))
}

/// Whether two paths are of two manifests. The first was given in this directory; a runs log of an earlier version does not
/// name it.
fn is_another(directory: Option<&Path>, before: &Path, now: &Path) -> bool {
    let is_stream = |path: &Path| path.as_os_str() == STANDARD_INPUT;
    if is_stream(before) || is_stream(now) {
        return false;
    }
    if let Some(directory) = directory {
        return !is_same_file(&directory.join(before), now);
    }
    let named = |path: &Path| -> Vec<OsString> {
        let components = path.components().filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            _ => None,
        });
        components.rev().collect()
    };
    let (before_names, now_names) = (named(before), named(now));
    let is_same_end = before_names.iter().zip(&now_names).all(|(a, b)| a == b);
    !is_same_end && !is_same_file(before, now)
}

/// Whether all runs of these results, and this one, ask for the same channels, TTLs and tags; none where the runs log does
/// not tell.
pub(in crate::commands) fn ask_alike(
    args: &ProvisionArgs,
    manifest_sha256: Option<&str>,
    runs: &EarlierRuns,
) -> Option<bool> {
    runs.ask_alike(manifest_sha256, &settings(args))
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
        directory: std::env::current_dir()
            .ok()
            .map(|directory| directory.display().to_string()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_manifest_may_be_given_by_several_paths() {
        for (before, now, is_other) in [
            ("d.csv", "d.csv", false),
            ("d.csv", "../line4/d.csv", false),
            ("a/line4/d.csv", "line4/d.csv", false),
            ("line4/d.csv", "line5/d.csv", true),
            ("d.2026-11-27", "d.2026-11-28", true),
            ("d.csv", "d.txt", true),
            ("-", "d.csv", false),
            ("d.csv", "-", false),
        ] {
            let found = is_another(None, Path::new(before), Path::new(now));
            assert_eq!(found, is_other, "{before} {now}");
        }
    }

    #[test]
    fn one_name_in_two_folders_is_two_manifests() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
        for batch in [&first, &second] {
            std::fs::create_dir(batch).unwrap();
            std::fs::write(batch.join("d.csv"), "device_id\n").unwrap();
        }
        let name = Path::new("d.csv");
        assert!(is_another(Some(&first), name, &second.join(name)));
        assert!(!is_another(Some(&first), name, &first.join(name)));
        assert!(!is_another(
            Some(&second),
            &first.join(name),
            &first.join(name)
        ));
    }
}
