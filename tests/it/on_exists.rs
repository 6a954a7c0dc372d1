//! `--on-exists verify` and `update`: an existing channel is compared with the request, and updated.

use std::collections::BTreeMap;

use kvs_fleet::emulator::operation::ApiOperation;

use crate::support::{Bench, Cloud, Wire, answer, forward};

const ASKED: [&str; 6] = ["--message-ttl", "30", "--tag", "Line=7", "--tag", "Hall=4"];

/// Channels that are as asked, or not, by the name of each.
fn somebodys(cloud: &Cloud) {
    let make = |name: &str, rest: &str| {
        cloud.make(&format!(r#"{{"ChannelName":"{name}",{rest}}}"#));
    };
    let ttl =
        |seconds: u8| format!(r#""SingleMasterConfiguration":{{"MessageTtlSeconds":{seconds}}}"#);
    let tags = r#""Tags":[{"Key":"Line","Value":"7"},{"Key":"Hall","Value":"4"},{"Key":"Own","Value":"x"}]"#;
    make("same", &format!("{},{tags}", ttl(30)));
    make("ttl", &format!("{},{tags}", ttl(60)));
    make(
        "value",
        &format!("{},{}", ttl(30), tags.replace("\"7\"", "\"8\"")),
    );
    make("missing", &ttl(30));
}

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    owned.collect()
}

#[test]
fn verify_adopts_only_matching_channels() {
    for reconcile in [&[][..], &["--no-reconcile"]] {
        let (cloud, bench) = (
            Cloud::new(),
            Bench::with("device_id\nsame\nttl\nvalue\nmissing\nfresh\n"),
        );
        somebodys(&cloud);
        bench
            .provision(cloud.url())
            .args(&["--on-exists", "verify"])
            .args(&ASKED)
            .args(reconcile)
            .run()
            .exits(3)
            .says("3 failed with ChannelDiffers");
        assert_eq!(
            bench.statuses(),
            [
                "same exists",
                "ttl failed",
                "value failed",
                "missing failed",
                "fresh created"
            ]
        );
        for (device, why) in [
            ("ttl", "message TTL 60 s instead of 30 s"),
            ("value", "the tag 'Line' is not '7'"),
            (
                "missing",
                "the tag 'Line' is not '7', the tag 'Hall' is not '4'",
            ),
        ] {
            let row = bench.row(device);
            assert_eq!(row["error_code"], "ChannelDiffers");
            assert!(row["error_message"].contains(why), "{row:?}");
        }
        for changing in [ApiOperation::Update, ApiOperation::Tag, ApiOperation::Untag] {
            assert_eq!(cloud.requests(changing), 0);
        }
    }
}

#[test]
fn update_sets_ttl_and_tags() {
    for reconcile in [&[][..], &["--no-reconcile"]] {
        let (cloud, bench) = (
            Cloud::new(),
            Bench::with("device_id\nsame\nttl\nvalue\nmissing\nfresh\n"),
        );
        somebodys(&cloud);
        let update = |bench: &Bench| {
            let call = bench
                .provision(cloud.url())
                .args(&["--on-exists", "update"]);
            call.args(&ASKED).args(reconcile).run()
        };
        update(&bench)
            .exits(0)
            .says("3 of the adopted channels were updated to the requested TTL and tags");
        for (device, own) in [
            ("same", true),
            ("ttl", true),
            ("value", true),
            ("missing", false),
        ] {
            assert_eq!(bench.row(device)["status"], "exists");
            let ttl = &cloud.describe(device)["SingleMasterConfiguration"]["MessageTtlSeconds"];
            assert_eq!(*ttl, 30, "{device}");
            let mut expected = tags(&[("Line", "7"), ("Hall", "4")]);
            expected.extend(tags(&[("Own", "x")]).into_iter().filter(|_| own));
            assert_eq!(cloud.tags(device), expected, "{device}");
        }
        assert_eq!(cloud.requests(ApiOperation::Update), 1);
        assert_eq!(cloud.requests(ApiOperation::Tag), 2);
        assert_eq!(cloud.requests(ApiOperation::Untag), 0);
        // Once more, nothing is left to change.
        bench.remove("d.results.csv");
        bench.remove("d.results.runs.jsonl");
        update(&bench).exits(0).does_not_say("were given");
        assert_eq!(cloud.requests(ApiOperation::Update), 1);
    }
}

#[test]
fn update_removes_only_tag_keys_of_the_manifest_and_flags() {
    let cloud = Cloud::new();
    let bench = Bench::with("device_id,tag:Line,tag:Hall\nA,,4\n");
    cloud.make(
        r#"{"ChannelName":"A","Tags":[{"Key":"Line","Value":"7"},{"Key":"Hall","Value":"4"},{"Key":"Own","Value":"x"}]}"#,
    );
    bench
        .provision(cloud.url())
        .args(&["--on-exists", "verify"])
        .run()
        .exits(0);
    assert_eq!(cloud.tags("A").len(), 3);
    bench.remove("d.results.csv");
    bench
        .provision(cloud.url())
        .args(&["--on-exists", "update", "-v"])
        .run()
        .exits(0)
        .says("the tag 'Line' is there");
    assert_eq!(cloud.tags("A"), tags(&[("Hall", "4"), ("Own", "x")]));
}

#[test]
fn a_channel_of_another_type_cannot_be_updated() {
    let (cloud, bench) = (Cloud::new(), Bench::of(1));
    let url = cloud.url().to_owned();
    cloud.make(r#"{"ChannelName":"CAM-0001"}"#);
    let wire = Wire::new(move |request, _| {
        let arn = "arn:aws:kinesisvideo:eu-central-1:000000000000:channel/CAM-0001/1700000000000";
        let info = format!(
            r#"{{"ChannelName":"CAM-0001","ChannelARN":"{arn}","ChannelType":"FULL_MESH","ChannelStatus":"ACTIVE","Version":"1"}}"#
        );
        match &*request.path {
            "/listSignalingChannels" => {
                answer(200, None, &format!(r#"{{"ChannelInfoList":[{info}]}}"#))
            }
            "/describeSignalingChannel" => {
                answer(200, None, &format!(r#"{{"ChannelInfo":{info}}}"#))
            }
            _ => forward(&url, request),
        }
    });
    bench
        .provision(wire.url())
        .args(&["--on-exists", "update"])
        .run()
        .exits(3);
    let row = bench.row("CAM-0001");
    assert_eq!(row["error_code"], "ChannelDiffers");
    assert!(row["error_message"].contains("type FULL_MESH"), "{row:?}");
}

#[test]
fn update_survives_lost_answers_and_concurrent_changes() {
    let cloud = Cloud::faulty(&[
        "reset-after=each:1@update",
        "503=first:2@tag",
        "throttle=first:3@list-tags",
    ]);
    let bench = Bench::with("device_id\nsame\nttl\nvalue\nmissing\n");
    somebodys(&cloud);
    bench
        .provision(cloud.url())
        .args(&["--on-exists", "update"])
        .args(&ASKED)
        .run()
        .exits(0);
    for device in ["same", "ttl", "value", "missing"] {
        let ttl = &cloud.describe(device)["SingleMasterConfiguration"]["MessageTtlSeconds"];
        assert_eq!(*ttl, 30, "{device}");
        assert_eq!(cloud.tags(device)["Line"], "7", "{device}");
    }
}

#[test]
fn a_device_fails_if_its_tags_cannot_be_read() {
    let (cloud, bench) = (Cloud::new(), Bench::with("device_id\nsame\nfresh\n"));
    somebodys(&cloud);
    let url = cloud.url().to_owned();
    let wire = Wire::new(move |request, _| {
        if request.path == "/ListTagsForResource" {
            return answer(
                403,
                Some("AccessDeniedException"),
                r#"{"Message":"no tags"}"#,
            );
        }
        forward(&url, request)
    });
    bench
        .provision(wire.url())
        .args(&["--on-exists", "update"])
        .args(&ASKED)
        .run()
        .exits(3);
    assert_eq!(bench.statuses(), ["same failed", "fresh created"]);
    assert_eq!(bench.row("same")["error_code"], "AccessDeniedException");
}
