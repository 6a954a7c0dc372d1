//! Flags that come from the environment: which of them a usage error is about, and variables that no flag reads.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue};
use clap::{Command, CommandFactory};
use regex::Regex;

use crate::cli::Cli;
use crate::domain::device::shown;
use crate::domain::suggest;
use crate::quota_server::PASSWORD;

const PREFIX: &str = "KVS_FLEET_";

/// The flags of a usage error that a variable has set, a sentence each.
pub(super) fn notes(error: &clap::Error, arguments: &[OsString]) -> Vec<String> {
    let about = [ContextKind::InvalidArg, ContextKind::PriorArg];
    let flags: BTreeSet<&str> = error
        .context()
        .filter(|(kind, _)| about.contains(kind))
        .flat_map(|(_, value)| match value {
            ContextValue::String(flag) => std::slice::from_ref(flag),
            ContextValue::Strings(flags) => flags.as_slice(),
            _ => &[],
        })
        .filter_map(|flag| flag.split([' ', '=', '.']).next())
        .filter(|flag| flag.starts_with("--"))
        .collect();
    let is_given = |flag: &str| {
        arguments.iter().any(|argument| {
            let text = argument.to_string_lossy();
            text.split('=').next() == Some(flag)
        })
    };
    flags
        .into_iter()
        .filter(|flag| !is_given(flag))
        .filter_map(|flag| {
            let variable = variable_of(flag);
            std::env::var_os(&variable)?;
            Some(format!("{flag} is set by {variable} in the environment"))
        })
        .collect()
}

fn variable_of(flag: &str) -> String {
    let name = flag.trim_start_matches('-').replace('-', "_");
    format!("{PREFIX}{}", name.to_uppercase())
}

/// Warnings about variables with the prefix that no flag reads: they would be ignored silently.
pub(super) fn unread() -> Vec<String> {
    let set = std::env::vars_os()
        .filter(|(name, value)| has_prefix(name) && !is_service_link(name, value));
    let mut set: Vec<OsString> = set.map(|(name, _)| name).collect();
    set.sort_unstable();
    warnings(set.iter().map(OsString::as_os_str))
}

/// What Kubernetes sets in every pod for a Service whose name begins with `kvs-fleet`: `X_SERVICE_HOST`, `X_SERVICE_PORT`,
/// `X_SERVICE_PORT_NAME`, `X_PORT=tcp://…`, `X_PORT_80_TCP` with or without a suffix. No flag is meant by these.
const SERVICE_LINK: &str = r"^[^=]*(_SERVICE_(HOST=|PORT[=_])|_PORT=(?i:tcp|udp|sctp)://|_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?=)";

fn is_service_link(name: &OsStr, value: &OsStr) -> bool {
    let variable = format!("{}={}", name.to_string_lossy(), value.to_string_lossy());
    Regex::new(SERVICE_LINK).is_ok_and(|link| link.is_match(&variable))
}

fn has_prefix(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let start = name.get(..PREFIX.len()).unwrap_or_default();
    start.eq_ignore_ascii_case(PREFIX)
}

fn warnings<'a>(set: impl Iterator<Item = &'a OsStr>) -> Vec<String> {
    let ours: Vec<&str> = set
        .filter_map(OsStr::to_str)
        .filter(|name| has_prefix(OsStr::new(name)))
        .collect();
    if ours.is_empty() {
        return Vec::new();
    }
    let command = Cli::command();
    let mut known = variables(&command);
    known.insert(PASSWORD);
    let unread = ours
        .into_iter()
        .filter(|name| !known.iter().any(|known| is_read_as(name, known)));
    unread
        .map(|name| {
            let name_shown = shown(name);
            match suggest::nearest(name, PREFIX.len(), known.iter().copied()) {
                Some(meant) => format!(
                    "the environment variable {name_shown} is not used; if {meant} is meant, rename it to that"
                ),
                None => format!(
                    "the environment variable {name_shown} is not used; no flag is called so"
                ),
            }
        })
        .collect()
}

/// The variables of all flags of all subcommands.
fn variables(command: &Command) -> BTreeSet<&str> {
    command
        .get_subcommands()
        .flat_map(Command::get_arguments)
        .filter_map(|argument| argument.get_env()?.to_str())
        .collect()
}

/// On Windows the names of variables are case-insensitive.
fn is_read_as(name: &str, known: &str) -> bool {
    if cfg!(windows) {
        name.eq_ignore_ascii_case(known)
    } else {
        name == known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_no_flag_reads_are_said() {
        let set = [
            "PATH",
            "KVS_FLEET",
            "KVS_FLEET_RATE",
            "KVS_FLEET_LISTEN",
            PASSWORD,
            "KVS_FLEET_REGOIN",
            "KVS_FLEET_MOOD",
            "KVS_FL\u{00c9}ET_X",
        ];
        assert_eq!(
            warnings(set.iter().map(OsStr::new)),
            [
                "the environment variable 'KVS_FLEET_REGOIN' is not used; if KVS_FLEET_REGION is meant, rename it to that",
                "the environment variable 'KVS_FLEET_MOOD' is not used; no flag is called so",
            ]
        );
    }

    #[test]
    fn service_links_of_kubernetes_are_not_taken_for_flags() {
        let is_link =
            |name: &str, value: &str| is_service_link(OsStr::new(name), OsStr::new(value));
        for (name, value) in [
            ("KVS_FLEET_SERVICE_HOST", "10.0.0.9"),
            ("KVS_FLEET_SERVICE_PORT", "80"),
            ("KVS_FLEET_SERVICE_PORT_HTTP", "80"),
            ("KVS_FLEET_PORT", "tcp://10.0.0.9:80"),
            ("KVS_FLEET_PORT_80_TCP", "tcp://10.0.0.9:80"),
            ("KVS_FLEET_PORT_80_TCP_ADDR", "10.0.0.9"),
            ("KVS_FLEET_PORT_53_UDP_PROTO", "udp"),
            ("KVS_FLEET_EMULATOR_PORT", "tcp://[fd00::9]:80"),
            ("KVS_FLEET_EMULATOR_SERVICE_HOST", "10.0.0.9"),
        ] {
            assert!(is_link(name, value), "{name}");
        }
        for (name, value) in [
            ("KVS_FLEET_PORT", "8080"),
            ("KVS_FLEET_REPORT", "tcp://10.0.0.9:80"),
            ("KVS_FLEET_PORT_80", "80"),
            ("KVS_FLEET_REGOIN", "eu-west-1"),
        ] {
            assert!(!is_link(name, value), "{name}");
        }
    }

    #[cfg(not(windows))]
    #[test]
    fn a_variable_in_small_letters_is_not_read() {
        let warnings = warnings([OsStr::new("kvs_fleet_rate")].into_iter());
        assert!(warnings[0].contains("KVS_FLEET_RATE"), "{warnings:?}");
    }
}
