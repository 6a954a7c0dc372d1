//! The number of an AWS account.

use std::fmt;
use std::sync::Arc;

use super::text::{Invalid, shown};

/// An AWS account's number: 12 digits. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(Arc<str>);

impl AccountId {
    /// The emulator's own account: that of every access key that names no other. No AWS account has this number.
    pub const EMULATOR: &'static str = "000000000000";

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

    pub(crate) fn is_number(text: &str) -> bool {
        text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::text::reason;

    #[test]
    fn accounts() {
        assert!(AccountId::parse(AccountId::EMULATOR).is_ok());
        assert!(AccountId::parse("123456789012").is_ok());
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
}
