//! The manifest: the fields of a row, the request sent for it, and invalid rows.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::{Bench, Cloud, REGION, Row, Wire};

/// Runs `d.csv` with these flags and returns the bodies of the create requests by channel.
fn asked(bench: &Bench, flags: &[&str]) -> BTreeMap<String, serde_json::Value> {
    let cloud = Cloud::new();
    let wire = Wire::before(cloud.url());
    bench.provision(wire.url()).args(flags).run().exits(0);
    let creates = wire.creates();
    let bodies: BTreeMap<_, _> = creates
        .iter()
        .map(|request| (request.channel(), request.json()))
        .collect();
    assert_eq!(bodies.len(), creates.len(), "a channel was requested twice");
    bodies
}

/// The channel names in the create requests.
fn names(bench: &Bench, flags: &[&str]) -> Vec<String> {
    asked(bench, flags).into_keys().collect()
}

/// Runs `d.csv`, which has valid and invalid rows, and returns the row of each invalid line.
#[track_caller]
fn invalid_rows(bench: &Bench, flags: &[&str]) -> Vec<Row> {
    let cloud = Cloud::new();
    bench.provision(cloud.url()).args(flags).run().exits(3);
    let mut rows = bench.rows("d.results.csv");
    let created: Vec<String> = rows
        .iter()
        .filter(|row| row["status"] == "created")
        .map(|row| row["channel_name"].clone())
        .collect();
    let mut there: Vec<String> = cloud.channels().into_keys().collect();
    there.sort_by_key(|name| created.iter().position(|other| other == name));
    assert_eq!(created, there);
    rows.retain(|row| row["status"] == "invalid");
    rows
}

/// Asserts that of a valid and an invalid row, only the second one fails with this reason.
#[track_caller]
fn is_invalid(header: &str, row: &str, flags: &[&str], reason: &str) {
    let bench = Bench::with(&format!(
        "{header}\n{row}\nGOOD{}\n",
        ",".repeat(header.matches(',').count())
    ));
    let rows = invalid_rows(&bench, flags);
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["error_code"], "InvalidRow");
    let message = &rows[0]["error_message"];
    assert!(message.contains("line 2"), "{message}");
    assert!(message.contains(reason), "not said: {reason}\n{message}");
    assert_eq!(rows[0]["channel_arn"], "");
    assert_eq!(rows[0]["attempts"], "0");
    assert_eq!(bench.row("GOOD")["status"], "created");
}

#[test]
fn the_first_create_carries_name_type_and_tags() {
    let bench = Bench::with("device_id\nDEVICE_1\n");
    let bodies = asked(
        &bench,
        &[
            "--tag",
            "StreamName={channel_name}",
            "--tag",
            "Environment=Development",
        ],
    );
    assert_eq!(
        bodies["DEVICE_1"],
        json!({
            "ChannelName": "DEVICE_1",
            "ChannelType": "SINGLE_MASTER",
            "Tags": [
                {"Key": "StreamName", "Value": "DEVICE_1"},
                {"Key": "Environment", "Value": "Development"},
            ],
        })
    );
}

#[test]
fn requests_are_signed_posts_to_the_paths_of_the_service() {
    let bench = Bench::of(1);
    let cloud = Cloud::new();
    let wire = Wire::before(cloud.url());
    bench.provision(wire.url()).run().exits(0);
    let requests = wire.requests();
    assert!(requests.iter().any(|r| r.path == "/listSignalingChannels"));
    // `/` is the path of the identity request, which goes to STS.
    for request in requests.iter().filter(|request| request.path != "/") {
        assert!(request.head.starts_with("POST "), "{}", request.head);
        let authorization = request.header("authorization").unwrap();
        assert!(
            authorization.contains(&format!("/{REGION}/kinesisvideo/aws4_request")),
            "{authorization}"
        );
    }
}

#[test]
fn a_byte_order_mark_and_crlf_are_not_part_of_names() {
    let bench = Bench::with("\u{feff}device_id,note\r\nCAM-1,x\r\nCAM-2,\"two\r\nlines\"\r\n");
    assert_eq!(names(&bench, &[]), ["CAM-1", "CAM-2"]);
}

#[test]
fn a_last_line_without_a_line_end_is_read() {
    let bench = Bench::with("device_id\nCAM-1\nCAM-2");
    assert_eq!(names(&bench, &[]), ["CAM-1", "CAM-2"]);
}

