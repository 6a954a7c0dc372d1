//! The AWS client against servers with every kind of answer.

mod answers;
mod environment;
mod network;
mod play;

use std::time::{Duration, UNIX_EPOCH};

use kvs_fleet::aws::{AwsService, Connection, ConnectionSettings};
use kvs_fleet::domain::device::{ChannelName, Device, MessageTtl, Region, Tag};
use kvs_fleet::engine::pace::controller::{Controller, RateRange};
use kvs_fleet::engine::pace::limiter::{Limiter, Permit};

pub(super) const REGION: &str = "eu-central-1";

pub(super) fn region() -> Region {
    Region::parse(REGION).unwrap()
}

pub(super) fn name() -> ChannelName {
    ChannelName::parse("DEVICE_1").unwrap()
}

pub(super) fn device() -> Device {
    Device {
        id: "DEVICE_1".into(),
        channel_name: name(),
        account: None,
        region: region(),
        message_ttl: Some(MessageTtl::from_secs(90).unwrap()),
        tags: vec![
            Tag::new("StreamName", "DEVICE_1").unwrap(),
            Tag::new("Environment", "").unwrap(),
        ],
    }
}

pub(super) fn arn(name: &str) -> String {
    format!("arn:aws:kinesisvideo:{REGION}:000000000000:channel/{name}/1700000000123")
}

pub(super) fn settings(url: &str) -> ConnectionSettings {
    ConnectionSettings {
        region: Some(region()),
        endpoint_url: Some(url.to_owned()),
        timeout: Duration::from_secs(20),
        ..ConnectionSettings::default()
    }
}

/// A permit to send one request.
pub(super) async fn permit() -> Permit {
    let controller = Controller::new(RateRange::upto(1_000.0), UNIX_EPOCH, 1);
    Limiter::new(controller).acquire().await
}

pub(super) async fn service(url: &str) -> AwsService {
    Connection::load(settings(url))
        .await
        .unwrap()
        .region(&region())
}

/// The sample policies allow the tool's operations and no others.
#[test]
fn sample_policies_allow_only_the_tools_operations() {
    for (file, expected) in [
        (
            "iam-policy.json",
            &[
                "CreateSignalingChannel",
                "DescribeSignalingChannel",
                "ListSignalingChannels",
                "TagResource",
            ][..],
        ),
        (
            "iam-policy-verify-rollback.json",
            &[
                "DeleteSignalingChannel",
                "DescribeSignalingChannel",
                "GetIceServerConfig",
                "GetSignalingChannelEndpoint",
                "ListSignalingChannels",
                "ListTagsForResource",
            ],
        ),
    ] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("samples")
            .join(file);
        let text = std::fs::read_to_string(path).unwrap();
        let policy: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut actions = Vec::new();
        for statement in policy["Statement"].as_array().unwrap() {
            let of_statement = match &statement["Action"] {
                serde_json::Value::Array(several) => several.clone(),
                one => vec![one.clone()],
            };
            // Only the listing has no resource.
            let lists = of_statement == ["kinesisvideo:ListSignalingChannels"];
            assert_eq!(statement["Resource"] == "*", lists, "{file}");
            actions.extend(of_statement);
        }
        let mut actions: Vec<&str> = actions
            .iter()
            .map(|action| {
                action
                    .as_str()
                    .unwrap()
                    .strip_prefix("kinesisvideo:")
                    .unwrap()
            })
            .collect();
        actions.sort_unstable();
        assert_eq!(actions, expected, "{file}");
    }
}
