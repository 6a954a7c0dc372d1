//! The command line: clap types and their help. What a flag's text must look like is checked here; what the flags
//! mean together is for the commands.

mod docs;
mod emulator;
mod examples;
mod plan;
mod provision;
mod report;
mod rollback;
mod shared;
pub(crate) mod values;
mod verify;

use std::ffi::OsString;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

pub use docs::{CompletionsArgs, ManArgs};
pub use emulator::EmulatorArgs;
pub use plan::PlanArgs;
pub use provision::{InputArgs, PaceArgs, ProvisionArgs, ResultsArgs, ServiceArgs};
pub use report::ReportArgs;
pub use rollback::RollbackArgs;
pub use shared::{AskArgs, ConnectionArgs, OutputArgs};
use values::tag;
pub use values::{Rate, Since};
pub use verify::{CompareArgs, VerifyArgs};

/// Provision Amazon Kinesis Video Streams WebRTC signaling channels for a whole fleet of cameras.
///
/// Reads a CSV of device IDs, creates a signaling channel for each at the account's quota, and writes a results CSV
/// with the channel ARNs and the failures. Run again, it resumes.
#[derive(Debug, Parser)]
#[command(name = "kvs-fleet", version, after_help = examples::AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What a person should know of variables that the command line overrules.
    #[arg(skip)]
    pub warnings: Vec<String>,
}

impl Cli {
    /// The process's arguments and environment.
    pub fn from_process() -> Result<Self, clap::Error> {
        Self::from_arguments(std::env::args_os())
    }

    /// These arguments, the program's name first, and the process's environment.
    pub fn from_arguments<T: Into<OsString> + Clone>(
        arguments: impl IntoIterator<Item = T>,
    ) -> Result<Self, clap::Error> {
        let mut command = Self::command().mut_subcommands(|command| command.mut_args(unless_empty));
        if let Some(variable) = damaged_variable(&command) {
            let message = format!(
                "{variable} holds a control character, such as the carriage return that a file from Windows leaves at the \
                 end of each line: remove it"
            );
            return Err(command.error(ErrorKind::ValueValidation, message));
        }
        let matches = command.try_get_matches_from_mut(arguments)?;
        let mut cli = Self::from_arg_matches(&matches)?;
        if let Some((_, matches)) = matches.subcommand() {
            cli.warnings = cli.command.overrule(matches);
        }
        if let Some((_, matches)) = matches.subcommand()
            && let Some(args) = cli.command.of_a_run()
            && matches.value_source("tags") == Some(ValueSource::EnvVariable)
        {
            let tags = std::mem::take(&mut args.input.tags);
            args.input.tags = several_tags(&tags).map_err(|error| {
                command.error(
                    ErrorKind::ValueValidation,
                    format!("KVS_FLEET_TAG: {error}"),
                )
            })?;
        }
        match cli.command.conflict() {
            Some((flag, others)) => Err(conflict(&command, flag, &others)),
            None => Ok(cli),
        }
    }
}

/// A variable that is empty is as good as none: who wants to be rid of one cannot always unset it.
fn unless_empty(argument: Arg) -> Arg {
    let variable = argument.get_env().and_then(std::env::var_os);
    // A delimiter may be a tab or a space.
    let is_blank = |value: &OsString| {
        value.is_empty()
            || (argument.get_id() != "delimiter" && value.to_string_lossy().trim().is_empty())
    };
    if variable.as_ref().is_some_and(is_blank) {
        argument.env(Resettable::Reset)
    } else {
        argument
    }
}

/// The first variable of a flag that holds what neither a value nor a file's name is meant to hold. A file of that name would
/// be made, and the next run would not find it.
fn damaged_variable(command: &clap::Command) -> Option<String> {
    let arguments = command
        .get_subcommands()
        .flat_map(clap::Command::get_arguments);
    let mut set = arguments.filter_map(|argument| {
        let name = argument.get_env()?;
        Some((name, std::env::var_os(name)?))
    });
    let is_damage = |character: char| character.is_control() && character != '\t';
    set.find(|(_, value)| value.to_string_lossy().contains(is_damage))
        .map(|(name, _)| name.to_string_lossy().into_owned())
}

/// A variable holds one text; the tags in it are separated by commas, which on the command line stand for themselves.
fn several_tags(tags: &[(String, String)]) -> Result<Vec<(String, String)>, String> {
    let texts = tags.iter().map(|(key, value)| format!("{key}={value}"));
    let pieces: Vec<String> = texts
        .flat_map(|text| text.split(',').map(str::to_owned).collect::<Vec<_>>())
        .collect();
    pieces.iter().map(|piece| tag(piece)).collect()
}

/// clap's own error about a flag that excludes others.
fn conflict(command: &clap::Command, flag: &str, others: &[&str]) -> clap::Error {
    let mut error = clap::Error::new(ErrorKind::ArgumentConflict).with_cmd(command);
    let others = match others {
        [other] => ContextValue::String((*other).to_owned()),
        several => ContextValue::Strings(several.iter().map(|&other| other.to_owned()).collect()),
    };
    error.insert(
        ContextKind::InvalidArg,
        ContextValue::String(flag.to_owned()),
    );
    error.insert(ContextKind::PriorArg, others);
    error
}

