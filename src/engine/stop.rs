//! Why a run, or one of its Regions, ends before its work does. Knows what each cause means to a person and to a script;
//! not how it was found.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::domain::device::{AccountId, Region};
use crate::domain::format;
use crate::domain::service::Failure;
use crate::domain::service::classify::{CREDENTIALS_UNAVAILABLE, blames_the_clock};

/// Why the run, or one Region's Region, stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// SIGINT, Ctrl-C.
    Interrupted,
    /// SIGTERM, a closed window.
    Terminated,
    /// The service cannot be reached, and never was.
    Unreachable {
        /// The Region.
        region: Region,
        /// What the attempts brought.
        failure: Failure,
    },
    /// Who we are could not be asked, for want of an answer.
    NoIdentity(String),
    /// The service was reached, and then nothing got an answer for longer than allowed.
    Offline {
        /// The Region.
        region: Region,
        /// For how long.
        after: Duration,
        /// What the last probe brought.
        failure: Failure,
    },
    /// Nothing but throttles for longer than allowed.
    Throttled {
        /// The Region.
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
    Denied {
        /// How many.
        devices: u32,
        /// What the service said to the last.
        failure: Failure,
    },
    /// The credentials expired or were refused, and fetching them anew did not help.
    Credentials {
        /// What the service, or the credentials' source, said.
        failure: Failure,
    },
    /// The account's channel limit is reached in this Region.
    AccountFull {
        /// The Region.
        region: Region,
        /// What the service said.
        failure: Failure,
    },
    /// The same in several Regions.
    RegionsFull {
        /// The Regions.
        regions: Vec<Region>,
        /// What the service said in the first.
        failure: Failure,
    },
    /// Kinesis Video Streams is not offered in these Regions.
    NotOffered {
        /// The Regions.
        regions: Vec<Region>,
        /// How that showed in the first.
        failure: Failure,
    },
    /// Several Regions ended, each for a reason of its own.
    Several(Vec<Stop>),
    /// This process may not open as many files as even one request needs.
    OpenFiles {
        /// What the attempts brought.
        failure: Failure,
    },
    /// More devices failed than `--max-failures` allows.
    TooManyFailures {
        /// How many failed.
        failed: u64,
        /// What was allowed, as it was given.
        limit: String,
    },
    /// The channels are made in another account than expected.
    WrongAccount {
        /// The account that was expected.
        expected: AccountId,
        /// The account that answered.
        found: AccountId,
    },
    /// A row could not be written; what was lost stands in the message.
    Results(String),
    /// Standard output could not be written to.
    Output(String),
    /// The manifest's stream broke.
    Manifest(String),
    /// A stream did not list as many devices as were expected.
    UnexpectedCount(String),
    /// Something in this program broke: what it said.
    Internal(String),
}

