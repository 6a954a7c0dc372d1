//! Where a manifest's text comes from: a buffer that slides over a reader, and the hash of what was read.

use std::io::{self, ErrorKind, Read};

use sha2::{Digest, Sha256};

use super::encoding::{self, Flaw};

/// How much is read at once, in bytes. The buffer grows beyond it only for a longer row.
const CHUNK: usize = 64 * 1024;

/// A buffer over a reader that holds the row at hand. Whether the bytes are text is found out chunk by chunk, which
/// costs next to nothing; what comes before a flaw can still be read.
#[derive(Debug)]
pub(super) struct Source<R> {
    reader: R,
    /// What was read and is not known to be text yet: the first `pending` bytes.
    chunk: Vec<u8>,
    pending: usize,
    text: String,
    from: usize,
    at: u64,
    ended: bool,
    flaw: Option<Flaw>,
}

/// Why there is no more text although the end was not reached.
#[derive(Debug)]
pub(super) enum Stop {
    /// The reader failed.
    Io(io::Error),
    /// What comes behind the text is none.
    Flaw(Flaw),
}

impl<R> Source<R> {
    /// `at` is how many bytes came before the reader's first.
    pub(super) fn new(reader: R, at: u64) -> Self {
        Self {
            reader,
            chunk: vec![0; CHUNK],
            pending: 0,
            text: String::new(),
            from: 0,
            at,
            ended: false,
            flaw: None,
        }
    }

    /// What was read and not yet consumed.
    pub(super) fn text(&self) -> &str {
        self.text.get(self.from..).unwrap_or_default()
    }

    /// Where [`Source::text`] begins, in bytes.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Whether nothing comes behind [`Source::text`].
    pub(super) fn has_ended(&self) -> bool {
        self.ended && self.flaw.is_none()
    }

    /// Steps over text. It stays readable by [`Source::consumed`] until the next [`Source::fill`].
    pub(super) fn consume(&mut self, length: usize) {
        self.from += length;
        self.at += length as u64;
    }

    /// The last text that was stepped over.
    pub(super) fn consumed(&self, length: usize) -> &str {
        let from = self.from.saturating_sub(length);
        self.text.get(from..self.from).unwrap_or_default()
    }

    /// The bytes that [`Source::read`] gave and [`Source::admit`] has not taken.
    pub(super) fn pending(&self) -> &[u8] {
        &self.chunk[..self.pending]
    }

    pub(super) fn reader(&self) -> &R {
        &self.reader
    }

    /// Makes text of the pending bytes.
    pub(super) fn admit(&mut self) {
        self.text.drain(..self.from);
        self.from = 0;
        let (text, flaw) = encoding::text(&self.chunk[..self.pending]);
        self.text.push_str(text);
        let taken = text.len();
        if matches!(flaw, Some(Flaw::CutOff(_))) && !self.ended {
            self.chunk.copy_within(taken..self.pending, 0);
            self.pending -= taken;
        } else {
            self.pending = 0;
            self.flaw = flaw;
        }
    }
}

impl<R: Read> Source<R> {
    /// Reads on, once: returns when there is more text or no more will come.
    pub(super) fn fill(&mut self) -> Result<(), Stop> {
        if let Some(flaw) = self.flaw {
            return Err(Stop::Flaw(flaw));
        }
        self.read().map_err(Stop::Io)?;
        self.admit();
        Ok(())
    }

    /// Reads once, and leaves it pending.
    pub(super) fn read(&mut self) -> io::Result<()> {
        loop {
            match self.reader.read(&mut self.chunk[self.pending..]) {
                Ok(0) => self.ended = true,
                Ok(length) => self.pending += length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            return Ok(());
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
        // Characters of three bytes, so that chunks end inside them.
        let text = "日本語".repeat(40_000);
        let mut source = Source::new(text.as_bytes(), 7);
        let mut seen = String::new();
        while !source.has_ended() {
            source.fill().unwrap();
            if source.text().len() > 100_000 {
                assert_eq!(source.at(), seen.len() as u64 + 7);
                seen.push_str(&source.text()[..99_999]);
                source.consume(99_999);
                assert_eq!(source.consumed(99_999), &seen[seen.len() - 99_999..]);
            }
        }
        seen.push_str(source.text());
        assert!(seen == text);
        assert!(source.text.capacity() <= 8 * CHUNK);
    }

    #[test]
    fn what_passes_is_hashed_also_when_interrupted() {
        let text = "Größe\n日本".as_bytes();
        let mut source = Source::new(Hashed::new(Drip(text, false)), 0);
        while !source.has_ended() {
            source.fill().unwrap();
        }
        assert_eq!(source.text().as_bytes(), text);
        assert_eq!(source.reader().sha256(), hex(&Sha256::digest(text)));
    }

    #[test]
    fn what_comes_before_a_flaw_can_be_read() {
        for (bytes, expected) in [
            (&b"abc\0d"[..], Flaw::Nul),
            (b"abc\xFFd", Flaw::NotUtf8(0xFF)),
            (b"abc\xE6\x97", Flaw::CutOff(0xE6)),
        ] {
            let mut source = Source::new(bytes, 0);
            let flaw = loop {
                match source.fill() {
                    Ok(()) => assert!(!source.has_ended()),
                    Err(Stop::Flaw(flaw)) => break flaw,
                    Err(Stop::Io(error)) => panic!("{error}"),
                }
            };
            assert_eq!((source.text(), flaw), ("abc", expected));
        }
    }

    #[test]
    fn a_known_hash_in_hexadecimal() {
        assert_eq!(
            hex(&Sha256::digest(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
