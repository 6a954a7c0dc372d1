//! Which service a run works against, and with which identity: AWS, a custom endpoint, or the emulator in this process.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use indexmap::IndexSet;
use tracing::{info, warn};

use super::asking::seed;
use super::guard::Guard;
use super::messages::say_all;
use super::rehearsal::{Rehearsal, Rehearsed};
use crate::aws::{AwsService, ConfigError, ConfigErrorKind, Connection, ConnectionSettings};
use crate::domain::device::{AccountId, AccountRegion, Region};
use crate::domain::format;
use crate::domain::panics::lock;
use crate::domain::service::{Failure, Identity};
use crate::engine::{Stop, StopSignal, first_contact};
use crate::error::Error;

/// Regions in which the identity is requested, each for a few seconds, until one answers.
const MOST_REGIONS_ASKED: usize = 3;

/// The service that a run works against.
#[derive(Debug)]
pub(super) struct Target {
    connection: Connection,
    /// Empty before it was requested; then none if a custom endpoint does not know it.
    identity: OnceLock<Option<Identity>>,
    /// The connections to accounts with credentials of their own; for one that cannot be used, the cause.
    accounts: Mutex<HashMap<AccountId, Result<Connection, Stop>>>,
    first_line_was_said: OnceLock<()>,
    /// The results and their first account, if AWS made their channels.
    results_of_aws: OnceLock<(PathBuf, AccountId)>,
    emulator: Option<Rehearsed>,
}

impl Target {
    /// Finds the way to the service, and starts the emulator if it is the service. Sends nothing to AWS.
    pub(super) async fn load(
        mut settings: ConnectionSettings,
        rehearsal: Option<&Rehearsal>,
        stop: &StopSignal,
    ) -> Result<Self, Error> {
        let mut started = None;
        if let Some(rehearsal) = rehearsal {
            let rehearsed = rehearsal.start(stop).await?;
            settings.endpoint_url = Some(rehearsed.url());
            started = Some(rehearsed);
        }
        let connection = Connection::load(settings).await?;
        say_all(&connection.warnings());
        Ok(Self {
            connection,
            identity: OnceLock::new(),
            accounts: Mutex::default(),
            first_line_was_said: OnceLock::new(),
            results_of_aws: OnceLock::new(),
            emulator: started,
        })
    }

    /// The Region for rows that name none, where one is configured.
    pub(super) fn default_region(&self) -> Option<Region> {
        self.connection.default_region().cloned()
    }

    /// Whether AWS itself answers.
    pub(super) fn is_aws(&self) -> bool {
        self.connection.endpoint().is_aws()
    }

    /// Whether the emulator in this process answers.
    pub(super) fn is_emulator(&self) -> bool {
        self.emulator.is_some()
    }

    /// The custom endpoint, or the emulator's.
    pub(super) fn url(&self) -> Option<&str> {
        self.connection.endpoint().url()
    }

    /// The account, where it is known.
    pub(super) fn account(&self) -> Option<&AccountId> {
        self.identity().map(|who| &who.account)
    }

    /// The caller's ARN, where it is known.
    pub(super) fn caller(&self) -> Option<&str> {
        self.identity().map(|who| &*who.caller)
    }

    fn identity(&self) -> Option<&Identity> {
        self.identity.get().and_then(Option::as_ref)
    }

    pub(super) fn is_identified(&self) -> bool {
        self.identity.get().is_some()
    }

    /// Refuses an account that was not meant.
    pub(super) fn check_account(&self, guard: &Guard) -> Result<(), Error> {
        let Some(found) = self.account() else {
            return Ok(());
        };
        let Some(objection) = guard.objection(found) else {
            return Ok(());
        };
        let message = match guard.flag().filter(|_| self.is_emulator()) {
            Some(flag) => format!(
                "--account is {flag}, but the emulator's own account is always {found}; leave --account out of a \
                 rehearsal"
            ),
            None => objection,
        };
        Err(Error::refused("wrong-account", message))
    }

    /// Refuses `--account` if the identity was requested and is not known: before an answer could name another account,
    /// channels would have been created there.
    pub(super) fn check_known(&self, guard: &Guard) -> Result<(), Error> {
        let is_unknown = self.is_identified() && self.account().is_none();
        let Some(flag) = guard.flag().filter(|_| is_unknown) else {
            return Ok(());
        };
        let message = format!(
            "--account {flag} cannot be checked before something is made: the endpoint {} does not say whose account \
             it works for (GetCallerIdentity), and no channel that it lists does. Make sure of the account by other \
             means, and leave --account out",
            self.url().unwrap_or_default()
        );
        Err(Error::refused("wrong-account", message))
    }

