//! Detection of UTF-16 and UTF-32, which this tool does not read, by the first bytes.

/// The number of bytes that are checked if there is no byte order mark.
const HEAD_BYTES: usize = 64;

/// An encoding whose characters have two or four bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wide {
    /// The name in messages.
    pub name: &'static str,
    /// The name for `iconv -f`: with a byte order mark, iconv detects the byte order itself.
    pub iconv: &'static str,
}

/// The encoding of these bytes: by their byte order mark, or by NUL bytes between Latin letters.
pub fn wide(bytes: &[u8]) -> Option<Wide> {
    const LITTLE: &str = "UTF-16 (little endian)";
    const BIG: &str = "UTF-16 (big endian)";
    let found = |name, iconv| Some(Wide { name, iconv });
    match bytes {
        [0xFF, 0xFE, 0, 0, ..] => return found("UTF-32 (little endian)", "UTF-32"),
        [0, 0, 0xFE, 0xFF, ..] => return found("UTF-32 (big endian)", "UTF-32"),
        [0xFF, 0xFE, ..] => return found(LITTLE, "UTF-16"),
        [0xFE, 0xFF, ..] => return found(BIG, "UTF-16"),
        _ => {}
    }
    let start = bytes.get(..bytes.len().min(HEAD_BYTES) & !1)?;
    let is_nul = |byte: &&u8| **byte == 0;
    let even = start.iter().step_by(2).filter(is_nul).count();
    let odd = start.iter().skip(1).step_by(2).filter(is_nul).count();
    match start.len() / 2 {
        pairs @ 2.. if odd > pairs / 2 && even == 0 => found(LITTLE, "UTF-16LE"),
        pairs @ 2.. if even > pairs / 2 && odd == 0 => found(BIG, "UTF-16BE"),
        _ => None,
    }
}
