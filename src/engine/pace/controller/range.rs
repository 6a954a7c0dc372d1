//! Where a controller begins, and how far it may go.

use crate::engine::pace::congestion::DOCUMENTED;

/// Where a controller begins and how far it may go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateRange {
    /// The first rate, in requests a second.
    pub start: f64,
    /// The fastest rate, in requests a second; only `FASTEST` if it must be found.
    pub ceiling: Option<f64>,
}

impl RateRange {
    /// Up to a known quota: starts there.
    pub fn upto(ceiling: f64) -> Self {
        Self {
            start: ceiling,
            ceiling: Some(ceiling),
        }
    }

    /// Nothing is known: starts at 50 requests a second, the documented quota.
    pub fn unknown() -> Self {
        Self {
            start: DOCUMENTED,
            ceiling: None,
        }
    }
}
