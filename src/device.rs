//! Validated values: a name, tag, TTL, Region, account or ARN that exists cannot be wrong later.
//!
//! The limits are the service's own (service model `kinesisvideo/2017-09-30`). This module knows nothing of CSV, of
//! the network or of results: it turns text into values, or says why it cannot.

use std::fmt;
use std::sync::Arc;

/// Why a value breaks one of the service's limits. The text says what was found and what is expected; the caller
/// adds where (file, line, column or flag).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(String);

impl Invalid {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// Shows text in a message: quoted, control characters visible, never longer than a line of a terminal.
#[must_use]
pub fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown = String::from("'");
    for (index, character) in text.chars().enumerate() {
        if index == LONGEST {
            shown.push('…');
            break;
        }
        if character.is_control() || is_invisible(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown.push('\'');
    shown
}

/// Characters that change how their neighbours look (bidirectional controls, zero-width characters): in an ID they
/// are nearly always an accident, and unseen.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A channel's name: 1 to 256 of `[a-zA-Z0-9_.-]`, unique in an account and Region.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelName(Box<str>);

impl ChannelName {
    /// The longest name, in characters.
    pub const LONGEST: usize = 256;

    /// Whether the text is a valid name, without making one.
    pub fn check(text: &str) -> Result<(), Invalid> {
        if text.is_empty() {
            return Err(Invalid::new("the channel name is empty"));
        }
        if let Some(odd) = text
            .chars()
            .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')))
        {
            return Err(Invalid::new(format!(
                "the channel name {} contains {}; allowed are letters a-z A-Z, digits, '_', '.' and '-'",
                shown(text),
                shown(odd.encode_utf8(&mut [0; 4])),
            )));
        }
        if text.len() > Self::LONGEST {
            return Err(Invalid::new(format!(
                "the channel name {} has {} characters; at most {} are allowed",
                shown(text),
                text.len(),
                Self::LONGEST
            )));
        }
        Ok(())
    }

    /// Validates a name.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How long a channel keeps an undelivered message: 5 to 120 seconds. The service's default is 60.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageTtl(u8);

impl MessageTtl {
    /// Validates a number of seconds.
    pub fn from_secs(seconds: i64) -> Result<Self, Invalid> {
        match u8::try_from(seconds) {
            Ok(seconds @ 5..=120) => Ok(Self(seconds)),
            _ => Err(Invalid::new(format!(
                "the message TTL is {seconds}; it must be 5 to 120 seconds"
            ))),
        }
    }

    /// Validates a number of seconds given as text.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match text.trim().parse() {
            Ok(seconds) => Self::from_secs(seconds),
            Err(_) => Err(Invalid::new(format!(
                "the message TTL is {}; it must be a whole number of seconds, 5 to 120",
                shown(text)
            ))),
        }
    }

    /// The TTL in seconds.
    #[must_use]
    pub fn as_secs(self) -> u8 {
        self.0
    }
}

/// A tag: key of 1 to 128 characters, not starting with `aws:`; value of 0 to 256; letters, digits, white space and
/// `_.:/=+-@` only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag {
    key: Box<str>,
    value: Box<str>,
}

impl Tag {
    /// The most tags that a channel may have.
    pub const MOST: usize = 50;

