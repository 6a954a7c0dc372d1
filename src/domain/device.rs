//! Validated values: a name, tag, TTL, Region, account or ARN that exists cannot be wrong later.
//!
//! The limits are the service's own (service model `kinesisvideo/2017-09-30`). This module knows nothing of CSV, of
//! the network or of results: it turns text into values, or says why it cannot.

use std::fmt;
use std::sync::{Arc, LazyLock};

use regex::Regex;

/// Which bytes are ASCII letters, digits or among `others`: millions of names are checked by it.
const fn table(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut index = 0;
    while index < others.len() {
        table[others[index] as usize] = true;
        index += 1;
    }
    table
}

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
    let end = text.char_indices().nth(LONGEST).map(|(end, _)| end);
    let more = if end.is_some() { "…" } else { "" };
    let start = end.and_then(|end| text.get(..end)).unwrap_or(text);
    format!("'{}{more}'", visible(start))
}

/// A text with its control characters, and others that cannot be seen, spelt out: `\u{202e}`.
#[must_use]
pub fn visible(text: &str) -> String {
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

/// Characters that cannot be seen, look like a plain space, or change how their neighbours look (bidirectional
/// controls): in an ID they are nearly always an accident.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{a0}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

/// A channel's name: 1 to 256 of `[a-zA-Z0-9_.-]`, unique in an account and Region.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelName(Box<str>);

impl From<ChannelName> for Box<str> {
    fn from(name: ChannelName) -> Self {
        name.0
    }
}

impl ChannelName {
    /// The longest name, in characters.
    pub const LONGEST: usize = 256;

    /// Whether the text is a valid name, without making one.
    pub fn check(text: &str) -> Result<(), Invalid> {
        const ALLOWED: [bool; 256] = table(b"_.-");
        let is_allowed = |byte: u8| ALLOWED[usize::from(byte)];
        if (1..=Self::LONGEST).contains(&text.len()) && text.bytes().all(is_allowed) {
            return Ok(());
        }
        Err(Self::flaw(text))
    }

    /// What is wrong with a text that is no name.
    fn flaw(text: &str) -> Invalid {
        if text.is_empty() {
            return Invalid::new("the channel name is empty");
        }
        if let Some(odd) = text
            .chars()
            .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')))
        {
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

    /// Validates a name.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }

    /// A name that [`ChannelName::check`] has passed.
    pub(crate) fn checked(text: &str) -> Self {
        debug_assert_eq!(Self::check(text), Ok(()));
        Self(text.into())
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
        match whole_number(text.trim()).parse() {
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

/// A number without a fraction of nothing but zeros: some programs write `30` as `30.0`.
fn whole_number(text: &str) -> &str {
    let fraction = text.rsplit_once(['.', ',']);
    match fraction {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => {
            whole
        }
        _ => text,
    }
}

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
        if value.len() <= 256 && value.bytes().all(is_plain_tag_byte) {
            return Ok(());
        }
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

    /// A tag whose parts [`Tag::check_key`] and [`Tag::check_value`] have passed.
    pub(crate) fn checked(key: &str, value: &str) -> Self {
        debug_assert_eq!(Self::check_key(key), Ok(()));
        debug_assert_eq!(Self::check_value(value), Ok(()));
        Self {
            key: key.into(),
            value: value.into(),
        }
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

fn is_plain_tag_byte(byte: u8) -> bool {
    const ALLOWED: [bool; 256] = table(b" _.:/=+-@");
    ALLOWED[usize::from(byte)]
}

fn check_tag_text(part: &str, text: &str) -> Result<(), Invalid> {
    // The model's pattern: ^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$
    static BEYOND_ASCII: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^[\p{L}\p{Z}\p{N}]$").ok());
    let is_allowed = |character: &char| match u8::try_from(*character) {
        Ok(byte) if byte.is_ascii() => is_plain_tag_byte(byte),
        _ => BEYOND_ASCII
            .as_ref()
            .is_some_and(|class| class.is_match(character.encode_utf8(&mut [0; 4]))),
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

/// An AWS Region's name, such as `eu-central-1`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(Arc<str>);

impl From<Region> for Arc<str> {
    fn from(region: Region) -> Self {
        region.0
    }
}

impl Region {
    /// Validates the form of a Region's name (whether it exists is for the service to say).
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if is_region(text) {
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

/// A short word of lower-case letters, one or more longer ones, and a number of one or two digits.
fn is_region(text: &str) -> bool {
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

/// An AWS account's number: 12 digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(Box<str>);

impl AccountId {
    /// The account of every emulator. AWS gives it to nobody.
    pub const EMULATOR: &'static str = "000000000000";

    /// Validates an account number.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if Self::is_number(text) {
            Ok(Self(text.into()))
        } else {
            Err(Invalid::new(format!(
                "the account {} is not a number of 12 digits",
                shown(text)
            )))
        }
    }

    fn is_number(text: &str) -> bool {
        text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
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
        Self::split(text).filter(Self::is_sound).ok_or_else(|| {
            Invalid::new(format!(
                "{} is not the ARN of a signaling channel",
                shown(text)
            ))
        })
    }

    /// The parts as they stand between the colons and slashes, whatever they are.
    fn split(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix("arn:")?;
        let (partition, rest) = rest.split_once(':')?;
        let rest = rest.strip_prefix("kinesisvideo:")?;
        let (region, rest) = rest.split_once(':')?;
        let (account, rest) = rest.split_once(':')?;
        let rest = rest.strip_prefix("channel/")?;
        let (channel_name, creation) = rest.split_once('/')?;
        Some(Self {
            partition,
            region,
            account,
            channel_name,
            creation_millis: decimal(creation)?,
        })
    }

    fn is_sound(&self) -> bool {
        self.partition.starts_with("aws")
            && self
                .partition
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b == b'-')
            && is_region(self.region)
            && AccountId::is_number(self.account)
            && ChannelName::check(self.channel_name).is_ok()
    }
}

/// A number of up to 19 digits, which always fit. A results file of a million rows has as many of them.
fn decimal(text: &str) -> Option<u64> {
    if !(1..=19).contains(&text.len()) {
        return None;
    }
    text.bytes().try_fold(0, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + u64::from(byte - b'0'))
    })
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

/// The longest device ID, in bytes. The service does not see device IDs, so this limit is the tool's own: a row of the
/// results must stay far below what a repair may cut off.
pub const LONGEST_DEVICE_ID: usize = 1_024;

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

/// The number by which a run knows a device: its place in the table of known devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceIndex(pub(crate) usize);

#[cfg(test)]
mod tests {
    use super::*;

    fn reason<T>(result: Result<T, Invalid>) -> String {
        match result {
            Ok(_) => "valid".to_owned(),
            Err(invalid) => invalid.to_string(),
        }
    }

    #[test]
    fn what_cannot_be_seen_is_shown() {
        assert_eq!(shown("CAM-1"), "'CAM-1'");
        assert_eq!(
            shown("a\u{200b}b\u{a0}\n\u{202e}"),
            r"'a\u{200b}b\u{a0}\n\u{202e}'"
        );
        assert_eq!(shown("Gerät 1"), "'Gerät 1'");
        assert_eq!(shown(&"x".repeat(61)), format!("'{}…'", "x".repeat(60)));
        assert_eq!(shown(&"x".repeat(60)), format!("'{}'", "x".repeat(60)));
    }

    #[test]
    fn channel_names() {
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

    #[test]
    fn message_ttls() {
        assert_eq!(MessageTtl::parse("5").unwrap().as_secs(), 5);
        assert_eq!(MessageTtl::parse(" 120 ").unwrap().as_secs(), 120);
        for (text, shown) in [("4", "4"), ("121", "121"), ("-5", "-5"), ("261", "261")] {
            assert_eq!(
                reason(MessageTtl::parse(text)),
                format!("the message TTL is {shown}; it must be 5 to 120 seconds")
            );
        }
        for text in ["30.0", "30.00", "30,0"] {
            assert_eq!(MessageTtl::parse(text).unwrap().as_secs(), 30, "{text}");
        }
        for text in [
            "",
            "60s",
            "60.5",
            "60.",
            ".0",
            "1e2",
            "99999999999999999999",
            "٦٠",
        ] {
            assert_eq!(
                reason(MessageTtl::parse(text)),
                format!(
                    "the message TTL is '{text}'; it must be a whole number of seconds, 5 to 120"
                )
            );
        }
    }

    #[test]
    fn tag_keys() {
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
    fn tag_values_follow_the_models_pattern() {
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

    #[test]
    fn regions() {
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
                format!("the Region '{name}' has not the form of one, such as 'eu-central-1'")
            );
        }
        assert!(Region::parse(&format!("eu-{}-1", "x".repeat(28))).is_err());
    }

    #[test]
    fn accounts() {
        assert!(AccountId::parse("000000000000").unwrap().is_emulator());
        assert!(!AccountId::parse("123456789012").unwrap().is_emulator());
        for text in [
            "",
            "12345678901",
            "1234567890123",
            "1234-5678-9012",
            "12345678901a",
        ] {
            assert_eq!(
                reason(AccountId::parse(text)),
                format!("the account '{text}' is not a number of 12 digits")
            );
        }
    }

    #[test]
    fn arns_come_apart() {
        let text = "arn:aws-cn:kinesisvideo:cn-north-1:123456789012:channel/DEVICE_1/1700000000123";
        let arn = ChannelArn::parse(text).unwrap();
        assert_eq!(arn.to_string(), text);
        assert_eq!(
            arn.parts(),
            ArnParts {
                partition: "aws-cn",
                region: "cn-north-1",
                account: "123456789012",
                channel_name: "DEVICE_1",
                creation_millis: 1_700_000_000_123,
            }
        );
    }

    #[test]
    fn what_is_no_arn_is_refused() {
        let good = "arn:aws:kinesisvideo:eu-central-1:123456789012:channel/a/1";
        assert!(ChannelArn::parse(good).is_ok());
        for (part, instead) in [
            ("arn:", "arm:"),
            ("aws:", ":"),
            ("kinesisvideo", "kinesis"),
            ("eu-central-1", ""),
            ("eu-central-1", "somewhere"),
            ("123456789012", "12345"),
            ("channel/", "stream/"),
            ("/a/", "//"),
            ("/a/", "/a b/"),
            ("/1", "/"),
            ("/1", "/x"),
            ("/1", "/-1"),
            ("/1", "/1/2"),
            ("/1", "/99999999999999999999"),
        ] {
            let bad = good.replace(part, instead);
            assert_eq!(
                reason(ChannelArn::parse(&bad)),
                format!("{} is not the ARN of a signaling channel", shown(&bad)),
            );
        }
    }
}
