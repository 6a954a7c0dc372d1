//! Why there is no finished file.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::Disk;
use super::journal::JournalParts;

/// Why there is no finished file.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// The disk refused. The journal is as it was, and the next run resumes from it.
    #[error(
        "the results could not be put in the manifest's order: {} cannot be {doing}: {source}. The results file {} \
         holds every row and resumes as it is",
        .file.display(), .results.display()
    )]
    Io {
        /// The results file.
        results: PathBuf,
        /// The file at fault.
        file: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The results' name is perhaps no longer the journal's, and the finished file could not be given another. What is
    /// written of it may be the only complete copy, so it is kept.
    #[error(
        "the results file {} seems to have been renamed, replaced or deleted by another program during the run, and the \
         complete results cannot be saved beside it: {source}. They are in {}: put that file in its place before you run again",
        .results.display(), .kept.display()
    )]
    Unplaced {
        /// The results file.
        results: PathBuf,
        /// Where the finished file is.
        kept: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The journal is not what was written.
    #[error(
        "the results file {} was changed by another program during the run and was left as it is",
        .results.display()
    )]
    Changed {
        /// The results file.
        results: PathBuf,
    },
}

impl<D: Disk> JournalParts<D> {
    pub(super) fn error(&self, file: &Path, doing: &'static str, source: io::Error) -> FinishError {
        FinishError::Io {
            results: self.path.clone(),
            file: file.into(),
            doing,
            source,
        }
    }

    pub(super) fn unplaced(&self, kept: &Path, source: io::Error) -> FinishError {
        FinishError::Unplaced {
            results: self.path.clone(),
            kept: kept.into(),
            source,
        }
    }

    pub(super) fn changed(&self) -> FinishError {
        let results = self.path.clone();
        FinishError::Changed { results }
    }
}
