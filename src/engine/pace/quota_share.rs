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
