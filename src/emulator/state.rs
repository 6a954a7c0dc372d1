//! The service itself: request, caller and time in, answer out. Pure: no HTTP, no clock, no randomness; the same calls
//! give the same answers. What exists is kept in [`super::store`], what is a valid request is known to
//! [`super::validate`].

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::Settings;
use super::error::ApiError;
use super::operation::Operation;
use super::quota::{Bucket, Quota};
use super::shapes::{
    ChannelInfoPage, CreateChannel, DescribeChannel, EndpointConfiguration, IceServer,
    ListChannels, Request, Response, Tag, UpdateChannel,
};
use super::store::{Channel, Store};
use super::validate;
use crate::device::{AccountId, ArnParts, Region};
use crate::service::ChannelStatus;

/// Who asks, and where: what the Authorization header says.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The Region of the signature's scope.
    pub region: Region,
    /// The access key's ID.
    pub access_key: Box<str>,
}

/// The service's default for a channel's message TTL, in seconds.
const DEFAULT_MESSAGE_TTL: i32 = 60;
/// The service's default for a page of a listing.
const DEFAULT_PAGE: i32 = 500;
/// The most tags that a channel may have.
const MOST_TAGS: usize = 50;
/// The most Regions and access keys that are kept apart: far above what AWS and a test have, so that no client can fill
/// the memory by inventing them.
const MOST_REGIONS: usize = 1_000;
const MOST_ACCESS_KEYS: usize = 10_000;

/// Everything that the emulated account holds, in every Region.
#[derive(Debug)]
pub struct State {
    quotas: [Option<Quota>; Operation::ALL.len()],
    per_channel: Quota,
    channel_limit: usize,
    active_after: Duration,
    deleting_for: Duration,
    deny_outside: Option<String>,
    expire_after: Option<u64>,
    authority: String,
    regions: HashMap<Region, Store>,
    uses: HashMap<Box<str>, u64>,
    changes: u64,
}

impl State {
    /// An empty account. `authority` is the host and port that `GetSignalingChannelEndpoint` points to.
    #[must_use]
    pub fn new(settings: &Settings, authority: &str) -> Self {
        let quotas = Operation::ALL.map(|operation| match operation {
            Operation::Create => Some(Quota::per_second(settings.rate, settings.burst)),
            other => other.quota().map(Quota::with_burst_of_a_second),
        });
        Self {
            quotas,
            per_channel: Quota::with_burst_of_a_second(Operation::PER_CHANNEL),
            channel_limit: settings.channel_limit,
            active_after: settings.active_after,
            deleting_for: settings.deleting_for,
            deny_outside: settings.deny_outside.clone(),
            expire_after: settings.expire_after,
            authority: authority.to_owned(),
            regions: HashMap::new(),
            uses: HashMap::new(),
            changes: 0,
        }
    }

    /// The channels of a Region at `now` (since the Unix epoch), in the order of their names: the truth, for checks.
    pub fn channels(&self, region: &Region, now: Duration) -> impl Iterator<Item = &Channel> {
        self.regions
            .get(region)
            .into_iter()
            .flat_map(move |store| store.iter(now))
    }

    /// Answers a request that arrives at `now`, the time since the Unix epoch, which must not run backwards.
    ///
    /// The checks come in the order of a real front end: credentials, authorization, quotas, validation, work.
    pub fn answer(
        &mut self,
        now: Duration,
        caller: &Caller,
        request: &Request,
    ) -> Result<Response, ApiError> {
        self.use_credentials(caller)?;
        if matches!(request, Request::CallerIdentity) {
            return Ok(Response::CallerIdentity {
                arn: caller_arn(&caller.region),
            });
        }
        self.authorize(caller, request)?;
        self.store(&caller.region)?.settle(now);
        self.take_tokens(now, caller, request)?;
        validate::check(request)?;
        self.work(now, caller, request)
    }

    fn use_credentials(&mut self, caller: &Caller) -> Result<(), ApiError> {
        let Some(most) = self.expire_after else {
            return Ok(());
        };
        if self.uses.len() >= MOST_ACCESS_KEYS && !self.uses.contains_key(&caller.access_key) {
            return Err(ApiError::unknown_client());
        }
        let uses = self.uses.entry(caller.access_key.clone()).or_default();
        if *uses >= most {
            return Err(ApiError::expired_token());
        }
        *uses += 1;
        Ok(())
    }

    fn authorize(&self, caller: &Caller, request: &Request) -> Result<(), ApiError> {
        let (Some(prefix), Some(name)) = (&self.deny_outside, request.channel_name()) else {
            return Ok(());
        };
        if name.starts_with(prefix.as_str()) {
            return Ok(());
        }
        let region = &caller.region;
        Err(ApiError::denied(
            &caller_arn(region),
            request.operation(),
            &format!(
                "arn:{}:kinesisvideo:{region}:{}:channel/{name}/*",
                partition(region),
                AccountId::EMULATOR
            ),
        ))
    }