impl Command {
    /// The arguments of a run, where this is one or the plan of one.
    fn of_a_run(&mut self) -> Option<&mut ProvisionArgs> {
        match self {
            Self::Provision(args) => Some(args),
            Self::Plan(args) => Some(&mut args.provision),
            _ => None,
        }
    }

    /// What the command line says wins over a variable that contradicts it: the flag that comes from there is taken as
    /// not given. But what a variable keeps from AWS, no flag takes there. Says what was overruled.
    fn overrule(&mut self, matches: &ArgMatches) -> Vec<String> {
        let given = |flag: &str| matches.value_source(flag) == Some(ValueSource::CommandLine);
        let set = |flag: &str| matches.value_source(flag) == Some(ValueSource::EnvVariable);
        let mut overruled = Vec::new();
        if let Some(args) = self.of_a_run() {
            let (service, output) = (&mut args.service, &mut args.output);
            let connection = &mut service.connection;
            if service.emulator && given("emulator") {
                if set("endpoint_url") && connection.endpoint_url.take().is_some() {
                    overruled.push(("KVS_FLEET_ENDPOINT_URL", "--emulator"));
                }
                if set("profile") && connection.profile.take().is_some() {
                    overruled.push(("KVS_FLEET_PROFILE", "--emulator"));
                }
            }
            if output.quiet && output.verbose > 0 {
                if given("verbose") && set("quiet") {
                    output.quiet = false;
                    overruled.push(("KVS_FLEET_QUIET", "--verbose"));
                } else if given("quiet") && set("verbose") {
                    output.verbose = 0;
                    overruled.push(("KVS_FLEET_VERBOSE", "--quiet"));
                }
            }
        }
        match self {
            Self::Emulator(args) => {
                if args.window && args.burst.is_some() {
                    if given("window") && set("burst") {
                        args.burst = None;
                        overruled.push(("KVS_FLEET_BURST", "--window"));
                    } else if given("burst") && set("window") {
                        args.window = false;
                        overruled.push(("KVS_FLEET_WINDOW", "--burst"));
                    }
                }
            }
            Self::Provision(_)
            | Self::Plan(_)
            | Self::Verify(_)
            | Self::Rollback(_)
            | Self::Report(_)
            | Self::Completions(_)
            | Self::Man(_) => {}
        }
        let said = overruled.into_iter().map(|(variable, flag)| {
            format!("{variable} in the environment is not used, since {flag} was given")
        });
        said.collect()
    }

