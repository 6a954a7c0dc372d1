//! The documentation: `completions` and `man`, and the pages for people (README, CONTRIBUTING, `docs`).
//!
//! - `docs/flags.md` and the tables of codes in `docs/errors.md` are generated; `UPDATE_DOCS=1` writes them.
//! - Every command line of `kvs-fleet` in a block must be one that clap accepts.
//! - Blocks marked `sh run` are executed in the order of the page, in a folder that has `samples` and each `csv` block
//!   with a file name, against an emulator. The profile `factory`, the default profile and `http://127.0.0.1:4567` lead
//!   to it.
//! - Links, anchors, paths, flags and variables must exist; JSON fields must be described.

mod flags;
mod page;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use kvs_fleet::domain::error_codes as codes;
use regex::Regex;

use crate::support::{Bench, Cloud, REGION};
use page::{Page, pages, root};

#[test]
fn there_are_completions_for_every_shell() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let done = bench.call(&["completions", shell]).run();
        assert_eq!(done.code, Some(0), "{shell}: {}", done.stderr);
        for word in ["provision", "emulator", "max-attempts"] {
            assert!(done.stdout.contains(word), "{shell} lacks {word}");
        }
    }
    let done = bench.call(&["completions", "tcsh"]).run();
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("bash"), "{}", done.stderr);
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let bench = Bench::new();
    let page = |arguments: &[&str]| {
        let done = bench.call(arguments).run();
        assert_eq!((done.code, &*done.stderr), (Some(0), ""), "{arguments:?}");
        done.stdout
    };
    let overview = page(&["man"]);
    let listed = overview
        .lines()
        .filter_map(|line| line.strip_prefix("kvs\\-fleet\\-")?.strip_suffix("(1)"));
    let listed: Vec<&str> = listed.collect();
    assert!(listed.contains(&"provision"), "{listed:?}\n{overview}");
    for section in ["EXIT CODES", "NOTES"] {
        assert!(overview.contains(section), "{overview}");
    }
    for command in listed {
        let page = page(&["man", command]);
        assert!(page.contains(&format!("kvs-fleet-{command}")), "{page}");
        assert!(page.contains(".SH EXAMPLES"), "{command}");
    }
    assert!(page(&["man", "provision"]).contains("\\-\\-max\\-attempts"));
    let done = bench.call(&["man", "provison"]).run();
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("provision"), "{}", done.stderr);
}

/// Compares a generated file, or writes it where `UPDATE_DOCS` says so.
fn check_generated(name: &str, expected: &str) {
    let path = root().join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found.replace("\r\n", "\n") == expected,
        "{name} is not current: UPDATE_DOCS=1 cargo test --test it docs"
    );
}

#[test]
fn flags_are_current() {
    check_generated("docs/flags.md", &flags::page());
}

/// The codes and what to do about each, with flags, variables and commands as code.
fn code_table(codes: &[(&str, &str)]) -> String {
    let names = "--on-exists [a-z]+|--[a-z-]+|ulimit -n|[A-Z]+_[A-Z_]+|'kvs-fleet [a-z]+'";
    let names = Regex::new(names).unwrap();
    let rows = codes.iter().map(|(code, hint)| {
        let hint = names.replace_all(hint, |found: &regex::Captures| {
            format!("`{}`", found[0].trim_matches('\''))
        });
        format!("| `{code}` | {hint} |\n")
    });
    let rows: String = rows.collect();
    format!("\n| code | what to do |\n| --- | --- |\n{rows}\n")
}

#[test]
fn codes_are_current() {
    let name = "docs/errors.md";
    let mut text = fs::read_to_string(root().join(name)).unwrap();
    let (begin, end) = ("from src/domain/error_codes.rs -->\n", "<!-- end -->\n");
    let mut from = 0;
    for table in [codes::OWN, codes::SERVICE] {
        let start = from + text[from..].find(begin).unwrap() + begin.len();
        let stop = start + text[start..].find(end).unwrap();
        let table = code_table(table);
        text.replace_range(start..stop, &table);
        from = start + table.len();
    }
    check_generated(name, &text);
}

#[test]
fn the_readme_has_every_exit_code() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for (code, _) in flags::exit_codes(&flags::definition()) {
        let row = Regex::new(&format!(r"\n\| (\d+, )*{code}\b")).unwrap();
        assert!(row.is_match(&readme), "{code}");
    }
}

#[test]
fn commands_in_the_pages_are_understood() {
    let mut count = 0;
    for page in pages() {
        for line in page.blocks.iter().flat_map(page::Block::command_lines) {
            count += 1;
            if let Err(error) = flags::definition().try_get_matches_from(&line) {
                panic!("{}: {line:?}: {error}", page.name);
            }
        }
    }
    assert!(count > 30, "{count} commands");
}

#[cfg(unix)]
#[test]
fn commands_in_the_pages_run() {
    let mut count = 0;
    for page in pages() {
        count += page
            .blocks
            .iter()
            .filter(|block| block.info == "sh run")
            .count();
        run_blocks(&page);
    }
    assert!(count >= 10, "{count} blocks");
}

