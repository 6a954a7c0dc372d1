//! Requests outside of a provisioning run, in one Region or in several at once: paced, tried again, and stopped by the
//! same rules as those for devices. The user of a [`Caller`] decides how many are under way at once.

use std::sync::Arc;

use super::ask::Unanswered;
use super::run_state::RunState;
use super::scope::{Delete, Describe, Endpoint, Ice, QuotaScope};
use super::service::Service;
use super::settings::EngineParts;
use super::stop::Stop;
use crate::domain::device::{AccountId, AccountRegion, ChannelArn, ChannelName};
use crate::domain::service::{Channel, ChannelStatus, FailureKind, SignalingEndpoints};

/// What became of a channel that was to be deleted.
#[derive(Debug)]
pub(crate) enum Deletion {
    /// It is deleted, or is being deleted: by the request with this ID, or, without one, before.
    Deleted(Option<Box<str>>),
    /// Another channel has its name now.
    Recreated(ChannelArn),
}

/// Sends requests in several Regions.
#[derive(Debug)]
pub(crate) struct Caller {
    shared: Arc<RunState>,
}

impl Caller {
    /// Of the settings it uses the account, the seed, and how often and how long to try.
    pub(crate) fn new(parts: EngineParts<()>) -> Self {
        Self {
            shared: Arc::new(RunState::new(parts)),
        }
    }

    /// Sends requests in this account and Region.
    pub(crate) fn region<S: Service>(
        &self,
        account_region: AccountRegion,
        service: S,
    ) -> RegionCaller<S> {
        let (rate, shared) = (self.shared.settings.rate, Arc::clone(&self.shared));
        RegionCaller {
            scope: Arc::new(QuotaScope::new(account_region, rate, service, shared)),
        }
    }

    /// Leaves out an account and Region that cannot be worked in.
    pub(crate) fn leave_out(&self, account_region: &AccountRegion, cause: Stop) {
        self.shared.leave_out(account_region, cause);
    }

    /// The account of the run's own credentials, as far as it is known.
    pub(crate) fn account(&self) -> Option<AccountId> {
        self.shared.account()
    }

    /// Why all Regions were stopped, if they were.
    pub(crate) fn stopped(&self) -> Option<Stop> {
        self.shared.stop.cause()
    }

    /// Why all Regions were stopped, or single ones.
    pub(crate) fn end(&self) -> Option<Stop> {
        self.shared.end()
    }
}

/// Sends requests in one Region. Cheap to clone; clones share everything. Each request is sent until the service has
/// answered or refused it; twenty refusals in a row by an authorization code end the account.
#[derive(Debug)]
pub(crate) struct RegionCaller<S> {
    scope: Arc<QuotaScope<S>>,
}

impl<S> Clone for RegionCaller<S> {
    fn clone(&self) -> Self {
        Self {
            scope: Arc::clone(&self.scope),
        }
    }
}

impl<S: Service> RegionCaller<S> {
    pub(crate) fn account_region(&self) -> &AccountRegion {
        &self.scope.account_region
    }

    /// Lists the Region's channels, page by page.
    pub(crate) async fn list(&self, each_page: impl FnMut(Vec<Channel>)) -> Result<(), Unanswered> {
        self.judged(self.scope.list_pages(each_page).await)
    }

    /// The channel of this name.
    pub(crate) async fn describe(&self, name: &ChannelName) -> Result<Channel, Unanswered> {
        self.judged(self.scope.ask(Describe(name)).await)
    }

    /// All tags of a channel.
    pub(crate) async fn tags(
        &self,
        arn: &ChannelArn,
    ) -> Result<Vec<(Box<str>, Box<str>)>, Unanswered> {
        self.judged(self.scope.all_tags(arn).await)
    }

    /// Where the signaling of a channel is.
    pub(crate) async fn endpoints(
        &self,
        arn: &ChannelArn,
    ) -> Result<SignalingEndpoints, Unanswered> {
        self.judged(self.scope.ask(Endpoint(arn)).await)
    }

    /// The STUN and TURN servers of a channel, from its HTTPS endpoint.
    pub(crate) async fn ice_servers(
        &self,
        arn: &ChannelArn,
        https: &str,
    ) -> Result<Vec<Box<str>>, Unanswered> {
        self.judged(self.scope.ask(Ice(arn, https)).await)
    }

    /// Deletes the channel of this name and ARN. One in the middle of a change is tried again.
    pub(crate) async fn delete(
        &self,
        name: &ChannelName,
        arn: &ChannelArn,
    ) -> Result<Deletion, Unanswered> {
        let mut tries = 0;
        loop {
            tries += 1;
            let failure = match self.judged(self.scope.ask_with_id(Delete(arn)).await) {
                Err(Unanswered::Refused(failure)) => failure,
                done => return done.map(|((), request_id)| Deletion::Deleted(request_id)),
            };
            let most = self.scope.shared.settings.max_attempts;
            if failure.kind != FailureKind::InUse || tries >= most {
                return Err(Unanswered::Refused(failure));
            }
            if let Some(deletion) = self.deleted_before(name, arn).await? {
                return Ok(deletion);
            }
            self.scope.pause(tries).await?;
        }
    }

    /// Whether Describe shows that the channel of this ARN was deleted before, or is being deleted.
    pub(crate) async fn deleted_before(
        &self,
        name: &ChannelName,
        arn: &ChannelArn,
    ) -> Result<Option<Deletion>, Unanswered> {
        match self.describe(name).await {
            Ok(channel) if channel.arn != *arn => Ok(Some(Deletion::Recreated(channel.arn))),
            Ok(channel) if channel.status == ChannelStatus::Deleting => {
                Ok(Some(Deletion::Deleted(None)))
            }
            Err(Unanswered::Stopped) => Err(Unanswered::Stopped),
            _ => Ok(None),
        }
    }

    fn judged<T>(&self, answer: Result<T, Unanswered>) -> Result<T, Unanswered> {
        match &answer {
            Err(Unanswered::Refused(failure)) if failure.kind == FailureKind::Denied => {
                self.scope.denied(failure);
            }
            Ok(_) => self.scope.account.allowed(),
            Err(_) => {}
        }
        answer
    }
}
