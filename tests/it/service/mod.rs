//! The AWS client against servers that answer in every way there is.

mod answers;
mod environment;
mod network;
mod play;

use std::time::Duration;

use kvs_fleet::device::{ChannelName, Device, MessageTtl, Region, Tag};
use kvs_fleet::service::aws::{AwsService, Connection, Settings};

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

pub(super) fn settings(url: &str) -> Settings {
    Settings {
        region: Some(region()),
        endpoint_url: Some(url.to_owned()),
        timeout: Duration::from_secs(20),
        ..Settings::default()
    }
}

pub(super) async fn service(url: &str) -> AwsService {
    Connection::load(settings(url))
        .await
        .unwrap()
        .region(&region())
}
