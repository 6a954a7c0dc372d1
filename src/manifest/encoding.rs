//! Is this UTF-8 text? If not, what is it? Pure: bytes → damage and where it is.

use super::error::Damage;
use super::tape::line_ends;

/// The mark that some programs put before UTF-8 text.
pub(super) const BOM: &[u8] = "\u{feff}".as_bytes();

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

/// Finds what makes bytes no text, and how many line ends come before it. The bytes are from the start of a line on.
pub(super) fn check(bytes: &[u8]) -> Result<(), (u64, Damage)> {
    // `contains` is a fast search, `split` is not, and nearly always there is none.
    let has_nul = bytes.contains(&0);
    let text = if has_nul {
        bytes.split(|&byte| byte == 0).next().unwrap_or_default()
    } else {
        bytes
    };
    match std::str::from_utf8(text) {
        Ok(_) if has_nul => Err((line_ends(text), Damage::Nul)),
        Ok(_) => Ok(()),
        Err(error) => {
            let (before, rest) = text.split_at(error.valid_up_to());
            let is_line_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
            let in_line = before.rsplit(is_line_end).next().unwrap_or_default();
            let damage = Damage::NotUtf8 {
                column: in_line.len() as u64 + 1,
                byte: rest.first().copied().unwrap_or_default(),
            };
            Err((line_ends(before), damage))
        }
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
        assert!(check("a\nü\n".as_bytes()).is_ok());
        for (bytes, line_ends, damage) in [
            (&b"a\nb\r\n\0"[..], 2, "Nul"),
            (b"a\0b", 0, "Nul"),
            (b"a\nM\xFCnchen\n\0", 1, "NotUtf8 { column: 2, byte: 252 }"),
            (b"a\n\xC3", 1, "NotUtf8 { column: 1, byte: 195 }"),
            (b"a\xC3\0", 0, "NotUtf8 { column: 2, byte: 195 }"),
        ] {
            let (line, found) = check(bytes).unwrap_err();
            assert_eq!((line, &*format!("{found:?}")), (line_ends, damage));
        }
    }
}
