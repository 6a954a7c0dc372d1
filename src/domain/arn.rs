//! The ARN of a channel.

use std::fmt;

use super::account::AccountId;
use super::channel_name::ChannelName;
use super::region::is_region;
use super::text::{Invalid, shown};

/// A channel's ARN: `arn:PARTITION:kinesisvideo:REGION:ACCOUNT:channel/NAME/CREATION_MILLIS`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ChannelArn(Box<str>);

/// The parts of a [`ChannelArn`], borrowed from its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArnParts<'a> {
    /// Such as `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: &'a str,
    pub region: &'a str,
    /// 12 digits.
    pub account: &'a str,
    pub channel_name: &'a str,
    /// In milliseconds since the Unix epoch.
    pub creation_millis: u64,
}

/// What the emulator leaves out of the creation time in its ARNs, in milliseconds.
const EMULATED: u64 = 1_000_000_000_000;

/// The creation time at the end of an emulator's ARN: 13 digits as AWS writes it, but with 0 for the first. No channel of AWS
/// is as old as that says (2001 and before), so that the emulator's channels are recognized in any account.
pub(crate) fn emulated_creation(millis: u64) -> String {
    match millis.checked_sub(EMULATED) {
        Some(rest) if rest < EMULATED => format!("{rest:013}"),
        _ => millis.to_string(),
    }
}

/// Whether the creation time at the end of an ARN is the emulator's.
pub(crate) fn has_emulated_creation(arn: &str) -> bool {
    let end = arn.rsplit_once('/');
    end.is_some_and(|(_, creation)| is_emulated_creation(creation))
}

fn is_emulated_creation(creation: &str) -> bool {
    creation.len() == 13 && creation.starts_with('0')
}

impl<'a> ArnParts<'a> {
    /// Parses an ARN without a copy of it.
    pub fn parse(text: &'a str) -> Result<Self, Invalid> {
        Self::split(text).filter(Self::is_sound).ok_or_else(|| {
            Invalid::new(format!(
                "{} is not the ARN of a signaling channel",
                shown(text)
            ))
        })
    }

    /// The parts between the colons and slashes, not yet checked.
    fn split(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix("arn:")?;
        let (partition, rest) = rest.split_once(':')?;
        let rest = rest.strip_prefix("kinesisvideo:")?;
        let (region, rest) = rest.split_once(':')?;
        let (account, rest) = rest.split_once(':')?;
        let rest = rest.strip_prefix("channel/")?;
        // Rust's parser accepts a leading plus sign.
        let (channel_name, creation) = rest
            .split_once('/')
            .filter(|(_, creation)| !creation.starts_with('+'))?;
        Some(Self {
            partition,
            region,
            account,
            channel_name,
            creation_millis: if is_emulated_creation(creation) {
                creation.parse::<u64>().ok()? + EMULATED
            } else {
                creation.parse().ok()?
            },
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

impl ChannelArn {
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        ArnParts::parse(text)?;
        Ok(Self(text.into()))
    }

    pub fn parts(&self) -> ArnParts<'_> {
        ArnParts::split(&self.0).unwrap_or(ArnParts {
            partition: "",
            region: "",
            account: "",
            channel_name: "",
            creation_millis: 0,
        })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChannelArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::text::reason;

    #[test]
    fn an_arn_is_split_into_its_parts() {
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
    fn the_emulators_arns_are_recognized_in_any_account() {
        let arn = |account: &str, creation: &str| {
            format!("arn:aws:kinesisvideo:eu-central-1:{account}:channel/a/{creation}")
        };
        assert_eq!(emulated_creation(1_700_000_000_123), "0700000000123");
        let emulated = arn("111122223333", "0700000000123");
        assert!(has_emulated_creation(&emulated));
        let parts = ArnParts::parse(&emulated).unwrap();
        assert_eq!(parts.creation_millis, 1_700_000_000_123);
        for creation in ["1700000000123", "1", "0", "00700000000123"] {
            let arn = arn("111122223333", creation);
            assert!(!has_emulated_creation(&arn), "{creation}");
        }
        for text in ["", "0700000000123"] {
            assert!(!has_emulated_creation(text), "{text}");
        }
        // A clock of another century.
        for millis in [5, 2_000_000_000_000] {
            assert_eq!(emulated_creation(millis), millis.to_string());
        }
    }

    #[test]
    fn text_that_is_not_a_channel_arn_is_refused() {
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
