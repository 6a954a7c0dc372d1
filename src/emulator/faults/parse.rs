//! A fault as text on the command line: parsed and displayed.

use std::fmt;
use std::str::FromStr;

use super::{Fault, FaultError, FaultKind, Frequency};
use crate::emulator::operation::ApiOperation;

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (kind, rest) = text.split_once('=').ok_or_else(|| {
            FaultError(
                "expected KIND=SHARE, KIND=first:N or KIND=each:N, with @OPERATION after it if only one operation is \
                 meant, such as 'reset-after=2%@create'"
                    .to_owned(),
            )
        })?;
        let (frequency, operation) = match rest.split_once('@') {
            None => (rest, None),
            Some((frequency, operation)) => (frequency, Some(parse_operation(operation)?)),
        };
        Ok(Self {
            kind: parse_kind(kind)?,
            frequency: parse_frequency(frequency)?,
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

fn parse_operation(text: &str) -> Result<ApiOperation, FaultError> {
    ApiOperation::named(text.trim())
        .filter(|operation| operation.supports_faults())
        .ok_or_else(|| {
            FaultError(format!(
                "unknown operation '{text}'; give its full name or one of {}",
                ApiOperation::short_names()
            ))
        })
}

fn parse_frequency(text: &str) -> Result<Frequency, FaultError> {
    let text = text.trim();
    if let Some(count) = text.strip_prefix("first:") {
        return parse_count("first:", count).map(Frequency::First);
    }
    if let Some(count) = text.strip_prefix("each:") {
        return parse_count("each:", count).map(Frequency::Each);
    }
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse(),
    };
    match share {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(Frequency::Share(share)),
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
        match self.frequency {
            Frequency::Share(share) => write!(f, "{share}")?,
            Frequency::First(count) => write!(f, "first:{count}")?,
            Frequency::Each(count) => write!(f, "each:{count}")?,
        }
        match self.operation {
            Some(operation) => write!(f, "@{operation}"),
            None => Ok(()),
        }
    }
}
