//! Requests wait here, in order of arrival, for the gate to let them pass at the controller's rate; the controller learns of
//! their answers. With a quota server they wait for a slot of the quota that all hosts share, as long as the server answers.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::controller::{Controller, SentRequest};
use super::gate::Gate;
use super::held::SlotOrigin;
use super::quota_share::QuotaShare;
use super::sharing::{Alone, SharedRate, Sharing};
use crate::domain::panics::lock;

/// A host that has been alone keeps its own rate for this time: others find the quota server a second later.
const REJOINING: Duration = Duration::from_secs(2);

/// A permit to send one request. The call that sends it uses it up, so it cannot be copied.
#[derive(Debug)]
pub struct Permit(PacedRequest);

impl Permit {
    /// What the limiter must know about the request when its answer comes.
    pub fn sent(&self) -> PacedRequest {
        self.0
    }
}

/// What let a request leave.
#[derive(Debug, Clone, Copy)]
pub struct PacedRequest(Source);

#[derive(Debug, Clone, Copy)]
enum Source {
    /// This host's own pace.
    Gate(SentRequest),
    /// A slot of the quota that all hosts share.
    Slot(SlotOrigin),
}

/// The limiter of one operation in one account and Region.
#[derive(Debug)]
pub struct Limiter {
    queue: tokio::sync::Mutex<Queue>,
    controller: Mutex<Controller>,
    /// Where a quota server is used; while it is lost, the controller's rate is in force.
    share: Option<Arc<QuotaShare>>,
    origin: Instant,
}

/// Held by the request whose turn it is.
#[derive(Debug)]
struct Queue {
    gate: Gate,
    /// The last outage of the quota server that this limiter has seen.
    outage: Option<u64>,
    /// Whether the last request left by this host's own pace, although there is a quota server.
    is_alone: bool,
    /// When it has answered again, if that was a moment ago.
    joined: Option<Instant>,
}

impl Limiter {
    /// A limiter that follows this controller's rate.
    pub fn new(controller: Controller) -> Self {
        let gate = Gate::new(controller.rate());
        Self {
            queue: tokio::sync::Mutex::new(Queue {
                gate,
                outage: None,
                is_alone: false,
                joined: None,
            }),
            controller: Mutex::new(controller),
            share: None,
            origin: Instant::now(),
        }
    }

    /// The same limiter, but as long as the quota server answers requests leave in the slots of this share.
    #[must_use]
    pub fn sharing(self, share: QuotaShare) -> Self {
        Self {
            share: Some(Arc::new(share)),
            ..self
        }
    }

    /// Waits for a permit to send one request. First come, first served. Dropped before it returns, it takes nothing.
    pub async fn acquire(&self) -> Permit {
        let mut queue = self.queue.lock().await;
        let source = match &self.share {
            None => Source::Gate(self.pass(&mut queue.gate).await),
            Some(share) => match self.next_slot(&mut queue, share).await {
                Ok(slot) => Source::Slot(slot),
                Err(alone) => {
                    self.go_alone(&mut queue, alone);
                    Source::Gate(self.pass(&mut queue.gate).await)
                }
            },
        };
        Permit(PacedRequest(source))
    }

    /// Waits at the gate.
    async fn pass(&self, gate: &mut Gate) -> SentRequest {
        let mut waited = false;
        loop {
            let now = self.now();
            gate.follow(self.own_rate());
            match gate.try_pass(now, waited, || self.controller().spacing()) {
                Ok(share) => {
                    self.controller().on_sent(now, waited || share.is_some());
                    return SentRequest {
                        at: now,
                        rate: gate.rate(),
                        share,
                    };
                }
                Err(earliest) => {
                    waited = true;
                    tokio::time::sleep_until(self.origin + earliest).await;
                }
            }
        }
    }

