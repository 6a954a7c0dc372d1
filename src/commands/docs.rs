//! `kvs-fleet completions` and `kvs-fleet man`: documents made from the definition that `--help` is made from.

use std::io;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use roff::{Roff, roman};

use crate::cli::Cli;
use crate::domain::device::shown;
use crate::engine::Stop;
use crate::error::Error;

/// When the text of the help last changed: the date of the pages. Not that of the build, which would differ each time.
const WRITTEN: &str = "2026-11-28";

/// Writes a shell's completions.
pub(super) fn completions(shell: Shell) -> Result<u8, Error> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut text);
    super::print(&String::from_utf8_lossy(&text))?;
    Ok(0)
}

/// Writes a command's page, or the page about all of them.
pub(super) fn man(of: Option<&str>) -> Result<u8, Error> {
    let mut all = Cli::command().disable_help_subcommand(true);
    all.build();
    let command = match of.map(|name| (name, all.find_subcommand(name))) {
        None => all,
        Some((_, Some(command))) => command.clone().version(env!("CARGO_PKG_VERSION")),
        Some((name, None)) => return Err(Error::refused("usage", unknown(&all, name))),
    };
    let page = page(command).map_err(|error| Stop::Internal(error.to_string()))?;
    super::print(&page)?;
    Ok(0)
}

/// A command's page. What follows the help keeps its lines: they are tables and examples.
fn page(command: Command) -> io::Result<String> {
    let after = command.get_after_help().map(ToString::to_string);
    let has_subcommands = command.has_subcommands();
    let man = Man::new(command).date(WRITTEN);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_subcommands {
        man.render_subcommands_section(&mut page)?;
    }
    for (heading, lines) in sections(after.as_deref().unwrap_or_default()) {
        let mut section = Roff::new();
        section.control("SH", [heading.to_uppercase().as_str()]);
        let is_table = lines.iter().all(|line| line.starts_with(' '));
        section.control(if is_table { "nf" } else { "fi" }, []);
        for line in lines {
            section.text([roman(line)]);
        }
        section.control("fi", []);
        section.to_writer(&mut page)?;
    }
    Ok(without_double_breaks(&String::from_utf8_lossy(&page)))
}

/// What follows the help, by its headings: lines that begin at the margin and end in a colon. Any other line at the margin
/// is a note.
fn sections(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut sections: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let is_indented = line.starts_with(' ');
        match (line.strip_suffix(':'), sections.last_mut()) {
            (Some(heading), _) if !is_indented => sections.push((heading, Vec::new())),
            (_, Some((_, lines))) if is_indented => lines.push(line),
            _ => sections.push(("Notes", vec![line])),
        }
    }
    sections
}

/// A break beside a blank line breaks nothing, and checkers of manual pages complain of it.
fn without_double_breaks(page: &str) -> String {
    let lines: Vec<&str> = page.lines().collect();
    let is_blank = |at: Option<usize>| at.and_then(|at| lines.get(at)) == Some(&"");
    let kept = lines.iter().enumerate().filter(|(at, line)| {
        **line != ".br" || !(is_blank(at.checked_sub(1)) || is_blank(Some(at + 1)))
    });
    kept.flat_map(|(_, line)| [*line, "\n"]).collect()
}

fn unknown(all: &Command, name: &str) -> String {
    let names: Vec<&str> = all.get_subcommands().map(Command::get_name).collect();
    format!(
        "there is no command {}; there are pages about {}",
        shown(name),
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_help_is_sorted_by_headings() {
        let text = "Exit codes:\n  0  well\n  1  not\n\nEvery flag: a variable.\n\nExamples:\n  Do:\n      it";
        assert_eq!(
            sections(text),
            [
                ("Exit codes", vec!["  0  well", "  1  not"]),
                ("Notes", vec!["Every flag: a variable."]),
                ("Examples", vec!["  Do:", "      it"]),
            ]
        );
    }

    #[test]
    fn breaks_beside_blank_lines_are_left_out() {
        assert_eq!(
            without_double_breaks("a\n.br\n\n.br\nb\n.br\nc\n"),
            "a\n\nb\n.br\nc\n"
        );
    }
}
