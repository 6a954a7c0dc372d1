//! One row of the results file: its columns, and its text form. Pure: no file, no clock.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::domain::device::{AccountId, ChannelArn};

/// A column, in the order of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    DeviceId,
    ChannelName,
    Account,
    Region,
    Status,
    ChannelArn,
    Attempts,
    StartedAt,
    FinishedAt,
    ErrorCode,
    ErrorMessage,
    RequestId,
}

/// The columns' names, in the order of `Column`.
pub const COLUMNS: [&str; 12] = [
    "device_id",
    "channel_name",
    "account",
    "region",
    "status",
    "channel_arn",
    "attempts",
    "started_at",
    "finished_at",
    "error_code",
    "error_message",
    "request_id",
];

/// What became of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// This tool created the channel: accepted by the service, perhaps not ACTIVE yet.
    Created,
    /// The channel was there; adopted.
    Exists,
    /// No channel; the next run tries again.
    Failed,
    /// The manifest's row is wrong; nothing was sent.
    Invalid,
    /// The channel was deleted by `rollback`.
    Deleted,
}

impl Status {
    /// The status as it is in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Exists => "exists",
            Self::Failed => "failed",
            Self::Invalid => "invalid",
            Self::Deleted => "deleted",
        }
    }

    /// Reads a status as it is in the file.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "created" => Self::Created,
            "exists" => Self::Exists,
            "failed" => Self::Failed,
            "invalid" => Self::Invalid,
            "deleted" => Self::Deleted,
            _ => return None,
        })
    }

    /// Whether a row of this status must carry the channel's ARN.
    #[must_use]
    pub fn has_arn(self) -> bool {
        matches!(self, Self::Created | Self::Exists | Self::Deleted)
    }
}

/// One row. Text that is empty means that the column is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The device's ID as the manifest gives it (empty only where an `invalid` row has none).
    pub device_id: Box<str>,
    /// The channel's name.
    pub channel_name: Box<str>,
    /// The account that the run worked in, where it is known. Where the row has an ARN, that of the ARN counts.
    pub account: Option<AccountId>,
    /// The Region.
    pub region: Arc<str>,
    /// What became of the device.
    pub status: Status,
    /// The channel's ARN: always with `created` and `exists`.
    pub channel_arn: Option<ChannelArn>,
    /// Create requests sent for the device in this run.
    pub attempts: u32,
    /// When its first attempt began; none for `invalid` rows.
    pub started_at: Option<SystemTime>,
    /// When its outcome was known; none for `invalid` rows.
    pub finished_at: Option<SystemTime>,
    /// The service's error code or one of the tool's own.
    pub error_code: Box<str>,
    /// The error in words.
    pub error_message: Box<str>,
    /// The service's request ID of the answer that decided.
    pub request_id: Box<str>,
}

impl Row {
    /// The account as it is in the file: that of the channel's ARN, or that which the run worked in.
    #[must_use]
    pub fn account_column(&self) -> Option<&str> {
        match &self.channel_arn {
            Some(arn) => Some(arn.parts().account),
            None => self.account.as_ref().map(AccountId::as_str),
        }
    }
}

/// Where a row is in the results file, its line end included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Bytes in front of it.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u32,
}

impl Place {
    /// The first byte after the row.
    #[must_use]
    pub fn end(self) -> u64 {
        self.offset.saturating_add(u64::from(self.length))
    }
}

/// The header as a line of the file.
pub const HEADER: &str = "device_id,channel_name,account,region,status,channel_arn,attempts,started_at,finished_at,\
error_code,error_message,request_id\n";

/// The longest `error_message` that is written, in characters (an apostrophe that guards a formula not counted).
pub const LONGEST_MESSAGE: usize = 500;

/// The longest `error_code` and `request_id` that are written, in characters. The service's own are far shorter; a proxy
/// may send anything.
pub const LONGEST_WORD: usize = 128;

/// Appends the row as one line of the file.
pub fn encode(row: &Row, line: &mut Vec<u8>) {
    push_field(line, &row.device_id);
    line.push(b',');
    push_field(line, &row.channel_name);
    line.push(b',');
    push_field(line, row.account_column().unwrap_or_default());
    line.push(b',');
    push_field(line, &row.region);
    line.push(b',');
    line.extend_from_slice(row.status.as_str().as_bytes());
    line.push(b',');
    let arn = row.channel_arn.as_ref().map_or("", ChannelArn::as_str);
    push_field(line, arn);
    line.push(b',');
    // Writing to memory cannot fail.
    let _ = write!(line, "{}", row.attempts);
    for time in [row.started_at, row.finished_at] {
        line.push(b',');
        if let Some(time) = time {
            let _ = write!(line, "{}", rfc3339(time));
        }
    }
    for (text, longest) in [
        (&row.error_code, LONGEST_WORD),
        (&row.error_message, LONGEST_MESSAGE),
        (&row.request_id, LONGEST_WORD),
    ] {
        line.push(b',');
        push_field(line, &foreign_text(text, longest));
    }
    line.push(b'\n');
}

/// Appends a line of these fields as they are, quoted where that is needed.
pub(crate) fn encode_fields<'a>(fields: impl Iterator<Item = &'a str>, line: &mut Vec<u8>) {
    for (index, field) in fields.enumerate() {
        if index > 0 {
            line.push(b',');
        }
        push_field(line, field);
    }
    line.push(b'\n');
}

