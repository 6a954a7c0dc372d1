//! A row as it is read: borrowed from the file's bytes and checked against itself.
//!
//! Knows the columns and what may stand in them. It must not know files, lines or other rows: whoever reads adds those.

use super::record::{COLUMNS, Status};
use super::split::Fields;
use crate::device::{ArnParts, ChannelName, Region, shown};

/// What is wrong with a record. The text fits behind "FILE, line N: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Too few or too many fields.
    #[error("the row has {found} fields where {} are expected", COLUMNS.len())]
    FieldCount {
        /// How many there are.
        found: usize,
    },
    /// Bytes that are not UTF-8.
    #[error("the row is not UTF-8 text; save the file as UTF-8")]
    NotUtf8,
    /// A NUL byte in front of what a power loss can have left.
    #[error(
        "the row holds a NUL byte, and too much follows for it to be the trace of a power loss"
    )]
    Nul,
    /// A quote that is opened and never closed.
    #[error("a quote is opened in this row and never closed")]
    UnclosedQuote,
    /// No line end, and too long to be a row.
    #[error("the row has no end")]
    Endless,
    /// The header once more.
    #[error("here the header stands again: were two results files put together? Keep one of them")]
    SecondHeader,
    /// No device ID.
    #[error("the row has no device_id")]
    NoDeviceId,
    /// A status that nobody writes.
    #[error(
        "the status is {}; expected is created, exists, failed, invalid or deleted",
        shown(.0)
    )]
    UnknownStatus(String),
    /// No number of attempts.
    #[error("attempts is {}; expected is a whole number", shown(.0))]
    Attempts(String),
    /// A Region that cannot be one.
    #[error("{0}")]
    Region(String),
    /// A status that says there is a channel, and no ARN.
    #[error("the device {} is {} but has no channel_arn", shown(.device_id), .status.as_str())]
    NoArn {
        /// The device.
        device_id: String,
        /// Its status.
        status: Status,
    },
    /// An ARN that is none.
    #[error("the channel_arn of the device {}: {reason}", shown(.device_id))]
    BadArn {
        /// The device.
        device_id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An ARN of another channel than the row's.
    #[error(
        "the row of the device {} gives the {column} {}, its channel_arn says {}: has a spreadsheet program changed \
         the row (leading zeros, long numbers)?",
        shown(.device_id), shown(.row), shown(.arn)
    )]
    Contradiction {
        /// The device.
        device_id: String,
        /// `channel_name` or `region`.
        column: &'static str,
        /// What the column holds.
        row: String,
        /// What the ARN holds.
        arn: String,
    },
}

/// One row, borrowed. Its ARN, where it has one, is that of its channel's name and Region. Times are not checked: a
/// spreadsheet program may have rewritten them, and nothing depends on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// The device's ID; empty only in an `invalid` row.
    pub device_id: &'a str,
    /// The channel's name; in an `invalid` row any text.
    pub channel_name: &'a str,
    /// The Region; in an `invalid` row any text.
    pub region: &'a str,
    /// What became of the device.
    pub status: Status,
    /// The channel's ARN as text; empty where there is none.
    pub channel_arn: &'a str,
    /// The ARN's parts; always there for `created`, `exists` and `deleted`.
    pub arn: Option<ArnParts<'a>>,
    /// Create requests sent for the device.
    pub attempts: u32,
    /// When its first attempt began.
    pub started_at: &'a str,
    /// When its outcome was known.
    pub finished_at: &'a str,
    /// The error's code.
    pub error_code: &'a str,
    /// The error in words.
    pub error_message: &'a str,
    /// The service's request ID.
    pub request_id: &'a str,
}

impl<'a> RecordView<'a> {
    /// Checks a record. A blank one (an empty line, or commas only) is none.
    pub(crate) fn check(fields: &Fields<'a>) -> Result<Option<Self>, Damage> {
        if fields.is_blank() {
            return Ok(None);
        }
        let text = match fields.text() {
            Ok(text) if fields.count() == COLUMNS.len() => text,
            Ok(_) => {
                let found = fields.count();
                return Err(Damage::FieldCount { found });
            }
            Err(_) => return Err(Damage::NotUtf8),
        };
        let mut column = [""; COLUMNS.len()];
        for (cell, range) in column.iter_mut().zip(fields.ranges()) {
            *cell = text.get(range).ok_or(Damage::NotUtf8)?;
        }
        Self::from_columns(column).map(Some)
    }

