//! Checks of manifest and results against flags and earlier runs: a run, and its plan, is refused before it sends or writes
//! anything.

use std::ffi::OsString;
use std::path::{Component, Path};

use super::batch_files::DASH;
use super::is_same_file;
use super::run_config::RunConfig;
use crate::domain::device::shown;
use crate::domain::format;
use crate::error::Error;
use crate::fleet::batch::Planned;
use crate::fleet::known_devices::KnownDevices;
use crate::results::runs_log::EarlierRuns;

/// Refuses a plan that is not what the flags expect.
pub(super) fn check_plan(config: &RunConfig, planned: &Planned) -> Result<(), Error> {
    let counts = &planned.counts;
    let (listed, invalid) = (counts.all_listed(), counts.all_invalid());
    if let Some(expected) = config.rules.expect.filter(|expected| *expected != listed) {
        let message = format!(
            "the manifest lists {}, but --expect {expected} was given; nothing was attempted",
            format::count(listed, "device")
        );
        return Err(Error::refused("unexpected-count", message));
    }
    if config.rules.strict && invalid > 0 {
        let message = format!(
            "the manifest has {} and --strict was given; nothing was attempted",
            format::count(invalid, "invalid row")
        );
        return Err(Error::refused("invalid-rows", message));
    }
    Ok(())
}

/// Refuses a manifest that has rows, none of them valid: a run would be complete without having attempted anything.
pub(super) fn check_usable(listed: u64, invalid: u64) -> Result<(), Error> {
    if listed > 0 || invalid == 0 {
        return Ok(());
    }
    let lead = match invalid {
        1 => "the manifest's only row is invalid".to_owned(),
        more => format!("not one of the {more} rows can be used: all are invalid"),
    };
    Err(Error::refused(
        "invalid-rows",
        format!(
            "{lead}, for the reasons above; nothing was attempted. Correct the manifest, or the flags that say how it \
             is read ('kvs-fleet plan -v' lists all rows)"
        ),
    ))
}

/// Refuses settings that differ from the last run's, unless they may.
pub(super) fn check_settings(
    config: &RunConfig,
    runs: &EarlierRuns,
    known_devices: &KnownDevices,
) -> Result<(), Error> {
    let before = runs.last_start().and_then(|start| start.settings.as_ref());
    let differences = before.map_or_else(Vec::new, |before| config.settings().differences(before));
    if differences.is_empty() || config.rules.allow_changed || known_devices.is_empty() {
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

/// Refuses results that have rows of other shards: in a shard's file they would pass for devices that the manifest no longer
/// lists, and no other shard would know them.
pub(super) fn check_shard(config: &RunConfig, known_devices: &KnownDevices) -> Result<(), Error> {
    let Some(shard) = config.rules.plan.shard else {
        return Ok(());
    };
    let mut ids = known_devices
        .iter()
        .map(|index| known_devices.device_id(index));
    let Some(other) = ids.find(|id| !shard.has(id)) else {
        return Ok(());
    };
    Err(Error::refused(
        "other-shard",
        format!(
            "the results {} have rows of other devices than those of shard {shard}: {} belongs to {}. Give each shard \
             its own results (without --results they are); 'kvs-fleet merge' then merges them with this file",
            config.files.results.display(),
            shown(other),
            shard.of_device(other)
        ),
    ))
}

/// Refuses results of another manifest, of which this one lists not one device: a rollback meant for one of the two would
/// delete the channels of both. A stream has no name by which it could be another.
pub(super) fn check_manifest(
    config: &RunConfig,
    runs: &EarlierRuns,
    known_devices: &KnownDevices,
) -> Result<(), Error> {
    let Some(start) = runs.last_start() else {
        return Ok(());
    };
    let directory = start.directory.as_deref().map(Path::new);
    let now = config.files.manifest();
    let before = start.manifest.as_deref();
    let Some(before) = before.filter(|before| is_another(directory, Path::new(before), now)) else {
        return Ok(());
    };
    let known = known_devices.iter().map(|index| &known_devices[index]);
    let mut recorded = known.filter(|known| known.place.is_some()).peekable();
    let has_rows = recorded.peek().is_some();
    let shares_one = recorded.any(|known| known.listed.is_some());
    if !has_rows || shares_one || config.rules.allow_changed {
        return Ok(());
    }
    Err(Error::refused(
        "other-manifest",
        format!(
            "the results belong to another manifest: their last run was of {}, and {} lists not one device that has a \
             row in them. Give results of their own with --results FILE; or give --allow-changed to add these devices \
             to the same results, where a rollback deletes the channels of both",
            shown(before),
            now.display()
        ),
    ))
}

/// Whether two paths are of two manifests. The first was given in this directory; a runs log of an earlier version does not
/// name it.
fn is_another(directory: Option<&Path>, before: &Path, now: &Path) -> bool {
    let is_stream = |path: &Path| path.as_os_str() == DASH;
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
