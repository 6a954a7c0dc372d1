//! What the pace is tried against: services, networks and neighbours. Knows nothing of clients.

use std::time::Duration;

use kvs_fleet::emulator::latency::Latency;
use kvs_fleet::emulator::{RateChange, Settings};

/// One service, with what happens to it, and who asks.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    /// The quota of creates, in requests a second, at first.
    pub(crate) quota: f64,
    /// What the quota becomes, and when.
    pub(crate) change: Option<(Duration, f64)>,
    /// The bucket's size in seconds of the first quota; none for fixed windows of a second.
    pub(crate) burst: Option<f64>,
    /// Another user of the same quota.
    pub(crate) neighbour: Option<Neighbour>,
    pub(crate) latency: Latency,
    pub(crate) hosts: usize,
    /// The rate that each host starts with, in requests a second.
    pub(crate) start: f64,
    pub(crate) ceiling: Option<f64>,
    pub(crate) lasts: Duration,
    /// What "throttle to throttle" reached in the simulation that the design was chosen by.
    pub(crate) design: Option<Figures>,
}

/// Somebody who sends creates without looking at the answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Neighbour {
    pub(crate) from: Duration,
    pub(crate) until: Duration,
    /// In requests a second.
    pub(crate) rate: f64,
}

/// Figures of the design.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) utilisation: f64,
    pub(crate) throttled: f64,
    pub(crate) converged: f64,
    pub(crate) jain: Option<f64>,
}

/// Requests in flight for each host: the tool's default.
pub(crate) const WORKERS: usize = 64;

const MEDIAN: Duration = Duration::from_millis(80);
const SIGMA: f64 = 0.3;
const JOB: Duration = Duration::from_mins(10);

impl Scenario {
    fn new(key: &'static str, title: &'static str, quota: f64) -> Self {
        Self {
            key,
            title,
            quota,
            change: None,
            burst: Some(1.0),
            neighbour: None,
            latency: Latency {
                median: MEDIAN,
                sigma: SIGMA,
            },
            hosts: 1,
            start: 50.0,
            ceiling: None,
            lasts: JOB,
            design: None,
        }
    }

    fn upto(mut self, ceiling: f64) -> Self {
        self.ceiling = Some(ceiling);
        self.start = ceiling;
        self
    }

    fn from(mut self, start: f64) -> Self {
        self.start = start;
        self
    }

    fn changed_to(mut self, rate: f64) -> Self {
        self.change = Some((self.lasts / 2, rate));
        self
    }

    fn burst(mut self, seconds: f64) -> Self {
        self.burst = Some(seconds);
        self
    }

    fn hosts(mut self, hosts: usize) -> Self {
        self.hosts = hosts;
        self
    }

    fn short(mut self) -> Self {
        self.lasts = Duration::from_mins(2);
        self.change = self.change.map(|(_, rate)| (self.lasts / 2, rate));
        self
    }

    fn neighbour(mut self) -> Self {
        self.neighbour = Some(Neighbour {
            from: self.lasts / 3,
            until: self.lasts * 2 / 3,
            rate: 20.0,
        });
        self
    }

    fn sigma(mut self, sigma: f64) -> Self {
        self.latency.sigma = sigma;
        self
    }

    fn design(mut self, utilisation: f64, throttled: f64, converged: f64) -> Self {
        self.design = Some(Figures {
            utilisation,
            throttled,
            converged,
            jain: None,
        });
        self
    }

