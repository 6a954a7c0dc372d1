//! Files and streams as a whole: damage, other formats, and what cannot be opened.

use super::*;

#[test]
fn a_row_without_end() {
    let long = "x".repeat(LONGEST_ROW);
    for cell in [format!("\"{long}\n"), long] {
        let text = format!("device_id,x\na,1\nb,{cell}");
        let message = "line 3: the row that starts here is longer than 1048576 bytes; perhaps a quote (\") that opens \
                       a cell is never closed, so that the lines after it are one cell: close it, or write \"\" for a \
                       quote that is part of the text";
        assert_eq!(
            refused(&text, &options()),
            format!("devices.csv, {message}")
        );
        assert_eq!(
            stream_refused(text.as_bytes()),
            format!("standard input, {message}")
        );
    }
}

#[test]
fn text_that_is_not_utf_8() {
    let wide: Vec<u8> = "\u{feff}device_id\r\na\r\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let message = "the manifest is encoded as UTF-16 (little endian), expected UTF-8; save it again as \"CSV UTF-8\", \
                   or convert it in PowerShell with: Get-Content OLD.csv | Set-Content -Encoding utf8 NEW.csv \
                   (Export-Csv also takes -Encoding utf8)";
    for bytes in [&wide[..], &wide[2..]] {
        assert_eq!(
            refused(bytes, &options()),
            format!("devices.csv: {message}")
        );
        assert_eq!(stream_refused(bytes), format!("standard input: {message}"));
    }
    let windows = b"device_id,city\na,Berlin\nb,M\xFCnchen\n";
    let message = "line 3: byte 4 of the line (0xFC) is not UTF-8; the file seems to be in an older encoding such as \
                   Windows-1252: save it as \"CSV UTF-8\", or convert it with: iconv -f WINDOWS-1252 -t UTF-8 OLD.csv \
                   > NEW.csv";
    assert_eq!(
        refused(windows, &options()),
        format!("devices.csv, {message}")
    );
    assert_eq!(
        stream_refused(windows),
        format!("standard input, {message}")
    );
}

#[test]
fn nul_bytes_and_workbooks() {
    let holes = b"device_id,x\na,\"\n1\"\nb,\0\0\n";
    let message = "line 4: the line holds a NUL byte, which no text does; the file is damaged (a crash while it was \
                   written, perhaps) or is no CSV: export it again";
    assert_eq!(
        refused(holes, &options()),
        format!("devices.csv, {message}")
    );
    assert_eq!(stream_refused(holes), format!("standard input, {message}"));
    for (bytes, message) in [
        (
            &b"PK\x03\x04\x14\x00\x06\x00"[..],
            "the file is no CSV: its first bytes are those of ZIP; take the CSV out of it first, or save it as \"CSV UTF-8\" where it is \
             a workbook",
        ),
        (
            b"\x1F\x8B\x08\x00",
            "the file is no CSV: its first bytes are those of gzip; unpack it first, or unpack it into the command: \
             gzip -dc FILE | kvs-fleet provision - --results FILE",
        ),
    ] {
        assert_eq!(stream_refused(bytes), format!("standard input: {message}"));
        let of_file = refused(bytes, &options());
        assert_eq!(
            of_file,
            format!(
                "devices.csv: {}",
                message.replace("-dc FILE", "-dc devices.csv")
            )
        );
    }
}

#[test]
fn nothing_in_it() {
    let empty = "the manifest is empty; expected a header line and a row for each device";
    for text in ["", "\u{feff}", "\n\r\n", " ,\n"] {
        assert_eq!(refused(text, &options()), format!("devices.csv: {empty}"));
        assert_eq!(
            stream_refused(text.as_bytes()),
            format!("standard input: {empty}")
        );
    }
    let no_row = "the manifest has a header and no row; expected a row for each device";
    for text in ["device_id", "device_id,x\n\n,\n"] {
        assert_eq!(refused(text, &options()), format!("devices.csv: {no_row}"));
        assert_eq!(
            stream_refused(text.as_bytes()),
            format!("standard input: {no_row}")
        );
    }
}

#[test]
fn byte_order_marks_of_files_that_were_put_together() {
    let reason = HEADER_AGAIN;
    assert_eq!(
        rows(
            "\u{feff}x,device_id\r\n1,A\r\n\u{feff}x,device_id\r\n2,B\r\n",
            &options()
        ),
        [
            "2 A>A@eu-central-1".to_owned(),
            format!("3 device_id! {reason}"),
            "4 B>B@eu-central-1".to_owned()
        ]
    );
    // Also before a quote, which opens a cell only as its first character.
    assert_eq!(
        rows(
            "device_id,x\nA,1\n\u{feff}\"B\",\"2,\n3\"\nC,4\n",
            &options()
        ),
        [
            "2 A>A@eu-central-1",
            "3 B>B@eu-central-1",
            "5 C>C@eu-central-1"
        ]
    );
    // One in the middle of a line, after a file whose last line had no end.
    let told = rows("device_id\nA\u{feff}device_id\nB\n", &named("x"));
    assert!(told[0].starts_with(
        "2 A\u{feff}device_id! the device ID 'A\\u{feff}device_id' holds a byte order mark"
    ));
}

