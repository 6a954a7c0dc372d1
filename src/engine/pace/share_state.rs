//! The state of a host's share of a quota: the slots it holds, when it takes more and how many, and the answers that it has not
//! reported. Pure: time is an argument.
//!
//! Slots are taken shortly before those that are left have been used. The number grows while all are used: it doubles until
//! the calls need not hurry, then slowly, so that hosts that begin a little later find their part. It starts with one
//! again after slots were too late to be used; where requests come one by one, slots are taken one by one when a request
//! waits. The server bounds it: no host holds slots for more than its part of the horizon.

use std::time::Duration;

use tokio::time::Instant;

use super::held::{HeldSlots, MOST_LATE, SlotBatch, SlotOrigin};
use super::quota::{AnswerGroup, MOST_SLOTS, QuotaHistory, Taken};
use super::sharing::SharedRate;

/// A throttle is reported at once unless there was a call less than this ago. It may be that the rate must be cut.
const URGENT_PERIOD: Duration = Duration::from_millis(20);
/// Other answers are reported with the next call, or at once if there was none for this long: at a slow rate the next slot
/// may be far away.
const REPORT_PERIOD: Duration = Duration::from_secs(1);
/// As long as slots last for less than this many leads, twice as many are taken the next time.
const HURRY_LEADS: f64 = 4.0;
/// The most groups of answers in one report; the oldest are left out.
const MOST_GROUPS: usize = 64;

#[derive(Debug, Default)]
pub(super) struct ShareState {
    held: HeldSlots,
    /// Whether requests follow each other, so that slots can be taken in advance.
    is_busy: bool,
    last_use: Option<Instant>,
    /// How many slots are asked for next; none before the first call.
    wanted: u32,
    known: Option<Known>,
    answers: Vec<AnswerGroup>,
    last_call: Option<Instant>,
    /// When slots may be taken again at this host's own rate.
    own_turn: Option<Instant>,
}

/// What the last answer said.
#[derive(Debug, Clone, Copy)]
struct Known {
    history: QuotaHistory,
    shared: SharedRate,
    cut: Option<f64>,
}

impl ShareState {
    /// The quota, as the server described it last.
    pub(super) fn shared(&self) -> Option<SharedRate> {
        self.known.map(|known| known.shared)
    }

    /// The history that this host knows.
    pub(super) fn history(&self) -> Option<QuotaHistory> {
        self.known.map(|known| known.history)
    }

    /// When the next slot is.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.held.next_due()
    }

    /// Uses the next slot if it is due.
    pub(super) fn use_slot(&mut self, now: Instant, lead: Duration) -> Option<SlotOrigin> {
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

    /// Whether slots must be taken: shortly before the last one, or, where requests come one by one, when one waits. A host
    /// with a slower rate of its own takes them at that rate.
    pub(super) fn needs_more(
        &self,
        now: Instant,
        lead: Duration,
        has_used_one: bool,
        own: Option<f64>,
    ) -> bool {
        if own.is_some() && self.own_turn.is_some_and(|turn| turn > now + lead) {
            return false;
        }
        match (self.held.last_due(), own) {
            (None, _) => self.is_busy || !has_used_one,
            (Some(last), None) => self.is_busy && last <= now + lead,
            (Some(_), Some(own)) => self.is_busy && f64::from(self.held.count()) <= own,
        }
    }

    /// When slots may be taken again at this host's own rate, as far as that is later than now.
    pub(super) fn own_turn(&self, now: Instant, lead: Duration) -> Option<Instant> {
        let turn = self.own_turn?.checked_sub(lead)?;
        (turn > now).then_some(turn)
    }

    /// A call for slots begins. Returns how many.
    pub(super) fn begin_call(&mut self, now: Instant, lead: Duration, own: Option<f64>) -> u32 {
        self.last_call = Some(now);
        let Some(own) = own else {
            return if self.is_busy { self.wanted.max(1) } else { 1 };
        };
        // As many as are used until the next call can have been answered.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bounded by the most slots"
        )]
        let wanted = (own * lead.as_secs_f64()).clamp(1.0, f64::from(MOST_SLOTS)) as u32;
        let turn = self.own_turn.unwrap_or(now).max(now - MOST_LATE);
        self.own_turn = Some(turn + Duration::from_secs_f64(f64::from(wanted) / own));
        wanted
    }

    /// From here on there are no slots.
    pub(super) fn give_up_slots(&mut self) {
        self.held = HeldSlots::default();
    }

    /// The answers that were not reported. They are gone: a call that fails may have reported them, and a second report
    /// would count twice.
    pub(super) fn take_answers(&mut self) -> Vec<AnswerGroup> {
        std::mem::take(&mut self.answers)
    }

    /// Notes an answer to a request that used this slot. Returns whether it must be reported now, and whether it is urgent:
    /// the news that the rate is too high.
    pub(super) fn note(&mut self, slot: SlotOrigin, granted: bool, now: Instant) -> (bool, bool) {
        let known = self.known.filter(|known| known.history == slot.history);
        let Some(known) = known else {
            return (false, false);
        };
        let group = self.group(slot);
        group.waited += u32::from(slot.waited);
        group.granted += u32::from(granted);
        group.throttled += u32::from(!granted);
        let is_urgent = !granted && known.cut.is_none_or(|cut| slot.taken > cut);
        let period = if is_urgent {
            URGENT_PERIOD
        } else {
            REPORT_PERIOD
        };
        let is_due = self
            .last_call
            .is_none_or(|last| now.duration_since(last) >= period);
        if is_due {
            self.last_call = Some(now);
        }
        (is_due, is_urgent)
    }

    /// The answers to requests whose slots were taken with this one.
    fn group(&mut self, slot: SlotOrigin) -> &mut AnswerGroup {
        #[expect(clippy::float_cmp, reason = "slots of the same call, or others")]
        let same = |group: &AnswerGroup| group.taken == slot.taken;
        let place = self.answers.iter().rposition(same).unwrap_or_else(|| {
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
            self.answers.len() - 1
        });
        &mut self.answers[place]
    }

    /// Slots have been taken, or answers reported.
    pub(super) fn accept(&mut self, taken: &Taken, now: Instant, lead: Duration) {
        if self
            .known
            .is_some_and(|known| known.history != taken.history)
        {
            self.answers.clear();
        }
        let most_hosts = self.shared().map_or(0, |shared| shared.most_hosts);
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
    let next = if lasts < HURRY_LEADS * lead.as_secs_f64() {
        2 * taken.count
    } else {
        taken.count + 1
    };
    next.min(MOST_SLOTS)
}
