//! How many requests were answered, refused, throttled or given a fault, for each operation.

use std::fmt;

use super::operation::ApiOperation;

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestOutcome {
    Answered,
    Refused,
    Throttled,
    Fault,
}

/// The counts of one operation. Each request is counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OperationCounts {
    /// Answered with success.
    pub answered: u64,
    /// Answered with an error, but not throttled.
    pub refused: u64,
    /// A quota was exceeded.
    pub throttled: u64,
    /// A fault was injected, applied or not.
    pub faults: u64,
}

/// The counts of all operations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestCounts([OperationCounts; ApiOperation::ALL.len()]);

impl RequestCounts {
    pub(super) fn count(&mut self, operation: ApiOperation, outcome: RequestOutcome) {
        let counts = &mut self.0[operation as usize];
        match outcome {
            RequestOutcome::Answered => counts.answered += 1,
            RequestOutcome::Refused => counts.refused += 1,
            RequestOutcome::Throttled => counts.throttled += 1,
            RequestOutcome::Fault => counts.faults += 1,
        }
    }

    pub fn of(&self, operation: ApiOperation) -> OperationCounts {
        self.0[operation as usize]
    }
}

/// One line: `CreateSignalingChannel 12 answered, 3 throttled; ListSignalingChannels 1 answered`.
impl fmt::Display for RequestCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for operation in ApiOperation::ALL {
            let counts = self.of(operation);
            if counts == OperationCounts::default() {
                continue;
            }
            write!(f, "{separator}{operation} {} answered", counts.answered)?;
            for (count, word) in [
                (counts.refused, "refused"),
                (counts.throttled, "throttled"),
                (counts.faults, "with injected faults"),
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
    fn the_line_has_only_counts_above_zero() {
        let mut request_counts = RequestCounts::default();
        assert_eq!(request_counts.to_string(), "no requests");
        request_counts.count(ApiOperation::Create, RequestOutcome::Answered);
        request_counts.count(ApiOperation::Create, RequestOutcome::Throttled);
        request_counts.count(ApiOperation::List, RequestOutcome::Fault);
        request_counts.count(ApiOperation::List, RequestOutcome::Refused);
        assert_eq!(
            request_counts.to_string(),
            "CreateSignalingChannel 1 answered, 1 throttled; ListSignalingChannels 0 answered, 1 refused, 1 with injected \
             faults"
        );
    }
}