    /// Refuses the emulator's results for a run against AWS, and the other way round. `accounts` are those of the results;
    /// `is_emulated` says whether their rows, or the log of their last run, name an emulator.
    pub(super) fn check_kind(
        &self,
        accounts: &[AccountId],
        is_emulated: bool,
        results: &Path,
    ) -> Result<(), Error> {
        let Some(first) = accounts.first() else {
            return Ok(());
        };
        let message = match (is_emulated, self.is_aws(), self.is_emulator()) {
            (true, true, _) => format!(
                "the results {} were made with the emulator (account {first}), but this run is against AWS; work with \
                 another results file",
                results.display()
            ),
            (false, _, true) => against_emulator(results, first),
            (false, ..) => {
                // Whether an endpoint is an emulator shows when it names its caller.
                let _first = self.results_of_aws.set((results.into(), first.clone()));
                return Ok(());
            }
            _ => return Ok(()),
        };
        Err(Error::refused("wrong-account", message))
    }

    /// Refuses results that have channels of the emulator in this process, if its state is lost.
    pub(super) fn check_state(&self, has_channels: bool, results: &Path) -> Result<(), Error> {
        let rehearsed = self.emulator.as_ref();
        rehearsed.map_or(Ok(()), |rehearsed| {
            rehearsed.check_state(has_channels, results)
        })
    }

    /// Refuses AWS's results where the emulator has named its caller.
    fn check_emulator(&self) -> Result<(), Error> {
        match (self.results_of_aws.get(), self.identity()) {
            (Some((results, first)), Some(identity)) if identity.is_of_emulator() => Err(
                Error::refused("wrong-account", against_emulator(results, first)),
            ),
            _ => Ok(()),
        }
    }

    /// Sends STS `GetCallerIdentity`, unless it was answered before, for a few seconds while there is no answer, or until
    /// the run stops. AWS must answer; a custom endpoint need not know.
    async fn identify(&self, region: &Region, stop: &StopSignal) -> Result<(), Error> {
        if self.is_identified() {
            return Ok(());
        }
        let request = || self.connection.identity(region);
        let asked = first_contact(stop, seed(), ConfigError::is_passing, request).await?;
        let _first = self.identity.set(asked?);
        Ok(())
    }

    /// Finds out the account and the caller in the first of these Regions that answers: one that does not must not stop the
    /// others. Refuses an account that was not meant. Gives the account, as far as it is known.
    pub(super) async fn meet(
        &self,
        guard: &Guard,
        regions: &[Region],
        stop: &StopSignal,
    ) -> Result<Option<AccountId>, Error> {
        let mut left = regions.iter().take(MOST_REGIONS_ASKED).peekable();
        while let Some(region) = left.next() {
            match self.identify(region, stop).await {
                Err(Error::Stopped(Stop::NoIdentity(_))) if left.peek().is_some() => {}
                asked => {
                    asked?;
                    break;
                }
            }
        }
        self.check_account(guard)?;
        self.check_emulator()?;
        Ok(self.account().cloned().or_else(|| guard.account()))
    }

    /// Prints the first line of a run, once.
    pub(super) fn say_first_line(&self, account_regions: &[AccountRegion]) {
        if self.first_line_was_said.set(()).is_err() {
            return;
        }
        let line = self.first_line(account_regions);
        if self.is_aws() {
            info!("{line}");
        } else {
            warn!("{line}");
        }
    }

    /// The Regions of these in which the service is not offered, as far as the name of its host shows, with the failure
    /// that shows it.
    pub(super) async fn not_offered(&self, regions: &[Region]) -> Vec<(Region, Failure)> {
        let mut found = Vec::new();
        for region in regions {
            if let Some(failure) = self.connection.not_offered(region).await {
                found.push((region.clone(), failure));
            }
        }
        found
    }

    /// The service in an account and Region, or why the account cannot be worked in. Nothing but rows without an account, and
    /// those of the account of the run's own credentials, is done with these.
    pub(super) fn service(&self, account_region: &AccountRegion) -> Result<AwsService, Stop> {
        let account = account_region.account.as_ref();
        let Some(account) = account.filter(|account| self.account() != Some(account)) else {
            return Ok(self.connection.region(&account_region.region));
        };
        let not_reached = || Stop::Internal(format!("the account {account} was not reached"));
        let accounts = lock(&self.accounts);
        let reached = accounts.get(account).ok_or_else(not_reached)?;
        match reached {
            Ok(connection) => Ok(connection.region(&account_region.region)),
            Err(cause) => Err(cause.clone()),
        }
    }

