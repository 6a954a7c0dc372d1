//! A row as it is read: borrowed from the file's bytes and checked against itself.
//!
//! Knows the columns and what they may hold, and no files, lines or other rows: the reader adds those.

use super::record::{COLUMNS, Column, Status};
use super::shape::RowShape;
use super::split::Fields;
use crate::domain::device::{
    AccountId, ArnParts, ChannelName, Region, has_emulated_creation, shown,
};

/// What is wrong with a record. The text follows "FILE, line N: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Too few or too many fields.
    #[error("the row has {found} fields where {expected} are expected")]
    FieldCount {
        /// How many there are.
        found: usize,
        /// How many columns the header has.
        expected: usize,
    },
    /// Bytes that are not UTF-8.
    #[error(
        "the row is not UTF-8 text; a program seems to have saved the file in an older encoding such as Windows-1252: \
         save it as \"CSV UTF-8\", or convert it with: iconv -f WINDOWS-1252 -t UTF-8 OLD.csv > NEW.csv"
    )]
    NotUtf8,
    /// A NUL byte before what a power loss can have left.
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
    /// The header is repeated.
    #[error("the header is repeated here: were two results files concatenated? Keep one of them")]
    SecondHeader,
    /// No device ID.
    #[error("the row has no device_id")]
    NoDeviceId,
    /// An unknown status.
    #[error(
        "the status is {}; expected is created, exists, failed, invalid or deleted",
        shown(.0)
    )]
    UnknownStatus(String),
    /// No number of attempts.
    #[error("attempts is {}; expected is a whole number", shown(.0))]
    Attempts(String),
    /// An invalid Region.
    #[error("{0}")]
    Region(String),
    /// An account that is not a number of 12 digits.
    #[error(
        "the account of the device {} is {}; expected are 12 digits, or nothing: has a spreadsheet program changed the \
         cell (leading zeros, long numbers)?",
        shown(.device_id), shown(.found)
    )]
    Account {
        /// The device.
        device_id: String,
        /// What the column holds.
        found: String,
    },
    /// A status that says there is a channel, and no ARN.
    #[error("the device {} is {} but has no channel_arn", shown(.device_id), .status.as_str())]
    NoArn {
        /// The device.
        device_id: String,
        /// Its status.
        status: Status,
    },
    /// An ARN that is not valid.
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
        /// `channel_name`, `account` or `region`.
        column: &'static str,
        /// What the column holds.
        row: String,
        /// What the ARN holds.
        arn: String,
    },
}

/// One row, borrowed. Its ARN, where it has one, is that of its channel's name, account and Region. Times are not checked: a
/// spreadsheet program may have rewritten them, and nothing depends on them.
///
/// Small, since it is passed on for each row: most columns are looked up only where they are needed.
#[derive(Debug, Clone, Copy)]
pub struct RecordView<'a> {
    fields: Fields<'a>,
    text: &'a str,
    status: Status,
    attempts: u32,
    account: Option<&'a str>,
}

impl<'a> RecordView<'a> {
    /// Checks a record. None for a blank one: an empty line, or commas only.
    pub(crate) fn check(fields: Fields<'a>) -> Result<Option<Self>, Damage> {
        if fields.is_blank() {
            return Ok(None);
        }
        let Some(text) = fields.text() else {
            return Err(Damage::NotUtf8);
        };
        let (found, expected) = (fields.count(), fields.shape().width());
        if found != expected {
            return Err(if is_any_header(fields) {
                Damage::SecondHeader
            } else {
                Damage::FieldCount { found, expected }
            });
        }
        let mut view = Self {
            fields,
            text,
            status: Status::Invalid,
            attempts: 0,
            account: None,
        };
        view.status = view.check_status()?;
        view.account = view.check_account()?;
        let attempts = view.column(Column::Attempts);
        view.attempts = attempts
            .parse()
            .map_err(|_| Damage::Attempts(attempts.into()))?;
        Ok(Some(view))
    }

    fn check_status(&self) -> Result<Status, Damage> {
        let text = self.column(Column::Status);
        let Some(status) = Status::parse(text) else {
            return Err(if is_any_header(self.fields) {
                Damage::SecondHeader
            } else {
                Damage::UnknownStatus(text.into())
            });
        };
        if self.device_id().is_empty() && status != Status::Invalid {
            return Err(Damage::NoDeviceId);
        }
        Ok(status)
    }