    /// Waits for a slot of the shared quota.
    async fn next_slot(
        &self,
        queue: &mut Queue,
        share: &Arc<QuotaShare>,
    ) -> Result<SlotOrigin, Alone> {
        if queue.is_alone && share.is_joined() {
            queue.is_alone = false;
            queue.joined = Some(Instant::now());
        }
        let is_back = |joined: &Instant| joined.elapsed() < REJOINING;
        queue.joined = queue.joined.filter(is_back);
        let own = match queue.joined {
            Some(_) => Some(self.own_rate()),
            None => self.ceiling(),
        };
        share.next(own).await
    }

    /// The quota server is lost: goes on from this host's part of the quota, as far as that is known.
    fn go_alone(&self, queue: &mut Queue, alone: Alone) {
        queue.is_alone = true;
        if queue.outage.replace(alone.outage) == Some(alone.outage) {
            return;
        }
        let mut controller = self.controller();
        if let Some(before) = alone.before {
            let now = self.now();
            controller.go_on_at(before.part(), now);
            let (rate, share) = (controller.rate(), controller.spacing());
            queue.gate.restart(now, rate, share);
        }
    }

    /// Reports that the service did not throttle the request. Server errors and missing answers are not reported, because
    /// they say nothing about the rate.
    pub fn accepted(&self, sent: PacedRequest) {
        self.answered(sent, true);
    }

    /// Reports that the service throttled the request.
    pub fn throttled(&self, sent: PacedRequest) {
        self.answered(sent, false);
    }

    fn answered(&self, PacedRequest(source): PacedRequest, is_granted: bool) {
        let now = self.now();
        match (source, &self.share) {
            (Source::Gate(sent), _) if is_granted => self.controller().on_granted(sent, now),
            (Source::Gate(sent), _) => self.controller().on_throttled(sent, now),
            (Source::Slot(slot), Some(share)) => share.answered(slot, is_granted),
            (Source::Slot(_), None) => {}
        }
    }

    /// The rate in force, in requests a second: this host's part of a shared quota. While throttles are ignored it is far
    /// above what is granted.
    pub fn rate(&self) -> f64 {
        let shared = self.shared_rate();
        shared.map_or_else(|| self.own_rate(), |shared| self.part(shared))
    }

    /// The fastest rate allowed, in requests a second; none if it must be found.
    pub fn ceiling(&self) -> Option<f64> {
        self.controller().ceiling()
    }

    /// How the quota is shared with other hosts; none where no quota server is used.
    pub fn sharing_of_quota(&self) -> Option<Sharing> {
        Some(self.share.as_ref()?.sharing())
    }

    /// What is known of the quota while the quota server answers.
    fn shared_rate(&self) -> Option<SharedRate> {
        let sharing = self.sharing_of_quota()?;
        sharing.last.filter(|_| sharing.is_joined)
    }

    fn part(&self, shared: SharedRate) -> f64 {
        self.ceiling()
            .map_or(shared.part(), |ceiling| shared.part().min(ceiling))
    }

    fn own_rate(&self) -> f64 {
        self.controller().rate()
    }

    /// What was granted in the last five seconds in which requests waited, in requests a second; none before the first
    /// throttle.
    pub fn grant(&self) -> Option<f64> {
        match self.shared_rate() {
            Some(shared) => shared.was_cut.then(|| self.part(shared)),
            None => self.controller().grant(),
        }
    }

