//! The message TTL of a channel.

use super::text::{Invalid, shown};

/// How long a channel keeps an undelivered message: 5 to 120 seconds. The service's default is 60.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageTtl(u8);

impl MessageTtl {
    pub fn from_secs(seconds: i64) -> Result<Self, Invalid> {
        match u8::try_from(seconds) {
            Ok(seconds @ 5..=120) => Ok(Self(seconds)),
            _ => Err(Invalid::new(format!(
                "the message TTL is {seconds}; it must be 5 to 120 seconds"
            ))),
        }
    }

    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match whole_number(text.trim()).parse() {
            Ok(seconds) => Self::from_secs(seconds),
            Err(_) => Err(Invalid::new(format!(
                "the message TTL is {}; it must be a whole number of seconds, 5 to 120",
                shown(text)
            ))),
        }
    }

    pub fn as_secs(self) -> u8 {
        self.0
    }
}

/// The number without a fraction of zeros: some programs write `30` as `30.0`.
fn whole_number(text: &str) -> &str {
    let fraction = text.rsplit_once(['.', ',']);
    match fraction {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => {
            whole
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::text::reason;

    #[test]
    fn ttls_of_5_to_120_seconds_are_valid() {
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
}
