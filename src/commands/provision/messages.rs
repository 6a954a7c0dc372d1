//! What is reported about the files before a run begins: rows that are invalid or odd, rows that nobody asks for, a torn tail.

use std::path::Path;

use tracing::warn;

use crate::fleet::batch::InvalidLine;
use crate::fleet::known_devices::KnownDevices;
use crate::manifest::Layout;
use crate::results::disk::RealDisk;
use crate::results::journal::Journal;

/// Invalid rows that are named on the screen; all are in the results.
const SHOWN_INVALID: usize = 10;

/// Says what there is to say of a manifest that was planned, beside the results.
pub(super) fn say_planned(
    remarks: &[String],
    invalid: &[InvalidLine],
    known_devices: &KnownDevices,
) {
    say_remarks(remarks);
    say_invalid(invalid);
    say_unlisted(known_devices);
}

/// Says which rows are invalid, the first few of them.
pub(in crate::commands) fn say_invalid(lines: &[InvalidLine]) {
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

/// Says what the operator should look at in the manifest.
pub(in crate::commands) fn say_remarks(remarks: &[String]) {
    for remark in remarks {
        warn!("{remark}");
    }
}

/// Says that the channels of finished devices may differ in TTL or tags from what the manifest now asks for: not in which,
/// since only the service has what they were created with.
pub(in crate::commands) fn say_changed(layout: &Layout, manifest: &Path, results: &Path) {
    if layout.has_ttl_or_tags() {
        warn!(
            "the manifest or its flags are not those of all earlier runs; finished channels keep their TTL and tags: \
             'kvs-fleet verify {} --manifest {} --tags' lists those that differ",
            results.display(),
            manifest.display()
        );
    }
}

/// Says how many devices the results hold of which the manifest has no valid row.
fn say_unlisted(known_devices: &KnownDevices) {
    let unlisted = known_devices
        .iter()
        .filter(|index| !known_devices.is_listed(*index) && known_devices.place(*index).is_some())
        .count();
    match unlisted {
        0 => {}
        1 => warn!(
            "1 device in the results has no valid row in the manifest; its row is kept, behind the others"
        ),
        _ => warn!(
            "{unlisted} devices in the results have no valid row in the manifest; their rows are kept, behind the others"
        ),
    }
}

/// Says what a power loss or a kill spoilt, which the first write repairs.
pub(super) fn say_torn(journal: &Journal<RealDisk>) {
    if let Some(torn) = journal.torn() {
        warn!(
            "{}: {torn}; it is cut off, and what it said is asked of the service again",
            journal.path().display()
        );
    }
}
