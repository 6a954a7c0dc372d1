//! Why a run, or one of its Regions, ends before its work does: the message (what happened, and what the operator can do), and
//! what each cause means to a script.

mod parts;

use std::time::{Duration, SystemTime};

use crate::domain::device::{AccountId, Region};
use crate::domain::format;
use crate::domain::service::Failure;
use crate::domain::service::classify::{CREDENTIALS_UNAVAILABLE, blames_the_clock};

/// Why the run, or one of its Regions, stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// SIGINT, Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// SIGTERM, a closed window.
    #[error("terminated")]
    Terminated,
    /// The service cannot be reached, and never was.
    #[error(
        "the service in {region} cannot be reached: {}; check the network, the proxy settings and the endpoint",
        failure.message
    )]
    Unreachable {
        region: Region,
        /// Of the attempts.
        failure: Failure,
    },
    /// STS gave no answer to `GetCallerIdentity`.
    #[error("{0}")]
    NoIdentity(String),
    /// The service was reached, and then nothing got an answer for longer than allowed.
    #[error(
        "no answer from the service in {region} for {}, the longest that a run waits (provision: --max-offline): {}. Check \
         the network, and run again when it is back",
        seconds(*after),
        sentence(failure)
    )]
    Offline {
        region: Region,
        /// For how long.
        after: Duration,
        /// Of the last probe.
        failure: Failure,
    },
    /// Nothing but throttles for longer than allowed.
    #[error(
        "the service in {region} has granted nothing since {} ({}): it throttled {requests} requests in a row, the last at \
         a pace of {rate} a second. Another client may be using the account's quota; run again later, or ask AWS support \
         for a higher one",
        humantime::format_rfc3339_seconds(*since),
        seconds(*after)
    )]
    Throttled {
        region: Region,
        /// Since when.
        since: SystemTime,
        /// For how long.
        after: Duration,
        /// How many requests were throttled in that time.
        requests: u64,
        /// The rate in force at last, in requests a second, as it is shown.
        rate: String,
    },
    /// So many devices in a row were refused by an authorization code.
    #[error(
        "{devices} devices in a row were refused with {}: {}. Allow the caller the actions that 'kvs-fleet plan' lists \
         (IAM in docs/security.md), for these channel names, and run again",
        failure.code,
        failure.message
    )]
    Denied {
        /// How many.
        devices: u32,
        /// Of the last.
        failure: Failure,
    },
    /// The credentials expired or were refused, and fetching them again did not help.
    #[error("{}", refused_credentials(.0))]
    Credentials(Failure),
    /// STS refuses the role of this account.
    #[error("{}", .0.message)]
    Role(Failure),
    /// The account's channel limit is reached in these Regions.
    #[error(
        "the account has reached its channel limit in {} ({}: {}). Delete unused channels or ask AWS support for a higher \
         limit, and run again",
        names(regions),
        failure.code,
        failure.message
    )]
    AccountFull {
        regions: Vec<Region>,
        /// In the first.
        failure: Failure,
    },
    /// Kinesis Video Streams is not offered in these Regions.
    #[error(
        "Kinesis Video Streams is not offered in {}: {}. Give its devices another Region, and run again",
        names(regions),
        sentence(failure)
    )]
    NotOffered {
        regions: Vec<Region>,
        /// In the first.
        failure: Failure,
    },
    /// One of several accounts ended, or Regions of it.
    #[error("account {account}: {cause}")]
    Account {
        account: AccountId,
        cause: Box<Stop>,
    },
    /// Several accounts or Regions ended, each for a reason of its own.
    #[error("{}", parts::several(.0))]
    Several(Vec<Stop>),
    /// This process may not open as many files as even one request needs.
    #[error(
        "this process may open too few files to send even one request: {}. Raise the limit (ulimit -n), and run again",
        sentence(.0)
    )]
    OpenFiles(Failure),
    /// More devices failed than `--max-failures` allows.
    #[error("{} failed, more than --max-failures {limit} allows", format::count(*failed, "device"))]
    TooManyFailures {
        /// How many failed.
        failed: u64,
        /// What was allowed, as it was given.
        limit: String,
    },
    /// The channels are made in another account than expected.
    #[error(
        "the service answered from account {found}, but the account expected is {expected}; use the credentials (--profile) \
         of {expected}, or other results"
    )]
    WrongAccount {
        /// The account that was expected.
        expected: AccountId,
        /// The account that answered.
        found: AccountId,
    },
    /// A row could not be written; the message names what was lost.
    #[error("{0}")]
    Results(String),
    /// Standard output, or the emulator's state, could not be written to.
    #[error("{0}")]
    Output(String),
    /// The manifest's stream broke.
    #[error("{0}")]
    Manifest(String),
    /// A stream did not list as many devices as were expected.
    #[error("{0}")]
    UnexpectedCount(String),
    /// A defect of this program, with its message.
    #[error(
        "a defect of this program ended the run: {0}. What is recorded is sound, and a rerun continues from it; please report \
         the defect"
    )]
    Internal(String),
}

