//! The quota server in a simulation: the model under tokio's clock, with faults.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kvs_fleet::engine::pace::quota::{
    Quota, QuotaError, QuotaKey, QuotaReply, Settlement, TakeRequest, Taken,
};
use tokio::time::Instant;

use crate::quota_model::QuotaModel;

/// What is wrong with the server for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum FaultKind {
    /// Calls fail at once.
    Down,
    /// Calls are not answered.
    Hang,
    /// Calls are carried out, and their answers are lost.
    Deaf,
    /// Answers take this much longer.
    Slow(Duration),
    /// Answers that cannot be true.
    Absurd,
}

/// A fault for some of the hosts.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) when: Range<f64>,
    pub(super) hosts: Range<usize>,
    pub(super) kind: FaultKind,
}

/// What happens to the server at a moment.
#[derive(Debug, Clone, Copy)]
pub(super) enum Incident {
    /// It loses everything.
    Flush,
    /// Its clock is set by so many seconds.
    ClockJump(f64),
    /// A replica takes over that is so many seconds behind.
    Failover(f64),
}

/// The server.
#[derive(Debug)]
pub(super) struct SimServer {
    origin: Instant,
    state: Mutex<ServerState>,
    faults: Vec<Fault>,
    /// From then to then these hosts see another server, which begins as a copy.
    split: Option<(Range<f64>, Range<usize>)>,
}

#[derive(Debug, Default)]
struct ServerState {
    model: QuotaModel,
    other: Option<QuotaModel>,
    /// What the model was at past moments, for a replica.
    past: Vec<(f64, QuotaModel)>,
    /// Incidents to come, the next one last.
    incidents: Vec<(f64, Incident)>,
    clock_offset: f64,
    calls: usize,
}

impl SimServer {
    /// One that works.
    pub(super) fn calm() -> Self {
        Self::new(Vec::new(), Vec::new())
    }

    pub(super) fn new(faults: Vec<Fault>, mut incidents: Vec<(f64, Incident)>) -> Self {
        incidents.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        let state = ServerState {
            incidents,
            ..ServerState::default()
        };
        Self {
            origin: Instant::now(),
            state: Mutex::new(state),
            faults,
            split: None,
        }
    }

    pub(super) fn split(mut self, when: Range<f64>, hosts: Range<usize>) -> Self {
        self.split = Some((when, hosts));
        self
    }

    /// The calls that were carried out.
    pub(super) fn calls(&self) -> usize {
        self.state().calls
    }

    fn state(&self) -> MutexGuard<'_, ServerState> {
        self.state.lock().unwrap()
    }

    fn seconds(&self) -> f64 {
        self.origin.elapsed().as_secs_f64()
    }

    fn fault(&self, host: usize) -> Option<FaultKind> {
        let now = self.seconds();
        let here = |fault: &&Fault| fault.when.contains(&now) && fault.hosts.contains(&host);
        self.faults.iter().find(here).map(|fault| fault.kind)
    }

    /// Carries out a call of this host.
    fn call<T>(&self, host: usize, call: impl FnOnce(&mut QuotaModel) -> T) -> T {
        let now = self.seconds();
        let mut state = self.state();
        state.calls += 1;
        state.catch_up(now);
        let offset = state.clock_offset;
        let clock = ((1_800_000_000.0 + now + offset) * 1e6) as u64;
        let is_apart = |(when, hosts): &(Range<f64>, Range<usize>)| {
            when.contains(&now) && hosts.contains(&host)
        };
        let model = if self.split.as_ref().is_some_and(is_apart) {
            if state.other.is_none() {
                state.other = Some(state.model.clone());
            }
            state.other.as_mut().unwrap()
        } else {
            &mut state.model
        };
        model.clock = clock;
        call(model)
    }
}

impl ServerState {
    fn catch_up(&mut self, now: f64) {
        while let Some((_, incident)) = self.incidents.pop_if(|(at, _)| *at <= now) {
            match incident {
                Incident::Flush => self.model = QuotaModel::default(),
                Incident::ClockJump(by) => self.clock_offset += by,
                Incident::Failover(lag) => {
                    let then = now - lag;
                    let past = self.past.iter().rfind(|(at, _)| *at <= then);
                    self.model = past.map_or_else(QuotaModel::default, |(_, model)| model.clone());
                }
            }
        }
        let is_replicated = self
            .incidents
            .iter()
            .any(|(_, incident)| matches!(incident, Incident::Failover(_)));
        if is_replicated {
            self.past.push((now, self.model.clone()));
        }
    }
}

/// The way of one host to the server.
#[derive(Debug)]
pub(super) struct HostLine {
    pub(super) server: Arc<SimServer>,
    pub(super) host: usize,
    /// A whole round trip.
    pub(super) round_trip: Duration,
}

impl HostLine {
    async fn call<T: Send>(
        &self,
        call: impl FnOnce(&mut QuotaModel) -> T + Send,
    ) -> Result<T, QuotaError> {
        let fault = self.server.fault(self.host);
        tokio::time::sleep(self.round_trip / 2).await;
        if fault == Some(FaultKind::Hang) {
            std::future::pending::<()>().await;
        }
        if fault == Some(FaultKind::Down) {
            return Err(QuotaError::Unavailable("down".to_owned()));
        }
        let answer = self.server.call(self.host, call);
        if fault == Some(FaultKind::Deaf) {
            std::future::pending::<()>().await;
        }
        if let Some(FaultKind::Slow(by)) = fault {
            tokio::time::sleep(by).await;
        }
        tokio::time::sleep(self.round_trip / 2).await;
        Ok(answer)
    }
}

impl Quota for HostLine {
    fn take<'a>(&'a self, request: &'a TakeRequest) -> QuotaReply<'a, Taken> {
        Box::pin(async move {
            let mut taken = self.call(|model| model.take(request)).await?;
            if self.server.fault(self.host) == Some(FaultKind::Absurd) {
                match self.server.calls() % 5 {
                    0 => taken.rate = f64::NAN,
                    1 => taken.wait = -1e300,
                    2 => taken.count = u32::MAX,
                    3 => taken.hosts = 0,
                    _ => taken.wait = f64::INFINITY,
                }
            }
            Ok(taken)
        })
    }

    fn settle<'a>(&'a self, key: &'a QuotaKey, settlement: &'a Settlement) -> QuotaReply<'a, bool> {
        Box::pin(async move { self.call(|model| model.settle(key, settlement)).await })
    }
}