    /// Whether the text is a valid tag key.
    pub fn check_key(key: &str) -> Result<(), Invalid> {
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
    pub fn check_value(value: &str) -> Result<(), Invalid> {
        let length = value.chars().count();
        if length > 256 {
            return Err(Invalid::new(format!(
                "the tag value {} has {length} characters; at most 256 are allowed",
                shown(value)
            )));
        }
        check_tag_text("value", value)
    }

    /// Validates a tag.
    pub fn new(key: &str, value: &str) -> Result<Self, Invalid> {
        Self::check_key(key)?;
        Self::check_value(value)?;
        Ok(Self {
            key: key.into(),
            value: value.into(),
        })
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The value, perhaps empty.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

fn check_tag_text(part: &str, text: &str) -> Result<(), Invalid> {
    // The model's pattern: ^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$
    let odd = text.chars().find(|c| {
        !(c.is_alphanumeric()
            || matches!(c, '_' | '.' | ':' | '/' | '=' | '+' | '-' | '@')
            || (c.is_whitespace() && !c.is_control()))
    });
    match odd {
        None => Ok(()),
        Some(odd) => Err(Invalid::new(format!(
            "the tag {part} {} contains {}; allowed are letters, digits, spaces and _.:/=+-@",
            shown(text),
            shown(odd.encode_utf8(&mut [0; 4])),
        ))),
    }
}

/// An AWS Region's name, such as `eu-central-1`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(Arc<str>);

impl Region {
    /// Validates the form of a Region's name (whether it exists is for the service to say).
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let mut parts = text.split('-');
        let first = parts.next().unwrap_or_default();
        let last = parts.next_back().unwrap_or_default();
        let lower = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
        let middle: Vec<&str> = parts.collect();
        let well_formed = (2..=5).contains(&first.len())
            && lower(first)
            && !middle.is_empty()
            && middle.iter().all(|part| lower(part))
            && !last.is_empty()
            && last.len() <= 2
            && last.bytes().all(|b| b.is_ascii_digit());
        if well_formed && text.len() <= 32 {
            Ok(Self(text.into()))
        } else {
            Err(Invalid::new(format!(
                "the Region {} has not the form of one, such as 'eu-central-1'",
                shown(text)
            )))
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An AWS account's number: 12 digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(Box<str>);

impl AccountId {
    /// The account of every emulator. AWS gives it to nobody.
    pub const EMULATOR: &'static str = "000000000000";

    /// Validates an account number.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(text.into()))
        } else {
            Err(Invalid::new(format!(
                "the account {} is not a number of 12 digits",
                shown(text)
            )))
        }
    }

    /// Whether this is the account of every emulator.
    #[must_use]
    pub fn is_emulator(&self) -> bool {
        &*self.0 == Self::EMULATOR
    }

    /// The number as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A channel's ARN: `arn:PARTITION:kinesisvideo:REGION:ACCOUNT:channel/NAME/CREATION_MILLIS`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChannelArn(Box<str>);

/// The parts of a [`ChannelArn`], borrowed from its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArnParts<'a> {
    /// `aws`, `aws-cn`, `aws-us-gov`, …
    pub partition: &'a str,
    /// The Region's name.
    pub region: &'a str,
    /// The account's number, 12 digits.
    pub account: &'a str,
    /// The channel's name.
    pub channel_name: &'a str,
    /// When the channel was made, in milliseconds since the Unix epoch.
    pub creation_millis: u64,
}

impl<'a> ArnParts<'a> {
    /// Takes an ARN apart without keeping it.
    pub fn parse(text: &'a str) -> Result<Self, Invalid> {
        Self::split(text).ok_or_else(|| {
            Invalid::new(format!(
                "{} is not the ARN of a signaling channel",
                shown(text)
            ))
        })
    }

    fn split(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix("arn:")?;
        let (partition, rest) = rest.split_once(':')?;
        let rest = rest.strip_prefix("kinesisvideo:")?;
        let (region, rest) = rest.split_once(':')?;
        let (account, rest) = rest.split_once(':')?;
        let rest = rest.strip_prefix("channel/")?;
        let (channel_name, creation) = rest.split_once('/')?;
        let sound = !partition.is_empty()
            && !region.is_empty()
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit())
            && !creation.is_empty()
            && creation.bytes().all(|b| b.is_ascii_digit())
            && ChannelName::check(channel_name).is_ok();
        let creation_millis = creation.parse().ok()?;
        sound.then_some(Self {
            partition,
            region,
            account,
            channel_name,
            creation_millis,
        })
    }
}

impl ChannelArn {
    /// Validates an ARN.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        ArnParts::parse(text)?;
        Ok(Self(text.into()))
    }

    /// The ARN's parts.
    #[must_use]
    pub fn parts(&self) -> ArnParts<'_> {
        ArnParts::split(&self.0).unwrap_or(ArnParts {
            partition: "",
            region: "",
            account: "",
            channel_name: "",
            creation_millis: 0,
        })
    }

    /// The ARN as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChannelArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One camera of the batch and the channel that is asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The device's ID: not empty, otherwise any text.
    pub id: Box<str>,
    /// The channel's name.
    pub channel_name: ChannelName,
    /// The Region the channel is to be in.
    pub region: Region,
    /// The message TTL, where one is asked for.
    pub message_ttl: Option<MessageTtl>,
    /// The tags asked for: at most [`Tag::MOST`], each key once, in the order of the command line and the columns.
    pub tags: Vec<Tag>,
}
