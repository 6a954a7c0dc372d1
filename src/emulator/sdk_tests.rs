//! The AWS SDK against the emulator: it signs, sends and parses.

use aws_sdk_kinesisvideo::Client;
use aws_sdk_kinesisvideo::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kinesisvideo::error::ProvideErrorMetadata;
use aws_sdk_kinesisvideo::operation::RequestId;
use aws_sdk_kinesisvideo::types::{
    ChannelNameCondition, ChannelType, ComparisonOperator, SingleMasterConfiguration, Status, Tag,
};

use super::{Emulator, EmulatorSettings};

fn client(emulator: &Emulator) -> Client {
    let config = aws_sdk_kinesisvideo::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(emulator.url())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("AKID", "secret", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

#[tokio::test]
async fn the_sdk_creates_describes_lists_and_deletes() {
    let settings = EmulatorSettings {
        latency: crate::emulator::latency::Latency::steady(std::time::Duration::ZERO),
        ..EmulatorSettings::default()
    };
    let any_port = "127.0.0.1:0".parse().unwrap();
    let emulator = Emulator::start(any_port, settings).await.unwrap();
    let client = client(&emulator);

    let ttl = SingleMasterConfiguration::builder().message_ttl_seconds(30);
    let tag = Tag::builder().key("line").value("4").build().unwrap();
    let created = client
        .create_signaling_channel()
        .channel_name("DEVICE_1")
        .channel_type(ChannelType::SingleMaster)
        .single_master_configuration(ttl.build())
        .tags(tag)
        .send()
        .await
        .unwrap();
    assert!(created.request_id().is_some());
    let arn = created.channel_arn().unwrap();

    let described = client
        .describe_signaling_channel()
        .channel_arn(arn)
        .send()
        .await
        .unwrap();
    let info = described.channel_info().unwrap();
    assert_eq!(info.channel_name(), Some("DEVICE_1"));
    assert_eq!(info.channel_status(), Some(&Status::Active));
    assert_eq!(
        info.single_master_configuration()
            .unwrap()
            .message_ttl_seconds(),
        Some(30)
    );
    // The SDK reads the time as a floating-point number and truncates it, perhaps a millisecond early.
    let read = info.creation_time().unwrap().to_millis().unwrap();
    let in_arn: i64 = arn.rsplit('/').next().unwrap().parse().unwrap();
    assert!((in_arn - 1..=in_arn).contains(&read), "{in_arn} {read}");

    let tags = client
        .list_tags_for_resource()
        .resource_arn(arn)
        .send()
        .await
        .unwrap();
    assert_eq!(tags.tags().unwrap()["line"], "4");

    let condition = ChannelNameCondition::builder()
        .comparison_operator(ComparisonOperator::BeginsWith)
        .comparison_value("DEVICE_");
    let listed = client
        .list_signaling_channels()
        .channel_name_condition(condition.build())
        .send()
        .await
        .unwrap();
    assert_eq!(listed.channel_info_list()[0].channel_arn(), Some(arn));
    assert_eq!(listed.next_token(), None);

    client
        .delete_signaling_channel()
        .channel_arn(arn)
        .send()
        .await
        .unwrap();
    let gone = client
        .describe_signaling_channel()
        .channel_name("DEVICE_1")
        .send()
        .await;
    let error = gone.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error:?}");
    assert_eq!(error.code(), Some("ResourceNotFoundException"));
    assert!(error.message().unwrap().contains("not found"), "{error:?}");
}
