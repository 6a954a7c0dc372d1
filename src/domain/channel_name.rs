//! The name of a channel.

use std::fmt;

use super::text::{Invalid, shown};

/// A channel's name: 1 to 256 of `[a-zA-Z0-9_.-]`, unique in an account and Region.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelName(Box<str>);

impl From<ChannelName> for Box<str> {
    fn from(name: ChannelName) -> Self {
        name.0
    }
}

impl ChannelName {
    /// In characters.
    pub const LONGEST: usize = 256;

    /// Validates a name without a copy of it.
    pub fn check(text: &str) -> Result<(), Invalid> {
        if (1..=Self::LONGEST).contains(&text.len()) && text.chars().all(is_allowed) {
            return Ok(());
        }
        Err(Self::flaw(text))
    }

    /// The error of an invalid name.
    fn flaw(text: &str) -> Invalid {
        if text.is_empty() {
            return Invalid::new("the channel name is empty");
        }
        if let Some(odd) = text.chars().find(|c| !is_allowed(*c)) {
            return Invalid::new(format!(
                "the channel name {} contains {}; allowed are letters a-z A-Z, digits, '_', '.' and '-'",
                shown(text),
                shown(odd.encode_utf8(&mut [0; 4])),
            ));
        }
        Invalid::new(format!(
            "the channel name {} has {} characters; at most {} are allowed",
            shown(text),
            text.len(),
            Self::LONGEST
        ))
    }

    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }

    /// A name that [`ChannelName::check`] has passed.
    pub(crate) fn checked(text: &str) -> Self {
        debug_assert_eq!(Self::check(text), Ok(()));
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_allowed(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '-')
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::text::reason;

    #[test]
    fn names_within_the_limits_are_valid() {
        for name in ["a", "DEVICE_1", "a.b-c_9", &"x".repeat(256)] {
            assert_eq!(ChannelName::parse(name).unwrap().as_str(), name);
        }
        assert_eq!(reason(ChannelName::parse("")), "the channel name is empty");
        assert_eq!(
            reason(ChannelName::parse("Halle 3")),
            "the channel name 'Halle 3' contains ' '; allowed are letters a-z A-Z, digits, '_', '.' and '-'"
        );
        assert!(reason(ChannelName::parse("Gerät")).contains("contains 'ä'"));
        assert!(reason(ChannelName::parse("a\0")).contains(r"contains '\u{0}'"));
        assert_eq!(
            reason(ChannelName::parse(&"x".repeat(257))),
            format!(
                "the channel name '{}…' has 257 characters; at most 256 are allowed",
                "x".repeat(60)
            )
        );
    }
}
