//! What IAM and STS accept for an assumed role: its ARN, the external ID, the session's name.

use super::account::AccountId;

/// The account of a role's ARN, `arn:PARTITION:iam::ACCOUNT:role/NAME`; none where the text is no such ARN.
pub fn role_account(arn: &str) -> Option<AccountId> {
    /// The longest path and name.
    const LONGEST: usize = 512 + 64;
    let (partition, rest) = arn.strip_prefix("arn:")?.split_once(':')?;
    let (account, name) = rest.strip_prefix("iam::")?.split_once(":role/")?;
    let is_partition = partition.starts_with("aws")
        && partition
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let is_name = name.len() <= LONGEST
        && name
            .split('/')
            .all(|part| !part.is_empty() && part.chars().all(is_word));
    AccountId::parse(account)
        .ok()
        .filter(|_| is_partition && is_name)
}

pub fn is_external_id(text: &str) -> bool {
    (2..=1_224).contains(&text.len()) && text.chars().all(|c| is_word(c) || ":/".contains(c))
}

pub fn is_session_name(text: &str) -> bool {
    (2..=64).contains(&text.len()) && text.chars().all(is_word)
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_+=,.@-".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_has_an_account() {
        for arn in [
            "arn:aws:iam::111122223333:role/kvs-fleet",
            "arn:aws-us-gov:iam::111122223333:role/a/path/kvs+fleet@x",
        ] {
            let account = role_account(arn).unwrap();
            assert_eq!(account.as_str(), "111122223333", "{arn}");
        }
        for text in [
            "",
            "kvs-fleet",
            "arn:aws:iam::111122223333:user/kvs-fleet",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:iam::111122223333:role//x",
            "arn:aws:iam::111122223333:role/a b",
            "arn:aws:iam::11112222333:role/kvs-fleet",
            "arn:aws:iam:eu-west-1:111122223333:role/kvs-fleet",
            "arn:aws:sts::111122223333:assumed-role/kvs-fleet/x",
            "arn:AWS:iam::111122223333:role/kvs-fleet",
        ] {
            assert_eq!(role_account(text), None, "{text}");
        }
    }

    #[test]
    fn ids_and_names_have_limits() {
        assert!(is_external_id("fleet:111122223333/x"));
        assert!(!is_external_id("x") && !is_external_id("a b") && !is_external_id(""));
        assert!(is_session_name("kvs-fleet") && is_session_name(&"x".repeat(64)));
        for text in ["x", "a/b", "a b", "", &"x".repeat(65)] {
            assert!(!is_session_name(text), "{text}");
        }
    }
}
