//! Which files a run uses: the manifest, the results beside it, their runs log, and what is written besides.

use std::path::{Path, PathBuf};

use super::is_same_file;
use crate::domain::shard::Shard;
use crate::error::Error;
use crate::output::file::try_place;
use crate::results::runs_log::runs_log_path;

/// The name that means standard input.
pub(super) const DASH: &str = "-";

/// The files of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BatchFiles {
    /// None for standard input.
    pub(super) manifest: Option<PathBuf>,
    pub(super) results: PathBuf,
}

impl BatchFiles {
    pub(super) fn new(
        manifest: &Path,
        results: Option<&Path>,
        emulator: bool,
        shard: Option<Shard>,
    ) -> Result<Self, Error> {
        let manifest = (manifest.as_os_str() != DASH).then(|| manifest.to_owned());
        let results = match (results, &manifest) {
            (Some(results), _) => results.to_owned(),
            (None, Some(manifest)) if is_special_file(manifest) || is_of_the_system(manifest) => {
                return refused(format!(
                    "the manifest {} is a pipe or a device, so no results file can be placed beside it: give --results FILE",
                    manifest.display()
                ));
            }
            (None, Some(manifest)) => beside(manifest, emulator, shard),
            (None, None) => {
                return refused(
                    "the manifest is standard input, so the results file has no name of its own: give --results FILE",
                );
            }
        };
        if results.as_os_str() == DASH {
            return refused(
                "--results - is refused: results are the journal that a rerun resumes from, and must be a file; \
                 --json writes to standard output as well",
            );
        }
        if manifest.as_ref() == Some(&results) {
            return refused(format!(
                "--results names the manifest itself ({}); give another file",
                results.display()
            ));
        }
        Ok(Self { manifest, results })
    }

    /// The manifest as it was given.
    pub(super) fn manifest(&self) -> &Path {
        self.manifest.as_deref().unwrap_or(Path::new(DASH))
    }

    /// Refuses a manifest that does not exist, and results where no file can be created. Creates nothing.
    pub(super) fn check(&self) -> Result<(), Error> {
        if let Some(manifest) = self.manifest.as_deref().filter(|path| !path.exists()) {
            let message = format!("the manifest {} does not exist", manifest.display());
            return Err(Error::refused("manifest", message));
        }
        let results = &self.results;
        if results.is_dir() {
            return refused(format!(
                "--results {} is a directory; give the path of a file",
                results.display()
            ));
        }
        match results.parent() {
            Some(folder) if !folder.as_os_str().is_empty() && !folder.exists() => refused(format!(
                "the directory {} of the results file does not exist; make it first, or give another file with \
                 --results",
                folder.display()
            )),
            _ => Ok(()),
        }
    }
}

fn refused<T>(message: impl Into<String>) -> Result<T, Error> {
    Err(Error::refused("usage", message))
}

/// Whether this exists and is neither a file nor a folder, such as what a shell creates for `<(command)`.
fn is_special_file(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|there| !there.is_file() && !there.is_dir())
}

/// Whether the path is one of the system's for an open file, such as `/dev/stdin`, beside which nothing can be kept.
fn is_of_the_system(path: &Path) -> bool {
    ["/dev", "/proc"].iter().any(|root| path.starts_with(root)) && !path.starts_with("/dev/shm")
}

/// The results file that is used, whether or not the run can have it.
pub(super) fn results_of(
    manifest: &Path,
    results: Option<&Path>,
    emulator: bool,
    shard: Option<Shard>,
) -> PathBuf {
    results.map_or_else(|| beside(manifest, emulator, shard), Path::to_owned)
}

/// Refuses files that flags name to be written: one that is read or written for another purpose, or that cannot be
/// written.
pub(super) fn check_outputs(
    outputs: &[(&str, Option<&Path>)],
    manifest: Option<&Path>,
    results: &Path,
    state: Option<&Path>,
) -> Result<(), Error> {
    let results = results.canonicalize().unwrap_or(results.to_owned());
    let log = runs_log_path(&results);
    let mut own = vec![
        (manifest, "the manifest"),
        (Some(&*results), "the results file"),
        (Some(&*log), "the runs log of the results"),
    ];
    if let Some(state) = state {
        // Not tried as others are: another process may be replacing it.
        refuse_own("--emulator-state", state, &own)?;
        own.push((Some(state), "the emulator's state"));
    }
    let mut named: Vec<(&str, &Path)> = Vec::new();
    for &(flag, file) in outputs {
        let Some(file) = file else { continue };
        let shown = file.display();
        refuse_own(flag, file, &own)?;
        let mut others = named.iter();
        if let Some((other, _)) = others.find(|(_, named)| is_same_file(named, file)) {
            return refused(format!(
                "{other} and {flag} name the same file; give each its own"
            ));
        }
        if let Err(error) = try_place(file) {
            return refused(format!(
                "{flag} {shown}: {error}; give a file in a folder that exists and may be written to"
            ));
        }
        named.push((flag, file));
    }
    Ok(())
}

/// Refuses a file to be written that is one of the run's own.
fn refuse_own(flag: &str, file: &Path, own: &[(Option<&Path>, &str)]) -> Result<(), Error> {
    let is_this = |own: Option<&Path>| own.is_some_and(|own| is_same_file(own, file));
    match own.iter().find(|(own, _)| is_this(*own)) {
        Some((_, what)) => refused(format!(
            "{flag} names {what} ({}), which it would replace; give another file",
            file.display()
        )),
        None => Ok(()),
    }
}