#[test]
fn the_delimiter_is_detected_in_the_header() {
    for delimiter in [",", ";", "\t"] {
        let bench = Bench::with(&format!(
            "device_id{delimiter}message_ttl_seconds\nCAM-1{delimiter}30\n"
        ));
        let bodies = asked(&bench, &[]);
        assert_eq!(
            bodies["CAM-1"]["SingleMasterConfiguration"]["MessageTtlSeconds"], 30,
            "{delimiter:?}"
        );
    }
}

#[test]
fn a_given_delimiter_is_used() {
    let bench = Bench::with("device_id;a,b,c\nCAM-1;x\n");
    assert_eq!(names(&bench, &["--delimiter", ";"]), ["CAM-1"]);
    let bench = Bench::with("device_id\tnote\nCAM-1\tx\n");
    assert_eq!(names(&bench, &["--delimiter", "tab"]), ["CAM-1"]);
}

#[test]
fn the_id_column_can_be_set() {
    let bench = Bench::with("serial,device_id\nSN-1,x\n");
    let flags = ["--id-column", "serial"];
    assert_eq!(names(&bench, &flags), ["SN-1"]);
    assert_eq!(bench.rows("d.results.csv")[0]["device_id"], "SN-1");
}

#[test]
fn the_channel_name_comes_from_the_column_else_from_the_template() {
    let bench = Bench::with("device_id,channel_name,line\nCAM-1,front,7\nCAM-2,,8\n");
    let flags = ["--channel-name", "l{line}-{device_id}"];
    assert_eq!(names(&bench, &flags), ["front", "l8-CAM-2"]);
    assert_eq!(bench.row("CAM-1")["channel_name"], "front");
}

#[test]
fn the_ttl_comes_from_the_column_else_the_flag_else_is_not_sent() {
    let bench = Bench::with("device_id,message_ttl_seconds\nCAM-1,5\nCAM-2,120\nCAM-3,\n");
    let ttl = |bodies: &BTreeMap<String, serde_json::Value>, name: &str| {
        bodies[name]["SingleMasterConfiguration"]["MessageTtlSeconds"].clone()
    };
    let bodies = asked(&bench, &["--message-ttl", "90"]);
    assert_eq!(ttl(&bodies, "CAM-1"), 5);
    assert_eq!(ttl(&bodies, "CAM-2"), 120);
    assert_eq!(ttl(&bodies, "CAM-3"), 90);
    bench.remove("d.results.csv");
    let bodies = asked(&bench, &["--allow-changed"]);
    assert_eq!(bodies["CAM-3"].get("SingleMasterConfiguration"), None);
}

#[test]
fn a_tag_column_wins_unless_its_cell_is_empty() {
    let bench = Bench::with("device_id,tag:Site,tag:Line\nCAM-1,Graz,\nCAM-2,,\n");
    let bodies = asked(
        &bench,
        &["--tag", "Site=none", "--tag", "Kind=k-{device_id}"],
    );
    let tags = |name: &str| -> BTreeMap<String, String> {
        let tags = bodies[name]["Tags"].as_array().unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        tags.iter()
            .map(|tag| (text(&tag["Key"]), text(&tag["Value"])))
            .collect()
    };
    let expected = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter();
        pairs
            .map(|(k, v)| ((*k).into(), (*v).into()))
            .collect::<BTreeMap<_, _>>()
    };
    assert_eq!(
        tags("CAM-1"),
        expected(&[("Site", "Graz"), ("Kind", "k-CAM-1")])
    );
    assert_eq!(
        tags("CAM-2"),
        expected(&[("Site", "none"), ("Kind", "k-CAM-2")])
    );
}

#[test]
fn devices_are_created_in_their_regions() {
    let bench = Bench::with("device_id,region\nCAM-1,us-west-2\nCAM-2,\nCAM-3,ap-south-1\n");
    let cloud = Cloud::new();
    let done = bench.provision(cloud.url()).run().exits(0);
    let names = |region| cloud.channels_in(region).into_keys().collect::<Vec<_>>();
    assert_eq!(names("us-west-2"), ["CAM-1"]);
    assert_eq!(names(REGION), ["CAM-2"]);
    assert_eq!(names("ap-south-1"), ["CAM-3"]);
    let rows = bench.rows("d.results.csv");
    for (row, region) in rows.iter().zip(["us-west-2", REGION, "ap-south-1"]) {
        assert_eq!(row["region"], region);
        assert!(row["channel_arn"].contains(&format!(":{region}:")));
    }
    done.says("ap-south-1").says("us-west-2").says(REGION);
}

