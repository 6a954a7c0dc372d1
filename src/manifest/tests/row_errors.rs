//! Rows that are invalid, and the reasons that they are given.

use super::*;

#[test]
fn rows_shorter_or_longer_than_the_header() {
    assert_eq!(
        rows(
            "device_id,a,b\n1,\n2,x,y,\n3,x,y, ,\n4,x,y,z\n5\n",
            &options()
        ),
        [
            "2 1! the row has 2 fields, the header has 3",
            "3 2>2@eu-central-1",
            "4 3>3@eu-central-1",
            "5 4! the row has 4 fields, the header has 3; quote a cell that holds the delimiter",
            "6 5! the row has 1 field, the header has 3",
        ]
    );
    // Nameless columns at the header's end may be missing.
    assert_eq!(
        rows("device_id,,\n1\n2,,\n3,,x\n", &options()),
        [
            "2 1>1@eu-central-1",
            "3 2>2@eu-central-1",
            "4 3>3@eu-central-1"
        ]
    );
}

#[test]
fn rows_that_break_a_limit() {
    let text = "device_id,channel_name,message_ttl_seconds,region,tag:Site\n\
                ,n1,,,x\n\
                b,no good,,,\n\
                c,,4,,\n\
                d,,soon,,\n\
                e,,,Frankfurt,\n\
                f,,,,50%\n\
                g\u{200b},,,,\n\
                h,,,,\n";
    assert_eq!(
        rows(text, &options()),
        [
            "2 ! the device ID (column 'device_id') is empty",
            "3 b! the channel name 'no good' contains ' '; allowed are letters a-z A-Z, digits, '_', '.' and '-'",
            "4 c! the message TTL is 4; it must be 5 to 120 seconds",
            "5 d! the message TTL is 'soon'; it must be a whole number of seconds, 5 to 120",
            "6 e! the Region 'Frankfurt' is not a valid Region name, such as 'eu-central-1'",
            "7 f! the tag 'Site': the tag value '50%' contains '%'; allowed are letters, digits, spaces and \
             _.:/=+-@",
            "8 g\u{200b}! the channel name 'g\\u{200b}' contains '\\u{200b}'; allowed are letters a-z A-Z, digits, \
             '_', '.' and '-'",
            "9 h>h@eu-central-1",
        ]
    );
}

#[test]
fn long_names_and_values() {
    let (name, value) = ("n".repeat(257), "v".repeat(257));
    let text = format!("device_id,tag:A\n{name},\nb,{value}\n");
    let told = rows(&text, &tagged(&["B={tag:A}{tag:A}"]));
    assert!(
        told[0].ends_with("has 257 characters; at most 256 are allowed"),
        "{}",
        told[0]
    );
    assert!(
        told[1].contains("! the tag 'B': the tag value 'vvv"),
        "{}",
        told[1]
    );
    assert!(
        told[1].ends_with("has 514 characters; at most 256 are allowed"),
        "{}",
        told[1]
    );
    let empty = rows("device_id,serial\na,\n", &named("{serial}"));
    assert_eq!(empty, ["2 a! the channel name is empty"]);
}

#[test]
fn more_tags_than_a_channel_may_have() {
    let names: Vec<_> = (0..51).map(|n| format!("tag:K{n}")).collect();
    let header = format!("device_id,{}", names.join(","));
    let all = format!("a{}", ",x".repeat(51));
    let fewer = format!("b{},", ",x".repeat(50));
    let told = rows(&format!("{header}\n{all}\n{fewer}\n"), &options());
    assert_eq!(
        told[0],
        "2 a! the row asks for 51 tags; a channel has at most 50"
    );
    assert!(told[1].starts_with("3 b>b@eu-central-1 K0=x K1=x"));
}

#[test]
fn ids_that_do_not_match_the_pattern() {
    let pattern = Options {
        id_pattern: Some(IdPattern::parse(r"CAM-\d+").unwrap()),
        ..options()
    };
    assert_eq!(
        rows("device_id\nCAM-1\nCAM-1x\n", &pattern),
        [
            "2 CAM-1>CAM-1@eu-central-1",
            "3 CAM-1x! the device ID 'CAM-1x' does not match the pattern 'CAM-\\d+' as a whole"
        ]
    );
}

#[test]
fn a_row_without_any_region() {
    assert_eq!(
        rows("device_id,region\na,us-west-2\nb,\n", &Options::default()),
        [
            "2 a>a@us-west-2",
            "3 b! the row has no Region and the run has none; fill the column 'region' or give --region"
        ]
    );
}

#[test]
fn text_behind_a_closing_quote() {
    assert_eq!(
        rows("device_id,x\n\"a\"1,y\nb,\"5\"\" lens\"\n", &options()),
        [
            "2 a\"1! a cell has text after its closing quote (\"); close the quote at the cell's end, or write \"\" \
             for a quote that is part of the text",
            "3 b>b@eu-central-1"
        ]
    );
}