/// `devices.csv` → `devices.results.csv`, or `devices.03-of-16.emulator.results.csv`. Only the extensions of CSV files are taken
/// off: `serials.2026-11-28` and `serials.2026-11-29` have results of their own.
fn beside(manifest: &Path, emulator: bool, shard: Option<Shard>) -> PathBuf {
    const EXTENSIONS: [&str; 3] = ["csv", "tsv", "txt"];
    let extension = manifest.extension().unwrap_or_default();
    let is_known = EXTENSIONS
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known));
    let stem = if is_known {
        manifest.file_stem()
    } else {
        manifest.file_name()
    };
    let mut name = stem.unwrap_or_default().to_owned();
    if let Some(shard) = shard {
        name.push(format!(".{}", shard.label()));
    }
    name.push(if emulator {
        ".emulator.results.csv"
    } else {
        ".results.csv"
    });
    manifest.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(manifest: &str, results: Option<&str>, emulator: bool) -> Result<BatchFiles, String> {
        BatchFiles::new(Path::new(manifest), results.map(Path::new), emulator, None)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn results_are_beside_the_manifest() {
        let results = |manifest, emulator| paths(manifest, None, emulator).unwrap().results;
        assert_eq!(
            results("a/devices.csv", false),
            Path::new("a/devices.results.csv")
        );
        assert_eq!(
            results("devices.csv", true),
            Path::new("devices.emulator.results.csv")
        );
        assert_eq!(
            results("line.7.csv", false),
            Path::new("line.7.results.csv")
        );
        assert_eq!(results("devices", false), Path::new("devices.results.csv"));
        for (manifest, expected) in [
            ("serials.2026-11-28", "serials.2026-11-28.results.csv"),
            ("a.b/serials", "a.b/serials.results.csv"),
            ("devices.TSV", "devices.results.csv"),
            ("devices.txt", "devices.results.csv"),
            ("devices.csv.bak", "devices.csv.bak.results.csv"),
            (".csv", ".csv.results.csv"),
            ("../devices.csv", "../devices.results.csv"),
        ] {
            assert_eq!(results(manifest, false), Path::new(expected));
        }
    }

    #[test]
    fn each_shard_has_results_of_its_own() {
        let shard = Shard::new(3, 16);
        let results = |emulator| results_of(Path::new("a/d.csv"), None, emulator, shard);
        assert_eq!(results(false), Path::new("a/d.03-of-16.results.csv"));
        assert_eq!(
            results(true),
            Path::new("a/d.03-of-16.emulator.results.csv")
        );
    }

    #[test]
    fn files_that_cannot_be_results_are_refused() {
        for open in ["/dev/stdin", "/dev/fd/3", "/proc/self/fd/0"] {
            assert!(paths(open, None, false).is_err(), "{open}");
        }
        assert!(paths("/dev/shm/d.csv", None, false).is_ok());
        assert!(
            paths("-", None, false)
                .unwrap_err()
                .contains("--results FILE")
        );
        assert!(
            paths("a.csv", Some("-"), false)
                .unwrap_err()
                .contains("refused")
        );
        assert!(
            paths("a.csv", Some("a.csv"), false)
                .unwrap_err()
                .contains("the manifest itself")
        );
        assert_eq!(paths("-", Some("r.csv"), false).unwrap().manifest, None);
    }

    #[test]
    fn a_summary_is_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("d.csv"), "device_id\n").unwrap();
        std::fs::create_dir(at("x")).unwrap();
        let check = |summary: &str, results: Option<&str>| {
            let (manifest, results) = (at("d.csv"), results.map(at));
            let results = results_of(&manifest, results.as_deref(), false, None);
            let summary = at(summary);
            check_outputs(
                &[("--summary-json", Some(&*summary))],
                Some(&manifest),
                &results,
                Some(&at("s/t.json")),
            )
        };
        for (summary, what) in [
            ("d.csv", "the manifest"),
            ("x/../d.csv", "the manifest"),
            ("r.csv", "the results file"),
            ("x/../r.csv", "the results file"),
            ("r.runs.jsonl", "the runs log"),
        ] {
            let refused = check(summary, Some("r.csv")).unwrap_err();
            assert_eq!(refused.exit_code(), 2);
            assert!(refused.to_string().contains(what), "{refused}");
        }
        assert!(check("d.results.csv", None).is_err());
        for other in ["s.json", "x/s.json", "d.results.csv"] {
            assert_eq!(check(other, Some("r.csv")), Ok(()));
            // Nothing is left of the trial.
            assert!(!at(other).exists());
        }
        for nowhere in ["nowhere/s.json", "x", "d.csv/s.json"] {
            let refused = check(nowhere, Some("r.csv")).unwrap_err();
            assert_eq!(refused.exit_code(), 2);
            assert!(refused.to_string().contains(nowhere), "{refused}");
        }
    }

    #[test]
    fn results_need_a_directory_and_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let check = |results: &Path| {
            let files = BatchFiles::new(Path::new("-"), Some(results), false, None).unwrap();
            files.check().map_err(|error| error.to_string())
        };
        assert_eq!(check(&folder.path().join("r.csv")), Ok(()));
        assert_eq!(check(Path::new("r.csv")), Ok(()));
        assert!(check(folder.path()).unwrap_err().contains("is a directory"));
        let nowhere = folder.path().join("nowhere");
        let error = check(&nowhere.join("r.csv")).unwrap_err();
        assert!(error.contains(&format!("the directory {}", nowhere.display())));
    }
}