    fn from_columns(column: [&'a str; COLUMNS.len()]) -> Result<Self, Damage> {
        let [
            device_id,
            channel_name,
            region,
            status,
            channel_arn,
            attempts,
            started_at,
            finished_at,
            error_code,
            error_message,
            request_id,
        ] = column;
        let Some(status) = Status::parse(status) else {
            return Err(if column == COLUMNS {
                Damage::SecondHeader
            } else {
                Damage::UnknownStatus(status.into())
            });
        };
        if device_id.is_empty() && status != Status::Invalid {
            return Err(Damage::NoDeviceId);
        }
        Ok(Self {
            device_id,
            channel_name,
            region,
            status,
            channel_arn,
            arn: check_arn(device_id, channel_name, region, status, channel_arn)?,
            attempts: attempts
                .parse()
                .map_err(|_| Damage::Attempts(attempts.into()))?,
            started_at,
            finished_at,
            error_code,
            error_message,
            request_id,
        })
    }
}

/// Checks the form of a Region, which costs an allocation, only where it differs from the row's before.
#[derive(Debug, Default)]
pub(crate) struct RegionCheck {
    last: String,
}

impl RegionCheck {
    pub(crate) fn check(&mut self, record: &RecordView<'_>) -> Result<(), Damage> {
        if record.status == Status::Invalid || record.region == self.last {
            return Ok(());
        }
        Region::parse(record.region).map_err(|invalid| Damage::Region(invalid.to_string()))?;
        self.last.clear();
        self.last.push_str(record.region);
        Ok(())
    }
}

fn check_arn<'a>(
    device_id: &str,
    channel_name: &str,
    region: &str,
    status: Status,
    arn: &'a str,
) -> Result<Option<ArnParts<'a>>, Damage> {
    if arn.is_empty() {
        return if status.has_arn() {
            let device_id = device_id.into();
            Err(Damage::NoArn { device_id, status })
        } else {
            Ok(None)
        };
    }
    if let Some(parts) = expected_arn(arn, region, channel_name) {
        return Ok(Some(parts));
    }
    let parts = ArnParts::parse(arn).map_err(|invalid| Damage::BadArn {
        device_id: device_id.into(),
        reason: invalid.to_string(),
    })?;
    for (column, row, arn) in [
        ("channel_name", channel_name, parts.channel_name),
        ("region", region, parts.region),
    ] {
        if row != arn {
            return Err(Damage::Contradiction {
                device_id: device_id.into(),
                column,
                row: row.into(),
                arn: arn.into(),
            });
        }
    }
    Ok(Some(parts))
}

/// The parts of an ARN that is the one expected for this Region and name: the case of nearly every row, and several
/// times faster than taking apart an ARN of which nothing is known.
fn expected_arn<'a>(arn: &'a str, region: &str, name: &str) -> Option<ArnParts<'a>> {
    const PARTITION_START: usize = "arn:".len();
    let rest = arn.strip_prefix("arn:")?;
    let partition = rest.get(..rest.bytes().position(|byte| byte == b':')?)?;
    let rest = rest
        .get(partition.len()..)?
        .strip_prefix(":kinesisvideo:")?;
    let region_start = PARTITION_START + partition.len() + ":kinesisvideo:".len();
    let (account, rest) = rest
        .strip_prefix(region)?
        .strip_prefix(':')?
        .split_at_checked(12)?;
    let rest = rest.strip_prefix(":channel/")?;
    let name_start = arn.len() - rest.len();
    let creation = rest.strip_prefix(name)?.strip_prefix('/')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let sound = !partition.is_empty()
        && !region.is_empty()
        && digits(account)
        && creation.starts_with(|first: char| first.is_ascii_digit())
        && (1..=ChannelName::LONGEST).contains(&name.len())
        && name.bytes().all(is_name_byte);
    sound.then_some(())?;
    Some(ArnParts {
        partition,
        region: arn.get(region_start..region_start + region.len())?,
        account,
        channel_name: arn.get(name_start..name_start + name.len())?,
        creation_millis: creation.parse().ok()?,
    })
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}