#[test]
fn a_missing_quote_that_swallows_rows() {
    let stray = "device_id,x\na,\"1\nb,2\nc,\"3\"\nd,4\n";
    let message = "line 2: a cell in the row that starts here is quoted, extends over 3 lines and has text after its \
                   closing quote, so a quote (\") is missing or too many, and rows would be lost; close the quote, or \
                   write \"\" for a quote that is part of the text";
    assert_eq!(
        refused(stray, &options()),
        format!("devices.csv, {message}")
    );
    assert_eq!(
        stream_refused(stray.as_bytes()),
        format!("standard input, {message}")
    );

    let unclosed = "device_id,x\na,1\nb,\"2\nc,3\nd,4\n";
    let message = "line 3: a cell in the row that starts here opens with a quote (\") that is never closed, so that \
                   all lines after it are one cell; close the quote, or write \"\" for a quote that is part of the \
                   text";
    assert_eq!(
        refused(unclosed, &options()),
        format!("devices.csv, {message}")
    );
    assert_eq!(
        stream_refused(unclosed.as_bytes()),
        format!("standard input, {message}")
    );

    let in_header = refused("device_id,\"x\na,1\n", &options());
    assert!(
        in_header.starts_with("devices.csv, line 1: a cell in the row that starts here opens"),
        "{in_header}"
    );
}

#[test]
fn the_end_mark_of_dos_is_no_row() {
    for text in [
        "device_id\nA\n\x1a",
        "device_id\r\nA\x1a",
        "device_id\nA\n\x1a\x1a\r\n",
    ] {
        assert_eq!(rows(text, &options()), ["2 A>A@eu-central-1"], "{text:?}");
    }
}

#[test]
fn the_border_of_a_table_is_no_device() {
    let table = "| device_id | site |\n|---|---|\n| A | x |\n";
    assert_eq!(
        rows(table, &options()),
        [
            "2 ---! the device ID '---' is the border of a table, not a device; remove the line",
            "3 A>A@eu-central-1"
        ]
    );
}

#[test]
fn ids_that_another_program_changed_and_the_service_refuses_are_named_for_what_they_are() {
    let told = rows(
        "device_id,message_ttl_seconds,region\n1.23457E+11,,\n02. Jan,,\n#N/A,,\n\"=\"\"0001\"\"\",,\na,NaN,\nb,,NULL\nc,30.0,\n",
        &options(),
    );
    let reasons = [
        "probably a spreadsheet program shortened a long number",
        "probably a spreadsheet program took an ID for a date",
        "probably a formula of a spreadsheet program failed",
        "probably a spreadsheet program wrote how it keeps a number as text",
        "probably a program wrote a word for an empty cell",
        "probably a program wrote a word for an empty cell",
    ];
    for (row, reason) in told.iter().zip(reasons) {
        assert!(row.contains('!') && row.ends_with(reason), "{row}");
    }
    assert_eq!(told[6], "8 c>c@eu-central-1 30s");
}

#[test]
fn mac_addresses_are_refused_with_the_flag_that_names_their_channels() {
    let text = "mac,Hall\n02:00:5E:00:53:01,1\n02:00:5E:00:53:01:02:03,1\n";
    let mac = |template: &str| Options {
        id_column: "mac".into(),
        ..named(template)
    };
    let told = rows(text, &mac("cam-{mac|lower}"));
    for row in &told {
        assert!(
            row.ends_with(
                "; to name channels by MAC addresses without colons, give --channel-name 'cam-{mac|lower|delete(:)}'"
            ),
            "{row}"
        );
    }
    assert_eq!(
        rows(text, &mac("cam-{mac|lower|delete(:)}"))[0],
        "2 02:00:5E:00:53:01>cam-02005e005301@eu-central-1"
    );
    // Where it is in another column that the template uses, or names the channel by itself.
    let of_other = rows("device_id,mac\nA,02:00:5E:00:53:01\n", &named("c-{mac}"));
    assert!(of_other[0].ends_with("'c-{mac|delete(:)}'"), "{of_other:?}");
    let of_cell = rows("device_id,channel_name\nA,02:00:5E:00:53:01\n", &options());
    assert!(
        of_cell[0].ends_with(
            "rename the column 'channel_name' to mac, and give --channel-name '{mac|delete(:)}'"
        ),
        "{of_cell:?}"
    );
    let braces = rows(text, &mac("{{mac}}"));
    assert!(!braces[0].contains("--channel-name"), "{braces:?}");
    let tagged = Options {
        tags: vec![("Mac".into(), Template::parse("{mac|replace(:,-)}").unwrap())],
        ..mac("{Hall}")
    };
    assert_eq!(
        rows(text, &tagged)[0],
        "2 02:00:5E:00:53:01>1@eu-central-1 Mac=02-00-5E-00-53-01"
    );
}
