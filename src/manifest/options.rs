//! What the command line says about a manifest, and the texts of its flags.

use std::fmt;

use regex::Regex;

use super::error::ManifestError;
use crate::domain::device::{AccountId, MessageTtl, Region, Tag, shown};
use crate::domain::template::Template;

/// How a manifest is to be read.
#[derive(Debug, Clone)]
pub struct Options {
    /// The column that holds the device's ID (`--id-column`).
    pub id_column: String,
    /// The channel's name where no cell gives it (`--channel-name`).
    pub channel_name: Template,
    /// The message TTL where no cell gives it (`--message-ttl`); none leaves it to the service.
    pub message_ttl: Option<MessageTtl>,
    /// Tags for all channels, key and value (`--tag`); a cell of the column `tag:KEY` wins where it is not empty.
    pub tags: Vec<(Box<str>, Template)>,
    /// The delimiter (`--delimiter`); none has it found from the header.
    pub delimiter: Option<u8>,
    /// What every device's ID must look like (`--id-pattern`).
    pub id_pattern: Option<IdPattern>,
    /// The Region of rows that name none. Without it such rows are invalid.
    pub region: Option<Region>,
    /// The accounts that rows may name (`--account`); an empty list allows all.
    pub allowed_accounts: Vec<AccountId>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            id_column: "device_id".into(),
            channel_name: Template::default(),
            message_ttl: None,
            tags: Vec::new(),
            delimiter: None,
            id_pattern: None,
            region: None,
            allowed_accounts: Vec::new(),
        }
    }
}

impl Options {
    /// Whether a template uses the column of this name.
    pub(super) fn templates_use(&self, column: &str) -> bool {
        let tags = self.tags.iter().map(|(_, template)| template);
        std::iter::once(&self.channel_name)
            .chain(tags)
            .any(|template| template.uses(column))
    }

    /// Whether the flags can be used with any manifest at all. Reading one checks this first.
    pub fn validate(&self) -> Result<(), ManifestError> {
        if self.id_column.trim().is_empty() {
            return Err(ManifestError::flag(
                "--id-column",
                "the name is empty; expected a column's name",
            ));
        }
        if self.channel_name.uses("channel_name") && self.id_column.trim() != "channel_name" {
            return Err(ManifestError::flag(
                "--channel-name",
                format!(
                    "the template {} uses {{channel_name}}, which is what it is to yield; expected other columns",
                    shown(self.channel_name.as_str())
                ),
            ));
        }
        if let Some(delimiter) = self.delimiter {
            check_delimiter(delimiter)
                .map_err(|reason| ManifestError::flag("--delimiter", reason))?;
        }
        self.validate_tags()
    }

    fn validate_tags(&self) -> Result<(), ManifestError> {
        if self.tags.len() > Tag::MOST {
            return Err(ManifestError::flag(
                "--tag",
                format!(
                    "{} tags are given; a channel has at most {}",
                    self.tags.len(),
                    Tag::MOST
                ),
            ));
        }
        for (index, (key, _)) in self.tags.iter().enumerate() {
            Tag::check_key(key).map_err(|invalid| {
                ManifestError::flag(format!("--tag {key}"), invalid.to_string())
            })?;
            if self.tags[..index].iter().any(|(other, _)| other == key) {
                return Err(ManifestError::flag(
                    format!("--tag {key}"),
                    "the key is given twice; expected each key once",
                ));
            }
        }
        Ok(())
    }
}

/// What a device's ID must look like: a regular expression that the whole ID must match, as if it stood between `\A`
/// and `\z`. `CAM-\d{6}` matches `CAM-000001`, but neither `CAM-0000012` nor `XCAM-000001`.
#[derive(Debug, Clone)]
pub struct IdPattern {
    text: Box<str>,
    anchored: Regex,
}

impl IdPattern {
    /// Compiles a pattern, in the syntax of the crate `regex`.
    pub fn parse(pattern: &str) -> Result<Self, regex::Error> {
        // Alone first: a pattern such as `a)|(b` must not become valid by the text around it.
        Regex::new(pattern)?;
        Ok(Self {
            text: pattern.into(),
            anchored: Regex::new(&format!(r"\A(?:{pattern})\z"))?,
        })
    }

    /// Whether the whole ID matches.
    #[must_use]
    pub fn matches(&self, device_id: &str) -> bool {
        self.anchored.is_match(device_id)
    }
}

impl fmt::Display for IdPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether a byte can be between two cells.
#[must_use]
pub fn is_delimiter(byte: u8) -> bool {
    byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n' | 0)
}

fn check_delimiter(delimiter: u8) -> Result<(), String> {
    if is_delimiter(delimiter) {
        Ok(())
    } else {
        Err(format!(
            "byte 0x{delimiter:02X} cannot delimit cells; expected one ASCII character other than a quote or a line end"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(options: &Options) -> String {
        options.validate().unwrap_err().to_string()
    }

    fn tagged(keys: impl IntoIterator<Item = String>) -> Options {
        Options {
            tags: keys
                .into_iter()
                .map(|key| (key.into(), Template::default()))
                .collect(),
            ..Options::default()
        }
    }

    #[test]
    fn the_pattern_must_match_the_whole_id() {
        let pattern = IdPattern::parse(r"CAM-\d{2}|X").unwrap();
        assert!(pattern.matches("CAM-01"));
        assert!(pattern.matches("X"));
        for other in ["CAM-012", "YCAM-01", "CAM-01\n", "XX", ""] {
            assert!(!pattern.matches(other), "{other:?}");
        }
        // Leftmost-first would stop at `a`; the whole ID counts.
        assert!(IdPattern::parse("a|ab").unwrap().matches("ab"));
        // Line anchors inside do not loosen the outer ones.
        assert!(!IdPattern::parse("(?m)^a$").unwrap().matches("b\na"));
    }

    #[test]
    fn a_pattern_must_be_sound_by_itself() {
        assert!(IdPattern::parse("a)|(b").is_err());
        assert!(IdPattern::parse("(").is_err());
    }

    #[test]
    fn flags_that_no_manifest_can_meet_are_refused() {
        assert!(Options::default().validate().is_ok());
        let itself = Options {
            channel_name: Template::parse("x-{channel_name}").unwrap(),
            ..Options::default()
        };
        assert_eq!(
            refused(&itself),
            "--channel-name: the template 'x-{channel_name}' uses {channel_name}, which is what it is to yield; \
             expected other columns"
        );
        assert_eq!(
            refused(&tagged(["Site".into(), "Site".into()])),
            "--tag Site: the key is given twice; expected each key once"
        );
        assert_eq!(
            refused(&tagged(["a!".into()])),
            "--tag a!: the tag key 'a!' contains '!'; allowed are letters, digits, spaces and _.:/=+-@"
        );
        assert_eq!(
            refused(&tagged((0..51).map(|n| n.to_string()))),
            "--tag: 51 tags are given; a channel has at most 50"
        );
        let blank = Options {
            id_column: " ".into(),
            ..Options::default()
        };
        assert_eq!(
            refused(&blank),
            "--id-column: the name is empty; expected a column's name"
        );
        let quote = Options {
            delimiter: Some(b'"'),
            ..Options::default()
        };
        assert!(refused(&quote).starts_with("--delimiter: byte 0x22 cannot delimit cells"));
    }
}
