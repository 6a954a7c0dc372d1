//! A host's share of a quota that a server keeps: the slots it holds, when it takes more, and what it reports.
//!
//! Slots are taken shortly before those that are left have been used, in a task of its own, so that nobody waits for a call.
//! The number grows while all are used: it doubles until the calls need not hurry, then slowly, so that hosts that begin
//! a little later find their part. It starts with one again after slots were too late to be used; where
//! requests come one by one, slots are taken one by one when a request waits. The server bounds it: no
//! host holds slots for more than its part of the horizon.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::controller::RateRange;
use super::held::{HeldSlots, SlotBatch, SlotOrigin};
use super::learner::learn;
use super::quota::{
    AnswerGroup, LONGEST_HORIZON, MOST_SLOTS, QuotaHistory, QuotaKey, TakeRequest, Taken,
};
use super::quota_client::QuotaClient;
use crate::domain::panics::lock;

/// More slots are taken this long before the last one is due, besides two round trips.
const LEAD: Duration = Duration::from_millis(20);
/// A throttle is reported at once unless there was a call less than this ago. It may be that the rate must be cut.
const URGENT_PERIOD: Duration = Duration::from_millis(20);
/// Other answers are reported with the next call, or at once if there was none for this long: at a slow rate the next slot
/// may be far away.
const REPORT_PERIOD: Duration = Duration::from_secs(1);
/// As long as slots last for less than this many leads, twice as many are taken the next time.
const HURRY: f64 = 4.0;
/// A turn by a host's own rate that is this late is not made up for.
const LATEST_TURN: Duration = Duration::from_millis(250);
/// The most groups of answers in one report; the oldest are left out.
const MOST_GROUPS: usize = 64;

/// What a host knows of a shared quota.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SharedRate {
    /// The rate of all hosts together, in requests a second.
    pub rate: f64,
    /// The hosts that share it at present, this one included.
    pub hosts: u32,
    /// The most hosts that have shared it in this run.
    pub most_hosts: u32,
    /// Whether it was ever cut since a throttle.
    pub was_cut: bool,
}

impl SharedRate {
    /// This host's part, in requests a second.
    pub fn part(self) -> f64 {
        self.rate / f64::from(self.hosts)
    }
}

/// How a limiter shares its quota with other hosts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sharing {
    /// Whether the quota server answers.
    pub is_joined: bool,
    /// What it said last; none before its first answer.
    pub last: Option<SharedRate>,
}

/// The quota server is lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Alone {
    /// The number of the outage.
    pub(super) outage: u64,
    /// What was known before it.
    pub(super) before: Option<SharedRate>,
}

/// A host's share of one quota.
#[derive(Debug)]
pub struct QuotaShare {
    client: Arc<QuotaClient>,
    key: QuotaKey,
    range: RateRange,
    state: Mutex<ShareState>,
    /// A call has ended.
    called: Notify,
}

#[derive(Debug)]
struct ShareState {
    held: HeldSlots,
    /// Whether requests follow each other, so that slots can be taken in advance.
    is_busy: bool,
    last_use: Option<Instant>,
    /// How many slots are asked for next.
    wanted: u32,
    is_calling: bool,
    known: Option<Known>,
    answers: Vec<AnswerGroup>,
    last_call: Option<Instant>,
    /// The turn by this host's own rate at which a slot was taken last.
    own_last: Option<Instant>,
}

/// What the last answer said.
#[derive(Debug, Clone, Copy)]
struct Known {
    history: QuotaHistory,
    shared: SharedRate,
    cut: Option<f64>,
}

/// What a waiter does next.
#[derive(Debug)]
enum Step {
    Go(SlotOrigin),
    SleepUntil(Instant),
    WaitForCall,
    GoAlone(Alone),
}

