//! Messages about the files before a run begins: invalid or odd rows, devices that the manifest does not list, a torn tail.

use std::path::Path;

use tracing::warn;

use crate::fleet::batch::Planned;
use crate::fleet::known_devices::KnownDevices;
use crate::fleet::plan::InvalidLine;
use crate::manifest::Layout;
use crate::results::disk::RealDisk;
use crate::results::journal::Journal;

/// Invalid rows that are named on the screen; all are in the results.
const SHOWN_INVALID: usize = 10;

/// Reports on a planned manifest and the results.
pub(super) fn say_planned(
    remarks: &[String],
    invalid: &[InvalidLine],
    known_devices: &KnownDevices,
) {
    say_all(remarks);
    say_invalid(invalid);
    say_unlisted(known_devices);
}

/// Names the first invalid rows.
pub(super) fn say_invalid(lines: &[InvalidLine]) {
    for line in lines.iter().take(SHOWN_INVALID) {
        warn!("invalid row: {}", line.row().error_message);
    }
    let more = lines.len().saturating_sub(SHOWN_INVALID);
    match more {
        0 => {}
        1 => warn!("1 more row is invalid"),
        _ => warn!("{more} more rows are invalid"),
    }
}

/// Names the first invalid rows of this shard, and of the others: they all count where a manifest is refused as a whole.
pub(super) fn say_invalid_of_all(planned: &Planned) {
    say_invalid(&planned.invalid);
    say_invalid(&planned.invalid_elsewhere);
}

pub(super) fn say_all(warnings: &[String]) {
    for warning in warnings {
        warn!("{warning}");
    }
}

/// Reports that the channels of finished devices may differ in TTL or tags from what the manifest now asks for. Only the
/// service knows in which devices.
pub(super) fn say_changed(layout: &Layout, manifest: &Path, results: &Path) {
    if layout.has_ttl_or_tags() {
        warn!(
            "the manifest or its flags are not those of all earlier runs; finished channels keep their TTL and tags: \
             'kvs-fleet verify {} --manifest {} --tags' lists those that differ",
            results.display(),
            manifest.display()
        );
    }
}

/// Devices in the results of which the manifest has no valid row.
pub(super) fn unlisted(known_devices: &KnownDevices) -> u64 {
    let devices = known_devices.iter().map(|index| &known_devices[index]);
    let unlisted = devices.filter(|known| known.listed.is_none() && known.place.is_some());
    unlisted.count() as u64
}

fn say_unlisted(known_devices: &KnownDevices) {
    let (devices, rows) = match unlisted(known_devices) {
        0 => return,
        1 => ("1 device in the results has".to_owned(), "its row is"),
        many => (
            format!("{many} devices in the results have"),
            "their rows are",
        ),
    };
    warn!("{devices} no valid row in the manifest; {rows} kept, after the others");
}

/// Reports what a power loss or a kill has damaged, which the first write repairs.
pub(super) fn say_torn(journal: &Journal<RealDisk>) {
    if let Some(torn) = journal.torn() {
        warn!(
            "{}: {torn}; it is cut off, and what it said is asked of the service again",
            journal.path().display()
        );
    }
}
