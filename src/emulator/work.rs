//! The operations on requests that [`super::state`] has checked: create, describe, list, delete, update, tag. No clock
//! and no randomness.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::EmulatorSettings;
use super::access_key::AccountNumber;
use super::arn;
use super::error::ApiError;
use super::shapes::{
    ApiRequest, ApiResponse, ChannelInfoPage, CreateChannel, DescribeChannel,
    EndpointConfiguration, IceServer, ListChannels, UpdateChannel, WireTag,
};
use super::snapshot::MOST_TAGS;
use super::store::{Store, StoredChannel, name_of_token, token_of_name};
use crate::domain::device::{ArnParts, Region};
use crate::domain::service::ChannelStatus;

/// The service's default message TTL, in seconds.
const DEFAULT_MESSAGE_TTL: i32 = 60;
/// The service's default page size of a listing.
const DEFAULT_PAGE: i32 = 500;

/// What is the same for all accounts and Regions.
#[derive(Debug)]
pub(super) struct WorkRules {
    channel_limit: usize,
    active_after: Duration,
    deleting_for: Duration,
    authority: String,
}

impl WorkRules {
    pub(super) fn new(settings: &EmulatorSettings, authority: &str) -> Self {
        Self {
            channel_limit: settings.channel_limit,
            active_after: settings.active_after,
            deleting_for: settings.deleting_for,
            authority: authority.to_owned(),
        }
    }
}

/// One request in an account and Region.
#[derive(Debug)]
pub(super) struct Work<'a> {
    pub(super) now: Duration,
    pub(super) region: &'a Region,
    pub(super) account: AccountNumber,
    pub(super) rules: &'a WorkRules,
    /// The number of versions given to channels.
    pub(super) changes: &'a mut u64,
    pub(super) store: &'a mut Store,
}

