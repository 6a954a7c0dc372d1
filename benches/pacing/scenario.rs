//! A scenario: a service with its quota and its network, its other user, and our hosts with their devices. Times are in
//! seconds since the start of the run, rates in requests a second.

use std::time::Duration;

use kvs_fleet::emulator::latency::Latency;
use kvs_fleet::emulator::{EmulatorSettings, RateChange};
use kvs_fleet::engine::pace::controller::RateRange;

use crate::goals::Goals;

/// The devices of a host that always has more to do.
pub(crate) const ENDLESS: u32 = u32::MAX;
/// The time limit of a run.
pub(crate) const LONGEST: f64 = 2_000.0;

#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) key: String,
    pub(crate) title: String,
    pub(crate) hosts: Vec<HostPlan>,
    /// The quota of creates.
    pub(crate) quota: Steps,
    pub(crate) tokens: Tokens,
    pub(crate) neighbour: Option<Neighbour>,
    /// The share of requests that are throttled at random.
    pub(crate) throttled: Steps,
    /// The share of requests that are answered with a server error.
    pub(crate) failing: Steps,
    pub(crate) network: Network,
    pub(crate) end: End,
    /// From when the time is measured until the quota is used again.
    pub(crate) reclaim: Option<Reclaim>,
    pub(crate) goals: Goals,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct HostPlan {
    pub(crate) devices: u32,
    pub(crate) start: f64,
    pub(crate) rate: RateRange,
    pub(crate) workers: u16,
}

/// Values, each from its time on; 0 before the first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Steps(pub Vec<(f64, f64)>);

impl Steps {
    pub(crate) fn at(&self, time: f64) -> f64 {
        let begun = self.0.iter().rev().find(|(from, _)| time >= *from);
        begun.map_or(0.0, |(_, value)| *value)
    }
}

/// How the service grants its quota.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tokens {
    /// A bucket of this size.
    Bucket(u32),
    /// Fixed windows of a second.
    Windows,
}

/// Another client, which sends creates whatever the answers are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Neighbour {
    pub(crate) from: f64,
    pub(crate) until: f64,
    pub(crate) rate: f64,
    /// Evenly spaced; else at random instants.
    pub(crate) is_even: bool,
}

/// The network between host and service.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Network {
    /// The request and its answer take half of the latency each.
    Far(Latency),
    /// The emulator on the same machine: it decides on arrival and answers 80 ms later.
    Loopback,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum End {
    /// When all devices are done.
    AllDone,
    /// At this time.
    After(f64),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Reclaim {
    From(f64),
    /// From the time when only one host is left.
    LastHost,
}

impl HostPlan {
    /// The most creates a second that are granted to it if it may send them.
    fn most(&self, network: &Network) -> f64 {
        let by_workers = f64::from(self.workers) / network.mean_seconds();
        self.rate.ceiling.map_or(by_workers, |c| c.min(by_workers))
    }
}

impl Network {
    /// How long a request takes to the service, and its answer back.
    pub(crate) fn draw(&self, random: &mut fastrand::Rng) -> (Duration, Duration) {
        match self {
            Self::Far(latency) => {
                let half = latency.draw(random) / 2;
                (half, half)
            }
            Self::Loopback => {
                let there = random.f64().mul_add(0.0008, 0.0002);
                let back = random.f64().mul_add(0.0015, 0.0802);
                (
                    Duration::from_secs_f64(there),
                    Duration::from_secs_f64(back),
                )
            }
        }
    }

    fn mean_seconds(&self) -> f64 {
        match self {
            Self::Far(latency) => {
                latency.median.as_secs_f64() * (latency.sigma.powi(2) / 2.0).exp()
            }
            Self::Loopback => 0.0815,
        }
    }
}

impl Scenario {
    /// The time limit.
    pub(crate) fn ends_by(&self) -> f64 {
        match self.end {
            End::AllDone => LONGEST,
            End::After(time) => time,
        }
    }

    /// The emulated service.
    pub(crate) fn settings(&self) -> EmulatorSettings {
        let changes = self.quota.0.iter().skip(1);
        EmulatorSettings {
            rate: self.quota.at(0.0),
            burst: match self.tokens {
                Tokens::Bucket(size) => size,
                Tokens::Windows => 1,
            },
            window: matches!(self.tokens, Tokens::Windows),
            rate_changes: changes
                .map(|&(after, rate)| RateChange {
                    after: Duration::from_secs_f64(after),
                    rate,
                })
                .collect(),
            channel_limit: usize::MAX,
            ..EmulatorSettings::default()
        }
    }

    /// The creates a second that the service can grant to these hosts while they all have devices left.
    pub(crate) fn possible(&self, time: f64, hosts: impl Iterator<Item = usize>) -> f64 {
        let most = hosts.map(|number| self.hosts[number].most(&self.network));
        self.left_by_neighbour(time).min(most.sum())
    }

    /// The quota without the neighbour's part: all that it sends, or, if that is more than the quota, its share in
    /// proportion to the ceilings.
    fn left_by_neighbour(&self, time: f64) -> f64 {
        let quota = self.quota.at(time);
        match self.neighbour_at(time) {
            None => quota,
            Some(theirs) if theirs < quota => quota - theirs,
            Some(theirs) => {
                let ours: f64 = self.hosts.iter().map(|h| h.most(&self.network)).sum();
                quota * ours / (ours + theirs)
            }
        }
    }

    fn neighbour_at(&self, time: f64) -> Option<f64> {
        let here = self
            .neighbour
            .filter(|n| (n.from..n.until).contains(&time))?;
        Some(here.rate)
    }

    /// The seconds that an omniscient client takes: it knows the quota and its users at each moment, the devices of
    /// each host, and the requests that will fail. Requests are divisible, and answers take no time.
    pub(crate) fn ideal(&self) -> f64 {
        const STEP: f64 = 0.001;
        let mut left: Vec<f64> = self.hosts.iter().map(|h| f64::from(h.devices)).collect();
        let mut bucket = match self.tokens {
            Tokens::Bucket(size) => f64::from(size),
            Tokens::Windows => 0.0,
        };
        let (mut time, mut done) = (0.0, 0.0);
        while left.iter().any(|devices| *devices > 1e-6) && time < self.ends_by() {
            let quota = self.left_by_neighbour(time) * STEP;
            if self
                .neighbour_at(time)
                .is_some_and(|n| n >= self.quota.at(time))
            {
                bucket = 0.0;
            }
            let mut tokens = bucket + quota;
            let granted_share = (1.0 - self.throttled.at(time)) * (1.0 - self.failing.at(time));
            for (host, devices) in self.hosts.iter().zip(&mut left) {
                if host.start > time || *devices <= 1e-6 {
                    continue;
                }
                let granted = (host.most(&self.network) * STEP * granted_share)
                    .min(*devices)
                    .min(tokens);
                *devices -= granted;
                tokens -= granted;
                if granted > 0.0 {
                    done = time + STEP;
                }
            }
            bucket = self.kept(tokens, quota);
            time += STEP;
        }
        done
    }

    /// The tokens that are left for the next moment.
    fn kept(&self, tokens: f64, granted_now: f64) -> f64 {
        match self.tokens {
            Tokens::Bucket(size) => tokens.min(f64::from(size).max(granted_now)),
            // The ideal client uses each window evenly.
            Tokens::Windows => 0.0,
        }
    }
}
