//! Credentials that end in the middle of a run: one fetches new ones, and everybody else waits.

use std::pin::pin;
use std::sync::atomic::Ordering;

use super::RowSink;
use super::attempt::pace;
use super::outage::{LONGEST_PROBE_WAIT, Silence};
use super::region_run::RegionRun;
use super::stop::Stop;
use crate::domain::device::ChannelName;
use crate::domain::service::{Failure, FailureKind, Identity, Operation, Service};

impl<S: Service, L: RowSink> RegionRun<S, L> {
    /// The credentials of this generation were refused. Fetches new ones, once for each expiry; if those that were
    /// fetched last are refused before they ever worked, the run stops. Says whether to go on. `name` is a channel to ask for
    /// with the new ones, where there is one.
    pub(super) async fn reload_credentials(
        &self,
        seen: u64,
        failure: &Failure,
        name: Option<&ChannelName>,
    ) -> bool {
        let shared = &*self.shared;
        let _only_one = shared.credentials.lock().await;
        if shared.stop.is_given() {
            return false;
        }
        if self.service.credentials_generation() > seen {
            return true;
        }
        let never_worked = seen > 0 && shared.proved_generation.load(Ordering::Relaxed) < seen;
        if never_worked {
            shared.stop.give(Stop::Credentials {
                failure: failure.clone(),
            });
            return false;
        }
        match self.new_credentials(seen).await {
            Some(Some(who)) => shared.check_account(who.account.as_str()),
            Some(None) => match name {
                Some(name) => self.are_accepted(name).await,
                None => true,
            },
            None => false,
        }
    }

    /// Nobody could say whose the new credentials are, so nobody has seen them yet. One question shows whether they are taken,
    /// before everybody who waits goes on with them; if they are not, the run stops. It does not prove that they work: that
    /// is for requests of the kind that was refused.
    async fn are_accepted(&self, name: &ChannelName) -> bool {
        let worker = self.shared.workers.acquire().await;
        let Ok(permit) = self.leave(self.limiter(Operation::Describe)).await else {
            return false;
        };
        let answer = self
            .exchange(Operation::Describe, pin!(self.service.describe(name)))
            .await;
        drop(worker);
        pace(self.limiter(Operation::Describe), permit, &answer);
        match answer.result {
            Err(failure) if failure.kind == FailureKind::Credentials => {
                self.shared.stop.give(Stop::Credentials { failure });
                false
            }
            _ => true,
        }
    }

    /// Fetches credentials, however often it takes while nobody answers, and says whose they are. None when the run
    /// stops.
    async fn new_credentials(&self, seen: u64) -> Option<Option<Identity>> {
        let shared = &*self.shared;
        let mut silence = Silence::new();
        for tries in 1_u32.. {
            let reloaded = tokio::select! {
                biased;
                reloaded = self.service.reload_credentials(seen) => reloaded,
                () = shared.stop.given_for(shared.settings.timeout) => return None,
            };
            let failure = match reloaded {
                Ok(identity) => {
                    self.heard(&mut silence);
                    return Some(identity);
                }
                Err(failure) => failure,
            };
            if !failure.kind.is_passing() {
                shared.stop.give(Stop::Credentials { failure });
                return None;
            }
            if self.unheard(&mut silence, &failure) {
                return None;
            }
            let wait = self.wait_after(tries).min(LONGEST_PROBE_WAIT);
            tokio::select! {
                biased;
                () = shared.stop.given() => return None,
                () = tokio::time::sleep(wait) => {}
            }
        }
        None
    }
}
