//! A device of the manifest, and the validated values that it is made of. A value that exists is valid.
//!
//! The limits are the service's own (service model `kinesisvideo/2017-09-30`). These modules know nothing about CSV,
//! the network or results: they parse text into values, or return the reason why they cannot.

pub use super::account::AccountId;
pub use super::account_region::AccountRegion;
pub use super::arn::{ArnParts, ChannelArn};
pub(crate) use super::arn::{emulated_creation, has_emulated_creation};
pub use super::channel_name::ChannelName;
pub use super::region::Region;
pub use super::tag::Tag;
pub(crate) use super::text::visible;
pub use super::text::{Invalid, shown};
pub use super::ttl::MessageTtl;

/// The longest device ID, in bytes. The service does not see device IDs, so this limit is the tool's own: a row of the
/// results must stay far below what a repair may cut off.
pub(crate) const LONGEST_DEVICE_ID: usize = 1_024;

/// One camera of the batch and the channel that is requested for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Any text except the empty one.
    pub id: Box<str>,
    pub channel_name: ChannelName,
    /// The account of the channel. None: that of the run's own credentials.
    pub account: Option<AccountId>,
    /// The Region of the channel.
    pub region: Region,
    /// The message TTL, if one is requested.
    pub message_ttl: Option<MessageTtl>,
    /// The requested tags: at most [`Tag::MOST`], each key once, in the order of the command line and the columns.
    pub tags: Vec<Tag>,
}

impl Device {
    pub fn account_region(&self) -> AccountRegion {
        AccountRegion {
            account: self.account.clone(),
            region: self.region.clone(),
        }
    }
}

/// A device's index in the run's table of known devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceIndex(pub(crate) usize);
