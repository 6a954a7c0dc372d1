//! The Markdown pages of the project, as far as the tests read them: fenced blocks, headings, links, code spans.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A page.
pub(super) struct Page {
    /// Relative to the root, such as `docs/pace.md`.
    pub(super) name: String,
    /// Without the fenced blocks.
    pub(super) prose: String,
    pub(super) blocks: Vec<Block>,
}

/// A fenced block.
pub(super) struct Block {
    /// The language and what follows it, such as `sh run`.
    pub(super) info: String,
    pub(super) body: String,
}

/// README, CONTRIBUTING and `docs`.
pub(super) fn pages() -> Vec<Page> {
    let docs = fs::read_dir(root().join("docs")).unwrap();
    let mut paths: Vec<PathBuf> = docs.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.extend(["README.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    paths.iter().map(|path| Page::read(path)).collect()
}

impl Page {
    fn read(path: &Path) -> Self {
        let name = path.strip_prefix(root()).unwrap();
        let mut page = Self {
            name: name.to_string_lossy().replace('\\', "/"),
            prose: String::new(),
            blocks: Vec::new(),
        };
        let mut is_in_block = false;
        for line in fs::read_to_string(path).unwrap().lines() {
            match (line.strip_prefix("```"), is_in_block) {
                (Some(_), true) => is_in_block = false,
                (Some(info), false) => {
                    is_in_block = true;
                    page.blocks.push(Block {
                        info: info.to_owned(),
                        body: String::new(),
                    });
                }
                (None, true) => {
                    let body = &mut page.blocks.last_mut().unwrap().body;
                    *body += line;
                    body.push('\n');
                }
                (None, false) => {
                    page.prose += line;
                    page.prose.push('\n');
                }
            }
        }
        assert!(!is_in_block, "{}: a block does not end", page.name);
        page
    }

    /// The inline code.
    pub(super) fn spans(&self) -> impl Iterator<Item = &str> {
        self.prose.split('`').skip(1).step_by(2)
    }

    /// Where links lead.
    pub(super) fn links(&self) -> Vec<String> {
        let link = Regex::new(r"\]\(([^)]+)\)").unwrap();
        let found = link.captures_iter(&self.prose);
        found.map(|found| found[1].to_owned()).collect()
    }

    /// The anchors of the headings, as a code host makes them.
    pub(super) fn anchors(&self) -> Vec<String> {
        let mut seen = BTreeMap::<String, usize>::new();
        let headings = self.prose.lines().filter_map(|line| {
            let text = line.trim_start_matches('#');
            text.strip_prefix(' ').filter(|_| line.starts_with('#'))
        });
        headings
            .map(|text| {
                let kept = text
                    .chars()
                    .filter(|&c| c.is_alphanumeric() || " -_".contains(c));
                let anchor: String = kept.collect::<String>().to_lowercase().replace(' ', "-");
                let times = seen.entry(anchor.clone()).or_default();
                *times += 1;
                match *times {
                    1 => anchor,
                    more => format!("{anchor}-{}", more - 1),
                }
            })
            .collect()
    }
}

impl Block {
    /// The command lines of `kvs-fleet` in a block of shell commands, or of a session with its output.
    pub(super) fn command_lines(&self) -> Vec<Vec<String>> {
        let joined = self.body.replace("\\\n", " ");
        let lines = joined
            .lines()
            .filter_map(|line| match self.info.split(' ').next() {
                Some("sh") => Some(line),
                Some("console") => line.strip_prefix("$ "),
                _ => None,
            });
        lines
            .flat_map(simple_commands)
            .filter_map(|words| {
                let is_ours = |word: &String| word == "kvs-fleet";
                let from_cargo = words.starts_with(&["cargo".to_owned(), "run".to_owned()]);
                let start = if from_cargo {
                    words.iter().position(|word| word == "--")
                } else {
                    words.iter().position(is_ours)
                }?;
                let ours = words.into_iter().skip(start + 1);
                Some(
                    std::iter::once("kvs-fleet".to_owned())
                        .chain(ours)
                        .collect(),
                )
            })
            .collect()
    }
}

/// The commands of a line, in words: split at pipes, without redirections. As much of a shell as the pages use.
fn simple_commands(line: &str) -> Vec<Vec<String>> {
    let word = Regex::new(r#"[|>]|(?:'[^']*'|"[^"]*"|[^\s'"|>])+"#).unwrap();
    let mut commands = vec![Vec::new()];
    let mut is_target = false;
    for found in word.find_iter(line) {
        match found.as_str() {
            "|" => commands.push(Vec::new()),
            ">" => is_target = true,
            _ if is_target => is_target = false,
            text => {
                let text = text.replace(['\'', '"'], "");
                commands.last_mut().unwrap().push(text);
            }
        }
    }
    commands
}
