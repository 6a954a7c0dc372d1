//! Requests by operation: how many were sent, what became of them, and how long they took.

use std::time::Duration;

use crate::domain::service::Operation;
use crate::engine::event::Outcome;

/// Every outcome with its name in the metrics.
pub(super) const OUTCOMES: [(Outcome, &str); 5] = [
    (Outcome::Success, "success"),
    (Outcome::Throttled, "throttled"),
    (Outcome::Refused, "refused"),
    (Outcome::ServerError, "server_error"),
    (Outcome::NoAnswer, "no_answer"),
];

/// The upper bounds of the latency's buckets, in seconds: from a service near by to the longest usual `--timeout`.
const BOUNDS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The requests of one operation.
#[derive(Debug, Clone, Default)]
pub(super) struct RequestsOf {
    sent: u64,
    /// In the order of [`OUTCOMES`].
    answered: [u64; OUTCOMES.len()],
    latency: Latencies,
}

impl RequestsOf {
    /// Requests with this outcome.
    pub(super) fn count(&self, outcome: Outcome) -> u64 {
        OUTCOMES
            .iter()
            .zip(self.answered)
            .find(|((known, _), _)| *known == outcome)
            .map_or(0, |(_, count)| count)
    }

    pub(super) fn latency(&self) -> &Latencies {
        &self.latency
    }

    pub(super) fn is_used(&self) -> bool {
        self.sent > 0
    }

    fn in_flight(&self) -> u64 {
        self.sent.saturating_sub(self.answered.iter().sum())
    }
}

/// A histogram of latencies.
#[derive(Debug, Clone, Default)]
pub(super) struct Latencies {
    /// The last one is of latencies above all bounds.
    counts: [u64; BOUNDS.len() + 1],
    sum: Duration,
}

impl Latencies {
    fn note(&mut self, latency: Duration) {
        let seconds = latency.as_secs_f64();
        let place = BOUNDS.partition_point(|bound| *bound < seconds);
        self.counts[place] += 1;
        self.sum += latency;
    }

    /// The sum of all, in seconds.
    pub(super) fn sum(&self) -> f64 {
        self.sum.as_secs_f64()
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The upper bound of each bucket, in seconds, and the latencies in it.
    pub(super) fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        bounds.zip(self.counts).collect()
    }
}

/// The requests of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct RequestCounts([RequestsOf; Operation::ALL.len()]);

impl RequestCounts {
    pub(super) fn sent(&mut self, operation: Operation) {
        self.0[operation as usize].sent += 1;
    }

    pub(super) fn answered(&mut self, operation: Operation, outcome: Outcome, latency: Duration) {
        let requests = &mut self.0[operation as usize];
        for ((known, _), count) in OUTCOMES.iter().zip(&mut requests.answered) {
            *count += u64::from(*known == outcome);
        }
        requests.latency.note(latency);
    }

    /// Requests that have no answer yet.
    pub(super) fn in_flight(&self) -> u64 {
        self.0.iter().map(RequestsOf::in_flight).sum()
    }

    /// The operations that were used.
    pub(super) fn used(&self) -> impl Iterator<Item = (Operation, &RequestsOf)> {
        let all = Operation::ALL.into_iter().zip(&self.0);
        all.filter(|(_, requests)| requests.is_used())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_operation_and_outcome() {
        let mut counts = RequestCounts::default();
        for _ in 0..3 {
            counts.sent(Operation::Create);
        }
        counts.sent(Operation::List);
        let latency = Duration::from_millis(80);
        counts.answered(Operation::Create, Outcome::Success, latency);
        counts.answered(Operation::Create, Outcome::Throttled, latency);
        assert_eq!(counts.in_flight(), 2);
        let used: Vec<_> = counts.used().collect();
        assert_eq!(used.len(), 2);
        let (operation, creates) = used[0];
        assert_eq!(operation, Operation::Create);
        assert_eq!(creates.count(Outcome::Throttled), 1);
        assert_eq!(creates.count(Outcome::NoAnswer), 0);
    }

    #[test]
    fn a_latency_at_a_bound_is_in_its_bucket() {
        let mut latencies = Latencies::default();
        for millis in [10, 11, 20_000] {
            latencies.note(Duration::from_millis(millis));
        }
        let filled: Vec<(f64, u64)> = latencies
            .buckets()
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(filled, [(0.01, 1), (0.025, 1), (f64::INFINITY, 1)]);
        assert_eq!(latencies.count(), 3);
        assert!((latencies.sum() - 20.021).abs() < 1e-9);
    }
}
