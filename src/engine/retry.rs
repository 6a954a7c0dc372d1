//! What follows a failed attempt. Pure: no clock, no sleep, no request; decisions are values.
//!
//! A *throttled* attempt says nothing about the device: it is repeated as soon as the limiter allows, as often as it takes.
//! A *failed* attempt counts towards the device's attempts and is repeated after exponential backoff with full jitter. An
//! attempt of unknown outcome makes the device *ambiguous*, and an ambiguous device is given up only after a request that
//! shows whether its channel exists.

use std::time::Duration;

use backoff::backoff::Backoff as _;

use crate::domain::service::FailureKind;

/// The first wait's upper bound; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// The longest wait's upper bound.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// How long to wait before the next attempt: backoff's exponential schedule with full jitter drawn from a seeded
/// generator. (The crate's own jitter is a factor around the cap, drawn from a generator that cannot be seeded; so
/// only its intervals are used.)
#[derive(Debug, Clone)]
pub(crate) struct Schedule(Vec<Duration>);

impl Schedule {
    /// The wait after `tries` failed attempts: uniform between zero and the schedule's interval.
    pub(crate) fn wait(&self, tries: u32, random: &mut fastrand::Rng) -> Duration {
        let step = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX);
        let interval = self.0.get(step).or(self.0.last()).copied();
        interval.unwrap_or_default().mul_f64(random.f64())
    }
}

impl Default for Schedule {
    fn default() -> Self {
        let mut intervals = backoff::ExponentialBackoff {
            current_interval: FIRST_WAIT,
            initial_interval: FIRST_WAIT,
            randomization_factor: 0.0,
            multiplier: 2.0,
            max_interval: LONGEST_WAIT,
            max_elapsed_time: None,
            ..backoff::ExponentialBackoff::default()
        };
        let intervals = std::iter::from_fn(|| intervals.next_backoff());
        let waits = intervals.take_while(|wait| *wait < LONGEST_WAIT);
        Self(waits.chain([LONGEST_WAIT]).collect())
    }
}

/// What has happened to a device so far in this run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AttemptHistory {
    /// Create attempts that count: all but those that were throttled, refused for the credentials, or made while
    /// nothing at all got an answer.
    pub tries: u32,
    /// Requests in a row for whether the channel exists that got no answer.
    pub asks: u32,
    /// Whether an attempt of unknown outcome may have created the channel.
    pub ambiguous: bool,
    /// Whether the last create attempt was refused for good: another one cannot help.
    pub refused: bool,
}

/// What to do after a failed create attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterCreate {
    /// Send it again as soon as the limiter allows.
    Again,
    /// Wait, then send it again.
    Wait,
    /// Find out whether the channel exists.
    Resolve,
    /// Give up: the failure is the device's outcome.
    Fail,
    /// Fetch new credentials, then send it again.
    Reload,
}

/// Decides after a failed create attempt, and counts it.
pub(crate) fn after_create(
    kind: FailureKind,
    history: &mut AttemptHistory,
    max_attempts: u32,
) -> AfterCreate {
    history.ambiguous |= kind.is_ambiguous();
    match kind {
        FailureKind::Throttled => AfterCreate::Again,
        FailureKind::Credentials => AfterCreate::Reload,
        FailureKind::InUse => {
            history.tries += 1;
            AfterCreate::Resolve
        }
        FailureKind::ServerError | FailureKind::Lost | FailureKind::Unreachable => {
            history.tries += 1;
            if history.tries < max_attempts {
                AfterCreate::Wait
            } else {
                give_up(*history)
            }
        }
        FailureKind::NotFound
        | FailureKind::Rejected
        | FailureKind::Denied
        | FailureKind::AccountFull => {
            history.tries += 1;
            history.refused = true;
            give_up(*history)
        }
    }
}

fn give_up(history: AttemptHistory) -> AfterCreate {
    if history.ambiguous {
        AfterCreate::Resolve
    } else {
        AfterCreate::Fail
    }
}

/// Whether the channel exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Truth {
    /// It does.
    Present,
    /// It is being deleted.
    Deleting,
    /// It does not, or is not ACTIVE yet.
    Absent,
    /// It could not be found out.
    Unknown(FailureKind),
}

/// What to do once this is known, or could not be found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterResolve {
    /// The channel exists: adopt it.
    Adopt,
    /// Wait, then create.
    CreateAgain,
    /// Ask again as soon as the limiter allows.
    AskAgain,
    /// Wait, then ask again.
    WaitAndAsk,
    /// Fetch new credentials, then ask again.
    Reload,
    /// Give up: the create attempt's failure is the outcome.
    Fail,
    /// Give up: the old channel is still being deleted.
    FailDeleting,
    /// Give up: it cannot be found out.
    FailUnknown,
}

