//! The command line: clap types and their help. The form of each value, and which flags exclude each other, is checked
//! here; all else is for the commands.

mod docs;
mod emulator;
mod examples;
mod merge;
mod plan;
mod provision;
mod rehearsal;
mod report;
mod rollback;
mod serve;
mod shared;
pub(crate) mod values;
mod verify;

use std::ffi::OsString;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

pub use docs::{CompletionsArgs, ManArgs};
pub(crate) use emulator::BehaviourArgs;
pub use emulator::EmulatorArgs;
pub use merge::MergeArgs;
pub use plan::PlanArgs;
pub(crate) use provision::InputArgs;
pub use provision::ProvisionArgs;
pub(crate) use rehearsal::RehearsalArgs;
pub use report::ReportArgs;
pub use rollback::RollbackArgs;
pub(crate) use serve::ServeArgs;
pub(crate) use shared::{AskArgs, ConnectionArgs, OutputArgs};
use values::is_off;
pub use verify::VerifyArgs;

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
    /// Variables that the command line overrules, a sentence each.
    #[arg(skip)]
    pub(crate) warnings: Vec<String>,
}

/// A flag on the command line wins over the variable of a flag that contradicts it. Not the other way round: a run that a
/// variable keeps from AWS is not sent there by a flag.
const WINS_OVER: [(&str, &str); 8] = [
    ("emulator", "endpoint_url"),
    ("emulator", "profile"),
    ("quiet", "verbose"),
    ("verbose", "quiet"),
    ("window", "burst"),
    ("burst", "window"),
    ("emulator_window", "emulator_burst"),
    ("emulator_burst", "emulator_window"),
];

impl Cli {
    /// The process's arguments and environment.
    pub(crate) fn from_process() -> Result<Self, clap::Error> {
        Self::from_arguments(std::env::args_os())
    }

    /// These arguments, the program's name first, and the process's environment.
    pub fn from_arguments<T: Into<OsString>>(
        arguments: impl IntoIterator<Item = T>,
    ) -> Result<Self, clap::Error> {
        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        let (mut command, mut warnings) = (Self::command(), Vec::new());
        if let Some((name, given)) = given(&arguments) {
            let with_variable = |argument| with_variable(argument, &given, &mut warnings);
            command = command.mut_subcommand(&name, |command| command.mut_args(with_variable));
            if let Some(variable) = command.find_subcommand(&name).and_then(damaged_variable) {
                let message = format!(
                    "{variable} holds a control character, such as the carriage return that a file from Windows leaves at \
                     the end of each line: remove it"
                );
                return Err(command.error(ErrorKind::ValueValidation, message));
            }
        }
        let matches = command.try_get_matches_from_mut(arguments)?;
        let without_emulator = matches.subcommand();
        let without_emulator =
            without_emulator.and_then(|(_, matches)| rehearsal::without_emulator(matches));
        if let Some(flag) = without_emulator {
            let message = format!("--{flag} is for the emulator of --emulator, which is not given");
            return Err(command.error(ErrorKind::MissingRequiredArgument, message));
        }
        let cli = Self::from_arg_matches(&matches)?;
        Ok(Self { warnings, ..cli })
    }
}

/// The subcommand and what the command line alone gives for it, whatever is wrong with that.
fn given(arguments: &[OsString]) -> Option<(String, ArgMatches)> {
    let mut command = Cli::command().ignore_errors(true);
    command = command
        .mut_subcommands(|command| command.mut_args(|argument| argument.env(Resettable::Reset)));
    command
        .try_get_matches_from_mut(arguments)
        .ok()?
        .remove_subcommand()
}

fn is_given(given: &ArgMatches, id: &str) -> bool {
    given.try_contains_id(id).is_ok() && given.value_source(id) == Some(ValueSource::CommandLine)
}

/// An argument with its variable, unless that says nothing or is overruled.
fn with_variable(argument: Arg, given: &ArgMatches, warnings: &mut Vec<String>) -> Arg {
    let Some((variable, value)) = variable(&argument) else {
        return argument;
    };
    let id = argument.get_id().as_str();
    if says_nothing(&argument, &value) {
        return argument.env(Resettable::Reset);
    }
    let is_overruled = |(winner, loser): &&(&str, &str)| *loser == id && is_given(given, winner);
    if let Some((winner, _)) = WINS_OVER.iter().find(is_overruled) {
        let winner = winner.replace('_', "-");
        warnings.push(format!(
            "{variable} in the environment is not used, since --{winner} was given"
        ));
        return argument.env(Resettable::Reset);
    }
    if is_of_no_emulator(id, given) {
        warnings.push(format!(
            "{variable} in the environment is not used, since --emulator was not given"
        ));
        return argument.env(Resettable::Reset);
    }
    // On the command line a comma is part of a tag.
    if id == "tags" && !is_given(given, id) {
        return argument.value_delimiter(',');
    }
    argument
}

