//! What can be wrong with a manifest as a whole, and with one row of it.

use std::io;

use crate::domain::device::shown;

/// Why a manifest cannot be read at all. Shown, each is one sentence that names the file and line, or the flag, and
/// says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A flag's value cannot be used, by itself or with this manifest's header.
    #[error("{flag}: {reason}")]
    Flag {
        /// The flag, such as `--channel-name`, with the tag's key where there is one.
        flag: String,
        /// What was found and what is expected.
        reason: String,
    },
    /// The manifest as a whole.
    #[error("{file}: {damage}")]
    File {
        /// The path as it was given, or `standard input`.
        file: Box<str>,
        /// What is wrong.
        damage: Damage,
    },
    /// The manifest at one line.
    #[error("{file}, line {line}: {damage}")]
    Line {
        /// The path as it was given, or `standard input`.
        file: Box<str>,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        damage: Damage,
    },
}

impl ManifestError {
    /// Whether the manifest has a valid header but no row.
    #[must_use]
    pub fn is_without_rows(&self) -> bool {
        let (Self::File { damage, .. } | Self::Line { damage, .. }) = self else {
            return false;
        };
        matches!(damage, Damage::NoRow)
    }

    /// Whether the first line is not a usable header.
    #[must_use]
    pub fn is_without_header(&self) -> bool {
        let Self::Line { damage, .. } = self else {
            return false;
        };
        matches!(damage, Damage::Header(_))
    }

    pub(super) fn flag(flag: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Flag {
            flag: flag.into(),
            reason: reason.into(),
        }
    }

    pub(super) fn file(file: &str, damage: Damage) -> Self {
        Self::File {
            file: file.into(),
            damage,
        }
    }

    pub(super) fn line(file: &str, line: u64, damage: Damage) -> Self {
        Self::Line {
            file: file.into(),
            line,
            damage,
        }
    }
}

/// What makes a manifest unreadable.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// There is no such file.
    #[error("there is no such file; check the manifest's path")]
    Missing,
    /// A folder instead of a file.
    #[error("this is a directory; give the path of a CSV file")]
    Directory,
    /// The operating system refuses.
    #[error("the manifest cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Nothing in it.
    #[error("the manifest is empty; expected a header line and a row for each device")]
    Empty,
    /// A header and no rows.
    #[error("the manifest has a header and no row; expected a row for each device")]
    NoRow,
    /// UTF-16 or UTF-32.
    #[error(
        "the manifest is encoded as {0}, expected UTF-8; save it again as \"CSV UTF-8\", or convert it in PowerShell \
         with: Get-Content OLD.csv | Set-Content -Encoding utf8 NEW.csv (Export-Csv also takes -Encoding utf8)"
    )]
    Wide(&'static str),
    /// A file of another format.
    #[error("the file is no CSV: its first bytes are those of {what}; {advice}")]
    Foreign {
        /// What it is.
        what: &'static str,
        /// How to get a CSV from it.
        advice: String,
    },
    /// A file that another program is writing.
    #[error(
        "the manifest changed while it was read ({before} bytes before, {after} after): another program is writing it; \
         wait until that has ended, then run again"
    )]
    Changing {
        /// Its length when it was opened.
        before: u64,
        /// Its length when it had been read.
        after: u64,
    },
    /// A NUL byte.
    #[error(
        "the line holds a NUL byte, which no text does; the file is damaged (a crash while it was written, perhaps) \
         or is no CSV: export it again"
    )]
    Nul,
    /// Bytes that are not UTF-8.
    #[error(
        "byte {column} of the line (0x{byte:02X}) is not UTF-8; the file seems to be in an older encoding such as \
         Windows-1252: save it as \"CSV UTF-8\", or convert it with: iconv -f WINDOWS-1252 -t UTF-8 OLD.csv > NEW.csv"
    )]
    NotUtf8 {
        /// The first such byte's place in the line, from 1.
        column: u64,
        /// That byte.
        byte: u8,
    },
    /// A quote that is never closed.
    #[error(
        "a cell in the row that starts here opens with a quote (\") that is never closed, so that all lines after it \
         are one cell; close the quote, or write \"\" for a quote that is part of the text"
    )]
    UnclosedQuote,
    /// A quoted cell over several lines, with text after its closing quote.
    #[error(
        "a cell in the row that starts here is quoted, extends over {lines} lines and has text after its closing \
         quote, so a quote (\") is missing or too many, and rows would be lost; close the quote, or write \"\" for a \
         quote that is part of the text"
    )]
    StrayQuote {
        /// How many lines the row takes.
        lines: u64,
    },
    /// A row longer than the limit.
    #[error(
        "the row that starts here is longer than {} bytes; perhaps a quote (\") that opens a cell is never closed, so \
         that the lines after it are one cell: close it, or write \"\" for a quote that is part of the text",
        super::LONGEST_ROW
    )]
    LongRow,
    /// The header cannot be read.
    #[error("{0}")]
    Header(String),
    /// A row names no valid account, or one that is not allowed.
    #[error("{0}")]
    Account(String),
}

/// Why a row is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct RowError {
    /// The error code of the results file.
    pub code: &'static str,
    /// What was found and what is expected. The caller adds the line.
    pub reason: String,
}

impl RowError {
    /// The error code of a row that breaks one of the limits.
    pub const INVALID_ROW: &'static str = "InvalidRow";

    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self {
            code: Self::INVALID_ROW,
            reason: reason.into(),
        }
    }

    /// A cell such as `"CAM"1`.
    pub(super) fn stray_text() -> Self {
        Self::new(
            "a cell has text after its closing quote (\"); close the quote at the cell's end, or write \"\" for a \
             quote that is part of the text",
        )
    }
}

/// Why a row cannot be used.
#[derive(Debug)]
pub(super) enum Flaw {
    /// The row is invalid.
    Row(RowError),
    /// The account that it names refuses the whole manifest: why.
    Account(String),
}

impl From<RowError> for Flaw {
    fn from(error: RowError) -> Self {
        Self::Row(error)
    }
}

/// A file's name in a command to be typed: as it is where a shell takes it for one word.
pub(super) fn in_command(file: &str) -> &str {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if file.chars().all(is_plain) && !file.starts_with('-') {
        file
    } else {
        "FILE"
    }
}

/// Names in a message: quoted, with commas, at most twenty.
pub(super) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    const MOST: usize = 20;
    let more = names.len().saturating_sub(MOST);
    let text = names.take(MOST).map(shown).collect::<Vec<_>>().join(", ");
    match more {
        0 => text,
        _ => format!("{text} and {more} more"),
    }
}
