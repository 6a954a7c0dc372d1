//! Credentials in the words of a server that repeats what it was sent, as debugging proxies do.

/// What stands in their place.
const WITHHELD: &str = "[withheld]";

/// Names before a value that is a credential: the headers of a signed request, and their spellings in a query.
const NAMES: [&str; 3] = ["x-amz-security-token", "credential", "authorization"];

/// Replaces the words of a text that hold credentials.
pub(super) fn withhold(words: &mut [&str]) {
    let mut follows = false;
    for word in words {
        let is_named = is_named(word);
        // `Authorization: AWS4-HMAC-SHA256 Credential=…`: the scheme is no secret, the next word has a name of its own.
        let is_scheme = word.starts_with("AWS4-");
        if is_named || (follows && !is_scheme) || holds_key(word) {
            follows = is_named && word.ends_with([':', '=']);
            *word = WITHHELD;
        } else {
            follows = follows && is_scheme;
        }
    }
}

fn is_named(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    NAMES.iter().any(|name| {
        let value = word
            .split_once(name)
            .map(|(_, rest)| rest.trim_start_matches(['"', '\'']));
        value.is_some_and(|value| value.starts_with([':', '=']))
    })
}

/// Whether there is an access key's ID in the word: `AKIA` or `ASIA` and sixteen capitals and digits.
fn holds_key(word: &str) -> bool {
    let runs = word.split(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit());
    runs.filter(|run| run.len() >= 16)
        .any(|run| run.starts_with("AKIA") || run.starts_with("ASIA"))
}

#[cfg(test)]
mod tests {
    use crate::service::classify::message_text;

    #[test]
    fn what_repeats_the_request_keeps_its_credentials_to_itself() {
        for (said, told) in [
            (
                "blocked: x-amz-security-token: IQoJb3JpZ2lu host: kinesisvideo",
                "blocked: [withheld] [withheld] host: kinesisvideo",
            ),
            (
                "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/2026/kinesisvideo, SignedHeaders=host",
                "[withheld] AWS4-HMAC-SHA256 [withheld] SignedHeaders=host",
            ),
            (
                r#"{"X-Amz-Security-Token":"IQoJb3JpZ2lu","Host":"h"}"#,
                "[withheld]",
            ),
            (
                "/?X-Amz-Security-Token=IQoJ&x=1 refused",
                "[withheld] refused",
            ),
            (
                "no such key 'ASIAIOSFODNN7EXAMPLE'",
                "no such key [withheld]",
            ),
            (
                "the secret is out: IAM says AKIA",
                "the secret is out: IAM says AKIA",
            ),
            (
                "Authorization header requires 'Credential' parameter",
                "Authorization header requires 'Credential' parameter",
            ),
        ] {
            assert_eq!(&*message_text(said), told);
        }
    }
}
