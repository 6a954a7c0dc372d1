//! Files that are not CSV: other formats by their first bytes, and how to get a CSV from each. Pure: bytes → damage.

use super::error::{Damage, in_command};
use crate::domain::wide::wide;

/// As many of a stream's first bytes as are looked at; a file is looked at whole.
pub(super) const HEAD_BYTES: usize = 64;

/// Formats that start with these bytes, as messages call them, and what to do.
const SIGNATURES: &[(&[u8], &str, Way)] = &[
    (b"\x1F\x8B", "gzip", Way::Unpack("gzip -dc")),
    (b"\x1F\x9D", "compress (.Z)", Way::Unpack("gzip -dc")),
    (b"\xFD7zXZ\0", "xz", Way::Unpack("xz -dc")),
    (b"\x28\xB5\x2F\xFD", "Zstandard", Way::Unpack("zstd -dc")),
    (b"\x04\x22\x4D\x18", "LZ4", Way::Unpack("lz4 -dc")),
    (b"7z\xBC\xAF\x27\x1C", "7-Zip", Way::Extract),
    (b"Rar!\x1A\x07", "RAR", Way::Extract),
    (b"PK\x05\x06", "ZIP", Way::Unzip),
    (b"PK\x07\x08", "ZIP", Way::Unzip),
    (
        b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1",
        "Excel 97 to 2003 (.xls), or a workbook with a password",
        Way::Save,
    ),
    (b"\x09\x08\x10\0\0\x06", "Excel 97 (.xls)", Way::Save),
    (b"%PDF-", "PDF", Way::Export),
    (b"{\\rtf", "RTF", Way::Save),
    (b"SQLite format 3\0", "SQLite", Way::Export),
    (
        b"\0\x01\0\0Standard Jet DB",
        "Microsoft Access",
        Way::Export,
    ),
    (
        b"\0\x01\0\0Standard ACE DB",
        "Microsoft Access",
        Way::Export,
    ),
    (b"ARROW1\0", "Apache Arrow", Way::Export),
    (b"FEA1\0", "Feather", Way::Export),
    (b"Obj\x01", "Apache Avro", Way::Export),
    (b"\x89HDF\r\n\x1A\n", "HDF5", Way::Export),
    (b"bplist00", "an Apple property list", Way::Export),
    (b"\x89PNG\r\n\x1A\n", "a PNG picture", Way::Export),
    (b"\xFF\xD8\xFF", "a JPEG picture", Way::Export),
    (b"GIF87a", "a GIF picture", Way::Export),
    (b"GIF89a", "a GIF picture", Way::Export),
    (b"II*\0", "a TIFF picture", Way::Export),
    (b"MM\0*", "a TIFF picture", Way::Export),
    (b"\x7FELF", "a program", Way::Export),
    (b"MZ\x90\0", "a Windows program", Way::Export),
    (
        b"L\0\0\0\x01\x14\x02\0",
        "a Windows shortcut (.lnk)",
        Way::Target,
    ),
    (
        b"[InternetShortcut]",
        "a Windows shortcut (.url)",
        Way::Target,
    ),
    (b"version https://git-lfs", "a Git LFS pointer", Way::Fetch),
    (
        b"age-encryption.org/",
        "a file encrypted with age",
        Way::Decrypt,
    ),
    (
        b"-----BEGIN AGE ENCRYPTED",
        "a file encrypted with age",
        Way::Decrypt,
    ),
    (b"-----BEGIN PGP", "a file encrypted with PGP", Way::Decrypt),
    (b"-----BEGIN ", "a key or certificate (PEM)", Way::Export),
    (b"Salted__", "a file encrypted with OpenSSL", Way::Decrypt),
    (b"MIME-Version:", "an e-mail or web archive", Way::Export),
    (b"ID;PWXL;", "SYLK (.slk)", Way::Save),
    (b"ID;PSCALC", "SYLK (.slk)", Way::Save),
];

/// The way from a file of another format to a CSV.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// A command that unpacks it to standard output.
    Unpack(&'static str),
    Extract,
    Unzip,
    Save,
    Export,
    Target,
    Fetch,
    Decrypt,
}

