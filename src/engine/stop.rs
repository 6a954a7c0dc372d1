//! Why a run ends before its work does, and the signal that ends it. Knows what each cause means to a person and to
//! a script; not how it was found.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::device::{AccountId, Region};
use crate::figures;
use crate::service::Failure;
use crate::service::classify::{CREDENTIALS_UNAVAILABLE, blames_the_clock};

/// Why the run, or one Region's lane, stopped.
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
            Self::TooManyFailures { .. } => "too-many-failures",
            Self::WrongAccount { .. } => "wrong-account",
            Self::Results(_) => "results-not-written",
            Self::Manifest(_) => "manifest-damaged",
            Self::UnexpectedCount(_) => "unexpected-count",
            Self::Internal(_) => "internal",
        }
    }

    /// This cause, and that of another Region where both can be said at once.
    pub(super) fn with(self, other: Self) -> Self {
        let (mut regions, failure) = match self {
            Self::AccountFull { region, failure } => (vec![region], failure),
            Self::RegionsFull { regions, failure } => (regions, failure),
            first => return first,
        };
        match other {
            Self::AccountFull { region, .. } => {
                regions.push(region);
                Self::RegionsFull { regions, failure }
            }
            _ => Self::RegionsFull { regions, failure },
        }
    }

    /// The process's exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted => 130,
            Self::Terminated => 143,
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
                "{devices} devices in a row were refused with {}: {}. Give the caller the actions in the README's IAM \
                 policy, for these channel names, and run again",
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
            Self::RegionsFull { regions, failure } => {
                let mut names: Vec<&str> = regions.iter().map(Region::as_str).collect();
                names.sort_unstable();
                full(f, &names.join(", "), failure)
            }
            Self::TooManyFailures { failed, limit } => write!(
                f,
                "{} failed, more than --max-failures {limit} allows",
                figures::count(*failed, "device")
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
            | Self::Manifest(message)
            | Self::UnexpectedCount(message) => f.write_str(message),
        }
    }
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

/// The signal that ends a run: the first cause wins.
#[derive(Debug, Clone)]
pub struct StopSignal(Arc<Signal>);

/// Not a `watch` channel, which wakes those who wait in an order drawn by chance: the same seed must give the same run.
#[derive(Debug)]
struct Signal {
    given: OnceLock<(Stop, Instant)>,
    bell: Notify,
}

impl StopSignal {
    /// A signal that nobody has given yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Signal {
            given: OnceLock::new(),
            bell: Notify::new(),
        }))
    }

    /// Ends the run. Says whether this cause was the first.
    pub fn give(&self, cause: Stop) -> bool {
        let is_first = self.0.given.set((cause, Instant::now())).is_ok();
        if is_first {
            self.0.bell.notify_waiters();
        }
        is_first
    }

    /// Why the run ends, if it does.
    #[must_use]
    pub fn cause(&self) -> Option<Stop> {
        self.0.given.get().map(|(cause, _)| cause.clone())
    }

    /// Waits until the signal is given, and says why.
    pub async fn ended(&self) -> Stop {
        self.wait().await.0.clone()
    }

    /// Whether the run is to end.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.0.given.get().is_some()
    }

    /// Whether the signal was given so long ago.
    pub(super) fn is_given_for(&self, grace: Duration) -> bool {
        let given = self.0.given.get();
        given.is_some_and(|(_, since)| since.elapsed() >= grace)
    }

    /// Waits until the signal is given.
    pub async fn given(&self) {
        self.wait().await;
    }

    /// Waits until the signal has been given for so long.
    pub async fn given_for(&self, grace: Duration) {
        let since = self.wait().await.1;
        tokio::time::sleep_until(since + grace).await;
    }

    async fn wait(&self) -> &(Stop, Instant) {
        loop {
            // Hears the bell from here on, also before it is polled.
            let rung = self.0.bell.notified();
            if let Some(given) = self.0.given.get() {
                return given;
            }
            rung.await;
        }
    }
}

impl Default for StopSignal {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::FailureKind;

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

    #[tokio::test]
    async fn those_who_wait_are_woken_in_the_order_in_which_they_came() {
        let stop = StopSignal::new();
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let mut waiting = tokio::task::JoinSet::new();
        for number in 0..40 {
            let (stop, order) = (stop.clone(), Arc::clone(&order));
            waiting.spawn(async move {
                stop.given().await;
                order.lock().unwrap().push(number);
            });
        }
        tokio::task::yield_now().await;
        assert!(stop.give(Stop::Interrupted));
        assert!(!stop.give(Stop::Terminated));
        waiting.join_all().await;
        assert_eq!(*order.lock().unwrap(), (0..40).collect::<Vec<_>>());
        assert_eq!(stop.ended().await, Stop::Interrupted);
    }
}
