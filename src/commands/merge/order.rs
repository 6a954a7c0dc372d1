//! The merged rows in the order of a manifest, and the devices of the manifest that have no row.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::domain::shard::Shard;
use crate::error::Error;
use crate::fleet::plan::recorded_id;
use crate::manifest::Manifest;
use crate::results::merge::{MergeRows, RowIndex};

/// Missing devices that are named.
const MOST_NAMED: usize = 10;

/// Devices of the manifest without a row.
#[derive(Debug, Default)]
pub(super) struct Missing {
    pub(super) count: u64,
    /// The first of them.
    pub(super) named: Vec<String>,
    /// How many each shard has of them, where the files are those of shards.
    pub(super) by_shard: BTreeMap<u32, u64>,
}

/// Puts the rows, which are by device ID, in the order of the manifest. Those that it does not list follow as they are.
/// `shard` is one of the shards of the runs.
pub(super) fn by_manifest(
    rows: &MergeRows,
    merged: &[RowIndex],
    manifest: &Manifest,
    shard: Option<Shard>,
) -> Result<(Vec<RowIndex>, Missing), Error> {
    let id = |index: &RowIndex| rows.row(*index).device_id();
    let mut places: HashMap<&[u8], (usize, usize)> = HashMap::with_capacity(merged.len());
    let mut start = 0;
    for of_device in merged.chunk_by(|a, b| id(a) == id(b)) {
        let end = start + of_device.len();
        if let Some(first) = of_device.first() {
            places.insert(id(first), (start, end));
        }
        start = end;
    }
    let mut ordered = Vec::with_capacity(merged.len());
    let mut is_done = vec![false; merged.len()];
    let (mut missing, mut seen) = (Missing::default(), HashSet::new());
    let mut lines = manifest.rows();
    while let Some(row) = lines.next()? {
        let device_id = recorded_id(row.device_id);
        match places.get(device_id.as_bytes()) {
            Some(&(start, end)) if !is_done.get(start).is_some_and(|done| *done) => {
                ordered.extend_from_slice(merged.get(start..end).unwrap_or_default());
                let done = is_done.get_mut(start..end).unwrap_or_default();
                done.fill(true);
            }
            None if !device_id.is_empty() && seen.insert(device_id.to_owned()) => {
                missing.add(device_id, shard);
            }
            _ => {}
        }
    }
    let left = merged.iter().zip(&is_done).filter(|(_, done)| !**done);
    ordered.extend(left.map(|(index, _)| *index));
    Ok((ordered, missing))
}

impl Missing {
    fn add(&mut self, device_id: &str, shard: Option<Shard>) {
        self.count += 1;
        if self.named.len() < MOST_NAMED {
            self.named.push(device_id.to_owned());
        }
        if let Some(shard) = shard {
            let number = shard.of_device(device_id).number();
            *self.by_shard.entry(number).or_default() += 1;
        }
    }
}
