//! The rows of results files in memory, as they are written: for each file one text of the lines and one of the device IDs, and
//! where in them each row is. The IDs are apart, since the rows are sorted by them: few of them fit into the processor's cache
//! with the lines in between.

use std::hash::{DefaultHasher, Hasher as _};
use std::io::Write as _;

use super::record::{Status, encode_fields};
use super::view::RecordView;
use crate::domain::device::ArnParts;
use crate::domain::error_codes::OUTCOME_UNKNOWN;

/// A short row of a device with its channel.
const SHORT_ROW_BYTES: usize = 200;

/// A row among those of several files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowIndex {
    /// The file's number.
    pub file: u32,
    row: u32,
}

/// The rows of one file.
#[derive(Debug, Default)]
pub struct FileRows {
    ids: Vec<u8>,
    lines: Vec<u8>,
    rows: Vec<Span>,
}

/// Where in the texts a row is.
#[derive(Debug, Clone, Copy)]
struct Span {
    id_start: usize,
    id_length: u32,
    line_start: usize,
    line_length: u32,
    /// Where in the line the ARN is.
    arn: (u32, u32),
    /// A hash of [`MergeRow::arn_of_name`].
    hash_of_name: u64,
    /// Where in the line the time of the outcome is.
    finished_at: (u32, u32),
    /// The line in its file.
    line_number: u32,
    status: Status,
    /// Whether it is not known if there is a channel.
    is_open: bool,
}

/// The rows of several files.
#[derive(Debug, Default)]
pub struct MergeRows {
    files: Vec<FileRows>,
}

impl MergeRows {
    /// Adds a file; returns its number.
    pub fn add(&mut self, file: FileRows) -> u32 {
        self.files.push(file);
        u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX)
    }

    /// How many files there are.
    #[must_use]
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// Whether a file has a row.
    #[must_use]
    pub fn has_rows(&self, file: usize) -> bool {
        self.of_file(file).next().is_some()
    }

    /// The rows of a file, in its order.
    pub(super) fn of_file(&self, file: usize) -> impl Iterator<Item = RowIndex> + use<> {
        let rows = self.files.get(file).map_or(0, |file| file.rows.len());
        let number = u32::try_from(file).unwrap_or(u32::MAX);
        (0..u32::try_from(rows).unwrap_or(u32::MAX)).map(move |row| RowIndex { file: number, row })
    }

    /// A row.
    #[must_use]
    pub fn row(&self, index: RowIndex) -> MergeRow<'_> {
        let Some(file) = self.files.get(index.file as usize) else {
            return MergeRow::EMPTY;
        };
        let Some(span) = file.rows.get(index.row as usize) else {
            return MergeRow::EMPTY;
        };
        MergeRow {
            id: part(&file.ids, span.id_start, span.id_length),
            line: part(&file.lines, span.line_start, span.line_length),
            span,
        }
    }
}

impl FileRows {
    /// Rows of a file of so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            // What is not used is never touched.
            ids: Vec::with_capacity(bytes / 8),
            lines: Vec::with_capacity(bytes),
            rows: Vec::with_capacity(bytes / SHORT_ROW_BYTES),
        }
    }

    /// Adds a row.
    pub fn push(&mut self, record: &RecordView<'_>, line_number: u64) {
        let (id_start, id) = (self.ids.len(), record.device_id().as_bytes());
        self.ids.extend_from_slice(id);
        let text = &mut self.lines;
        let line = text.len();
        let place = |text: &Vec<u8>| u32::try_from(text.len() - line).unwrap_or(u32::MAX);
        let status = record.status();
        push_fields(
            text,
            &[
                record.device_id(),
                record.channel_name(),
                record.account().unwrap_or_default(),
                record.region(),
                status.as_str(),
            ],
        );
        let before_arn = place(text);
        push_fields(text, &[record.channel_arn()]);
        let after_arn = place(text);
        // Writing to memory cannot fail.
        let _ = write!(text, "{},", record.attempts());
        push_fields(text, &[record.started_at()]);
        let before_time = place(text);
        push_fields(text, &[record.finished_at()]);
        let after_time = place(text);
        let rest = [
            record.error_code(),
            record.error_message(),
            record.request_id(),
        ];
        encode_fields(rest.into_iter(), text);
        // A valid ARN needs no quotes. In rows of other statuses anything may be there.
        let (arn, hash_of_name) = if status.has_arn() {
            let name = arn_of_name(record.channel_arn().as_bytes());
            let mut hasher = DefaultHasher::new();
            hasher.write(name);
            ((before_arn, after_arn - 1), hasher.finish())
        } else {
            ((0, 0), 0)
        };
        self.rows.push(Span {
            id_start,
            id_length: u32::try_from(id.len()).unwrap_or(u32::MAX),
            line_start: line,
            line_length: place(text),
            arn,
            hash_of_name,
            finished_at: (before_time, after_time),
            line_number: u32::try_from(line_number).unwrap_or(u32::MAX),
            status,
            is_open: status == Status::Failed && record.error_code() == OUTCOME_UNKNOWN,
        });
    }
}

