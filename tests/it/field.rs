//! Files from other programs, byte for byte: exported manifests, and results files that a user opened, saved, truncated
//! or concatenated.

use kvs_fleet::domain::device::AccountId;

use crate::support::{Bench, Cloud, HEADER, arn, devices, finished, results};

const ACCOUNT: &str = AccountId::EMULATOR;

/// Text in UTF-16 with a byte order mark, which Windows programs call "Unicode".
fn utf16(text: &str) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

/// All cells in quotes, as written by `LibreOffice` ("Quote all text cells") and `Export-Csv`.
fn all_quoted(csv: &str) -> String {
    let mut reader = csv::ReaderBuilder::new();
    let mut reader = reader.has_headers(false).from_reader(csv.as_bytes());
    let mut writer = csv::WriterBuilder::new();
    writer.quote_style(csv::QuoteStyle::Always);
    let mut writer = writer.terminator(csv::Terminator::CRLF).from_writer(vec![]);
    for record in reader.records() {
        writer.write_record(&record.unwrap()).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

/// Provisions a manifest and returns the outcome of its rows.
#[track_caller]
fn provisioned(manifest: impl AsRef<[u8]>, flags: &[&str], statuses: &[&str]) {
    let bench = Bench::new();
    bench.write("d.csv", manifest);
    let cloud = Cloud::new();
    bench.provision(cloud.url()).args(flags).run().exits(0);
    assert_eq!(bench.statuses(), statuses);
    assert_eq!(cloud.channels().len(), statuses.len());
}

/// Asserts that a file is refused with this message before any request, and is unchanged.
#[track_caller]
fn refused(name: &str, content: impl AsRef<[u8]>, words: &[&str]) {
    let bench = Bench::of(3);
    bench.write(name, content);
    let before = bench.files();
    let cloud = Cloud::new();
    let mut done = bench.provision(cloud.url()).run().exits(2).says(name);
    for word in words {
        done = done.says(word);
    }
    assert_eq!(cloud.all_requests(), 0);
    assert_eq!(bench.files(), before);
}

#[test]
fn excel_csv_with_semicolons_and_blank_cells_is_read() {
    provisioned(
        "\u{feff}device_id;message_ttl_seconds;Halle;;\r\nCAM-0001;30;\"Halle 3; Nord\";;\r\nCAM-0002;;München;;\r\n\
         ;;;;\r\n;;;;\r\n\r\n",
        &[],
        &["CAM-0001 created", "CAM-0002 created"],
    );
}

#[test]
fn libreoffice_csv_with_quoted_cells_is_read() {
    let sheet = "device_id,message_ttl_seconds,tag:Site,note\nCAM-0001,30,Graz,\"5\"\" lens, left\"\nCAM-0002,,,\n";
    for text in [all_quoted(sheet), all_quoted(sheet).replace("\r\n", "\n")] {
        provisioned(text, &[], &["CAM-0001 created", "CAM-0002 created"]);
    }
}

#[test]
fn powershell_utf_8_export_is_read() {
    let text = all_quoted("device_id,note\nCAM-0001,x\n");
    provisioned(format!("\u{feff}{text}"), &[], &["CAM-0001 created"]);
}

#[test]
fn excel_unicode_text_is_refused_with_its_encoding() {
    let text = "device_id\tHalle\r\nCAM-0001\t\"Halle 3; Nord\"\r\n";
    refused("d.csv", utf16(text), &["UTF-16", "utf8", "CSV UTF-8"]);
}

#[test]
fn powershell_redirection_is_refused_with_its_encoding() {
    let manifest = utf16("\"device_id\"\r\n\"CAM-0001\"\r\n");
    refused("d.csv", manifest, &["UTF-16", "Set-Content -Encoding utf8"]);
    let rows = results(&[finished("CAM-0001", "created", ACCOUNT)]);
    let words = ["UTF-16", "Set-Content -Encoding utf8"];
    refused("d.results.csv", utf16(&all_quoted(&rows)), &words);
}

#[test]
fn the_type_line_of_windows_powershell_is_reported() {
    let line = "#TYPE System.Management.Automation.PSCustomObject\r\n";
    let words = ["Windows PowerShell", "-NoTypeInformation"];
    let manifest = format!("{line}\"device_id\"\r\n\"CAM-0001\"\r\n");
    refused("d.csv", manifest, &[&["line 1"], &words[..]].concat());
    let rows = results(&[finished("CAM-0001", "created", ACCOUNT)]);
    refused(
        "d.results.csv",
        line.to_owned() + &all_quoted(&rows),
        &words,
    );
}

#[test]
fn windows_1252_is_refused_with_its_line() {
    let words = ["line 3", "0xFC", "Windows-1252", "iconv"];
    refused(
        "d.csv",
        b"device_id;Ort\r\nA;Wien\r\nB;M\xfcnchen\r\n",
        &words,
    );
    let rows = [
        finished("CAM-0001", "created", ACCOUNT),
        "K\u{fc}che".to_owned(),
    ];
    let bytes: Vec<u8> = results(&rows)
        .chars()
        .map(|character| u8::try_from(u32::from(character)).unwrap())
        .collect();
    refused("d.results.csv", bytes, &["line 3", "Windows-1252", "iconv"]);
}

#[test]
fn the_header_of_a_concatenated_manifest_is_not_a_device() {
    let bench = Bench::with(&(devices(1..=2) + &devices(3..=3)));
    let cloud = Cloud::new();
    let done = bench.provision(cloud.url()).run().exits(3);
    done.says("line 4: the header is repeated here");
    assert_eq!(
        bench.statuses(),
        [
            "CAM-0001 created",
            "CAM-0002 created",
            "device_id invalid",
            "CAM-0003 created"
        ]
    );
    assert_eq!(cloud.channels().len(), 3);
}

/// Results of `CAM-0001` to `CAM-0003`, of which the third failed. Asserts that after a program has saved them, a run
/// with a fourth device resumes them.
#[track_caller]
fn resumes(save: impl Fn(&str) -> String) {
    let bench = Bench::of(2);
    let cloud = Cloud::new();
    bench.provision(cloud.url()).run().exits(0);
    let failed = "CAM-0003,CAM-0003,,eu-central-1,failed,,8,2025-01-02T03:04:05.000Z,2025-01-02T03:04:05.678Z,Timeout,\
                  \"no answer, \"\"really\"\"\",\n";
    let before = bench.read("d.results.csv");
    bench.write("d.results.csv", save(&(before.clone() + failed)));
    bench.write("d.csv", devices(1..=4));
    let creates = cloud.creates();
    bench.provision(cloud.url()).run().exits(0);
    assert_eq!(cloud.creates() - creates, 2, "those that are not finished");
    assert_eq!(
        bench.statuses(),
        [
            "CAM-0001 created",
            "CAM-0002 created",
            "CAM-0003 created",
            "CAM-0004 created"
        ]
    );
    let arns = cloud.channels();
    for row in bench.rows("d.results.csv") {
        assert_eq!(row["channel_arn"], arns[&row["channel_name"]]);
    }
    // The file is in this tool's own format, whatever program saved it before.
    assert!(bench.read("d.results.csv").starts_with(HEADER));
    assert!(!bench.read("d.results.csv").contains('\r'));
}

#[test]
fn results_saved_by_excel_can_be_resumed() {
    // "CSV UTF-8" and "CSV": with or without a byte order mark, Windows line ends, quotes only where needed.
    resumes(|text| format!("\u{feff}{}", text.replace('\n', "\r\n")));
    resumes(|text| text.replace('\n', "\r\n"));
    // Cells next to the columns and rows below them were visited.
    resumes(|text| text.replace('\n', ",,\r\n") + ",,,,,,,,,,,,\r\n\r\n");
    // Times that the program converted.
    resumes(|text| {
        let text = text.replace("2025-01-02T03:04:05.000Z", "02.01.2025 03:04");
        text.replace('\n', "\r\n")
    });
}

#[test]
fn results_saved_by_libreoffice_or_powershell_can_be_resumed() {
    resumes(all_quoted);
    resumes(|text| all_quoted(text).replace("\r\n", "\n"));
    resumes(|text| format!("\u{feff}{}", all_quoted(text)));
    // The last row has no line end.
    resumes(|text| all_quoted(text).trim_end().to_owned());
}

#[test]
fn results_with_another_delimiter_are_refused_with_instructions() {
    let rows = results(&[finished("CAM-0001", "created", ACCOUNT)]);
    for (delimiter, words) in [
        (";", ["semicolons", "Import-Csv OLD.csv -Delimiter ';'"]),
        ("\t", ["tabs", "Import-Csv OLD.csv -Delimiter \"`t\""]),
    ] {
        let saved = rows.replace(',', delimiter).replace('\n', "\r\n");
        refused("d.results.csv", saved, &words);
    }
}

#[test]
fn ids_changed_by_a_spreadsheet_program_are_refused_with_the_line() {
    let sound = finished("CAM-0001", "created", ACCOUNT);
    for (id, made_of_it) in [
        ("0007", "7"),
        ("100000", "1E+05"),
        ("123456789012345678", "1.23457E+17"),
        ("12-1", "12. Jan"),
        ("1.10", "1.1"),
    ] {
        let row = finished(id, "created", ACCOUNT);
        let ids = format!("{id},{id}");
        let changed = row.replacen(&ids, &format!("{made_of_it},{made_of_it}"), 1);
        let file = results(&[sound.clone(), changed]).replace('\n', "\r\n");
        let (found, meant) = (format!("'{made_of_it}'"), format!("'{id}'"));
        refused(
            "d.results.csv",
            file,
            &["line 3", "spreadsheet", &found, &meant],
        );
    }
}

#[test]
fn a_changed_id_with_an_unchanged_name_creates_no_second_channel() {
    let bench = Bench::with("device_id\n0007\n0008\n");
    let cloud = Cloud::new();
    let provision = || {
        bench
            .provision(cloud.url())
            .args(&["--channel-name", "cam-{device_id}"])
    };
    provision().run().exits(0);
    let text = bench.read("d.results.csv");
    bench.write("d.results.csv", text.replacen("\n0007,", "\n7,", 1));
    let creates = cloud.creates();
    let done = provision().run().exits(3);
    done.says("cam-0007").says("'7'");
    assert_eq!(cloud.creates(), creates);
    assert_eq!(
        bench.statuses(),
        ["0007 invalid", "0008 created", "7 created"]
    );
}

#[test]
fn devices_whose_rows_were_deleted_are_found_in_the_listing() {
    let bench = Bench::of(4);
    let cloud = Cloud::new();
    bench.provision(cloud.url()).run().exits(0);
    let text = bench.read("d.results.csv");
    let kept: Vec<&str> = text
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("CAM-0002,") && !line.starts_with("CAM-0003,"))
        .collect();
    bench.write("d.results.csv", kept.concat());
    let creates = cloud.creates();
    bench.provision(cloud.url()).run().exits(0);
    assert_eq!(cloud.creates(), creates);
    assert_eq!(
        bench.statuses(),
        [
            "CAM-0001 created",
            "CAM-0002 exists",
            "CAM-0003 exists",
            "CAM-0004 created"
        ]
    );
    let arns = cloud.channels();
    for row in bench.rows("d.results.csv") {
        assert_eq!(row["channel_arn"], arns[&row["channel_name"]]);
    }
}

#[test]
fn concatenated_results_files_are_refused_with_the_line_of_the_second_header() {
    let one = results(&[finished("CAM-0001", "created", ACCOUNT)]);
    let other = results(&[finished("CAM-0002", "created", ACCOUNT)]);
    let words = ["line 3", "two results files concatenated"];
    refused("d.results.csv", format!("{one}{other}"), &words);
    // Files that a spreadsheet program saved, concatenated by `type` or `cat`.
    let saved = |text: &str| format!("\u{feff}{}", text.replace('\n', "\r\n"));
    refused("d.results.csv", saved(&one) + &saved(&other), &words);
}

#[test]
fn a_last_line_truncated_at_any_byte_is_repaired() {
    let bench = Bench::with("device_id\nCAM-0001\n\"CAM \"\"2\"\", left\"\n");
    let cloud = Cloud::new();
    let provision = || {
        bench
            .provision(cloud.url())
            .args(&["--channel-name", "{device_id}"])
    };
    bench.write(
        "d.csv",
        "device_id,channel_name\nCAM-0001,\n\"CAM \"\"2\"\", left\",CAM-2\n",
    );
    provision().run().exits(0);
    let whole = bench.read("d.results.csv");
    let last = whole[..whole.len() - 1].rfind('\n').unwrap() + 1;
    let creates = cloud.creates();
    for cut in last..whole.len() {
        bench.write("d.results.csv", &whole[..cut]);
        let done = provision().run().exits(0);
        if cut > last {
            done.says("line 3").says("cut off");
        } else {
            done.does_not_say("cut off");
        }
        let (first, second) = (bench.row("CAM-0001"), bench.row("CAM \"2\", left"));
        assert_eq!(
            (&*first["status"], &*second["status"]),
            ("created", "exists"),
            "{cut}"
        );
        assert_eq!(second["channel_arn"], cloud.channels()["CAM-2"], "{cut}");
        assert!(
            bench.read("d.results.csv").starts_with(&whole[..last]),
            "{cut}"
        );
    }
    assert_eq!(cloud.creates(), creates, "a second channel was requested");
}

#[test]
fn a_damaged_line_in_the_middle_is_refused_with_its_number() {
    let row = |device: &str| finished(device, "created", ACCOUNT);
    let sound = row("CAM-0002");
    for (damaged, word) in [
        (sound[..40].to_owned(), "fields"),
        (String::from("\"") + &sound, "quote"),
        (sound.replacen("created", "creat", 1), "'creat'"),
        (sound.replacen("arn:aws", "arn;aws", 1), "channel_arn"),
        (
            sound.replacen(&arn("CAM-0002", ACCOUNT), "", 1),
            "channel_arn",
        ),
        (sound.replacen(",1,", ",1,,", 1), "fields"),
        (sound.replacen("CAM-0002", "", 1), "device_id"),
        (sound.clone() + "\n" + HEADER, "header"),
    ] {
        let line = if word == "header" { "line 4" } else { "line 3" };
        let rows = [row("CAM-0001"), damaged, row("CAM-0003")];
        refused("d.results.csv", results(&rows), &[line, word]);
    }
}
