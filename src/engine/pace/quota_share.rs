//! A host's share of a quota that a server keeps. Calls are made in tasks of their own, so that nobody waits for one while
//! slots are left; `share_state` decides when, and for how many slots.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::controller::RateRange;
use super::held::SlotOrigin;
use super::learner::learn;
use super::quota::{LONGEST_HORIZON, QuotaKey, TakeRequest};
use super::quota_client::QuotaClient;
use super::share_state::ShareState;
use super::sharing::{Alone, Sharing};
use crate::domain::panics::lock;

/// More slots are taken this long before the last one is due, besides two round trips.
const LEAD: Duration = Duration::from_millis(20);

/// At a rate that has risen by this factor slots are taken again.
const MUCH_FASTER: f64 = 2.0;

/// A host's share of one quota.
#[derive(Debug)]
pub struct QuotaShare {
    client: Arc<QuotaClient>,
    key: QuotaKey,
    range: RateRange,
    shared: Mutex<Guarded>,
    /// A call for slots has ended.
    called: Notify,
}

#[derive(Debug, Default)]
struct Guarded {
    state: ShareState,
    /// Whether a call for slots is under way.
    is_calling: bool,
}

/// What a waiter does next.
#[derive(Debug)]
enum Step {
    Go(SlotOrigin),
    SleepUntil(Instant),
    WaitForCall,
    GoAlone(Alone),
}

/// A call for slots that is under way. However it ends, the waiters go on.
struct CallForSlots(Arc<QuotaShare>);

impl Drop for CallForSlots {
    fn drop(&mut self) {
        lock(&self.0.shared).is_calling = false;
        self.0.called.notify_waiters();
    }
}

impl QuotaShare {
    /// A share of this quota. `range` is what this host knows of it.
    pub fn new(client: Arc<QuotaClient>, key: QuotaKey, range: RateRange) -> Self {
        Self {
            client,
            key,
            range,
            shared: Mutex::default(),
            called: Notify::new(),
        }
    }

    /// Waits for a slot and uses it. `own` is the fastest rate of this host, in requests a second, if it has one of its own.
    /// Dropped before it returns, it uses none.
    pub(super) async fn next(self: &Arc<Self>, own: Option<f64>) -> Result<SlotOrigin, Alone> {
        loop {
            let mut called = std::pin::pin!(self.called.notified());
            // A call that ends from here on is not missed.
            called.as_mut().enable();
            match self.step(own) {
                Step::Go(slot) => return Ok(slot),
                Step::GoAlone(alone) => return Err(alone),
                Step::WaitForCall => called.await,
                Step::SleepUntil(due) => {
                    tokio::select! {
                        biased;
                        () = tokio::time::sleep_until(due) => {}
                        () = called => {}
                    }
                }
            }
        }
    }

    /// Whether the server answers.
    pub(super) fn is_joined(&self) -> bool {
        self.client.is_joined()
    }

    /// What is known of the quota, and whether the server answers.
    pub(super) fn sharing(&self) -> Sharing {
        Sharing {
            is_joined: self.is_joined(),
            last: lock(&self.shared).state.shared(),
        }
    }

    /// The answer to a request that used this slot.
    pub(super) fn answered(self: &Arc<Self>, slot: SlotOrigin, granted: bool) {
        let (is_due, is_urgent) = lock(&self.shared).state.note(slot, granted, Instant::now());
        if is_due && self.is_joined() {
            let share = Arc::clone(self);
            tokio::spawn(async move { share.call(0, is_urgent, None).await });
        }
    }

    fn step(self: &Arc<Self>, own: Option<f64>) -> Step {
        let (now, lead) = (Instant::now(), self.lead());
        let outage = self.client.outage();
        let mut guarded = lock(&self.shared);
        let Guarded { state, is_calling } = &mut *guarded;
        let slot = state.use_slot(now, lead);
        let before = state.shared();
        // A rate of its own holds a host back only if it is lower than that of all hosts together.
        let own = own.filter(|own| before.is_some_and(|shared| *own < shared.rate));
        let needs_more = state.needs_more(now, lead, slot.is_some(), own);
        if needs_more && !*is_calling && (outage.is_none() || self.client.is_probe_due()) {
            *is_calling = true;
            let wanted = match outage {
                // Slots that a server gives when it is back may come too late.
                Some(_) => 0,
                None => state.begin_call(now, lead, own),
            };
            let call = CallForSlots(Arc::clone(self));
            tokio::spawn(async move {
                let share = Arc::clone(&call.0);
                share.call(wanted, false, Some(call)).await;
            });
        }
        let turn = own.and_then(|_| state.own_turn(now, lead));
        match (slot, state.next_due(), outage) {
            (Some(slot), ..) => Step::Go(slot),
            (None, None, Some(outage)) => Step::GoAlone(Alone { outage, before }),
            (None, None, None) if *is_calling => Step::WaitForCall,
            (None, due, _) => {
                let next = due.into_iter().chain(turn).min();
                Step::SleepUntil(next.unwrap_or(now))
            }
        }
    }

    /// How long before the last slot more are taken.
    fn lead(&self) -> Duration {
        LEAD + 2 * self.client.round_trip()
    }

    /// Calls the server. `for_slots` ends before the rate is decided on, for which no waiter has to wait.
    async fn call(&self, wanted: u32, is_urgent: bool, for_slots: Option<CallForSlots>) {
        let request = self.request(wanted, is_urgent);
        let taken = self.client.take(&request).await;
        if let Some(taken) = &taken {
            let lead = self.lead();
            lock(&self.shared).state.accept(taken, Instant::now(), lead);
        }
        drop(for_slots);
        if let Some(taken) = taken
            && let Some(evidence) = &taken.evidence
        {
            let settlement = learn(&taken, evidence, self.range);
            self.client.settle(&self.key, &settlement).await;
            if settlement.rate > MUCH_FASTER * taken.rate {
                // The slots that were taken may be far away, behind those of slow hosts.
                lock(&self.shared).state.give_up_slots();
                self.called.notify_waiters();
            }
        }
    }