impl Stop {
    /// The reason in one word, as `--summary-json` and the runs log spell it.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
            Self::Unreachable { .. } | Self::NoIdentity(_) => "unreachable",
            Self::Offline { .. } => "offline",
            Self::Throttled { .. } => "throttled",
            Self::Denied { .. } => "access-denied",
            Self::Credentials { .. } => "credentials",
            Self::AccountFull { .. } | Self::RegionsFull { .. } => "account-full",
            Self::NotOffered { .. } => "not-offered",
            // The first that a rerun may get further with.
            Self::Several(causes) => causes
                .iter()
                .find(|cause| cause.exit_code() == self.exit_code())
                .map_or("internal", Self::reason),
            Self::OpenFiles { .. } => "too-many-open-files",
            Self::TooManyFailures { .. } => "too-many-failures",
            Self::WrongAccount { .. } => "wrong-account",
            Self::Results(_) => "results-not-written",
            Self::Output(_) => "output-not-written",
            Self::Manifest(_) => "manifest-damaged",
            Self::UnexpectedCount(_) => "unexpected-count",
            Self::Internal(_) => "internal",
        }
    }

    /// Why several Regions ended, as one cause; none where none did. A cause that several share is named once.
    pub(super) fn of_regions(causes: &[Self]) -> Option<Self> {
        let (mut full, mut not_offered, mut all) = (None, None, Vec::new());
        for cause in causes {
            let (place, region, failure) = match cause {
                Self::AccountFull { region, failure } => (&mut full, region.clone(), failure),
                Self::NotOffered { regions, failure } => match regions.as_slice() {
                    [region] => (&mut not_offered, region.clone(), failure),
                    _ => continue,
                },
                other => {
                    all.push(other.clone());
                    continue;
                }
            };
            let (regions, _) = place.get_or_insert_with(|| (Vec::new(), failure.clone()));
            regions.push(region);
        }
        all.extend(full.map(
            |(regions, failure)| match <[Region; 1]>::try_from(regions) {
                Ok([region]) => Self::AccountFull { region, failure },
                Err(regions) => Self::RegionsFull { regions, failure },
            },
        ));
        all.extend(not_offered.map(|(regions, failure)| Self::NotOffered { regions, failure }));
        if all.len() > 1 {
            return Some(Self::Several(all));
        }
        all.pop()
    }

    /// Whether other Regions may do well all the same.
    #[must_use]
    pub fn is_of_one_region(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Offline { .. } | Self::NotOffered { .. }
        )
    }

    /// The process's exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted => 130,
            Self::Terminated => 143,
            // Everything else is done, and a rerun would do nothing.
            Self::NotOffered { .. } => 3,
            Self::Several(causes) => causes.iter().map(Self::exit_code).min().unwrap_or(1),
            _ => 1,
        }
    }
}

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
            } => write!(
                f,
                "no answer from the service in {region} for {}, longer than --max-offline allows: {}. Check the network, \
                 and run again when it is back",
                humantime::format_duration(whole_seconds(*after)),
                failure.message.trim_end_matches('.')
            ),
            Self::Throttled {
                region,
                since,
                after,
                requests,
                rate,
            } => write!(
                f,
                "the service in {region} has granted nothing since {} ({}): it throttled {requests} requests in a row, the \
                 last at a pace of {rate} a second. Somebody else may be using the account's quota; run again later, or \
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
            // Says by itself what to do.
            Self::Credentials { failure } if &*failure.code == CREDENTIALS_UNAVAILABLE => {
                f.write_str(&failure.message)
            }
            Self::Credentials { failure } => write!(
                f,
                "the credentials were refused with {}: {}. {}",
                failure.code,
                failure.message.trim_end_matches('.'),
                after_refusal(failure)
            ),
            Self::AccountFull { region, failure } => full(f, region.as_str(), failure),
            Self::RegionsFull { regions, failure } => full(f, &names(regions), failure),
            Self::NotOffered { regions, failure } => write!(
                f,
                "Kinesis Video Streams is not offered in {}: {}. Give its devices another Region, and run again",
                names(regions),
                failure.message.trim_end_matches('.')
            ),
            Self::Several(causes) => {
                for (number, cause) in causes.iter().enumerate() {
                    let separator = if number == 0 { "" } else { "; " };
                    write!(f, "{separator}{cause}")?;
                }
                Ok(())
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

/// The Regions' names, in order.
fn names(regions: &[Region]) -> String {
    let mut names: Vec<&str> = regions.iter().map(Region::as_str).collect();
    names.sort_unstable();
    names.join(", ")
}

fn full(f: &mut fmt::Formatter<'_>, regions: &str, failure: &Failure) -> fmt::Result {
    write!(
        f,
        "the account has reached its channel limit in {regions} ({}: {}). Delete unused channels or ask AWS support for \
         a higher limit, and run again",
        failure.code, failure.message
    )
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

    fn refused(code: &str, message: &str) -> String {
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
            let text = refused(code, message);
            assert!(text.contains("Check this computer's clock"), "{text}");
            assert!(!text.contains("sso"), "{text}");
        }
        let text = refused("SignatureDoesNotMatch", "It does not match.");
        assert!(text.contains("does not match. Check the secret access key and"));
        let text = refused("ExpiredTokenException", "Expired.");
        assert!(
            text.contains("Get new ones where these came from"),
            "{text}"
        );
    }

    #[test]
    fn what_says_what_to_do_is_left_alone() {
        let text = "the AWS sign-in has expired. Run: aws sso login";
        assert_eq!(refused(CREDENTIALS_UNAVAILABLE, text), text);
    }

    #[test]
    fn what_ended_several_regions_is_one_cause() {
        let region = |name: &str| Region::parse(name).unwrap();
        let failure = |message: &str| Failure {
            kind: FailureKind::Unreachable,
            code: "DnsFailed".into(),
            message: message.into(),
            foreign: false,
        };
        let not_offered = |name: &str| Stop::NotOffered {
            regions: vec![region(name)],
            failure: failure("there is no such host."),
        };
        let unreachable = Stop::Unreachable {
            region: region("eu-west-1"),
            failure: failure("no route"),
        };
        assert_eq!(Stop::of_regions(&[]), None);
        let nowhere = Stop::of_regions(&[not_offered("us-west-1"), not_offered("ca-west-1")]);
        let nowhere = nowhere.unwrap();
        assert_eq!((nowhere.reason(), nowhere.exit_code()), ("not-offered", 3));
        let text = nowhere.to_string();
        assert!(
            text.contains("offered in ca-west-1, us-west-1: there is no such host. Give"),
            "{text}"
        );
        // A rerun may help where one Region may come back.
        let both = Stop::of_regions(&[not_offered("us-west-1"), unreachable]).unwrap();
        assert_eq!((both.reason(), both.exit_code()), ("unreachable", 1));
        let text = both.to_string();
        assert!(
            text.contains("eu-west-1 cannot be reached") && text.contains("us-west-1"),
            "{text}"
        );
    }
}
