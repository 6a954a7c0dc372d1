//! One row as text: a written row is read back, and text from elsewhere stays on its line and is not a formula.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kvs_fleet::domain::device::{AccountId, ChannelArn};
use kvs_fleet::results::record::{
    HEADER, LONGEST_MESSAGE, LONGEST_WORD, Row, Status, encode, timestamp,
};

use super::results::rows_of;

pub(crate) const STATUSES: [Status; 5] = [
    Status::Created,
    Status::Exists,
    Status::Failed,
    Status::Invalid,
    Status::Deleted,
];

/// Any row: the first byte of the input chooses the status, the rest are its texts, separated by the byte 0x1E.
pub(crate) fn holds(input: &[u8]) {
    let (first, rest) = input.split_first().unwrap_or((&0, &[]));
    let text = String::from_utf8_lossy(rest);
    let mut texts = text.split('\u{1e}');
    let mut next = || texts.next().unwrap_or_default();
    let status = STATUSES[usize::from(*first) % STATUSES.len()];
    round_trip(&row(
        status,
        next(),
        next(),
        next().parse().unwrap_or(1),
        Duration::from_millis(next().parse().unwrap_or(1_700_000_000_123)),
        [next(), next(), next()],
    ));
}

/// A row that the tool could write: rows with an ARN have only names that the service accepts.
pub(crate) fn row(
    status: Status,
    id: &str,
    name: &str,
    attempts: u32,
    since_epoch: Duration,
    [error_code, error_message, request_id]: [&str; 3],
) -> Row {
    let is_invalid = status == Status::Invalid;
    let is_allowed = |c: &char| c.is_ascii_alphanumeric() || "_.-".contains(*c);
    let sound: String = name.chars().filter(is_allowed).take(255).collect();
    let name = if is_invalid {
        name
    } else {
        &format!("n{sound}")
    };
    let id = if id.is_empty() && !is_invalid {
        "D"
    } else {
        id
    };
    let region = if is_invalid { "" } else { "eu-central-1" };
    let arn = format!("arn:aws:kinesisvideo:eu-central-1:111122223333:channel/{name}/1");
    let time = SystemTime::UNIX_EPOCH.checked_add(since_epoch);
    Row {
        device_id: id.into(),
        channel_name: name.into(),
        account: AccountId::parse("111122223333")
            .ok()
            .filter(|_| !is_invalid),
        region: Arc::from(region),
        status,
        channel_arn: status.has_arn().then(|| ChannelArn::parse(&arn).unwrap()),
        attempts,
        started_at: time.filter(|_| !is_invalid),
        finished_at: time.filter(|_| !is_invalid),
        error_code: error_code.into(),
        error_message: error_message.into(),
        request_id: request_id.into(),
    }
}

/// Checks that the row is read back from a file as promised.
pub(crate) fn round_trip(row: &Row) {
    let mut file = HEADER.as_bytes().to_vec();
    encode(row, &mut file);
    let rows = rows_of(&file);
    assert_eq!(rows.len(), 1, "{:?}", String::from_utf8_lossy(&file));
    let [
        id,
        name,
        account,
        region,
        status,
        arn,
        attempts,
        started,
        finished,
        foreign @ ..,
    ] = &rows[0];
    // Manifests contain no NUL.
    let without_nul = |text: &str| text.replace('\0', " ");
    assert_eq!(*id, without_nul(&row.device_id));
    assert_eq!(*name, without_nul(&row.channel_name));
    assert_eq!(*account, row.account_column().unwrap_or_default());
    assert_eq!(**region, *row.region);
    assert_eq!(status, row.status.as_str());
    assert_eq!(arn, row.channel_arn.as_ref().map_or("", ChannelArn::as_str));
    assert_eq!(*attempts, row.attempts.to_string());
    let time = row.started_at.map(timestamp).unwrap_or_default();
    assert_eq!((started, finished), (&time, &time));
    let written = [&row.error_code, &row.error_message, &row.request_id];
    let most = [LONGEST_WORD, LONGEST_MESSAGE, LONGEST_WORD];
    for ((read, written), most) in foreign.iter().zip(written).zip(most) {
        is_tamed(read, written, most);
    }
}

/// The expected text of a value from elsewhere.
fn is_tamed(read: &str, written: &str, most: usize) {
    assert!(!read.starts_with(['=', '+', '-', '@']), "{read:?}");
    assert!(!read.contains(|c: char| c.is_control() || "\u{2028}\u{2029}".contains(c)));
    let unguarded = read.strip_prefix('\'').unwrap_or(read);
    assert!(unguarded.chars().count() <= most, "{read:?}");
    let is_tame = written.trim() == written
        && !written.contains(|c: char| c.is_control() || "\u{2028}\u{2029}".contains(c))
        && written.chars().count() <= most;
    if is_tame {
        assert!(
            read == written || unguarded == written,
            "{read:?} of {written:?}"
        );
    }
}
