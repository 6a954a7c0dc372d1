//! The operations that the emulator supports: their names, paths and quotas.

use std::fmt;

use crate::domain::service::Operation;

/// An operation of the control plane, of the signaling data plane (`GetIceServerConfig`) or of STS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApiOperation {
    /// `CreateSignalingChannel`
    Create,
    /// `DescribeSignalingChannel`
    Describe,
    /// `ListSignalingChannels`
    List,
    /// `DeleteSignalingChannel`
    Delete,
    /// `UpdateSignalingChannel`
    Update,
    /// `TagResource`
    Tag,
    /// `UntagResource`
    Untag,
    /// `ListTagsForResource`
    ListTags,
    /// `GetSignalingChannelEndpoint`
    Endpoint,
    /// `GetIceServerConfig`
    Ice,
    /// `GetCallerIdentity` of STS: no quota, no faults.
    CallerIdentity,
    /// `AssumeRole` of STS: no quota, only faults that name it.
    AssumeRole,
}

/// The properties of an operation. Quotas: WebRTC developer guide, "quotas", in requests a second.
struct Properties {
    name: &'static str,
    short: &'static str,
    path: &'static str,
    per_region: Option<f64>,
    is_limited_per_channel: bool,
}

const fn facts(
    name: &'static str,
    short: &'static str,
    path: &'static str,
    per_region: Option<f64>,
    is_limited_per_channel: bool,
) -> Properties {
    Properties {
        name,
        short,
        path,
        per_region,
        is_limited_per_channel,
    }
}

impl ApiOperation {
    /// All operations, in the order of the service's table.
    pub const ALL: [Self; 12] = [
        Self::Create,
        Self::Describe,
        Self::List,
        Self::Delete,
        Self::Update,
        Self::Tag,
        Self::Untag,
        Self::ListTags,
        Self::Endpoint,
        Self::Ice,
        Self::CallerIdentity,
        Self::AssumeRole,
    ];

    /// The quota of one channel in requests a second, for the operations that have such a quota (assumed for
    /// `GetIceServerConfig`, where it is not documented).
    pub(crate) const PER_CHANNEL: f64 = 5.0;

    #[rustfmt::skip]
    const fn facts(self) -> Properties {
        match self {
            Self::Create => facts(Operation::Create.name(), "create", "/createSignalingChannel", Some(50.0), false),
            Self::Describe => facts(Operation::Describe.name(), "describe", "/describeSignalingChannel", Some(300.0), true),
            Self::List => facts(Operation::List.name(), "list", "/listSignalingChannels", Some(50.0), false),
            Self::Delete => facts(Operation::Delete.name(), "delete", "/deleteSignalingChannel", Some(50.0), true),
            Self::Update => facts(Operation::Update.name(), "update", "/updateSignalingChannel", Some(50.0), true),
            Self::Tag => facts(Operation::Tag.name(), "tag", "/TagResource", Some(50.0), true),
            Self::Untag => facts(Operation::Untag.name(), "untag", "/UntagResource", Some(50.0), true),
            Self::ListTags => facts(Operation::ListTags.name(), "list-tags", "/ListTagsForResource", Some(50.0), true),
            Self::Endpoint => facts(Operation::Endpoint.name(), "endpoint", "/getSignalingChannelEndpoint", Some(300.0), false),
            Self::Ice => facts(Operation::Ice.name(), "ice", "/v1/get-ice-server-config", None, true),
            Self::CallerIdentity => facts("GetCallerIdentity", "caller-identity", "/", None, false),
            Self::AssumeRole => facts("AssumeRole", "assume-role", "/", None, false),
        }
    }

    /// The name in the API reference.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// The path; every operation is a `POST`.
    pub fn path(self) -> &'static str {
        self.facts().path
    }

    /// Whether its success changes the channels of an account.
    pub(crate) fn changes_channels(self) -> bool {
        matches!(
            self,
            Self::Create | Self::Delete | Self::Update | Self::Tag | Self::Untag
        )
    }

    /// The operation at a path: of those of STS, which have one path, `GetCallerIdentity`.
    pub(crate) fn at_path(path: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.path() == path)
    }

    /// The operation with that name or short name, in upper or lower case.
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| {
            operation.name().eq_ignore_ascii_case(text)
                || operation.facts().short.eq_ignore_ascii_case(text)
        })
    }

    /// The short names of the operations that a fault can name, for messages.
    pub(crate) fn short_names() -> String {
        let names: Vec<&str> = Self::ALL
            .into_iter()
            .filter(|operation| operation.supports_faults())
            .map(|operation| operation.facts().short)
            .collect();
        names.join(", ")
    }

    /// The quota for an account and Region, in requests a second; `None` if there is no quota.
    pub fn quota(self) -> Option<f64> {
        self.facts().per_region
    }

    /// Whether a channel has the quota [`Self::PER_CHANNEL`] for it.
    pub(crate) fn is_limited_per_channel(self) -> bool {
        self.facts().is_limited_per_channel
    }

    /// Whether it is an operation of STS: its body names it.
    pub(super) fn is_sts(self) -> bool {
        matches!(self, Self::CallerIdentity | Self::AssumeRole)
    }

    /// Whether faults can be injected: all but `GetCallerIdentity`.
    pub(crate) fn supports_faults(self) -> bool {
        self != Self::CallerIdentity
    }
}

impl fmt::Display for ApiOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_found_by_its_path_and_names_and_index() {
        for (index, operation) in ApiOperation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, index);
            let at_path = ApiOperation::at_path(operation.path());
            if operation.is_sts() {
                assert_eq!(at_path, Some(ApiOperation::CallerIdentity));
            } else {
                assert_eq!(at_path, Some(operation));
            }
            assert_eq!(ApiOperation::named(operation.name()), Some(operation));
            assert_eq!(
                ApiOperation::named(&operation.facts().short.to_uppercase()),
                Some(operation)
            );
        }
        assert_eq!(ApiOperation::at_path("/createStream"), None);
        assert_eq!(ApiOperation::at_path("/createsignalingchannel"), None);
    }
}
