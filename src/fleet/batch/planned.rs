//! A file's plan: the devices to attempt, and the invalid lines.

use serde::Serialize;

use crate::domain::device::LONGEST_DEVICE_ID;
use crate::error::Error;
use crate::fleet::known_devices::KnownDevices;
use crate::fleet::plan::{Counts, Flaw, Planner, Rules, Verdict, WorkLists};
use crate::manifest::{Manifest, ManifestError};
use crate::results::record::{self, Status};

impl From<ManifestError> for Error {
    fn from(error: ManifestError) -> Self {
        Self::refused("manifest", error.to_string())
    }
}

/// An invalid line, kept until its row is written.
#[derive(Debug, Serialize)]
pub struct InvalidLine {
    /// Its line in the manifest.
    #[serde(skip)]
    pub(crate) line: u64,
    device_id: Box<str>,
    code: &'static str,
    /// What was found and what is expected, with the line.
    pub(crate) reason: Box<str>,
}

impl InvalidLine {
    pub fn new(line: u64, device_id: &str, flaw: Flaw) -> Self {
        Self {
            line,
            device_id: device_id
                .get(..device_id.floor_char_boundary(LONGEST_DEVICE_ID))
                .unwrap_or_default()
                .into(),
            code: flaw.code,
            reason: flaw.reason.into(),
        }
    }

    /// Its row in the results. Nothing was started, so it has no times.
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
    let mut invalid = Vec::new();
    let mut rows = manifest.rows();
    while let Some(row) = rows.next()? {
        let verdict = planner.judge(known_devices, &row);
        let verdict = verdict.map_err(|moved| Error::refused("moved-device", moved.to_string()))?;
        match verdict {
            Verdict::Invalid(flaw) => invalid.push(InvalidLine::new(row.line, row.device_id, flaw)),
            verdict => work.add(verdict),
        }
    }
    Ok(Planned {
        counts: planner.counts().clone(),
        work,
        invalid,
        remarks: planner.remarks(rows.lacks_line_end()),
    })
}