impl QuotaShare {
    /// A share of this quota. `range` is what this host knows of it.
    pub fn new(client: Arc<QuotaClient>, key: QuotaKey, range: RateRange) -> Self {
        Self {
            client,
            key,
            range,
            state: Mutex::new(ShareState {
                held: HeldSlots::default(),
                is_busy: false,
                last_use: None,
                wanted: 1,
                is_calling: false,
                known: None,
                answers: Vec::new(),
                last_call: None,
                own_last: None,
            }),
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
                Step::SleepUntil(due) => tokio::time::sleep_until(due).await,
                Step::WaitForCall => called.await,
            }
        }
    }

    /// Whether the server answers.
    pub(super) fn is_joined(&self) -> bool {
        self.client.is_joined()
    }

    /// What is known of the quota, and whether the server answers.
    pub(super) fn sharing(&self) -> Sharing {
        let known = lock(&self.state).known;
        Sharing {
            is_joined: self.client.is_joined(),
            last: known.map(|known| known.shared),
        }
    }

    /// The answer to a request that used this slot.
    pub(super) fn answered(self: &Arc<Self>, slot: SlotOrigin, granted: bool) {
        let mut state = lock(&self.state);
        let is_urgent = state.note(slot, granted);
        let now = Instant::now();
        let waits_for = if is_urgent {
            URGENT_PERIOD
        } else {
            REPORT_PERIOD
        };
        let is_due = state
            .last_call
            .is_none_or(|last| now.duration_since(last) >= waits_for);
        if is_due && self.client.is_joined() {
            state.last_call = Some(now);
            self.spawn_call(0, is_urgent);
        }
    }

    fn step(self: &Arc<Self>, own: Option<f64>) -> Step {
        let now = Instant::now();
        let lead = self.lead();
        let outage = self.client.outage();
        let mut state = lock(&self.state);
        let slot = state.next_slot(now, lead);
        let before = state.known.map(|known| known.shared);
        let own = own.filter(|own| before.is_some_and(|shared| *own < shared.rate));
        let turn = own.and_then(|own| state.own_turn(now, own));
        let needs_more = turn.is_none() && state.needs_more(slot.is_some(), now + lead, own);
        if needs_more && !state.is_calling && (outage.is_none() || self.client.is_probe_due()) {
            let wanted = if outage.is_some() {
                1
            } else {
                state.begin_call(now, own)
            };
            state.is_calling = true;
            self.spawn_call(wanted, false);
        }
        match (slot, state.held.next_due(), outage) {
            (Some(slot), ..) => Step::Go(slot),
            (None, None, Some(outage)) => Step::GoAlone(Alone { outage, before }),
            (None, None, None) if state.is_calling => Step::WaitForCall,
            (None, due, _) => Step::SleepUntil(due.into_iter().chain(turn).min().unwrap_or(now)),
        }
    }

    /// How long before the last slot more are taken.
    fn lead(&self) -> Duration {
        LEAD + 2 * self.client.round_trip()
    }

    /// Calls the server in a task of its own: a waiter that is dropped must not end the call.
    fn spawn_call(self: &Arc<Self>, wanted: u32, is_urgent: bool) {
        let share = Arc::clone(self);
        tokio::spawn(async move { share.call(wanted, is_urgent).await });
    }

    async fn call(&self, wanted: u32, is_urgent: bool) {
        let request = self.request(wanted, is_urgent);
        let taken = self.client.take(&request).await;
        {
            let mut state = lock(&self.state);
            if let Some(taken) = &taken {
                state.accept(taken, Instant::now(), self.lead());
            }
            if wanted > 0 {
                state.is_calling = false;
            }
        }
        self.called.notify_waiters();
        if let Some(taken) = taken
            && let Some(evidence) = &taken.evidence
        {
            let settlement = learn(&taken, evidence, self.range);
            self.client.settle(&self.key, &settlement).await;
        }
    }

    fn request(&self, wanted: u32, is_urgent: bool) -> TakeRequest {
        let round_trip = self.client.round_trip().as_secs_f64();
        let mut state = lock(&self.state);
        let known = state.known;
        TakeRequest {
            key: self.key.clone(),
            host: Arc::clone(self.client.host()),
            ceiling: self.range.ceiling,
            wanted,
            horizon: (2.0 * round_trip).min(LONGEST_HORIZON),
            start: known.map_or(self.range.start, |known| known.shared.rate),
            answers: std::mem::take(&mut state.answers),
            history: known.map(|known| known.history),
            is_urgent,
        }
    }
}

