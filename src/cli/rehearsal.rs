//! The arguments of a rehearsal: the emulator in the process of a command. Its behaviour has the flags of `kvs-fleet emulator`,
//! each with `emulator-` before its name.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::emulator::{BehaviourArgs, EXCLUSIVE};

/// What a flag of the behaviour is called here begins with this; its ID, which is also a field's name, with the same.
const LONG_PREFIX: &str = "emulator-";
pub(super) const ID_PREFIX: &str = "emulator_";

/// The ID of the flag without which the others mean nothing.
pub(super) const EMULATOR: &str = "emulator";

/// The place of the first of them in a help: after all other flags.
const FIRST_PLACE: usize = 1000;

/// The heading of all these flags in a help.
const HEADING: &str = "Emulator";

/// The emulator in this process, which keeps its channels beside the results. Defined before what it conflicts with, so that a
/// message names all conflicts.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = HEADING)]
pub(crate) struct RehearsalArgs {
    /// Use an emulator in this process instead of AWS: no account, no credentials
    #[arg(long, help_heading = "Service", conflicts_with_all = ["endpoint_url", "profile"])]
    pub(crate) emulator: bool,
    /// The file in which the emulator keeps its channels [default: beside the results, NAME.emulator.state.json]
    #[arg(long, value_name = "FILE", requires = "emulator")]
    pub(crate) emulator_state: Option<PathBuf>,
    /// How it behaves.
    #[command(flatten)]
    pub(crate) behaviour: PrefixedBehaviour,
}

/// [`BehaviourArgs`] with other names.
#[derive(Debug, Clone)]
pub(crate) struct PrefixedBehaviour(pub(crate) BehaviourArgs);

/// The arguments as `kvs-fleet emulator` has them.
fn originals() -> Vec<Arg> {
    let command = BehaviourArgs::augment_args(Command::new("behaviour"));
    command.get_arguments().cloned().collect()
}

impl PrefixedBehaviour {
    fn add_to(command: Command) -> Command {
        let originals = originals();
        let longs: Vec<&str> = originals.iter().filter_map(Arg::get_long).collect();
        let renamed = originals.iter().map(|original| renamed(original, &longs));
        // A copy has the place that it had among the originals.
        let after_all = renamed.zip(FIRST_PLACE..);
        let placed = after_all.map(|(argument, place)| argument.display_order(place));
        command.args(placed.collect::<Vec<Arg>>())
    }
}

/// An argument with its other name, in its help as well.
fn renamed(original: &Arg, longs: &[&str]) -> Arg {
    let id = original.get_id().as_str();
    let mut argument = original
        .clone()
        .id(format!("{ID_PREFIX}{id}"))
        .help_heading(HEADING)
        .requires(EMULATOR);
    if let Some(long) = original.get_long() {
        argument = argument.long(format!("{LONG_PREFIX}{long}"));
    }
    if let Some(help) = original.get_help() {
        argument = argument.help(with_other_names(&help.to_string(), longs));
    }
    if let Some(help) = original.get_long_help() {
        argument = argument.long_help(with_other_names(&help.to_string(), longs));
    }
    let (one, other) = EXCLUSIVE;
    if id == one {
        argument = argument.conflicts_with(format!("{ID_PREFIX}{other}"));
    }
    argument
}

/// A text in which these flags have their other names.
fn with_other_names(text: &str, longs: &[&str]) -> String {
    let mut parts = text.split("--");
    let mut renamed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let (name, _) = part.split_at(end.unwrap_or(part.len()));
        renamed.push_str("--");
        if longs.contains(&name.trim_end_matches('-')) {
            renamed.push_str(LONG_PREFIX);
        }
        renamed.push_str(part);
    }
    renamed
}

/// The first flag of the emulator that is given to a command without one. `requires` does not refuse it beside a flag that
/// excludes `--emulator`.
pub(super) fn without_emulator(matches: &ArgMatches) -> Option<String> {
    let is_given = |id: &&str| {
        let source = matches.value_source(id);
        source.is_some_and(|source| source != ValueSource::DefaultValue)
    };
    let ids = matches.ids().map(clap::Id::as_str);
    let given = ids.filter(|id| id.starts_with(ID_PREFIX)).find(is_given)?;
    (!matches.get_flag(EMULATOR)).then(|| given.replace('_', "-"))
}

