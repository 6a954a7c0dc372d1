//! What results claim compared with what the service has, one channel at a time. Pure: sends no request.

use std::fmt::Display;

use serde::Serialize;

use crate::domain::device::{
    AccountId, AccountRegion, ChannelArn, ChannelName, MessageTtl, Region, Tag,
};
use crate::domain::service::{Channel, ChannelStatus};
use crate::results::view::RecordView;

/// What a row claims, and what was asked for its channel where that is known.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) device_id: Box<str>,
    pub(crate) name: ChannelName,
    /// The account is named where the command knows several.
    pub(crate) account_region: AccountRegion,
    pub(crate) arn: ChannelArn,
    /// The message TTL that the manifest asks for.
    pub(crate) message_ttl: Option<MessageTtl>,
    /// The tags that the manifest asks for.
    pub(crate) tags: Vec<Tag>,
}

/// The name, account and Region, and ARN of the channel that a row claims. The reader has checked that they match.
pub(crate) fn channel_of(
    row: &RecordView<'_>,
) -> Result<(ChannelName, AccountRegion, ChannelArn), String> {
    let name = ChannelName::parse(row.channel_name()).map_err(|error| error.to_string())?;
    let region = Region::parse(row.region()).map_err(|error| error.to_string())?;
    let arn = ChannelArn::parse(row.channel_arn()).map_err(|error| error.to_string())?;
    let account = AccountId::parse(arn.parts().account).map_err(|error| error.to_string())?;
    let account_region = AccountRegion {
        account: Some(account),
        region,
    };
    Ok((name, account_region, arn))
}

/// How a channel differs from its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// There is no channel of this name.
    Missing,
    /// The channel of this name has another ARN: the row's was deleted.
    MadeAgain,
    /// It is not ACTIVE.
    NotActive,
    /// It is no `SINGLE_MASTER`.
    Type,
    /// It has another message TTL.
    MessageTtl,
    /// A tag is missing or has another value.
    Tag,
    /// The service gives no signaling endpoints for it.
    Endpoints,
    /// The service gives no TURN server for it.
    IceServers,
    /// The service gave no answer.
    Unverified,
}

impl Kind {
    /// The label in messages.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::MadeAgain => "recreated",
            Self::NotActive => "not ACTIVE",
            Self::Type => "type",
            Self::MessageTtl => "message TTL",
            Self::Tag => "tag",
            Self::Endpoints => "no endpoints",
            Self::IceServers => "no TURN server",
            Self::Unverified => "unverified",
        }
    }
}

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    pub(crate) device_id: Box<str>,
    pub(crate) channel_name: Box<str>,
    pub(crate) account: Box<str>,
    pub(crate) region: Box<str>,
    /// In what.
    pub(crate) kind: Kind,
    /// What the results or the manifest say.
    pub(crate) expected: String,
    /// What the service says.
    pub(crate) found: String,
}