    /// The emulated service that plays it.
    pub(crate) fn settings(&self) -> Settings {
        let tokens = self.burst.unwrap_or(1.0) * self.quota;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few thousand tokens"
        )]
        let burst = tokens.round() as u32;
        let changes = self.change.iter();
        Settings {
            rate: self.quota,
            burst,
            window: self.burst.is_none(),
            rate_changes: changes
                .map(|&(after, rate)| RateChange { after, rate })
                .collect(),
            channel_limit: usize::MAX,
            ..Settings::default()
        }
    }

    /// What the service could grant and the hosts could send at that time, in requests a second.
    pub(crate) fn possible(&self, at: Duration) -> f64 {
        let quota = match self.change {
            Some((from, rate)) if at >= from => rate,
            _ => self.quota,
        };
        let mean = self.latency.median.as_secs_f64() * (self.latency.sigma.powi(2) / 2.0).exp();
        #[expect(clippy::cast_precision_loss, reason = "a few hundred workers")]
        let workers = (self.hosts * WORKERS) as f64;
        let ceiling = self.ceiling.map_or(f64::INFINITY, |ceiling| {
            #[expect(clippy::cast_precision_loss, reason = "a few hosts")]
            let hosts = self.hosts as f64;
            ceiling * hosts
        });
        quota.min(workers / mean).min(ceiling)
    }

    /// When the pace has to be found anew.
    pub(crate) fn events(&self) -> Vec<Duration> {
        let change = self.change.map(|(at, _)| at);
        let neighbour = self
            .neighbour
            .map(|neighbour| [neighbour.from, neighbour.until]);
        let mut events = vec![Duration::ZERO];
        events.extend(change);
        events.extend(neighbour.into_iter().flatten());
        events
    }
}

/// All of them: a to f as in the design, and others beyond.
pub(crate) fn all() -> Vec<Scenario> {
    let new = Scenario::new;
    let mut four = new("f", "4 hosts share 50/s", 50.0)
        .upto(50.0)
        .hosts(4)
        .design(100.0, 0.79, 0.0);
    if let Some(design) = &mut four.design {
        design.jain = Some(0.966);
    }
    vec![
        new("a", "50/s, known", 50.0)
            .upto(50.0)
            .design(100.0, 0.0, 0.0),
        new("b", "really 50/s, start 10, no ceiling", 50.0)
            .from(10.0)
            .design(99.9, 0.25, 10.0),
        new("c", "really 500/s, start 50, no ceiling", 500.0).design(99.3, 0.24, 10.0),
        new(
            "d",
            "50/s known, a neighbour takes 20/s in the middle third",
            50.0,
        )
        .upto(50.0)
        .neighbour()
        .design(98.2, 0.38, 21.0),
        new("e", "raised 50 to 200/s midway, no ceiling", 50.0)
            .changed_to(200.0)
            .design(97.2, 0.30, 19.0),
        new("e2", "cut 50 to 20/s midway", 50.0)
            .upto(50.0)
            .changed_to(20.0)
            .design(100.0, 0.29, 2.0),
        four,
        new("f8", "8 hosts share 50/s", 50.0).upto(50.0).hosts(8),
        new("b-10s", "as b, the bucket holds 10 s", 50.0)
            .from(10.0)
            .burst(10.0),
        new("b-0.2s", "as b, the bucket holds 0.2 s", 50.0)
            .from(10.0)
            .burst(0.2),
        new("a-0.2s", "as a, the bucket holds 0.2 s", 50.0)
            .upto(50.0)
            .burst(0.2),
        Scenario {
            burst: None,
            ..new("a-win", "as a, fixed windows of 1 s", 50.0).upto(50.0)
        },
        Scenario {
            burst: None,
            ..new("b-win", "as b, fixed windows of 1 s", 50.0).from(10.0)
        },
        new("b-0.8", "as b, latency sigma 0.8", 50.0)
            .from(10.0)
            .sigma(0.8),
        Scenario {
            latency: Latency {
                median: Duration::from_secs(2),
                sigma: SIGMA,
            },
            ..new("b-2s", "as b, the service answers in 2 s", 50.0).from(10.0)
        },
        new("a-120", "as a, a job of 120 s", 50.0)
            .upto(50.0)
            .short(),
        new("b-120", "as b, a job of 120 s", 50.0)
            .from(10.0)
            .short(),
        new("c-120", "as c, from 10, a job of 120 s", 500.0)
            .from(10.0)
            .short(),
        new("d-120", "as d, a job of 120 s", 50.0)
            .upto(50.0)
            .short()
            .neighbour(),
        new("e-120", "as e, from 10, a job of 120 s", 50.0)
            .from(10.0)
            .short()
            .changed_to(200.0),
        new("f-120", "as f, a job of 120 s", 50.0)
            .upto(50.0)
            .hosts(4)
            .short(),
    ]
}
