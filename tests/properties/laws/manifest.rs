//! The manifest: any bytes give devices, invalid rows or one error, the same from a file as from a stream; a byte order
//! mark and other line ends change nothing.

use std::cell::OnceCell;
use std::io::{self, Read};

use kvs_fleet::domain::device::{Device, Region};
use kvs_fleet::domain::template::Template;
use kvs_fleet::manifest::{Manifest, ManifestError, Options, Row, Rows, stream};

use super::{first_line, is_a_message};

/// Any file: the first line has delimiter, ID column, channel name and tag template, separated by `|`, each of which
/// may be empty; the rest is the manifest.
pub(crate) fn holds(input: &[u8]) {
    let (line, manifest) = first_line(input);
    if let Some(options) = options(&line) {
        is_read(manifest, &options);
    }
}

/// The comparable parts of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    line: u64,
    pub(crate) id: String,
    /// The device, or why the row is invalid.
    pub(crate) asks: Result<Device, String>,
}

/// The rows of a manifest, from a file and from a stream.
pub(crate) fn is_read(manifest: &[u8], options: &Options) {
    let streamed = stream(Slowly::new(manifest), options).and_then(all);
    let read = open(manifest, options).and_then(|file| Ok((all(file.rows())?, file)));
    match read {
        Err(error) => {
            is_a_message(&error.to_string());
            let error = streamed.expect_err("the file is refused, the stream is read");
            is_a_message(&error.to_string());
        }
        Ok((rows, file)) => {
            file.layout()
                .warnings()
                .iter()
                .for_each(|text| is_a_message(text));
            assert_eq!(streamed.expect("the stream is that of the file"), rows);
            are_sound(&rows);
            are_the_same_otherwise_written(manifest, options, &rows);
        }
    }
}

/// The rows of a manifest that must be readable.
pub(crate) fn rows_of(manifest: &[u8], options: &Options) -> Vec<Seen> {
    let file = open(manifest, options).unwrap_or_else(|error| panic!("{error}"));
    all(file.rows()).unwrap()
}

fn options(line: &str) -> Option<Options> {
    let mut parts = line.split('|');
    let mut next = || parts.next().filter(|part| !part.is_empty());
    let mut options = Options {
        delimiter: next().map(|text| text.as_bytes()[0]),
        region: Region::parse("eu-central-1").ok(),
        ..Options::default()
    };
    if let Some(column) = next() {
        column.clone_into(&mut options.id_column);
    }
    if let Some(template) = next() {
        options.channel_name = Template::parse(template).ok()?;
    }
    if let Some(template) = next() {
        options.tags = vec![("Site".into(), Template::parse(template).ok()?)];
    }
    Some(options)
}

fn open(manifest: &[u8], options: &Options) -> Result<Manifest, ManifestError> {
    thread_local! {
        static FOLDER: OnceCell<tempfile::TempDir> = const { OnceCell::new() };
    }
    FOLDER.with(|folder| {
        let folder = folder.get_or_init(|| tempfile::tempdir().unwrap());
        let path = folder.path().join("d.csv");
        std::fs::write(&path, manifest).unwrap();
        let opened = Manifest::open(&path, options);
        // Deleted first: some file systems sync a file that is overwritten, which takes a hundred times as long.
        std::fs::remove_file(&path).unwrap();
        opened
    })
}

fn all<R: Read>(mut rows: Rows<R>) -> Result<Vec<Seen>, ManifestError> {
    let mut seen = Vec::new();
    while let Some(row) = rows.next()? {
        seen.push(taken(&row));
    }
    Ok(seen)
}

fn taken(row: &Row<'_>) -> Seen {
    let asks = match &row.checked {
        Ok(ask) => {
            let device = ask.to_device();
            assert_eq!(&*device.id, ask.device_id());
            assert_eq!(device.channel_name.as_str(), ask.channel_name());
            Ok(device)
        }
        Err(error) => Err(error.to_string()),
    };
    Seen {
        line: row.line,
        id: row.device_id.to_owned(),
        asks,
    }
}

/// The service's limits, written down once more.
fn are_sound(rows: &[Seen]) {
    assert!(!rows.is_empty());
    let mut last = 1;
    for row in rows {
        assert!(row.line > last, "{rows:?}");
        last = row.line;
        assert_eq!(row.id.trim(), row.id);
        let device = match &row.asks {
            Ok(device) => device,
            Err(reason) => {
                is_a_message(reason);
                continue;
            }
        };
        assert!(!device.id.is_empty() && device.id.len() <= 1024);
        assert_eq!(*device.id, *row.id);
        let name = device.channel_name.as_str();
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        assert!((1..=256).contains(&name.len()) && name.chars().all(is_allowed));
        assert!(
            device
                .message_ttl
                .is_none_or(|ttl| (5..=120).contains(&ttl.as_secs()))
        );
        assert!(device.tags.len() <= 50);
        for tag in &device.tags {
            assert!((1..=128).contains(&tag.key().chars().count()));
            assert!(tag.value().chars().count() <= 256);
            assert!(!tag.value().contains(char::is_control));
        }
    }
}

fn are_the_same_otherwise_written(manifest: &[u8], options: &Options, rows: &[Seen]) {
    let same = |otherwise: Vec<u8>| {
        let read = rows_of(&otherwise, options);
        assert_eq!(read, rows, "{:?}", String::from_utf8_lossy(&otherwise));
    };
    let mark = "\u{feff}".as_bytes();
    if !manifest.starts_with(mark) {
        same([mark, manifest].concat());
    }
    same([manifest, b"\r\n\r\n \r\n"].concat());
    if !manifest.contains(&b'\r') && !manifest.contains(&b'"') {
        let text = String::from_utf8(manifest.to_vec()).unwrap();
        same(text.replace('\n', "\r\n").into());
        same(text.replace('\n', "\r").into());
    }
}

/// A reader that returns a few bytes at a time, as a pipe may.
struct Slowly<'a> {
    rest: &'a [u8],
    most: usize,
}

impl<'a> Slowly<'a> {
    fn new(rest: &'a [u8]) -> Self {
        let most = 1 + rest.len() % 13;
        Self { rest, most }
    }
}

impl Read for Slowly<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.most);
        self.rest.read(&mut buffer[..most])
    }
}