impl Args for PrefixedBehaviour {
    fn augment_args(command: Command) -> Command {
        Self::add_to(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::add_to(command)
    }
}

impl FromArgMatches for PrefixedBehaviour {
    /// From the same text as `kvs-fleet emulator` would read.
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut arguments: Vec<OsString> = Vec::new();
        for original in originals() {
            let id = format!("{ID_PREFIX}{}", original.get_id());
            let Some(long) = original.get_long() else {
                continue;
            };
            match original.get_action() {
                ArgAction::SetTrue if matches.get_flag(&id) => {
                    arguments.push(format!("--{long}").into());
                }
                ArgAction::SetTrue => {}
                _ => {
                    for value in matches.get_raw(&id).into_iter().flatten() {
                        let mut argument = OsString::from(format!("--{long}="));
                        argument.push(value);
                        arguments.push(argument);
                    }
                }
            }
        }
        let command = BehaviourArgs::augment_args(Command::new("behaviour").no_binary_name(true));
        let matches = command.try_get_matches_from(arguments)?;
        BehaviourArgs::from_arg_matches(&matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::cli::{Cli, Command as Subcommand, EmulatorArgs};

    #[derive(Debug, Parser)]
    struct OnlyEmulator {
        #[command(flatten)]
        args: EmulatorArgs,
    }

    /// Each flag of the behaviour with a value other than its default, without its dashes.
    const GIVEN: [&str; 15] = [
        "rate=0.5",
        "burst=7",
        "rate-change=5m=200,90s=0.5",
        "channel-limit=12",
        "latency=1s 5ms",
        "latency-sigma=0.25",
        "active-after=2m",
        "deleting-for=3m",
        "fault=500=1%@list,empty=first:2",
        "fault=throttle=1",
        "deny-outside=line-4-",
        "deny-account=111122223333,444455556666",
        "accounts=9",
        "expire-after=9",
        "seed=3",
    ];

    fn rehearsed(flags: impl IntoIterator<Item = String>) -> BehaviourArgs {
        let arguments = ["kvs-fleet", "provision", "d.csv", "--emulator"].map(str::to_owned);
        let arguments = arguments.into_iter().chain(flags);
        match Cli::from_arguments(arguments).unwrap().command {
            Subcommand::Provision(args) => args.rehearsal.behaviour.0,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_flag_means_the_same_under_both_names() {
        let server = |flags: Vec<String>| {
            let arguments = std::iter::once(EMULATOR.to_owned()).chain(flags);
            OnlyEmulator::try_parse_from(arguments).unwrap().args
        };
        for given in [GIVEN.to_vec(), vec!["window"], Vec::new()] {
            let with = |prefix: &str| -> Vec<String> {
                given.iter().map(|flag| format!("{prefix}{flag}")).collect()
            };
            let expected = server(with("--")).settings(3);
            assert_eq!(rehearsed(with("--emulator-")).settings(3), expected);
        }
        let covered = GIVEN.iter().filter_map(|flag| flag.split('=').next());
        let covered: Vec<&str> = covered.chain(["window"]).collect();
        for original in originals() {
            let long = original.get_long().unwrap();
            assert!(covered.contains(&long), "--{long}");
        }
    }

    #[test]
    fn every_command_with_an_emulator_has_all_its_flags() {
        let cli = Cli::command();
        for name in ["provision", "plan", "verify", "rollback"] {
            let command = cli.find_subcommand(name).unwrap();
            for original in originals() {
                let long = format!("{LONG_PREFIX}{}", original.get_long().unwrap());
                let mut found = command.get_arguments();
                let found = found.find(|argument| argument.get_long() == Some(&long));
                let found = found.unwrap_or_else(|| panic!("{name}: --{long}"));
                assert_eq!(found.get_default_values(), original.get_default_values());
                assert_eq!(found.get_help_heading(), Some(HEADING));
            }
        }
    }

    #[test]
    fn a_help_names_flags_as_they_are_called_there() {
        let longs = ["rate", "latency", "latency-sigma"];
        for (text, expected) in [
            ("--latency gives", "--emulator-latency gives"),
            ("as --rate, --help.", "as --emulator-rate, --help."),
            ("--latency-sigma", "--emulator-latency-sigma"),
            ("--rates a -- b", "--rates a -- b"),
            ("", ""),
        ] {
            assert_eq!(with_other_names(text, &longs), expected);
        }
    }
}