impl Way {
    fn advice(self, file: &str) -> String {
        match self {
            Self::Unpack(command) => {
                let name = in_command(file);
                format!(
                    "unpack it first, or unpack it into the command: {command} {name} | kvs-fleet provision - --results FILE"
                )
            }
            Self::Extract => "take the CSV out of it first".to_owned(),
            Self::Unzip => {
                "take the CSV out of it first, or save it as \"CSV UTF-8\" where it is a workbook"
                    .to_owned()
            }
            Self::Save => "save it from the spreadsheet program as \"CSV UTF-8\"".to_owned(),
            Self::Export => "give the CSV, or export the devices as CSV".to_owned(),
            Self::Target => "give the file that it leads to".to_owned(),
            Self::Fetch => "fetch the file's content with: git lfs pull".to_owned(),
            Self::Decrypt => "decrypt it first".to_owned(),
        }
    }
}

/// What the first bytes of a manifest tell, when they tell that it is no CSV in UTF-8. `file` is how messages call it.
pub(super) fn alien(bytes: &[u8], file: &str) -> Option<Damage> {
    let wide = wide(bytes).map(|wide| Damage::Wide(wide.name));
    wide.or_else(|| {
        let (what, way) = foreign(bytes)?;
        let advice = way.advice(file);
        Some(Damage::Foreign { what, advice })
    })
}

fn foreign(bytes: &[u8]) -> Option<(&'static str, Way)> {
    if bytes.starts_with(b"PK\x03\x04") {
        return Some(archive(bytes));
    }
    let mut signatures = SIGNATURES.iter();
    if let Some((_, what, way)) = signatures.find(|(signature, ..)| bytes.starts_with(signature)) {
        return Some((what, *way));
    }
    // Letters that a header may start with as well, and what comes after them.
    let is_control = |place: usize| {
        bytes
            .get(place)
            .is_some_and(|b| *b < 0x20 && !b.is_ascii_whitespace())
    };
    match bytes {
        [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A', b'Y', ..] => {
            Some(("bzip2", Way::Unpack("bzip2 -dc")))
        }
        [b'R', b'I', b'F', b'F', ..] if bytes.get(8..12) == Some(b"WEBP") => {
            Some(("a WebP picture", Way::Export))
        }
        [b'P', b'A', b'R', b'1', ..] if is_control(4) => Some(("Apache Parquet", Way::Export)),
        [b'O', b'R', b'C', ..] if is_control(3) => Some(("Apache ORC", Way::Export)),
        [b'B', b'M', ..] if bytes.get(6..10) == Some(&[0; 4]) => {
            Some(("a BMP picture", Way::Export))
        }
        _ if bytes.get(4..8) == Some(b"ftyp") => Some(("a HEIF picture or a video", Way::Export)),
        _ if bytes.get(257..262) == Some(b"ustar") => Some(("tar", Way::Extract)),
        _ => markup(bytes),
    }
}

/// What a ZIP archive is, by the name of its first member.
fn archive(bytes: &[u8]) -> (&'static str, Way) {
    const NAME_AT: usize = 30;
    let name = bytes.get(NAME_AT..).unwrap_or_default();
    let is = |start: &[u8]| name.starts_with(start);
    if is(b"[Content_Types].xml") || is(b"_rels/") || is(b"xl/") || is(b"docProps/") {
        (
            "an Excel workbook (.xlsx) or another Office document",
            Way::Save,
        )
    } else if is(b"mimetypeapplication/vnd.oasis") {
        ("an OpenDocument workbook (.ods)", Way::Save)
    } else if is(b"Index/") {
        ("an Apple Numbers workbook", Way::Save)
    } else {
        ("ZIP", Way::Unzip)
    }
}

