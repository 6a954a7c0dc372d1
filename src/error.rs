//! The one error type at the top: why a command ended without doing its work, and with which exit code.

use crate::engine::Stop;

/// Why a command did not do its work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing was attempted: the command, the files, the configuration or the credentials must be changed first.
    #[error("{message}")]
    Refused {
        /// In one word, for scripts.
        reason: &'static str,
        /// In one sentence or two: what was found, what is expected, what to do.
        message: String,
    },
    /// Nothing was attempted, for what would have stopped the run.
    #[error("{0}")]
    NotBegun(Stop),
    /// The run was stopped, or could not go on; it can be resumed.
    #[error("{0}")]
    Stopped(Stop),
}

impl Error {
    /// A refusal.
    pub fn refused(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Refused {
            reason,
            message: message.into(),
        }
    }

    /// What stopped the run, or would have.
    pub(crate) fn stop(&self) -> Option<&Stop> {
        match self {
            Self::Refused { .. } => None,
            Self::NotBegun(stop) | Self::Stopped(stop) => Some(stop),
        }
    }

    /// The reason in one word, as `--summary-json` spells it.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused { reason, .. } => reason,
            Self::NotBegun(stop) | Self::Stopped(stop) => stop.reason(),
        }
    }

    /// The process's exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused { .. } | Self::NotBegun(_) => 2,
            Self::Stopped(stop) => stop.exit_code(),
        }
    }
}

impl From<Stop> for Error {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}