impl Stop {
    /// The reason in one word, as `--summary-json` and the runs log spell it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
            Self::Unreachable { .. } | Self::NoIdentity(_) => "unreachable",
            Self::Offline { .. } => "offline",
            Self::Throttled { .. } => "throttled",
            Self::Denied { .. } => "access-denied",
            Self::Credentials(_) => "credentials",
            Self::Role(_) => "role-denied",
            Self::AccountFull { .. } => "account-full",
            Self::Account { cause, .. } => cause.reason(),
            Self::NotOffered { .. } => "not-offered",
            // The first that a rerun may get further with.
            Self::Several(causes) => causes
                .iter()
                .find(|cause| cause.exit_code() == self.exit_code())
                .map_or("internal", Self::reason),
            Self::OpenFiles(_) => "too-many-open-files",
            Self::TooManyFailures { .. } => "too-many-failures",
            Self::WrongAccount { .. } => "wrong-account",
            Self::Results(_) => "results-not-written",
            Self::Output(_) => "output-not-written",
            Self::Manifest(_) => "manifest-damaged",
            Self::UnexpectedCount(_) => "unexpected-count",
            Self::Internal(_) => "internal",
        }
    }

    /// Whether the same command may do better later, without a change.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::NoIdentity(_) | Self::Interrupted | Self::Terminated | Self::Internal(_)
        )
    }

    /// Whether other Regions may do well all the same.
    pub(crate) fn is_of_one_region(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Offline { .. } | Self::NotOffered { .. }
        )
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted => 130,
            Self::Terminated => 143,
            // Everything else is done, and a rerun would do nothing.
            Self::NotOffered { .. } => 3,
            Self::Account { cause, .. } => cause.exit_code(),
            Self::Several(causes) => causes.iter().map(Self::exit_code).min().unwrap_or(1),
            _ => 1,
        }
    }
}

fn refused_credentials(failure: &Failure) -> String {
    if &*failure.code == CREDENTIALS_UNAVAILABLE {
        // The message contains what to do.
        return failure.message.to_string();
    }
    let advice = match &*failure.code {
        _ if blames_the_clock(failure) => {
            "Check this computer's clock: AWS takes no signature that is more than five minutes off. Set it right and repeat \
             the command"
        }
        "SignatureDoesNotMatch" | "InvalidSignatureException" => {
            "Check the secret access key and this computer's clock, then repeat the command"
        }
        "ExpiredToken" | "ExpiredTokenException" => {
            "Get new ones where these came from (keys in the environment, or for SSO aws sso login), then repeat the command"
        }
        _ => {
            "Check the credentials where they come from (environment, profile, SSO or role), then repeat the command"
        }
    };
    let (code, message) = (&failure.code, sentence(failure));
    format!("the credentials were refused with {code}: {message}. {advice}")
}

/// The failure's message, to be followed by a full stop.
fn sentence(failure: &Failure) -> &str {
    failure.message.trim_end_matches('.')
}

/// The Regions' names, in order.
fn names(regions: &[Region]) -> String {
    let mut names: Vec<&str> = regions.iter().map(Region::as_str).collect();
    names.sort_unstable();
    names.join(", ")
}

fn seconds(duration: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(duration.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::service::FailureKind;

    fn text_of(code: &str, message: &str) -> String {
        let failure = Failure::new(FailureKind::Credentials, code, message);
        Stop::Credentials(failure).to_string()
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