#[test]
fn rows_beyond_the_limits_of_the_service_are_invalid() {
    is_invalid("device_id,x", ",y", &[], "is empty");
    is_invalid("device_id", "CAM 1", &[], "contains ' '");
    is_invalid("device_id,channel_name", "C,Gerät", &[], "contains 'ä'");
    let long = "x".repeat(257);
    is_invalid("device_id,channel_name", &format!("C,{long}"), &[], "257");
    is_invalid("device_id,message_ttl_seconds", "C,4", &[], "5 to 120");
    is_invalid("device_id,message_ttl_seconds", "C,121", &[], "5 to 120");
    is_invalid("device_id,message_ttl_seconds", "C,1 min", &[], "5 to 120");
    is_invalid("device_id,region", "C,Frankfurt", &[], "'Frankfurt'");
    is_invalid("device_id,tag:Site", "C,Hall #4", &[], "'#'");
    is_invalid("device_id,tag:Site", &format!("C,{long}"), &[], "257");
    is_invalid("device_id,a", "C", &[], "");
    is_invalid("device_id,a", "C,1,2", &[], "");
}

#[test]
fn a_device_may_have_up_to_fifty_tags() {
    let columns = |count: usize| {
        (1..=count)
            .map(|n| format!(",tag:T{n}"))
            .collect::<Vec<_>>()
            .concat()
    };
    let header = format!("device_id{}", columns(51));
    let row = format!("C{}", ",x".repeat(51));
    is_invalid(&header, &row, &[], "50");
    let bench = Bench::with(&format!("device_id{}\nC{}\n", columns(50), ",x".repeat(50)));
    assert_eq!(
        asked(&bench, &[])["C"]["Tags"].as_array().unwrap().len(),
        50
    );
}

#[test]
fn names_are_not_changed() {
    let bench = Bench::with("device_id\nHalle 3\nCam\ncam\n");
    let rows = invalid_rows(&bench, &[]);
    let invalid: Vec<&str> = rows.iter().map(|row| row["device_id"].as_str()).collect();
    assert_eq!(invalid, ["Halle 3"]);
    assert_eq!(bench.row("Cam")["channel_name"], "Cam");
    assert_eq!(bench.row("cam")["channel_name"], "cam");
}

#[test]
fn a_repeated_line_is_the_same_device() {
    let bench = Bench::with("device_id,tag:T\nCAM-1,a\nCAM-1,a\nCAM-2,a\nCAM-1,a\n");
    assert_eq!(names(&bench, &[]), ["CAM-1", "CAM-2"]);
    assert_eq!(bench.statuses(), ["CAM-1 created", "CAM-2 created"]);
}

#[test]
fn a_second_row_with_other_values_is_invalid() {
    let bench = Bench::with("device_id,message_ttl_seconds\nCAM-1,30\nCAM-1,60\n");
    let rows = invalid_rows(&bench, &[]);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["error_code"], "InvalidRow");
    assert!(rows[0]["error_message"].contains("line 3"));
    assert_eq!(bench.statuses(), ["CAM-1 created", "CAM-1 invalid"]);
}

#[test]
fn two_devices_cannot_share_a_channel() {
    let bench = Bench::with(
        "device_id,channel_name,region\nCAM-1,gate,\nCAM-2,gate,\nCAM-3,gate,us-east-1\n",
    );
    let cloud = Cloud::new();
    bench.provision(cloud.url()).run().exits(3);
    let row = bench.row("CAM-2");
    assert_eq!(row["status"], "invalid");
    assert_eq!(row["error_code"], "DuplicateChannelName");
    let message = &row["error_message"];
    assert!(
        message.contains("line 3") && message.contains("'CAM-1'"),
        "{message}"
    );
    // In another Region it is another channel.
    assert_eq!(bench.row("CAM-3")["status"], "created");
    assert_eq!(cloud.creates(), 2);
}

