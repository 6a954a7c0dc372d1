//! What must hold whatever the input is: each law takes bytes and panics where it is broken.
//!
//! The fuzz targets in `fuzz/` call the same functions, so that a find is repeated by `cargo test` once its input lies
//! among the corpora. Nothing here draws inputs, and nothing but the library's public items is used.

pub(crate) mod classify;
pub(crate) mod emulator;
pub(crate) mod manifest;
mod memory_disk;
pub(crate) mod record;
pub(crate) mod results;
pub(crate) mod template;

/// A law over bytes.
pub(crate) type Law = fn(&[u8]);

/// The laws by the name of their fuzz target, which is also that of their corpus.
pub(crate) const ALL: [(&str, Law); 6] = [
    ("classify", classify::holds),
    ("emulator_http", emulator::holds),
    ("manifest", manifest::holds),
    ("record", record::holds),
    ("results", results::holds),
    ("template", template::holds),
];

/// The first line, and what stands behind it: inputs say in their first line how the rest is to be taken.
fn first_line(input: &[u8]) -> (String, &[u8]) {
    let end = input.iter().position(|&byte| byte == b'\n');
    let (line, rest) = input.split_at(end.unwrap_or(input.len()));
    let rest = rest.strip_prefix(b"\n").unwrap_or(rest);
    (String::from_utf8_lossy(line).into_owned(), rest)
}

/// A message for people: something, on one line, without control characters.
fn is_a_message(text: &str) {
    assert!(!text.trim().is_empty(), "an empty message");
    let odd = text.chars().find(|character| character.is_control());
    assert_eq!(odd, None, "in the message {text:?}");
}
