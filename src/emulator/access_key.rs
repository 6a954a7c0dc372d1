//! Which account an access key is of. The key itself says so: a key of 12 digits is the account of that number, and a
//! session key holds the number of its role's account, so that another emulator knows it too.

use std::fmt;

use crate::domain::device::AccountId;

/// The start of a temporary access key.
const PREFIX: &str = "ASIA";
/// The digits of a session key.
const DIGITS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const BASE: u64 = 36;
/// Numbers of 12 digits.
const NUMBERS: u64 = 1_000_000_000_000;
/// Session keys with other numbers: 36⁴.
const SERIALS: u64 = 1_679_616;
/// The characters of the account's number, of the serial number, and of the check.
const ACCOUNT_CHARS: usize = 8;
const SERIAL_CHARS: usize = 4;
const CHECK_CHARS: usize = 4;

/// An account's number. Without an allocation, because every request has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountNumber(u64);

impl AccountNumber {
    /// The account of every key that names no other.
    pub const OWN: Self = Self(0);

    /// The number, if the text has 12 digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_number = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().ok().map(Self)).flatten()
    }

    /// The account of an access key.
    pub(super) fn of_key(access_key: &str) -> Self {
        Self::parse(access_key)
            .or_else(|| Self::of_session_key(access_key))
            .unwrap_or(Self::OWN)
    }

    /// The account of a key that [`session_key`] made.
    pub(super) fn of_session_key(access_key: &str) -> Option<Self> {
        let rest = access_key.strip_prefix(PREFIX)?;
        let (account, rest) = rest.split_at_checked(ACCOUNT_CHARS)?;
        let (serial, _check) = rest.split_at_checked(SERIAL_CHARS)?;
        let number = Self(value(account).filter(|number| *number < NUMBERS)?);
        (access_key == session_key(number, value(serial)?)).then_some(number)
    }
}

impl From<&AccountId> for AccountNumber {
    fn from(account: &AccountId) -> Self {
        Self::parse(account.as_str()).unwrap_or(Self::OWN)
    }
}

impl fmt::Display for AccountNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012}", self.0)
    }
}

/// An access key of a session in this account. Sessions with other serial numbers have other keys, up to 36⁴ of them.
pub(super) fn session_key(account: AccountNumber, serial: u64) -> String {
    let serial = serial % SERIALS;
    let mut key = PREFIX.to_owned();
    push(&mut key, account.0, ACCOUNT_CHARS);
    push(&mut key, serial, SERIAL_CHARS);
    push(&mut key, check_of(account.0, serial), CHECK_CHARS);
    key
}

/// A check by which a key of AWS is not taken for a session of the emulator: one in 36⁴ passes.
fn check_of(account: u64, serial: u64) -> u64 {
    // An odd factor, and the upper bits of the product, which depend on all bits of both numbers.
    (account * SERIALS + serial + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

/// Appends the lowest digits of a number.
fn push(key: &mut String, number: u64, digits: usize) {
    for place in (0..digits).rev() {
        let digit = number / BASE.pow(u32::try_from(place).unwrap_or_default()) % BASE;
        key.extend(
            usize::try_from(digit)
                .ok()
                .and_then(|digit| DIGITS.get(digit))
                .map(|digit| char::from(*digit)),
        );
    }
}

/// The number of at most 12 digits that [`push`] wrote.
fn value(text: &str) -> Option<u64> {
    text.bytes().try_fold(0, |value, byte| {
        let digit = DIGITS.iter().position(|digit| *digit == byte)?;
        Some(value * BASE + u64::try_from(digit).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> AccountNumber {
        AccountNumber::parse(text).unwrap()
    }

    #[test]
    fn a_key_of_twelve_digits_is_the_account_of_that_number() {
        assert_eq!(
            AccountNumber::of_key("111122223333").to_string(),
            "111122223333"
        );
        assert_eq!(
            AccountNumber::of_key("000000000012").to_string(),
            "000000000012"
        );
        for key in [
            "",
            "AKID",
            "11112222333",
            "1111222233334",
            "11112222333a",
            "+11112222333",
        ] {
            assert_eq!(AccountNumber::of_key(key), AccountNumber::OWN, "{key}");
        }
    }

    #[test]
    fn a_session_key_looks_temporary_and_is_of_its_roles_account() {
        for account in ["000000000000", "111122223333", "999999999999"] {
            for serial in [0, 1, SERIALS - 1] {
                let key = session_key(number(account), serial);
                assert!(key.starts_with("ASIA") && key.len() == 20, "{key}");
                assert!(
                    key.bytes()
                        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()),
                    "{key}"
                );
                assert_eq!(AccountNumber::of_session_key(&key), Some(number(account)));
            }
        }
        let [one, other] = [1, 2].map(|serial| session_key(number("111122223333"), serial));
        assert_ne!(one, other);
    }

    #[test]
    fn a_temporary_key_of_another_issuer_is_no_session_key() {
        let key = session_key(number("111122223333"), 7);
        for at in PREFIX.len()..key.len() {
            let mut other = key.clone().into_bytes();
            other[at] = if other[at] == b'Q' { b'R' } else { b'Q' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(AccountNumber::of_session_key(&other), None, "{other}");
        }
        for key in [
            "ASIA",
            "ASIAIOSFODNN7EXAMPLE",
            "ASIAÄÄÄÄÄÄÄÄ",
            &key[..19],
            &format!("{key}A"),
        ] {
            assert_eq!(AccountNumber::of_key(key), AccountNumber::OWN, "{key}");
        }
    }
}