impl Work<'_> {
    /// Executes a valid request. Members that validation requires are present.
    pub(super) fn execute(&mut self, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
        match request {
            ApiRequest::Create(create) => self.create(create),
            ApiRequest::Describe(describe) => self.describe(describe),
            ApiRequest::List(list) => self.list(list),
            ApiRequest::Delete(delete) => {
                let version = delete.current_version.as_deref();
                self.delete(delete.channel_arn.as_deref(), version)
            }
            ApiRequest::Update(update) => self.update(update),
            ApiRequest::Tag(tag) => {
                let channel = self.find_mut(tag.resource_arn.as_deref())?;
                add_tags(channel, tag.tags.as_deref().unwrap_or_default())
            }
            ApiRequest::Untag(untag) => {
                let channel = self.find_mut(untag.resource_arn.as_deref())?;
                for key in untag.tag_key_list.iter().flatten() {
                    channel.tags.remove(key);
                }
                Ok(ApiResponse::Done)
            }
            ApiRequest::ListTags(list) => {
                if list
                    .next_token
                    .as_ref()
                    .is_some_and(|token| !token.is_empty())
                {
                    return Err(ApiError::invalid_argument("The NextToken is not valid."));
                }
                let channel = self.find_mut(list.resource_arn.as_deref())?;
                Ok(ApiResponse::ListTags(channel.tags.clone()))
            }
            ApiRequest::Endpoint(endpoint) => {
                self.find_active(endpoint.channel_arn.as_deref())?;
                self.endpoints(endpoint.configuration.as_ref())
            }
            ApiRequest::Ice(ice) => {
                let user = ice.username.as_deref().unwrap_or("emulator");
                self.find_active(ice.channel_arn.as_deref())?;
                Ok(ApiResponse::Ice(ice_servers(user)))
            }
            ApiRequest::CallerIdentity | ApiRequest::AssumeRole(_) => Ok(ApiResponse::Done),
        }
    }

    fn create(&mut self, create: &CreateChannel) -> Result<ApiResponse, ApiError> {
        let limit = self.rules.channel_limit;
        let version = self.next_version();
        let store = &mut *self.store;
        let name: Arc<str> = create.channel_name.as_deref().unwrap_or_default().into();
        if store.get(&name).is_some() {
            return Err(ApiError::exists(&name));
        }
        if store.len() >= limit {
            return Err(ApiError::account_full(limit));
        }
        let creation_millis = store.fresh_creation_millis(self.now);
        let arn = arn::of_channel_made(self.region, self.account, &name, creation_millis);
        let arn: Arc<str> = arn.into();
        let mut channel = StoredChannel {
            name,
            arn: Arc::clone(&arn),
            creation_millis,
            active_at: self.now.saturating_add(self.rules.active_after),
            gone_at: None,
            message_ttl: create
                .single_master_configuration
                .as_ref()
                .and_then(|single| single.message_ttl_seconds)
                .unwrap_or(DEFAULT_MESSAGE_TTL),
            version,
            tags: BTreeMap::new(),
            buckets: Default::default(),
            text: OnceLock::new(),
        };
        add_tags(&mut channel, create.tags.as_deref().unwrap_or_default())?;
        store.insert(channel);
        Ok(ApiResponse::Create(arn))
    }

    fn describe(&mut self, describe: &DescribeChannel) -> Result<ApiResponse, ApiError> {
        let now = self.now;
        let channel = match (&describe.channel_arn, &describe.channel_name) {
            (None, Some(name)) => self.store.get(name).ok_or_else(ApiError::not_found)?,
            (arn, _) => self.find_mut(arn.as_deref())?,
        };
        Ok(ApiResponse::Describe(channel.info(now)))
    }

    fn list(&mut self, list: &ListChannels) -> Result<ApiResponse, ApiError> {
        let condition = list.channel_name_condition.as_ref();
        let prefix = condition
            .and_then(|condition| condition.comparison_value.as_deref())
            .unwrap_or_default();
        let most = usize::try_from(list.max_results.unwrap_or(DEFAULT_PAGE)).unwrap_or_default();
        // An empty token asks for the first page.
        let after = match list.next_token.as_deref().filter(|token| !token.is_empty()) {
            None => None,
            Some(token) => Some(
                name_of_token(token)
                    .ok_or_else(|| ApiError::invalid_argument("The NextToken is not valid."))?,
            ),
        };
        let (channels, more) = self.store.page(self.now, prefix, after.as_deref(), most);
        let next_token = channels
            .last()
            .filter(|_| more)
            .map(|last| token_of_name(&last.name));
        Ok(ApiResponse::List(ChannelInfoPage {
            channels,
            next_token,
        }))
    }

    fn delete(
        &mut self,
        arn: Option<&str>,
        version: Option<&str>,
    ) -> Result<ApiResponse, ApiError> {
        let gone_at = self.now.saturating_add(self.rules.deleting_for);
        let now = self.now;
        let channel = self.find_mut(arn)?;
        check_changeable(channel, now, version)?;
        let name = Arc::clone(&channel.name);
        self.store.begin_deletion(&name, gone_at);
        self.store.remove_deleted(now);
        Ok(ApiResponse::Done)
    }

    fn update(&mut self, update: &UpdateChannel) -> Result<ApiResponse, ApiError> {
        let (now, version) = (self.now, self.next_version());
        let channel = self.find_mut(update.channel_arn.as_deref())?;
        check_changeable(channel, now, update.current_version.as_deref())?;
        if let Some(ttl) = update
            .single_master_configuration
            .as_ref()
            .and_then(|single| single.message_ttl_seconds)
        {
            channel.message_ttl = ttl;
        }
        channel.version = version;
        Ok(ApiResponse::Done)
    }

    fn endpoints(
        &self,
        configuration: Option<&EndpointConfiguration>,
    ) -> Result<ApiResponse, ApiError> {
        let asked = configuration.and_then(|configuration| configuration.protocols.as_ref());
        let wants = |protocol: &str| {
            asked.is_none_or(|protocols| protocols.iter().any(|asked| asked == protocol))
        };
        if asked.is_some() && wants("WEBRTC") {
            return Err(ApiError::invalid_argument(
                "The protocol WEBRTC needs a channel with media storage, which the emulator does not have.",
            ));
        }
        let mut endpoints = Vec::with_capacity(2);
        if wants("WSS") {
            endpoints.push(("WSS", format!("ws://{}", self.rules.authority)));
        }
        if wants("HTTPS") {
            endpoints.push(("HTTPS", format!("http://{}", self.rules.authority)));
        }
        Ok(ApiResponse::Endpoint(endpoints))
    }

    /// The channel with exactly this ARN.
    fn find_mut(&mut self, arn: Option<&str>) -> Result<&mut StoredChannel, ApiError> {
        let arn = arn.unwrap_or_default();
        let parts = ArnParts::parse(arn).map_err(|_| ApiError::not_found())?;
        self.store
            .get_mut(parts.channel_name)
            .filter(|channel| &*channel.arn == arn)
            .ok_or_else(ApiError::not_found)
    }

    fn find_active(&mut self, arn: Option<&str>) -> Result<(), ApiError> {
        let now = self.now;
        let channel = self.find_mut(arn)?;
        if channel.status(now) == ChannelStatus::Active {
            Ok(())
        } else {
            Err(ApiError::not_found())
        }
    }

    /// A version that no channel had before, and that shows no order.
    fn next_version(&mut self) -> u64 {
        *self.changes += 1;
        // An odd factor makes this a bijection: two counts never give the same version.
        self.changes.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// Whether a channel is ACTIVE and has the version that the caller names.
fn check_changeable(
    channel: &StoredChannel,
    now: Duration,
    version: Option<&str>,
) -> Result<(), ApiError> {
    if channel.status(now) != ChannelStatus::Active {
        return Err(ApiError::not_active(&channel.name));
    }
    if version.is_some_and(|version| version != channel.info(now).version) {
        return Err(ApiError::version_mismatch());
    }
    Ok(())
}

/// Adds all tags or none.
fn add_tags(channel: &mut StoredChannel, tags: &[WireTag]) -> Result<ApiResponse, ApiError> {
    let pairs = || {
        tags.iter()
            .filter_map(|tag| Some((tag.key.as_ref()?, tag.value.as_ref()?)))
    };
    let fresh = pairs()
        .filter(|(key, _)| !channel.tags.contains_key(*key))
        .count();
    if channel.tags.len() + fresh > MOST_TAGS {
        return Err(ApiError::too_many_tags(MOST_TAGS));
    }
    for (key, value) in pairs() {
        channel.tags.insert(key.clone(), value.clone());
    }
    Ok(ApiResponse::Done)
}

/// Host names that are reserved not to exist (RFC 2606), so that no request reaches a real server.
fn ice_servers(user: &str) -> Vec<IceServer> {
    let turn = |scheme: &str, transport: &str| {
        format!("{scheme}:turn.emulator.invalid:443?transport={transport}")
    };
    vec![
        IceServer {
            uris: vec!["stun:stun.emulator.invalid:443".to_owned()],
            credentials: None,
            ttl: 300,
        },
        IceServer {
            uris: vec![
                turn("turn", "udp"),
                turn("turns", "udp"),
                turn("turns", "tcp"),
            ],
            credentials: Some((user.to_owned(), "not-a-secret".to_owned())),
            ttl: 300,
        },
    ]
}
