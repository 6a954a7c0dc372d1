//! Conversion between the service's shapes and the domain's. An answer is accepted only for the requested name and
//! Region.

use aws_sdk_kinesisvideo::error::BuildError;
use aws_sdk_kinesisvideo::types::{
    ChannelInfo, ChannelNameCondition, ComparisonOperator, SingleMasterConfiguration, Status, Tag,
};

use crate::domain::device::{ChannelArn, ChannelName, MessageTtl, Region, shown};
use crate::domain::service::{Channel, ChannelStatus};

pub(super) fn tag(tag: &crate::domain::device::Tag) -> Result<Tag, BuildError> {
    Tag::builder().key(tag.key()).value(tag.value()).build()
}

/// The message TTL, if one is requested.
pub(super) fn configuration(ttl: Option<MessageTtl>) -> Option<SingleMasterConfiguration> {
    ttl.map(|ttl| {
        SingleMasterConfiguration::builder()
            .message_ttl_seconds(i32::from(ttl.as_secs()))
            .build()
    })
}

pub(super) fn begins_with(prefix: &str) -> ChannelNameCondition {
    ChannelNameCondition::builder()
        .comparison_operator(ComparisonOperator::BeginsWith)
        .comparison_value(prefix)
        .build()
}

/// The ARN in an answer, if it is the ARN of this channel.
pub(super) fn arn(
    text: Option<&str>,
    name: &ChannelName,
    region: &Region,
) -> Result<ChannelArn, String> {
    let text = text.ok_or_else(|| format!("the answer holds no ARN for {name}"))?;
    let arn = ChannelArn::parse(text).map_err(|error| format!("the answer for {name}: {error}"))?;
    let parts = arn.parts();
    if parts.channel_name != name.as_str() || parts.region != region.as_str() {
        return Err(format!(
            "the answer for the channel {name} in {region} holds the ARN of another one: {}",
            shown(text)
        ));
    }
    Ok(arn)
}

/// A channel from a `Describe` answer, if it is the requested one.
pub(super) fn described(
    info: Option<&ChannelInfo>,
    name: &ChannelName,
    region: &Region,
) -> Result<Channel, String> {
    let info = info.ok_or_else(|| format!("the answer does not describe {name}"))?;
    match info.channel_name() {
        Some(described) if described == name.as_str() => channel(info, name.clone(), region),
        described => Err(format!(
            "the answer for the channel {name} describes {}",
            described.map_or_else(|| "none".to_owned(), shown)
        )),
    }
}

/// A channel from a `List` answer.
pub(super) fn listed(info: &ChannelInfo, region: &Region) -> Result<Channel, String> {
    let name = info.channel_name().unwrap_or_default();
    let name = ChannelName::parse(name).map_err(|error| error.to_string())?;
    channel(info, name, region)
}

fn channel(info: &ChannelInfo, name: ChannelName, region: &Region) -> Result<Channel, String> {
    let arn = arn(info.channel_arn(), &name, region)?;
    let status = match info.channel_status() {
        Some(Status::Creating) => ChannelStatus::Creating,
        Some(Status::Active) => ChannelStatus::Active,
        Some(Status::Updating) => ChannelStatus::Updating,
        Some(Status::Deleting) => ChannelStatus::Deleting,
        other => {
            let other = other.map_or("none", Status::as_str);
            return Err(format!(
                "the channel {name} has the status {}, which this version does not know",
                shown(other)
            ));
        }
    };
    let ttl = info
        .single_master_configuration()
        .and_then(SingleMasterConfiguration::message_ttl_seconds);
    Ok(Channel {
        creation_millis: arn.parts().creation_millis,
        name,
        arn,
        status,
        channel_type: info
            .channel_type()
            .map_or("SINGLE_MASTER", |kind| kind.as_str())
            .into(),
        message_ttl: ttl.and_then(|seconds| MessageTtl::from_secs(seconds.into()).ok()),
        version: info.version().unwrap_or_default().into(),
    })
}