#[cfg(unix)]
fn run_blocks(page: &Page) {
    let (bench, cloud) = (Bench::new(), Cloud::new());
    fs::create_dir(bench.path("samples")).unwrap();
    for sample in fs::read_dir(root().join("samples")).unwrap() {
        let sample = sample.unwrap();
        // A reader of the README has rehearsed there.
        let is_rehearsal = sample.file_name().to_string_lossy().contains(".emulator.");
        if sample.path().is_file() && !is_rehearsal {
            let copy = bench.path("samples").join(sample.file_name());
            fs::copy(sample.path(), copy).unwrap();
        }
    }
    let profile = format!("endpoint_url = {}\nregion = {REGION}\n", cloud.url());
    bench.write(
        "config",
        format!("[default]\n{profile}[profile factory]\n{profile}"),
    );
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_kvs-fleet"));
    let binaries = binary.parent().unwrap().display();
    let path = std::env::var("PATH").unwrap();
    for block in &page.blocks {
        if let Some(file) = block.info.strip_prefix("csv ") {
            bench.write(file, &block.body);
        }
        if block.info != "sh run" {
            continue;
        }
        let done = Command::new("sh")
            .args([
                "-ec",
                &block.body.replace("http://127.0.0.1:4567", cloud.url()),
            ])
            .current_dir(bench.folder())
            .env_clear()
            .env("PATH", format!("{binaries}:{path}"))
            .env("HOME", bench.folder())
            .env("AWS_CONFIG_FILE", bench.path("config"))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&done.stderr);
        assert!(
            done.status.success(),
            "{}: {}{stderr}",
            page.name,
            block.body
        );
    }
}

#[test]
fn links_lead_somewhere() {
    let pages = pages();
    let mut found = Vec::new();
    for page in &pages {
        let folder = page.name.rsplit_once('/').map_or("", |(folder, _)| folder);
        for link in page.links() {
            if link.starts_with("https://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let name = match file {
                "" => page.name.clone(),
                file => within(folder, file),
            };
            let target = pages.iter().find(|page| page.name == name);
            let is_there = match (anchor, target) {
                ("", _) => root().join(&name).exists(),
                (anchor, Some(target)) => target.anchors().iter().any(|known| known == anchor),
                (_, None) => false,
            };
            if !is_there {
                found.push(format!("{}: {link}", page.name));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// A relative path in this folder, without `..`.
fn within(folder: &str, path: &str) -> String {
    match path.strip_prefix("../") {
        Some(rest) => rest.to_owned(),
        None if folder.is_empty() => path.to_owned(),
        None => format!("{folder}/{path}"),
    }
}

#[test]
fn the_index_links_to_each_page() {
    let pages = pages();
    let index = pages.iter().find(|page| page.name == "docs/index.md");
    let links = index.unwrap().links();
    for page in &pages {
        if let Some(name) = page.name.strip_prefix("docs/") {
            let is_linked = links.iter().any(|link| link == name);
            assert!(is_linked || name == "index.md", "{name}");
        }
    }
}

/// Flags, variables and paths that the pages name.
#[test]
fn names_in_the_pages_exist() {
    let definition = flags::definition();
    let arguments = || {
        definition
            .get_subcommands()
            .flat_map(clap::Command::get_arguments)
    };
    let known_flags: BTreeSet<String> = arguments()
        .filter_map(|argument| Some(format!("--{}", argument.get_long()?)))
        .collect();
    let known_variables: BTreeSet<String> = arguments()
        .filter_map(|argument| Some(argument.get_env()?.to_string_lossy().into_owned()))
        .collect();
    // Variables of Kubernetes, which the page names as such.
    let foreign = [
        "KVS_FLEET_SERVICE_HOST",
        "KVS_FLEET_PORT",
        "KVS_FLEET_QUOTA_SERVER_PASSWORD",
    ];
    let folders = [
        "src/", "tests/", "benches/", "samples/", "docs/", "fuzz/", ".ci/",
    ];
    let mut found = Vec::new();
    for page in pages() {
        for span in page.spans() {
            let word = span.split([' ', '=']).next().unwrap();
            let is_known = if word.starts_with("--") && word.len() > 2 {
                known_flags.contains(word)
            } else if word.starts_with("KVS_FLEET_") && !word.ends_with('…') {
                known_variables.contains(word) || foreign.contains(&word)
            } else if folders.iter().any(|folder| word.starts_with(folder)) {
                root().join(word).exists()
            } else {
                true
            };
            if !is_known {
                found.push(format!("{}: {span}", page.name));
            }
        }
    }
    for target in contributing_targets() {
        let is_there = ["benches", "tests"].iter().any(|folder| {
            let path = root().join(folder);
            path.join(&target).exists() || path.join(format!("{target}.rs")).exists()
        });
        if !is_there {
            found.push(format!("CONTRIBUTING.md: {target}"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The names after `--test` and `--bench` in CONTRIBUTING.
fn contributing_targets() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let target = Regex::new("--(?:test|bench) ([a-z]+)").unwrap();
    target
        .captures_iter(&text)
        .map(|found| found[1].to_owned())
        .collect()
}

#[test]
fn json_fields_are_described() {
    let (bench, cloud) = (Bench::of(2), Cloud::new());
    let done = bench
        .provision(cloud.url())
        .args(&["--summary-json", "s.json", "--json"])
        .run();
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let mut values = vec![bench.json("s.json")];
    values.extend(bench.json_lines("d.results.runs.jsonl"));
    for arguments in [
        &["plan", "d.csv", "--region", REGION, "--online"][..],
        &["verify", "d.results.csv", "--endpoints"],
    ] {
        let call = bench.call(arguments);
        let done = call.args(&["--json", "--endpoint-url", cloud.url()]).run();
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        values.push(serde_json::from_str(&done.stdout).unwrap());
    }
    let page = fs::read_to_string(root().join("docs/scripting.md")).unwrap();
    let mut keys = BTreeSet::new();
    for value in &values {
        collect_keys(value, &mut keys);
    }
    let missing: Vec<&String> = keys
        .iter()
        .filter(|key| !page.contains(&format!("`{key}`")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The keys of an object and of what it contains, but for those that are data, such as Regions.
fn collect_keys(value: &serde_json::Value, keys: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                if key != REGION {
                    keys.insert(key.clone());
                }
                if key != "body" && key != "tags" {
                    collect_keys(value, keys);
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect_keys(item, keys)),
        _ => {}
    }
}
