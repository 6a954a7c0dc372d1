//! Faults: what goes wrong, how often, for which operation. Pure: drawn from a seeded generator, so that the same seed and
//! the same requests meet the same faults. How a fault looks on the wire is known to `http`.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use super::operation::Operation;
use super::shapes::Request;
use crate::domain::device::ChannelName;

/// The most channel names of which a fault knows how often it struck them: ten times what an account may have, and few
/// enough that no client can fill the memory. Those that come later are spared.
const MOST_NAMES: usize = 100_000;

/// What goes wrong.
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
    /// Not applied: no answer ever comes.
    HangBefore,
    /// Applied: the connection is reset without an answer.
    ResetAfter,
    /// Applied: no answer ever comes.
    HangAfter,
    /// Applied: the connection ends in the middle of the answer.
    Truncated,
    /// Applied: HTTP 200 with a body that is not JSON, whatever the answer was.
    Malformed,
    /// Applied: HTTP 200 with `{}`, whatever the answer was.
    Empty,
}

impl FaultKind {
    /// Every kind, in the order of the documentation.
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

    /// Its name on the command line.
    #[must_use]
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

    /// Whether the service works on the request before the answer is spoilt.
    #[must_use]
    pub fn is_applied(self) -> bool {
        matches!(
            self,
            Self::ResetAfter | Self::HangAfter | Self::Truncated | Self::Malformed | Self::Empty
        )
    }
}

/// How often a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Often {
    /// This share of the requests, 0 to 1.
    Share(f64),
    /// The first so many requests that come to it.
    First(u64),
    /// The first so many requests about each channel name; those about none, such as a listing, count as about one.
    Each(u64),
}

/// One `--fault`: `KIND=SHARE[@OPERATION]`, `KIND=first:N[@OPERATION]` or `KIND=each:N[@OPERATION]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// How often.
    pub often: Often,
    /// Only here; every operation of KVS when absent.
    pub operation: Option<Operation>,
}

/// Why a fault's text could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FaultError(String);

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (kind, rest) = text.split_once('=').ok_or_else(|| {
            FaultError(
                "expected KIND=SHARE, KIND=first:N or KIND=each:N, with @OPERATION behind it if only one operation is \
                 meant, such as 'reset-after=2%@create'"
                    .to_owned(),
            )
        })?;
        let (often, operation) = match rest.split_once('@') {
            None => (rest, None),
            Some((often, operation)) => (often, Some(parse_operation(operation)?)),
        };
        Ok(Self {
            kind: parse_kind(kind)?,
            often: parse_often(often)?,
            operation,
        })
    }
}

fn parse_kind(text: &str) -> Result<FaultKind, FaultError> {
    let found = FaultKind::ALL
        .into_iter()
        .find(|kind| kind.as_str().eq_ignore_ascii_case(text.trim()));
    found.ok_or_else(|| {
        let names: Vec<&str> = FaultKind::ALL.into_iter().map(FaultKind::as_str).collect();
        FaultError(format!(
            "unknown kind '{text}'; the kinds are {}",
            names.join(", ")
        ))
    })
}

fn parse_operation(text: &str) -> Result<Operation, FaultError> {
    Operation::named(text.trim())
        .filter(|operation| operation.bears_faults())
        .ok_or_else(|| {
            FaultError(format!(
                "unknown operation '{text}'; give its full name or one of {}",
                Operation::short_names()
            ))
        })
}

fn parse_often(text: &str) -> Result<Often, FaultError> {
    let text = text.trim();
    if let Some(count) = text.strip_prefix("first:") {
        return parse_count("first:", count).map(Often::First);
    }
    if let Some(count) = text.strip_prefix("each:") {
        return parse_count("each:", count).map(Often::Each);
    }
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse(),
    };
    match share {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(Often::Share(share)),
        _ => Err(FaultError(format!(
            "the share '{text}' is neither a number from 0 to 1, nor a percentage from 0% to 100%, nor 'first:N', nor \
             'each:N'"
        ))),
    }
}

