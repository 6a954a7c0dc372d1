//! The roster's text, all in one piece: each part behind its length.

/// IDs, each with or without a name behind it.
#[derive(Debug, Default)]
pub(super) struct Texts {
    text: String,
}

impl Texts {
    /// Adds an ID and, where there is one, a name: where they begin. None when 4 GB are full.
    pub(super) fn push(&mut self, id: &str, name: Option<&str>) -> Option<u32> {
        /// Of two lengths of six bytes each.
        const LENGTHS: usize = 12;
        let start = self.text.len();
        let needed = id.len() + name.map_or(0, str::len) + LENGTHS;
        u32::try_from(start + needed).ok()?;
        if self.text.capacity() - start < needed {
            self.text.reserve_exact(needed.max(start / 8));
        }
        for part in [Some(id), name].into_iter().flatten() {
            push_length(&mut self.text, part.len());
            self.text.push_str(part);
        }
        u32::try_from(start).ok()
    }

    /// The part that begins here, and where it ends.
    pub(super) fn read(&self, start: usize) -> Option<(&str, usize)> {
        let (length, start) = read_length(&self.text, start)?;
        let end = start.checked_add(length)?;
        self.text.get(start..end).map(|text| (text, end))
    }

    /// Bytes that are set aside.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.text.capacity()
    }
}

/// Six bits a byte, the lowest first, all bytes but the last odd, and all below 128, so that the text stays UTF-8.
/// Lengths below 64 take one byte.
fn push_length(text: &mut String, mut length: usize) {
    loop {
        let bits = u8::try_from(length & 0x3f).unwrap_or_default() << 1;
        length >>= 6;
        text.push(char::from(bits | u8::from(length > 0)));
        if length == 0 {
            return;
        }
    }
}

fn read_length(text: &str, start: usize) -> Option<(usize, usize)> {
    let mut length = 0;
    let bytes = text.as_bytes().get(start..)?;
    for (count, &byte) in bytes.iter().take(6).enumerate() {
        length |= usize::from(byte >> 1) << (6 * count);
        if byte & 1 == 0 {
            return Some((length, start + count + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_any_size_come_back() {
        for length in [0, 1, 63, 64, 65, 4095, 4096, 1 << 20, u32::MAX as usize] {
            let mut text = String::from("é");
            push_length(&mut text, length);
            assert_eq!(read_length(&text, 2), Some((length, text.len())));
        }
    }

    #[test]
    fn text_of_any_length_comes_back() {
        let mut texts = Texts::default();
        let id = "é".repeat(300);
        let first = texts.push("D1", Some("cam-1")).unwrap() as usize;
        let second = texts.push(&id, None).unwrap() as usize;
        let (text, behind) = texts.read(first).unwrap();
        assert_eq!((text, texts.read(behind).unwrap().0), ("D1", "cam-1"));
        assert_eq!(texts.read(second).unwrap().0, id);
    }
}