    /// A flag and those that it excludes. By what they say, not by whether they are given: a switch that the environment
    /// sets to `0` is off, and contradicts nothing.
    fn conflict(&mut self) -> Option<(&'static str, Vec<&'static str>)> {
        let conflicts = match self {
            Self::Provision(_) | Self::Plan(_) => {
                let args = self.of_a_run()?;
                let (service, output) = (&args.service, &args.output);
                let connection = &service.connection;
                let endpoint = connection.endpoint_url.is_some();
                vec![
                    (
                        service.emulator && endpoint,
                        "--emulator",
                        "--endpoint-url <URL>",
                    ),
                    (
                        service.emulator && connection.profile.is_some(),
                        "--emulator",
                        "--profile <NAME>",
                    ),
                    (output.quiet && output.verbose > 0, "--quiet", "--verbose"),
                ]
            }
            Self::Emulator(args) => {
                let burst = args.burst.is_some();
                vec![(args.window && burst, "--window", "--burst <N>")]
            }
            Self::Verify(VerifyArgs { output, .. })
            | Self::Rollback(RollbackArgs { output, .. })
            | Self::Report(ReportArgs { output, .. }) => {
                vec![(output.quiet && output.verbose > 0, "--quiet", "--verbose")]
            }
            Self::Completions(_) | Self::Man(_) => Vec::new(),
        };
        let mut found = conflicts.into_iter().filter(|(conflicts, ..)| *conflicts);
        let (_, flag, first) = found.next()?;
        let others = found.filter(|&(_, next, _)| next == flag);
        let others = std::iter::once(first).chain(others.map(|(_, _, other)| other));
        Some((flag, others.collect()))
    }
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Give every device of a manifest its signaling channel
    ///
    /// Lists the channels that exist, creates those that are missing at the account's quota, and records each device in
    /// the results file as soon as its outcome is known.
    ///
    /// The results file is the journal as well: run the same command again to resume. Finished devices are skipped,
    /// failed ones are tried again.
    #[command(
        after_help = examples::PROVISION_EXAMPLES,
        // -1 is a value out of range, not a flag that nobody knows.
        allow_negative_numbers = true,
        mut_args(|arg| arg.hide_env(true))
    )]
    Provision(Box<ProvisionArgs>),
    /// Check a manifest and show what 'provision' would do, how long it would take and what would stop it
    ///
    /// Takes the arguments of 'provision'. Reads the manifest and the results with the same code and refuses what a run would
    /// refuse. Sends no request unless --online is given, and changes nothing.
    #[command(
        after_help = examples::PLAN_EXAMPLES,
        allow_negative_numbers = true,
        mut_args(|arg| plan::as_of_a_plan(arg).hide_env(true))
    )]
    Plan(Box<PlanArgs>),
    /// Compare a results file with the channels that the service has now
    ///
    /// Lists the channels of each Region of the file and reports 'created' and 'exists' rows that no longer hold: channels
    /// that are missing, were recreated, are not ACTIVE, or have another type or TTL. Changes nothing.
    #[command(
        after_help = examples::VERIFY_EXAMPLES,
        allow_negative_numbers = true,
        mut_args(|arg| verify::as_of_verify(arg).hide_env(true))
    )]
    Verify(VerifyArgs),
    /// Delete exactly the channels that a results file says were created
    ///
    /// Deletes by ARN what a run created, never what it adopted ('exists'), nor a channel that was recreated since. Shows what
    /// it will delete and asks. The file is the journal here as well: rows become 'deleted', and the same command resumes.
    #[command(
        after_help = examples::ROLLBACK_EXAMPLES,
        allow_negative_numbers = true,
        mut_args(|arg| rollback::as_of_rollback(arg).hide_env(true))
    )]
    Rollback(RollbackArgs),
    /// Show what became of a batch: a summary, a page with charts, a manifest of what failed
    ///
    /// Reads a results file and its runs log. Sends no request and changes neither file.
    #[command(
        after_help = examples::REPORT_EXAMPLES,
        allow_negative_numbers = true,
        mut_args(|arg| report::as_of_report(arg).hide_env(true))
    )]
    Report(ReportArgs),
    /// Serve an emulation of the KVS control plane on loopback, for rehearsals and tests
    ///
    /// Implements the operations on signaling channels, and the STS call that names the caller, with the validation, error
    /// codes and quotas of AWS, and with faults on request. Channels are in memory only. The URL goes to standard output, everything
    /// else to standard error. Ctrl-C ends it with exit code 0.
    #[command(
        after_help = examples::EMULATOR_EXAMPLES,
        allow_negative_numbers = true,
        mut_args(|arg| arg.hide_env(true))
    )]
    Emulator(EmulatorArgs),
    /// Write the completions of a shell to standard output
    #[command(after_help = examples::COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Write a manual page to standard output, as roff
    #[command(after_help = examples::MAN_EXAMPLES)]
    Man(ManArgs),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Cli, String> {
        let arguments = std::iter::once("kvs-fleet").chain(arguments.iter().copied());
        Cli::from_arguments(arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_that_exclude_each_other_are_refused() {
        for (arguments, flags) in [
            (
                &["provision", "d.csv", "--emulator", "--profile", "x"][..],
                ["'--emulator'", "'--profile <NAME>'"],
            ),
            (
                &["provision", "d.csv", "--emulator", "--endpoint-url", "x"],
                ["'--emulator'", "'--endpoint-url <URL>'"],
            ),
            (&["provision", "d.csv", "-qv"], ["'--quiet'", "'--verbose'"]),
            (
                &["emulator", "--window", "--burst", "3"],
                ["'--window'", "'--burst <N>'"],
            ),
        ] {
            let error = parse(arguments).unwrap_err();
            for flag in flags {
                assert!(error.contains(flag), "{error}");
            }
            assert!(error.contains("cannot be used with"), "{error}");
        }
        assert!(parse(&["emulator", "--window"]).is_ok());
    }

    #[test]
    fn a_comma_separates_tags_in_the_environment_only() {
        let Command::Provision(args) =
            parse(&["provision", "d.csv", "--tag", "Hall={hall}, {line}"])
                .unwrap()
                .command
        else {
            panic!("another command");
        };
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(args.input.tags, [pair("Hall", "{hall}, {line}")]);
        let tags = several_tags(&[pair("Hall", "{hall},Line={line}")]);
        assert_eq!(
            tags,
            Ok(vec![pair("Hall", "{hall}"), pair("Line", "{line}")])
        );
        assert!(several_tags(&[pair("Hall", "{hall},{line}")]).is_err());
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_has_its_variable() {
        for command in Cli::command().get_subcommands() {
            for argument in command.get_arguments().filter(|a| !a.is_positional()) {
                let Some(long) = argument.get_long() else {
                    panic!("{argument}: no long form");
                };
                if matches!(long, "help" | "version") {
                    continue;
                }
                let expected = format!("KVS_FLEET_{}", long.replace('-', "_").to_uppercase());
                let variable = argument.get_env().and_then(|name| name.to_str());
                assert_eq!(variable, Some(expected.as_str()), "--{long}");
            }
        }
    }
}
