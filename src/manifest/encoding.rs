//! Is this UTF-8 text? Pure: bytes → damage and where it is.

use super::error::Damage;
use super::record_buffer::line_ends;

/// The mark that some programs put before UTF-8 text.
pub(super) const BOM: &[u8] = "\u{feff}".as_bytes();

/// Finds what makes bytes no text, and how many line ends come before it. The bytes are from the start of a line on.
pub(super) fn check(bytes: &[u8]) -> Result<(), (u64, Damage)> {
    // `contains` is a fast search, `split` is not, and nearly all files have no NUL byte.
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
