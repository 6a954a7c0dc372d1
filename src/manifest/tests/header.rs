//! The header: the device column, names that occur twice, templates that do not fit, lines above it.

use super::*;

#[test]
fn lines_that_other_programs_put_before_the_header_are_named() {
    assert_eq!(
        refused(
            "#TYPE System.Management.Automation.PSCustomObject\r\n\"device_id\"\r\n\"A\"\r\n",
            &options()
        ),
        "devices.csv, line 1: the line is the type that Export-Csv of Windows PowerShell writes, not a header; remove \
         it, or export again with: Export-Csv -NoTypeInformation"
    );
    assert_eq!(
        refused("sep=;\r\ndevice_id;a\r\nA;b\r\n", &options()),
        "devices.csv, line 1: the line tells a spreadsheet program the delimiter and is not a header; remove it"
    );
    // A column may be called so.
    assert_eq!(
        rows("sep=,device_id\nx,A\n", &options()),
        ["2 A>A@eu-central-1"]
    );
}

/// The reason of a row that repeats the header.
#[test]
fn the_header_once_more_is_no_device() {
    let reason = HEADER_AGAIN;
    assert_eq!(
        rows("device_id,a\nA,1\ndevice_id, a \nB,1\n", &options()),
        [
            "2 A>A@eu-central-1".to_owned(),
            format!("3 device_id! {reason}"),
            "4 B>B@eu-central-1".to_owned()
        ]
    );
    // The columns of the second file may be in another order.
    assert_eq!(
        rows(
            "serial,device_id\nS1,A\ndevice_id,serial\nB,S2\n",
            &options()
        )[1],
        format!("3 serial! {reason}")
    );
    // A device may be called so, where its row says more.
    assert_eq!(
        rows("device_id,a\ndevice_id,1\n", &options()),
        ["2 device_id>device_id@eu-central-1"]
    );
}

#[test]
fn no_device_column() {
    assert_eq!(
        refused("DeviceID,serial\na,1\n", &options()),
        "devices.csv, line 1: the header has no column 'device_id'; it has, read with the delimiter ',': 'DeviceID', \
         'serial'; give --id-column 'DeviceID' if that one holds the device IDs, or rename it"
    );
    assert_eq!(
        refused("\nCAM-1\tHall 3\nCAM-2\tHall 3\n", &options()),
        "devices.csv, line 2: the header has no column 'device_id'; it has, read with the delimiter tab: 'CAM-1', \
         'Hall 3'; name the one that holds the device IDs with --id-column, or add a header line if the file has none"
    );
    let odd = refused("\"device\u{1b}[2J\nid\",b\na,1\n", &options());
    assert!(
        odd.ends_with("give --id-column 'device\\u{1b}[2J\\nid' if that one holds the device IDs, or rename it"),
        "{odd:?}"
    );
    let many: Vec<_> = (0..25).map(|n| format!("c{n}")).collect();
    let message = refused(format!("{}\n", many.join(";")), &options());
    assert!(
        message.contains("'c18', 'c19' and 5 more; name the one"),
        "{message}"
    );
}

#[test]
fn duplicated_header_names() {
    assert_eq!(
        refused("device_id,x, device_id\n", &options()),
        "devices.csv, line 1: the header names 'device_id' twice, as columns 1 and 3; rename or remove one"
    );
    assert_eq!(
        refused("device_id,tag:A,tag: A\n", &options()),
        "devices.csv, line 1: the column 'tag: A': another column has the tag key 'A' too; rename or remove one"
    );
}

#[test]
fn a_name_that_is_twice_in_the_header_matters_only_where_it_is_used() {
    let text = "note,device_id,note\nx,a,y\n";
    assert_eq!(rows(text, &options()), ["2 a>a@eu-central-1"]);
    for flags in [named("{device_id}-{note}"), tagged(&["Note={note}"])] {
        let message = refused(text, &flags);
        assert!(
            message.contains("names 'note' twice, as columns 1 and 3"),
            "{message}"
        );
    }
    for used in ["region", "channel_name", "message_ttl_seconds"] {
        let message = refused(format!("device_id,{used},{used}\na,,\n"), &options());
        assert!(message.contains("twice, as columns 2 and 3"), "{message}");
    }
}

