//! The name of an AWS Region.

use std::fmt;
use std::sync::Arc;

use super::text::{Invalid, shown};

/// An AWS Region's name, such as `eu-central-1`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(Arc<str>);

impl From<Region> for Arc<str> {
    fn from(region: Region) -> Self {
        region.0
    }
}

impl Region {
    /// Checks the syntax of a Region name. Only the service knows which Regions exist.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if is_region(text) {
            Ok(Self(text.into()))
        } else {
            Err(Invalid::new(format!(
                "the Region {} is not a valid Region name, such as 'eu-central-1'",
                shown(text)
            )))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A short word of lower-case letters, one or more longer ones, and a number of one or two digits.
pub(super) fn is_region(text: &str) -> bool {
    let is_word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or_default();
    let last = parts.next_back().unwrap_or_default();
    let mut middle = parts.peekable();
    text.len() <= 32
        && (2..=5).contains(&first.len())
        && is_word(first)
        && middle.peek().is_some()
        && middle.all(is_word)
        && (1..=2).contains(&last.len())
        && last.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::text::reason;

    #[test]
    fn names_with_the_syntax_of_a_region_are_valid() {
        for name in [
            "us-east-1",
            "ap-southeast-5",
            "us-gov-west-1",
            "us-isob-east-1",
            "eusc-de-east-1",
            "cn-northwest-1",
        ] {
            assert_eq!(Region::parse(name).unwrap().as_str(), name);
        }
        for name in [
            "",
            "eu",
            "eu-1",
            "eu-central",
            "eu-central-",
            "eu--1",
            "EU-central-1",
            "eu-central-1a",
            "eu central 1",
            "-eu-central-1",
            "eu-central-123",
            "europe-central-1",
            "eu-centrál-1",
        ] {
            assert_eq!(
                reason(Region::parse(name)),
                format!("the Region '{name}' is not a valid Region name, such as 'eu-central-1'")
            );
        }
        assert!(Region::parse(&format!("eu-{}-1", "x".repeat(28))).is_err());
    }
}
