//! One account and Region at the service: its client, its limiters, and what its answers show.
//!
//! The only file that calls the [`Service`]. [`QuotaScope::send`] waits for the operation's limiter, [`QuotaScope::send_with`]
//! takes a permit that it gave. Both send, report the answer to the limiter, and note what it shows of the connection, the
//! clock, the account and the credentials.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::account_run::AccountRun;
use super::event::{Event, Outcome};
use super::link::Link;
use super::pace::controller::RateRange;
use super::pace::limiter::{Limiter, Permit};
use super::retry::Schedule;
use super::run_state::RunState;
use super::service::Service;
use super::stop::Stop;
use super::stop_signal::StopSignal;
use crate::domain::clock::ServiceClock;
use crate::domain::device::{AccountRegion, ChannelArn, ChannelName, Device, MessageTtl};
use crate::domain::panics::lock;
use crate::domain::service::classify::TIMEOUT;
use crate::domain::service::{
    Answer, Channel, ChannelPage, Failure, FailureKind, Identity, ListRequest, Operation,
    SignalingEndpoints, TagPage,
};

/// A call of the [`Service`] with its arguments.
pub(super) trait Request: Copy + Send {
    type Reply: Send;
    const OPERATION: Operation;

    /// The account of the ARNs in what a request that succeeds returns.
    fn account(reply: &Self::Reply) -> Option<&str>;

    fn call<S: Service>(
        self,
        service: &S,
        permit: Permit,
    ) -> impl Future<Output = Answer<Self::Reply>> + Send;
}

/// A request for each operation.
macro_rules! requests {
    ($($operation:ident($($argument:ident: $type:ty),+) => $call:ident -> $reply:ty, $account:expr;)+) => {$(
        #[derive(Clone, Copy)]
        pub(super) struct $operation<'a>($(pub(super) $type),+);

        impl Request for $operation<'_> {
            type Reply = $reply;
            const OPERATION: Operation = Operation::$operation;

            fn account(reply: &$reply) -> Option<&str> {
                let account: fn(&$reply) -> Option<&str> = $account;
                account(reply)
            }

            fn call<S: Service>(
                self,
                service: &S,
                permit: Permit,
            ) -> impl Future<Output = Answer<$reply>> + Send {
                let Self($($argument),+) = self;
                service.$call(permit, $($argument),+)
            }
        }
    )+};
}