#[test]
fn the_channel_of_a_recorded_device_cannot_be_reused() {
    let bench = Bench::with("device_id,channel_name\nCAM-1,gate\n");
    let cloud = Cloud::new();
    bench.provision(cloud.url()).run().exits(0);
    bench.write("d.csv", "device_id,channel_name\nCAM-2,gate\nCAM-3,door\n");
    bench.provision(cloud.url()).run().exits(3);
    assert_eq!(
        bench.statuses(),
        ["CAM-2 invalid", "CAM-3 created", "CAM-1 created"]
    );
    assert_eq!(bench.row("CAM-2")["error_code"], "DuplicateChannelName");
    assert!(bench.row("CAM-2")["error_message"].contains("'CAM-1'"));
}

#[test]
fn the_whole_id_must_match_the_pattern() {
    let bench = Bench::with("device_id\nCAM-123456\nCAM-1234567\nXCAM-123456\n");
    let rows = invalid_rows(&bench, &["--id-pattern", r"CAM-\d{6}"]);
    let ids: Vec<&str> = rows.iter().map(|row| row["device_id"].as_str()).collect();
    assert_eq!(ids, ["CAM-1234567", "XCAM-123456"]);
    assert!(rows[0]["error_message"].contains("pattern"));
}

#[test]
fn expect_checks_the_number_of_devices() {
    let bench = Bench::of(3);
    let cloud = Cloud::new();
    let before = bench.files();
    bench
        .provision(cloud.url())
        .args(&["--expect", "4"])
        .run()
        .exits(2)
        .says("3 devices")
        .says("--expect 4");
    assert_eq!(cloud.all_requests(), 0);
    assert_eq!(bench.files(), before);
    bench
        .provision(cloud.url())
        .args(&["--expect", "3"])
        .run()
        .exits(0);
}

#[test]
fn limit_takes_the_first_remaining_devices() {
    let bench = Bench::of(5);
    let cloud = Cloud::new();
    let limited = || bench.provision(cloud.url()).args(&["--limit", "2"]).run();
    limited().exits(1).says("3 to go");
    assert_eq!(bench.statuses(), ["CAM-0001 created", "CAM-0002 created"]);
    limited().exits(1);
    assert_eq!(bench.statuses().len(), 4);
    limited().exits(0);
    assert_eq!(cloud.creates(), 5);
}

#[test]
fn strict_refuses_a_manifest_with_an_invalid_row() {
    let bench = Bench::with("device_id\nCAM-1\nHalle 3\n");
    let cloud = Cloud::new();
    let before = bench.files();
    bench
        .provision(cloud.url())
        .args(&["--strict"])
        .run()
        .exits(2)
        .says("line 3")
        .says("'Halle 3'")
        .says("--strict");
    assert_eq!(cloud.all_requests(), 0);
    assert_eq!(bench.files(), before);
}

#[test]
fn the_samples_are_valid() {
    let samples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let bench = Bench::new();
    let cloud = Cloud::new();
    let bad = std::fs::read_to_string(samples.join("bad-devices.csv")).unwrap();
    bench.write("d.csv", &bad);
    bench.provision(cloud.url()).run().exits(3);
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(bad.as_bytes());
    let mut good = 0;
    let rows = bench.rows("d.results.csv");
    for (record, line) in reader.records().map(Result::unwrap).zip(2..) {
        let in_line = format!("line {line}:");
        let invalid = rows
            .iter()
            .find(|row| row["error_message"].starts_with(&in_line));
        if record.iter().any(|cell| cell.starts_with("nothing:")) {
            assert!(invalid.is_none(), "{invalid:?}");
            assert_eq!(
                bench
                    .rows("d.results.csv")
                    .iter()
                    .filter(|row| row["device_id"] == record[0] && row["status"] == "created")
                    .count(),
                1,
                "{record:?}"
            );
            good += 1;
        } else {
            assert_eq!(invalid.unwrap()["status"], "invalid", "{record:?}");
        }
    }
    // One valid line is repeated.
    assert_eq!(cloud.creates(), good - 1);

    let good = Bench::new();
    good.write("d.csv", std::fs::read(samples.join("devices.csv")).unwrap());
    let cloud = Cloud::new();
    good.provision(cloud.url()).run().exits(0);
    assert_eq!(good.rows("d.results.csv")[0]["device_id"], "DEVICE_1");
    assert_eq!(cloud.tags("DEVICE_1")["Site"], "Leipzig");
    let factory = std::fs::read_to_string(samples.join("factory-1000.csv")).unwrap();
    assert_eq!(factory.lines().count(), 1_001);
}