/// A NUL byte marks a torn tail, so none may be written; no ID that the manifest lets through holds one.
fn push_field(line: &mut Vec<u8>, text: &str) {
    if !text
        .bytes()
        .any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r' | 0))
    {
        line.extend_from_slice(text.as_bytes());
        return;
    }
    let quoted = text
        .bytes()
        .any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'));
    if quoted {
        line.push(b'"');
    }
    for byte in text.bytes() {
        match byte {
            b'"' => line.extend_from_slice(b"\"\""),
            0 => line.push(b' '),
            byte => line.push(byte),
        }
    }
    if quoted {
        line.push(b'"');
    }
}

/// Text from outside this tool, made safe: on one line, of bounded length, and not a formula to a spreadsheet program.
fn foreign_text(text: &str, longest: usize) -> Cow<'_, str> {
    // Nearly all of it is nothing, a word, or a request ID.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if text.len() <= longest && !text.starts_with('-') && text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let spaced: String = text
        .chars()
        .map(|c| match c {
            '\u{2028}' | '\u{2029}' => ' ',
            c if c.is_control() => ' ',
            c => c,
        })
        .take(longest.saturating_add(1))
        .collect();
    let trimmed = spaced.trim();
    let mut safe = String::with_capacity(trimmed.len().saturating_add(1));
    if trimmed.starts_with(['=', '+', '-', '@']) {
        safe.push('\'');
    }
    if spaced.chars().count() > longest {
        safe.extend(trimmed.chars().take(longest.saturating_sub(1)));
        safe.push('…');
    } else {
        safe.push_str(trimmed);
    }
    Cow::Owned(safe)
}

/// A time as every file of this tool has it: RFC 3339, UTC, milliseconds. A clock that is before 1970 or after
/// the year 9999 gives the nearest time that can be written.
#[must_use]
pub fn timestamp(time: SystemTime) -> String {
    rfc3339(time).to_string()
}

fn rfc3339(time: SystemTime) -> impl Display {
    const LAST_MILLIS: u64 = 253_402_300_799_999;
    let latest = SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_millis(LAST_MILLIS))
        .unwrap_or(SystemTime::UNIX_EPOCH);
    humantime::format_rfc3339_millis(time.clamp(SystemTime::UNIX_EPOCH, latest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            device_id: "DEVICE_1".into(),
            channel_name: "DEVICE_1".into(),
            account: AccountId::parse("111122223333").ok(),
            region: "eu-central-1".into(),
            status: Status::Failed,
            channel_arn: None,
            attempts: 8,
            started_at: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123)),
            finished_at: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_009)),
            error_code: "Timeout".into(),
            error_message: "no answer within 10s".into(),
            request_id: "".into(),
        }
    }

    fn encoded(row: &Row) -> String {
        let mut line = Vec::new();
        encode(row, &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_row_is_a_line_with_utc_milliseconds() {
        assert_eq!(
            encoded(&row()),
            "DEVICE_1,DEVICE_1,111122223333,eu-central-1,failed,,8,2023-11-14T22:13:20.123Z,2023-11-14T22:13:29.000Z,\
             Timeout,no answer within 10s,\n"
        );
    }

    #[test]
    fn the_account_is_that_of_the_arn() {
        let mut row = row();
        let arn = "arn:aws:kinesisvideo:eu-central-1:444455556666:channel/DEVICE_1/1700000000123";
        row.channel_arn = ChannelArn::parse(arn).ok();
        assert_eq!(row.account_column(), Some("444455556666"));
        assert!(encoded(&row).starts_with("DEVICE_1,DEVICE_1,444455556666,eu-central-1,"));
        (row.channel_arn, row.account) = (None, None);
        assert!(encoded(&row).starts_with("DEVICE_1,DEVICE_1,,eu-central-1,"));
    }

    #[test]
    fn the_header_names_the_columns_in_their_order() {
        assert_eq!(HEADER, format!("{}\n", COLUMNS.join(",")));
    }

    #[test]
    fn what_the_service_says_stays_on_one_line_and_is_no_formula() {
        let mut row = row();
        for (said, written) in [
            ("=1+1", "'=1+1"),
            ("\t@SUM(A1)", "'@SUM(A1)"),
            ("\r\n-2", "'-2"),
            ("+4", "'+4"),
            ("a\r\nb\u{2028}c\u{0}d\u{7f}e", "a  b c d e"),
            ("he said \"no\", twice", "\"he said \"\"no\"\", twice\""),
            ("=a,b", "\"'=a,b\""),
        ] {
            row.error_message = said.into();
            let line = encoded(&row);
            assert!(
                line.ends_with(&format!(",{written},\n")),
                "{said:?} gave {line}"
            );
        }
        row.request_id = "=x".into();
        row.error_code = "\nBad".into();
        assert!(encoded(&row).contains(",Bad,"));
        assert!(encoded(&row).ends_with(",'=x\n"));
    }

    #[test]
    fn long_messages_are_cut_at_a_character() {
        let mut row = row();
        row.error_message = "ä".repeat(LONGEST_MESSAGE).into();
        assert!(encoded(&row).contains(&"ä".repeat(LONGEST_MESSAGE)));
        row.error_message = "ä".repeat(LONGEST_MESSAGE + 1).into();
        assert!(encoded(&row).contains(&format!(",{}…,", "ä".repeat(LONGEST_MESSAGE - 1))));
    }

    #[test]
    fn no_clock_is_too_wrong_to_be_written() {
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(timestamp(before), "1970-01-01T00:00:00.000Z");
        let behind = SystemTime::UNIX_EPOCH + Duration::from_secs(400_000_000_000);
        assert_eq!(timestamp(behind), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn a_nul_byte_is_never_written() {
        let mut row = row();
        row.device_id = "a\0b".into();
        assert!(encoded(&row).starts_with("a b,"));
    }
}
