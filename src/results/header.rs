//! A results file's first line: the header, a torn one, or another program's.

use std::io;

use super::disk::DiskFile;
use super::record::HEADER;
use super::shape::RowShape;
use super::split::Fields;
use crate::domain::device::shown;

/// Enough to know the header, or what is there instead.
pub(super) fn first_bytes<F: DiskFile>(file: &F) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 2 * HEADER.len()];
    let mut filled = 0;
    loop {
        let room = bytes.get_mut(filled..).unwrap_or_default();
        let read = file.read_at(filled as u64, room)?;
        filled += read;
        if read == 0 {
            bytes.truncate(filled);
            return Ok(bytes);
        }
    }
}

/// Whether a file holds no more than what a crash can leave of a header. The header is synced before any row is
/// written, so nothing follows a torn one.
pub(super) fn is_torn_header(bytes: &[u8], length: u64) -> bool {
    let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    let is_part_of = |shape: RowShape| {
        let header = shape.header();
        bytes.len() <= header.len()
            && bytes != header.as_bytes()
            && header.as_bytes().starts_with(text)
    };
    length == bytes.len() as u64
        && RowShape::ALL.into_iter().any(is_part_of)
        && bytes.iter().skip(text.len()).all(|&byte| byte == 0)
}

pub(super) fn utf16(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, ..] | [b'd', 0, ..] => Some("UTF-16 (little endian)"),
        [0xfe, 0xff, ..] | [0, b'd', ..] => Some("UTF-16 (big endian)"),
        _ => None,
    }
}

/// The shape of the file that has these fields for its header; none where they are no header.
pub(super) fn shape_of(fields: Fields<'_>) -> Option<RowShape> {
    RowShape::ALL.into_iter().find(|shape| {
        let fields = fields.in_shape(*shape);
        let columns = fields.columns();
        fields.count() == shape.width() && columns.is_some_and(|columns| columns.eq(shape.names()))
    })
}

/// What is there instead of the header, and what to do.
pub(super) fn problem(bytes: &[u8]) -> String {
    let line = bytes
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .next()
        .unwrap_or_default();
    let found = String::from_utf8_lossy(line);
    if found.starts_with("#TYPE ") {
        return "its first line is the type that Export-Csv of Windows PowerShell writes; take that line out, or export \
                again with: Export-Csv -NoTypeInformation"
            .to_owned();
    }
    for (delimiter, name, typed) in [(';', "semicolons", "';'"), ('\t', "tabs", "\"`t\"")] {
        let is_header = |shape: RowShape| {
            let names = found.split(delimiter).map(|name| name.trim_matches('"'));
            names.take(shape.width()).eq(shape.names())
        };
        if RowShape::ALL.into_iter().any(is_header) {
            return format!(
                "its columns are separated by {name}; save it with commas (CSV, comma-separated), or convert it in \
                 PowerShell with: Import-Csv OLD.csv -Delimiter {typed} | Export-Csv -NoTypeInformation -Encoding utf8 \
                 NEW.csv"
            );
        }
    }
    format!(
        "its first line is {}, expected is {}; give the file that a run has written, or a run another name with \
         --results",
        shown(&found),
        HEADER.trim_end()
    )
}
