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
    let mut first_rows: HashMap<&[u8], u32> = HashMap::with_capacity(merged.len());
    for (index, place) in merged.iter().zip(0..) {
        first_rows.entry(id(index)).or_insert(place);
    }
    let mut ordered = Vec::with_capacity(merged.len());
    let mut is_done = vec![false; merged.len()];
    let (mut missing, mut seen) = (Missing::default(), HashSet::new());
    let mut lines = manifest.rows();
    while let Some(row) = lines.next()? {
        let device_id = recorded_id(row.device_id);
        let Some(first) = first_rows.get(device_id.as_bytes()) else {
            if !device_id.is_empty() && seen.insert(device_id.to_owned()) {
                missing.add(device_id, shard);
            }
            continue;
        };
        let from = *first as usize..;
        let (of_device, done) = (merged.get(from.clone()), is_done.get_mut(from));
        let of_device = of_device
            .into_iter()
            .flatten()
            .zip(done.into_iter().flatten());
        for (index, done) in of_device.take_while(|(index, _)| id(index) == device_id.as_bytes()) {
            if !std::mem::replace(done, true) {
                ordered.push(*index);
            }
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
