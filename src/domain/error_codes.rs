//! The error codes of results rows, and what to do about each. The README's table says the same to people.

/// The code of a device of which nobody could say whether its channel was made.
pub const OUTCOME_UNKNOWN: &str = "OutcomeUnknown";

/// The code of a channel that a rollback leaves, since it is not the one that was created.
pub const CHANNEL_MADE_AGAIN: &str = "ChannelMadeAgain";

/// The code of a device whose channel is there, but not as asked.
pub const CHANNEL_DIFFERS: &str = "ChannelDiffers";

/// This tool's own codes: what went wrong, and what to do.
pub const OWN: &[(&str, &str)] = &[
    ("InvalidRow", "mend the manifest's row as the message says"),
    (
        "DuplicateChannelName",
        "give the devices different channel names, or different Regions",
    ),
    (
        "Timeout",
        "run again; if it stays, check the network or raise --timeout",
    ),
    (
        "ConnectionLost",
        "run again; if it stays, check the network",
    ),
    (
        "ConnectionFailed",
        "check the network, the proxy settings and the endpoint, then run again",
    ),
    (
        "DnsFailed",
        "check the network, the Region's name and the endpoint, then run again",
    ),
    (
        "TlsFailed",
        "behind a proxy that inspects TLS, point AWS_CA_BUNDLE to its certificate, then run again",
    ),
    (
        "ProxyFailed",
        "check HTTPS_PROXY, ALL_PROXY and NO_PROXY, then run again",
    ),
    (
        "TooManyOpenFiles",
        "raise the limit of open files (ulimit -n) or lower --workers, then run again",
    ),
    (
        "UnreadableAnswer",
        "run again; if it stays, something other than the service answers (a proxy?)",
    ),
    (
        "InvalidRequest",
        "the request could not be built; mend what the message names",
    ),
    (
        "ChannelExists",
        "the channel was there already and --on-exists fail was given; --on-exists adopt takes it, for example after a \
         run that was killed",
    ),
    (
        CHANNEL_DIFFERS,
        "the channel was there and is not as asked; --on-exists update brings TTL and tags to what is asked, adopt takes \
         it as it is",
    ),
    (
        "ChannelDeleting",
        "the old channel is still being deleted; run again in a minute",
    ),
    (
        CHANNEL_MADE_AGAIN,
        "the channel of this name was made after the one in the results; delete it by other means if it is not needed",
    ),
    (
        OUTCOME_UNKNOWN,
        "run again: the next run asks the service whether the channel exists",
    ),
];

/// The service's codes that a row may carry: what to do.
const SERVICE: &[(&str, &str)] = &[
    (
        "AccessDeniedException",
        "give the caller the actions in the README's IAM policy, for these channel names",
    ),
    (
        "NotAuthorizedException",
        "give the caller the actions in the README's IAM policy, for these channel names",
    ),
    (
        "AccountChannelLimitExceededException",
        "delete unused channels or ask AWS support for a higher limit, then run again",
    ),
    (
        "InvalidArgumentException",
        "mend what the message names in the manifest or the templates",
    ),
    (
        "ValidationException",
        "mend what the message names in the manifest or the templates",
    ),
    (
        "TagsPerResourceExceededLimitException",
        "ask for at most 50 tags",
    ),
    (
        "ResourceInUseException",
        "the service holds the name but shows no channel; run again in a minute",
    ),
];

/// What to do about a code. Codes that nobody has listed are mostly the service's own trouble.
#[must_use]
pub fn hint(code: &str) -> &'static str {
    OWN.iter()
        .chain(SERVICE)
        .find(|(known, _)| *known == code)
        .map_or(
            "see the message in the results file; run again",
            |(_, hint)| hint,
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::service::classify;

    #[test]
    fn every_code_of_an_attempt_says_what_to_do() {
        for code in [
            classify::UNREADABLE_ANSWER,
            classify::TIMEOUT,
            classify::CONNECTION_LOST,
            classify::CONNECTION_FAILED,
            classify::DNS_FAILED,
            classify::TLS_FAILED,
            classify::PROXY_FAILED,
            classify::TOO_MANY_OPEN_FILES,
            classify::INVALID_REQUEST,
        ] {
            assert!(OWN.iter().any(|(known, _)| *known == code), "{code}");
        }
    }

    #[test]
    fn the_readme_names_every_code() {
        let readme = include_str!("../../README.md");
        for (code, _) in OWN.iter().chain(SERVICE) {
            assert!(readme.contains(&format!("`{code}`")), "{code}");
        }
    }
}