/// Whether an argument is for the emulator in this process, which is not used.
fn is_of_no_emulator(id: &str, given: &ArgMatches) -> bool {
    let variable = std::env::var_os("KVS_FLEET_EMULATOR").unwrap_or_default();
    let variable = variable.to_string_lossy();
    let is_set = !variable.trim().is_empty() && !is_off(&variable);
    id.starts_with(rehearsal::ID_PREFIX) && !is_set && !is_given(given, rehearsal::EMULATOR)
}

/// The name and the value of an argument's variable, where it is set.
fn variable(argument: &Arg) -> Option<(String, OsString)> {
    let name = argument.get_env()?;
    Some((name.to_string_lossy().into_owned(), std::env::var_os(name)?))
}

/// Whether a variable is as good as none: it is blank, since not every script can unset one, or turns a switch off.
fn says_nothing(argument: &Arg, value: &OsString) -> bool {
    let text = value.to_string_lossy();
    // A delimiter may be a tab or a space.
    if argument.get_id() == "delimiter" {
        return text.is_empty();
    }
    text.trim().is_empty() || (!argument.get_action().takes_values() && is_off(&text))
}

/// The first variable of a flag that holds what neither a value nor a file's name is meant to hold: a file of that name
/// would be created, and the next run would not find it.
fn damaged_variable(command: &clap::Command) -> Option<String> {
    let is_damage = |character: char| character.is_control() && character != '\t';
    let mut set = command.get_arguments().filter_map(variable);
    set.find(|(_, value)| value.to_string_lossy().contains(is_damage))
        .map(|(name, _)| name)
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
        mut_args(shared::flag)
    )]
    Provision(Box<ProvisionArgs>),
    /// Check a manifest and show what 'provision' would do, how long it would take and what would stop it
    ///
    /// Takes the arguments of 'provision'. Reads the manifest and the results with the same code and refuses what a run would
    /// refuse. Sends no request unless --online is given, and changes nothing.
    #[command(
        after_help = examples::PLAN_EXAMPLES,
        allow_negative_numbers = true,
        mut_args(|arg| plan::as_of_a_plan(shared::flag(arg)))
    )]
    Plan(Box<PlanArgs>),
    /// Compare a results file with the channels that the service has now
    ///
    /// Lists the channels of each Region of the file and reports 'created' and 'exists' rows that no longer hold: channels
    /// that are missing, were recreated, are not ACTIVE, or have another type or TTL. Changes nothing.
    #[command(
        after_help = examples::VERIFY_EXAMPLES,
        allow_negative_numbers = true,
        mut_args(shared::flag_of_results)
    )]
    Verify(VerifyArgs),
    /// Delete exactly the channels that a results file says were created
    ///
    /// Deletes by ARN what a run created, never what it adopted ('exists'), nor a channel that was recreated since. Shows what
    /// it will delete and asks. The file is the journal here as well: rows become 'deleted', and the same command resumes.
    #[command(
        after_help = examples::ROLLBACK_EXAMPLES,
        allow_negative_numbers = true,
        mut_args(shared::flag_of_results)
    )]
    Rollback(RollbackArgs),
    /// Show what became of a batch: a summary, a page with charts, a manifest of what failed
    ///
    /// Reads a results file and its runs log. Sends no request and changes neither file.
    #[command(
        after_help = examples::REPORT_EXAMPLES,
        allow_negative_numbers = true,
        mut_args(shared::flag_of_results),
        mut_arg("progress", |arg| arg.hide(true))
    )]
    Report(ReportArgs),
    /// Bring the results files of shards or hosts together
    ///
    /// Writes one row for each device, whatever the order of the files: a row with a channel wins over 'failed', 'failed' over
    /// 'invalid'; of two channels of a device the newer one counts. The runs logs are merged by time. Sends no request. The
    /// output is a results file like any other.
    #[command(
        after_help = examples::MERGE_EXAMPLES,
        allow_negative_numbers = true,
        mut_args(shared::flag_of_results),
        mut_arg("progress", |arg| arg.hide(true))
    )]
    Merge(MergeArgs),
    /// Serve an emulation of the KVS control plane on loopback, for rehearsals and tests
    ///
    /// Implements the operations on signaling channels, and the STS call that names the caller, with the validation, error
    /// codes and quotas of AWS, and with faults on request. Channels are in memory, and with --state in a file. The URL goes to standard output, everything
    /// else to standard error. Ctrl-C ends it with exit code 0.
    #[command(
        after_help = examples::EMULATOR_EXAMPLES,
        allow_negative_numbers = true,
        mut_args(shared::flag),
        mut_arg(emulator::EXCLUSIVE.0, |arg| arg.conflicts_with(emulator::EXCLUSIVE.1))
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
            (
                &["provision", "d.csv", "-qv"],
                ["'--quiet'", "'--verbose..."],
            ),
            (&["verify", "r.csv", "-qv"], ["'--quiet'", "'--verbose..."]),
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
    fn a_comma_on_the_command_line_is_part_of_a_tag() {
        let Command::Provision(args) =
            parse(&["provision", "d.csv", "--tag", "Hall={hall}, {line}"])
                .unwrap()
                .command
        else {
            panic!("another command");
        };
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(args.input.tags, [pair("Hall", "{hall}, {line}")]);
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
