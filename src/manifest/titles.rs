//! Finds title lines above the header, as reports have them, and guesses which later line is the header, for a message.

use super::error::in_command;
use super::head::DELIMITERS;
use super::options::Options;
use super::suggest;
use crate::domain::device::shown;

/// Lines that are looked at.
const MOST_LINES: u64 = 40;

/// A line that looks like the header, below the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LaterHeader {
    /// The line, from 1.
    line: u64,
    /// The name of the column that seems to hold the device IDs.
    column: Box<str>,
}

/// Looks for a line with the device column, else for one with a column that goes by a similar name, below the first
/// line that is not blank.
pub(super) fn later_header(head: &[u8], delimiter: u8, options: &Options) -> Option<LaterHeader> {
    let text = String::from_utf8_lossy(head);
    let id_column = options.id_column.trim();
    let lines = text.lines().zip(1..=MOST_LINES);
    let is_blank = |line: &str| line.trim().is_empty();
    let below: Vec<_> = lines
        .skip_while(|(line, _)| is_blank(line))
        .skip(1)
        .collect();
    let delimiters = || [delimiter].into_iter().chain(DELIMITERS);
    [exact as Find, similar].into_iter().find_map(|find| {
        below.iter().find_map(|(text, line)| {
            let column =
                delimiters().find_map(|delimiter| find(&cells(text, delimiter), id_column))?;
            Some(LaterHeader {
                line: *line,
                column,
            })
        })
    })
}

/// The device column among a line's cells.
type Find = fn(&[Box<str>], &str) -> Option<Box<str>>;

fn exact(cells: &[Box<str>], id_column: &str) -> Option<Box<str>> {
    cells.iter().find(|name| ***name == *id_column).cloned()
}

fn similar(cells: &[Box<str>], id_column: &str) -> Option<Box<str>> {
    let column = suggest::device_column(id_column, cells)?;
    // A cell by itself may be a title.
    (cells.len() > 1).then(|| column.into())
}

fn cells(line: &str, delimiter: u8) -> Vec<Box<str>> {
    let cells = line.split(char::from(delimiter));
    cells
        .map(|cell| cell.trim().trim_matches('"').trim().into())
        .collect()
}

impl LaterHeader {
    /// Whether the line has a column of this very name.
    pub(super) fn has_column(&self, name: &str) -> bool {
        &*self.column == name
    }

    /// What to say of a first line that has no device column. `columns` are those that it has, as messages list them.
    pub(super) fn advice(&self, file: &str, id_column: &str, columns: &str) -> String {
        let Self { line, column } = self;
        let name = in_command(file);
        let flag = if self.has_column(id_column) {
            String::new()
        } else {
            format!(" --id-column {}", shown(column))
        };
        format!(
            "the line has no column {} (it has {columns}), but line {line} looks like the header: remove the lines \
             above it, or leave them out with: tail -n +{line} {name} | kvs-fleet provision - --results FILE{flag}",
            shown(id_column)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(u64, String)> {
        let later = later_header(text.as_bytes(), b',', &Options::default())?;
        Some((later.line, later.column.into()))
    }

    #[test]
    fn the_header_is_found_below_titles() {
        let some = |line, name: &str| Some((line, name.to_owned()));
        for (text, later) in [
            (
                "Auftrag;4711\nDatum;28.11.2026\n\ndevice_id;line\nA;1\n",
                some(4, "device_id"),
            ),
            (
                "# exported\r\n\"device_id\",line\r\nA,1\r\n",
                some(2, "device_id"),
            ),
            ("\n\ntitle\n\ndevice_id\nA\n", some(5, "device_id")),
            (
                "Order,1\nSerial Number|Hall\nA|1\n",
                some(2, "Serial Number"),
            ),
            // The exact name wins.
            (
                "Order,1\nCamera,Hall\ndevice_id,Hall\nA,1\n",
                some(3, "device_id"),
            ),
            ("CAM-1\nCAM-2\n", None),
            ("CAM-1,Hall\nCAM-2,Hall\n", None),
            ("Order\nDevice\n", None),
            ("", None),
        ] {
            assert_eq!(found(text), later, "{text:?}");
        }
    }
}
