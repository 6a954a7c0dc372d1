//! Finds the encoding and the delimiter from a manifest's first bytes, before the rows are read.

use std::io::{self, ErrorKind, Read};

use super::error::{Damage, ManifestError};
use super::format::{self, HEAD_BYTES};
use super::marks::Unmarked;
use super::options::Options;
use super::records::Records;

/// The delimiters that are tried when none is given. Of equals the first is taken.
pub(super) const DELIMITERS: [u8; 4] = *b",;\t|";

/// A reader whose first bytes can be read again until the delimiter is known.
#[derive(Debug)]
pub(super) struct Head<R> {
    bytes: Vec<u8>,
    served: usize,
    keeps: bool,
    reader: Unmarked<R>,
}

impl<R: Read> Head<R> {
    /// A reader of a text whose encoding and delimiter are known.
    pub(super) fn known(reader: R) -> Self {
        Self {
            bytes: Vec::new(),
            served: 0,
            keeps: false,
            reader: Unmarked::new(reader),
        }
    }

    /// Looks at the encoding.
    pub(super) fn begin(reader: R, file: &str) -> Result<Self, ManifestError> {
        let mut head = Self {
            bytes: Vec::new(),
            served: 0,
            keeps: true,
            reader: Unmarked::new(reader),
        };
        // One line is enough, since more may take a while to come from a terminal.
        while head.bytes.len() < HEAD_BYTES && !head.bytes.contains(&b'\n') {
            head.served = head.bytes.len();
            match head.read(&mut [0; 8 * 1024]) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(ManifestError::file(file, Damage::Io(error))),
            }
        }
        match format::alien(&head.bytes, file) {
            Some(damage) => Err(ManifestError::file(file, damage)),
            None => Ok(head),
        }
    }

    /// Finds the delimiter and goes back to the first byte, for good. It is the one that was given, else the one that
    /// yields the device column, else the one that gives the most columns.
    pub(super) fn delimiter(&mut self, file: &str, options: &Options) -> Result<u8, ManifestError> {
        let delimiter = match options.delimiter {
            Some(delimiter) => delimiter,
            None => self.find_delimiter(file, options.id_column.trim())?,
        };
        self.served = 0;
        self.keeps = false;
        Ok(delimiter)
    }

    /// What has been read so far.
    pub(super) fn so_far(&self) -> &[u8] {
        &self.bytes
    }

    fn find_delimiter(&mut self, file: &str, id_column: &str) -> Result<u8, ManifestError> {
        let mut best = None;
        let mut damage = None;
        for delimiter in DELIMITERS {
            self.served = 0;
            let mut records = Records::new(&mut *self, file, delimiter);
            match records.advance() {
                Ok(false) => return Err(records.damaged(Damage::Empty)),
                Ok(true) => {
                    let header = records.record().cells;
                    let has_id = header.iter().any(|name| name.trim() == id_column);
                    let score = (has_id, header.len());
                    if best.is_none_or(|(highest, _)| score > highest) {
                        best = Some((score, delimiter));
                    }
                }
                Err(error) => damage = damage.or(Some(error)),
            }
        }
        match (best, damage) {
            // A delimiter that gives the device column is the right one, whatever another one makes of the header.
            (Some(((false, ..2), _)) | None, Some(damage)) => Err(damage),
            (Some((_, delimiter)), _) => Ok(delimiter),
            (None, None) => Err(ManifestError::file(file, Damage::Empty)),
        }
    }
}

impl<R: Read> Read for Head<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut again = self.bytes.get(self.served..).unwrap_or_default();
        if !again.is_empty() {
            let length = again.read(buffer)?;
            self.served += length;
            return Ok(length);
        }
        let length = self.reader.read(buffer)?;
        if self.keeps {
            self.bytes.extend_from_slice(&buffer[..length]);
            self.served += length;
        }
        Ok(length)
    }
}
