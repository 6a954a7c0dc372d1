//! Bytes that programs add to a text and that are not part of it: a byte order mark at the start of a line (concatenated
//! files have one in the middle), and the end mark of DOS, 0x1A, after the last line.

use std::io::{self, ErrorKind, Read};

use super::encoding::BOM;

/// The end mark of DOS, which `copy` still writes.
const END_MARK: u8 = 0x1A;

/// Whether there may be a mark in these bytes: a search for two bytes that are rare in text.
fn may_have_mark(bytes: &[u8]) -> bool {
    bytes.contains(&END_MARK) || BOM.first().is_some_and(|first| bytes.contains(first))
}

/// A reader that leaves the marks out.
#[derive(Debug)]
pub(super) struct Unmarked<R> {
    reader: R,
    /// Bytes to be given before more are read, and how many of them were given.
    ready: Vec<u8>,
    given: usize,
    /// The beginning of what is perhaps a mark.
    held: Vec<u8>,
    is_line_start: bool,
}

impl<R: Read> Unmarked<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            ready: Vec::new(),
            given: 0,
            held: Vec::new(),
            is_line_start: true,
        }
    }

    fn pass(&mut self, byte: u8) {
        if self.held.first() == Some(&END_MARK) {
            self.held.push(byte);
            if !matches!(byte, END_MARK | b'\n' | b'\r') {
                // Text follows: it was a byte like any other.
                self.release();
            }
        } else if byte == END_MARK {
            self.release();
            if !self.is_line_start {
                self.held.push(byte);
            }
        } else if self.is_line_start && BOM.get(self.held.len()) == Some(&byte) {
            self.held.push(byte);
            if self.held == BOM {
                self.held.clear();
            }
        } else {
            self.held.push(byte);
            self.release();
        }
    }

    /// No more bytes come. A byte order mark that is cut off stays: it is damage, which the text's reader reports.
    fn end(&mut self) {
        if self.held.first() == Some(&END_MARK) {
            self.held.clear();
        }
        self.release();
    }

    fn release(&mut self) {
        if let Some(last) = self.held.last() {
            self.is_line_start = matches!(last, b'\n' | b'\r');
        }
        self.ready.append(&mut self.held);
    }
}

impl<R: Read> Read for Unmarked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.ready.get(self.given..).unwrap_or_default();
            if !ready.is_empty() {
                let length = ready.read(buffer)?;
                self.given += length;
                return Ok(length);
            }
            self.ready.clear();
            self.given = 0;
            let length = match self.reader.read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read?,
            };
            let bytes = buffer.get(..length).unwrap_or_default();
            if bytes.is_empty() {
                self.end();
                if self.ready.is_empty() {
                    return Ok(0);
                }
                continue;
            }
            if self.held.is_empty() && !may_have_mark(bytes) {
                self.is_line_start = matches!(bytes.last(), Some(b'\n' | b'\r'));
                return Ok(length);
            }
            for &byte in bytes {
                self.pass(byte);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many bytes at a time.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(self.1);
            self.0.read(&mut buffer[..most])
        }
    }

    #[test]
    fn marks_are_left_out_however_the_bytes_come() {
        for (text, clean) in [
            ("\u{feff}a\n\u{feff}b\r\n\u{feff}\u{feff}c", "a\nb\r\nc"),
            ("\u{feff}\u{feff}a", "a"),
            ("a\u{feff}b\n", "a\u{feff}b\n"),
            ("a\n\u{fefe}b\n\u{ffee}", "a\n\u{fefe}b\n\u{ffee}"),
            ("a\r\n\x1a", "a\r\n"),
            ("a\x1a\x1a\r\n", "a"),
            ("a\x1ab\n\x1a\u{feff}c", "a\x1ab\nc"),
            ("\x1a", ""),
            ("", ""),
        ] {
            for most in [1, 2, 3, 64] {
                let mut read = Vec::new();
                let mut unmarked = Unmarked::new(Drip(text.as_bytes(), most));
                unmarked.read_to_end(&mut read).unwrap();
                assert_eq!(String::from_utf8(read).unwrap(), clean, "{text:?} {most}");
            }
        }
    }

    #[test]
    fn a_mark_that_is_cut_off_stays() {
        for bytes in [&b"a\n\xEF\xBB"[..], b"\xEF", b"a\n\xEF\xBBx"] {
            let mut read = Vec::new();
            Unmarked::new(bytes).read_to_end(&mut read).unwrap();
            assert_eq!(read, bytes);
        }
    }
}
