//! The error codes of results rows, and what to do about each. `docs/errors.md` contains these tables; a test keeps it
//! current.

/// The code of a device of which nobody could say whether its channel was made.
pub(crate) const OUTCOME_UNKNOWN: &str = "OutcomeUnknown";

/// The code of a channel that a rollback leaves, since it is not the one that was created.
pub(crate) const CHANNEL_MADE_AGAIN: &str = "ChannelMadeAgain";

/// The code of a device whose channel is there, but not as asked.
pub(crate) const CHANNEL_DIFFERS: &str = "ChannelDiffers";

/// This tool's own codes: what went wrong, and what to do.
pub const OWN: &[(&str, &str)] = &[
    (
        "InvalidRow",
        "correct the manifest's row as the message says",
    ),
    (
        "DuplicateChannelName",
        "give the devices different channel names, or different Regions",
    ),
    (
        "Timeout",
        "run again; if it happens again, check the network or raise --timeout",
    ),
    (
        "ConnectionLost",
        "run again; if it happens again, check the network",
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
        "behind a proxy that inspects TLS, name its certificate in AWS_CA_BUNDLE; check the computer's clock; then run again",
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
        "run again; if it happens again, something other than the service answers (a proxy?)",
    ),
    (
        "InvalidRequest",
        "the request could not be built; correct what the message names",
    ),
    (
        "ChannelExists",
        "the channel existed and --on-exists fail was given; after a run that was killed it may be that run's own: \
         --on-exists adopt takes it",
    ),
    (
        CHANNEL_DIFFERS,
        "the channel exists and differs from what is asked (--on-exists verify, or another type); --on-exists update \
         changes its TTL and tags, adopt takes it as it is",
    ),
    (
        "ChannelDeleting",
        "the old channel is still being deleted; run again in a minute",
    ),
    (
        CHANNEL_MADE_AGAIN,
        "rollback left a channel that was created after the one in the results; delete it by other means if it is not needed",
    ),
    (
        OUTCOME_UNKNOWN,
        "run again: the next run asks the service whether the channel exists",
    ),
];

/// The service's codes that a row may carry: what to do.
pub const SERVICE: &[(&str, &str)] = &[
    (
        "AccessDeniedException",
        "allow the caller the actions that 'kvs-fleet plan' lists (IAM in docs/security.md), for these channel names",
    ),
    (
        "NotAuthorizedException",
        "allow the caller the actions that 'kvs-fleet plan' lists (IAM in docs/security.md), for these channel names",
    ),
    (
        "AccountChannelLimitExceededException",
        "delete unused channels or ask AWS support for a higher limit, then run again",
    ),
    (
        "InvalidArgumentException",
        "correct what the message names in the manifest or the templates",
    ),
    (
        "ValidationException",
        "correct what the message names in the manifest or the templates",
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
}
