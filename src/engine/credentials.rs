//! Credentials that expire while the run goes on: one task fetches new ones, and all others wait.

use std::sync::atomic::Ordering;

use super::event::Event;
use super::scope::QuotaScope;
use super::service::Service;
use super::silence::Silence;
use super::stop::Stop;
use crate::domain::device::ChannelName;
use crate::domain::service::classify::ROLE_REFUSED;
use crate::domain::service::{Failure, Identity};

impl<S: Service> QuotaScope<S> {
    /// The credentials of generation `seen` were refused. Fetches new ones, once for each expiry; if those that were fetched
    /// last are refused before they ever worked, the run stops. Returns whether to go on. `name` is a channel for a Describe
    /// with the new ones.
    pub(super) async fn reload_credentials(
        &self,
        seen: u64,
        failure: &Failure,
        name: Option<&ChannelName>,
    ) -> bool {
        let _only_one = self.account.credentials.lock().await;
        if self.is_stopped() {
            return false;
        }
        if self.credentials_generation() > seen {
            return true;
        }
        let never_worked =
            seen > 0 && self.account.proved_generation.load(Ordering::Relaxed) < seen;
        if never_worked {
            self.credentials_refused(failure.clone());
            return false;
        }
        let account = self.account_region.account.as_ref();
        self.shared.tell(&Event::CredentialsRefused { account });
        let is_renewed = match (self.new_credentials(seen).await, name) {
            (Some(Some(identity)), _) => self.check_account(identity.account.as_str()),
            (Some(None), Some(name)) => self.are_accepted(name).await,
            (Some(None), None) => true,
            (None, _) => false,
        };
        if is_renewed {
            self.shared.tell(&Event::CredentialsRenewed { account });
        }
        is_renewed
    }

    /// The identity of the new credentials could not be learned, so no server has seen them yet. One Describe shows whether
    /// they are accepted, before all who wait use them; if not, the run stops.
    async fn are_accepted(&self, name: &ChannelName) -> bool {
        let _worker = self.shared.workers.acquire().await;
        match self.try_credentials(name).await {
            Err(failure) => {
                self.credentials_refused(failure);
                false
            }
            Ok(()) => true,
        }
    }

    /// Fetches credentials, as often as it takes while there is no answer, and returns their identity where it could be
    /// learned. None when the run stops.
    async fn new_credentials(&self, seen: u64) -> Option<Option<Identity>> {
        let shared = &*self.shared;
        let mut silence = Silence::new();
        loop {
            let fetched = tokio::select! {
                biased;
                fetched = self.fetch_credentials(seen) => fetched,
                () = self.stopped_for(shared.settings.timeout) => return None,
            };
            let failure = match fetched {
                Ok(identity) => {
                    self.end_silence(&mut silence);
                    return Some(identity);
                }
                Err(failure) => failure,
            };
            if !failure.kind.is_passing() {
                self.no_credentials(failure);
                return None;
            }
            if self.stop_if_silent_too_long(&mut silence, &failure) {
                return None;
            }
            tokio::select! {
                biased;
                () = self.stopped() => return None,
                () = tokio::time::sleep(self.wait_in_silence(&silence)) => {}
            }
        }
    }

    /// There are no new credentials: the account's role is refused, or the credentials that they come from.
    fn no_credentials(&self, failure: Failure) {
        let shared = &*self.shared;
        if &*failure.code == ROLE_REFUSED {
            self.end_account(Stop::Role(failure));
        } else if shared.settings.has_common_credentials {
            shared.stop.give(Stop::Credentials(failure));
        } else {
            self.credentials_refused(failure);
        }
    }

    fn credentials_refused(&self, failure: Failure) {
        let cause = Stop::Credentials(failure);
        if self.account.has_own_credentials() {
            // Those of other accounts may come from them.
            self.shared.stop.give(cause);
        } else {
            self.end_account(cause);
        }
    }
}
