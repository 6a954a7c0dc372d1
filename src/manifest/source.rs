//! Where a manifest's bytes come from: a buffer that slides over a reader, and the hash of what was read.

use std::io::{self, ErrorKind, Read};

use sha2::{Digest, Sha256};

/// How much is read at once, in bytes. The buffer grows beyond it only for a longer row.
const CHUNK: usize = 64 * 1024;

/// A buffer over a reader that holds the row at hand.
#[derive(Debug)]
pub(super) struct Source<R> {
    reader: R,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
    at: u64,
    ended: bool,
}

impl<R> Source<R> {
    /// `at` is how many bytes came before the reader's first.
    pub(super) fn new(reader: R, at: u64) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            from: 0,
            to: 0,
            at,
            ended: false,
        }
    }

    /// What was read and not yet consumed.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.from..self.to]
    }

    /// Where [`Source::bytes`] begin.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Whether nothing comes behind [`Source::bytes`].
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Steps over bytes. They stay readable by [`Source::consumed`] until the next [`Source::fill`].
    pub(super) fn consume(&mut self, length: usize) {
        self.from += length;
        self.at += length as u64;
    }

    /// The last bytes that were stepped over.
    pub(super) fn consumed(&self, length: usize) -> &[u8] {
        &self.buffer[self.from - length..self.from]
    }

    pub(super) fn reader(&self) -> &R {
        &self.reader
    }
}

impl<R: Read> Source<R> {
    /// Reads on, once: returns when something came or nothing more will.
    pub(super) fn fill(&mut self) -> io::Result<()> {
        if self.to == self.buffer.len() {
            self.make_room();
        }
        loop {
            match self.reader.read(&mut self.buffer[self.to..]) {
                Ok(0) => self.ended = true,
                Ok(length) => self.to += length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            return Ok(());
        }
    }

    fn make_room(&mut self) {
        self.buffer.copy_within(self.from..self.to, 0);
        self.to -= self.from;
        self.from = 0;
        if self.buffer.len() - self.to < CHUNK {
            // Doubling, so that a long row is moved a few times only.
            let length = (self.buffer.len() * 2).max(CHUNK);
            self.buffer.resize(length, 0);
        }
    }
}

/// A reader that hashes what passes through it.
#[derive(Debug)]
pub struct Hashed<R> {
    reader: R,
    hasher: Sha256,
}

impl<R> Hashed<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            hasher: Sha256::new(),
        }
    }

    /// The SHA-256 of what was read so far, in hexadecimal.
    pub(super) fn sha256(&self) -> String {
        hex(&self.hasher.clone().finalize())
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.hasher.update(&buffer[..length]);
        Ok(length)
    }
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    bytes
        .iter()
        .flat_map(|byte| {
            [
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]
        })
        .collect()
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
            let length = buffer.len().min(3).min(self.0.len());
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    #[test]
    fn the_buffer_slides_and_grows() {
        let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
        let mut source = Source::new(bytes.as_slice(), 0);
        let mut seen = Vec::new();
        while !source.has_ended() {
            source.fill().unwrap();
            if source.bytes().len() > 100_000 {
                assert_eq!(source.at(), seen.len() as u64);
                seen.extend_from_slice(&source.bytes()[..99_999]);
                source.consume(99_999);
                assert_eq!(source.consumed(99_999), &seen[seen.len() - 99_999..]);
            }
        }
        seen.extend_from_slice(source.bytes());
        assert_eq!(seen, bytes);
        assert!(source.buffer.len() <= 4 * CHUNK, "{}", source.buffer.len());
    }

    #[test]
    fn what_passes_is_hashed_also_when_interrupted() {
        let mut source = Source::new(Hashed::new(Drip(b"abc\nde", false)), 0);
        while !source.has_ended() {
            source.fill().unwrap();
        }
        assert_eq!(source.bytes(), b"abc\nde");
        assert_eq!(source.reader().sha256(), hex(&Sha256::digest(b"abc\nde")));
    }

    #[test]
    fn a_known_hash_in_hexadecimal() {
        assert_eq!(
            hex(&Sha256::digest(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
