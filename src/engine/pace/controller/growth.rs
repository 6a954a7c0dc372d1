//! How the rate of one host grows.

use serde::{Deserialize, Serialize};

/// How the rate grows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum Growth {
    /// It doubles every second; no throttle yet.
    Ramp,
    /// It has climbed for `calm` seconds in which requests waited for it, the last `at_ceiling` of them at the ceiling.
    /// `base` is the rate that has proved itself: the rate at which it began to climb faster, or the rate now if it has
    /// not, or if it has been at the ceiling for a second.
    Climb {
        calm: f64,
        base: f64,
        at_ceiling: f64,
    },
}

impl Growth {
    pub(super) fn from(rate: f64) -> Self {
        Self::Climb {
            calm: 0.0,
            base: rate,
            at_ceiling: 0.0,
        }
    }
}
