//! The message of each [`Stop`]: what happened, and what the operator can do.

use std::fmt;
use std::time::Duration;

use super::stop::Stop;
use crate::domain::device::Region;
use crate::domain::format;
use crate::domain::service::Failure;
use crate::domain::service::classify::{CREDENTIALS_UNAVAILABLE, blames_the_clock};

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => write!(f, "interrupted"),
            Self::Terminated => write!(f, "terminated"),
            Self::Unreachable { region, failure } => write!(
                f,
                "the service in {region} cannot be reached: {}; check the network, the proxy settings and the endpoint",
                failure.message
            ),
            Self::Offline {
                region,
                after,
                failure,
            } => offline(f, region, *after, failure),
            Self::Throttled {
                region,
                since,
                after,
                requests,
                rate,
            } => write!(
                f,
                "the service in {region} has granted nothing since {} ({}): it throttled {requests} requests in a row, the \
                 last at a pace of {rate} a second. Another client may be using the account's quota; run again later, or \
                 ask AWS support for a higher one",
                humantime::format_rfc3339_seconds(*since),
                humantime::format_duration(whole_seconds(*after))
            ),
            Self::Denied { devices, failure } => write!(
                f,
                "{devices} devices in a row were refused with {}: {}. Allow the caller the actions that 'kvs-fleet plan' \
                 lists (IAM in docs/security.md), for these channel names, and run again",
                failure.code, failure.message
            ),
            Self::Credentials { failure } => refused(f, failure),
            Self::AccountFull { regions, failure } => write!(
                f,
                "the account has reached its channel limit in {} ({}: {}). Delete unused channels or ask AWS support for \
                 a higher limit, and run again",
                names(regions),
                failure.code,
                failure.message
            ),
            Self::NotOffered { regions, failure } => write!(
                f,
                "Kinesis Video Streams is not offered in {}: {}. Give its devices another Region, and run again",
                names(regions),
                failure.message.trim_end_matches('.')
            ),
            Self::Several(causes) => {
                let causes: Vec<String> = causes.iter().map(Self::to_string).collect();
                f.write_str(&causes.join("; "))
            }
            Self::OpenFiles { failure } => write!(
                f,
                "this process may open too few files to send even one request: {}. Raise the limit (ulimit -n), and run \
                 again",
                failure.message.trim_end_matches('.')
            ),
            Self::TooManyFailures { failed, limit } => write!(
                f,
                "{} failed, more than --max-failures {limit} allows",
                format::count(*failed, "device")
            ),
            Self::WrongAccount { expected, found } => write!(
                f,
                "the service answered from account {found}, but the account expected is {expected}; use the \
                 credentials (--profile) of {expected}, or other results"
            ),
            Self::Internal(what) => write!(
                f,
                "a defect of this program ended the run: {what}. What is recorded is sound, and a rerun goes on from \
                 it; please report the defect"
            ),
            Self::NoIdentity(message)
            | Self::Results(message)
            | Self::Output(message)
            | Self::Manifest(message)
            | Self::UnexpectedCount(message) => f.write_str(message),
        }
    }
}

fn offline(
    f: &mut fmt::Formatter<'_>,
    region: &Region,
    after: Duration,
    failure: &Failure,
) -> fmt::Result {
    write!(
        f,
        "no answer from the service in {region} for {}, the longest that a run waits (provision: --max-offline): {}. Check the network, \
         and run again when it is back",
        humantime::format_duration(whole_seconds(after)),
        failure.message.trim_end_matches('.')
    )
}

fn refused(f: &mut fmt::Formatter<'_>, failure: &Failure) -> fmt::Result {
    if &*failure.code == CREDENTIALS_UNAVAILABLE {
        // The message contains what to do.
        return f.write_str(&failure.message);
    }
    write!(
        f,
        "the credentials were refused with {}: {}. {}",
        failure.code,
        failure.message.trim_end_matches('.'),
        after_refusal(failure)
    )
}

/// The Regions' names, in order.
fn names(regions: &[Region]) -> String {
    let mut names: Vec<&str> = regions.iter().map(Region::as_str).collect();
    names.sort_unstable();
    names.join(", ")
}

/// What to do about refused credentials, wherever they come from.
fn after_refusal(failure: &Failure) -> &'static str {
    if blames_the_clock(failure) {
        return "Check this computer's clock: AWS takes no signature that is more than five minutes off. Set it right \
                and repeat the command";
    }
    match &*failure.code {
        "SignatureDoesNotMatch" | "InvalidSignatureException" => {
            "Check the secret access key and this computer's clock, then repeat the command"
        }
        "ExpiredToken" | "ExpiredTokenException" => {
            "Get new ones where these came from (keys in the environment, or for SSO aws sso login), \
             then repeat the command"
        }
        _ => {
            "Check the credentials where they come from (environment, profile, SSO or role), then repeat the command"
        }
    }
}

fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::service::FailureKind;

    fn text_of(code: &str, message: &str) -> String {
        let failure = Failure {
            kind: FailureKind::Credentials,
            code: code.into(),
            message: message.into(),
            foreign: false,
        };
        Stop::Credentials { failure }.to_string()
    }

    #[test]
    fn a_wrong_clock_is_not_taken_for_wrong_credentials() {
        for (code, message) in [
            ("RequestTimeTooSkewed", "The difference is too large."),
            ("RequestExpired", "Request has expired."),
            ("SignatureDoesNotMatch", "Signature not yet current: 2025"),
            ("InvalidSignatureException", "Signature expired: 2025"),
        ] {
            let text = text_of(code, message);
            assert!(text.contains("Check this computer's clock"), "{text}");
            assert!(!text.contains("sso"), "{text}");
        }
        let text = text_of("SignatureDoesNotMatch", "It does not match.");
        assert!(text.contains("does not match. Check the secret access key and"));
        let text = text_of("ExpiredTokenException", "Expired.");
        assert!(
            text.contains("Get new ones where these came from"),
            "{text}"
        );
    }

    #[test]
    fn what_says_what_to_do_is_left_alone() {
        let text = "the AWS sign-in has expired. Run: aws sso login";
        assert_eq!(text_of(CREDENTIALS_UNAVAILABLE, text), text);
    }
}