    /// Whether throttles were ever ignored, since cutting the rate did not make them fewer.
    pub(crate) fn has_ignored_throttles(&self) -> bool {
        self.controller().has_ignored_throttles()
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn controller(&self) -> MutexGuard<'_, Controller> {
        lock(&self.controller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::pace::controller::RateRange;

    fn limiter(rate: f64) -> Limiter {
        Limiter::new(Controller::new(
            RateRange::upto(rate),
            std::time::UNIX_EPOCH,
            1,
        ))
    }

    async fn seconds_for(limiter: &Limiter, requests: u32) -> f64 {
        let start = Instant::now();
        for _ in 0..requests {
            limiter.acquire().await;
        }
        start.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn keeps_the_rate_exactly() {
        for (rate, requests) in [
            (0.5, 10),
            (1.0, 20),
            (50.0, 1_000),
            (333.0, 6_660),
            (500.0, 10_000),
            (5_000.0, 100_000),
            (50_000.0, 1_000_000),
        ] {
            let limiter = limiter(rate);
            // Past the burst that a new bucket begins with.
            seconds_for(&limiter, requests / 200 + 5).await;
            let seconds = seconds_for(&limiter, requests).await;
            // The first and the last may each leave a period after their turn.
            let requests = f64::from(requests);
            let share = requests / rate / seconds;
            let exact = 1.0 / requests;
            assert!(
                (0.995 - exact..=1.0005 + exact).contains(&share),
                "{rate}/s: {share}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn goes_on_at_the_new_rate_from_the_last_request() {
        let limiter = limiter(100.0);
        seconds_for(&limiter, 200).await;
        let permit = limiter.acquire().await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        limiter.throttled(permit.sent());
        let rate = limiter.rate();
        assert!((84.0..86.0).contains(&rate), "{rate}");
        let start = Instant::now();
        limiter.acquire().await;
        // A full bucket would let two pass at once; the one that goes on lets the next pass a period after the last one's
        // turn, and up to a period of 12 ms later.
        limiter.acquire().await;
        let gap = start.elapsed();
        assert!(gap >= Duration::from_millis(9), "{gap:?}");
        assert!(gap <= Duration::from_millis(32), "{gap:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_client_does_not_raise_the_rate() {
        let range = RateRange::unknown();
        let limiter = Limiter::new(Controller::new(range, std::time::UNIX_EPOCH, 1));
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            limiter.acquire().await;
        }
        assert!((limiter.rate() - 50.0).abs() < 1e-9);
        seconds_for(&limiter, 60).await;
        assert!(limiter.rate() > 60.0);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_leave_off_their_grid_and_the_grid_stays() {
        let limiter = limiter(10.0);
        seconds_for(&limiter, 5).await;
        let origin = Instant::now();
        let mut phases = Vec::new();
        for number in 1..=200_u32 {
            limiter.acquire().await;
            let late = origin.elapsed().as_secs_f64() - f64::from(number) * 0.1;
            assert!((-0.11..0.11).contains(&late), "{number}: {late}");
            phases.push(late);
        }
        phases.sort_by(f64::total_cmp);
        let spread = phases[180] - phases[20];
        assert!(spread > 0.05, "{spread}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_given_up_long_ago_is_forgotten() {
        let limiter = limiter(10.0);
        seconds_for(&limiter, 5).await;
        let gave_up = tokio::time::timeout(Duration::from_millis(1), limiter.acquire()).await;
        assert!(gave_up.is_err());
        tokio::time::sleep(Duration::from_secs(10)).await;
        let permit = limiter.acquire().await;
        limiter.throttled(permit.sent());
        // A bucket that has been idle holds two: the new rate goes on from the request that has just left, not from the one
        // that nobody waited for.
        let seconds = seconds_for(&limiter, 2).await;
        assert!(seconds >= 0.1, "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn serves_in_order_of_arrival() {
        let limiter = Arc::new(limiter(10.0));
        let order = Arc::new(Mutex::new(Vec::new()));
        let waiters: Vec<_> = (0..20)
            .map(|number| {
                let (limiter, order) = (Arc::clone(&limiter), Arc::clone(&order));
                tokio::spawn(async move {
                    limiter.acquire().await;
                    order.lock().unwrap().push(number);
                })
            })
            .collect();
        for waiter in waiters {
            waiter.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_wait_takes_nothing() {
        let limiter = limiter(10.0);
        seconds_for(&limiter, 5).await;
        for _ in 0..50 {
            let gave_up = tokio::time::timeout(Duration::from_millis(1), limiter.acquire()).await;
            assert!(gave_up.is_err());
        }
        let seconds = seconds_for(&limiter, 10).await;
        assert!(seconds < 1.05, "{seconds}");
    }
}