/// Appends these fields, each with the delimiter after it.
fn push_fields(text: &mut Vec<u8>, fields: &[&str]) {
    encode_fields(fields.iter().copied(), text);
    if let Some(end) = text.last_mut() {
        *end = b',';
    }
}

fn part(text: &[u8], start: usize, length: u32) -> &[u8] {
    let end = start.saturating_add(length as usize);
    text.get(start..end).unwrap_or_default()
}

/// An ARN without the channel's creation time.
fn arn_of_name(arn: &[u8]) -> &[u8] {
    let end = arn.iter().rposition(|byte| *byte == b'/');
    arn.get(..end.unwrap_or_default()).unwrap_or_default()
}

/// A row, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct MergeRow<'a> {
    id: &'a [u8],
    line: &'a [u8],
    span: &'a Span,
}

impl<'a> MergeRow<'a> {
    const EMPTY: Self = Self {
        id: &[],
        line: &[],
        span: &Span {
            id_start: 0,
            id_length: 0,
            line_start: 0,
            line_length: 0,
            arn: (0, 0),
            hash_of_name: 0,
            finished_at: (0, 0),
            line_number: 0,
            status: Status::Invalid,
            is_open: false,
        },
    };

    /// The device's ID: UTF-8, and empty only in an `invalid` row.
    #[must_use]
    pub fn device_id(&self) -> &'a [u8] {
        self.id
    }

    /// The row as a line of a results file.
    #[must_use]
    pub fn line(&self) -> &'a [u8] {
        self.line
    }

    /// What became of the device.
    #[must_use]
    pub fn status(&self) -> Status {
        self.span.status
    }

    /// Whether the device has its channel by this row.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.status(), Status::Created | Status::Exists)
    }

    /// Whether it is a failure after which the device may have its channel.
    pub(super) fn is_open(&self) -> bool {
        self.span.is_open
    }

    /// The channel's ARN without its time: that of every channel of this name in this account and Region.
    #[must_use]
    pub fn arn_of_name(&self) -> &'a [u8] {
        arn_of_name(self.arn())
    }

    /// A hash of it.
    pub(super) fn hash_of_name(&self) -> u64 {
        self.span.hash_of_name
    }

    /// The channel's ARN; empty in rows whose status has none.
    #[must_use]
    pub fn arn(&self) -> &'a [u8] {
        self.in_line(self.span.arn)
    }

    /// When the channel was created, in milliseconds, by its ARN.
    pub(super) fn creation_millis(&self) -> Option<u64> {
        let arn = std::str::from_utf8(self.arn()).ok()?;
        Some(ArnParts::parse(arn).ok()?.creation_millis)
    }

    /// When its outcome was known, as it is in the file.
    pub(super) fn finished_at(&self) -> &'a [u8] {
        self.in_line(self.span.finished_at)
    }

    /// The line of its file that it is on, from 1.
    #[must_use]
    pub fn line_number(&self) -> u32 {
        self.span.line_number
    }

    fn in_line(&self, (from, to): (u32, u32)) -> &'a [u8] {
        self.line
            .get(from as usize..to as usize)
            .unwrap_or_default()
    }
}
