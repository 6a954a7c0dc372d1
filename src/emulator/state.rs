//! The emulated service: a request, its caller and the time in, an answer out. No HTTP, clock or randomness; the same
//! calls give the same answers. This file checks credentials, authorization and quotas; `validate` checks requests,
//! `work` executes them, `accounts` has the accounts, and [`super::store`] holds the channels of each.

use std::collections::HashMap;
use std::time::Duration;

use super::EmulatorSettings;
use super::access_key::{AccountNumber, session_key};
use super::accounts::{self, Accounts};
use super::arn;
use super::assume_role::{AssumeRole, AssumedRole};
use super::caller::ApiCaller;
use super::error::ApiError;
use super::service_quotas::ServiceQuotas;
use super::shapes::{ApiRequest, ApiResponse, CallerIdentity};
use super::snapshot::Snapshot;
use super::store::{Store, StoredChannel};
use super::validate;
use super::work::{Work, WorkRules};
use crate::domain::device::{AccountId, Region};

/// The most access keys that are counted: far more than a test has, so that no client can exhaust the memory by
/// inventing them.
const MOST_ACCESS_KEYS: usize = 10_000;

/// The channels and quotas of all accounts in all Regions.
#[derive(Debug)]
pub struct ServiceState {
    quotas: ServiceQuotas,
    rules: WorkRules,
    deny_outside: Option<String>,
    expire_after: Option<u64>,
    accounts: Accounts,
    uses: HashMap<Box<str>, u64>,
    /// The number of sessions given.
    sessions: u64,
    changes: u64,
    /// The number of answers that changed accounts or channels.
    revision: u64,
}

impl ServiceState {
    /// A service without channels. `authority` is the host and port that `GetSignalingChannelEndpoint` points to.
    pub fn new(settings: &EmulatorSettings, authority: &str) -> Self {
        Self {
            quotas: ServiceQuotas::new(settings),
            rules: WorkRules::new(settings, authority),
            deny_outside: settings.deny_outside.clone(),
            expire_after: settings.expire_after,
            accounts: Accounts::new(settings),
            uses: HashMap::new(),
            sessions: 0,
            changes: 0,
            revision: 0,
        }
    }

    /// Takes over the accounts and channels of an earlier emulator.
    pub fn restore(&mut self, saved: Snapshot) {
        self.changes = saved.changes;
        self.accounts.restore(saved.accounts);
    }

    /// All accounts and channels at `now`.
    pub fn snapshot(&self, now: Duration) -> Snapshot {
        Snapshot {
            now,
            changes: self.changes,
            accounts: self.accounts.contents(),
        }
    }

    /// A number that is higher after each answer that changed what [`Self::snapshot`] has.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// The channels of an account and Region at `now` (since the Unix epoch), in the order of their names. For tests.
    pub fn channels(
        &self,
        account: &AccountId,
        region: &Region,
        now: Duration,
    ) -> impl Iterator<Item = &StoredChannel> {
        self.accounts
            .get(account.into(), region)
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
        match request {
            // Needs no permission.
            ApiRequest::CallerIdentity => return Ok(identity(caller)),
            ApiRequest::AssumeRole(role) => return self.assume_role(now, caller, role),
            _ => {}
        }
        let regions = self
            .accounts
            .open(caller.account())
            .ok_or_else(|| ApiError::denied_account(&caller.arn(), request.operation()))?;
        authorize(self.deny_outside.as_deref(), caller, request)?;
        let store = accounts::store(regions, &caller.region).ok_or_else(|| {
            ApiError::bad_signature("Credential should be scoped to a valid Region.")
        })?;
        store.remove_deleted(now);
        take_tokens(store, &self.quotas, now, request)?;
        validate::check(request)?;
        let mut work = Work {
            now,
            region: &caller.region,
            account: caller.account(),
            rules: &self.rules,
            changes: &mut self.changes,
            store,
        };
        let answer = work.execute(request)?;
        if request.operation().changes_channels() {
            self.revision += 1;
        }
        Ok(answer)
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

    fn assume_role(
        &mut self,
        now: Duration,
        caller: &ApiCaller,
        request: &AssumeRole,
    ) -> Result<ApiResponse, ApiError> {
        let role = request.check()?;
        if self.accounts.open(role.account).is_none() {
            return Err(ApiError::denied_role(&caller.arn(), role.role_arn));
        }
        self.sessions += 1;
        Ok(ApiResponse::AssumeRole(AssumedRole {
            access_key: session_key(role.account, self.sessions),
            session_token: role.session.token(),
            expires_at: now.saturating_add(role.lifetime),
            arn: arn::of_session(&caller.region, role.account, role.session),
            session_name: role.session.name.to_owned(),
        }))
    }
}

fn identity(caller: &ApiCaller) -> ApiResponse {
    ApiResponse::CallerIdentity(CallerIdentity {
        account: caller.account(),
        arn: caller.arn(),
        session_name: caller.session().name.to_owned(),
    })
}

/// Refuses channels of another account, as AWS does for resources without a policy of their own, and channels outside the
/// prefix.
fn authorize(
    prefix: Option<&str>,
    caller: &ApiCaller,
    request: &ApiRequest,
) -> Result<(), ApiError> {
    let operation = request.operation();
    if let Some(arn) = request.channel_arn() {
        let account = AccountNumber::parse(arn.account);
        if let Some(other) = account.filter(|account| *account != caller.account()) {
            let (name, made) = (arn.channel_name, arn.creation_millis);
            let resource = arn::of_channel_made(&caller.region, other, name, made);
            return Err(ApiError::denied(
                &caller.arn(),
                operation,
                &resource,
                "resource-based",
            ));
        }
    }
    let (Some(prefix), Some(name)) = (prefix, request.channel_name()) else {
        return Ok(());
    };
    if name.starts_with(prefix) {
        return Ok(());
    }
    let resource = arn::of_channel(&caller.region, caller.account(), name) + "/*";
    Err(ApiError::denied(
        &caller.arn(),
        operation,
        &resource,
        "identity-based",
    ))
}

/// Takes a token of the operation's bucket and one of the channel's, or no token if one of them is empty.
fn take_tokens(
    store: &mut Store,
    quotas: &ServiceQuotas,
    now: Duration,
    request: &ApiRequest,
) -> Result<(), ApiError> {
    let operation = request.operation();
    let index = operation as usize;
    let per_channel = quotas.per_channel;
    let named = request
        .channel_name()
        .filter(|_| operation.is_limited_per_channel());
    let (bucket, quota) = store.used.bucket(quotas, operation, now);
    let granted = quota.is_none_or(|quota| bucket.has_token(quota, now))
        && named
            .and_then(|name| store.get(name))
            .is_none_or(|channel| channel.buckets[index].has_token(per_channel, now));
    if !granted {
        return Err(ApiError::throttled());
    }
    let (bucket, quota) = store.used.bucket(quotas, operation, now);
    if let Some(quota) = quota {
        bucket.take(quota, now);
    }
    if let Some(channel) = named.and_then(|name| store.get_mut(name)) {
        channel.buckets[index].take(per_channel, now);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