fn parse_count(word: &str, count: &str) -> Result<u64, FaultError> {
    count.parse().map_err(|_| {
        FaultError(format!(
            "'{count}' in '{word}{count}' is not a whole number of requests"
        ))
    })
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.kind.as_str())?;
        match self.often {
            Often::Share(share) => write!(f, "{share}")?,
            Often::First(count) => write!(f, "first:{count}")?,
            Often::Each(count) => write!(f, "each:{count}")?,
        }
        match self.operation {
            Some(operation) => write!(f, "@{operation}"),
            None => Ok(()),
        }
    }
}

/// The faults of a run, and what is left of them.
#[derive(Debug)]
pub struct FaultPlan {
    faults: Vec<Counted>,
    random: fastrand::Rng,
}

/// A fault, and whom it has struck so far.
#[derive(Debug)]
struct Counted {
    fault: Fault,
    struck: u64,
    struck_by_name: HashMap<Box<str>, u64>,
}

impl FaultPlan {
    /// A plan that draws by this seed.
    #[must_use]
    pub fn new(faults: Vec<Fault>, seed: u64) -> Self {
        let counted = |fault| Counted {
            fault,
            struck: 0,
            struck_by_name: HashMap::new(),
        };
        Self {
            faults: faults.into_iter().map(counted).collect(),
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// What goes wrong with the next request, which is none where its body could not be read. The faults are asked in their
    /// order and the first that strikes is it; those behind it do not see the request.
    pub fn draw(&mut self, operation: Operation, request: Option<&Request>) -> Option<FaultKind> {
        if !operation.bears_faults() {
            return None;
        }
        let name = request.and_then(Request::channel_name).unwrap_or_default();
        let concerned = self.faults.iter_mut().filter(|counted| {
            let only = counted.fault.operation;
            only.is_none_or(|only| only == operation)
        });
        for counted in concerned {
            if counted.strikes(name, &mut self.random) {
                return Some(counted.fault.kind);
            }
        }
        None
    }
}

impl Counted {
    /// Whether it strikes the request about this name (empty where it is about none), and counts that.
    fn strikes(&mut self, name: &str, random: &mut fastrand::Rng) -> bool {
        let counted = match self.fault.often {
            Often::Share(share) => return random.f64() < share,
            Often::First(most) => Some((&mut self.struck, most)),
            Often::Each(most) => self.struck_by(name).map(|struck| (struck, most)),
        };
        let Some((struck, most)) = counted else {
            return false;
        };
        let strikes = *struck < most;
        *struck += u64::from(strikes);
        strikes
    }

    /// How often it struck this name; none where that cannot be remembered.
    fn struck_by(&mut self, name: &str) -> Option<&mut u64> {
        if !self.struck_by_name.contains_key(name) {
            let may_be_one = name.is_empty() || ChannelName::check(name).is_ok();
            if self.struck_by_name.len() >= MOST_NAMES || !may_be_one {
                return None;
            }
            self.struck_by_name.insert(name.into(), 0);
        }
        self.struck_by_name.get_mut(name)
    }
}

#[cfg(test)]
mod tests {
    use super::super::shapes::CreateChannel;
    use super::*;

    fn fault(text: &str) -> Fault {
        text.parse().unwrap()
    }

    fn about(name: &str) -> Request {
        Request::Create(CreateChannel {
            channel_name: Some(name.to_owned()),
            ..CreateChannel::default()
        })
    }

    #[test]
    fn shares_percentages_counts_and_operations_are_read() {
        let read = fault("reset-after=0.25@create");
        assert_eq!(read.kind, FaultKind::ResetAfter);
        assert_eq!(read.often, Often::Share(0.25));
        assert_eq!(read.operation, Some(Operation::Create));
        assert_eq!(fault("500=50%").often, Often::Share(0.5));
        assert_eq!(fault("500=1").often, Often::Share(1.0));
        assert_eq!(fault("500=100%").operation, None);
        let read = fault("HTML-503=first:3@describesignalingchannel");
        assert_eq!(read.kind, FaultKind::Html503);
        assert_eq!(read.often, Often::First(3));
        assert_eq!(read.operation, Some(Operation::Describe));
    }

    #[test]
    fn every_kind_is_read_as_it_is_shown() {
        for kind in FaultKind::ALL {
            for often in ["first:2", "each:2", "0.5"] {
                let shown = format!("{}={often}@ListSignalingChannels", kind.as_str());
                assert_eq!(fault(&shown).to_string(), shown);
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_explained() {
        for (text, reason) in [
            ("reset-after", "expected KIND=SHARE"),
            ("explode=1", "unknown kind 'explode'"),
            ("500=1.01", "share '1.01'"),
            ("500=101%", "share '101%'"),
            ("500=-0.1", "share '-0.1'"),
            ("500=NaN", "share 'NaN'"),
            ("500=first:x", "'x' in 'first:x'"),
            ("500=each:-1", "'-1' in 'each:-1'"),
            ("500=1@sing", "unknown operation 'sing'"),
            ("500=1@GetCallerIdentity", "unknown operation"),
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let draw = |seed| {
            let mut plan = FaultPlan::new(vec![fault("500=0.3"), fault("empty=0.3@create")], seed);
            (0..200)
                .map(|_| plan.draw(Operation::Create, None))
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let struck = draw(7).iter().flatten().count();
        // Expected: 200 × (0.3 + 0.7 × 0.3) = 102.
        assert!((80..125).contains(&struck), "{struck}");
    }

    #[test]
    fn the_first_requests_are_those_of_the_operation() {
        let mut plan = FaultPlan::new(vec![fault("500=first:2@create")], 1);
        assert_eq!(plan.draw(Operation::List, None), None);
        assert_eq!(
            plan.draw(Operation::Create, None),
            Some(FaultKind::Error500)
        );
        assert_eq!(
            plan.draw(Operation::Create, None),
            Some(FaultKind::Error500)
        );
        assert_eq!(plan.draw(Operation::Create, None), None);
    }

    #[test]
    fn each_name_is_struck_by_itself_and_whatever_names_none_together() {
        let mut plan = FaultPlan::new(vec![fault("500=each:2")], 1);
        let mut struck = |request: Option<&Request>| {
            let mut drawn = Vec::new();
            for _ in 0..4 {
                drawn.extend(plan.draw(Operation::Create, request));
            }
            drawn.len()
        };
        assert_eq!(struck(Some(&about("a"))), 2);
        assert_eq!(struck(Some(&about("b"))), 2);
        assert_eq!(struck(Some(&about("a"))), 0);
        assert_eq!(struck(None), 2);
        assert_eq!(struck(None), 0);
        // No channel can have such a name, so none is remembered.
        assert_eq!(struck(Some(&about(&"a".repeat(257)))), 0);
    }

    #[test]
    fn names_are_remembered_up_to_a_limit() {
        let mut plan = FaultPlan::new(vec![fault("500=each:1")], 1);
        for number in 0..MOST_NAMES + 10 {
            let drawn = plan.draw(Operation::Create, Some(&about(&format!("n{number}"))));
            assert_eq!(drawn.is_some(), number < MOST_NAMES, "{number}");
        }
        assert_eq!(plan.faults[0].struck_by_name.len(), MOST_NAMES);
    }

    #[test]
    fn faults_combine_in_their_order() {
        let mut plan = FaultPlan::new(vec![fault("500=first:1"), fault("empty=first:2")], 1);
        let drawn: Vec<_> = (0..4).map(|_| plan.draw(Operation::Create, None)).collect();
        assert_eq!(
            drawn,
            [
                Some(FaultKind::Error500),
                Some(FaultKind::Empty),
                Some(FaultKind::Empty),
                None
            ]
        );
    }

    #[test]
    fn nothing_strikes_the_question_who_one_is() {
        let mut plan = FaultPlan::new(vec![fault("500=1")], 1);
        assert_eq!(plan.draw(Operation::CallerIdentity, None), None);
    }
}