    /// Takes one token of the operation's bucket and one of the channel's, or none of either.
    fn take_tokens(
        &mut self,
        now: Duration,
        caller: &Caller,
        request: &Request,
    ) -> Result<(), ApiError> {
        let operation = request.operation();
        let index = operation.index();
        let quota = self.quotas.get(index).copied().flatten();
        let per_channel = self.per_channel;
        let store = self.store(&caller.region)?;
        let named = request
            .channel_name()
            .filter(|_| operation.is_limited_per_channel());
        let has_token = |buckets: &[Bucket], quota: Quota| {
            buckets
                .get(index)
                .is_none_or(|bucket| bucket.has_token(quota, now))
        };
        let granted = quota.is_none_or(|quota| has_token(&store.buckets, quota))
            && named
                .and_then(|name| store.get(name))
                .is_none_or(|channel| has_token(&channel.buckets, per_channel));
        if !granted {
            return Err(ApiError::throttled());
        }
        if let (Some(quota), Some(bucket)) = (quota, store.buckets.get_mut(index)) {
            bucket.take(quota, now);
        }
        let channel = named.and_then(|name| store.get_mut(name));
        if let Some(bucket) = channel.and_then(|channel| channel.buckets.get_mut(index)) {
            bucket.take(per_channel, now);
        }
        Ok(())
    }

    /// Does what a valid request asks for. Members that validation requires are there.
    fn work(
        &mut self,
        now: Duration,
        caller: &Caller,
        request: &Request,
    ) -> Result<Response, ApiError> {
        let region = &caller.region;
        match request {
            Request::Create(create) => self.create(now, region, create),
            Request::Describe(describe) => self.describe(now, region, describe),
            Request::List(list) => self.list(now, region, list),
            Request::Delete(delete) => {
                let version = delete.current_version.as_deref();
                self.delete(now, region, delete.channel_arn.as_deref(), version)
            }
            Request::Update(update) => self.update(now, region, update),
            Request::Tag(tag) => {
                let channel = self.find_mut(region, tag.resource_arn.as_deref())?;
                add_tags(channel, tag.tags.as_deref().unwrap_or_default())
            }
            Request::Untag(untag) => {
                let channel = self.find_mut(region, untag.resource_arn.as_deref())?;
                for key in untag.tag_key_list.iter().flatten() {
                    channel.tags.remove(key);
                }
                Ok(Response::Done)
            }
            Request::ListTags(list) => {
                if list
                    .next_token
                    .as_ref()
                    .is_some_and(|token| !token.is_empty())
                {
                    return Err(ApiError::invalid_argument("The NextToken is not valid."));
                }
                let channel = self.find_mut(region, list.resource_arn.as_deref())?;
                Ok(Response::ListTags(channel.tags.clone()))
            }
            Request::Endpoint(endpoint) => {
                self.find_active(now, region, endpoint.channel_arn.as_deref())?;
                self.endpoints(endpoint.configuration.as_ref())
            }
            Request::Ice(ice) => {
                let user = ice.username.as_deref().unwrap_or("emulator");
                self.find_active(now, region, ice.channel_arn.as_deref())?;
                Ok(Response::Ice(ice_servers(user)))
            }
            Request::CallerIdentity => Ok(Response::Done),
        }
    }

    fn create(
        &mut self,
        now: Duration,
        region: &Region,
        create: &CreateChannel,
    ) -> Result<Response, ApiError> {
        let (limit, active_at) = (self.channel_limit, now.saturating_add(self.active_after));
        let version = self.next_version();
        let store = self.store(region)?;
        let name: Arc<str> = create.channel_name.as_deref().unwrap_or_default().into();
        if store.get(&name).is_some() {
            return Err(ApiError::exists(&name));
        }
        if store.len() >= limit {
            return Err(ApiError::account_full(limit));
        }
        let creation_millis = store.fresh_creation_millis(now);
        let arn: Arc<str> = format!(
            "arn:{}:kinesisvideo:{region}:{}:channel/{name}/{creation_millis}",
            partition(region),
            AccountId::EMULATOR
        )
        .into();
        let mut channel = Channel {
            name,
            arn: Arc::clone(&arn),
            creation_millis,
            active_at,
            gone_at: None,
            message_ttl: create
                .single_master_configuration
                .as_ref()
                .and_then(|single| single.message_ttl_seconds)
                .unwrap_or(DEFAULT_MESSAGE_TTL),
            version,
            tags: BTreeMap::new(),
            buckets: Default::default(),
        };
        add_tags(&mut channel, create.tags.as_deref().unwrap_or_default())?;
        store.insert(channel);
        Ok(Response::Create(arn))
    }

    fn describe(
        &mut self,
        now: Duration,
        region: &Region,
        describe: &DescribeChannel,
    ) -> Result<Response, ApiError> {
        let channel = match (&describe.channel_arn, &describe.channel_name) {
            (None, Some(name)) => self
                .store(region)?
                .get(name)
                .ok_or_else(ApiError::not_found)?,
            (arn, _) => self.find_mut(region, arn.as_deref())?,
        };
        Ok(Response::Describe(channel.info(now)))
    }