#[test]
fn files_that_cannot_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("devices.csv");
    let message = |path: &Path| Manifest::open(path, &options()).unwrap_err().to_string();
    assert_eq!(
        message(&path),
        format!(
            "{}: there is no such file; check the manifest's path",
            path.display()
        )
    );
    assert_eq!(
        message(folder.path()),
        format!(
            "{}: this is a directory; give the path of a CSV file",
            folder.path().display()
        )
    );
    fs::write(&path, "device_id\na\n").unwrap();
    let manifest = Manifest::open(&path, &options()).unwrap();
    assert_eq!(manifest.sha256(), hex(&Sha256::digest(b"device_id\na\n")));
    assert_eq!(
        message(&path.join("below")).split(": ").nth(1),
        Some("the manifest cannot be read")
    );
}

#[test]
fn a_stream_that_breaks() {
    struct Broken(bool);
    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0 {
                return Err(io::Error::other("the pipe broke"));
            }
            self.0 = true;
            b"device_id\na\nb".as_slice().read(buffer)
        }
    }
    let mut rows = stream(Broken(false), &options()).unwrap();
    assert_eq!(told(&rows.next().unwrap().unwrap()), "2 a>a@eu-central-1");
    assert_eq!(
        rows.next().unwrap_err().to_string(),
        "standard input: the manifest cannot be read: the pipe broke"
    );
}

#[test]
fn a_streams_rows_come_as_soon_as_they_are_there() {
    /// Gives a line at a time, and counts.
    struct Lines<'a>(&'a [&'a str], usize);
    impl Read for Lines<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let line = self.0.get(self.1).copied().unwrap_or_default();
            self.1 += 1;
            line.as_bytes().read(buffer)
        }
    }
    let lines = ["device_id,serial\r\n", "a,1\r\n", "b,2\r", "\nc,3\r\n"];
    let mut given = Lines(&lines, 0);
    let mut rows = stream(&mut given, &options()).unwrap();
    for expected in ["2 a", "3 b", "4 c"] {
        assert!(told(&rows.next().unwrap().unwrap()).starts_with(expected));
    }
    drop(rows);
    assert_eq!(given.1, lines.len());
}

#[test]
fn the_samples_are_what_they_are_said_to_be() {
    let devices = rows(include_str!("../../../samples/devices.csv"), &options());
    assert_eq!(devices.len(), 12);
    assert_eq!(
        devices[0],
        "2 DEVICE_1>DEVICE_1@eu-central-1 Site=Leipzig Line=L1 Model=Bullet 2K"
    );
    let factory = rows(
        include_str!("../../../samples/factory-1000.csv"),
        &options(),
    );
    assert_eq!(factory.len(), 1_000);
    assert_eq!(
        factory[999],
        "1001 CAM-001000>CAM-001000@eu-central-1 Site=Graz"
    );
    for row in devices.iter().chain(&factory) {
        assert!(!row.contains('!'), "{row}");
    }
}

#[test]
fn the_bad_sample_has_each_kind_of_bad_row_once() {
    let rows = rows(include_str!("../../../samples/bad-devices.csv"), &options());
    let reasons: Vec<_> = rows.iter().filter_map(|row| row.split_once("! ")).collect();
    let expected = [
        ("3 ", "the device ID (column 'device_id') is empty"),
        ("4 CAM 0002", "contains ' '; allowed are letters"),
        ("5 CAM-0003", "has 257 characters; at most 256 are allowed"),
        (
            "6 CAM-0004",
            "the message TTL is 300; it must be 5 to 120 seconds",
        ),
        (
            "7 CAM-0005",
            "the message TTL is '1 min'; it must be a whole number",
        ),
        (
            "8 CAM-0006",
            "the Region 'Frankfurt' is not a valid Region name",
        ),
        (
            "9 CAM-0007",
            "the tag 'Site': the tag value 'Hall #4' contains '#'",
        ),
        ("10 CAM-0008", "has 257 characters; at most 256 are allowed"),
        ("15 CAM-0012", "the row has 4 fields, the header has 6"),
        ("16 CAM-0013", "the row has 7 fields, the header has 6"),
    ];
    for ((row, reason), (expected_row, expected_reason)) in reasons.iter().zip(expected) {
        assert_eq!(*row, expected_row);
        assert!(reason.contains(expected_reason), "{reason}");
    }
    assert_eq!(reasons.len(), expected.len());
    // The rest is sound by itself: what two rows are to each other is not this module's to say.
    assert_eq!(rows.len() - reasons.len(), 8);
}

#[test]
fn any_text_reads_the_same_from_file_and_stream() {
    let alphabet = [
        "a",
        "é",
        ",",
        ",",
        ";",
        "\"",
        "\n",
        "\n",
        "\r",
        "\t",
        " ",
        "\0",
        "\u{feff}",
        "device_id",
        "tag:",
        "region",
    ];
    let options = tagged(&["T={device_id}"]);
    for seed in 0..20_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut text = String::from(if random.bool() { "device_id,x\n" } else { "" });
        for _ in 0..random.usize(..20) {
            text += alphabet[random.usize(..alphabet.len())];
        }
        let mut bytes = text.into_bytes();
        if random.u8(..8) == 0 {
            bytes.push(0xC3);
        }
        let file = open_bytes(&bytes, &options).map(|manifest| {
            let mut rows = manifest.rows();
            let mut all = Vec::new();
            while let Some(row) = rows.next().unwrap() {
                all.push(told(&row));
            }
            all
        });
        let streamed = stream(Drip(&bytes), &options).and_then(|mut rows| {
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push(told(&row));
            }
            Ok(all)
        });
        match (file, streamed) {
            (Ok(file), Ok(streamed)) => assert_eq!(file, streamed, "seed {seed}"),
            (Err(_), Err(_)) => {}
            (file, streamed) => panic!("seed {seed}: {file:?} {streamed:?}"),
        }
    }
}
