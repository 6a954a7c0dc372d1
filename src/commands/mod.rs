//! The subcommands, one file or folder for each, and what several of them need: arguments → validated configuration → the
//! parts wired together.

mod access;
mod asking;
mod batch_files;
mod checks;
mod docs;
mod emulator;
mod environment;
mod guard;
mod last_options;
mod merge;
mod messages;
mod open_files;
mod plan;
mod provision;
mod quota_server;
mod quotas;
mod reach;
mod rehearsal;
mod report;
mod rollback;
mod run_config;
mod runs_lines;
mod serve;
mod serve_results;
mod shard;
mod signals;
mod source;
mod target;
mod verify;
mod wait;

use std::ffi::OsString;
use std::io::{self, ErrorKind, IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use serde::Serialize;
use tracing::error;

use run_config::RunConfig;

use crate::cli::{Cli, Command, OutputArgs, ProvisionArgs};
use crate::domain::panics;
use crate::engine::Stop;
use crate::error::Error;
use crate::output::logging::{self, Console};
use crate::output::summary::Summary;

/// The program: parses the process's arguments, runs the subcommand, and gives the exit code.
pub fn main() -> ExitCode {
    panics::install();
    match panics::guarded(start) {
        Ok(code) => code,
        Err(what) => broken(&what),
    }
}

/// Reports a panic: one message, and the summary if one was asked for.
fn broken(what: &str) -> ExitCode {
    let message = Stop::Internal(what.to_owned()).to_string();
    say("error", &message);
    leave_usage_summary(1, "internal", message);
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
        leave_usage_summary(2, "too-many-open-files", message);
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
    // A thread may still be waiting for standard input.
    runtime.shutdown_background();
    match panics::first() {
        // On a task whose result nobody read, or that looked like a configuration error.
        Some(what) if code == 0 || code == 2 => broken(what),
        _ => ExitCode::from(code),
    }
}

/// Runs a subcommand and gives its exit code. `warnings` are about the environment.
pub async fn run(command: Command, warnings: &[String]) -> u8 {
    signals::outlive_file_size_limit();
    let start = |output: &OutputArgs| start_logging(Some(output), warnings);
    exit_code(match command {
        Command::Provision(args) if !args.dry_run => {
            return provision(&args, start(&args.output)).await;
        }
        Command::Provision(args) => plan(&args, false, start(&args.output)).await,
        Command::Plan(args) => {
            let console = start(&args.provision.output);
            plan(&args.provision, args.online, console).await
        }
        Command::Verify(args) => Box::pin(verify::run(&args, start(&args.output))).await,
        Command::Rollback(args) => Box::pin(rollback::run(&args, start(&args.output))).await,
        Command::Merge(args) => {
            start(&args.messages);
            merge::run(&args)
        }
        Command::Report(args) => {
            start(&args.output);
            report::run(&args)
        }
        Command::Completions(args) => {
            start_logging(None, &[]);
            docs::completions(args.shell)
        }
        Command::Man(args) => {
            start_logging(None, &[]);
            docs::man(args.command.as_deref())
        }
        Command::Emulator(args) => {
            start_logging(None, warnings);
            emulator::run(&args).await
        }
    })
}

/// Runs a batch. Where its configuration is refused, the summary is written if one was asked for.
async fn provision(args: &ProvisionArgs, console: Console) -> u8 {
    let file = run_config::summary_file(args);
    let config = file.clone().and_then(|_| RunConfig::for_run(args));
    let refused = match config {
        Ok(config) => return provision::run(config, console).await,
        Err(refused) => refused,
    };
    let summary = Summary {
        command: "provision",
        exit_code: refused.exit_code(),
        reason: refused.reason(),
        message: Some(refused.to_string()),
        manifest: Some(args.manifest.clone()),
        shard: shard::of(args).unwrap_or_default(),
        started_at: Some(SystemTime::now()),
        ..Summary::default()
    };
    leave_summary(file.ok().flatten(), &summary);
    exit_code(Err(refused))
}

async fn plan(args: &ProvisionArgs, online: bool, console: Console) -> Result<u8, Error> {
    Box::pin(plan::run(&RunConfig::for_plan(args)?, online, console)).await
}

/// The exit code of a command that has ended. Prints what ended it.
fn exit_code(ended: Result<u8, Error>) -> u8 {
    ended.unwrap_or_else(|stopped| {
        // A signal was answered when it came.
        if stopped.exit_code() < 128 {
            error!("{stopped}");
        }
        stopped.exit_code()
    })
}

/// Prints a usage error, or the help, and writes the summary if one was asked for.
fn usage(error: &clap::Error) -> ExitCode {
    // Standard error may be closed.
    let _ = error.print();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let notes = environment::notes(error, &arguments);
    for note in &notes {
        say("note", note);
    }
    let code = u8::try_from(error.exit_code()).unwrap_or(2);
    if code != 0 {
        let message: Vec<String> = std::iter::once(error.to_string()).chain(notes).collect();
        leave_usage_summary(code, "usage", message.join("\n"));
    }
    ExitCode::from(code)
}

/// Writes the summary of a run that has no configuration, where the arguments ask for one.
fn leave_usage_summary(exit_code: u8, reason: &'static str, message: String) {
    let summary = Summary {
        command: "provision",
        exit_code,
        reason,
        message: Some(message),
        ..Summary::default()
    };
    leave_summary(named_summary_file(std::env::args_os()), &summary);
}

fn leave_summary(file: Option<PathBuf>, summary: &Summary) {
    if let Some(file) = file
        && let Err(error) = summary.write_json(&file)
    {
        let file = file.display();
        say(
            "error",
            &format!("the summary could not be written to {file}: {error}"),
        );
    }
}

/// The file of `--summary-json` in arguments that could not be parsed, unless another argument names it too: that may
/// be the manifest or the results.
fn named_summary_file(mut arguments: impl Iterator<Item = OsString>) -> Option<PathBuf> {
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

/// Sets up the messages of a command, which may have flags for them.
fn start_logging(output: Option<&OutputArgs>, warnings: &[String]) -> Console {
    let colour = io::stderr().is_terminal()
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let (format, quiet, verbose) = output.map_or_else(Default::default, |output| {
        (output.log_format, output.quiet, output.verbose)
    });
    let console = logging::start(format, quiet, verbose, colour);
    messages::say_all(warnings);
    console
}

/// How a run ended whose results were kept or not. Results that were not kept decide, since the operator may have to act
/// before the next run; what stopped the run is then reported here.
fn outcome(ended: Result<(), Error>, kept: Result<(), Error>) -> Result<(), Error> {
    match (ended, kept) {
        (ended, Ok(())) => ended,
        (Ok(()) | Err(Error::Stopped(Stop::Results(_))), lost) => lost,
        (Err(error), lost) => {
            error!("{error}");
            lost
        }
    }
}

/// Prints data. A reader that stops early, as `head` does, has read what it wanted.
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

/// Prints a value as JSON.
fn print_json(value: &impl Serialize) -> Result<(), Error> {
    let json = serde_json::to_string_pretty(value)
        .map_err(|error| Error::Stopped(Stop::Internal(error.to_string())))?;
    print(&(json + "\n"))
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
        let find = |arguments: &[&str]| named_summary_file(arguments.iter().map(OsString::from));
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
