//! What the runs log tells of earlier runs.

use std::io;
use std::path::Path;

use super::{RunsLogError, for_each_line, read_lines};
use crate::results::disk::{Disk, DiskFile};
use crate::results::merge_runs::UNLOGGED;
use crate::results::runs_line::{ROLLBACK, RunsLine, Settings, Start};

/// What a log tells of the provisioning runs that had begun when it was read.
#[derive(Debug, Default)]
pub struct EarlierRuns {
    last: Option<Box<Start>>,
    /// Whether two of them asked for something else.
    differ: bool,
    /// Whether one is in no log, or cannot be compared with the run before it.
    is_unknown: bool,
}

impl EarlierRuns {
    /// Reads the log of a results file, if it has one, without the lock.
    pub fn read<D: Disk>(disk: &D, results: &Path) -> Result<Self, RunsLogError> {
        let mut runs = Self::default();
        read_lines(disk, results, |line| runs.visit(line))?;
        Ok(runs)
    }

    /// Reads the open log of a results file.
    pub(crate) fn of_file(log: &impl DiskFile) -> io::Result<Self> {
        let mut runs = Self::default();
        for_each_line(log, |line| runs.visit(line))?;
        Ok(runs)
    }

    /// Whether the last one was against an emulator.
    pub fn was_emulated(&self) -> bool {
        self.last_start().is_some_and(Start::was_emulated)
    }

    /// How the last one began.
    pub fn last_start(&self) -> Option<&Start> {
        self.last.as_deref()
    }

    /// Whether all of them, and a run with this manifest and these settings, ask for the same channels, TTLs and tags; none
    /// where the log does not tell.
    pub fn ask_alike(&self, manifest_sha256: Option<&str>, settings: &Settings) -> Option<bool> {
        match self.last.as_ref()?.asks_alike(manifest_sha256, settings) {
            _ if self.differ => Some(false),
            Some(true) if self.is_unknown => None,
            alike => alike,
        }
    }

    pub(super) fn visit(&mut self, line: &[u8]) {
        self.is_unknown |= line == UNLOGGED;
        if line.starts_with(br#"{"event":"start""#)
            && let Ok(RunsLine::Start(start)) = serde_json::from_slice(line)
            && start.command != ROLLBACK
        {
            if let Some(before) = &self.last {
                let settings = start.settings.as_ref();
                let sha256 = start.manifest_sha256.as_deref();
                match settings.and_then(|settings| before.asks_alike(sha256, settings)) {
                    Some(alike) => self.differ |= !alike,
                    None => self.is_unknown = true,
                }
            }
            self.last = Some(start);
        }
    }
}
