//! The command that resumes a run: the arguments of this process, quoted for a shell. None where the same arguments would
//! not do the same.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::domain::shard::Shard;

/// The command, for a POSIX shell (on Windows, for its command line). It names the shard, which the process may have from its
/// environment.
pub(super) fn command(shard: Option<Shard>) -> Option<String> {
    let mut arguments: Vec<_> = std::env::args_os().collect();
    if let Some(shard) = shard {
        arguments = with_shard(arguments, shard);
    }
    let arguments = arguments.iter().map(OsString::as_os_str);
    of(arguments, is_gone_with_the_process)
}

/// These arguments with this shard in place of the one that they name; where they name none, after the subcommand.
fn with_shard(arguments: Vec<OsString>, shard: Shard) -> Vec<OsString> {
    const FLAG: &str = "--shard";
    let mut named = Vec::with_capacity(arguments.len() + 2);
    let mut is_named = false;
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        if argument == FLAG {
            arguments.next();
        } else if !argument.to_string_lossy().starts_with("--shard=") {
            named.push(argument);
            continue;
        }
        is_named = true;
        named.extend([FLAG.into(), shard.to_string().into()]);
    }
    if !is_named {
        let place = named.len().min(2);
        named.splice(place..place, [FLAG.into(), shard.to_string().into()]);
    }
    named
}

/// The same of these arguments. `is_gone` says which files a later command does not find.
fn of<'a>(
    arguments: impl Iterator<Item = &'a OsStr>,
    is_gone: impl Fn(&OsStr) -> bool,
) -> Option<String> {
    let parts = arguments.enumerate().map(|(place, argument)| {
        // The program itself may be started from a descriptor; the manifest may not be read from one.
        (place == 0 || !is_gone(argument)).then(|| quoted(argument))?
    });
    Some(parts.collect::<Option<Vec<_>>>()?.join(" "))
}

/// Whether an argument, or its part after `=`, is standard input or another pipe: what `<(command)` creates, a named pipe,
/// a descriptor of this process.
fn is_gone_with_the_process(argument: &OsStr) -> bool {
    let text = argument.to_string_lossy();
    let value = text.split_once('=').map(|(_, value)| value);
    [Some(&*text), value].into_iter().flatten().any(|text| {
        let is_descriptor = ["/dev/fd/", "/dev/stdin", "/proc/self/fd/"]
            .iter()
            .any(|start| text.starts_with(start));
        text == "-" || is_descriptor || is_pipe(Path::new(text))
    }) || is_pipe(Path::new(argument))
}

#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    path.metadata().is_ok_and(|there| {
        let kind = there.file_type();
        kind.is_fifo() || kind.is_socket()
    })
}

#[cfg(not(unix))]
fn is_pipe(_: &Path) -> bool {
    false
}

/// An argument as a shell reads it; none where it cannot be written as text.
fn quoted(argument: &OsStr) -> Option<String> {
    let text = argument.to_str();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    match text {
        // In zsh a word that begins with = is a program's path.
        Some(text)
            if !text.is_empty()
                && text.chars().all(is_plain)
                && !text.starts_with(['=', '@', '%']) =>
        {
            Some(text.to_owned())
        }
        Some(text) if cfg!(windows) => (!text.contains('"')).then(|| format!("\"{text}\"")),
        Some(text) if !text.chars().any(char::is_control) => {
            Some(format!("'{}'", text.replace('\'', r"'\''")))
        }
        _ => printed(argument),
    }
}

/// Bytes that no terminal shows as they are, by way of `printf`, as every POSIX shell has it.
#[cfg(unix)]
fn printed(argument: &OsStr) -> Option<String> {
    use std::fmt::Write as _;
    use std::os::unix::ffi::OsStrExt as _;

    let bytes = argument.as_bytes();
    // The shell removes line ends at the end.
    if bytes.ends_with(b"\n") {
        return None;
    }
    let mut escaped = String::new();
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_./:=,+@ ".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "\\0{byte:03o}");
        }
    }
    Some(format!("\"$(printf '%b' '{escaped}')\""))
}

#[cfg(not(unix))]
fn printed(_: &OsStr) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(arguments: &[&str]) -> Option<String> {
        of(arguments.iter().map(OsStr::new), is_gone_with_the_process)
    }

    #[test]
    fn what_cannot_be_repeated_is_not_printed() {
        for manifest in ["-", "/dev/fd/63", "/dev/stdin", "/proc/self/fd/3"] {
            assert_eq!(command(&["kvs-fleet", "provision", manifest]), None);
            let flag = format!("--compare={manifest}");
            assert_eq!(command(&["kvs-fleet", &flag]), None);
        }
        assert!(command(&["/proc/self/fd/9", "provision", "d.csv"]).is_some());
    }

    #[test]
    fn the_command_names_the_shard() {
        let shard = Shard::new(3, 16).unwrap();
        for (arguments, expected) in [
            (
                &["kvs-fleet", "provision", "d.csv"][..],
                "kvs-fleet provision --shard 3/16 d.csv",
            ),
            (
                &["kvs-fleet", "provision", "--shard", "auto/16", "d.csv"],
                "kvs-fleet provision --shard 3/16 d.csv",
            ),
            (
                &["kvs-fleet", "provision", "d.csv", "--shard=auto/16"],
                "kvs-fleet provision d.csv --shard 3/16",
            ),
        ] {
            let arguments = arguments.iter().map(OsString::from).collect();
            let named = with_shard(arguments, shard);
            let named: Vec<&str> = named.iter().filter_map(|word| word.to_str()).collect();
            assert_eq!(named.join(" "), expected);
        }
    }

    #[cfg(not(windows))]
    #[test]
    fn odd_names_are_quoted() {
        for (argument, expected) in [
            ("d.csv", "d.csv"),
            ("", "''"),
            ("a b.csv", "'a b.csv'"),
            ("it's.csv", r"'it'\''s.csv'"),
            ("-d.csv", "-d.csv"),
            ("=d.csv", "'=d.csv'"),
            ("~/d.csv", "'~/d.csv'"),
            ("$(x)`y`\"!*", "'$(x)`y`\"!*'"),
            ("Kameras-\u{e4}.csv", "'Kameras-\u{e4}.csv'"),
            ("a\nb.csv", r#""$(printf '%b' 'a\0012b.csv')""#),
            (
                "a'\u{1b}\\.csv",
                r#""$(printf '%b' 'a\0047\0033\0134.csv')""#,
            ),
        ] {
            let expected = format!("kvs-fleet {expected}");
            assert_eq!(command(&["kvs-fleet", argument]), Some(expected));
        }
        assert_eq!(command(&["kvs-fleet", "a.csv\n"]), None);
    }
}
