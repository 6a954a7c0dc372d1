//! `docs/flags.md`, written from the definition of the command line.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory};
use kvs_fleet::cli::Cli;

const INTRODUCTION: &str = "\
# Flags

<!-- Generated from the definition of the command line: UPDATE_DOCS=1 cargo test --test it docs -->

The same as `kvs-fleet COMMAND --help`, which also has examples. [Scripting](scripting.md#environment-variables) describes how the
variables are read.
";

/// The heading of what is not a flag.
const ARGUMENTS: &str = "Arguments";

/// The command line's definition.
pub(super) fn definition() -> Command {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    command
}

/// The page.
pub(super) fn page() -> String {
    let root = definition();
    let mut page = INTRODUCTION.to_owned();
    for command in root.get_subcommands() {
        write_command(&mut page, command.clone());
    }
    write!(page, "\n## Exit codes of provision\n").unwrap();
    write_exit_codes(&mut page, &root);
    page
}

fn write_command(page: &mut String, mut command: Command) {
    let name = command.get_name().to_owned();
    let usage = command.render_usage().to_string();
    let about = command
        .get_long_about()
        .or(command.get_about())
        .map(ToString::to_string);
    let about = about.unwrap_or_default();
    write!(
        page,
        "\n## kvs-fleet {name}\n\n{}\n\n```\n{}\n```\n",
        about.trim(),
        usage.trim_start_matches("Usage: ")
    )
    .unwrap();
    let shown = |argument: &&Arg| {
        !argument.is_hide_set() && !["help", "version"].contains(&argument.get_id().as_str())
    };
    let arguments: Vec<&Arg> = command.get_arguments().filter(shown).collect();
    let mut headings = Vec::new();
    for heading in arguments.iter().map(|argument| heading(argument)) {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for group in headings {
        let name = if group == ARGUMENTS {
            "argument"
        } else {
            "flag"
        };
        write!(
            page,
            "\n{group}:\n\n| {name} | does | default | variable |\n| --- | --- | --- | --- |\n"
        )
        .unwrap();
        let of_group = arguments
            .iter()
            .filter(|argument| heading(argument) == group);
        page.extend(of_group.map(|argument| row(argument)));
    }
    if exit_codes(&command).next().is_some() {
        page.push_str("\nExit codes:\n");
        write_exit_codes(page, &command);
    }
}

fn heading(argument: &Arg) -> &str {
    let is_positional = argument.is_positional();
    let plain = if is_positional { ARGUMENTS } else { "Options" };
    argument.get_help_heading().unwrap_or(plain)
}

fn row(argument: &Arg) -> String {
    let mut flag = argument.to_string();
    if argument.get_num_args().is_some_and(|n| !n.takes_values()) {
        flag = flag.trim_end_matches("...").to_owned();
    }
    if let Some(short) = argument.get_short() {
        flag = format!("-{short}`, `{flag}");
    }
    let help = argument.get_long_help().or(argument.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    // A default that is not one value is in the help's text.
    let (help, computed) = match help.split_once(" [default: ") {
        Some((help, rest)) => {
            let (default, after) = rest.split_once(']').unwrap();
            (format!("{help}{after}"), default.replace('\n', " "))
        }
        None => (help, String::new()),
    };
    let takes_value = argument.get_action().takes_values();
    let defaults = argument.get_default_values().iter();
    let default: Vec<String> = defaults
        .filter(|_| takes_value)
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    let default = if default.is_empty() {
        computed
    } else {
        default.join(", ")
    };
    let values = argument.get_possible_values();
    let values = values.iter().filter(|_| takes_value).map(|value| {
        let help = value.get_help().map(|help| format!(": {help}"));
        format!("<br>`{}`{}", value.get_name(), help.unwrap_or_default())
    });
    let does = help.trim().replace("\n\n", "<br>").replace('\n', " ") + &values.collect::<String>();
    let variable = argument
        .get_env()
        .map(|name| format!("`{}`", name.to_string_lossy()));
    let cells = [
        format!("`{flag}`"),
        does,
        default,
        variable.unwrap_or_default(),
    ];
    let cells = cells.map(|cell| cell.replace('|', "\\|"));
    format!("| {} |\n", cells.join(" | "))
}

fn write_exit_codes(page: &mut String, command: &Command) {
    page.push_str("\n| code | meaning |\n| --- | --- |\n");
    for (code, meaning) in exit_codes(command) {
        writeln!(page, "| {code} | {meaning} |").unwrap();
    }
}

/// The exit codes in the help of a command: code and meaning.
pub(super) fn exit_codes(command: &Command) -> impl Iterator<Item = (String, String)> {
    let after = command.get_after_help().map(ToString::to_string);
    let lines: Vec<String> = after
        .unwrap_or_default()
        .lines()
        .skip_while(|line| *line != "Exit codes:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    lines.into_iter().map(|line| {
        let (code, meaning) = line.trim().split_once(' ').unwrap();
        (code.to_owned(), meaning.trim().to_owned())
    })
}