requests! {
    Create(device: &'a Device) => create -> ChannelArn, |arn| Some(arn.parts().account);
    Describe(name: &'a ChannelName) => describe -> Channel, |channel| Some(channel.arn.parts().account);
    List(request: &'a ListRequest) => list -> ChannelPage, |page| Some(page.channels.first()?.arn.parts().account);
    Delete(arn: &'a ChannelArn) => delete -> (), |()| None;
    Update(channel: &'a Channel, ttl: MessageTtl) => update -> (), |()| None;
    ListTags(arn: &'a ChannelArn, next_token: Option<&'a str>) => list_tags -> TagPage, |_| None;
    Tag(arn: &'a ChannelArn, tags: &'a [crate::domain::device::Tag]) => tag -> (), |()| None;
    Untag(arn: &'a ChannelArn, keys: &'a [&'a str]) => untag -> (), |()| None;
    Endpoint(arn: &'a ChannelArn) => signaling_endpoints -> SignalingEndpoints, |_| None;
    Ice(arn: &'a ChannelArn, https: &'a str) => ice_servers -> Vec<Box<str>>, |_| None;
}

/// The code of a channel in another account than the expected one. The run stops when one is seen.
pub(super) const WRONG_ACCOUNT: &str = "WrongAccount";

/// One account and Region at the service.
#[derive(Debug)]
pub(super) struct QuotaScope<S> {
    pub(super) account_region: AccountRegion,
    pub(super) shared: Arc<RunState>,
    pub(super) account: Arc<AccountRun>,
    pub(super) link: Arc<Link>,
    service: S,
    /// One for each operation, in their order.
    limiters: [Arc<Limiter>; Operation::ALL.len()],
    service_clock: Mutex<ServiceClock>,
    schedule: Schedule,
    random: Mutex<fastrand::Rng>,
    /// Ends this Region while the run goes on.
    region_stop: StopSignal,
}

impl<S: Service> QuotaScope<S> {
    /// Creates are sent at no higher rate than `rate`.
    pub(super) fn new(
        account_region: AccountRegion,
        rate: RateRange,
        service: S,
        shared: Arc<RunState>,
    ) -> Self {
        let (number, link) = shared.add_region(&account_region);
        let account = shared.account_run(account_region.account.as_ref());
        let region_stop = StopSignal::new();
        account.add_region(region_stop.clone());
        // Each Region has its own random numbers.
        let mut random = fastrand::Rng::with_seed(shared.settings.seed.wrapping_add(number));
        let limiters = Operation::ALL.map(|operation| {
            let range = match operation {
                Operation::Create => rate,
                _ => RateRange::upto(operation.quota()),
            };
            shared.limiter(&account_region, operation, range, random.u64(..))
        });
        Self {
            link,
            account_region,
            shared,
            account,
            service,
            limiters,
            service_clock: Mutex::default(),
            schedule: Schedule::default(),
            random: Mutex::new(random),
            region_stop,
        }
    }

    pub(super) fn limiter(&self, operation: Operation) -> &Arc<Limiter> {
        &self.limiters[operation as usize]
    }

    /// Waits until the operation's limiter lets a request pass. Dropped before it returns, it takes nothing.
    pub(super) async fn permit(&self, operation: Operation) -> Permit {
        self.limiter(operation).acquire().await
    }

    /// Sends a request once its operation's limiter lets it pass.
    pub(super) async fn send<R: Request>(&self, request: R) -> Answer<R::Reply> {
        match self.unless_grace_over(self.permit(R::OPERATION)).await {
            Some(permit) => self.send_with(permit, request).await,
            None => cut_off(),
        }
    }

    /// Sends a request with a permit of its operation's limiter.
    pub(super) async fn send_with<R: Request>(
        &self,
        permit: Permit,
        request: R,
    ) -> Answer<R::Reply> {
        let generation = self.credentials_generation();
        let answer = self.exchange(permit, request).await;
        let failure = answer.result.as_ref().err();
        // A server error may come from a proxy, which does not check credentials.
        let proves = |failure: &Failure| {
            failure.is_answered()
                && !matches!(
                    failure.kind,
                    FailureKind::Credentials | FailureKind::ServerError
                )
        };
        if failure.is_none_or(proves) {
            self.account.credentials_work(generation);
        }
        answer
    }

    /// Whether new credentials are accepted, by a Describe. That they work is proved only by a request of the kind that was
    /// refused.
    pub(super) async fn try_credentials(&self, name: &ChannelName) -> Result<(), Failure> {
        let permit = self.permit(Operation::Describe);
        let Some(permit) = self.unless_grace_over(permit).await else {
            return Ok(());
        };
        match self.exchange(permit, Describe(name)).await.result {
            Err(failure) if failure.kind == FailureKind::Credentials => Err(failure),
            _ => Ok(()),
        }
    }

    /// The one place from which requests leave. The call's future is pinned here: it has many kilobytes, too many to move.
    async fn exchange<R: Request>(&self, permit: Permit, request: R) -> Answer<R::Reply> {
        let sent = permit.sent();
        self.shared.tell(&Event::Sent {
            account_region: &self.account_region,
            operation: R::OPERATION,
        });
        let begun = Instant::now();
        let call = pin!(request.call(&self.service, permit));
        let answer = self.unless_grace_over(call).await;
        self.shared.tell(&Event::Answered {
            account_region: &self.account_region,
            operation: R::OPERATION,
            outcome: answer.as_ref().map_or(Outcome::NoAnswer, outcome),
            latency: begun.elapsed(),
        });
        let Some(mut answer) = answer else {
            return cut_off();
        };
        self.note(&answer);
        match answer.is_granted() {
            Some(true) => self.limiter(R::OPERATION).accepted(sent),
            Some(false) => self.limiter(R::OPERATION).throttled(sent),
            None => {}
        }
        if let Some(account) = answer.result.as_ref().ok().and_then(R::account)
            && !self.check_account(account)
            // A channel that was created must get its row, in whichever account it is.
            && R::OPERATION != Operation::Create
        {
            answer.result = Err(wrong_account(account));
        }
        answer
    }

    fn note<T>(&self, answer: &Answer<T>) {
        // A proxy that answers in the service's place has a clock of its own.
        if let Some(date) = answer.date
            && answer.request_id.is_some()
        {
            let received = self.shared.clock.now();
            lock(&self.service_clock).learn(date, received);
        }
        let failure = answer.result.as_ref().err();
        if failure.is_none_or(Failure::is_answered) {
            self.link.answered();
        }
    }

    pub(super) fn credentials_generation(&self) -> u64 {
        self.service.credentials_generation()
    }

    /// Fetches new credentials in place of those of generation `seen`.
    pub(super) async fn fetch_credentials(&self, seen: u64) -> Result<Option<Identity>, Failure> {
        self.service.reload_credentials(seen).await
    }

    /// What the service's clock showed at this time of ours, in milliseconds since the Unix epoch.
    pub(super) fn service_millis(&self, time: SystemTime) -> i64 {
        lock(&self.service_clock).service_millis(time)
    }

    /// How long to wait before the next try, after `tries` failed ones.
    pub(super) fn wait_after(&self, tries: u32) -> Duration {
        self.schedule.wait(tries, &mut lock(&self.random))
    }

    /// Ends this Region; the others go on.
    pub(super) fn stop_region(&self, cause: Stop) {
        if self.region_stop.give(cause.clone()) {
            self.shared.tell(&Event::Warning {
                text: &format!("{cause}; the other Regions continue"),
            });
            self.part_stopped(cause);
        }
    }

    /// This Region ends, or no longer creates, for a reason that does not concern the others.
    pub(super) fn part_stopped(&self, cause: Stop) {
        let account = self.account_region.account.clone();
        self.shared.part_stopped(account, cause);
    }

    /// The account ends: alone if the rows name it, else with the run.
    pub(super) fn end_account(&self, cause: Stop) {
        self.shared.end_account(&self.account, cause);
    }

    /// Whether an answer is of the expected account. If it is of another, the account ends.
    pub(super) fn check_account(&self, found: &str) -> bool {
        let checked = self.account.check(found);
        if let Err(Some(cause)) = &checked {
            self.end_account(cause.clone());
        }
        checked.is_ok()
    }

    /// A device was refused by an authorization code. Too many in a row end the account.
    pub(super) fn denied(&self, failure: &Failure) {
        if let Some(cause) = self.account.denied(failure) {
            self.end_account(cause);
        }
    }

    /// Whether the run or this Region ends.
    pub(super) fn is_stopped(&self) -> bool {
        self.shared.stop.is_given() || self.region_stop.is_given()
    }

    /// Waits until the run or this Region ends.
    pub(super) async fn stopped(&self) {
        tokio::select! {
            biased;
            () = self.shared.stop.given() => {}
            () = self.region_stop.given() => {}
        }
    }

    /// Waits until the run or this Region has ended this time ago.
    pub(super) async fn stopped_for(&self, grace: Duration) {
        tokio::select! {
            biased;
            () = self.shared.stop.given_for(grace) => {}
            () = self.region_stop.given_for(grace) => {}
        }
    }

    /// Whether the time that a stop leaves to requests in flight is over.
    pub(super) fn is_grace_over(&self) -> bool {
        let grace = self.shared.settings.timeout;
        self.shared.stop.is_given_for(grace) || self.region_stop.is_given_for(grace)
    }

    /// Waits, but not longer than a stop leaves time.
    pub(super) async fn unless_grace_over<T>(&self, wanted: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            wanted = wanted => Some(wanted),
            () = self.stopped_for(self.shared.settings.timeout) => None,
        }
    }
}

fn outcome<T>(answer: &Answer<T>) -> Outcome {
    match &answer.result {
        Ok(_) => Outcome::Success,
        Err(failure) if failure.kind == FailureKind::Throttled => Outcome::Throttled,
        Err(failure) if failure.kind == FailureKind::ServerError => Outcome::ServerError,
        Err(failure) if failure.is_answered() => Outcome::Refused,
        Err(_) => Outcome::NoAnswer,
    }
}

/// The answer to a request that is still open when the time that a stop leaves is over.
fn cut_off<T>() -> Answer<T> {
    let message = "no answer before the run had to end";
    Failure::new(FailureKind::Lost, TIMEOUT, message).into()
}

fn wrong_account(account: &str) -> Failure {
    let message = format!("the channel is in account {account}, not in the expected one");
    Failure::new(FailureKind::Rejected, WRONG_ACCOUNT, message)
}
