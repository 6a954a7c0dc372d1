//! One file a subcommand: arguments → validated configuration → the parts wired together.

mod asking;
mod docs;
pub mod emulator;
mod environment;
mod last_options;
mod open_files;
mod plan;
pub mod provision;
mod report;
mod rollback;
mod signals;
mod target;
mod verify;

use std::ffi::OsString;
use std::io::{self, ErrorKind, IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tracing::warn;

use asking::{caller, seed, side_by_side};
use last_options::last_options;

use crate::cli::{Cli, Command, OutputArgs};
use crate::domain::panics;
use crate::engine::Stop;
use crate::error::Error;
use crate::output::logging::{self, Console};
use crate::output::summary::Summary;

/// The program: parses the process's arguments, runs the subcommand, and says how it ended.
pub fn main() -> ExitCode {
    panics::install();
    match panics::guarded(start) {
        Ok(code) => code,
        Err(what) => broken(&what),
    }
}

/// A panic that nothing nearer caught: one message, and the summary for a script that asked for one.
fn broken(what: &str) -> ExitCode {
    let message = Stop::Internal(what.to_owned()).to_string();
    say("error", &message);
    leave_summary(std::env::args_os(), 1, "internal", message);
    ExitCode::from(1)
}

fn start() -> ExitCode {
    open_files::raise_limit();
    let cli = match Cli::from_process() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    if let Err(message) = open_files::check_limit() {
        say("error", &message);
        leave_summary(std::env::args_os(), 2, "too-many-open-files", message);
        return ExitCode::from(2);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            say("error", &format!("cannot start: {error}"));
            return ExitCode::from(1);
        }
    };
    let warnings = [cli.warnings, environment::unread()].concat();
    let code = runtime.block_on(run(cli.command, &warnings));
    // A thread may still be waiting for standard input; nobody waits for it.
    runtime.shutdown_background();
    match panics::first() {
        // On a task whose end nobody looked at, or took for a mistake in the configuration.
        Some(what) if code == 0 || code == 2 => broken(what),
        _ => ExitCode::from(code),
    }
}

/// Runs a subcommand and says with which exit code it ended. `warnings` are about the environment.
async fn run(command: Command, warnings: &[String]) -> u8 {
    match command {
        Command::Provision(args) => provision::run(*args, warnings).await,
        Command::Plan(args) => plan::run(&args.provision, args.online, warnings).await,
        Command::Verify(args) => verify::run(&args, warnings).await,
        Command::Rollback(args) => rollback::run(&args, warnings).await,
        Command::Report(args) => report::run(&args, warnings),
        Command::Completions(args) => docs::completions(args.shell),
        Command::Man(args) => docs::man(args.command.as_deref()),
        Command::Emulator(args) => {
            for warning in warnings {
                say("warning", warning);
            }
            match emulator::run(args).await {
                Ok(()) => 0,
                Err(error) => {
                    say("error", &error.to_string());
                    2
                }
            }
        }
    }
}

/// Shows a usage error, or the help; a script that asked for a summary gets one even now.
fn usage(error: &clap::Error) -> ExitCode {
    // Standard error may be closed; the exit code still tells.
    let _ = error.print();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let notes = environment::behind(error, &arguments);
    for note in &notes {
        say("note", note);
    }
    let code = u8::try_from(error.exit_code()).unwrap_or(2);
    if code != 0 {
        let message: Vec<String> = std::iter::once(error.to_string()).chain(notes).collect();
        leave_summary(arguments.into_iter(), code, "usage", message.join("\n"));
    }
    ExitCode::from(code)
}

/// Writes the summary of a run that never began, where these arguments ask for one.
fn leave_summary(
    arguments: impl Iterator<Item = OsString>,
    exit_code: u8,
    reason: &'static str,
    message: String,
) {
    let Some(file) = summary_file(arguments) else {
        return;
    };
    let summary = Summary {
        exit_code,
        reason,
        message: Some(message),
        ..Summary::default()
    };
    if let Err(error) = summary.write_json(&file) {
        let file = file.display();
        say(
            "error",
            &format!("the summary could not be written to {file}: {error}"),
        );
    }
}

/// The file of `--summary-json` in arguments that could not be parsed, unless another argument names it too: that may
/// be the manifest or the results.
fn summary_file(mut arguments: impl Iterator<Item = OsString>) -> Option<PathBuf> {
    const FLAG: &str = "--summary-json";
    let variable = std::env::var_os("KVS_FLEET_SUMMARY_JSON");
    let mut file = variable.filter(|file| !file.is_empty()).map(PathBuf::from);
    let mut others = Vec::new();
    while let Some(argument) = arguments.next() {
        let joined = |text: &str| Some(text.strip_prefix(FLAG)?.strip_prefix('=')?.into());
        if argument == FLAG {
            file = arguments.next().map(PathBuf::from);
        } else if let Some(joined) = argument.to_str().and_then(joined) {
            file = Some(joined);
        } else {
            others.push(PathBuf::from(argument));
        }
    }
    file.filter(|file| !others.iter().any(|other| is_same_file(other, file)))
}

/// Whether two paths lead to one file, which need not exist.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let resolved = |path: &Path| {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let name = path.file_name().unwrap_or_default();
        path.canonicalize()
            .or_else(|_| folder.canonicalize().map(|folder| folder.join(name)))
            .unwrap_or_else(|_| path.to_owned())
    };
    resolved(one) == resolved(other)
}

/// Sets up the messages of a command that has these flags, and says what there is to say of the environment.
fn start_logging(output: &OutputArgs, warnings: &[String]) -> Console {
    let colour = io::stderr().is_terminal()
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let console = logging::start(output.log_format, output.quiet, output.verbose, colour);
    for warning in warnings {
        warn!("{warning}");
    }
    console
}

/// The command line without the program's name, as the runs log keeps it.
fn arguments() -> Vec<String> {
    std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect()
}

/// Prints data. Who stops reading early has read what was wanted.
fn print(text: &str) -> Result<(), Error> {
    let mut output = io::stdout().lock();
    let written = output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let message = format!("standard output cannot be written to: {error}");
            Err(Error::Stopped(Stop::Output(message)))
        }
        _ => Ok(()),
    }
}

/// A message where there is no log to write it to.
fn say(severity: &str, message: &str) {
    let _ = writeln!(io::stderr(), "{severity}: {message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_file_is_found_in_arguments_that_make_no_sense() {
        let find = |arguments: &[&str]| summary_file(arguments.iter().map(OsString::from));
        for arguments in [
            &[
                "kvs-fleet",
                "provision",
                "--summary-json",
                "s.json",
                "--rate",
                "0",
            ][..],
            &["kvs-fleet", "--oops", "--summary-json=s.json"],
        ] {
            assert_eq!(find(arguments), Some(PathBuf::from("s.json")));
        }
        assert_eq!(find(&["kvs-fleet", "--summary-json"]), None);
        let manifest = ["kvs-fleet", "d.csv", "--oops", "--summary-json", "./d.csv"];
        assert_eq!(find(&manifest), None);
    }
}
