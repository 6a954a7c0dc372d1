//! Faults: which error is injected, how often, and for which operation. A seeded generator decides, so the same seed
//! and the same requests get the same faults. `http` knows what a fault looks like to the client.

mod parse;

use std::collections::HashMap;

use super::operation::ApiOperation;
use super::shapes::ApiRequest;
use crate::domain::device::ChannelName;

/// The most channel names for which a fault counts its requests: ten times what an account may have, and few enough
/// that no client can exhaust the memory. Requests about further names get no fault.
const MOST_NAMES: usize = 100_000;

/// The kind of a fault. "Applied" means that the service handles the request before the fault changes the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Not applied: a throttle although the quota is not used up.
    Throttle,
    /// Not applied: HTTP 500 with an AWS error.
    Error500,
    /// Not applied: HTTP 503 with an AWS error.
    Error503,
    /// Not applied: HTTP 503 with a page of HTML and no AWS headers, as a proxy answers.
    Html503,
    /// Not applied: HTTP 500 with AWS headers whose body is not JSON.
    MalformedError,
    /// Not applied: the connection is reset without an answer.
    ResetBefore,
    /// Not applied: the client gets no answer.
    HangBefore,
    /// Applied: the connection is reset without an answer.
    ResetAfter,
    /// Applied: the client gets no answer.
    HangAfter,
    /// Applied: the connection ends in the middle of the answer.
    Truncated,
    /// Applied: HTTP 200 with a body that is not JSON, whatever the answer was.
    Malformed,
    /// Applied: HTTP 200 with `{}`, whatever the answer was.
    Empty,
}

impl FaultKind {
    /// All kinds, in the order of the documentation.
    pub const ALL: [Self; 12] = [
        Self::Throttle,
        Self::Error500,
        Self::Error503,
        Self::Html503,
        Self::MalformedError,
        Self::ResetBefore,
        Self::HangBefore,
        Self::ResetAfter,
        Self::HangAfter,
        Self::Truncated,
        Self::Malformed,
        Self::Empty,
    ];

    /// The kind's name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::Error500 => "500",
            Self::Error503 => "503",
            Self::Html503 => "html-503",
            Self::MalformedError => "malformed-error",
            Self::ResetBefore => "reset-before",
            Self::HangBefore => "hang-before",
            Self::ResetAfter => "reset-after",
            Self::HangAfter => "hang-after",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
            Self::Empty => "empty",
        }
    }

    /// Whether the service handles the request before the fault changes the answer.
    pub fn is_applied(self) -> bool {
        matches!(
            self,
            Self::ResetAfter | Self::HangAfter | Self::Truncated | Self::Malformed | Self::Empty
        )
    }
}

/// How often a fault is injected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Frequency {
    /// This share of the requests, 0 to 1.
    Share(f64),
    /// The first requests, this many.
    First(u64),
    /// The first requests about each channel name, this many. Requests about no channel, such as a listing, count
    /// together.
    Each(u64),
}

/// One `--fault`: `KIND=SHARE[@OPERATION]`, `KIND=first:N[@OPERATION]` or `KIND=each:N[@OPERATION]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fault {
    pub kind: FaultKind,
    pub frequency: Frequency,
    /// The only operation that it affects; `None` for all operations of KVS.
    pub operation: Option<ApiOperation>,
}

/// Why a fault on the command line is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FaultError(String);

/// The faults of a run with their counts.
#[derive(Debug)]
pub struct FaultPlan {
    faults: Vec<CountedFault>,
    random: fastrand::Rng,
}

/// A fault and how often it has been injected.
#[derive(Debug)]
struct CountedFault {
    fault: Fault,
    injected: u64,
    injected_by_name: HashMap<Box<str>, u64>,
}

impl FaultPlan {
    /// A plan whose random numbers come from this seed.
    pub fn new(faults: Vec<Fault>, seed: u64) -> Self {
        let counted = |fault| CountedFault {
            fault,
            injected: 0,
            injected_by_name: HashMap::new(),
        };
        Self {
            faults: faults.into_iter().map(counted).collect(),
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// The fault for the next request, if any. `request` is `None` if its body could not be read. Faults are tried in
    /// their order, and the first one that applies is used; the later ones do not count the request.
    pub fn draw(
        &mut self,
        operation: ApiOperation,
        request: Option<&ApiRequest>,
    ) -> Option<FaultKind> {
        if !operation.supports_faults() {
            return None;
        }
        let name = request
            .and_then(ApiRequest::channel_name)
            .unwrap_or_default();
        let concerned = self.faults.iter_mut().filter(|counted| {
            let only = counted.fault.operation;
            only.map_or(!operation.is_sts(), |only| only == operation)
        });
        for counted in concerned {
            if counted.applies(name, &mut self.random) {
                return Some(counted.fault.kind);
            }
        }
        None
    }
}

impl CountedFault {
    /// Whether the fault is injected into the request about this name (empty if it is about no channel). Counts the
    /// request.
    fn applies(&mut self, name: &str, random: &mut fastrand::Rng) -> bool {
        let counted = match self.fault.frequency {
            Frequency::Share(share) => return random.f64() < share,
            Frequency::First(most) => Some((&mut self.injected, most)),
            Frequency::Each(most) => self.injected_for(name).map(|injected| (injected, most)),
        };
        let Some((injected, most)) = counted else {
            return false;
        };
        let applies = *injected < most;
        *injected += u64::from(applies);
        applies
    }

    /// How often the fault was injected for this name; `None` if the name cannot be counted.
    fn injected_for(&mut self, name: &str) -> Option<&mut u64> {
        if !self.injected_by_name.contains_key(name) {
            let may_be_one = name.is_empty() || ChannelName::check(name).is_ok();
            if self.injected_by_name.len() >= MOST_NAMES || !may_be_one {
                return None;
            }
            self.injected_by_name.insert(name.into(), 0);
        }
        self.injected_by_name.get_mut(name)
    }
}

#[cfg(test)]
mod tests;