impl ShareState {
    /// Uses the next slot if it is due.
    fn next_slot(&mut self, now: Instant, lead: Duration) -> Option<SlotOrigin> {
        if self.held.drop_late(now) {
            self.wanted = 1;
            self.is_busy = false;
        }
        let slot = self.held.take(now);
        if slot.is_some() {
            self.last_use = Some(now);
        } else if self.last_use.is_some_and(|last| now <= last + lead) {
            self.is_busy = true;
        }
        slot
    }

    /// Whether more slots must be taken: shortly before the last one, or, where requests come one by one, when one waits. A
    /// host with a slower rate of its own takes them at that rate.
    fn needs_more(&self, has_used_one: bool, soon: Instant, own: Option<f64>) -> bool {
        match (self.held.last_due(), own) {
            (None, _) => self.is_busy || !has_used_one,
            (Some(last), None) => self.is_busy && last <= soon,
            (Some(_), Some(own)) => self.is_busy && f64::from(self.held.count()) <= own,
        }
    }

    /// When the next slot may be taken at this host's own rate, if that is later than now.
    fn own_turn(&self, now: Instant, own: f64) -> Option<Instant> {
        let turn = self.own_last? + Duration::from_secs_f64(1.0 / own);
        (turn > now).then_some(turn)
    }

    /// A call begins: how many slots it takes.
    fn begin_call(&mut self, now: Instant, own: Option<f64>) -> u32 {
        self.last_call = Some(now);
        let Some(own) = own else {
            return if self.is_busy { self.wanted } else { 1 };
        };
        // The turn, not the moment at which it was noticed, unless that is a while ago.
        let period = Duration::from_secs_f64(1.0 / own);
        let turn = self.own_last.map_or(now, |last| last + period);
        self.own_last = Some(turn.max(now - period.min(LATEST_TURN)));
        1
    }

    /// Notes an answer. Returns whether it is the news that the rate is too high.
    fn note(&mut self, slot: SlotOrigin, granted: bool) -> bool {
        let known = self.known.filter(|known| known.history == slot.history);
        let Some(known) = known else {
            return false;
        };
        #[expect(clippy::float_cmp, reason = "slots of the same call, or others")]
        let same = |group: &&mut AnswerGroup| group.taken == slot.taken;
        if self.answers.iter_mut().rev().find(same).is_none() {
            if self.answers.len() >= MOST_GROUPS {
                self.answers.remove(0);
            }
            self.answers.push(AnswerGroup {
                taken: slot.taken,
                rate: slot.rate,
                waited: 0,
                granted: 0,
                throttled: 0,
            });
        }
        if let Some(group) = self.answers.iter_mut().rev().find(same) {
            group.waited += u32::from(slot.waited);
            group.granted += u32::from(granted);
            group.throttled += u32::from(!granted);
        }
        !granted && known.cut.is_none_or(|cut| slot.taken > cut)
    }

    fn accept(&mut self, taken: &Taken, now: Instant, lead: Duration) {
        if self
            .known
            .is_some_and(|known| known.history != taken.history)
        {
            self.answers.clear();
        }
        let most_hosts = self.known.map_or(0, |known| known.shared.most_hosts);
        self.known = Some(Known {
            history: taken.history,
            shared: SharedRate {
                rate: taken.rate,
                hosts: taken.hosts,
                most_hosts: most_hosts.max(taken.hosts),
                was_cut: taken.cut.is_some(),
            },
            cut: taken.cut,
        });
        if taken.count == 0 {
            return;
        }
        self.wanted = next_wanted(taken, lead);
        self.held.add(SlotBatch {
            due: now + Duration::from_secs_f64(taken.wait),
            interval: Duration::from_secs_f64(1.0 / taken.rate),
            count: taken.count,
            origin: SlotOrigin {
                history: taken.history,
                taken: taken.now,
                rate: taken.rate,
                waited: taken.wait > 0.0,
            },
        });
    }
}

/// How many slots to take after these.
fn next_wanted(taken: &Taken, lead: Duration) -> u32 {
    let lasts = f64::from(taken.count) / taken.rate;
    let next = if lasts < HURRY * lead.as_secs_f64() {
        2 * taken.count
    } else {
        taken.count + 1
    };
    next.min(MOST_SLOTS)
}
