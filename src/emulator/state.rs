//! The emulated account: a request, its caller and the time in, an answer out. No HTTP, clock or randomness; the same
//! calls give the same answers. This file checks credentials, authorization and quotas; `validate` checks requests,
//! `work` executes them, and [`super::store`] holds the channels.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::error::ApiError;
use super::operation::ApiOperation;
use super::quota::Quota;
use super::shapes::{ApiRequest, ApiResponse};
use super::store::{Store, StoredChannel};
use super::validate;
use super::{EmulatorSettings, RateChange};
use crate::domain::device::{AccountId, Region};

/// The caller and the Region, from the Authorization header.
#[derive(Debug, Clone)]
pub struct ApiCaller {
    /// The Region of the credential scope.
    pub region: Region,
    /// The access key ID.
    pub access_key: Box<str>,
}

/// The most Regions and access keys with a state of their own: far more than AWS and a test have, so that no client can
/// exhaust the memory by inventing them.
const MOST_REGIONS: usize = 1_000;
const MOST_ACCESS_KEYS: usize = 10_000;

/// The channels and quotas of the emulated account in all Regions.
#[derive(Debug)]
pub struct AccountState {
    quotas: [Option<Quota>; ApiOperation::ALL.len()],
    burst: u32,
    window: bool,
    /// The changes that are not yet made, in order of time.
    rate_changes: VecDeque<RateChange>,
    first_create: Option<Duration>,
    per_channel: Quota,
    pub(super) channel_limit: usize,
    pub(super) active_after: Duration,
    pub(super) deleting_for: Duration,
    deny_outside: Option<String>,
    expire_after: Option<u64>,
    pub(super) authority: String,
    regions: HashMap<Region, Store>,
    uses: HashMap<Box<str>, u64>,
    pub(super) changes: u64,
}

impl AccountState {
    /// An empty account. `authority` is the host and port that `GetSignalingChannelEndpoint` points to.
    pub fn new(settings: &EmulatorSettings, authority: &str) -> Self {
        let quotas = ApiOperation::ALL.map(|operation| match operation {
            ApiOperation::Create if settings.window => Some(Quota::per_window(settings.rate)),
            ApiOperation::Create => Some(Quota::per_second(settings.rate, settings.burst)),
            other => other.quota().map(Quota::with_burst_of_a_second),
        });
        let mut rate_changes = settings.rate_changes.clone();
        rate_changes.sort_by_key(|change| change.after);
        Self {
            quotas,
            burst: settings.burst,
            window: settings.window,
            rate_changes: rate_changes.into(),
            first_create: None,
            per_channel: Quota::with_burst_of_a_second(ApiOperation::PER_CHANNEL),
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

    /// The channels of a Region at `now` (since the Unix epoch), in the order of their names. For tests.
    pub fn channels(&self, region: &Region, now: Duration) -> impl Iterator<Item = &StoredChannel> {
        self.regions
            .get(region)
            .into_iter()
            .flat_map(move |store| store.iter(now))
    }

    /// Answers a request that arrives at `now`, the time since the Unix epoch, which must not go backwards.
    ///
    /// The checks are in the service's order: credentials, authorization, quotas, validation.
    pub fn answer(
        &mut self,
        now: Duration,
        caller: &ApiCaller,
        request: &ApiRequest,
    ) -> Result<ApiResponse, ApiError> {
        self.use_credentials(caller)?;
        if matches!(request, ApiRequest::CallerIdentity) {
            return Ok(ApiResponse::CallerIdentity {
                arn: caller_arn(&caller.region),
            });
        }
        self.authorize(caller, request)?;
        self.store(&caller.region)?.remove_deleted(now);
        if request.operation() == ApiOperation::Create {
            self.change_rate(now);
        }
        self.take_tokens(now, caller, request)?;
        validate::check(request)?;
        self.work(now, &caller.region, request)
    }

    fn use_credentials(&mut self, caller: &ApiCaller) -> Result<(), ApiError> {
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

    fn authorize(&self, caller: &ApiCaller, request: &ApiRequest) -> Result<(), ApiError> {
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

    /// Applies the changes of the create quota that are due.
    fn change_rate(&mut self, now: Duration) {
        let since_first = now.saturating_sub(*self.first_create.get_or_insert(now));
        let index = ApiOperation::Create as usize;
        while let Some(change) = self
            .rate_changes
            .pop_front_if(|next| next.after <= since_first)
        {
            let new = if self.window {
                Quota::per_window(change.rate)
            } else {
                Quota::per_second(change.rate, self.burst)
            };
            if let Some(old) = self.quotas[index].replace(new) {
                for store in self.regions.values_mut() {
                    store.buckets[index].change(old, new, now);
                }
            }
        }
    }

    /// Takes a token of the operation's bucket and one of the channel's, or no token if one of them is empty.
    fn take_tokens(
        &mut self,
        now: Duration,
        caller: &ApiCaller,
        request: &ApiRequest,
    ) -> Result<(), ApiError> {
        let operation = request.operation();
        let index = operation as usize;
        let (quota, per_channel) = (self.quotas[index], self.per_channel);
        let store = self.store(&caller.region)?;
        let named = request
            .channel_name()
            .filter(|_| operation.is_limited_per_channel());
        let granted = quota.is_none_or(|quota| store.buckets[index].has_token(quota, now))
            && named
                .and_then(|name| store.get(name))
                .is_none_or(|channel| channel.buckets[index].has_token(per_channel, now));
        if !granted {
            return Err(ApiError::throttled());
        }
        if let Some(quota) = quota {
            store.buckets[index].take(quota, now);
        }
        if let Some(channel) = named.and_then(|name| store.get_mut(name)) {
            channel.buckets[index].take(per_channel, now);
        }
        Ok(())
    }

    pub(super) fn store(&mut self, region: &Region) -> Result<&mut Store, ApiError> {
        if self.regions.len() >= MOST_REGIONS && !self.regions.contains_key(region) {
            return Err(ApiError::bad_signature(
                "Credential should be scoped to a valid Region.",
            ));
        }
        Ok(self.regions.entry(region.clone()).or_default())
    }
}

/// The partition of a Region, as in ARNs.
pub(super) fn partition(region: &Region) -> &'static str {
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

#[cfg(test)]
mod tests;
