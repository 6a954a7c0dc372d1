//! A reader that keeps what passes through it, from the record at hand on, with its place and line: the `csv` crate
//! gives a record's cells, and not the bytes they were read from.

use std::io::{self, ErrorKind, Read};

use super::LONGEST_ROW;
use super::encoding::BOM;

/// Keeps the bytes of one record, and what was read behind it: at most [`LONGEST_ROW`] and one read more.
#[derive(Debug)]
pub(super) struct Tape<R> {
    reader: R,
    kept: Vec<u8>,
    /// How many of the kept bytes come before the record.
    from: usize,
    at: u64,
    before: LineEnds,
}

impl<R> Tape<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            kept: Vec::new(),
            from: 0,
            at: 0,
            before: LineEnds::default(),
        }
    }

    /// Where the record begins, in bytes from the reader's first.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// The line it begins on, from 1.
    pub(super) fn line(&self) -> u64 {
        self.before.count + 1
    }

    /// The bytes of the record that ends before this place.
    pub(super) fn record(&self, end: u64) -> &[u8] {
        self.rest().get(..self.length(end)).unwrap_or_default()
    }

    /// Steps over the record that ends before this place.
    pub(super) fn step_to(&mut self, end: u64) {
        self.step(self.length(end));
    }

    /// Steps over a byte order mark and empty lines, which the `csv` crate takes for a part of the record behind them.
    pub(super) fn step_to_record(&mut self) {
        if self.at == 0 && self.rest().starts_with(BOM) {
            self.step(BOM.len());
        }
        let is_line_end = |byte: &&u8| matches!(byte, b'\n' | b'\r');
        self.step(self.rest().iter().take_while(is_line_end).count());
    }

    fn rest(&self) -> &[u8] {
        self.kept.get(self.from..).unwrap_or_default()
    }

    fn length(&self, end: u64) -> usize {
        usize::try_from(end.saturating_sub(self.at)).unwrap_or(usize::MAX)
    }

    fn step(&mut self, length: usize) {
        let length = length.min(self.rest().len());
        let mut before = self.before;
        before.pass(&self.rest()[..length]);
        self.before = before;
        self.from += length;
        self.at += length as u64;
    }
}

impl<R: Read> Read for Tape<R> {
    /// Fails at a record that is too long, so that a quote that is never closed does not take a stream into memory.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.step_to_record();
        self.kept.drain(..self.from);
        self.from = 0;
        if self.kept.len() > LONGEST_ROW {
            return Err(ErrorKind::FileTooLarge.into());
        }
        loop {
            match self.reader.read(buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(length) => {
                    self.kept.extend_from_slice(&buffer[..length]);
                    return Ok(length);
                }
            }
        }
    }
}

/// Counts line ends: LF, CRLF and a lone CR are one each.
#[derive(Debug, Clone, Copy, Default)]
struct LineEnds {
    count: u64,
    /// The last byte was a CR, so that an LF now belongs to the same line end.
    after_return: bool,
}

impl LineEnds {
    fn pass(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.count += u64::from(byte == b'\r' || (byte == b'\n' && !self.after_return));
            self.after_return = byte == b'\r';
        }
    }
}

/// How many line ends the bytes hold.
pub(super) fn line_ends(bytes: &[u8]) -> u64 {
    let mut line_ends = LineEnds::default();
    line_ends.pass(bytes);
    line_ends.count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time, and interrupts every other call.
    struct Drip<'a>(&'a [u8], bool);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(ErrorKind::Interrupted.into());
            }
            let length = buffer.len().min(3);
            self.0.read(&mut buffer[..length])
        }
    }

    #[test]
    fn a_record_is_kept_until_it_is_stepped_over() {
        let mut tape = Tape::new(Drip("\u{feff}\r\n\na,\"x\ny\"\r\nb".as_bytes(), false));
        let mut buffer = [0; 64];
        while tape.read(&mut buffer).unwrap() > 0 {}
        assert_eq!((tape.at(), tape.line()), (6, 3));
        assert_eq!(tape.record(14), b"a,\"x\ny\"\r");
        tape.step_to(14);
        tape.step_to_record();
        assert_eq!((tape.at(), tape.line()), (15, 5));
        assert_eq!(tape.record(16), b"b");
    }

    #[test]
    fn empty_lines_are_not_kept_and_a_record_only_so_far() {
        let mut tape = Tape::new(io::repeat(b'\n'));
        let mut buffer = [0; 1 << 16];
        for _ in 0..40 {
            tape.read(&mut buffer).unwrap();
        }
        assert!(tape.kept.capacity() <= 4 * buffer.len());
        let mut tape = Tape::new(io::repeat(b'x'));
        let error = (0..40).find_map(|_| tape.read(&mut buffer).err());
        assert_eq!(error.unwrap().kind(), ErrorKind::FileTooLarge);
        assert!(tape.kept.len() <= LONGEST_ROW + buffer.len());
    }

    #[test]
    fn line_ends_of_all_kinds() {
        assert_eq!(line_ends(b"a\nb\r\nc\rd\r\r\n"), 5);
        assert_eq!(line_ends(b""), 0);
    }
}