    fn request(&self, wanted: u32, is_urgent: bool) -> TakeRequest {
        let round_trip = self.client.round_trip().as_secs_f64();
        let state = &mut lock(&self.shared).state;
        TakeRequest {
            key: self.key.clone(),
            host: Arc::clone(self.client.host()),
            ceiling: self.range.ceiling,
            wanted,
            horizon: (2.0 * round_trip).min(LONGEST_HORIZON),
            start: state
                .shared()
                .map_or(self.range.start, |shared| shared.rate),
            answers: state.take_answers(),
            history: state.history(),
            is_urgent,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::engine::pace::quota::{
        Quota, QuotaError, QuotaHistory, QuotaReply, Settlement, Taken,
    };
    use crate::engine::pace::quota_client::QuotaNews;

    /// Gives out slots at ten a second, each call after `takes`; or fails.
    #[derive(Debug)]
    struct Scripted {
        takes: Duration,
        fails: bool,
        calls: AtomicU32,
        slots: AtomicU32,
        origin: Instant,
    }

    impl Scripted {
        fn new(takes: Duration, fails: bool) -> Arc<Self> {
            Arc::new(Self {
                takes,
                fails,
                calls: AtomicU32::new(0),
                slots: AtomicU32::new(0),
                origin: Instant::now(),
            })
        }
    }

    impl Quota for Scripted {
        fn take<'a>(&'a self, request: &'a TakeRequest) -> QuotaReply<'a, Taken> {
            Box::pin(async move {
                self.calls.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(self.takes).await;
                if self.fails {
                    return Err(QuotaError::Unavailable("broken".to_owned()));
                }
                let now = self.origin.elapsed().as_secs_f64();
                let count = request.wanted.min(5);
                let before = self.slots.fetch_add(count, Ordering::Relaxed);
                Ok(Taken {
                    history: QuotaHistory {
                        seconds: 1,
                        micros: 2,
                    },
                    now,
                    wait: (f64::from(before) / 10.0 - now).max(0.0),
                    count,
                    rate: 10.0,
                    hosts: 1,
                    cut: None,
                    evidence: None,
                })
            })
        }

        fn settle<'a>(&'a self, _: &'a QuotaKey, _: &'a Settlement) -> QuotaReply<'a, bool> {
            Box::pin(async { Ok(true) })
        }
    }

    fn client(quota: &Arc<Scripted>, lost: bool) -> (Arc<QuotaClient>, Arc<AtomicU32>) {
        let news = Arc::new(AtomicU32::new(0));
        let heard = Arc::clone(&news);
        let listener = move |_: &QuotaNews| {
            heard.fetch_add(1, Ordering::Relaxed);
        };
        let quota: Arc<dyn Quota> = Arc::clone(quota) as _;
        let client = QuotaClient::new(quota, "host", lost, Box::new(listener));
        (Arc::new(client), news)
    }

    fn share(client: &Arc<QuotaClient>) -> Arc<QuotaShare> {
        let key = QuotaKey::new("000000000000", "eu-central-1", "Create");
        Arc::new(QuotaShare::new(
            Arc::clone(client),
            key,
            RateRange::upto(10.0),
        ))
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_wait_uses_no_slot() {
        let quota = Scripted::new(Duration::from_millis(3), false);
        let share = share(&client(&quota, false).0);
        for _ in 0..200 {
            let gave_up = tokio::time::timeout(Duration::from_micros(1), share.next(None)).await;
            if gave_up.is_ok() {
                // Its slot was due at that very moment.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        let start = Instant::now();
        for _ in 0..50 {
            share.next(None).await.unwrap();
        }
        let seconds = start.elapsed().as_secs_f64();
        assert!((4.5..5.6).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_begins_one_call_and_is_woken_by_it() {
        let quota = Scripted::new(Duration::from_millis(300), false);
        let share = share(&client(&quota, false).0);
        let start = Instant::now();
        share.next(None).await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_millis(300));
        assert_eq!(quota.calls.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn two_fast_failures_or_one_silent_call_lose_the_server() {
        for (takes, fails, seconds) in [(Duration::ZERO, true, 0.0), (Duration::MAX, false, 1.0)] {
            let quota = Scripted::new(takes.min(Duration::from_hours(1)), fails);
            let (client, news) = client(&quota, false);
            let share = share(&client);
            let start = Instant::now();
            let alone = share.next(None).await.unwrap_err();
            assert_eq!((alone.outage, alone.before), (1, None));
            assert!((start.elapsed().as_secs_f64() - seconds).abs() < 0.01);
            assert_eq!(news.load(Ordering::Relaxed), 1);
            // While it is lost, it is asked once a second.
            let calls = quota.calls.load(Ordering::Relaxed);
            for _ in 0..100 {
                assert!(share.next(None).await.is_err());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let probes = quota.calls.load(Ordering::Relaxed) - calls;
            assert!((3..=6).contains(&probes), "{probes}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_back_is_found() {
        let quota = Scripted::new(Duration::ZERO, false);
        let (client, news) = client(&quota, true);
        let share = share(&client);
        assert!(share.next(None).await.is_err());
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        assert!(share.next(None).await.is_err());
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(share.next(None).await.is_ok());
        assert_eq!(news.load(Ordering::Relaxed), 1);
    }
}
