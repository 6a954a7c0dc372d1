//! A file's plan: the devices to attempt, and the invalid lines.

use crate::error::Error;
use crate::fleet::known_devices::KnownDevices;
use crate::fleet::plan::{Counts, InvalidLine, OwnAccount, Planner, Rules, Verdict, WorkLists};
use crate::manifest::{Manifest, ManifestError};

impl From<ManifestError> for Error {
    fn from(error: ManifestError) -> Self {
        Self::refused("manifest", error.to_string())
    }
}

#[derive(Debug, Default)]
pub struct Planned {
    pub(crate) counts: Counts,
    pub work: WorkLists,
    /// In the manifest's order.
    pub invalid: Vec<InvalidLine>,
    /// Invalid lines of other shards, likewise.
    pub invalid_elsewhere: Vec<InvalidLine>,
    /// What the operator should look at, a sentence each.
    pub(crate) remarks: Vec<String>,
}

/// Plans a file whole. `own_account` is that of rows that name none.
pub fn plan(
    manifest: &Manifest,
    known_devices: &mut KnownDevices,
    rules: Rules,
    own_account: OwnAccount,
) -> Result<Planned, Error> {
    let mut planner = Planner::new(rules);
    planner.set_own_account(own_account);
    known_devices.reserve(manifest.lines().saturating_sub(known_devices.len()));
    let mut work = WorkLists::default();
    let (mut invalid, mut invalid_elsewhere) = (Vec::new(), Vec::new());
    let mut rows = manifest.rows();
    while let Some(row) = rows.next()? {
        let verdict = planner.judge(known_devices, &row);
        let verdict = verdict.map_err(|moved| Error::refused("moved-device", moved.to_string()))?;
        match verdict {
            Verdict::Invalid(line) => invalid.push(line),
            Verdict::OtherShardInvalid(line) => invalid_elsewhere.push(line),
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