/// Text of another kind, by its first characters that are not blank.
fn markup(bytes: &[u8]) -> Option<(&'static str, Way)> {
    let text = bytes
        .strip_prefix(super::encoding::BOM)
        .unwrap_or(bytes)
        .trim_ascii_start();
    let begins = |start: &str| {
        let head = text.get(..start.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
    };
    if begins("<!doctype html") || begins("<html") || begins("<table") {
        return Some((
            "HTML (an error or sign-in page, or a table that a program calls .xls)",
            Way::Export,
        ));
    }
    if begins("<?xml") || begins("<!--") || begins("<svg") {
        return Some(("XML", Way::Export));
    }
    let next = text.get(1..).unwrap_or_default().trim_ascii_start().first();
    match (text.first(), next) {
        (Some(b'{'), Some(b'"' | b'}')) | (Some(b'['), Some(b'{' | b'[' | b'"')) => {
            Some(("JSON", Way::Export))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(order).collect()
    }

    fn named(bytes: &[u8]) -> Option<&'static str> {
        match alien(bytes, "d.bin") {
            Some(Damage::Wide(name) | Damage::Foreign { what: name, .. }) => Some(name),
            Some(other) => panic!("{other}"),
            None => None,
        }
    }

    #[test]
    fn wide_encodings_are_named() {
        let text = "device_id,Gerät\nCAM-1,日本\n";
        let little = utf16(text, u16::to_le_bytes);
        let big = utf16(text, u16::to_be_bytes);
        assert_eq!(named(&little), Some("UTF-16 (little endian)"));
        assert_eq!(named(&big), Some("UTF-16 (big endian)"));
        let marked = utf16(&format!("\u{feff}{text}"), u16::to_le_bytes);
        assert_eq!(named(&marked), Some("UTF-16 (little endian)"));
        let marked = utf16(&format!("\u{feff}{text}"), u16::to_be_bytes);
        assert_eq!(named(&marked), Some("UTF-16 (big endian)"));
        let wider: Vec<u8> = "\u{feff}a"
            .chars()
            .flat_map(|c| u32::from(c).to_le_bytes())
            .collect();
        assert_eq!(named(&wider), Some("UTF-32 (little endian)"));
        assert_eq!(named(b"\0\0\xFE\xFF"), Some("UTF-32 (big endian)"));
    }

    #[test]
    fn formats_are_named_by_their_first_bytes() {
        let mut member = b"PK\x03\x04\x14\0\x06\0\x08\0\0\0\x21\0".to_vec();
        member.resize(30, 1);
        let zip = |name: &str| [&member, name.as_bytes()].concat();
        let mut tar = b"devices.csv".to_vec();
        tar.resize(257, 0);
        tar.extend(b"ustar\x0000");
        for (bytes, name) in [
            (b"\x1F\x8B\x08\x08".to_vec(), "gzip"),
            (b"BZh91AY&SY".to_vec(), "bzip2"),
            (b"\xFD7zXZ\0\0".to_vec(), "xz"),
            (b"\x28\xB5\x2F\xFD\x24".to_vec(), "Zstandard"),
            (b"7z\xBC\xAF\x27\x1C\0".to_vec(), "7-Zip"),
            (zip("[Content_Types].xml"), "Excel workbook (.xlsx)"),
            (
                zip("mimetypeapplication/vnd.oasis.opendocument.spreadsheet"),
                "OpenDocument",
            ),
            (zip("devices.csv"), "ZIP"),
            (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\0".to_vec(), ".xls"),
            (b"%PDF-1.7\n".to_vec(), "PDF"),
            (b"PAR1\x15\x04".to_vec(), "Parquet"),
            (b"SQLite format 3\0".to_vec(), "SQLite"),
            (b"{\\rtf1\\ansi".to_vec(), "RTF"),
            (b"\xEF\xBB\xBF <!DOCTYPE HTML>".to_vec(), "HTML"),
            (b"<?xml version='1.0'?>".to_vec(), "XML"),
            (b"[\n  {\"device_id\": 1}]".to_vec(), "JSON"),
            (b"{\"device_id\": 1}\n".to_vec(), "JSON"),
            (b"\x89PNG\r\n\x1A\n".to_vec(), "PNG"),
            (b"\xFF\xD8\xFF\xE0".to_vec(), "JPEG"),
            (
                b"version https://git-lfs.github.com/spec/v1\n".to_vec(),
                "Git LFS",
            ),
            (tar, "tar"),
        ] {
            let found = named(&bytes);
            assert!(
                found.is_some_and(|found| found.contains(name)),
                "{name}: {found:?}"
            );
        }
    }

    #[test]
    fn text_is_not_alien() {
        for text in [
            "",
            "a",
            "ab",
            "device_id,serial\n1,2",
            "\u{feff}device_id",
            "BZh,device_id",
            "BM,device_id\n1,2\n",
            "PAR1,device_id",
            "ORC\tdevice_id",
            "RIFF,device_id",
            "PK,device_id",
            "[x],device_id",
            "{x},device_id",
            "<id>,device_id",
            "ID;PLACE",
        ] {
            let found = named(text.as_bytes());
            assert_eq!(found, None, "{text:?}");
        }
        // A NUL here and there is damage of another kind.
        assert_eq!(named(b"device_id\nCAM\x00-1\nCAM-2\n"), None);
    }

    #[test]
    fn the_way_out_is_a_command_where_there_is_one() {
        let advice = |file: &str| alien(b"\x1F\x8B\x08", file).unwrap().to_string();
        assert!(
            advice("in/d.csv.gz")
                .contains("gzip -dc in/d.csv.gz | kvs-fleet provision - --results FILE")
        );
        assert!(advice("my devices.gz").contains("gzip -dc FILE |"));
    }
}
