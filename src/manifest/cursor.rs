//! A manifest's rows by their places: what the work list needs, which holds places and no devices.

use std::io;
use std::sync::Arc;

use csv::{Position, StringRecord};

use super::Manifest;
use super::ask::{self, Scratch};
use super::quotes;
use super::records::grammar;
use crate::domain::device::Device;

/// Reads rows again by their places. One behind the other costs no search.
#[derive(Debug)]
pub struct Cursor {
    reader: csv::Reader<io::Cursor<Text>>,
    manifest: Arc<Manifest>,
    cells: StringRecord,
    scratch: Scratch,
}

/// A manifest's bytes.
#[derive(Debug)]
struct Text(Arc<Manifest>);

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.0.text
    }
}

impl Cursor {
    pub(super) fn new(manifest: &Arc<Manifest>) -> Self {
        let text = io::Cursor::new(Text(Arc::clone(manifest)));
        Self {
            reader: grammar(manifest.layout.delimiter()).from_reader(text),
            manifest: Arc::clone(manifest),
            cells: StringRecord::new(),
            scratch: Scratch::default(),
        }
    }

    /// The device whose row begins at this place, as [`Row::at`](super::Row::at) gave it. None where no valid row
    /// begins.
    pub fn device_at(&mut self, at: u64) -> Option<Device> {
        let text = &*self.manifest.text;
        let before = at.checked_sub(1)?;
        if !matches!(text.get(usize::try_from(before).ok()?)?, b'\n' | b'\r') {
            return None;
        }
        // Behind a CRLF's first byte, or behind its last: both are before the row. A search goes to the line end,
        // since the crate would take a first character U+FEFF for the mark of a file.
        let here = self.reader.position().byte();
        if here != at && here != before {
            let mut place = Position::new();
            place.set_byte(before);
            self.reader.seek(place).ok()?;
        }
        if !self.reader.read_record(&mut self.cells).ok()? {
            return None;
        }
        let end = usize::try_from(self.reader.position().byte()).ok()?;
        let bytes = text.get(usize::try_from(at).ok()?..end)?;
        let layout = &self.manifest.layout;
        if bytes.contains(&b'"') && quotes::flaw(bytes, layout.delimiter()).is_some() {
            return None;
        }
        let device_id = ask::device_id(layout, &self.cells);
        let ask = ask::resolve(layout, &self.cells, device_id, &mut self.scratch);
        Some(ask.ok()?.to_device())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::device::Region;
    use crate::manifest::{Ask, Options};

    #[test]
    fn rows_are_found_in_any_order() {
        let options = Options {
            region: Some(Region::parse("eu-central-1").unwrap()),
            ..Options::default()
        };
        for line_end in ["\n", "\r\n", "\r"] {
            // One ID begins as files with a mark do.
            let text = "device_id,channel_name\na,1\n\u{feff}b,2\n\n\"c\nd\",3\n\"e\"f,4\ng,5";
            let text = text.replace('\n', line_end).into_bytes();
            let manifest = Manifest::check("devices.csv".into(), text, &options).unwrap();
            let manifest = Arc::new(manifest);
            let mut found = Vec::new();
            let mut rows = manifest.rows();
            while let Some(row) = rows.next().unwrap() {
                found.push((row.at, row.ask.as_ref().ok().map(Ask::to_device)));
            }
            assert_eq!(found.len(), 5);
            let mut cursor = manifest.cursor();
            for first in 0..found.len() {
                for second in 0..found.len() {
                    for (at, device) in [&found[first], &found[second]] {
                        assert_eq!(&cursor.device_at(*at), device, "{first} {second}");
                    }
                }
            }
        }
    }
}
