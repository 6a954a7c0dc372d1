//! Text of values: why a value is invalid, how it is shown in a message, and which characters it may contain.

/// Why a value breaks one of the service's limits. The text says what was found and what is expected; the caller adds
/// the place (file, line, column or flag).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(String);

impl Invalid {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// Text for a message: in quotation marks, with control characters visible, not longer than a line of a terminal.
pub fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let end = text.char_indices().nth(LONGEST).map(|(end, _)| end);
    let more = if end.is_some() { "…" } else { "" };
    let start = end.and_then(|end| text.get(..end)).unwrap_or(text);
    format!("'{}{more}'", visible(start))
}

/// A text with control characters and invisible characters escaped: `\u{202e}`.
pub(crate) fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_invisible(character) {
            visible.extend(character.escape_default());
        } else {
            visible.push(character);
        }
    }
    visible
}

/// Characters that are invisible, look like a space, or change how their neighbours are displayed (bidirectional
/// controls): in an ID they are nearly always a mistake.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{a0}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

/// The reason why a value is invalid, for tests.
#[cfg(test)]
pub(super) fn reason<T>(result: Result<T, Invalid>) -> String {
    result.map_or_else(|invalid| invalid.to_string(), |_| "valid".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_escapes_invisible_characters_and_shortens_long_text() {
        assert_eq!(shown("CAM-1"), "'CAM-1'");
        assert_eq!(
            shown("a\u{200b}b\u{a0}\n\u{202e}"),
            r"'a\u{200b}b\u{a0}\n\u{202e}'"
        );
        assert_eq!(shown("Gerät 1"), "'Gerät 1'");
        assert_eq!(shown(&"x".repeat(61)), format!("'{}…'", "x".repeat(60)));
        assert_eq!(shown(&"x".repeat(60)), format!("'{}'", "x".repeat(60)));
    }
}