    /// Refuses these accounts and Regions if none of them can be worked in.
    pub(super) fn check_usable<'a>(
        &self,
        account_regions: impl IntoIterator<Item = &'a AccountRegion>,
    ) -> Result<(), Error> {
        let mut causes = Vec::new();
        for account_region in account_regions {
            match self.service(account_region) {
                Ok(_) => return Ok(()),
                Err(cause) => causes.push((account_region.account.clone(), cause)),
            }
        }
        let may_pass = causes.iter().any(|(_, cause)| cause.may_pass());
        match Stop::of_parts(&causes) {
            None => Ok(()),
            Some(stop) if may_pass => Err(Error::Stopped(stop)),
            // What is configured must change first.
            Some(stop) => Err(Error::NotBegun(stop)),
        }
    }

    pub(super) fn is_reached(&self, account: &AccountId) -> bool {
        lock(&self.accounts).contains_key(account)
    }

    /// The connection with the run's own credentials.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// From now on requests in this account go this way, or there is no way.
    pub(super) fn add_account(&self, account: AccountId, reached: Result<Connection, Stop>) {
        lock(&self.accounts).insert(account, reached);
    }

    /// The first line of a run: account, caller, profile, Regions, endpoint.
    fn first_line(&self, account_regions: &[AccountRegion]) -> String {
        let account = match account_names(account_regions).as_slice() {
            [] => {
                let account = self.account().map_or("not known yet", AccountId::as_str);
                format!("account {account}")
            }
            [one] => format!("account {one}"),
            many => format::count(many.len() as u64, "account"),
        };
        let caller = self
            .caller()
            .map_or(String::new(), |caller| format!(", caller {caller}"));
        let source = self.connection.credentials_source();
        let source = source.map_or(String::new(), |source| format!(", {source}"));
        let regions = region_names(account_regions);
        let regions = match regions.as_slice() {
            [] => "Regions as the rows name them".to_owned(),
            [one] => format!("Region {one}"),
            many => format!("Regions {}", many.join(", ")),
        };
        let (lead, endpoint) = match (self.is_emulator(), self.url()) {
            (true, Some(url)) => (
                "EMULATOR, NOT AWS: ",
                format!("endpoint {url} in this process"),
            ),
            (_, Some(url)) if !self.is_aws() => ("NOT AWS: ", format!("endpoint {url}")),
            (_, Some(url)) => ("", format!("endpoint {url}")),
            (_, None) => ("", "endpoint AWS".to_owned()),
        };
        format!("{lead}{account}{caller}{source}, {regions}, {endpoint}")
    }
}

fn against_emulator(results: &Path, account: &AccountId) -> String {
    format!(
        "the results {} were made with the account {account}, but this run is against the emulator; work with another \
         results file",
        results.display()
    )
}

/// The names of the Regions, each once, in order.
pub(super) fn region_names(account_regions: &[AccountRegion]) -> Vec<String> {
    let names: BTreeSet<&Region> = account_regions
        .iter()
        .map(|account_region| &account_region.region)
        .collect();
    names.into_iter().map(ToString::to_string).collect()
}

/// The accounts that are named, each once, in order.
pub(super) fn account_names(account_regions: &[AccountRegion]) -> Vec<String> {
    let accounts: BTreeSet<&AccountId> = account_regions
        .iter()
        .filter_map(|account_region| account_region.account.as_ref())
        .collect();
    accounts.into_iter().map(ToString::to_string).collect()
}

/// The Regions, each once, in the order in which they come first.
pub(super) fn regions_of(account_regions: &[AccountRegion]) -> Vec<Region> {
    let regions: IndexSet<&Region> = account_regions
        .iter()
        .map(|account_region| &account_region.region)
        .collect();
    regions.into_iter().cloned().collect()
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        match error.kind() {
            ConfigErrorKind::Configuration => Self::refused("configuration", error.to_string()),
            ConfigErrorKind::Credentials | ConfigErrorKind::Role => {
                Self::refused("credentials", error.to_string())
            }
            ConfigErrorKind::Unreachable => Self::Stopped(Stop::NoIdentity(error.to_string())),
        }
    }
}
