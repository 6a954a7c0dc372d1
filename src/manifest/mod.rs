//! The manifest: a CSV of devices → what each row asks for, or why it cannot.
//!
//! This module knows one row at a time. It owns the header, the service's limits on a row, and what counts as damage;
//! the CSV's grammar is the `csv` crate's. Whether a device or a channel's name comes twice, and what is done already,
//! is for others to find out.
//!
//! A file is read whole ([`Manifest`]). A stream ([`stream`]) is read row by row, each as soon as it arrives.
//!
//! | cells | are taken |
//! | --- | --- |
//! | device ID, `channel_name`, `region`, `message_ttl_seconds` | without the blanks around them |
//! | all others | as they are, blanks, line ends and all |

mod ask;
mod compiled;
mod encoding;
mod error;
mod format;
mod head;
mod layout;
mod mangled;
mod marks;
mod on_disk;
mod options;
mod quotes;
mod records;
mod rows;
pub(crate) mod suggest;
mod suspects;
mod tape;
mod titles;

use std::fmt::Write;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

pub use ask::Ask;
pub use error::{Damage, ManifestError, RowError};
pub use layout::Layout;
use on_disk::Version;
pub use options::{IdPattern, Options, is_delimiter};
pub use rows::{Row, Rows};
pub use suspects::Suspects;

/// The longest row, in bytes: far beyond what 50 tags and a few free columns can be, and little enough to hold.
pub const LONGEST_ROW: usize = 1024 * 1024;

/// How a manifest that comes from standard input is called in messages.
pub const STANDARD_INPUT: &str = "standard input";

/// Begins to read a manifest from a stream: returns when the header is there. Nothing behind it is known yet.
pub fn stream<R: Read>(reader: R, options: &Options) -> Result<Rows<R>, ManifestError> {
    Rows::begin(reader, STANDARD_INPUT, options)
}

/// A manifest file, read whole and known to be readable: UTF-8 throughout, a header, at least one row, quotes closed.
#[derive(Debug)]
pub struct Manifest {
    file: Box<str>,
    /// Without byte order marks: places of rows are places in it.
    text: Vec<u8>,
    /// Of the file as it is on the disk.
    sha256: String,
    /// What tells whether the file is still the one that was read; none where there is no file.
    on_disk: Option<Version>,
    layout: Arc<Layout>,
    is_plain: bool,
}

impl Manifest {
    /// Reads a file and checks it whole. Takes the file's size in memory.
    pub fn open(path: &Path, options: &Options) -> Result<Self, ManifestError> {
        let file: Box<str> = path.display().to_string().into();
        let (bytes, version) =
            on_disk::read(path).map_err(|damage| ManifestError::file(&file, damage))?;
        let manifest = Self::check(file, bytes, options)?;
        Ok(Self {
            on_disk: Some(version),
            ..manifest
        })
    }

    /// Checks a text whole, which messages call by the name of this file.
    pub fn check(file: Box<str>, text: Vec<u8>, options: &Options) -> Result<Self, ManifestError> {
        if let Some(damage) = format::alien(&text, &file) {
            return Err(ManifestError::file(&file, damage));
        }
        encoding::check(&text)
            .map_err(|(lines, damage)| ManifestError::line(&file, lines + 1, damage))?;
        let sha256 = hex(&Sha256::digest(&text));
        let text = marks::without_marks(text);
        let mut rows = Rows::begin(&*text, &file, options)?;
        let layout = Arc::clone(rows.layout());
        let is_plain = is_plain(&text);
        while rows.next()?.is_some() && !is_plain {}
        Ok(Self {
            sha256,
            on_disk: None,
            file,
            text,
            layout,
            is_plain,
        })
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

    /// Whether its last line has no line end: the file is perhaps not complete.
    #[must_use]
    pub fn lacks_line_end(&self) -> bool {
        !matches!(self.text.last(), None | Some(b'\n' | b'\r'))
    }

    /// How the rows are laid out.
    #[must_use]
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// The rows from the first on.
    #[must_use]
    pub fn rows(&self) -> Rows<&[u8]> {
        Rows::again(
            &self.text,
            &self.file,
            Arc::clone(&self.layout),
            self.is_plain,
        )
    }
}

/// Whether no row can be damaged in ways that the rest of the text does not show: quotes, endless lines. Most files have
/// neither, and need no pass of their own to know it.
fn is_plain(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|&byte| byte == b'\n');
    !bytes.contains(&b'"') && lines.all(|line| line.len() < LONGEST_ROW)
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
