//! The arguments of a rehearsal: the emulator in the process of a command. Its behaviour has the flags of `kvs-fleet emulator`,
//! each with `emulator-` before its name.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::emulator::{BehaviourArgs, EXCLUSIVE};

/// What a flag of the behaviour is called here begins with this; its ID, which is also a field's name, with the same.
const LONG_PREFIX: &str = "emulator-";
const ID_PREFIX: &str = "emulator_";

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
        command.args(renamed.collect::<Vec<Arg>>())
    }
}

/// An argument with its other name, in its help as well.
fn renamed(original: &Arg, longs: &[&str]) -> Arg {
    let id = original.get_id().as_str();
    let mut argument = original
        .clone()
        .id(format!("{ID_PREFIX}{id}"))
        .help_heading(HEADING)
        .requires("emulator");
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
