//! A quota server in memory: what `take.lua` and `settle.lua` do, with a clock that the test sets. A test compares the two.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "small counts, and seconds of this century"
)]

use std::collections::{BTreeMap, HashMap};

use kvs_fleet::engine::pace::quota::{
    AnswerGroup, Evidence, QuotaHistory, QuotaKey, Settlement, TakeRequest, Taken,
};

const FORGOTTEN_AFTER: f64 = 1.0;
const KEPT_FOR: f64 = 120.0;
const URGENT_AFTER: f64 = 0.05;
const FASTER: f64 = 2.0;
const LONGEST_QUEUE: f64 = 60.0;
/// The scripts bound the text; this bounds the groups, far above what a test reports.
const MOST_GROUPS: usize = 10_000;

/// The quotas that a server keeps.
#[derive(Debug, Clone, Default)]
pub(crate) struct QuotaModel {
    /// The server's clock, in microseconds since the Unix epoch.
    pub(crate) clock: u64,
    pub(crate) quotas: HashMap<String, KeptQuota>,
}

#[derive(Debug, Clone)]
pub(crate) struct KeptQuota {
    history: QuotaHistory,
    shift: f64,
    /// The time of the last call.
    pub(crate) seen: f64,
    next: f64,
    rate: f64,
    horizon: f64,
    after: f64,
    settled: f64,
    version: u64,
    cut: Option<f64>,
    learner: String,
    answers: Vec<(f64, AnswerGroup)>,
    /// Each host with its ceiling, and when it is forgotten.
    hosts: BTreeMap<String, (Option<f64>, f64)>,
    /// When the server forgets the quota, by its clock.
    expires: u64,
}

impl KeptQuota {
    fn new(clock: u64, rate: f64) -> Self {
        Self {
            history: QuotaHistory {
                seconds: clock / 1_000_000,
                micros: u32::try_from(clock % 1_000_000).unwrap(),
            },
            shift: 0.0,
            seen: 0.0,
            next: 0.0,
            rate,
            horizon: 0.1,
            after: 0.25,
            settled: 0.0,
            version: 0,
            cut: None,
            learner: String::new(),
            answers: Vec::new(),
            hosts: BTreeMap::new(),
            expires: u64::MAX,
        }
    }

    /// Moves the quota's time on, and never back.
    fn tick(&mut self, clock: u64) -> f64 {
        let (seconds, micros) = (clock / 1_000_000, clock % 1_000_000);
        let whole = seconds as f64 - self.history.seconds as f64;
        let now = whole + (micros as f64 - f64::from(self.history.micros)) / 1e6 + self.shift;
        if now < self.seen {
            self.shift += self.seen - now;
        } else {
            self.seen = now;
        }
        self.seen
    }
}

impl QuotaModel {
    /// As `take.lua`.
    pub(crate) fn take(&mut self, request: &TakeRequest) -> Taken {
        let clock = self.clock;
        let key = request.key.as_str().to_owned();
        let is_expired = |quota: &KeptQuota| clock >= quota.expires;
        if self.quotas.get(&key).is_some_and(is_expired) {
            self.quotas.remove(&key);
        }
        let quota = self
            .quotas
            .entry(key)
            .or_insert_with(|| KeptQuota::new(clock, request.start));
        let now = quota.tick(clock);
        quota.hosts.retain(|_, (_, forgotten)| *forgotten >= now);
        let longest = LONGEST_QUEUE.max(4.0 * quota.hosts.len() as f64 / quota.rate);
        if quota.next > now + longest {
            *quota = KeptQuota::new(clock, request.start);
        }
        let now = quota.tick(clock);
        quota.hosts.retain(|_, (_, forgotten)| *forgotten >= now);
        let ceiling = request
            .ceiling
            .map_or_else(String::new, |rate| rate.to_string());
        let member = format!("{} {ceiling}", request.host);
        let newcomer = [request.ceiling];
        let is_new = !quota.hosts.contains_key(&member);
        let hosts = quota.hosts.len() + usize::from(is_new);
        let (mut count, mut wait) = (0, 0.0);
        if request.wanted > 0 {
            let longest = quota.horizon.max(request.horizon).min(1.0);
            let most = (longest * quota.rate / hosts as f64).floor();
            count = f64::from(request.wanted).min(most).max(1.0) as u32;
            let first = quota.next.max(now);
            wait = first - now;
            quota.next = first + f64::from(count) / quota.rate;
            let forgotten = quota.next + FORGOTTEN_AFTER;
            quota.hosts.insert(member, (request.ceiling, forgotten));
        }
        if request.history == Some(quota.history) && quota.answers.len() < MOST_GROUPS {
            quota
                .answers
                .extend(request.answers.iter().map(|group| (now, *group)));
        }
        let pause = if request.is_urgent {
            URGENT_AFTER
        } else {
            quota.after
        };
        let is_due = !quota.answers.is_empty() && now - quota.settled >= pause;
        let decides = (is_new && request.wanted > 0) || is_due;
        if decides {
            quota.settled = now;
        }
        let kept_for = (KEPT_FOR + (quota.next - now).max(0.0)).ceil();
        quota.expires = clock + kept_for as u64 * 1_000_000;
        Taken {
            history: quota.history,
            now,
            wait,
            count,
            rate: quota.rate,
            hosts: u32::try_from(hosts).unwrap(),
            cut: quota.cut,
            evidence: decides.then(|| Evidence {
                version: quota.version,
                learner: quota.learner.clone(),
                answers: quota.answers.clone(),
                length: quota.answers.len(),
                ceiling: quota.ceiling(if is_new { &newcomer } else { &[] }),
            }),
        }
    }

    /// As `settle.lua`. The length is in groups, not in bytes.
    pub(crate) fn settle(&mut self, key: &QuotaKey, settlement: &Settlement) -> bool {
        let Some(quota) = self.quotas.get_mut(key.as_str()) else {
            return false;
        };
        if quota.history != settlement.history || quota.version != settlement.version {
            return false;
        }
        quota.version += 1;
        quota.learner.clone_from(&settlement.learner);
        if settlement.rate > FASTER * quota.rate && quota.next > quota.seen {
            quota.next = quota.seen + (quota.next - quota.seen) * quota.rate / settlement.rate;
        }
        quota.rate = settlement.rate;
        quota.horizon = settlement.horizon;
        quota.after = settlement.after;
        quota.cut = settlement.cut;
        quota
            .answers
            .drain(..settlement.length.min(quota.answers.len()));
        true
    }
}

impl KeptQuota {
    /// The highest of the hosts, a newcomer among them if there is one.
    fn ceiling(&self, newcomer: &[Option<f64>]) -> Option<f64> {
        let hosts = self.hosts.values().map(|(ceiling, _)| *ceiling);
        let ceilings = hosts.chain(newcomer.iter().copied());
        let highest = ceilings
            .map(|ceiling| ceiling.unwrap_or(f64::INFINITY))
            .fold(0.0, f64::max);
        highest.is_finite().then_some(highest)
    }
}
