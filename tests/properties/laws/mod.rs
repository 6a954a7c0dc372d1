//! Laws that hold for every input: each takes bytes and panics if it does not hold.
//!
//! The fuzz targets in `fuzz/` call the same functions, so that `cargo test` repeats a failure once its input is in the
//! corpus. The laws generate no inputs and use only public items of the library.

pub(crate) mod classify;
#[path = "../../common/disk.rs"]
pub(crate) mod disk;
pub(crate) mod emulator;
pub(crate) mod manifest;
pub(crate) mod record;
pub(crate) mod results;
pub(crate) mod template;

/// A law for bytes.
pub(crate) type Law = fn(&[u8]);

/// The laws by the name of their fuzz target, which is also the name of their corpus.
pub(crate) const ALL: [(&str, Law); 6] = [
    ("classify", classify::holds),
    ("emulator_http", emulator::holds),
    ("manifest", manifest::holds),
    ("record", record::holds),
    ("results", results::holds),
    ("template", template::holds),
];

/// The first line, which has the parameters of an input, and the rest.
fn first_line(input: &[u8]) -> (String, &[u8]) {
    let end = input.iter().position(|&byte| byte == b'\n');
    let (line, rest) = input.split_at(end.unwrap_or(input.len()));
    let rest = rest.strip_prefix(b"\n").unwrap_or(rest);
    (String::from_utf8_lossy(line).into_owned(), rest)
}

/// Checks a message: one line, not empty, without control characters.
fn is_a_message(text: &str) {
    assert!(!text.trim().is_empty(), "an empty message");
    let odd = text.chars().find(|character| character.is_control());
    assert_eq!(odd, None, "in the message {text:?}");
}
