//! A file's plan: the devices to attempt, and the invalid lines.

use crate::error::Error;
use crate::fleet::known_devices::KnownDevices;
use crate::fleet::plan::{Counts, Flaw, Planner, Rules, Verdict, WorkLists, recorded_id};
use crate::manifest::{Manifest, ManifestError};
use crate::results::record::{self, Status};

impl From<ManifestError> for Error {
    fn from(error: ManifestError) -> Self {
        Self::refused("manifest", error.to_string())
    }
}

/// An invalid line, kept until its row is written.
#[derive(Debug)]
pub struct InvalidLine {
    /// Its line in the manifest.
    pub line: u64,
    device_id: Box<str>,
    code: &'static str,
    reason: Box<str>,
}

impl InvalidLine {
    #[must_use]
    pub fn new(line: u64, device_id: &str, flaw: Flaw) -> Self {
        Self {
            line,
            device_id: recorded_id(device_id).into(),
            code: flaw.code,
            reason: flaw.reason.into(),
        }
    }

    /// Its row in the results. Nothing was started, so it has no times.
    #[must_use]
    pub fn row(&self) -> record::Row {
        record::Row {
            device_id: self.device_id.clone(),
            channel_name: Box::default(),
            region: "".into(),
            status: Status::Invalid,
            channel_arn: None,
            attempts: 0,
            started_at: None,
            finished_at: None,
            error_code: self.code.into(),
            error_message: self.reason.clone(),
            request_id: Box::default(),
        }
    }
}

/// A file's plan.
#[derive(Debug, Default)]
pub struct Planned {
    pub counts: Counts,
    pub work: WorkLists,
    /// In the manifest's order.
    pub invalid: Vec<InvalidLine>,
    /// Invalid lines of other shards, likewise.
    pub invalid_elsewhere: Vec<InvalidLine>,
    /// What the operator should look at, a sentence each.
    pub remarks: Vec<String>,
}

/// Plans a file whole.
pub fn plan(
    manifest: &Manifest,
    known_devices: &mut KnownDevices,
    rules: Rules,
) -> Result<Planned, Error> {
    let mut planner = Planner::new(rules);
    known_devices.reserve(manifest.lines().saturating_sub(known_devices.len()));
    let mut work = WorkLists::default();
    let (mut invalid, mut invalid_elsewhere) = (Vec::new(), Vec::new());
    let mut rows = manifest.rows();
    while let Some(row) = rows.next()? {
        let verdict = planner.judge(known_devices, &row);
        let verdict = verdict.map_err(|moved| Error::refused("moved-device", moved.to_string()))?;
        match verdict {
            Verdict::Invalid(flaw) => invalid.push(InvalidLine::new(row.line, row.device_id, flaw)),
            Verdict::Elsewhere(Some(flaw)) => {
                invalid_elsewhere.push(InvalidLine::new(row.line, row.device_id, flaw));
            }
            verdict => work.add(verdict),
        }
    }
    Ok(Planned {
        counts: planner.counts().clone(),
        work,
        invalid,
        invalid_elsewhere,
        remarks: planner.remarks(rows.lacks_line_end()),
    })
}
