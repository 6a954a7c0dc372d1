//! What a host knows of a quota that it shares.

/// A shared quota, as the quota server described it last.
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
