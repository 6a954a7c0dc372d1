//! A reader that keeps the raw bytes of the current record, with offset and line: the `csv` crate gives only a record's
//! cells.

use std::io::{self, ErrorKind, Read};

use super::LONGEST_ROW;

/// Keeps the bytes of one record, and what was read after it: at most [`LONGEST_ROW`] and one read more.
#[derive(Debug)]
pub(super) struct RecordBuffer<R> {
    reader: R,
    kept: Vec<u8>,
    /// How many of the kept bytes come before the record.
    from: usize,
    at: u64,
    before: LineEnds,
    /// The byte read last.
    last: Option<u8>,
}

impl<R> RecordBuffer<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            kept: Vec::new(),
            from: 0,
            at: 0,
            before: LineEnds::default(),
            last: None,
        }
    }

    /// Whether what was read ends in a line without its end.
    pub(super) fn lacks_line_end(&self) -> bool {
        !matches!(self.last, None | Some(b'\n' | b'\r'))
    }

    /// The line it begins on, from 1.
    pub(super) fn line(&self) -> u64 {
        self.before.count + 1
    }

    /// The bytes of the record that ends before this place.
    pub(super) fn record(&self, end: u64) -> &[u8] {
        self.rest().get(..self.length(end)).unwrap_or_default()
    }

    /// Steps over the record that ends before this place. Without quotes, only its last byte can be a line end; the one
    /// before it tells that it does not belong to a CR before the record.
    #[inline]
    pub(super) fn step_to(&mut self, end: u64, is_quoted: bool) {
        let length = self.length(end);
        self.step(length, if is_quoted { length } else { 2 });
    }

    /// Steps over empty lines, which the `csv` crate takes for a part of the record after them.
    #[inline]
    pub(super) fn step_to_record(&mut self) {
        let is_line_end = |byte: &&u8| matches!(byte, b'\n' | b'\r');
        let length = self.rest().iter().take_while(is_line_end).count();
        self.step(length, length);
    }

    fn rest(&self) -> &[u8] {
        self.kept.get(self.from..).unwrap_or_default()
    }

    fn length(&self, end: u64) -> usize {
        usize::try_from(end.saturating_sub(self.at)).unwrap_or(usize::MAX)
    }

    /// Steps over so many bytes, of which only the last ones given can be line ends.
    #[inline]
    fn step(&mut self, length: usize, last: usize) {
        let end = self.kept.len().min(self.from.saturating_add(length));
        let start = end.saturating_sub(last).max(self.from);
        let bytes = self.kept.get(start..end).unwrap_or_default();
        self.before.pass(bytes);
        self.at += (end - self.from) as u64;
        self.from = end;
    }
}

impl<R: Read> Read for RecordBuffer<R> {
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
                    self.last = buffer[..length].last().copied().or(self.last);
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
        let mut records = RecordBuffer::new(Drip(b"\r\n\na,\"x\ny\"\r\nb", false));
        let mut buffer = [0; 64];
        while records.read(&mut buffer).unwrap() > 0 {}
        assert_eq!((records.at, records.line()), (3, 3));
        assert_eq!(records.record(11), b"a,\"x\ny\"\r");
        records.step_to(11, true);
        records.step_to_record();
        assert_eq!((records.at, records.line()), (12, 5));
        assert_eq!(records.record(13), b"b");
    }

    #[test]
    fn line_ends_of_different_kinds_follow_each_other() {
        for is_quoted in [false, true] {
            let mut records = RecordBuffer::new(&b"a\rb\nc\r\nd"[..]);
            assert_eq!(records.read(&mut [0; 64]).unwrap(), 8);
            for (line, end) in [(1, 2), (2, 4), (3, 6), (4, 8)] {
                records.step_to_record();
                assert_eq!(records.line(), line);
                records.step_to(end, is_quoted);
            }
        }
    }

    #[test]
    fn empty_lines_are_not_kept_and_a_record_only_so_far() {
        let mut records = RecordBuffer::new(io::repeat(b'\n'));
        let mut buffer = vec![0; 1 << 16];
        for _ in 0..40 {
            assert!(records.read(&mut buffer).unwrap() > 0);
        }
        assert!(records.kept.capacity() <= 4 * buffer.len());
        let mut records = RecordBuffer::new(io::repeat(b'x'));
        let error = (0..40).find_map(|_| records.read(&mut buffer).err());
        assert_eq!(error.unwrap().kind(), ErrorKind::FileTooLarge);
        assert!(records.kept.len() <= LONGEST_ROW + buffer.len());
    }

    #[test]
    fn line_ends_of_all_kinds() {
        assert_eq!(line_ends(b"a\nb\r\nc\rd\r\r\n"), 5);
        assert_eq!(line_ends(b""), 0);
    }
}
