//! Credentials in the words of a server that repeats what it was sent, as debugging proxies do.

/// What stands in their place.
const WITHHELD: &str = "[withheld]";

/// Names before a value that is a credential: the headers of a signed request, and their spellings in a query.
const NAMES: [&str; 3] = ["x-amz-security-token", "credential", "authorization"];

/// Withholds what holds credentials: everything from the first name of one on, since what repeats a request does so in
/// the shape of its own language, and words with an access key's ID.
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

/// Whether a value follows the name of a credential. `Authorization header requires 'Credential' parameter` is the
/// service's own, and names without values.
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

/// Whether there is an access key's ID in the word: `AKIA` or `ASIA` and sixteen capitals and digits.
fn holds_key(word: &str) -> bool {
    let runs = word.split(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit());
    runs.filter(|run| run.len() >= 16)
        .any(|run| run.starts_with("AKIA") || run.starts_with("ASIA"))
}

#[cfg(test)]
mod tests {
    use crate::domain::service::classify::message_text;

    #[test]
    fn what_repeats_the_request_keeps_its_credentials_to_itself() {
        for (said, told) in [
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
            assert_eq!(&*message_text(said), told);
        }
    }
}
