//! The signal that ends a run, or one Region of it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::stop::Stop;

/// After SIGTERM the run is over within this and the time that the files take: `docker stop` and Kubernetes' shortest grace
/// period kill after ten seconds, Windows after five when a window is closed.
const AFTER_TERMINATE: Duration = Duration::from_secs(if cfg!(windows) { 3 } else { 6 });

/// The signal that ends a run: the first cause wins.
#[derive(Debug, Clone)]
pub struct StopSignal(Arc<Signal>);

/// Not a `watch` channel, which wakes its waiters in a random order: the same seed must give the same run.
#[derive(Debug)]
struct Signal {
    given: OnceLock<(Stop, Instant)>,
    /// When SIGTERM came, whether or not it is the cause.
    terminated: OnceLock<Instant>,
    changed: Notify,
}

impl Signal {
    /// When the time is over that the stop leaves to requests in flight.
    fn end(&self, since: Instant, grace: Duration) -> Instant {
        let end = since + grace;
        let terminated = self.terminated.get();
        terminated.map_or(end, |at| end.min(*at + AFTER_TERMINATE))
    }
}

impl StopSignal {
    /// A signal that is not given yet.
    pub fn new() -> Self {
        Self(Arc::new(Signal {
            given: OnceLock::new(),
            terminated: OnceLock::new(),
            changed: Notify::new(),
        }))
    }

    /// Ends the run. Returns whether this cause was the first. SIGTERM also shortens the time that is left in a run that
    /// ends for another cause.
    pub fn give(&self, cause: Stop) -> bool {
        let now = Instant::now();
        let is_news = cause == Stop::Terminated && self.0.terminated.set(now).is_ok();
        let is_first = self.0.given.set((cause, now)).is_ok();
        if is_first || is_news {
            self.0.changed.notify_waiters();
        }
        is_first
    }

    /// Why the run ends, if it does.
    pub fn cause(&self) -> Option<Stop> {
        self.0.given.get().map(|(cause, _)| cause.clone())
    }

    /// Waits until the signal is given, and returns why.
    pub async fn ended(&self) -> Stop {
        self.wait().await.0.clone()
    }

    /// Whether the signal is given.
    pub fn is_given(&self) -> bool {
        self.0.given.get().is_some()
    }

    /// Whether the signal was given at least this time ago, or the time that SIGTERM leaves.
    pub(super) fn is_given_for(&self, grace: Duration) -> bool {
        let given = self.0.given.get();
        given.is_some_and(|(_, since)| Instant::now() >= self.0.end(*since, grace))
    }

    /// Waits until the signal is given.
    pub async fn given(&self) {
        self.wait().await;
    }

    /// Waits until this is so.
    pub(crate) async fn given_for(&self, grace: Duration) {
        let (_, since) = self.wait().await;
        loop {
            let changed = self.0.changed.notified();
            let end = self.0.end(*since, grace);
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(end) => return,
                () = changed => {}
            }
        }
    }

    async fn wait(&self) -> &(Stop, Instant) {
        loop {
            // Is notified from here on, also before it is polled.
            let changed = self.0.changed.notified();
            if let Some(given) = self.0.given.get() {
                return given;
            }
            changed.await;
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

    #[tokio::test(start_paused = true)]
    async fn a_run_that_is_terminated_has_less_time() {
        let hour = Duration::from_hours(1);
        for (cause, longest) in [
            (Stop::Terminated, AFTER_TERMINATE),
            (Stop::Interrupted, hour),
        ] {
            let stop = StopSignal::new();
            stop.give(cause);
            let begun = Instant::now();
            assert!(!stop.is_given_for(hour));
            stop.given_for(hour).await;
            assert_eq!(begun.elapsed().as_secs(), longest.as_secs());
            assert!(stop.is_given_for(hour));
            assert!(stop.is_given_for(Duration::ZERO));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn sigterm_shortens_the_time_of_a_run_that_ends_for_another_cause() {
        let stop = StopSignal::new();
        stop.give(Stop::Interrupted);
        let waiting = tokio::spawn({
            let stop = stop.clone();
            async move { stop.given_for(Duration::from_hours(1)).await }
        });
        tokio::time::sleep(Duration::from_mins(1)).await;
        let terminated = Instant::now();
        assert!(!stop.give(Stop::Terminated));
        waiting.await.unwrap();
        assert_eq!(terminated.elapsed().as_secs(), AFTER_TERMINATE.as_secs());
        assert_eq!(stop.cause(), Some(Stop::Interrupted));
    }
}
