//! Builders of scenarios: hosts, and a scenario that differs from the default one only in the given values.

use std::time::Duration;

use kvs_fleet::emulator::latency::Latency;
use kvs_fleet::engine::pace::controller::RateRange;

use crate::goals::Goals;
use crate::scenario::{End, HostPlan, Neighbour, Network, Reclaim, Scenario, Steps, Tokens};

/// The documented quota of creates.
pub(crate) const QUOTA: f64 = 50.0;

pub(crate) fn known(devices: u32, ceiling: f64) -> HostPlan {
    HostPlan {
        devices,
        start: 0.0,
        rate: RateRange::upto(ceiling),
        workers: 64,
    }
}

pub(crate) fn unknown(devices: u32) -> HostPlan {
    HostPlan {
        rate: RateRange::unknown(),
        ..known(devices, QUOTA)
    }
}

pub(crate) fn far(median: Duration) -> Network {
    Network::Far(Latency {
        median,
        sigma: 0.35,
    })
}

impl Scenario {
    /// 50/s with a burst of 50, 80 ms latency, until all devices are done.
    pub(crate) fn new(key: &str, title: &str, hosts: impl Into<Vec<HostPlan>>) -> Self {
        Self {
            key: key.to_owned(),
            title: title.to_owned(),
            hosts: hosts.into(),
            quota: Steps(vec![(0.0, QUOTA)]),
            tokens: Tokens::Bucket(50),
            neighbour: None,
            throttled: Steps::default(),
            failing: Steps::default(),
            network: far(Duration::from_millis(80)),
            end: End::AllDone,
            reclaim: None,
            goals: Goals::default(),
        }
    }

    pub(crate) fn quota(self, quota: f64, burst: u32) -> Self {
        Self {
            quota: Steps(vec![(0.0, quota)]),
            tokens: Tokens::Bucket(burst),
            ..self
        }
    }

    pub(crate) fn quota_becomes(mut self, time: f64, quota: f64) -> Self {
        self.quota.0.push((time, quota));
        self.reclaim = Some(Reclaim::From(time));
        self
    }

    pub(crate) fn burst(self, size: u32) -> Self {
        Self {
            tokens: Tokens::Bucket(size),
            ..self
        }
    }

    pub(crate) fn windows(self) -> Self {
        Self {
            tokens: Tokens::Windows,
            ..self
        }
    }

    /// Every request gets a server error during this time.
    pub(crate) fn failing(self, from: f64, until: f64) -> Self {
        Self {
            failing: Steps(vec![(from, 1.0), (until, 0.0)]),
            ..self
        }
    }

    pub(crate) fn network(self, network: Network) -> Self {
        Self { network, ..self }
    }

    /// With a neighbour that sends at random instants.
    pub(crate) fn beside(self, rate: f64, from: f64, until: f64) -> Self {
        let neighbour = Neighbour {
            from,
            until,
            rate,
            is_even: false,
        };
        Self {
            neighbour: Some(neighbour),
            reclaim: until.is_finite().then_some(Reclaim::From(until)),
            ..self
        }
    }

    pub(crate) fn evenly_spaced(mut self) -> Self {
        if let Some(neighbour) = &mut self.neighbour {
            neighbour.is_even = true;
        }
        self
    }

    pub(crate) fn goals(self, goals: Goals) -> Self {
        Self { goals, ..self }
    }
}
