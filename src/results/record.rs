//! One row of the results file: its columns, and its text form. Pure: no file, no clock.

use std::time::SystemTime;

use crate::device::ChannelArn;

/// The header, in the order of the columns.
pub const COLUMNS: [&str; 11] = [
    "device_id",
    "channel_name",
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
    /// This tool made the channel: accepted by the service, perhaps not ACTIVE yet.
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
    /// The status as the file spells it.
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
}

/// One row. Text that is empty means that the column is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The device's ID as the manifest gives it (empty only where an `invalid` row has none).
    pub device_id: Box<str>,
    /// The channel's name.
    pub channel_name: Box<str>,
    /// The Region.
    pub region: Box<str>,
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
