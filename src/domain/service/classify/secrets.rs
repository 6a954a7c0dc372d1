//! Removes credentials from messages of servers that repeat the request, such as debugging proxies.

/// The replacement for credentials.
const WITHHELD: &str = "[withheld]";

/// Names that precede a credential: the headers of a signed request, and their names in a query.
const NAMES: [&str; 3] = ["x-amz-security-token", "credential", "authorization"];

/// Withholds credentials: everything from the first name of one on, because the format of a repeated request is
/// unknown, and words with an access key ID.
pub(super) fn withhold(words: &mut Vec<&str>) {
    if let Some(first) = words.iter().position(|word| is_named(word)) {
        words.truncate(first);
        words.push(WITHHELD);
    }
    for word in words {
        if holds_key(word) {
            *word = WITHHELD;
        }
    }
}

/// Whether a value follows the name of a credential. The service's own `Authorization header requires 'Credential'
/// parameter` has names without values.
fn is_named(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    NAMES.iter().any(|name| {
        word.match_indices(name).any(|(at, _)| {
            let rest = word.get(at + name.len()..).unwrap_or_default();
            rest.trim_start_matches(['"', '\'', '`', '\\', ')', ']', '>'])
                .starts_with([':', '=', ','])
        })
    })
}

/// Whether the word contains an access key ID: `AKIA` or `ASIA` and sixteen capitals and digits.
fn holds_key(word: &str) -> bool {
    let runs = word.split(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit());
    runs.filter(|run| run.len() >= 16)
        .any(|run| run.starts_with("AKIA") || run.starts_with("ASIA"))
}

#[cfg(test)]
mod tests {
    use crate::domain::service::classify::message_text;

    #[test]
    fn credentials_of_a_repeated_request_are_withheld() {
        for (message, expected) in [
            (
                "blocked: x-amz-security-token: IQoJb3JpZ2lu host: kinesisvideo",
                "blocked: [withheld]",
            ),
            (
                "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/2026/kinesisvideo, SignedHeaders=host",
                "[withheld]",
            ),
            (
                r#"{"X-Amz-Security-Token":"IQoJb3JpZ2lu","Host":"h"}"#,
                "[withheld]",
            ),
            ("/?X-Amz-Security-Token=IQoJ&x=1 refused", "[withheld]"),
            (
                "rawHeaders: [ 'Authorization', 'Basic dXNlcg', 'Host', 'h' ]",
                "rawHeaders: [ [withheld]",
            ),
            (
                "[('Credential is missing',), ('x-amz-security-token', 'IQoJb3JpZ2lu')]",
                "[('Credential is missing',), [withheld]",
            ),
            (
                "authorization,x-amz-security-token:IQoJb3JpZ2lu refused",
                "[withheld]",
            ),
            (
                "sent Authorization: Bearer IQoJb3JpZ2lu to h",
                "sent [withheld]",
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
            assert_eq!(&*message_text(message), expected);
        }
    }
}
