//! What the modules of a crate take from each other: no circle, at any depth of folders.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A module by its path, such as `["engine", "pace", "gate"]`. That of a folder's `mod.rs` is the folder's.
type Module = Vec<String>;

/// The crates: the library with the program, the benchmarks, and the tests from outside.
const ROOTS: [&str; 6] = [
    "src",
    "benches/pacing",
    "benches/throughput",
    "tests/it",
    "tests/properties",
    "tests/sim",
];

/// All modules of a crate with their code, unit tests left out.
fn modules(root: &str) -> BTreeMap<Module, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(root);
    let mut found = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Some(module) = module_of(&root, &path) {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
                found.insert(module, without_comments(code));
            }
        }
    }
    found
}

/// None of files that are no module, and of unit tests.
fn module_of(root: &Path, path: &Path) -> Option<Module> {
    let inside = path.strip_prefix(root).unwrap().with_extension("");
    let mut parts: Module = inside
        .iter()
        .map(|part| part.to_str().unwrap().to_owned())
        .collect();
    if path.extension()? != "rs" || parts.iter().any(|part| part.contains("tests")) {
        return None;
    }
    if parts.last()? == "mod" {
        parts.pop();
    }
    let is_root = matches!(parts.as_slice(), [only] if only == "lib" || only == "main");
    (!is_root).then_some(parts)
}

fn without_comments(code: &str) -> String {
    let lines = code.lines();
    let lines = lines.filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The modules that this code takes something from: what follows `crate`, `super` and `self`, as far as it names modules.
fn used(module: &Module, code: &str, known: &BTreeMap<Module, String>) -> BTreeSet<Module> {
    let mut found = BTreeSet::new();
    let words = code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    let mut places: Vec<String> = words.map(str::to_owned).collect();
    places.extend(of_groups(code));
    for place in places {
        let mut parts = place.split("::").filter(|part| !part.is_empty());
        let mut target: Module = match parts.next() {
            Some("crate") => Vec::new(),
            Some("self") => module.clone(),
            Some("super") => parent(module),
            Some(first) if known.contains_key(&child(module, first)) => child(module, first),
            _ => continue,
        };
        for part in parts {
            if part == "super" {
                target = parent(&target);
                continue;
            }
            let next = child(&target, part);
            if !known.contains_key(&next) {
                break;
            }
            target = next;
        }
        if !target.is_empty() {
            found.insert(target);
        }
    }
    found
}

/// `use a::{b::C, d}` as `a::b::C` and `a::d`.
fn of_groups(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for statement in code.split("use ").skip(1) {
        let statement = statement.split(';').next().unwrap();
        let Some((lead, group)) = statement.split_once("::{") else {
            continue;
        };
        for item in group.trim_end_matches('}').split(',') {
            found.push(format!("{lead}::{}", item.trim()));
        }
    }
    found
}

fn parent(module: &Module) -> Module {
    module[..module.len().saturating_sub(1)].to_vec()
}

fn child(module: &Module, name: &str) -> Module {
    let name = [name.to_owned()];
    module.iter().chain(&name).cloned().collect()
}

/// The rooms of a folder that one module's use of another ties together: the folder that both are in, and the part of it
/// that each belongs to. None where one contains the other: a `mod.rs` is the face of its folder.
fn tie(from: &Module, to: &Module) -> Option<(Module, String, String)> {
    let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();
    let (a, b) = (from.get(shared)?, to.get(shared)?);
    Some((from[..shared].to_vec(), a.clone(), b.clone()))
}

#[test]
fn no_module_imports_in_a_circle_at_any_depth() {
    let found: Vec<String> = ROOTS.iter().flat_map(|root| circles_of(root)).collect();
    assert!(found.is_empty(), "circles:\n{}", found.join("\n"));
}

fn circles_of(root: &str) -> Vec<String> {
    let modules = modules(root);
    assert!(modules.len() > 3, "{root} has {} modules", modules.len());
    let mut ties: BTreeMap<Module, BTreeMap<(String, String), String>> = BTreeMap::new();
    for (module, code) in &modules {
        for used in used(module, code, &modules) {
            if let Some((folder, from, to)) = tie(module, &used) {
                let what = format!("{root}: {} uses {}", module.join("::"), used.join("::"));
                ties.entry(folder).or_default().insert((from, to), what);
            }
        }
    }
    ties.values().flat_map(circles).collect()
}

/// The ties that close a circle, one for each.
fn circles(ties: &BTreeMap<(String, String), String>) -> Vec<String> {
    let reaches = |from: &str, to: &str| {
        let mut seen = BTreeSet::from([from]);
        let mut open = vec![from];
        while let Some(room) = open.pop() {
            for (_, next) in ties.keys().filter(|(a, _)| a == room) {
                if seen.insert(next) {
                    open.push(next);
                }
            }
        }
        seen.contains(to)
    };
    let closing = ties.iter().filter(|((from, to), _)| reaches(to, from));
    closing.map(|(_, what)| what.clone()).collect()
}

#[test]
fn a_circle_is_found() {
    let ties = [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")];
    let ties = ties.map(|(a, b)| ((a.to_owned(), b.to_owned()), format!("{a} uses {b}")));
    assert_eq!(circles(&ties.into()), ["a uses b", "b uses c", "c uses a"]);
}
