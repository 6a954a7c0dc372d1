//! Is this UTF-8 text? If not, what is it? Pure: bytes → damage and where it is.

use super::cells::line_ends;
use super::error::Damage;

/// The mark that some programs put before UTF-8 text.
pub(super) const BOM: char = '\u{feff}';

/// What the first bytes of a manifest tell, when they tell that it is no UTF-8 text. Sixty-four are enough.
pub(super) fn alien(start: &[u8]) -> Option<Damage> {
    match start {
        [0xFF, 0xFE, 0, 0, ..] => return Some(Damage::Wide("UTF-32 (little endian)")),
        [0, 0, 0xFE, 0xFF, ..] => return Some(Damage::Wide("UTF-32 (big endian)")),
        [0xFF, 0xFE, ..] => return Some(Damage::Wide("UTF-16 (little endian)")),
        [0xFE, 0xFF, ..] => return Some(Damage::Wide("UTF-16 (big endian)")),
        [b'P', b'K', 3, 4, ..] => return Some(Damage::Workbook),
        _ => {}
    }
    // UTF-16 without a mark: Latin letters with a NUL before or behind each.
    let start = &start[..start.len().min(64) & !1];
    let is_nul = |byte: &&u8| **byte == 0;
    let even = start.iter().step_by(2).filter(is_nul).count();
    let odd = start.iter().skip(1).step_by(2).filter(is_nul).count();
    match start.len() / 2 {
        pairs @ 2.. if odd > pairs / 2 && even == 0 => Some(Damage::Wide("UTF-16 (little endian)")),
        pairs @ 2.. if even > pairs / 2 && odd == 0 => Some(Damage::Wide("UTF-16 (big endian)")),
        _ => None,
    }
}

/// Why bytes are no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// A NUL byte.
    Nul,
    /// This byte is not UTF-8 where it stands.
    NotUtf8(u8),
    /// As [`Flaw::NotUtf8`], where the bytes end inside a character: more of them could mend it.
    CutOff(u8),
}

impl Flaw {
    /// The damage, and how many line ends come before it. `before` is the text before the flaw, from the start of a
    /// line on.
    pub(super) fn damage(self, before: &[u8]) -> (u64, Damage) {
        let in_line = before
            .iter()
            .rev()
            .take_while(|byte| !matches!(byte, b'\n' | b'\r'))
            .count();
        let damage = match self {
            Self::Nul => Damage::Nul,
            Self::NotUtf8(byte) | Self::CutOff(byte) => Damage::NotUtf8 {
                column: in_line as u64 + 1,
                byte,
            },
        };
        (line_ends(before), damage)
    }
}

/// The text that the bytes begin with, and what ends it before their end.
pub(super) fn text(bytes: &[u8]) -> (&str, Option<Flaw>) {
    let (bytes, nul) = before_nul(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => (text, nul),
        Err(error) => {
            let (valid, rest) = bytes.split_at(error.valid_up_to());
            let text = std::str::from_utf8(valid).unwrap_or_default();
            let byte = rest.first().copied().unwrap_or_default();
            match error.error_len() {
                None if nul.is_none() => (text, Some(Flaw::CutOff(byte))),
                _ => (text, Some(Flaw::NotUtf8(byte))),
            }
        }
    }
}

/// A whole file's text, without a copy; else the damage and how many line ends come before it.
pub(super) fn string(bytes: Vec<u8>) -> Result<String, (u64, Damage)> {
    let (before, nul) = before_nul(&bytes);
    if nul.is_some() {
        let (text, flaw) = text(before);
        return Err(flaw.unwrap_or(Flaw::Nul).damage(text.as_bytes()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let (before, rest) = error.as_bytes().split_at(valid);
        Flaw::NotUtf8(rest.first().copied().unwrap_or_default()).damage(before)
    })
}

fn before_nul(bytes: &[u8]) -> (&[u8], Option<Flaw>) {
    // `contains` is a fast search, `split` is not, and nearly always there is none.
    if bytes.contains(&0) {
        let before = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
        (before, Some(Flaw::Nul))
    } else {
        (bytes, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(order).collect()
    }

    fn named(bytes: &[u8]) -> Option<&'static str> {
        match alien(bytes) {
            Some(Damage::Wide(name)) => Some(name),
            Some(other) => panic!("{other}"),
            None => None,
        }
    }

    #[test]
    fn wide_encodings_are_named() {
        let text = "device_id,Gerät\nCAM-1,日本\n";
        let little = utf16(text, u16::to_le_bytes);
        let big = utf16(text, u16::to_be_bytes);
        assert_eq!(named(&little), Some("UTF-16 (little endian)"));
        assert_eq!(named(&big), Some("UTF-16 (big endian)"));
        let marked = utf16(&format!("\u{feff}{text}"), u16::to_le_bytes);
        assert_eq!(named(&marked), Some("UTF-16 (little endian)"));
        let marked = utf16(&format!("\u{feff}{text}"), u16::to_be_bytes);
        assert_eq!(named(&marked), Some("UTF-16 (big endian)"));
        let wider: Vec<u8> = "\u{feff}a"
            .chars()
            .flat_map(|c| u32::from(c).to_le_bytes())
            .collect();
        assert_eq!(named(&wider), Some("UTF-32 (little endian)"));
        assert_eq!(named(b"\0\0\xFE\xFF"), Some("UTF-32 (big endian)"));
    }

    #[test]
    fn text_is_not_alien_and_a_workbook_is() {
        for text in ["", "a", "ab", "device_id,serial\n1,2", "\u{feff}device_id"] {
            assert_eq!(named(text.as_bytes()), None, "{text:?}");
        }
        // A NUL here and there is damage of another kind.
        assert_eq!(named(b"device_id\nCAM\x00-1\nCAM-2\n"), None);
        assert!(matches!(alien(b"PK\x03\x04\x14\0"), Some(Damage::Workbook)));
    }

    #[test]
    fn flaws_are_found() {
        assert_eq!(text("a\nü".as_bytes()), ("a\nü", None));
        assert_eq!(text(b"a\0b"), ("a", Some(Flaw::Nul)));
        assert_eq!(text(b"M\xFCnchen"), ("M", Some(Flaw::NotUtf8(0xFC))));
        assert_eq!(text(b"a\xC3"), ("a", Some(Flaw::CutOff(0xC3))));
        assert_eq!(text(b"a\xC3\0"), ("a", Some(Flaw::NotUtf8(0xC3))));
        for (bytes, line_ends, damage) in [
            (&b"a\nb\r\n\0"[..], 2, "Nul"),
            (b"a\nM\xFCnchen\n\0", 1, "NotUtf8 { column: 2, byte: 252 }"),
            (b"a\n\xC3", 1, "NotUtf8 { column: 1, byte: 195 }"),
        ] {
            let (line, found) = string(bytes.to_vec()).unwrap_err();
            assert_eq!((line, &*format!("{found:?}")), (line_ends, damage));
        }
        assert_eq!(string("ü\n".into()).unwrap(), "ü\n");
    }
}