#[test]
fn the_header_below_titles_is_named() {
    assert_eq!(
        refused(
            "Auftrag;4711\nDatum;28.11.2026\n\ndevice_id;line\nA;4\n",
            &options()
        ),
        "devices.csv, line 1: the line has no column 'device_id' (it has 'Auftrag', '4711'), but line 4 looks like the \
         header: remove the lines above it, or leave them out with: tail -n +4 devices.csv | kvs-fleet provision - \
         --results FILE"
    );
    let similar = refused(
        "# exported 2026-11-28\nSerial Number|line\nA|4\n",
        &options(),
    );
    assert!(
        similar.contains("line 2 looks like the header")
            && similar.ends_with("--id-column 'Serial Number'"),
        "{similar}"
    );
}

#[test]
fn tag_columns_with_impossible_keys() {
    assert_eq!(
        refused("device_id,tag: \n", &options()),
        "devices.csv, line 1: the column 'tag:': the tag has no key; expected 'tag:KEY', such as 'tag:Site'"
    );
    assert_eq!(
        refused("device_id,tag:aws:x\n", &options()),
        "devices.csv, line 1: the column 'tag:aws:x': the tag key 'aws:x' starts with 'aws:', which is reserved"
    );
    assert_eq!(
        refused("device_id,tag:a#\n", &options()),
        "devices.csv, line 1: the column 'tag:a#': the tag key 'a#' contains '#'; allowed are letters, digits, spaces \
         and _.:/=+-@"
    );
}

#[test]
fn templates_that_do_not_fit_the_header() {
    let text = "device_id,serial\na,1\n";
    assert_eq!(
        refused(text, &named("{device_id}-{Serial}")),
        "--channel-name: the template '{device_id}-{Serial}' uses the column 'Serial', which devices.csv does not \
         have; it has: 'device_id', 'serial'"
    );
    assert_eq!(
        refused(text, &tagged(&["Line={line}"])),
        "--tag Line: the template '{line}' uses the column 'line', which devices.csv does not have; it has: \
         'device_id', 'serial'"
    );
    assert_eq!(
        refused(text, &tagged(&["Line=#{serial}"])),
        "--tag Line: the tag value '#' contains '#'; allowed are letters, digits, spaces and _.:/=+-@"
    );
    assert!(refused(text, &named("{channel_name}")).starts_with("--channel-name: the template"));
}

#[test]
fn a_results_file_in_place_of_the_manifest_is_noticed() {
    let text = "device_id,channel_name,region,status,channel_arn,attempts,error_code\na,a,eu-west-1,created,,1,\n";
    let manifest = open(text, &options());
    assert_eq!(
        manifest.layout().warnings(),
        [
            "devices.csv has the columns of a results file; each of its rows is taken for a device to provision"
        ]
    );
}

#[test]
fn columns_that_look_like_others_are_said() {
    let warnings = |text: &str, options: &Options| open(text, options).layout().warnings().to_vec();
    assert_eq!(
        warnings(
            "device_id,ttl,Channel Name,tags:Site,serial\na,1,b,c,d\n",
            &options()
        ),
        [
            "the column 'ttl' is not used; if 'message_ttl_seconds' is meant, rename it to that",
            "the column 'Channel Name' is not used; if 'channel_name' is meant, rename it to that",
            "the column 'tags:Site' is not used; if 'tag:Site' is meant, rename it to that",
        ]
    );
    // One that a template uses is not suspect.
    assert!(warnings("device_id,ttl\na,1\n", &named("{device_id}-{ttl}")).is_empty());
    let serial = Options {
        id_column: "serial".into(),
        ..options()
    };
    assert_eq!(
        warnings("serial,device_id\n1,a\n", &serial),
        [
            "the column 'device_id' is not used: --id-column gives 'serial', and {device_id} in templates means that"
        ]
    );
}
