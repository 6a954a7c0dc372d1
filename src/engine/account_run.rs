//! What the Regions of one account share: whose channels they are, the credentials, refusals in a row, and the end of the account.
//!
//! A run without the column `account` has one account that nothing names; what ends it ends the run. An account that the
//! rows name ends for itself alone.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::stop::Stop;
use super::stop_signal::StopSignal;
use crate::domain::device::AccountId;
use crate::domain::panics::lock;
use crate::domain::service::Failure;

/// This number of refusals in a row by an authorization code, with no success in between, ends the account.
const DENIED_IN_A_ROW: u32 = 20;

/// One account of a run.
#[derive(Debug)]
pub(super) struct AccountRun {
    /// As the rows name it.
    named: Option<AccountId>,
    /// The account that every ARN must be of; where it is not known, that of the first.
    expected: Mutex<Option<AccountId>>,
    /// Whether its credentials are the run's own: those of other accounts may come from them.
    has_own_credentials: bool,
    denied: AtomicU32,
    /// Held while credentials are fetched.
    pub(super) credentials: tokio::sync::Mutex<()>,
    /// The newest generation whose credentials an answer has proved to work.
    pub(super) proved_generation: AtomicU64,
    end: Mutex<AccountEnd>,
}

/// How an account ends: with all its Regions.
#[derive(Debug, Default)]
struct AccountEnd {
    cause: Option<Stop>,
    regions: Vec<StopSignal>,
}

impl AccountRun {
    /// The account that the rows name, or, where they name none, that of the run's own credentials. `own` is the account of
    /// these, where it is known.
    pub(super) fn new(named: Option<AccountId>, own: Option<AccountId>) -> Self {
        Self {
            has_own_credentials: named.is_none() || named == own,
            expected: Mutex::new(named.clone().or(own)),
            named,
            denied: AtomicU32::new(0),
            credentials: tokio::sync::Mutex::new(()),
            proved_generation: AtomicU64::new(0),
            end: Mutex::default(),
        }
    }

    /// The account of the answers so far, or the expected one.
    pub(super) fn id(&self) -> Option<AccountId> {
        lock(&self.expected).clone()
    }

    /// Adds the signal that ends one of its Regions.
    pub(super) fn add_region(&self, signal: StopSignal) {
        let mut end = lock(&self.end);
        if let Some(cause) = &end.cause {
            signal.give(cause.clone());
        }
        end.regions.push(signal);
    }

    /// As the rows name it.
    pub(super) fn named(&self) -> Option<&AccountId> {
        self.named.as_ref()
    }

    /// Whether its credentials are the run's own.
    pub(super) fn has_own_credentials(&self) -> bool {
        self.has_own_credentials
    }

    /// Ends all its Regions. Returns whether that is news.
    pub(super) fn end(&self, cause: &Stop) -> bool {
        let regions = {
            let mut end = lock(&self.end);
            if end.cause.is_some() {
                return false;
            }
            end.cause = Some(cause.clone());
            end.regions.clone()
        };
        for region in &regions {
            region.give(cause.clone());
        }
        true
    }

    /// A device was refused by an authorization code. Returns why the account ends, if these were too many in a row.
    pub(super) fn denied(&self, failure: &Failure) -> Option<Stop> {
        let devices = self.denied.fetch_add(1, Ordering::Relaxed) + 1;
        // Of devices that are refused at the same time, one reaches the number.
        (devices == DENIED_IN_A_ROW).then(|| Stop::Denied {
            devices,
            failure: failure.clone(),
        })
    }

    /// A device succeeded: earlier refusals concern single devices only.
    pub(super) fn allowed(&self) {
        self.denied.store(0, Ordering::Relaxed);
    }

    /// Compares the account of an answer with the expected one; without one, it is expected from now on. A difference is
    /// why the account ends.
    pub(super) fn check(&self, found: &str) -> Result<(), Option<Stop>> {
        let mut expected = lock(&self.expected);
        let is_known = |known: &AccountId| known.as_str() == found;
        if expected.as_ref().is_some_and(is_known) {
            return Ok(());
        }
        let found = AccountId::parse(found).map_err(|_| None)?;
        let expected = expected.get_or_insert_with(|| found.clone()).clone();
        if expected == found {
            return Ok(());
        }
        Err(Some(Stop::WrongAccount { expected, found }))
    }

    /// Waits while credentials are fetched. New ones are in place before their account is known: a request sent meanwhile
    /// could create a channel in another account.
    pub(super) async fn credentials_ready(&self) {
        // Each attempt waits here, and nearly always they are.
        if !self.are_credentials_ready() {
            drop(self.credentials.lock().await);
        }
    }

    /// Whether no credentials are being fetched.
    pub(super) fn are_credentials_ready(&self) -> bool {
        self.credentials.try_lock().is_ok()
    }

    /// An answer that is not about credentials proves those that the request was signed with.
    pub(super) fn credentials_work(&self, generation: u64) {
        self.proved_generation
            .fetch_max(generation, Ordering::Relaxed);
    }
}

/// The accounts of a run, by the name that the rows give them.
#[derive(Debug, Default)]
pub(super) struct AccountRuns(Mutex<Vec<(Option<AccountId>, Arc<AccountRun>)>>);

impl AccountRuns {
    /// The account that the rows name so. `own` is the account of the run's own credentials, where it is known.
    pub(super) fn of(&self, named: Option<&AccountId>, own: Option<&AccountId>) -> Arc<AccountRun> {
        let mut runs = lock(&self.0);
        let known = runs.iter().find(|(known, _)| known.as_ref() == named);
        if let Some((_, run)) = known {
            return Arc::clone(run);
        }
        let run = Arc::new(AccountRun::new(named.cloned(), own.cloned()));
        runs.push((named.cloned(), Arc::clone(&run)));
        run
    }
}
