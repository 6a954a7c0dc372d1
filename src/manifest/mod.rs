//! The manifest: a CSV of devices → what each row asks for, or why it is invalid.
//!
//! This module knows one row at a time: the header, the service's limits on a row, and what counts as damage. The CSV's
//! grammar is the `csv` crate's. Repeated devices and channel names, and what is done already, are found by the planner.
//!
//! A file is read whole ([`Manifest`]). A stream ([`stream`]) is read row by row, each as soon as it arrives.
//!
//! | cells | are taken |
//! | --- | --- |
//! | device ID, `channel_name`, `account`, `region`, `message_ttl_seconds` | without the blanks around them |
//! | all others | as they are, blanks, line ends and all |

mod account;
mod compiled;
mod encoding;
mod error;
mod format;
mod head;
mod hints;
mod layout;
mod mangled;
mod marks;
mod on_disk;
mod options;
mod quotes;
mod record_buffer;
mod records;
mod rows;
mod suggest;
mod suspects;
mod titles;
mod valid_row;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::domain::device::{AccountId, Region};

pub use error::{Damage, ManifestError, RowError};
pub use layout::Layout;
use on_disk::Version;
pub use options::{IdPattern, Options, is_delimiter};
pub use rows::{Row, Rows};
pub use suspects::Suspects;
pub use valid_row::ValidRow;

/// The longest row, in bytes: far more than 50 tags and a few free columns need, and little enough to hold in memory.
pub const LONGEST_ROW: usize = 1024 * 1024;

/// What messages call a manifest from standard input.
pub const STANDARD_INPUT: &str = "standard input";

/// Begins to read a manifest from a stream: returns when the header has been read.
pub fn stream<R: Read>(reader: R, options: &Options) -> Result<Rows<R>, ManifestError> {
    Rows::begin(reader, STANDARD_INPUT, options)
}

/// A manifest file, held in memory: text in UTF-8 with a header that fits the flags. Its rows are checked when they
/// are read.
#[derive(Debug)]
pub struct Manifest {
    file: Box<str>,
    text: Vec<u8>,
    sha256: String,
    /// None where there is no file.
    on_disk: Option<Version>,
    layout: Arc<Layout>,
}

/// Whether the rows name accounts.
#[derive(Debug, Clone, Default)]
pub struct RowAccounts {
    /// Whether there is a column for them.
    pub have_column: bool,
    /// Whether a row names its account, or, in a stream, may do so.
    pub are_named: bool,
    /// The accounts that the rows of a file name, each once.
    pub named: BTreeSet<AccountId>,
    /// The Regions of the rows that name none; of a manifest without the column they are not looked for.
    pub others: BTreeSet<Region>,
}

impl Manifest {
    /// Reads a file and its header. Takes the file's size in memory.
    pub fn open(path: &Path, options: &Options) -> Result<Self, ManifestError> {
        let file: Box<str> = path.display().to_string().into();
        let (bytes, version) =
            on_disk::read(path).map_err(|damage| ManifestError::file(&file, damage))?;
        let manifest = Self::from_text(file, bytes, options)?;
        Ok(Self {
            on_disk: Some(version),
            ..manifest
        })
    }

    /// Reads the header of a text, which messages call by this file's name.
    pub fn from_text(
        file: Box<str>,
        text: Vec<u8>,
        options: &Options,
    ) -> Result<Self, ManifestError> {
        if let Some(damage) = format::alien(&text, &file) {
            return Err(ManifestError::file(&file, damage));
        }
        encoding::check(&text)
            .map_err(|(lines, damage)| ManifestError::line(&file, lines + 1, damage))?;
        let layout = Arc::clone(Rows::begin(&*text, &file, options)?.layout());
        Ok(Self {
            sha256: hex(&Sha256::digest(&text)),
            on_disk: None,
            file,
            text,
            layout,
        })
    }

    /// Which accounts the rows name.
    pub fn row_accounts(&self) -> Result<RowAccounts, ManifestError> {
        let mut accounts = RowAccounts {
            have_column: self.layout.has_account(),
            ..RowAccounts::default()
        };
        if !accounts.have_column {
            return Ok(accounts);
        }
        let mut rows = self.rows();
        while let Some(row) = rows.next()? {
            let Ok(valid) = &row.checked else { continue };
            if let Some(account) = valid.account() {
                accounts.are_named = true;
                if !accounts.named.contains(account) {
                    accounts.named.insert(account.clone());
                }
            } else if !accounts.others.contains(valid.region()) {
                accounts.others.insert(valid.region().clone());
            }
        }
        Ok(accounts)
    }

    /// How many line ends it has: hardly less than rows.
    #[must_use]
    #[expect(
        clippy::naive_bytecount,
        reason = "a thousandth of what reading the rows takes"
    )]
    pub fn lines(&self) -> usize {
        self.text.iter().filter(|&&byte| byte == b'\n').count()
    }

    /// The SHA-256 of the file, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// How messages call it.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Whether the file is still as it was read: of the same length and age.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.on_disk.as_ref().is_none_or(Version::is_current)
    }

    /// How the rows are laid out.
    #[must_use]
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// The rows from the first on.
    #[must_use]
    pub fn rows(&self) -> Rows<&[u8]> {
        Rows::again(&self.text, &self.file, Arc::clone(&self.layout))
    }
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