/// Decides after a request for whether the channel exists, and counts it.
pub(crate) fn after_resolve(
    truth: Truth,
    history: &mut AttemptHistory,
    max_attempts: u32,
) -> AfterResolve {
    let more_tries = history.tries < max_attempts;
    if !matches!(truth, Truth::Unknown(_)) {
        history.asks = 0;
    }
    match truth {
        Truth::Deleting | Truth::Absent if history.refused => AfterResolve::Fail,
        Truth::Present => AfterResolve::Adopt,
        Truth::Deleting | Truth::Absent if more_tries => AfterResolve::CreateAgain,
        Truth::Deleting => AfterResolve::FailDeleting,
        Truth::Absent => AfterResolve::Fail,
        Truth::Unknown(FailureKind::Throttled) => AfterResolve::AskAgain,
        Truth::Unknown(FailureKind::Credentials) => AfterResolve::Reload,
        Truth::Unknown(FailureKind::ServerError | FailureKind::Lost | FailureKind::Unreachable) => {
            history.asks += 1;
            if history.asks < max_attempts {
                AfterResolve::WaitAndAsk
            } else {
                AfterResolve::FailUnknown
            }
        }
        Truth::Unknown(_) => AfterResolve::FailUnknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_doubles_to_its_cap_and_jitters_fully() {
        let schedule = Schedule::default();
        let millis: Vec<u128> = schedule.0.iter().map(Duration::as_millis).collect();
        assert_eq!(millis, [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 20_000]);
        let mut random = fastrand::Rng::with_seed(7);
        for tries in [1, 2, 8, 9, 1_000, u32::MAX] {
            let most = schedule.0[(tries as usize - 1).min(7)];
            let waits: Vec<Duration> = (0..500)
                .map(|_| schedule.wait(tries, &mut random))
                .collect();
            assert!(waits.iter().all(|wait| *wait <= most));
            assert!(waits.iter().any(|wait| *wait < most / 10));
            assert!(waits.iter().any(|wait| *wait > most * 9 / 10));
        }
    }

    #[test]
    fn throttling_and_credentials_never_count() {
        let mut history = AttemptHistory::default();
        for _ in 0..1_000 {
            assert_eq!(
                after_create(FailureKind::Throttled, &mut history, 2),
                AfterCreate::Again
            );
            assert_eq!(
                after_create(FailureKind::Credentials, &mut history, 2),
                AfterCreate::Reload
            );
        }
        assert_eq!(history, AttemptHistory::default());
    }

    #[test]
    fn transient_errors_are_tried_so_often_and_then_settled_if_ambiguous() {
        for (kind, last) in [
            (FailureKind::ServerError, AfterCreate::Resolve),
            (FailureKind::Lost, AfterCreate::Resolve),
            (FailureKind::Unreachable, AfterCreate::Fail),
        ] {
            let mut history = AttemptHistory::default();
            for _ in 0..2 {
                assert_eq!(after_create(kind, &mut history, 3), AfterCreate::Wait);
            }
            assert_eq!(after_create(kind, &mut history, 3), last);
        }
    }

    #[test]
    fn an_ambiguous_device_is_not_failed_by_a_later_refusal() {
        let mut history = AttemptHistory::default();
        after_create(FailureKind::Lost, &mut history, 8);
        for kind in [
            FailureKind::Rejected,
            FailureKind::Denied,
            FailureKind::AccountFull,
        ] {
            assert_eq!(after_create(kind, &mut history, 8), AfterCreate::Resolve);
            assert_eq!(
                after_resolve(Truth::Present, &mut history, 8),
                AfterResolve::Adopt
            );
            assert_eq!(
                after_resolve(Truth::Absent, &mut history, 8),
                AfterResolve::Fail
            );
        }
        assert_eq!(history.tries, 4, "a refusal is a try");
        let mut fresh = AttemptHistory::default();
        assert_eq!(
            after_create(FailureKind::Rejected, &mut fresh, 8),
            AfterCreate::Fail
        );
    }

    #[test]
    fn the_truth_decides() {
        let mut history = AttemptHistory {
            tries: 8,
            ..AttemptHistory::default()
        };
        assert_eq!(
            after_resolve(Truth::Present, &mut history, 8),
            AfterResolve::Adopt
        );
        assert_eq!(
            after_resolve(Truth::Absent, &mut history, 8),
            AfterResolve::Fail
        );
        assert_eq!(
            after_resolve(Truth::Deleting, &mut history, 8),
            AfterResolve::FailDeleting
        );
        assert_eq!(
            after_resolve(Truth::Absent, &mut history, 9),
            AfterResolve::CreateAgain
        );
        assert_eq!(
            after_resolve(Truth::Unknown(FailureKind::Denied), &mut history, 8),
            AfterResolve::FailUnknown
        );
        // Those questions count that went unanswered since the last answer.
        history.asks = 5;
        after_resolve(Truth::Absent, &mut history, 8);
        for _ in 0..7 {
            assert_eq!(
                after_resolve(Truth::Unknown(FailureKind::Lost), &mut history, 8),
                AfterResolve::WaitAndAsk
            );
        }
        assert_eq!(
            after_resolve(Truth::Unknown(FailureKind::Lost), &mut history, 8),
            AfterResolve::FailUnknown
        );
    }
}
