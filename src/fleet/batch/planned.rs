//! A file's plan: what is to do, and the lines that ask for what cannot be had.

use crate::domain::device::LONGEST_DEVICE_ID;
use crate::error::Error;
use crate::fleet::known_devices::KnownDevices;
use crate::fleet::plan::{Counts, Flaw, Planner, Rules, Verdict, WorkLists};
use crate::manifest::{Manifest, ManifestError, Row};
use crate::results::record::{self, Status};

impl From<ManifestError> for Error {
    fn from(error: ManifestError) -> Self {
        Self::refused("manifest", error.to_string())
    }
}

/// An invalid line, kept until its row can be written.
#[derive(Debug)]
pub struct InvalidLine {
    /// Its place in the manifest.
    pub at: u64,
    device_id: Box<str>,
    code: &'static str,
    reason: Box<str>,
}

impl InvalidLine {
    /// A line that is not to be had, and why.
    #[must_use]
    pub fn new(at: u64, device_id: &str, flaw: Flaw) -> Self {
        Self {
            at,
            device_id: device_id
                .get(..device_id.floor_char_boundary(LONGEST_DEVICE_ID))
                .unwrap_or_default()
                .into(),
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
    /// In numbers.
    pub counts: Counts,
    /// What is to do.
    pub work: WorkLists,
    /// The lines that ask for what cannot be had, in the manifest's order.
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
        match judge(&mut planner, known_devices, &row)? {
            Verdict::Invalid(flaw) => invalid.push(InvalidLine::new(row.at, row.device_id, flaw)),
            verdict => work.add(known_devices, &verdict),
        }
    }
    Ok(Planned {
        counts: planner.counts().clone(),
        work,
        invalid,
        remarks: planner.remarks(manifest.lacks_line_end()),
    })
}

fn judge(
    planner: &mut Planner,
    known_devices: &mut KnownDevices,
    row: &Row<'_>,
) -> Result<Verdict, Error> {
    planner
        .judge(known_devices, row)
        .map_err(|moved| Error::refused("moved-device", moved.to_string()))
}
