//! A tag of a channel.

use std::sync::LazyLock;

use regex::Regex;

use super::text::{Invalid, shown};

/// A tag: key of 1 to 128 characters, not starting with `aws:`; value of 0 to 256; letters and digits
/// of any script, spaces and `_.:/=+-@` only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag {
    key: Box<str>,
    value: Box<str>,
}

impl Tag {
    /// The most tags that a channel may have.
    pub const MOST: usize = 50;

    /// Whether the text is a valid tag key.
    pub(crate) fn check_key(key: &str) -> Result<(), Invalid> {
        let length = key.chars().count();
        if !(1..=128).contains(&length) {
            return Err(Invalid::new(format!(
                "the tag key {} has {length} characters; it must have 1 to 128",
                shown(key)
            )));
        }
        if key
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
        {
            return Err(Invalid::new(format!(
                "the tag key {} starts with 'aws:', which is reserved",
                shown(key)
            )));
        }
        check_tag_text("key", key)
    }

    /// Whether the text is a valid tag value.
    pub(crate) fn check_value(value: &str) -> Result<(), Invalid> {
        let length = value.chars().count();
        if length > 256 {
            return Err(Invalid::new(format!(
                "the tag value {} has {length} characters; at most 256 are allowed",
                shown(value)
            )));
        }
        check_tag_text("value", value)
    }

    pub fn new(key: &str, value: &str) -> Result<Self, Invalid> {
        Self::check_key(key)?;
        Self::check_value(value)?;
        Ok(Self {
            key: key.into(),
            value: value.into(),
        })
    }

    /// A tag whose parts have passed [`Tag::check_key`] and [`Tag::check_value`].
    pub(crate) fn checked(key: &str, value: &str) -> Self {
        debug_assert_eq!(Self::check_key(key), Ok(()));
        debug_assert_eq!(Self::check_value(value), Ok(()));
        Self {
            key: key.into(),
            value: value.into(),
        }
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    /// May be empty.
    pub fn value(&self) -> &str {
        &self.value
    }
}

fn check_tag_text(part: &str, text: &str) -> Result<(), Invalid> {
    // The model's pattern: ^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$
    static BEYOND_ASCII: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^[\p{L}\p{Z}\p{N}]$").ok());
    let is_allowed = |character: &char| {
        if character.is_ascii() {
            return character.is_ascii_alphanumeric() || " _.:/=+-@".contains(*character);
        }
        let beyond = BEYOND_ASCII.as_ref();
        beyond.is_some_and(|class| class.is_match(character.encode_utf8(&mut [0; 4])))
    };
    match text.chars().find(|character| !is_allowed(character)) {
        None => Ok(()),
        Some(odd) => Err(Invalid::new(format!(
            "the tag {part} {} contains {}; allowed are letters, digits, spaces and _.:/=+-@",
            shown(text),
            shown(odd.encode_utf8(&mut [0; 4])),
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::text::reason;

    #[test]
    fn keys_within_the_limits_are_valid() {
        for key in ["Site", "Größe", "日本 語", "a_.:/=+-@9", &"ü".repeat(128)] {
            assert_eq!(Tag::check_key(key), Ok(()), "{key}");
        }
        assert_eq!(
            reason(Tag::check_key("")),
            "the tag key '' has 0 characters; it must have 1 to 128"
        );
        assert!(reason(Tag::check_key(&"ü".repeat(129))).contains("has 129 characters"));
        assert_eq!(
            reason(Tag::check_key("AWS:x")),
            "the tag key 'AWS:x' starts with 'aws:', which is reserved"
        );
        assert!(reason(Tag::check_key("a,b")).contains("contains ','"));
    }

    #[test]
    fn values_match_the_models_pattern() {
        for value in [
            "",
            "Halle 3",
            "a_.:/=+-@9",
            "Ünï",
            "½ Ⅷ",
            "\u{a0}\u{3000}",
            &"é".repeat(256),
        ] {
            assert_eq!(Tag::check_value(value), Ok(()), "{value:?}");
        }
        // Marks (as in decomposed letters), controls, symbols and punctuation are not in the pattern's classes.
        for value in [
            "e\u{301}", "\u{93f}", "a\tb", "a\nb", "\u{85}", "€", "a&b", "🙂", "\u{200b}",
        ] {
            let reason = reason(Tag::check_value(value));
            assert!(
                reason.contains("; allowed are letters, digits, spaces and _.:/=+-@"),
                "{value:?}: {reason}"
            );
        }
        assert_eq!(
            reason(Tag::check_value("50%")),
            "the tag value '50%' contains '%'; allowed are letters, digits, spaces and _.:/=+-@"
        );
        assert_eq!(
            reason(Tag::check_value(&"x".repeat(257))),
            format!(
                "the tag value '{}…' has 257 characters; at most 256 are allowed",
                "x".repeat(60)
            )
        );
    }
}
