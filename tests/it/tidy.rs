//! Rules for the source files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The tracked and untracked files of the work tree; without git, those of the source folders.
fn files() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root())
        .output();
    let names: Vec<PathBuf> = match listed {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout)
            .unwrap()
            .split_terminator('\0')
            .map(|name| root().join(name))
            .collect(),
        _ => ["src", "tests", "samples"]
            .iter()
            .flat_map(|folder| walk(&root().join(folder)))
            .collect(),
    };
    // A file that was deleted and not yet committed is still listed.
    let mut names: Vec<PathBuf> = names.into_iter().filter(|path| path.is_file()).collect();
    names.sort();
    assert!(names.len() > 50, "{names:?}");
    names
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

fn name(path: &Path) -> String {
    let relative = path.strip_prefix(root()).unwrap();
    relative.to_string_lossy().replace('\\', "/")
}

/// Every line of the text files with its place.
fn each_line(mut look: impl FnMut(&str, &str)) {
    for path in files() {
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        for (line, number) in text.lines().zip(1..) {
            look(&format!("{}:{number}", name(&path)), line);
        }
    }
}

/// Lines that contain one of these words. Each word is given in two halves, so that this file does not contain it.
fn holding(words: &[(&str, &str)]) -> Vec<String> {
    let words: Vec<String> = words.iter().map(|(a, b)| format!("{a}{b}")).collect();
    let mut found = Vec::new();
    each_line(|place, line| {
        if words.iter().any(|word| line.contains(word.as_str())) {
            found.push(format!("{place}: {line}"));
        }
    });
    found
}

#[test]
fn no_file_has_a_todo_or_a_debug_macro() {
    let found = holding(&[
        ("TO", "DO"),
        ("FIX", "ME"),
        ("XX", "X:"),
        ("dbg", "!("),
        ("todo", "!("),
        ("unimplemented", "!("),
    ]);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_file_contains_a_path_of_this_machine() {
    let found = holding(&[
        ("/wo", "rk/"),
        ("/tm", "p/wt"),
        ("/ho", "me/"),
        ("/Us", "ers/"),
        ("/roo", "t/"),
        ("C:\\Us", "ers"),
    ]);
    assert!(found.is_empty(), "{}", found.join("\n"));
    // The lock file names the one public registry and no other source.
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let sources: std::collections::BTreeSet<&str> = lock
        .lines()
        .filter(|line| line.starts_with("source = "))
        .collect();
    assert_eq!(sources.len(), 1, "{sources:?}");
    assert!(
        sources
            .iter()
            .all(|source| source.contains("crates.io-index")),
        "{sources:?}"
    );
}

fn is_patch(name: &str) -> bool {
    ends_in(name, "patch")
}

fn is_picture(name: &str) -> bool {
    ends_in(name, "png")
}

fn ends_in(name: &str, extension: &str) -> bool {
    let own = Path::new(name).extension();
    own.is_some_and(|own| own == extension)
}

#[test]
fn no_line_has_trailing_white_space() {
    // Exceptions: images; inputs that are deliberately unusual; patches, whose empty context lines are a single space.
    let is_text = |place: &str| {
        let file = place.split(':').next().unwrap_or_default();
        !place.starts_with("fuzz/corpus/") && !is_patch(file) && !is_picture(file)
    };
    let mut found = Vec::new();
    each_line(|place, line| {
        if is_text(place) && line.ends_with([' ', '\t', '\r']) {
            found.push(place.to_owned());
        }
    });
    for path in files().iter().filter(|path| is_text(&name(path))) {
        let bytes = fs::read(path).unwrap();
        if !bytes.is_empty() && !bytes.ends_with(b"\n") {
            found.push(format!("{}: no line end at the end", name(path)));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn source_files_are_below_the_line_limit() {
    const MOST: usize = 400;
    for path in files() {
        let file = name(&path);
        let is_source = is_rust(&path) && file.starts_with("src/") && !file.contains("test");
        if is_source {
            let lines = fs::read_to_string(&path).unwrap().lines().count();
            assert!(
                lines <= MOST,
                "{file} has {lines} lines; at most {MOST} are allowed"
            );
        }
    }
}

#[test]
fn every_module_has_a_comment() {
    for path in files() {
        let file = name(&path);
        let is_source = file.starts_with("src/") || file.starts_with("tests/");
        // A module's tests are covered by its comment.
        let is_tests = file.ends_with("tests.rs");
        if is_source && is_rust(&path) && !is_tests {
            let text = fs::read_to_string(&path).unwrap();
            assert!(
                text.starts_with("//! "),
                "{file} does not begin with a module comment"
            );
        }
    }
}

#[test]
fn only_one_folder_names_the_sdk_and_one_file_the_backoff_crate() {
    for path in files() {
        let file = name(&path);
        if !file.starts_with("src/") || !is_rust(&path) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let names_sdk = text.contains("aws_sdk_") || text.contains("aws_config::");
        let may_name_sdk = file.starts_with("src/aws/") || file.contains("sdk_tests");
        assert!(!names_sdk || may_name_sdk, "{file} names the SDK");
        let names_backoff = text.contains("backoff::");
        assert!(
            !names_backoff || file == "src/engine/retry.rs",
            "{file} names the backoff crate"
        );
    }
}
