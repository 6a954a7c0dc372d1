//! Why a run, or one of its Regions, ends before its work does, and what each cause means to a script. The messages are in
//! `stop_text`.

use std::time::{Duration, SystemTime};

use crate::domain::device::{AccountId, Region};
use crate::domain::service::Failure;

/// Why the run, or one of its Regions, stopped.
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
        /// Of the attempts.
        failure: Failure,
    },
    /// STS gave no answer to `GetCallerIdentity`.
    NoIdentity(String),
    /// The service was reached, and then nothing got an answer for longer than allowed.
    Offline {
        /// The Region.
        region: Region,
        /// For how long.
        after: Duration,
        /// Of the last probe.
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
        /// Of the last.
        failure: Failure,
    },
    /// The credentials expired or were refused, and fetching them again did not help.
    Credentials {
        /// Of the service, or of the credentials' source.
        failure: Failure,
    },
    /// The account's channel limit is reached in these Regions.
    AccountFull {
        /// The Regions.
        regions: Vec<Region>,
        /// In the first.
        failure: Failure,
    },
    /// Kinesis Video Streams is not offered in these Regions.
    NotOffered {
        /// The Regions.
        regions: Vec<Region>,
        /// In the first.
        failure: Failure,
    },
    /// Several Regions ended, each for a reason of its own.
    Several(Vec<Stop>),
    /// This process may not open as many files as even one request needs.
    OpenFiles {
        /// Of the attempts.
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
    /// A row could not be written; the message names what was lost.
    Results(String),
    /// Standard output could not be written to.
    Output(String),
    /// The manifest's stream broke.
    Manifest(String),
    /// A stream did not list as many devices as were expected.
    UnexpectedCount(String),
    /// A defect of this program, with its message.
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
            Self::Credentials { .. } => "credentials",
            Self::AccountFull { .. } => "account-full",
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

    /// Why Regions ended, as one cause; none if none did. A cause that several share is named once.
    pub(super) fn of_regions(causes: &[Self]) -> Option<Self> {
        let (mut full, mut not_offered, mut all) = (None, None, Vec::new());
        for cause in causes {
            let (place, regions, failure) = match cause {
                Self::AccountFull { regions, failure } => (&mut full, regions, failure),
                Self::NotOffered { regions, failure } => (&mut not_offered, regions, failure),
                other => {
                    all.push(other.clone());
                    continue;
                }
            };
            let (together, _) = place.get_or_insert_with(|| (Vec::new(), failure.clone()));
            together.extend_from_slice(regions);
        }
        all.extend(full.map(|(regions, failure)| Self::AccountFull { regions, failure }));
        all.extend(not_offered.map(|(regions, failure)| Self::NotOffered { regions, failure }));
        if all.len() > 1 {
            return Some(Self::Several(all));
        }
        all.pop()
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
            Self::Several(causes) => causes.iter().map(Self::exit_code).min().unwrap_or(1),
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::service::FailureKind;

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