impl Claim {
    fn differs(&self, kind: Kind, expected: &dyn Display, found: &dyn Display) -> Difference {
        Difference {
            device_id: self.device_id.clone(),
            channel_name: self.name.as_str().into(),
            account: self.arn.parts().account.into(),
            region: self.account_region.region.as_str().into(),
            kind,
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    /// What differs from the channel that the service has by this name.
    pub(crate) fn compare(&self, channel: Option<&Channel>) -> Vec<Difference> {
        let Some(channel) = channel else {
            return vec![self.differs(Kind::Missing, &self.arn, &"no channel of this name")];
        };
        if channel.arn != self.arn {
            return vec![self.differs(Kind::MadeAgain, &self.arn, &channel.arn)];
        }
        let mut differences = Vec::new();
        if channel.status != ChannelStatus::Active {
            let found = channel.status.as_str();
            differences.push(self.differs(
                Kind::NotActive,
                &ChannelStatus::Active.as_str(),
                &found,
            ));
        }
        if &*channel.channel_type != "SINGLE_MASTER" {
            differences.push(self.differs(Kind::Type, &"SINGLE_MASTER", &channel.channel_type));
        }
        if let (Some(asked), Some(has)) = (self.message_ttl, channel.message_ttl)
            && asked != has
        {
            differences.push(self.differs(Kind::MessageTtl, &asked.as_secs(), &has.as_secs()));
        }
        differences
    }

    /// The tags that were asked for and are missing or have another value. Other tags belong to others.
    pub(crate) fn compare_tags(&self, tags: &[(Box<str>, Box<str>)]) -> Vec<Difference> {
        let value = |key: &str| tags.iter().find(|(has, _)| &**has == key);
        let of_tag = |tag: &Tag| {
            let expected = format!("{}={}", tag.key(), tag.value());
            match value(tag.key()) {
                Some((_, value)) if &**value == tag.value() => None,
                Some((key, value)) => {
                    Some(self.differs(Kind::Tag, &expected, &format!("{key}={value}")))
                }
                None => Some(self.differs(Kind::Tag, &expected, &"no such tag")),
            }
        };
        self.tags.iter().filter_map(of_tag).collect()
    }

    /// The difference where a camera lacks something, or where there is no answer, and why.
    pub(crate) fn lacks(&self, kind: Kind, why: &str) -> Difference {
        match kind {
            Kind::Endpoints => self.differs(kind, &"WSS and HTTPS endpoints for a MASTER", &why),
            Kind::IceServers => self.differs(kind, &"a TURN server", &why),
            kind => self.differs(kind, &self.arn, &why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn(millis: u64) -> ChannelArn {
        let text = format!("arn:aws:kinesisvideo:eu-central-1:123456789012:channel/CAM-1/{millis}");
        ChannelArn::parse(&text).unwrap()
    }

    fn claim() -> Claim {
        Claim {
            device_id: "CAM-1".into(),
            name: ChannelName::parse("CAM-1").unwrap(),
            account_region: Region::parse("eu-central-1").unwrap().into(),
            arn: arn(1),
            message_ttl: MessageTtl::from_secs(30).ok(),
            tags: vec![Tag::new("Line", "7").unwrap()],
        }
    }

    fn channel() -> Channel {
        Channel {
            name: claim().name,
            arn: arn(1),
            status: ChannelStatus::Active,
            channel_type: "SINGLE_MASTER".into(),
            message_ttl: MessageTtl::from_secs(30).ok(),
            creation_millis: 1,
            version: "v".into(),
        }
    }

    fn kinds(channel: Option<&Channel>) -> Vec<Kind> {
        let differences = claim().compare(channel);
        differences
            .iter()
            .map(|difference| difference.kind)
            .collect()
    }

    #[test]
    fn every_way_to_differ_is_found() {
        assert_eq!(kinds(Some(&channel())), []);
        assert_eq!(kinds(None), [Kind::Missing]);
        let again = Channel {
            arn: arn(2),
            ..channel()
        };
        assert_eq!(kinds(Some(&again)), [Kind::MadeAgain]);
        let other = Channel {
            status: ChannelStatus::Deleting,
            channel_type: "FULL_MESH".into(),
            message_ttl: MessageTtl::from_secs(60).ok(),
            ..channel()
        };
        assert_eq!(
            kinds(Some(&other)),
            [Kind::NotActive, Kind::Type, Kind::MessageTtl]
        );
    }

    #[test]
    fn only_tags_that_were_asked_for_count() {
        let tags = |pairs: &[(&str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(key, value)| ((*key).into(), (*value).into()));
            claim().compare_tags(&pairs.collect::<Vec<_>>())
        };
        assert_eq!(tags(&[("Line", "7"), ("Other", "x")]), []);
        assert_eq!(tags(&[("Line", "8")])[0].found, "Line=8");
        assert_eq!(tags(&[])[0].found, "no such tag");
    }
}