    fn list(
        &mut self,
        now: Duration,
        region: &Region,
        list: &ListChannels,
    ) -> Result<Response, ApiError> {
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
        let (channels, more) = self
            .store(region)?
            .page(now, prefix, after.as_deref(), most);
        let next_token = channels
            .last()
            .filter(|_| more)
            .map(|last| token_of_name(&last.name));
        Ok(Response::List(ChannelInfoPage {
            channels,
            next_token,
        }))
    }

    fn delete(
        &mut self,
        now: Duration,
        region: &Region,
        arn: Option<&str>,
        version: Option<&str>,
    ) -> Result<Response, ApiError> {
        let gone_at = now.saturating_add(self.deleting_for);
        let channel = self.find_mut(region, arn)?;
        check_changeable(channel, now, version)?;
        let name = Arc::clone(&channel.name);
        let store = self.store(region)?;
        store.begin_deletion(&name, gone_at);
        store.settle(now);
        Ok(Response::Done)
    }

    fn update(
        &mut self,
        now: Duration,
        region: &Region,
        update: &UpdateChannel,
    ) -> Result<Response, ApiError> {
        let version = self.next_version();
        let channel = self.find_mut(region, update.channel_arn.as_deref())?;
        check_changeable(channel, now, update.current_version.as_deref())?;
        if let Some(ttl) = update
            .single_master_configuration
            .as_ref()
            .and_then(|single| single.message_ttl_seconds)
        {
            channel.message_ttl = ttl;
        }
        channel.version = version;
        Ok(Response::Done)
    }

    fn endpoints(
        &self,
        configuration: Option<&EndpointConfiguration>,
    ) -> Result<Response, ApiError> {
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
            endpoints.push(("WSS", format!("ws://{}", self.authority)));
        }
        if wants("HTTPS") {
            endpoints.push(("HTTPS", format!("http://{}", self.authority)));
        }
        Ok(Response::Endpoint(endpoints))
    }

    fn store(&mut self, region: &Region) -> Result<&mut Store, ApiError> {
        if self.regions.len() >= MOST_REGIONS && !self.regions.contains_key(region) {
            return Err(ApiError::bad_signature(
                "Credential should be scoped to a valid Region.",
            ));
        }
        Ok(self.regions.entry(region.clone()).or_default())
    }

    /// The channel of exactly this ARN.
    fn find_mut(&mut self, region: &Region, arn: Option<&str>) -> Result<&mut Channel, ApiError> {
        let arn = arn.unwrap_or_default();
        let parts = ArnParts::parse(arn).map_err(|_| ApiError::not_found())?;
        self.store(region)?
            .get_mut(parts.channel_name)
            .filter(|channel| &*channel.arn == arn)
            .ok_or_else(ApiError::not_found)
    }

    fn find_active(
        &mut self,
        now: Duration,
        region: &Region,
        arn: Option<&str>,
    ) -> Result<(), ApiError> {
        let channel = self.find_mut(region, arn)?;
        if channel.status(now) == ChannelStatus::Active {
            Ok(())
        } else {
            Err(ApiError::not_found())
        }
    }

    /// A version that no channel had before, and that shows no order.
    fn next_version(&mut self) -> u64 {
        self.changes += 1;
        // An odd factor makes this a bijection: no two counts give the same version.
        self.changes.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// Whether a channel may be changed or deleted, and is the version that is meant.
fn check_changeable(
    channel: &Channel,
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

/// Adds tags, all or none.
fn add_tags(channel: &mut Channel, tags: &[Tag]) -> Result<Response, ApiError> {
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
    Ok(Response::Done)
}

/// Servers whose names are reserved never to exist (RFC 2606): nobody is called by mistake.
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

fn partition(region: &Region) -> &'static str {
    let name = region.as_str();
    if name.starts_with("cn-") {
        "aws-cn"
    } else if name.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

fn caller_arn(region: &Region) -> String {
    format!(
        "arn:{}:sts::{}:assumed-role/emulator/kvs-fleet",
        partition(region),
        AccountId::EMULATOR
    )
}

/// A page's token is the hexadecimal of its last name: it stays good while channels come and go, and at most 512
/// characters keep within the model's 1,024.
fn token_of_name(name: &str) -> String {
    use std::fmt::Write;
    name.bytes().fold(String::new(), |mut token, byte| {
        // Writing to a string cannot fail.
        let _ = write!(token, "{byte:02x}");
        token
    })
}

fn name_of_token(token: &str) -> Option<String> {
    if !token.len().is_multiple_of(2) {
        return None;
    }
    let bytes: Option<Vec<u8>> = (0..token.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(token.get(at..at + 2)?, 16).ok())
        .collect();
    String::from_utf8(bytes?).ok()
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
