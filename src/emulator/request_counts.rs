//! How many requests were answered, refused, throttled or struck by a fault, by operation.

use std::fmt;

use super::operation::Operation;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Answered,
    Refused,
    Throttled,
    Fault,
}

/// The counts of one operation. Each request is in exactly one of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Answered with success.
    pub answered: u64,
    /// Answered with an error, but not throttled.
    pub refused: u64,
    /// Over a quota.
    pub throttled: u64,
    /// Struck by a fault, applied or not.
    pub faults: u64,
}

/// The counts of all operations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestCounts([Counts; Operation::ALL.len()]);

impl RequestCounts {
    pub(super) fn count(&mut self, operation: Operation, fate: Fate) {
        let Some(counts) = self.0.get_mut(operation.index()) else {
            return;
        };
        match fate {
            Fate::Answered => counts.answered += 1,
            Fate::Refused => counts.refused += 1,
            Fate::Throttled => counts.throttled += 1,
            Fate::Fault => counts.faults += 1,
        }
    }

    /// The counts of an operation.
    #[must_use]
    pub fn of(&self, operation: Operation) -> Counts {
        self.0.get(operation.index()).copied().unwrap_or_default()
    }
}

/// One line: `CreateSignalingChannel 12 answered, 3 throttled; ListSignalingChannels 1 answered`.
impl fmt::Display for RequestCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for operation in Operation::ALL {
            let counts = self.of(operation);
            if counts == Counts::default() {
                continue;
            }
            write!(f, "{separator}{operation} {} answered", counts.answered)?;
            for (count, word) in [
                (counts.refused, "refused"),
                (counts.throttled, "throttled"),
                (counts.faults, "struck by faults"),
            ] {
                if count > 0 {
                    write!(f, ", {count} {word}")?;
                }
            }
            separator = "; ";
        }
        if separator.is_empty() {
            f.write_str("no requests")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_what_happened_and_no_more() {
        let mut request_counts = RequestCounts::default();
        assert_eq!(request_counts.to_string(), "no requests");
        request_counts.count(Operation::Create, Fate::Answered);
        request_counts.count(Operation::Create, Fate::Throttled);
        request_counts.count(Operation::List, Fate::Fault);
        request_counts.count(Operation::List, Fate::Refused);
        assert_eq!(
            request_counts.to_string(),
            "CreateSignalingChannel 1 answered, 1 throttled; ListSignalingChannels 0 answered, 1 refused, 1 struck by \
             faults"
        );
    }
}