    /// Checks the account's column and the ARN against the row; gives the row's account.
    fn check_account(&self) -> Result<Option<&'a str>, Damage> {
        let (arn, account) = (self.channel_arn(), self.column(Column::Account));
        if arn.is_empty() {
            return self.check_without_arn(account);
        }
        let (region, channel_name) = (self.region(), self.channel_name());
        if let Some(of_arn) = account_if_expected(arn, region, channel_name)
            && (account == of_arn || account.is_empty())
        {
            return Ok(Some(of_arn));
        }
        let parts = ArnParts::parse(arn).map_err(|invalid| Damage::BadArn {
            device_id: self.device_id().into(),
            reason: invalid.to_string(),
        })?;
        for (column, row, arn) in [
            ("channel_name", channel_name, parts.channel_name),
            ("account", account, parts.account),
            ("region", region, parts.region),
        ] {
            // A file of an earlier version has no accounts.
            let is_unknown = column == "account" && row.is_empty();
            if row != arn && !is_unknown {
                return Err(Damage::Contradiction {
                    device_id: self.device_id().into(),
                    column,
                    row: row.into(),
                    arn: arn.into(),
                });
            }
        }
        Ok(Some(parts.account))
    }

    fn check_without_arn(&self, account: &'a str) -> Result<Option<&'a str>, Damage> {
        if self.status.has_arn() {
            let device_id = self.device_id().into();
            return Err(Damage::NoArn {
                device_id,
                status: self.status,
            });
        }
        if account.is_empty() || AccountId::is_number(account) {
            return Ok((!account.is_empty()).then_some(account));
        }
        Err(Damage::Account {
            device_id: self.device_id().into(),
            found: account.into(),
        })
    }

    /// The content of a column; empty where the file has no such column.
    fn column(&self, column: Column) -> &'a str {
        let index = self.fields.shape().index(column);
        let range = index.map(|index| self.fields.range(index));
        let text = range.and_then(|range| self.text.get(range));
        text.unwrap_or_default()
    }

    /// The row in the columns of today: what an earlier version left out is added as far as the row tells it.
    pub(crate) fn columns(&self) -> [&'a str; COLUMNS.len()] {
        let account = self.account.unwrap_or_default();
        [
            self.device_id(),
            self.channel_name(),
            account,
            self.region(),
            self.column(Column::Status),
            self.channel_arn(),
            self.column(Column::Attempts),
            self.started_at(),
            self.finished_at(),
            self.error_code(),
            self.error_message(),
            self.request_id(),
        ]
    }

    /// Whether the row's account is known, but not in its column.
    pub(crate) fn lacks_account(&self) -> bool {
        self.account.is_some() && self.column(Column::Account).is_empty()
    }

    /// The device's ID; empty only in an `invalid` row.
    pub fn device_id(&self) -> &'a str {
        self.column(Column::DeviceId)
    }

    /// The channel's name; in an `invalid` row any text.
    pub fn channel_name(&self) -> &'a str {
        self.column(Column::ChannelName)
    }

    /// The Region; in an `invalid` row any text.
    pub fn region(&self) -> &'a str {
        self.column(Column::Region)
    }

    /// What became of the device.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The channel's ARN as text, or an empty text.
    pub fn channel_arn(&self) -> &'a str {
        self.column(Column::ChannelArn)
    }

    /// Whether the emulator made its channel: in its own account, or by the time in the ARN.
    pub(crate) fn is_emulated(&self) -> bool {
        let arn = self.channel_arn();
        let is_own = self.account == Some(AccountId::EMULATOR) && !arn.is_empty();
        is_own || has_emulated_creation(arn)
    }

    /// The account, by its column or the ARN; always there for `created`, `exists` and `deleted`.
    pub fn account(&self) -> Option<&'a str> {
        self.account
    }

    /// Create requests sent for the device.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// When its first attempt began.
    pub fn started_at(&self) -> &'a str {
        self.column(Column::StartedAt)
    }

    /// When its outcome was known.
    pub fn finished_at(&self) -> &'a str {
        self.column(Column::FinishedAt)
    }

    /// The error's code.
    pub fn error_code(&self) -> &'a str {
        self.column(Column::ErrorCode)
    }

    /// The error in words.
    pub fn error_message(&self) -> &'a str {
        self.column(Column::ErrorMessage)
    }

    /// The service's request ID.
    pub fn request_id(&self) -> &'a str {
        self.column(Column::RequestId)
    }
}

/// Whether these fields are the header of a file of any shape. A second file may have begun with a byte order mark.
fn is_any_header(fields: Fields<'_>) -> bool {
    RowShape::ALL.into_iter().any(|shape| {
        let columns = fields.in_shape(shape).columns().into_iter().flatten();
        let unmarked = columns.map(|column| column.trim_start_matches('\u{feff}'));
        unmarked.eq(shape.names())
    })
}

/// Checks the form of a Region, which costs an allocation, only where it differs from the row's before.
#[derive(Debug, Default)]
pub(crate) struct RegionCheck {
    last: String,
}

impl RegionCheck {
    pub(crate) fn check(&mut self, record: &RecordView<'_>) -> Result<(), Damage> {
        if record.status == Status::Invalid || record.region() == self.last {
            return Ok(());
        }
        Region::parse(record.region()).map_err(|invalid| Damage::Region(invalid.to_string()))?;
        self.last.clear();
        self.last.push_str(record.region());
        Ok(())
    }
}

/// The account of an ARN that is the one expected for this Region and name: the case of nearly every row, and several
/// times faster than parsing any ARN.
fn account_if_expected<'a>(arn: &'a str, region: &str, name: &str) -> Option<&'a str> {
    let (account, rest) = arn
        .strip_prefix("arn:aws:kinesisvideo:")?
        .strip_prefix(region)?
        .strip_prefix(':')?
        .split_at_checked(12)?;
    let creation = rest
        .strip_prefix(":channel/")?
        .strip_prefix(name)?
        .strip_prefix('/')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let sound = !region.is_empty()
        && digits(account)
        && (1..=19).contains(&creation.len())
        && digits(creation)
        && ChannelName::check(name).is_ok();
    sound.then_some(account)
}
