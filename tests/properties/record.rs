//! Random rows, written and read.

use std::time::Duration;

use kvs_fleet::results::record::{Row, Status};
use proptest::prelude::*;
use proptest::sample::select;

use crate::draw::{check, text};
use crate::laws::record;

/// Rows of every status, with text from elsewhere.
pub(crate) fn rows() -> impl Strategy<Value = Row> {
    let statuses = select(
        &[
            Status::Created,
            Status::Exists,
            Status::Failed,
            Status::Invalid,
            Status::Deleted,
        ][..],
    );
    let millis = prop_oneof![0..4_102_444_800_000_u64, any::<u64>()];
    let foreign = (text(4), prop_oneof![text(8), text(200)], text(4));
    (statuses, text(6), text(6), any::<u32>(), millis, foreign).prop_map(
        |(status, id, name, attempts, millis, (code, message, request))| {
            let since_epoch = Duration::from_millis(millis);
            let texts = [&*code, &*message, &*request];
            record::row(status, &id, &name, attempts, since_epoch, texts)
        },
    )
}

#[test]
fn every_row_is_read_back_as_it_was_written() {
    check(1_500, rows(), |row| record::round_trip(&row));
}
